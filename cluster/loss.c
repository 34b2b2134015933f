/* SPDX-License-Identifier: Apache-2.0
 *
 * What is lost, and who is told of it.
 *
 * Items and gaps of one peer are in one sequence, its data lane, so a gap is
 * always between the right items. Each end tells what it alone can know:
 *
 *   sender    what it could not put into a lane, before the next item there
 *             (CLUSTER_MARK); that nothing follows any more (CLUSTER_END)
 *   receiver  numbers that are missing (CLUSTER_LOST); that the end of a lane
 *             may never come, because its peer is dead, left without one, or
 *             silent; subscriptions that began while it had no way to the peer
 *   ingress   what is missing in the lane of another region, to its own region,
 *             in the lanes in which it relays
 *   worker    what is missing in the lane of another process, to the others of
 *             its own process, likewise
 *
 * A pipe that breaks and stands again loses nothing by itself: the numbers say
 * what is missing.
 */
#include "cluster/inside.h"

static uint64_t late_ms(const struct cluster *cluster, const struct peer *peer);
static bool lanes_next(struct cluster *cluster, struct cluster_effect *effect);
static bool peer_next(struct cluster *cluster, struct peer *peer,
                      struct cluster_effect *effect);
static struct bytes fences_for(struct cluster *cluster,
                               const struct peer *peer);
static void tell_here(struct cluster *cluster, struct bytes hashes);
static void pass_on(struct cluster *cluster, enum round_of round,
                    struct bytes hashes);
static bool may_want(const struct cluster *cluster, uint16_t slot,
                     struct bytes hashes);
static bool any_may_want(const struct cluster *cluster, uint16_t slot,
                         struct bytes hashes);
static void mark_way(struct cluster *cluster, uint16_t slot);
static void mark(struct cluster *cluster, uint16_t slot, struct bytes hashes);

void loss_lost(struct cluster *cluster, uint16_t slot, struct bytes hashes)
{
    tell_here(cluster, hashes);
    if (is_passed_on(cluster, slot)) {
        pass_on(cluster, round_of(cluster, slot), hashes);
    }
}

void loss_tell_host(struct cluster *cluster)
{
    tell_here(cluster, (struct bytes){0});
    pass_on(cluster, ROUND_HOST, (struct bytes){0});
}

void loss_numbers(struct cluster *cluster, uint16_t slot,
                  const struct cluster_news *news)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->sent == peer->sent_acked) {
        peer->still_ms = cluster->now_ms; /* it can only now fall behind */
    }
    if (news->ended && news->heard > peer->heard) {
        peer->hello_due = true; /* it waits for our word */
    }
    peer->gone_told = peer->gone_told && news->heard == peer->heard;
    peer->sent = news->sent;
    peer->heard = news->heard;
    peer->closed = news->closed;
    peer->ended = news->ended;
    peer->flows = news->flows;
    if (peer->probe_out) {
        peer->probe_out = false;
        peer->probe_seq = news->sent;
        peer->probe_ms = cluster->now_ms;
    }
    if (news->probed) {
        through_probed(cluster, slot);
    }
    loss_look(cluster, slot);
    if (cluster->drained) {
        loss_end_all(cluster); /* something was relayed behind the end */
    }
}

void loss_acked(struct cluster *cluster, uint16_t slot, uint64_t seq)
{
    struct peer *peer = cluster->peers[slot];

    if (seq != peer->sent_acked) { /* less: it gave us up and forgot */
        peer->sent_acked = seq;
        peer->still_ms = cluster->now_ms;
    }
}

void loss_gone(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (!peer->ended && !peer->gone_told && peer->heard_epoch != 0) {
        peer->gone_told = true;
        loss_lost(cluster, slot, (struct bytes){0});
    }
}

/* Its lane may go on. */
void loss_silent(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->was_linked && !peer->ended && !peer->gone_told &&
        !peer->silence_told) {
        peer->silence_told = true;
        loss_lost(cluster, slot, (struct bytes){0});
    }
}

/* Both ways at once: so a process ends. One alone is dialled anew, and then the
 * numbers say what is missing. */
void loss_look(struct cluster *cluster, uint16_t slot)
{
    const struct peer *peer = cluster->peers[slot];

    if (!peer->pipe && !peer->flows && peer->was_linked) {
        loss_gone(cluster, slot);
    }
}

void loss_unknown(struct cluster *cluster, uint16_t slot)
{
    if (cluster->peers[slot]->acked < cluster->flushed) {
        tell_here(cluster, (struct bytes){0});
    }
}

/* Nothing of the lane was ever acknowledged: it may have begun with what is
 * lost, and the first number that is heard may be any. Asked before the new
 * pipe has carried anything. */
void loss_pipe(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->was_linked) {
        peer->unheard = peer->unheard || peer->sent_acked == 0;
        loss_unknown(cluster, slot);
    }
}

void loss_begin(struct cluster *cluster, uint16_t slot, bool met)
{
    struct peer *peer = cluster->peers[slot];
    bool unheard = peer->unheard || (peer->was_linked && peer->sent_acked == 0);

    peer->unheard = false;
    if (!sync_lags(cluster, slot)) {
        loss_knows(cluster, slot);
    } else if (peer->was_linked || met) {
        peer->blind = true;
    }
    if (route_take_missed(&cluster->route, slot) || met || unheard) {
        mark_way(cluster, slot);
    }
}

/* What was published while it was linked, and not known to want it, did not
 * go there. What follows may go through any node of its region. */
void loss_knows(struct cluster *cluster, uint16_t slot)
{
    if (!cluster->peers[slot]->blind || !cluster->peers[slot]->linked) {
        return;
    }
    cluster->peers[slot]->blind = false;
    for (size_t i = 0; i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && peer->linked && !peer->near &&
            route_is_same(&cluster->route, (uint16_t)i, slot)) {
            mark(cluster, (uint16_t)i, (struct bytes){0});
        }
    }
    if (cluster->peers[slot]->near) {
        mark_way(cluster, slot);
    }
}

void loss_end_all(struct cluster *cluster)
{
    cluster->drained = true;
    for (size_t i = 0; i < cluster->slots; i++) {
        struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && peer->linked && !peer->closed) {
            peer->lane_end_due = true;
            cluster->lanes_due = true;
        }
    }
}

bool cluster_has_parted(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && peer->linked &&
            (!peer->closed || peer->sent_acked < peer->sent ||
             (!peer->near && !peer->ended))) {
            return false;
        }
    }
    return true;
}

/* A hello of its should have said that it has them. */
bool loss_is_late(const struct cluster *cluster, uint16_t slot)
{
    return late_ms(cluster, cluster->peers[slot]) > 0;
}

void loss_visit(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];
    uint64_t now_ms = cluster->now_ms;
    uint64_t late = late_ms(cluster, peer);
    bool still = peer->linked && late > LANE_STILL_MS;

    if (peer->pipe &&
        (still || (!peer->confirmed && now_ms - peer->doubt_ms > REDIAL_MS))) {
        peer->still_ms = now_ms;
        peer->doubt_ms = now_ms;
        peer->redial_due = true;
        cluster->lanes_due = true;
    }
    if (late > HELLO_MS && !peer->closed) {
        peer->probe_due = true; /* the first may have come to a stranger */
        cluster->lanes_due = true;
    }
    moves_release(cluster, slot);
}

bool loss_next(struct cluster *cluster, struct cluster_effect *effect)
{
    if (cluster->gap_due) {
        cluster->gap_due = false;
        *effect = (struct cluster_effect){.type = CLUSTER_GAP};
        return true;
    }
    return cluster->lanes_due && lanes_next(cluster, effect);
}

/* From where the last one was: often all of them have something due. */
static bool lanes_next(struct cluster *cluster, struct cluster_effect *effect)
{
    for (size_t n = cluster->slots; n > 0; n--) {
        cluster->lanes_at %= cluster->slots;
        struct peer *peer = peer_at(cluster, cluster->lanes_at);
        if (peer != NULL && peer_next(cluster, peer, effect)) {
            effect->slot = (uint16_t)cluster->lanes_at;
            return true;
        }
        cluster->lanes_at++;
    }
    cluster->lanes_due = false;
    return false;
}

/* For how long its word has been due. */
static uint64_t late_ms(const struct cluster *cluster, const struct peer *peer)
{
    uint64_t still_ms = cluster->now_ms - peer->still_ms;
    uint32_t due_ms = peer->its_again_ms < ACK_MS ? peer->its_again_ms
                                                  : (uint32_t)ACK_MS;

    return peer->sent > peer->sent_acked && still_ms > due_ms
               ? still_ms - due_ms
               : 0;
}

static bool take(bool *due)
{
    bool was = *due;

    *due = false;
    return was;
}

/* What is told of a lane comes before it is held, and its end last. */
static bool peer_next(struct cluster *cluster, struct peer *peer,
                      struct cluster_effect *effect)
{
    *effect = (struct cluster_effect){
        .hop = route_hop(&cluster->route, cluster->slot_of_row[peer->row])};
    if (take(&peer->free_due)) {
        effect->type = CLUSTER_FREE;
        effect->bytes = take(&peer->free_fenced) ? fences_for(cluster, peer)
                                                 : (struct bytes){0};
    } else if (take(&peer->fence_due)) {
        effect->type = CLUSTER_FENCE;
        effect->bytes = fences_for(cluster, peer);
    } else if (take(&peer->mark_due)) {
        effect->type = CLUSTER_MARK;
    } else if (take(&peer->hold_due)) {
        effect->type = CLUSTER_HOLD;
    } else if (take(&peer->probe_due)) {
        effect->type = CLUSTER_PROBE;
        peer->probe_out = true;
    } else if (take(&peer->lane_end_due)) {
        effect->type = CLUSTER_END;
    } else if (take(&peer->redial_due)) {
        effect->type = CLUSTER_REDIAL;
    } else {
        return false;
    }
    return true;
}

/* Valid until the next step. */
static struct bytes fences_for(struct cluster *cluster, const struct peer *peer)
{
    uint16_t slot = cluster->slot_of_row[peer->row];

    if (peer->near) {
        return fences_bytes(&cluster->fences);
    }
    fence_put(cluster->own_fence, node_id_u64(&cluster->self.id),
              route_fence(&cluster->route, slot));
    return bytes_of(cluster->own_fence, sizeof cluster->own_fence);
}

/* No hashes: all. So it is, too, when memory is short. */
static void tell_here(struct cluster *cluster, struct bytes hashes)
{
    struct outbox_span span;

    if (hashes.len == 0 || !outbox_bytes(&cluster->outbox, hashes, &span) ||
        !outbox_put(&cluster->outbox,
                    &(struct cluster_effect){.type = CLUSTER_GAP}, span)) {
        cluster->gap_due = true;
    }
}

/* Who is not linked is told when it is. */
static void pass_on(struct cluster *cluster, enum round_of round,
                    struct bytes hashes)
{
    cluster->rounds[round].relays++;
    for (size_t i = 0; i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        uint16_t slot = (uint16_t)i;
        if (peer == NULL || !is_passed_to(cluster, round, slot) ||
            !any_may_want(cluster, slot, hashes)) {
            continue;
        }
        if (peer->linked) {
            mark(cluster, slot, hashes);
        } else {
            route_miss(&cluster->route, slot);
        }
    }
}

/* A hash does not say whether a pattern would have matched its name. */
static bool may_want(const struct cluster *cluster, uint16_t slot,
                     struct bytes hashes)
{
    const struct interest_peer *held = interest_peer(&cluster->interest, slot);

    if (hashes.len == 0 || held->records.len > 0) {
        return true;
    }
    for (size_t i = 0; i < hashes.len; i += 8) {
        const uint64_t *slots = interest_find(&cluster->interest,
                                              bytes_u64be(hashes.p + i));
        if (slots != NULL && (slots[slot / 64] >> slot % 64 & 1) != 0) {
            return true;
        }
    }
    return false;
}

static bool receives_any(const struct host *host, uint16_t slot,
                         struct bytes hashes)
{
    bool any = hashes.len == 0;

    for (size_t i = 0; !any && i < hashes.len; i += 8) {
        uint64_t hash = bytes_u64be(hashes.p + i);
        any = host->slots[host_worker(host, hash)] == slot;
    }
    return any;
}

/* Where it receives for its process: any of that. */
static bool any_may_want(const struct cluster *cluster, uint16_t slot,
                         struct bytes hashes)
{
    const struct host *host = route_host(&cluster->route, slot);
    bool any = false;

    if (host == NULL) {
        return may_want(cluster, slot, hashes);
    }
    for (size_t i = 0; !any && i < host->workers; i++) {
        any = host->slots[i] != CLUSTER_SLOT_NONE &&
              may_want(cluster, host->slots[i], hashes);
    }
    return any && receives_any(host, slot, hashes);
}

/* Each lane in which items for it may come. */
static void mark_way(struct cluster *cluster, uint16_t slot)
{
    const struct host *host = route_host(&cluster->route, slot);

    if (host == NULL) {
        mark(cluster, slot, (struct bytes){0});
    }
    for (size_t i = 0; host != NULL && i < host->workers; i++) {
        uint16_t at = host->slots[i];
        if (at != CLUSTER_SLOT_NONE && cluster->peers[at]->linked) {
            mark(cluster, at, (struct bytes){0});
        }
    }
}

static void mark(struct cluster *cluster, uint16_t slot, struct bytes hashes)
{
    struct peer *peer = cluster->peers[slot];
    struct cluster_effect effect = {
        .type = CLUSTER_MARK,
        .slot = slot,
        .hop = route_hop(&cluster->route, slot),
    };
    struct outbox_span span;

    if (hashes.len == 0 || !outbox_bytes(&cluster->outbox, hashes, &span) ||
        !outbox_put(&cluster->outbox, &effect, span)) {
        peer->mark_due = true;
        cluster->lanes_due = true;
    }
}
