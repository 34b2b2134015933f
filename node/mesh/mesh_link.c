/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "node/mesh/mesh_private.h"
#include "proto/err.h"

void peer_link_dirty(struct peer_link *link)
{
    if (!link->dirty) {
        link->dirty = true;
        link->dirty_next = link->mesh->dirty;
        link->mesh->dirty = link;
    }
}

/* To see what becomes too old, and to tell, it is looked at again soon. */
static void look_again(struct peer_link *link)
{
    if (!link->again) {
        link->again = true;
        link->again_next = link->mesh->again;
        link->mesh->again = link;
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
    lane->link->counts.bytes_out += frame.out.len;
    lanes_send(mesh->lanes, lane->link->slot, lane->lane, &frame);
    return true;
}

/* When one breaks away, its peers hear of it from all sides: a gap that nothing
 * follows takes in what comes soon after it. */
static bool gap_waits(const struct link_lane *lane)
{
    return link_queue_is_gap(&lane->out) &&
           mesh_now(lane->link->mesh) - lane->gap_ms < MESH_GAP_MS;
}

void peer_link_depart(struct link_lane *lane, bool open_too)
{
    struct mesh *mesh = lane->link->mesh;

    while (lane->link->up && !link_queue_is_held(&lane->out) &&
           (open_too ? !link_queue_is_empty(&lane->out)
                     : link_queue_has_closed(&lane->out)) &&
           lanes_has_room(mesh->lanes, lane->link->slot, lane->lane) &&
           !gap_waits(lane)) {
        const struct link_batch *batch = link_queue_first(&lane->out);
        if (batch == NULL || !seal_and_send(lane, batch)) {
            return;
        }
        if (batch->from != 0) {
            lane->gap_ms = mesh_now(mesh);
        }
        if (lane->lane == PEER_DATA && trace_has_queued(mesh->options.trace)) {
            trace_left(mesh->options.trace, node_id_u64(&lane->link->id),
                       batch->seq);
        }
        link_queue_pop(&lane->out);
    }
}

static bool has_untold(const struct peer_link *link)
{
    return link->tell ||
           link->lanes[PEER_DATA].out.head.seq != link->told_sent ||
           link->lanes[PEER_DATA].in.newest != link->told_heard;
}

/* How far the data lanes are, so that the cluster sees one that stands still:
 * at once where an end or a pipe came or is none any more, else once in a
 * while. */
static void tell_numbers(struct peer_link *link)
{
    const struct link_queue *out = &link->lanes[PEER_DATA].out;
    const struct sequence *in = &link->lanes[PEER_DATA].in;
    uint64_t now_ms = mesh_now(link->mesh);

    if (!link->open || !has_untold(link) ||
        (!link->tell && now_ms - link->told_ms < MESH_NUMBERS_MS)) {
        return;
    }
    link->told_sent = out->head.seq;
    link->told_heard = in->newest;
    link->told_ms = now_ms;
    link->tell = false;
    bool probed = link->probed;
    link->probed = false;
    mesh_news(link->mesh, &(struct cluster_news){.type = CLUSTER_NUMBERS,
                                                 .slot = link->slot,
                                                 .sent = out->head.seq,
                                                 .heard = in->newest,
                                                 .closed = link->closed,
                                                 .ended = link->ended,
                                                 .probed = probed,
                                                 .flows = link->flows});
}

/* Items were dropped: of those that still wait in the data lane, all up to the
 * end of the gap at its front. */
static void count_dropped(struct peer_link *link, uint64_t items,
                          enum traced_why why)
{
    struct trace *trace = link->mesh->options.trace;
    const struct link_batch *gap = link->lanes[PEER_DATA].out.first;

    link->counts.dropped += items;
    link->mesh->options.stats->slow_links += items > 0 && link->up;
    link->mesh->options.stats->link_dropped += items;
    if (trace_has_queued(trace) && gap != NULL && gap->from != 0) {
        trace_lost(trace, node_id_u64(&link->id), gap->seq, why);
    }
}

/* The item is in the newest batch, or nowhere. */
static void note_sent(const struct peer_link *link, const struct item *item,
                      enum traced_why why)
{
    struct trace *trace = link->mesh->options.trace;

    if ((item->flags & ITEM_TRACE) != 0 && trace != NULL) {
        trace_send(trace, item, node_id_u64(&link->id),
                   link->lanes[PEER_DATA].out.head.seq, why);
    }
}

/* Something was put into our data lane. */
static void link_sent(struct peer_link *link, bool end)
{
    link->tell = link->tell || link->closed != end;
    link->closed = end;
    peer_link_depart(&link->lanes[PEER_DATA], false);
    peer_link_dirty(link);
}

void mesh_tell(struct mesh *mesh, uint16_t slot, struct bytes message)
{
    struct peer_link *link = mesh_link_of(mesh, slot);

    if (link == NULL || !link->up || link->cut) {
        return; /* the cluster starts anew when the pipe comes up */
    }
    link->cut = link_queue_message(&link->lanes[PEER_CONTROL].out, message,
                                   mesh_now(mesh)) != 0;
    peer_link_dirty(link);
}

void mesh_send(struct mesh *mesh, uint16_t slot, enum peer_hop hop,
               const struct item *item)
{
    struct peer_link *link = mesh_link_of(mesh, slot);
    uint64_t dropped = 0;
    uint8_t hash[8];

    if (link == NULL || !link->open) {
        return;
    }
    struct link_queue *out = &link->lanes[PEER_DATA].out;
    enum traced_why why = TRACED_WHY_NONE;
    if (!link->up) {
        dropped = 1;
        why = TRACED_WHY_LINK_DOWN;
        bytes_put_u64be(hash, item->hash);
        link_queue_lost(out, hop, bytes_of(hash, sizeof hash));
    } else if (link_queue_item(out, hop, item, mesh_now(mesh), &dropped) != 0) {
        dropped++;
        why = TRACED_WHY_NO_MEMORY;
    } else {
        link->counts.items_out++;
        mesh->options.stats->link_items_out++;
    }
    if (dropped > 0) {
        count_dropped(link, dropped, TRACED_WHY_QUEUE_FULL);
    }
    note_sent(link, item, why);
    link_sent(link, false);
}

void mesh_mark(struct mesh *mesh, uint16_t slot, enum peer_hop hop,
               struct bytes hashes)
{
    struct peer_link *link = mesh_link_of(mesh, slot);

    if (link != NULL && link->open) {
        link_queue_lost(&link->lanes[PEER_DATA].out, hop, hashes);
        link_sent(link, false);
    }
}

void mesh_fence(struct mesh *mesh, uint16_t slot, enum peer_hop hop,
                struct bytes pairs)
{
    struct peer_link *link = mesh_link_of(mesh, slot);

    if (link != NULL && link->open) {
        link_queue_fence(&link->lanes[PEER_DATA].out, hop, pairs);
        link_sent(link, false);
    }
}

void mesh_hold(struct mesh *mesh, uint16_t slot, enum peer_hop hop)
{
    struct peer_link *link = mesh_link_of(mesh, slot);

    if (link != NULL && link->up) {
        link_queue_hold(&link->lanes[PEER_DATA].out, hop);
        link_sent(link, false);
    }
}

void mesh_let_go(struct mesh *mesh, uint16_t slot, struct bytes pairs)
{
    struct peer_link *link = mesh_link_of(mesh, slot);

    if (link != NULL && link->open) {
        link_queue_free(&link->lanes[PEER_DATA].out, pairs);
        link_sent(link, link->closed);
    }
}

void mesh_end(struct mesh *mesh, uint16_t slot)
{
    struct peer_link *link = mesh_link_of(mesh, slot);

    if (link != NULL && link->up) {
        link_queue_end(&link->lanes[PEER_DATA].out, mesh_now(mesh));
        link_sent(link, true);
    }
}

void mesh_probe(struct mesh *mesh, uint16_t slot)
{
    struct peer_link *link = mesh_link_of(mesh, slot);

    if (link != NULL && link->up) {
        link_queue_probe(&link->lanes[PEER_DATA].out, mesh_now(mesh));
        link_sent(link, false);
        link->tell = true;
        tell_numbers(link);
    }
}

int peer_link_new(struct mesh *mesh, uint16_t slot)
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

void peer_link_free(struct peer_link *link)
{
    if (link == NULL) {
        return;
    }
    for (int i = 0; i < PEER_LANES; i++) {
        link_queue_fini(&link->lanes[i].out);
    }
    free(link);
}

void peer_link_down(struct peer_link *link)
{
    link->up = false;
    for (int i = 0; i < PEER_LANES; i++) {
        count_dropped(link, link_queue_break(&link->lanes[i].out),
                      TRACED_WHY_LINK_DOWN);
    }
}

/* A new epoch begins; on both lanes a batch tells the peer so, even if none
 * follows for long: both pipes are then a member's, whoever is silent on them.
 */
void peer_link_up(struct peer_link *link)
{
    link->up = true;
    link->epoch = ++link->mesh->epoch;
    for (int i = 0; i < PEER_LANES; i++) {
        link_queue_pipe(&link->lanes[i].out, link->epoch, mesh_now(link->mesh));
    }
    peer_link_dirty(link);
}

void peer_link_flush(struct peer_link *link, uint64_t now_ms)
{
    struct link_queue *data = &link->lanes[PEER_DATA].out;

    tell_numbers(link);
    if (link->up && link->cut) {
        mesh_redial(link->mesh, link->slot, "control messages are not taken");
    } else if (link->up) {
        peer_link_depart(&link->lanes[PEER_CONTROL], true);
        peer_link_depart(&link->lanes[PEER_DATA], true);
        count_dropped(link, link_queue_expire(data, now_ms),
                      TRACED_WHY_TOO_OLD);
    }
    if (link->open && (!link_queue_is_empty(data) ||
                       !link_queue_is_empty(&link->lanes[PEER_CONTROL].out) ||
                       has_untold(link))) {
        look_again(link);
    }
}

void mesh_redial(struct mesh *mesh, uint16_t slot, const char *why)
{
    struct peer_link *link = mesh_link_of(mesh, slot);

    if (link == NULL || !link->up) {
        return; /* it is being dialled */
    }
    log_line(mesh->options.log, LOG_WARN, "link-cut", "peer=%016llx why=\"%s\"",
             (unsigned long long)node_id_u64(&link->id), why);
    mesh->options.stats->link_redialled++;
    link->cut = false;
    peer_link_down(link);
    for (int i = 0; i < PEER_LANES; i++) {
        struct link_lane *lane = &link->lanes[i];
        lane->pipe = 0;
        lanes_dial(mesh->lanes, link->slot, lane->lane, &lane->addr);
    }
    mesh_news(mesh, &(struct cluster_news){.type = CLUSTER_PIPE_DOWN,
                                           .slot = link->slot});
}

void mesh_carry_out(struct mesh *mesh, const struct cluster_effect *effect)
{
    if (effect->type == CLUSTER_MARK) {
        mesh_mark(mesh, effect->slot, (enum peer_hop)effect->hop,
                  effect->bytes);
    } else if (effect->type == CLUSTER_FENCE) {
        mesh_fence(mesh, effect->slot, (enum peer_hop)effect->hop,
                   effect->bytes);
    } else if (effect->type == CLUSTER_HOLD) {
        mesh_hold(mesh, effect->slot, (enum peer_hop)effect->hop);
    } else if (effect->type == CLUSTER_FREE) {
        mesh_let_go(mesh, effect->slot, effect->bytes);
    } else if (effect->type == CLUSTER_END) {
        mesh_end(mesh, effect->slot);
    } else if (effect->type == CLUSTER_PROBE) {
        mesh_probe(mesh, effect->slot);
    } else {
        assert(effect->type == CLUSTER_REDIAL);
        mesh_redial(mesh, effect->slot, "it stands still");
    }
}

static void tell_lost(const struct link_lane *lane, struct bytes hashes)
{
    mesh_news(lane->link->mesh, &(struct cluster_news){.type = CLUSTER_LOST,
                                                       .slot = lane->link->slot,
                                                       .bytes = hashes});
}

/* Of the control lane the cluster learns by the epoch, and repairs. */
static void tell_hole(const struct link_lane *lane)
{
    if (lane->lane == PEER_DATA) {
        lane->link->mesh->options.stats->link_holes++;
        tell_lost(lane, (struct bytes){0});
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
        options->on_item(options->data, lane->link->slot, &item, hop);
    }
}

void peer_link_flows(struct peer_link *link)
{
    bool flows = link->lanes[PEER_DATA].pipe_in != 0;

    if (link->flows != flows) {
        link->flows = flows;
        link->tell = true;
        tell_numbers(link);
    }
    peer_link_dirty(link);
}

/* Before what is in it is looked at: an end that is one no more. */
static void note_end(struct peer_link *link, const struct peer_batch *head)
{
    bool ended = head->kind == PEER_END;

    link->tell = link->tell || link->ended != ended;
    link->ended = ended;
    if (link->tell) {
        tell_numbers(link);
    }
    peer_link_flows(link);
}

static void take_data(struct link_lane *lane, const struct peer_batch *head,
                      const struct peer_gap *gap, struct bytes body)
{
    if (head->kind == PEER_LOST) {
        lane->link->mesh->options.stats->link_gaps++;
        if (gap->fences.len > 0) {
            mesh_news(lane->link->mesh,
                      &(struct cluster_news){.type = CLUSTER_FENCED,
                                             .slot = lane->link->slot,
                                             .bytes = gap->fences});
        }
        if (gap->all || gap->hashes.len > 0) {
            tell_lost(lane, gap->all ? (struct bytes){0} : gap->hashes);
        }
    } else if (head->kind == PEER_ITEMS) {
        take_items(lane, (enum peer_hop)head->hop, body);
    }
}

void peer_link_take(struct link_lane *lane, const struct peer_batch *head,
                    struct bytes body)
{
    struct peer_link *link = lane->link;
    struct peer_gap gap = {.from = head->seq, .all = true};

    if (head->kind == PEER_LOST && peer_gap_read(body, &gap) <= 0) {
        link->mesh->options.stats->link_malformed++; /* of all topics, then */
    }
    int rc = sequence_take(&lane->in, head->epoch, gap.from, head->seq);
    if (rc < 0) {
        link->mesh->options.stats->link_stale++;
        return;
    }
    if (lane->lane == PEER_DATA) {
        note_end(link, head);
    }
    if (rc == SEQUENCE_HOLE) {
        tell_hole(lane);
    }
    if (head->kind == PEER_PROBE) {
        link->probed = true;
        link->tell = true;
        tell_numbers(link);
    }
    if (!link->open || body.len == 0) {
        return; /* the cluster closed it for what it was just told */
    }
    if (lane->lane == PEER_DATA) {
        take_data(lane, head, &gap, body);
    } else {
        mesh_news(link->mesh, &(struct cluster_news){.type = CLUSTER_CONTROL,
                                                     .slot = link->slot,
                                                     .epoch = head->epoch,
                                                     .bytes = body});
    }
}
