/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/mesh.h"

#include <stdlib.h>

#include "node/mesh/mesh_private.h"
#include "proto/err.h"

enum {
    /* What a batch is longer than its largest record. */
    FRAME_EXTRA = PEER_HEADER_LEN_MAX + SEAL_OVERHEAD + 4096,
};

static_assert((int)CLUSTER_PEERS_MAX <= LANES_SLOTS_MAX, "a slot is a slot");

static void mesh_free(struct mesh *mesh);
static void on_way(void *data, uint16_t slot, enum peer_lane lane);
static void on_left(void *data, enum peer_lane lane, uint32_t pipe);
static void on_frame(void *data, enum peer_lane lane, struct bytes frame,
                     uint32_t pipe);

static void index_build(struct mesh *mesh)
{
    peer_index_clear(&mesh->index);
    for (size_t slot = 0; slot < mesh->slots_len; slot++) {
        const struct peer_link *link = mesh->links[slot];
        if (link != NULL && link->open) {
            peer_index_add(&mesh->index, &link->id, (uint16_t)slot);
        }
    }
}

int mesh_open(struct mesh **out, const struct mesh_options *options)
{
    struct mesh *mesh = calloc(1, sizeof *mesh);
    struct lanes_options lanes = {
        .loop = options->loop,
        .listen = {options->listen, options->listen},
        /* A snapshot part, and an item: in a batch of their own. */
        .frame_max = {PEER_RECORDS_LEN_MAX + PEER_BATCH_LEN + FRAME_EXTRA,
                      (size_t)options->limits->item_len + PEER_BATCH_LEN +
                          FRAME_EXTRA},
        .fault = options->fault,
        .data = mesh,
        .on_frame = on_frame,
        .on_left = on_left,
        .on_way = on_way,
    };

    if (mesh == NULL) {
        return ERR_NOMEM;
    }
    mesh->options = *options;
    mesh->awake_ms = mesh_now(mesh);
    lanes.listen[PEER_DATA].port = options->data_port;
    mesh->opener = (struct opener){.ring = options->ring,
                                   .stats = options->stats,
                                   .log = options->log,
                                   .self = options->self};
    int rc = lanes_open(&mesh->lanes, &lanes);
    if (rc != 0) {
        mesh_free(mesh);
        return rc;
    }
    *out = mesh;
    return 0;
}

void mesh_close(struct mesh *mesh)
{
    lanes_close(mesh->lanes);
    for (size_t slot = 0; slot < mesh->slots_len; slot++) {
        peer_link_free(mesh->links[slot]);
    }
    mesh_free(mesh);
}

static void mesh_free(struct mesh *mesh)
{
    opener_fini(&mesh->opener);
    free(mesh);
}

int mesh_peer_open(struct mesh *mesh, uint16_t slot,
                   const struct peer_node *peer)
{
    if (mesh_link_of(mesh, slot) == NULL) {
        int rc = peer_link_new(mesh, slot);
        if (rc != 0) {
            return rc;
        }
    }
    mesh_peer_close(mesh, slot);
    struct peer_link *link = mesh_link_of(mesh, slot);
    link->open = true;
    link->id = peer->id;
    link->counts = (struct mesh_link){0};
    link->closed = false;
    link->ended = false;
    link->flows = false;
    link->probed = false;
    link->tell = false;
    link->told_sent = 0;
    link->told_heard = 0;
    link->lanes[PEER_CONTROL].addr = peer->cluster;
    link->lanes[PEER_DATA].addr = peer->cluster;
    link->lanes[PEER_DATA].addr.port = peer->data_port;
    peer_index_add(&mesh->index, &link->id, slot);
    for (int i = 0; i < PEER_LANES; i++) {
        /* Numbers never come twice, nor follow on: it may remember us. */
        link_queue_start(&link->lanes[i].out, &link->id, mesh->number);
        int rc = lanes_dial(mesh->lanes, slot, (enum peer_lane)i,
                            &link->lanes[i].addr);
        if (rc != 0) {
            mesh_peer_close(mesh, slot);
            return rc;
        }
    }
    return 0;
}

void mesh_peer_close(struct mesh *mesh, uint16_t slot)
{
    struct peer_link *link = mesh_link_of(mesh, slot);

    if (link == NULL || !link->open) {
        return;
    }
    peer_link_down(link);
    link->open = false;
    link->cut = false;
    for (int i = 0; i < PEER_LANES; i++) {
        struct link_lane *lane = &link->lanes[i];
        if (lane->out.head.seq >= mesh->number) {
            mesh->number = lane->out.head.seq + 1;
        }
        link_queue_start(&lane->out, &link->id, mesh->number);
        lanes_hang_up(mesh->lanes, slot, lane->lane);
        lane->pipe = 0;
        lane->in = (struct sequence){0};
        if (lane->pipe_in != 0) {
            /* A dead host's would stay for ever. */
            lanes_cut(mesh->lanes, lane->lane, lane->pipe_in);
            lane->pipe_in = 0;
        }
    }
    index_build(mesh);
}

void mesh_count(const struct mesh *mesh)
{
    struct stats *stats = mesh->options.stats;
    struct lanes_refused refused;

    lanes_refused(mesh->lanes, &refused);
    stats->link_crowded = refused.crowded;
    stats->link_greeting = refused.ends[PULL_END_GREETING];
    stats->link_oversized = refused.ends[PULL_END_OVERSIZED];
    stats->link_truncated = refused.ends[PULL_END_TRUNCATED];
    stats->link_silent = refused.ends[PULL_END_SILENT];
}

/* This process stood still for longer than anything may wait for a peer: what
 * lies in the buffers of the pipes is as old as that. They go, and it with
 * them; the next batch on another pipe shows what is missing. */
static void mind_pause(struct mesh *mesh)
{
    uint64_t now_ms = mesh_now(mesh);
    bool paused = now_ms > mesh->awake_ms + mesh->options.limits->link_queue_ms;

    mesh->awake_ms = now_ms;
    for (size_t slot = 0; paused && slot < mesh->slots_len; slot++) {
        struct peer_link *link = mesh->links[slot];
        if (link != NULL && link->lanes[PEER_DATA].pipe_in != 0) {
            struct link_lane *data = &link->lanes[PEER_DATA];
            data->pipe_late = data->pipe_in;
            data->pipe_in = 0;
            lanes_cut(mesh->lanes, PEER_DATA, data->pipe_late);
        }
    }
}

static void look_again(struct mesh *mesh, uint64_t now_ms)
{
    struct peer_link *link = mesh->again;

    if (now_ms - mesh->again_ms < MESH_AGAIN_MS) {
        return;
    }
    mesh->again_ms = now_ms;
    mesh->again = NULL;
    while (link != NULL) {
        struct peer_link *next = link->again_next;
        link->again = false;
        peer_link_flush(link, now_ms);
        link = next;
    }
}

void mesh_flush(struct mesh *mesh, uint64_t now_ms)
{
    struct peer_link *link = mesh->dirty;

    mind_pause(mesh);
    mesh->dirty = NULL;
    while (link != NULL) {
        struct peer_link *next = link->dirty_next;
        link->dirty = false;
        peer_link_flush(link, now_ms);
        link = next;
    }
    look_again(mesh, now_ms);
}

bool mesh_link_at(const struct mesh *mesh, uint16_t slot, struct mesh_link *out)
{
    const struct peer_link *link = mesh_link_of(mesh, slot);

    if (link == NULL || !link->open) {
        return false;
    }
    *out = link->counts;
    out->up = link->up;
    out->queued = link->lanes[PEER_CONTROL].out.len +
                  link->lanes[PEER_DATA].out.len;
    return true;
}

/* Our way to a peer stands, broke, or has room again. */
static void on_way(void *data, uint16_t slot, enum peer_lane lane)
{
    struct mesh *mesh = data;
    struct peer_link *link = mesh_link_of(mesh, slot);
    uint32_t pipe = lanes_pipe(mesh->lanes, slot, lane);

    if (link == NULL || !link->open) {
        return;
    }
    if (pipe != link->lanes[lane].pipe) {
        bool was_up = link->up;
        link->lanes[lane].pipe = pipe;
        if (was_up) {
            peer_link_down(link);
            mesh_news(mesh, &(struct cluster_news){.type = CLUSTER_PIPE_DOWN,
                                                   .slot = slot});
        }
        if (link->open && !link->up && link->lanes[PEER_CONTROL].pipe != 0 &&
            link->lanes[PEER_DATA].pipe != 0) {
            peer_link_up(link);
            mesh_news(mesh, &(struct cluster_news){.type = CLUSTER_PIPE_UP,
                                                   .slot = slot,
                                                   .epoch = link->epoch});
        }
    }
    peer_link_depart(&link->lanes[lane], false);
    peer_link_dirty(link);
}

/* A way from somebody to us is no more. */
static void on_left(void *data, enum peer_lane lane, uint32_t pipe)
{
    struct mesh *mesh = data;

    for (size_t slot = 0; slot < mesh->slots_len; slot++) {
        struct peer_link *link = mesh->links[slot];
        if (link != NULL && link->open && link->lanes[lane].pipe_in == pipe) {
            link->lanes[lane].pipe_in = 0;
            peer_link_flows(link);
        }
    }
}

static void on_frame(void *data, enum peer_lane lane, struct bytes frame,
                     uint32_t pipe)
{
    struct mesh *mesh = data;
    struct peer_batch head;
    struct bytes body;

    mind_pause(mesh);
    mesh->options.stats->link_bytes_in += frame.len;
    if (!opener_open(&mesh->opener, lane, frame, mesh_now(mesh), &head,
                     &body)) {
        lanes_cut(mesh->lanes, lane, pipe);
        return;
    }
    uint16_t slot = peer_index_find(&mesh->index, &head.src);
    if (slot == CLUSTER_SLOT_NONE) {
        mesh->options.stats->link_unknown++;
        lanes_trust(mesh->lanes, lane, pipe);
        return; /* it knows us before we know it */
    }
    struct link_lane *in = &mesh->links[slot]->lanes[lane];
    if (in->pipe_late == pipe) {
        mesh->options.stats->link_stale++;
        return;
    }
    if (in->pipe_in != pipe) {
        in->pipe_in = pipe;
        lanes_trust(mesh->lanes, lane, pipe);
    }
    peer_link_take(in, &head, body);
}
