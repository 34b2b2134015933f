/* SPDX-License-Identifier: Apache-2.0
 *
 * When what goes to another region takes another way: order, and nothing lost
 * untold, whatever the old ingress still has.
 *
 *   its link breaks  nobody knows what became of what went through it. A fence
 *                    (cluster/fence.h) goes into the lanes to all others of
 *                    the region, before the next item: what comes later is
 *                    void.
 *   it drains        a probe and the end go into its lane, and the lanes to the
 *                    others are held. It answers when its region has all that
 *                    it relayed (cluster/through.c), and they are let go: in
 *                    order, nothing lost, nobody told. That takes as long as
 *                    two ways between regions; if it breaks, or takes HOLD_MS,
 *                    a fence stands where they were held.
 *   it lacks some    of its region for 10 s (it says so), and another does not:
 *                    as if it drained, but without the end: it may be back.
 *   a better one     for an idle bucket, as a node came: it moves with its next
 *                    item, if a probe has shown that all before has arrived.
 *
 * So a bucket moves behind a fence, or when nothing of it is on its way. Whose
 * link comes back is told the fence of its region before anything else.
 */
#include "cluster/inside.h"

static bool has_to_go(const struct cluster *cluster, uint16_t slot);
static void begin(struct cluster *cluster, uint16_t slot);
static void finish(struct cluster *cluster, uint16_t slot, bool arrived);
static bool is_parting(const struct cluster *cluster, uint16_t slot);
static void release_all(struct cluster *cluster);
static void hold(struct cluster *cluster, struct peer *peer);
static void let_go(struct peer *peer, bool fenced);
static void fence(struct cluster *cluster, uint16_t slot);

static struct move *move_of(struct cluster *cluster, uint16_t slot)
{
    return &cluster->moves[cluster->route.region_of[slot]];
}

/* The peer in that slot, if it is linked and of the same region. */
static struct peer *linked_beside(const struct cluster *cluster, size_t i,
                                  uint16_t slot)
{
    struct peer *peer = peer_at(cluster, i);

    return peer != NULL && peer->linked &&
                   route_is_same(&cluster->route, (uint16_t)i, slot)
               ? peer
               : NULL;
}

void moves_ask(struct cluster *cluster)
{
    uint16_t slot;

    while (route_take_ask(&cluster->route, &slot)) {
        struct peer *peer = cluster->peers[slot];
        if (peer->linked && peer->probe_seq == 0 && !peer->probe_out) {
            peer->probe_due = true;
            cluster->lanes_due = true;
        }
    }
}

void moves_release(struct cluster *cluster, uint16_t slot)
{
    if (!cluster->peers[slot]->near && !move_of(cluster, slot)->under_way &&
        has_to_go(cluster, slot)) {
        begin(cluster, slot);
    }
}

/* Who drains gets its end again when something was put behind it. Two that
 * lack each other do not say so at the same time. */
static bool has_to_go(const struct cluster *cluster, uint16_t slot)
{
    const struct peer *peer = cluster->peers[slot];
    bool goes = peer->draining
                    ? !peer->closed
                    : peer->lacking && !route_leaves(&cluster->route, slot) &&
                          cluster->now_ms >= peer->lacking_ms + LACKING_MS;

    return goes && peer->linked && route_has_better(&cluster->route, slot);
}

void moves_lacks(struct cluster *cluster, uint16_t slot, bool lacking)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->near || lacking == peer->lacking) {
        return;
    }
    peer->lacking = lacking;
    peer->lacking_ms = cluster->now_ms;
    route_mark_lacking(&cluster->route, slot, lacking);
    if (!lacking && !peer->draining) {
        route_stay(&cluster->route, slot);
    }
}

void moves_through(struct cluster *cluster, uint16_t slot, uint64_t through)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->near || peer->probe_seq == 0 || peer->probe_out ||
        peer->probe_due || through < peer->probe_seq) {
        return;
    }
    peer->probe_seq = 0;
    route_settle(&cluster->route, slot, peer->probe_ms);
    if (peer->parting) {
        peer->parting = false;
        if (!is_parting(cluster, slot)) {
            finish(cluster, slot, true);
        }
    }
}

void moves_linked(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    peer->fence_due = peer->near ? fences_bytes(&cluster->fences).len > 0
                                 : route_fence(&cluster->route, slot) > 0;
    cluster->lanes_due = cluster->lanes_due || peer->fence_due;
    if (!peer->near && move_of(cluster, slot)->under_way) {
        hold(cluster, peer);
    }
}

void moves_unlinked(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];
    bool parting = peer->parting;

    peer->probe_due = false;
    peer->probe_out = false;
    peer->probe_seq = 0;
    peer->held = false;
    peer->hold_due = false;
    peer->free_due = false;
    peer->parting = false;
    if (peer->near) {
        return;
    }
    if (parting) { /* nothing went there since */
        finish(cluster, slot, false);
    } else if (route_is_unsettled(&cluster->route, slot)) {
        route_raise_fence(&cluster->route, slot, cluster->count);
        fence(cluster, slot);
    }
}

void moves_tick(struct cluster *cluster)
{
    for (size_t i = 0; cluster->moves_len > 0 && i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && peer->parting &&
            cluster->now_ms >=
                move_of(cluster, (uint16_t)i)->began_ms + HOLD_MS) {
            finish(cluster, (uint16_t)i, false);
        }
    }
}

/* All that have to go in that region go at once: workers of one process drain
 * together. Those through which nothing went need not be waited for. */
static void begin(struct cluster *cluster, uint16_t slot)
{
    bool parting = false;

    for (size_t i = 0; i < cluster->slots; i++) {
        struct peer *peer = linked_beside(cluster, i, slot);
        if (peer == NULL || !has_to_go(cluster, (uint16_t)i)) {
            continue;
        }
        peer->parting = route_is_unsettled(&cluster->route, (uint16_t)i);
        peer->probe_due = peer->parting;
        parting = parting || peer->parting;
        route_leave(&cluster->route, (uint16_t)i);
        peer->lane_end_due = peer->draining;
        cluster->lanes_due = true;
    }
    if (!parting) {
        return;
    }
    *move_of(cluster, slot) = (struct move){.under_way = true,
                                            .began_ms = cluster->now_ms,
                                            .count = cluster->count};
    cluster->moves_len++;
    for (size_t i = 0; i < cluster->slots; i++) {
        struct peer *peer = linked_beside(cluster, i, slot);
        if (peer != NULL && !route_leaves(&cluster->route, (uint16_t)i)) {
            hold(cluster, peer);
        }
    }
}

static void finish(struct cluster *cluster, uint16_t slot, bool arrived)
{
    struct move *move = move_of(cluster, slot);

    move->under_way = false;
    cluster->moves_len--;
    if (!arrived) {
        route_raise_fence(&cluster->route, slot, move->count);
    }
    for (size_t i = 0; i < cluster->slots; i++) {
        struct peer *peer = linked_beside(cluster, i, slot);
        if (peer != NULL && peer->held) {
            let_go(peer, !arrived);
            cluster->lanes_due = true;
        }
        if (peer != NULL) {
            peer->parting = false;
        }
    }
    release_all(cluster);
}

static bool is_parting(const struct cluster *cluster, uint16_t slot)
{
    for (size_t i = 0; i < cluster->slots; i++) {
        const struct peer *peer = linked_beside(cluster, i, slot);
        if (peer != NULL && peer->parting) {
            return true;
        }
    }
    return false;
}

/* Who has to go since. */
static void release_all(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->slots; i++) {
        if (peer_at(cluster, i) != NULL) {
            moves_release(cluster, (uint16_t)i);
        }
    }
}

static void hold(struct cluster *cluster, struct peer *peer)
{
    peer->held = true;
    peer->hold_due = true;
    cluster->lanes_due = true;
}

static void let_go(struct peer *peer, bool fenced)
{
    peer->held = false;
    if (peer->hold_due) { /* nobody has heard of it */
        peer->hold_due = false;
        peer->fence_due = peer->fence_due || fenced;
    } else {
        peer->free_due = true;
        peer->free_fenced = fenced;
    }
}

static void fence(struct cluster *cluster, uint16_t slot)
{
    for (size_t i = 0; i < cluster->slots; i++) {
        struct peer *peer = linked_beside(cluster, i, slot);
        if (peer != NULL && i != slot) {
            peer->fence_due = true;
            /* What was the end is none any more. */
            peer->lane_end_due = peer->lane_end_due || peer->closed;
            cluster->lanes_due = true;
        }
    }
}

/* --- fences of others --- */

static bool is_known(const void *data, uint64_t origin)
{
    const struct cluster *cluster = data;

    for (size_t i = 0; i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && node_id_u64(&peer->id) == origin) {
            return true;
        }
    }
    return false;
}

static bool raise_fence(struct cluster *cluster, uint64_t origin,
                        uint64_t count)
{
    int rc = fences_raise(&cluster->fences, origin, count);

    if (rc < 0) {
        fences_sift(&cluster->fences, is_known, cluster);
        rc = fences_raise(&cluster->fences, origin, count);
    }
    return rc != 0; /* without memory they are told, and no more */
}

/* To its own region or process, in the lanes in which it relays. Who is not
 * linked hears of all when it is. */
static void pass_on(struct cluster *cluster, enum round_of round,
                    struct bytes pairs)
{
    struct outbox_span span;
    bool whole = outbox_bytes(&cluster->outbox, pairs, &span);

    cluster->rounds[round].relays++;
    for (size_t i = 0; i < cluster->slots; i++) {
        struct cluster_effect effect = {
            .type = CLUSTER_FENCE,
            .slot = (uint16_t)i,
            .hop = route_hop(&cluster->route, (uint16_t)i)};
        struct peer *peer = peer_at(cluster, i);
        if (peer == NULL || !peer->linked ||
            !is_passed_to(cluster, round, (uint16_t)i)) {
            continue;
        }
        if (!whole || !outbox_put(&cluster->outbox, &effect, span)) {
            peer->fence_due = true;
            cluster->lanes_due = true;
        }
    }
}

void moves_fenced(struct cluster *cluster, uint16_t slot, struct bytes pairs)
{
    const struct peer *peer = cluster->peers[slot];
    bool raised = false;

    for (size_t at = 0; at < pairs.len; at += PEER_NUMBER_LEN) {
        uint64_t origin = fence_origin(pairs, at);
        if (peer->near || origin == node_id_u64(&peer->id)) {
            raised = raise_fence(cluster, origin, fence_count(pairs, at)) ||
                     raised;
        }
    }
    if (raised && cluster->gate.ready) { /* before that nothing is owed */
        cluster->gap_due = true;
    }
    if (is_passed_on(cluster, slot)) {
        pass_on(cluster, round_of(cluster, slot), pairs);
    }
}

bool cluster_take(const struct cluster *cluster, uint16_t slot,
                  const struct item *item)
{
    const struct peer *peer;

    if (fences_bytes(&cluster->fences).len == 0) {
        return true;
    }
    peer = peer_at(cluster, slot);
    return (peer != NULL && peer->near &&
            item->origin == node_id_u64(&peer->id)) ||
           item->count > fences_of(&cluster->fences, item->origin);
}
