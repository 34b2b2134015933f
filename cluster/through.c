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
 */
#include "cluster/inside.h"

static void try_round(struct cluster *cluster);
static void begin(struct cluster *cluster);
static void end(struct cluster *cluster);
static void leave_round(struct cluster *cluster, struct peer *peer);

void through_probed(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    peer->hello_due = true;
    if (!peer->near) {
        peer->probed_seq = peer->heard;
        cluster->round_due = true;
        try_round(cluster);
    }
}

void through_acked(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->near && peer->in_round && !peer->probe_due && !peer->probe_out &&
        peer->probe_seq != 0 && peer->sent_acked >= peer->probe_seq) {
        peer->probe_seq = 0;
        leave_round(cluster, peer);
    }
}

void through_linked(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->in_round) {
        peer->probe_due = true;
        cluster->lanes_due = true;
    }
}

void through_gone(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->in_round) {
        leave_round(cluster, peer);
    }
}

void through_tick(struct cluster *cluster)
{
    try_round(cluster);
}

static void try_round(struct cluster *cluster)
{
    while (cluster->round_due && cluster->round_left == 0 &&
           (cluster->draining ||
            cluster->now_ms >= cluster->round_ms + ROUND_MS)) {
        begin(cluster);
    }
}

static void begin(struct cluster *cluster)
{
    bool idle = cluster->relays == cluster->relays_done;

    cluster->round_due = false;
    cluster->round_ms = cluster->now_ms;
    cluster->round_relays = cluster->relays;
    for (size_t i = 0; i < cluster->slots; i++) {
        struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && !peer->near) {
            peer->round_seq = peer->probed_seq;
        } else if (peer != NULL && !idle) {
            peer->in_round = true;
            peer->probe_due = peer->linked;
            cluster->round_left++;
        }
    }
    cluster->lanes_due = true;
    if (cluster->round_left == 0) {
        end(cluster);
    }
}

static void end(struct cluster *cluster)
{
    cluster->relays_done = cluster->round_relays;
    for (size_t i = 0; i < cluster->slots; i++) {
        struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && !peer->near && peer->round_seq > peer->passed_seq) {
            peer->passed_seq = peer->round_seq;
            peer->hello_due = true;
            cluster->end_due = true;
        }
    }
}

static void leave_round(struct cluster *cluster, struct peer *peer)
{
    peer->in_round = false;
    if (--cluster->round_left == 0) {
        end(cluster);
        try_round(cluster);
    }
}
