/* SPDX-License-Identifier: Apache-2.0
 *
 * When the gate opens: each member is looked at in a circle, from the one on
 * that kept it shut last time, and it opens when a whole circle finds none.
 */
#include "cluster/inside.h"

/* One look at everyone. */
struct circle {
    const char *why; /* the first reason */
    size_t asked;    /* whose list is on its way */
};

static const char *why_shut(struct cluster *cluster);
static bool look(struct cluster *cluster, size_t from, size_t until,
                 struct circle *circle);
static const char *why_member(struct cluster *cluster,
                              const struct member *member);
static bool is_agreed(struct cluster *cluster, struct peer *peer);
static void ask_members(struct cluster *cluster, uint16_t slot);

void opening_try(struct cluster *cluster)
{
    bool alone = swim_living(cluster->swim) == 0 &&
                 gate_is_alone_time(&cluster->gate, cluster->now_ms);

    cluster->why = why_shut(cluster);
    if (cluster->why != NULL && !alone) {
        return;
    }
    gate_open(&cluster->gate, alone);
    cluster->hold_due = true;
    cluster->end_due = true;
    for (size_t slot = 0; slot < cluster->slots; slot++) {
        if (peer_at(cluster, slot) != NULL) {
            cluster->peers[slot]->hello_due = true;
        }
    }
}

void opening_hello(struct cluster *cluster, uint16_t slot,
                   const struct peer_message *m)
{
    struct peer *peer = cluster->peers[slot];

    if (m->counts && peer->linked) {
        if (!peer->counts_me) {
            peer->counts_me = true;
            peer->counts_from = m->version;
        }
        peer->said_sum = m->counted_sum;
        peer->agreed = peer->agreed || m->members.len > 0;
    }
    gate_names(&cluster->gate, m->members, &cluster->self.id, cluster->now_ms);
}

/* The first reason to keep the gate shut, NULL if there is none. */
static const char *why_shut(struct cluster *cluster)
{
    const size_t first = cluster->blocked_at;
    const struct member *member = swim_member_at(cluster->swim, first);
    const char *why = member == NULL ? NULL : why_member(cluster, member);
    struct circle circle = {0};

    if (why != NULL && why == cluster->why) {
        return why; /* and the others were asked meanwhile */
    }
    if (look(cluster, first, SIZE_MAX, &circle)) {
        (void)look(cluster, 0, first, &circle);
    }
    return circle.why != NULL ? circle.why
                              : gate_why(&cluster->gate, cluster->swim,
                                         cluster->linked_len, cluster->now_ms);
}

/* false: enough was found. */
static bool look(struct cluster *cluster, size_t from, size_t until,
                 struct circle *circle)
{
    const struct member *member;

    for (size_t i = from; i < until; i++) {
        member = swim_member_at(cluster->swim, i);
        if (member == NULL) {
            break;
        }
        const char *why = why_member(cluster, member);
        if (why == NULL) {
            continue;
        }
        if (circle->why == NULL) {
            circle->why = why;
            cluster->blocked_at = i;
        }
        if (why != GATE_NOT_AGREED || ++circle->asked == ASK_MEMBERS_MAX) {
            return false;
        }
    }
    return true;
}

static const char *why_member(struct cluster *cluster,
                              const struct member *member)
{
    uint16_t slot = cluster->slot_of_row[member->row];
    struct gate_peer is = {.far = member->far};

    if (member->state == GOSSIP_DEAD || member->state == GOSSIP_LEFT) {
        return NULL;
    }
    struct peer *peer = peer_at(cluster, slot);
    if (peer != NULL) {
        const struct interest_peer *held = interest_peer(&cluster->interest,
                                                         slot);
        is.linked = peer->linked;
        is.held = held->whole && held->version >= peer->counts_from;
        is.counts_me = peer->counts_me;
        is.agreed = is_agreed(cluster, peer);
    }
    const char *why = gate_why_peer(&cluster->gate, &is, cluster->now_ms);
    if (why == GATE_NOT_AGREED) {
        ask_members(cluster, slot);
    }
    return why;
}

/* Once it is, it remains so: whoever comes later goes through its own gate. */
static bool is_agreed(struct cluster *cluster, struct peer *peer)
{
    peer->agreed = peer->agreed ||
                   (peer->counts_me && peer->said_sum == cluster->known_sum);
    return peer->agreed;
}

static void ask_members(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (cluster->ask_ms == 0) { /* as all begin, they know each other soon */
        cluster->ask_ms = cluster->now_ms + ASK_FIRST_MS;
    }
    if (cluster->now_ms >= cluster->ask_ms &&
        cluster->now_ms >= peer->members_ms) {
        peer->members_ms = cluster->now_ms + ASK_MEMBERS_MS;
        peer->hello_asks = true;
        link_say_hello(cluster, slot);
    }
}
