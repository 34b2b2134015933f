/* SPDX-License-Identifier: Apache-2.0
 *
 * Peers and their slots, and the questions about members.
 *
 * A slot belongs to a peer from JOINED to DEAD or LEFT, and is free again once
 * its CLUSTER_PEER_CLOSE was taken, so that outside it never means two peers.
 */
#include "cluster/inside.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

static int open_slot(struct cluster *cluster, const struct member *member);
static size_t free_slot(const struct cluster *cluster);
static void release(struct cluster *cluster, size_t slot);
static bool is_living(const struct member *member);
static void describe(const struct cluster *cluster, const struct member *from,
                     struct cluster_member *member);
static void describe_self(const struct cluster *cluster,
                          struct cluster_member *member);

void slots_open(struct cluster *cluster, const struct member *member)
{
    int rc = open_slot(cluster, member);

    cluster->starved = cluster->starved || rc != 0;
}

void slots_retry(struct cluster *cluster)
{
    const struct member *member;

    cluster->starved = false;
    for (size_t i = 0; (member = swim_member_at(cluster->swim, i)) != NULL;
         i++) {
        if (is_living(member) &&
            cluster_slot_of(cluster, &member->node.id) == CLUSTER_SLOT_NONE) {
            slots_open(cluster, member);
        }
    }
}

void slots_close(struct cluster *cluster, const struct member *member)
{
    uint16_t slot = cluster_slot_of(cluster, &member->node.id);

    if (slot == CLUSTER_SLOT_NONE) {
        return;
    }
    struct peer *peer = cluster->peers[slot];
    link_cut(cluster, slot);
    interest_close(&cluster->interest, slot);
    route_close(&cluster->route, slot);
    outbox_forget(&cluster->outbox, slot);
    cluster->slot_of_row[peer->row] = CLUSTER_SLOT_NONE;
    cluster->known_sum -= peer->near ? weight_of(&peer->id) : 0;
    if (peer->open_due) { /* nobody has heard of it */
        cluster->turns_due--;
        release(cluster, slot);
        return;
    }
    peer->close_due = true;
    cluster->turns_due++;
}

bool slots_next(struct cluster *cluster, struct cluster_effect *effect)
{
    for (size_t slot = 0; cluster->turns_due > 0 && slot < cluster->slots;
         slot++) {
        struct peer *peer = cluster->peers[slot];
        if (peer == NULL || !(peer->open_due || peer->close_due)) {
            continue;
        }
        cluster->turns_due--;
        *effect = (struct cluster_effect){.slot = (uint16_t)slot};
        if (peer->close_due) {
            effect->type = CLUSTER_PEER_CLOSE;
            release(cluster, slot);
            return true;
        }
        effect->type = CLUSTER_PEER_OPEN;
        effect->peer = &swim_find(cluster->swim, &peer->id)->node;
        peer->open_due = false;
        return true;
    }
    return false;
}

uint16_t cluster_slot_of(const struct cluster *cluster,
                         const struct node_id *id)
{
    const struct member *member = swim_find(cluster->swim, id);

    if (member == NULL) {
        return CLUSTER_SLOT_NONE;
    }
    uint16_t slot = cluster->slot_of_row[member->row];
    return peer_at(cluster, slot) != NULL ? slot : CLUSTER_SLOT_NONE;
}

uint16_t cluster_slot_of_low(const struct cluster *cluster, uint64_t mask,
                             uint64_t low)
{
    for (size_t slot = 0; slot < cluster->slots; slot++) {
        const struct peer *peer = peer_at(cluster, slot);
        if (peer != NULL && peer->linked &&
            (node_id_u64(&peer->id) & mask) == low) {
            return (uint16_t)slot;
        }
    }
    return CLUSTER_SLOT_NONE;
}

void cluster_refused(const struct cluster *cluster,
                     struct cluster_refused *refused)
{
    const struct swim_refused *swim = swim_refused(cluster->swim);

    *refused = (struct cluster_refused){
        .malformed = swim->malformed,
        .version = swim->version,
        .unknown = swim->unknown,
        .join = swim->join,
        .control = cluster->wrong,
        .registers = cluster->registers.dropped};
}

const struct peer_node *cluster_linked(const struct cluster *cluster,
                                       uint16_t *slot)
{
    for (size_t i = *slot; i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && peer->linked) {
            *slot = (uint16_t)i;
            return &swim_find(cluster->swim, &peer->id)->node;
        }
    }
    return NULL;
}

bool cluster_wants(const struct cluster *cluster, uint16_t slot,
                   const struct item *item)
{
    uint64_t room[PATTERNS_WORDS];
    const uint64_t *wanting = interest_match(&cluster->interest, item, room);

    return wanting != NULL && peer_at(cluster, slot) != NULL &&
           slot / 64 < interest_words(&cluster->interest) &&
           (wanting[slot / 64] >> slot % 64 & 1) != 0;
}

bool cluster_has_heir(const struct cluster *cluster)
{
    for (size_t slot = 0; slot < cluster->slots; slot++) {
        const struct peer *peer = peer_at(cluster, slot);
        if (peer != NULL && peer->linked && peer->ready && !peer->draining) {
            return true;
        }
    }
    return false;
}

/* The living in the order of ids, self at its place among them, then the
 * dead. */
bool cluster_is_wanted(const struct cluster *cluster, const struct item *item)
{
    uint64_t slots[PATTERNS_WORDS];

    return interest_match(&cluster->interest, item, slots) != NULL;
}

bool cluster_member_at(const struct cluster *cluster, size_t index,
                       struct cluster_member *member)
{
    const struct member *at;
    bool self_done = false;

    for (size_t i = 0; (at = swim_member_at(cluster->swim, i)) != NULL; i++) {
        bool below = memcmp(at->node.id.b, cluster->self.id.b, NODE_ID_LEN) < 0;
        if (!self_done && !below) {
            self_done = true;
            if (index-- == 0) {
                describe_self(cluster, member);
                return true;
            }
        }
        if (is_living(at) && index-- == 0) {
            describe(cluster, at, member);
            return true;
        }
    }
    if (!self_done && index-- == 0) {
        describe_self(cluster, member);
        return true;
    }
    for (size_t i = 0; (at = swim_member_at(cluster->swim, i)) != NULL; i++) {
        if (!is_living(at) && index-- == 0) {
            describe(cluster, at, member);
            return true;
        }
    }
    return false;
}

void slots_check(const struct cluster *cluster)
{
    size_t due = 0;
    size_t linked = 0;
    size_t near_linked = 0;
    size_t walks = 0;
    uint64_t known = weight_of(&cluster->self.id);
    uint64_t counted = known;
    size_t late = 0;

    for (size_t slot = 0; slot < cluster->slots; slot++) {
        const struct peer *peer = cluster->peers[slot];
        if (peer == NULL) {
            continue;
        }
        due += (size_t)peer->open_due + peer->close_due;
        linked += peer->linked;
        near_linked += peer->linked && peer->near;
        walks += peer->walking;
        if (peer->near && !peer->close_due) {
            known += weight_of(&peer->id);
            counted += peer->counted ? weight_of(&peer->id) : 0;
        }
        late += peer->late;
        assert(!peer->counted || peer->linked);
        assert(!peer->linked || (peer->pipe && peer->confirmed));
        assert(!peer->close_due || !peer->linked);
        if (!peer->close_due) {
            const struct member *member = swim_find(cluster->swim, &peer->id);
            assert(member != NULL && is_living(member));
            assert(member->row == peer->row);
            assert(cluster->slot_of_row[peer->row] == slot);
            assert(interest_peer(&cluster->interest, (uint16_t)slot) != NULL);
        }
    }
    assert(known == cluster->known_sum);
    assert(counted == cluster->counted_sum);
    assert(late == cluster->late_len);
    assert(due == cluster->turns_due);
    assert(linked == cluster->linked_len);
    assert(near_linked == cluster->near_linked_len);
    assert(walks == cluster->walks_len);
}

/* Errors: ERR_NOMEM, ERR_LIMIT; tried again at the next tick. */
static int open_slot(struct cluster *cluster, const struct member *member)
{
    size_t slot = free_slot(cluster);
    struct peer *peer = slot < CLUSTER_PEERS_MAX ? calloc(1, sizeof *peer)
                                                 : NULL;

    if (peer == NULL) {
        return ERR_NOMEM;
    }
    int rc = interest_open(&cluster->interest, (uint16_t)slot);
    if (rc != 0) {
        free(peer);
        return rc;
    }
    rc = route_open(&cluster->route, (uint16_t)slot, &member->node);
    if (rc != 0) {
        interest_close(&cluster->interest, (uint16_t)slot);
        free(peer);
        return rc;
    }
    assert(member->row < ROWS_MAX);
    *peer = (struct peer){.id = member->node.id,
                          .row = member->row,
                          .near = !member->far,
                          .heard_ms = cluster->now_ms,
                          .its_again_ms = HELLO_MS,
                          .unlinked_ms = cluster->now_ms,
                          .open_due = true};
    cluster->peers[slot] = peer;
    cluster->slot_of_row[member->row] = (uint16_t)slot;
    cluster->slots = slot >= cluster->slots ? slot + 1 : cluster->slots;
    cluster->known_sum += cluster->peers[slot]->near ? weight_of(&peer->id) : 0;
    cluster->turns_due++;
    return 0;
}

static size_t free_slot(const struct cluster *cluster)
{
    size_t slot = 0;

    while (slot < cluster->slots && cluster->peers[slot] != NULL) {
        slot++;
    }
    return slot;
}

static void release(struct cluster *cluster, size_t slot)
{
    free(cluster->peers[slot]);
    cluster->peers[slot] = NULL;
    while (cluster->slots > 0 && cluster->peers[cluster->slots - 1] == NULL) {
        cluster->slots--;
    }
}

static bool is_living(const struct member *member)
{
    return member->state == GOSSIP_ALIVE || member->state == GOSSIP_SUSPECT;
}

static void describe(const struct cluster *cluster, const struct member *from,
                     struct cluster_member *member)
{
    static const enum cluster_state state_of[] = {
        [GOSSIP_ALIVE] = CLUSTER_ALIVE,
        [GOSSIP_SUSPECT] = CLUSTER_SUSPECTED,
        [GOSSIP_DEAD] = CLUSTER_STATE_DEAD,
        [GOSSIP_LEFT] = CLUSTER_STATE_LEFT,
    };
    uint16_t slot = cluster_slot_of(cluster, &from->node.id);

    *member = (struct cluster_member){
        .node = from->node,
        .state = state_of[from->state],
        .duplicate = from->duplicate,
        .slot = slot,
        .rtt_us = from->rtt_us,
    };
    if (slot == CLUSTER_SLOT_NONE) {
        return;
    }
    const struct peer *peer = cluster->peers[slot];
    const struct interest_peer *held = interest_peer(&cluster->interest, slot);
    member->ready = peer->ready;
    member->draining = peer->draining;
    member->linked = peer->linked;
    member->version = held->version;
    member->interests = held->count;
    member->patterns = held->records.len;
}

static void describe_self(const struct cluster *cluster,
                          struct cluster_member *member)
{
    *member = (struct cluster_member){
        .node = cluster->self,
        .state = CLUSTER_ALIVE,
        .self = true,
        .ready = cluster->gate.ready,
        .draining = cluster->draining,
        .linked = true,
        .duplicate = swim_self_is_duplicate(cluster->swim),
        .slot = CLUSTER_SLOT_NONE,
        .version = cluster->log.version,
        .interests = cluster->log.wanted.len,
        .patterns = cluster->log.records.len,
    };
}
