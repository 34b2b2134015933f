/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh.h"

#include <assert.h>
#include <stdlib.h>

#include "node/lanes.h"
#include "node/link_queue.h"
#include "node/opener.h"
#include "node/peer_index.h"
#include "node/sequence.h"
#include "proto/err.h"

enum {
    /* What a batch is longer than its largest record. */
    FRAME_EXTRA = PEER_HEADER_LEN_MAX + SEAL_OVERHEAD + 4096,
};

static_assert((int)CLUSTER_PEERS_MAX <= LANES_SLOTS_MAX, "a slot is a slot");

struct peer_link;

/* One lane of one peer, both directions. */
struct link_lane {
    struct peer_link *link;
    enum peer_lane lane;
    struct addr addr;
    uint32_t pipe; /* of our way; 0 = it does not stand */
    struct link_queue out;
    struct sequence in;
    uint32_t pipe_in; /* where the peer's last frame came from */
};

struct peer_link {
    struct mesh *mesh;
    uint16_t slot;
    bool open;
    bool up;    /* both pipes stand */
    bool cut;   /* control overflowed: to be dialled anew */
    bool lossy; /* items were dropped since the cluster heard of it */
    bool dirty; /* in the list */
    struct node_id id;
    uint64_t epoch;
    struct link_lane lanes[PEER_LANES];
    struct peer_link *dirty_next;
    struct mesh_link counts; /* up and queued are filled in when asked */
};

struct mesh {
    struct mesh_options options;
    struct lanes *lanes;
    uint64_t counter; /* of the last nonce */
    uint64_t epoch;   /* of the last pipe that came up */
    struct opener opener;
    struct peer_link *links[CLUSTER_PEERS_MAX];
    size_t slots_len; /* no link beyond */
    struct peer_link *dirty;
    struct peer_index index;
};

static void mesh_free(struct mesh *mesh);
static int link_new(struct mesh *mesh, uint16_t slot);
static void link_free(struct peer_link *link);
static void link_down(struct peer_link *link);
static void link_up(struct peer_link *link);
static void link_flush(struct peer_link *link, uint64_t now_ms);
static void link_redial(struct peer_link *link);
static void on_way(void *data, uint16_t slot, enum peer_lane lane);
static void on_frame(void *data, enum peer_lane lane, struct bytes frame,
                     uint32_t pipe);
static void take_batch(struct link_lane *lane, const struct peer_batch *head,
                       struct bytes body);

static uint64_t now_of(const struct mesh *mesh)
{
    return uv_now(mesh->options.loop);
}

static struct peer_link *link_at(const struct mesh *mesh, uint16_t slot)
{
    assert(slot < CLUSTER_PEERS_MAX);
    return mesh->links[slot];
}

static void news(struct mesh *mesh, const struct cluster_news *what)
{
    mesh->options.on_news(mesh->options.data, what);
}

/* mesh_flush() is to look at it. */
static void link_dirty(struct peer_link *link)
{
    if (!link->dirty) {
        link->dirty = true;
        link->dirty_next = link->mesh->dirty;
        link->mesh->dirty = link;
    }
}

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

/* false: memory is short; the batch waits for a better time. */
static bool seal_and_send(struct link_lane *lane,
                          const struct link_batch *batch)
{
    struct mesh *mesh = lane->link->mesh;
    uint8_t nonce[SEAL_NONCE_LEN];
    struct push_frame frame;

    if (push_frame_init(&frame, batch->plain.len + SEAL_OVERHEAD) != 0) {
        return false;
    }
    memcpy(nonce, mesh->options.life, REPLAY_LIFE_LEN);
    bytes_put_u64be(nonce + REPLAY_LIFE_LEN, ++mesh->counter);
    seal_write(mesh->options.ring, SEAL_LINK, &lane->link->id, nonce,
               buf_bytes(&batch->plain), &frame.out);
    assert(!frame.out.failed); /* the frame has the room */
    mesh->options.stats->link_bytes_out += frame.out.len;
    lanes_send(mesh->lanes, lane->link->slot, lane->lane, &frame);
    return true;
}

/* Sends what waits as long as the lane takes it. */
static void depart(struct link_lane *lane, bool open_too)
{
    struct mesh *mesh = lane->link->mesh;

    while ((open_too ? !link_queue_is_empty(&lane->out)
                     : link_queue_has_closed(&lane->out)) &&
           lanes_has_room(mesh->lanes, lane->link->slot, lane->lane) &&
           seal_and_send(lane, link_queue_first(&lane->out))) {
        link_queue_pop(&lane->out);
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
        .data = mesh,
        .on_frame = on_frame,
        .on_way = on_way,
    };

    if (mesh == NULL) {
        return ERR_NOMEM;
    }
    mesh->options = *options;
    lanes.listen[PEER_DATA].port = options->data_port;
    mesh->opener = (struct opener){.ring = options->ring,
                                   .stats = options->stats,
                                   .log = options->log,
                                   .self = options->self};
    int rc = opener_init(&mesh->opener);
    if (rc == 0) {
        rc = lanes_open(&mesh->lanes, &lanes);
    }
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
        link_free(mesh->links[slot]);
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
    if (link_at(mesh, slot) == NULL) {
        int rc = link_new(mesh, slot);
        if (rc != 0) {
            return rc;
        }
    }
    mesh_peer_close(mesh, slot);
    struct peer_link *link = link_at(mesh, slot);
    link->open = true;
    link->id = peer->id;
    link->counts = (struct mesh_link){0};
    link->lanes[PEER_CONTROL].addr = peer->cluster;
    link->lanes[PEER_DATA].addr = peer->cluster;
    link->lanes[PEER_DATA].addr.port = peer->data_port;
    index_build(mesh);
    for (int i = 0; i < PEER_LANES; i++) {
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
    struct peer_link *link = link_at(mesh, slot);

    if (link == NULL || !link->open) {
        return;
    }
    link_down(link);
    link->open = false;
    link->cut = false;
    for (int i = 0; i < PEER_LANES; i++) {
        struct link_lane *lane = &link->lanes[i];
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

void mesh_tell(struct mesh *mesh, uint16_t slot, struct bytes message)
{
    struct peer_link *link = link_at(mesh, slot);

    if (link == NULL || !link->up || link->cut) {
        return; /* the cluster starts anew when the pipe comes up */
    }
    link->cut = link_queue_message(&link->lanes[PEER_CONTROL].out, message,
                                   now_of(mesh)) != 0;
    link_dirty(link);
}

void mesh_send(struct mesh *mesh, uint16_t slot, enum peer_hop hop,
               const struct item *item)
{
    struct peer_link *link = link_at(mesh, slot);
    uint64_t dropped = 0;

    if (link == NULL || !link->open) {
        return;
    }
    if (!link->up) {
        dropped = 1;
    } else if (link_queue_item(&link->lanes[PEER_DATA].out, hop, item,
                               now_of(mesh), &dropped) != 0) {
        dropped++;
    } else {
        link->counts.items_out++;
        mesh->options.stats->link_items_out++;
    }
    if (dropped > 0) {
        link->counts.dropped += dropped;
        link->lossy = true;
        mesh->options.stats->link_dropped += dropped;
    }
    depart(&link->lanes[PEER_DATA], false);
    link_dirty(link);
}

static void count_pipes(const struct mesh *mesh)
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

void mesh_flush(struct mesh *mesh, uint64_t now_ms)
{
    struct peer_link *link = mesh->dirty;

    count_pipes(mesh);
    mesh->dirty = NULL;
    while (link != NULL) {
        struct peer_link *next = link->dirty_next;
        link->dirty = false;
        link_flush(link, now_ms);
        link = next;
    }
}

bool mesh_link_at(const struct mesh *mesh, uint16_t slot, struct mesh_link *out)
{
    const struct peer_link *link = link_at(mesh, slot);

    if (link == NULL || !link->open) {
        return false;
    }
    *out = link->counts;
    out->up = link->up;
    out->queued = link->lanes[PEER_CONTROL].out.len +
                  link->lanes[PEER_DATA].out.len;
    return true;
}

static int link_new(struct mesh *mesh, uint16_t slot)
{
    const struct limits *limits = mesh->options.limits;
    struct peer_link *link = calloc(1, sizeof *link);

    if (link == NULL) {
        return ERR_NOMEM;
    }
    link->mesh = mesh;
    link->slot = slot;
    for (int i = 0; i < PEER_LANES; i++) {
        struct link_lane *lane = &link->lanes[i];
        lane->link = link;
        lane->lane = (enum peer_lane)i;
        link_queue_init(&lane->out, lane->lane, &mesh->options.self,
                        i == PEER_CONTROL ? MESH_CONTROL_LEN_MAX
                                          : limits->link_queue_len,
                        limits->link_queue_ms);
    }
    mesh->links[slot] = link;
    if (slot >= mesh->slots_len) {
        mesh->slots_len = (size_t)slot + 1;
    }
    return 0;
}

static void link_free(struct peer_link *link)
{
    if (link == NULL) {
        return;
    }
    for (int i = 0; i < PEER_LANES; i++) {
        link_queue_fini(&link->lanes[i].out);
    }
    free(link);
}

/* What waits dies with the pipe: it belongs to that epoch. */
static void link_down(struct peer_link *link)
{
    link->up = false;
    for (int i = 0; i < PEER_LANES; i++) {
        struct link_queue *out = &link->lanes[i].out;
        uint64_t dropped = link_queue_start(out, &link->id, 0);
        link->counts.dropped += dropped;
        link->mesh->options.stats->link_dropped += dropped;
    }
}

/* A new epoch begins. The empty batch tells the peer so, on the data lane in
 * its place among the items even if none follows for long; and both pipes are
 * then a member's, whoever is silent on them. */
static void link_up(struct peer_link *link)
{
    link->up = true;
    link->epoch = ++link->mesh->epoch;
    for (int i = 0; i < PEER_LANES; i++) {
        struct link_queue *out = &link->lanes[i].out;
        link_queue_start(out, &link->id, link->epoch);
        link_queue_mark(out, now_of(link->mesh));
    }
    link_dirty(link);
}

static void link_flush(struct peer_link *link, uint64_t now_ms)
{
    struct mesh *mesh = link->mesh;
    struct link_queue *data = &link->lanes[PEER_DATA].out;

    if (!link->up) {
        return;
    }
    if (link->cut) {
        link_redial(link);
        return;
    }
    depart(&link->lanes[PEER_CONTROL], true);
    depart(&link->lanes[PEER_DATA], true);
    uint64_t dropped = link_queue_expire(data, now_ms);
    link->counts.dropped += dropped;
    mesh->options.stats->link_dropped += dropped;
    if (!link_queue_is_empty(data) ||
        !link_queue_is_empty(&link->lanes[PEER_CONTROL].out)) {
        link_dirty(link); /* to see what becomes too old */
    }
    if (link->lossy || dropped > 0) {
        link->lossy = false;
        news(mesh, &(struct cluster_news){.type = CLUSTER_DROPPED,
                                          .slot = link->slot});
    }
}

/* A peer that does not take control messages is no peer. */
static void link_redial(struct peer_link *link)
{
    struct mesh *mesh = link->mesh;

    log_line(mesh->options.log, LOG_WARN, "link-cut",
             "peer=%016llx why=\"control messages are not taken\"",
             (unsigned long long)node_id_u64(&link->id));
    link->cut = false;
    link_down(link);
    for (int i = 0; i < PEER_LANES; i++) {
        struct link_lane *lane = &link->lanes[i];
        lane->pipe = 0;
        lanes_dial(mesh->lanes, link->slot, lane->lane, &lane->addr);
    }
    news(mesh,
         &(struct cluster_news){.type = CLUSTER_PIPE_DOWN, .slot = link->slot});
}

/* Our way to a peer stands, broke, or has room again. */
static void on_way(void *data, uint16_t slot, enum peer_lane lane)
{
    struct mesh *mesh = data;
    struct peer_link *link = link_at(mesh, slot);
    uint32_t pipe = lanes_pipe(mesh->lanes, slot, lane);

    if (link == NULL || !link->open) {
        return;
    }
    if (pipe != link->lanes[lane].pipe) {
        bool was_up = link->up;
        link->lanes[lane].pipe = pipe;
        if (was_up) {
            link_down(link);
            news(mesh, &(struct cluster_news){.type = CLUSTER_PIPE_DOWN,
                                              .slot = slot});
        }
        if (link->open && !link->up && link->lanes[PEER_CONTROL].pipe != 0 &&
            link->lanes[PEER_DATA].pipe != 0) {
            link_up(link);
            news(mesh, &(struct cluster_news){.type = CLUSTER_PIPE_UP,
                                              .slot = slot,
                                              .epoch = link->epoch});
        }
    }
    depart(&link->lanes[lane], false);
    link_dirty(link);
}

static void on_frame(void *data, enum peer_lane lane, struct bytes frame,
                     uint32_t pipe)
{
    struct mesh *mesh = data;
    struct peer_batch head;
    struct bytes body;

    mesh->options.stats->link_bytes_in += frame.len;
    if (!opener_open(&mesh->opener, lane, frame, now_of(mesh), &head, &body)) {
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
    if (in->pipe_in != pipe) {
        in->pipe_in = pipe;
        lanes_trust(mesh->lanes, lane, pipe);
    }
    take_batch(in, &head, body);
}

/* Of the control lane the cluster learns by the epoch, and repairs. */
static void tell_hole(const struct link_lane *lane)
{
    struct mesh *mesh = lane->link->mesh;

    if (lane->lane == PEER_DATA) {
        mesh->options.stats->link_holes++;
        news(mesh, &(struct cluster_news){.type = CLUSTER_HOLE,
                                          .slot = lane->link->slot});
    }
}

static void take_items(const struct link_lane *lane, enum peer_hop hop,
                       struct bytes body)
{
    const struct mesh_options *options = &lane->link->mesh->options;

    while (body.len > 0) {
        struct item item;
        ptrdiff_t n = item_read(body, &item);
        if (n <= 0) { /* a bug of the peer: what follows cannot be found */
            options->stats->link_malformed++;
            tell_hole(lane);
            return;
        }
        body = bytes_skip(body, (size_t)n);
        lane->link->counts.items_in++;
        options->stats->link_items_in++;
        options->on_item(options->data, &item, hop);
    }
}

static void take_batch(struct link_lane *lane, const struct peer_batch *head,
                       struct bytes body)
{
    struct peer_link *link = lane->link;
    int rc = sequence_take(&lane->in, head->epoch, head->seq);

    if (rc < 0) {
        link->mesh->options.stats->link_stale++;
        return;
    }
    if (rc == SEQUENCE_HOLE) {
        tell_hole(lane);
    }
    if (!link->open || body.len == 0) {
        return; /* the cluster closed it for what it was just told */
    }
    if (lane->lane == PEER_DATA) {
        take_items(lane, (enum peer_hop)head->hop, body);
    } else {
        news(link->mesh, &(struct cluster_news){.type = CLUSTER_CONTROL,
                                                .slot = link->slot,
                                                .epoch = head->epoch,
                                                .bytes = body});
    }
}
