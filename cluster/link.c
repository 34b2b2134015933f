/* SPDX-License-Identifier: Apache-2.0
 *
 * One peer as a link: linked when our pipe stands and a hello of its own named
 * the epoch of that pipe, so that both ways are known to work.
 */
#include "cluster/inside.h"

#include <assert.h>

static bool is_silent(const struct cluster *cluster, const struct peer *peer);
static bool is_refused(struct cluster *cluster, struct peer *peer,
                       const struct peer_message *m);
static void take_members(struct cluster *cluster, struct peer *peer,
                         const struct peer_message *m);
static void update(struct cluster *cluster, uint16_t slot);
static void become_linked(struct cluster *cluster, uint16_t slot);
static void become_unlinked(struct cluster *cluster, uint16_t slot);
static void tell_region(struct cluster *cluster, uint16_t gone);
static struct bytes counted_ids(struct cluster *cluster,
                                const struct peer *reader);
static void say_gap(struct cluster *cluster, uint16_t slot,
                    struct bytes hashes);

void link_pipe_up(struct cluster *cluster, uint16_t slot, uint64_t epoch)
{
    struct peer *peer = cluster->peers[slot];

    peer->confirmed = false;
    peer->pipe = true;
    peer->epoch = epoch;
    update(cluster, slot);
    link_say_hello(cluster, slot);
    sync_pipe_up(cluster, slot);
}

void link_pipe_down(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    peer->pipe = false;
    peer->confirmed = false;
    sync_stop(cluster, slot);
    update(cluster, slot);
}

bool link_heard(struct cluster *cluster, uint16_t slot, uint64_t epoch)
{
    struct peer *peer = cluster->peers[slot];

    if (epoch < peer->heard_epoch) {
        return false;
    }
    if (epoch > peer->heard_epoch) {
        if (peer->linked) { /* it made its pipe anew before ours broke */
            link_gap(cluster, slot, (struct bytes){0});
        }
        peer->heard_epoch = epoch;
        peer->have = 0;
        peer->pull_ms = 0;
        peer->hello_due = true;
    }
    if (is_silent(cluster, peer)) {
        peer->hello_due = true;
    }
    peer->heard_ms = cluster->now_ms;
    return true;
}

void link_hello(struct cluster *cluster, uint16_t slot,
                const struct peer_message *m)
{
    struct peer *peer = cluster->peers[slot];

    if (is_refused(cluster, peer, m)) {
        update(cluster, slot);
        return;
    }
    peer->ready = m->ready;
    peer->draining = m->draining || peer->draining;
    peer->confirmed = peer->pipe && m->heard_epoch == peer->epoch;
    update(cluster, slot);
    if (!cluster->gate.ready) {
        take_members(cluster, peer, m);
    }
}

void link_bye(struct cluster *cluster, uint16_t slot,
              const struct peer_message *m)
{
    struct peer *peer = cluster->peers[slot];

    peer->draining = true;
    peer->done = m->done || peer->done;
    update(cluster, slot);
}

void link_gap(struct cluster *cluster, uint16_t slot, struct bytes hashes)
{
    struct outbox_span span;

    if (hashes.len == 0) {
        cluster->gap_due = true;
    } else if (!outbox_bytes(&cluster->outbox, hashes, &span) ||
               !outbox_put(&cluster->outbox,
                           &(struct cluster_effect){.type = CLUSTER_GAP},
                           span)) {
        cluster->gap_due = true;
    }
    if (cluster->peers[slot]->near) {
        return;
    }
    /* As ingress: what did not come here was for the region. */
    for (size_t i = 0; i < cluster->slots; i++) {
        struct peer *near = peer_at(cluster, i);
        if (near == NULL || !near->near || !near->linked) {
            continue;
        }
        if (hashes.len == 0) {
            near->gap_due = true;
            cluster->end_due = true;
        } else {
            say_gap(cluster, (uint16_t)i, hashes);
        }
    }
}

void link_dropped(struct cluster *cluster, uint16_t slot)
{
    cluster->peers[slot]->gap_due = true;
}

void link_cut(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    peer->pipe = false;
    sync_stop(cluster, slot);
    update(cluster, slot);
}

void link_tick(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->confirmed && is_silent(cluster, peer)) {
        peer->confirmed = false;
        peer->hello_due = true;
        update(cluster, slot);
    }
    if (cluster->now_ms - peer->hello_ms >= HELLO_MS) {
        peer->hello_due = true;
    }
}

void link_say_hello(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];
    const struct interest_peer *held = interest_peer(&cluster->interest, slot);
    struct peer_message hello = {
        .type = PEER_HELLO,
        .heard_epoch = is_silent(cluster, peer) ? 0 : peer->heard_epoch,
        .hash_key_print = cluster->hash_key_print,
        .ready = cluster->gate.ready,
        .draining = cluster->draining,
        .version = cluster->flushed,
        .digest = cluster->flushed_digest,
    };

    if (!peer->ready) {
        hello.members = counted_ids(cluster, peer);
    }
    (void)cluster_tell(cluster, slot, &hello);
    if (held->whole && held->version > 0) { /* said again: it may be lost */
        struct peer_message have = {.type = PEER_HAVE,
                                    .version = held->version};
        (void)cluster_tell(cluster, slot, &have);
    }
    peer->hello_ms = cluster->now_ms;
    peer->hello_due = false;
}

void link_end_step(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (!peer->pipe) {
        return;
    }
    if (peer->hello_due) {
        link_say_hello(cluster, slot);
    }
    if (peer->gap_due && cluster->now_ms >= peer->gap_ms + GAP_AGAIN_MS) {
        say_gap(cluster, slot, (struct bytes){0});
        peer->gap_due = false;
        peer->gap_ms = cluster->now_ms;
    }
}

static bool is_silent(const struct cluster *cluster, const struct peer *peer)
{
    return cluster->now_ms - peer->heard_ms > LINK_SILENT_MS;
}

static bool is_refused(struct cluster *cluster, struct peer *peer,
                       const struct peer_message *m)
{
    bool refused = m->hash_key_print != cluster->hash_key_print;

    if (refused && !peer->refused) {
        cluster_say(cluster, CLUSTER_REFUSED, peer, "another hash key");
    }
    peer->refused = refused;
    return refused;
}

/* Whom a member counts in: this node? Others of the region that we miss? */
static void take_members(struct cluster *cluster, struct peer *peer,
                         const struct peer_message *m)
{
    bool counted = false;

    for (size_t i = 0; i < m->members.len; i += NODE_ID_LEN) {
        counted = counted || memcmp(m->members.p + i, cluster->self.id.b,
                                    NODE_ID_LEN) == 0;
    }
    if (counted && peer->linked && !peer->counts_me) {
        peer->counts_me = true;
        peer->counts_from = m->version;
    }
    gate_names(&cluster->gate, m->members, &cluster->self.id, cluster->now_ms);
}

static void update(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];
    bool linked = peer->pipe && peer->confirmed && !peer->refused;

    if (linked != peer->linked) {
        peer->linked = linked;
        if (linked) {
            become_linked(cluster, slot);
        } else {
            become_unlinked(cluster, slot);
        }
    }
    route_mark(&cluster->route, slot, linked, peer->ready && !peer->draining);
}

static void become_linked(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];
    bool both_ready = peer->ready && cluster->gate.ready;

    cluster->linked_len++;
    cluster->near_linked_len += peer->near;
    cluster->gate.alone = false;
    cluster->hold_due = true;
    /* While it is joining it takes no publishes before it has what we had. */
    if (!peer->ready) {
        peer->floor = cluster->flushed;
    }
    if (peer->was_linked || both_ready) {
        link_gap(cluster, slot, (struct bytes){0});
    }
    peer->was_linked = true;
    peer->hello_due = true;
    cluster_say(cluster, CLUSTER_LINKED, peer, NULL);
}

static void become_unlinked(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    assert(cluster->linked_len > 0);
    cluster->linked_len--;
    cluster->near_linked_len -= peer->near;
    cluster->hold_due = true;
    peer->counts_me = false;
    if (!peer->done) {
        link_gap(cluster, slot, (struct bytes){0});
    }
    if (!peer->near && !peer->done) {
        tell_region(cluster, slot);
    }
    cluster_say(cluster, CLUSTER_UNLINKED, peer, NULL);
}

/* Our items for that region change their ingress: what the old one had is lost
 * and its neighbours may not know yet, so they hear it from us, before what
 * the new one relays. */
static void tell_region(struct cluster *cluster, uint16_t gone)
{
    for (size_t i = 0; i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && peer->linked &&
            route_is_same(&cluster->route, (uint16_t)i, gone)) {
            say_gap(cluster, (uint16_t)i, (struct bytes){0});
        }
    }
}

/* Whom our barriers wait for, as far as it is the reader's concern. */
static struct bytes counted_ids(struct cluster *cluster,
                                const struct peer *reader)
{
    buf_reset(&cluster->scratch);
    for (size_t i = 0; i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && peer->linked &&
            (peer == reader || (reader->near && peer->near))) {
            buf_add(&cluster->scratch, peer->id.b, NODE_ID_LEN);
        }
    }
    /* Without memory nobody is counted in: the next hello does it. */
    return cluster->scratch.failed ? (struct bytes){0}
                                   : buf_bytes(&cluster->scratch);
}

static void say_gap(struct cluster *cluster, uint16_t slot, struct bytes hashes)
{
    struct peer_message gap = {.type = PEER_GAP, .records = hashes};

    (void)cluster_tell(cluster, slot, &gap);
}
