/* SPDX-License-Identifier: Apache-2.0
 *
 * An ingress says how far the lane of another region is *through*: not only
 * here, but with everyone in its own region to whom it was relayed.
 *
 *   origin             ingress                region
 *     5 6 7 probe 8 -->  5 6 7 relayed
 *                        probe ------------->  (5 6 7 are there)
 *                        heard <-------------  hello, at once
 *     through 8 <------  hello, at once
 *
 * One such *round* at a time is for all lanes that were probed before it began,
 * one a second; at once while this node drains, because lanes are held for it.
 * A peer of its region without a link may have what was sent to it still on its
 * way, or has missed something and is told of it when it has one: a round waits
 * until then, or until it is gone.
 *
 * A worker of a process says the same to its region of what it passed on within
 * its process. So where the ingress relays to one, it waits for that instead of
 * `heard`. These rounds are apart, and at once: they wait for siblings only,
 * who pass nothing on, so no round ever waits for one that waits for it.
 */
#include "cluster/inside.h"

static void try_round(struct cluster *cluster, enum round_of of);
static bool may_begin(const struct cluster *cluster, enum round_of of);
static void begin(struct cluster *cluster, enum round_of of);
static void end(struct cluster *cluster, enum round_of of);
static void leave_rounds(struct cluster *cluster, struct peer *peer);

void through_probed(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    peer->hello_due = true;
    if (is_passed_on(cluster, slot)) {
        enum round_of of = round_of(cluster, slot);
        peer->probed_seq = peer->heard;
        cluster->rounds[of].due = true;
        try_round(cluster, of);
    }
}

void through_acked(struct cluster *cluster, uint16_t slot, uint64_t through)
{
    struct peer *peer = cluster->peers[slot];
    uint64_t acked = route_host(&cluster->route, slot) != NULL
                         ? through
                         : peer->sent_acked;

    if (peer->in_rounds != 0 && !peer->probe_due && !peer->probe_out &&
        peer->probe_seq != 0 && acked >= peer->probe_seq) {
        peer->probe_seq = 0;
        leave_rounds(cluster, peer);
    }
}

void through_linked(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->in_rounds != 0) {
        peer->probe_due = true;
        cluster->lanes_due = true;
    }
}

void through_gone(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->in_rounds != 0) {
        leave_rounds(cluster, peer);
    }
}

void through_tick(struct cluster *cluster)
{
    try_round(cluster, ROUND_REGION);
    try_round(cluster, ROUND_HOST);
}

static void try_round(struct cluster *cluster, enum round_of of)
{
    const struct round *round = &cluster->rounds[of];

    while (round->due && round->left == 0 && may_begin(cluster, of)) {
        begin(cluster, of);
    }
}

/* Who is thought dead and is not misses something, as long as that lasts: those
 * it would have passed it on to are told when it is back. */
static bool may_begin(const struct cluster *cluster, enum round_of of)
{
    if (of == ROUND_HOST) {
        return process_is_here(cluster);
    }
    return (cluster->draining ||
            cluster->now_ms >= cluster->rounds[of].began_ms + ROUND_MS) &&
           !route_host_missed(&cluster->route);
}

static void begin(struct cluster *cluster, enum round_of of)
{
    struct round *round = &cluster->rounds[of];
    bool idle = round->relays == round->done_relays;

    round->due = false;
    round->began_ms = cluster->now_ms;
    round->began_relays = round->relays;
    for (size_t i = 0; i < cluster->slots; i++) {
        struct peer *peer = peer_at(cluster, i);
        uint16_t slot = (uint16_t)i;
        if (peer == NULL) {
            continue;
        }
        if (is_passed_on(cluster, slot) && round_of(cluster, slot) == of) {
            peer->round_seq = peer->probed_seq;
        }
        if (is_passed_to(cluster, of, slot) && !idle) {
            peer->in_rounds |= (uint8_t)(1u << of);
            peer->probe_due = peer->linked;
            round->left++;
        }
    }
    cluster->lanes_due = true;
    if (round->left == 0) {
        end(cluster, of);
    }
}

static void end(struct cluster *cluster, enum round_of of)
{
    cluster->rounds[of].done_relays = cluster->rounds[of].began_relays;
    for (size_t i = 0; i < cluster->slots; i++) {
        struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && is_passed_on(cluster, (uint16_t)i) &&
            round_of(cluster, (uint16_t)i) == of &&
            peer->round_seq > peer->passed_seq) {
            peer->passed_seq = peer->round_seq;
            peer->hello_due = true;
            cluster->end_due = true;
        }
    }
}

static void leave_rounds(struct cluster *cluster, struct peer *peer)
{
    uint8_t was_in = peer->in_rounds;

    peer->in_rounds = 0;
    for (int of = 0; of < ROUNDS; of++) {
        if ((was_in >> of & 1) != 0 && --cluster->rounds[of].left == 0) {
            end(cluster, (enum round_of)of);
            try_round(cluster, (enum round_of)of);
        }
    }
}
