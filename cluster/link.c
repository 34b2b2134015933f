/* SPDX-License-Identifier: Apache-2.0
 *
 * One peer as a link: linked when our pipe stands and a hello of its own named
 * the epoch of that pipe, so that both ways are known to work.
 *
 * A hello goes to each peer once a second, or, with more than ten links, so
 * that ten leave in a second, spread evenly, and each minute in any case; it
 * promises when the next one comes, and a way on which three did not is broken.
 * What came on the data lane is acknowledged within a second. A peer that does
 * not hold what it was sent is asked to answer each second, and is cut off
 * after ANSWER_MS: so a way in use is found broken as soon with a thousand
 * links as with two. What has changed is said at once.
 */
#include "cluster/inside.h"

#include <assert.h>

static bool is_silent(const struct cluster *cluster, const struct peer *peer);
static void set_draining(struct cluster *cluster, struct peer *peer,
                         bool draining);
static bool is_refused(struct cluster *cluster, struct peer *peer,
                       const struct peer_message *m);
static bool join_host(struct cluster *cluster, uint16_t slot,
                      const struct peer_message *m);
static void release_draining(struct cluster *cluster);
static void stood_still(struct cluster *cluster);
static void visit(struct cluster *cluster, uint16_t slot);
static bool is_hello_time(const struct cluster *cluster, uint16_t slot);
static bool is_used(const struct peer *peer);
static uint32_t again_ms(const struct cluster *cluster,
                         const struct peer *peer);
static void set_late(struct cluster *cluster, struct peer *peer, bool late);
static void tell_late(struct cluster *cluster, uint16_t slot);
static void doubt(struct cluster *cluster, uint16_t slot);
static void update(struct cluster *cluster, uint16_t slot);
static void become_linked(struct cluster *cluster, uint16_t slot);
static void become_unlinked(struct cluster *cluster, uint16_t slot);
static struct bytes counted_ids(struct cluster *cluster);

void link_pipe_up(struct cluster *cluster, uint16_t slot, uint64_t epoch)
{
    struct peer *peer = cluster->peers[slot];

    peer->confirmed = false;
    peer->pipe = true;
    peer->doubt_ms = cluster->now_ms;
    peer->epoch = epoch;
    peer->asked_ms = 0;
    peer->proof_hello = 0;
    loss_pipe(cluster, slot);
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
    loss_look(cluster, slot);
}

bool link_heard(struct cluster *cluster, uint16_t slot, uint64_t epoch)
{
    struct peer *peer = cluster->peers[slot];

    if (epoch < peer->heard_epoch) {
        return false;
    }
    if (epoch > peer->heard_epoch) {
        peer->heard_epoch = epoch;
        peer->have = 0;
        peer->pull_ms = 0;
        peer->hello_due = true;
    }
    if (is_silent(cluster, peer)) {
        peer->hello_due = true;
    }
    peer->heard_ms = cluster->now_ms;
    peer->silence_told = false;
    return true;
}

void link_hello(struct cluster *cluster, uint16_t slot,
                const struct peer_message *m)
{
    struct peer *peer = cluster->peers[slot];
    bool took = peer->linked && peer->ready;

    if (is_refused(cluster, peer, m) || !join_host(cluster, slot, m)) {
        update(cluster, slot);
        return;
    }
    if (m->version > peer->said) {
        peer->said = m->version;
    }
    peer->ready = m->ready;
    sync_count_in(cluster, slot);
    set_draining(cluster, peer, m->draining || peer->draining);
    peer->its_again_ms = m->again_ms > HELLO_MS ? m->again_ms : HELLO_MS;
    peer->heard_hello = m->hello;
    if (m->heard_hello >= peer->asked_hello) {
        peer->asked_ms = 0;
    }
    peer->confirmed = peer->pipe && m->heard_epoch == peer->epoch &&
                      m->heard_hello >= peer->proof_hello;
    loss_acked(cluster, slot, m->heard_seq);
    through_acked(cluster, slot, m->through);
    update(cluster, slot);
    moves_through(cluster, slot, m->through);
    moves_lacks(cluster, slot, m->lacks > 0);
    if (!took && peer->linked && peer->ready) {
        release_draining(cluster);
    }
    process_look(cluster);
    if (m->asks) {
        peer->hello_due = true;
        peer->tell_members = !m->ready && peer->near && m->known_sum != 0 &&
                             m->known_sum != cluster->counted_sum;
    }
    if (!cluster->gate.ready) {
        opening_hello(cluster, slot, m);
    }
}

/* false: no memory, so it is not linked yet. */
static bool join_host(struct cluster *cluster, uint16_t slot,
                      const struct peer_message *m)
{
    struct peer *peer = cluster->peers[slot];
    bool own = m->host.id == cluster->host.id && cluster->host.workers > 1;

    if (m->host.workers > 1 && !peer->hosted) {
        peer->hosted = route_join(&cluster->route, slot, &m->host, own) == 0;
        return peer->hosted;
    }
    return true;
}

static void set_draining(struct cluster *cluster, struct peer *peer,
                         bool draining)
{
    cluster->draining_len -= peer->draining;
    cluster->draining_len += draining;
    peer->draining = draining;
}

/* There may be another way now for what goes through them. */
static void release_draining(struct cluster *cluster)
{
    for (size_t slot = 0; cluster->draining_len > 0 && slot < cluster->slots;
         slot++) {
        const struct peer *peer = peer_at(cluster, slot);
        if (peer != NULL) {
            moves_release(cluster, (uint16_t)slot);
        }
    }
}

void link_bye(struct cluster *cluster, uint16_t slot)
{
    set_draining(cluster, cluster->peers[slot], true);
    update(cluster, slot);
    moves_release(cluster, slot);
}

void link_cut(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    peer->pipe = false;
    sync_stop(cluster, slot);
    update(cluster, slot);
    set_late(cluster, peer, false);
    set_draining(cluster, peer, false);
    loss_gone(cluster, slot);
    through_gone(cluster, slot);
}

void link_tick(struct cluster *cluster)
{
    uint64_t ms = cluster->now_ms - cluster->visit_ms;
    uint64_t due = cluster->visit_rest +
                   (ms < HELLO_MS ? ms : HELLO_MS) * cluster->slots;

    if (ms > HELLO_MS) {
        stood_still(cluster);
    }
    cluster->visit_ms = cluster->now_ms;
    cluster->visit_rest = due % HELLO_MS;
    for (due /= HELLO_MS; due > 0; due--) {
        if (cluster->visit_at >= cluster->slots) {
            cluster->visit_at = 0;
            cluster->round++;
        }
        if (peer_at(cluster, cluster->visit_at) != NULL) {
            visit(cluster, (uint16_t)cluster->visit_at);
        }
        cluster->visit_at++;
    }
}

void link_say_hello(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];
    const struct interest_peer *held = interest_peer(&cluster->interest, slot);
    bool silent = is_silent(cluster, peer);
    struct peer_message hello = {
        .type = PEER_HELLO,
        .heard_epoch = silent ? 0 : peer->heard_epoch,
        .heard_hello = silent ? 0 : peer->heard_hello,
        .heard_seq = peer->heard,
        .through = peer->passed_seq,
        .hash_key_print = cluster->hash_key_print,
        .ready = cluster->gate.ready,
        .draining = cluster->draining,
        .version = cluster->flushed,
        .digest = cluster->flushed_digest,
        .held = held->whole ? held->version : 0,
        .hello = ++peer->hello,
        .again_ms = again_ms(cluster, peer),
        .asks = peer->hello_asks,
        .counts = peer->counted,
        .counted_sum = cluster->counted_sum,
        .known_sum = cluster->gate.ready ? 0 : cluster->known_sum,
        .lacks = (uint32_t)cluster_late(cluster),
        .host = cluster->host,
    };

    if (peer->tell_members) {
        hello.members = counted_ids(cluster);
    }
    (void)cluster_tell(cluster, slot, &hello);
    if (hello.asks && peer->asked_ms == 0) {
        peer->asked_ms = cluster->now_ms;
        peer->asked_hello = hello.hello;
    }
    peer->hello_ms = cluster->now_ms;
    peer->again_ms = hello.again_ms;
    peer->hello_heard = hello.heard_seq;
    peer->hello_sent = peer->sent;
    peer->hello_due = false;
    peer->hello_asks = false;
    peer->tell_members = false;
}

void link_end_step(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->pipe && peer->hello_due) {
        link_say_hello(cluster, slot);
    }
}

/* Or our clock was set: meanwhile nobody could be heard. Who is silent shows
 * it as long from now on. */
static void stood_still(struct cluster *cluster)
{
    for (size_t slot = 0; slot < cluster->slots; slot++) {
        struct peer *peer = peer_at(cluster, slot);
        if (peer != NULL) {
            peer->heard_ms = cluster->now_ms;
            peer->still_ms = cluster->now_ms;
            peer->doubt_ms = cluster->now_ms;
            peer->asked_ms = peer->asked_ms == 0 ? 0 : cluster->now_ms;
        }
    }
}

/* Once a second. */
static void visit(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (is_silent(cluster, peer)) {
        if (peer->confirmed) {
            doubt(cluster, slot);
        }
        loss_silent(cluster, slot);
    }
    if (peer->asked_ms != 0 && cluster->now_ms >= peer->asked_ms + ANSWER_MS) {
        peer->proof_hello = peer->asked_hello;
        doubt(cluster, slot);
    }
    bool lacks = peer->linked &&
                 (!sync_is_held(cluster, slot) || loss_is_late(cluster, slot));
    bool settled = peer->linked && peer->ready && !lacks;
    if (!settled || is_hello_time(cluster, slot)) {
        peer->hello_due = true;
        peer->hello_asks = lacks;
    }
    if (peer->near && !peer->linked &&
        cluster->now_ms >= peer->unlinked_ms + LINK_LATE_MS) {
        tell_late(cluster, slot);
    }
    loss_visit(cluster, slot);
    sync_visit(cluster, slot);
    link_end_step(cluster, slot);
}

/* Its turn has come, so that they are spread; or the promised one is due; what
 * was heard is to be acknowledged; or the promise was for an idle way. */
static bool is_hello_time(const struct cluster *cluster, uint16_t slot)
{
    const struct peer *peer = cluster->peers[slot];
    uint32_t again = again_ms(cluster, peer);

    return (cluster->round + slot) % (again / HELLO_MS) == 0 ||
           cluster->now_ms >= peer->hello_ms + peer->again_ms ||
           peer->heard != peer->hello_heard ||
           (is_used(peer) && again < peer->again_ms);
}

/* Other regions go through someone else, if they can. */
static void set_late(struct cluster *cluster, struct peer *peer, bool late)
{
    bool lacked = cluster->late_len > 0;

    cluster->late_len -= peer->late;
    cluster->late_len += late;
    peer->late = late;
    for (size_t i = 0; lacked != (cluster->late_len > 0) && i < cluster->slots;
         i++) {
        struct peer *other = peer_at(cluster, i);
        if (other != NULL && !other->near) {
            other->hello_due = true;
            cluster->end_due = true;
        }
    }
}

/* What that node publishes does not come here, and nobody can tell how much.
 * So whoever subscribes here is told as long as it lasts. */
static void tell_late(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (!peer->late) {
        set_late(cluster, peer, true);
        peer->late_gap_ms = cluster->now_ms;
        cluster_say(cluster, CLUSTER_LATE, peer,
                    "alive, and no link to it for 10 s");
    }
    if (cluster->now_ms >= peer->late_gap_ms) {
        peer->late_gap_ms = cluster->now_ms + LATE_GAP_MS;
        loss_tell_host(cluster);
    }
}

static bool is_used(const struct peer *peer)
{
    return peer->sent != peer->hello_sent;
}

/* In whole seconds. */
static uint32_t again_ms(const struct cluster *cluster, const struct peer *peer)
{
    uint32_t most = is_used(peer) ? HELLO_USED_MS : HELLO_MOST_MS;
    uint32_t ms = (uint32_t)cluster->linked_len * HELLO_EACH_MS;

    static_assert((int)HELLO_MOST_MS <= PEER_AGAIN_MS_MAX, "may be said");
    ms = ms > most ? most : ms - ms % HELLO_MS;
    return ms > HELLO_MS ? ms : HELLO_MS;
}

static void doubt(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    peer->confirmed = false;
    peer->doubt_ms = cluster->now_ms;
    peer->asked_ms = 0;
    peer->hello_due = true;
    update(cluster, slot);
}

static bool is_silent(const struct cluster *cluster, const struct peer *peer)
{
    uint64_t most = 3 * (uint64_t)peer->its_again_ms + HELLO_MS;

    static_assert((int)LINK_SILENT_MS == 4 * (int)HELLO_MS, "with few links");
    return cluster->now_ms - peer->heard_ms > most;
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
    sync_count_in(cluster, slot);
    set_late(cluster, peer, false);
    if (peer->was_linked || both_ready) {
        loss_unknown(cluster, slot);
    }
    loss_begin(cluster, slot, !peer->was_linked && both_ready);
    moves_linked(cluster, slot);
    through_linked(cluster, slot);
    peer->was_linked = true;
    cluster_say(cluster, CLUSTER_LINKED, peer, NULL);
}

static void become_unlinked(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    assert(cluster->linked_len > 0);
    cluster->linked_len--;
    cluster->near_linked_len -= peer->near;
    sync_count_out(cluster, slot);
    peer->unlinked_ms = cluster->now_ms;
    peer->counts_me = false;
    peer->agreed = false;
    moves_unlinked(cluster, slot);
    cluster_say(cluster, CLUSTER_UNLINKED, peer, NULL);
}

/* Whom our barriers wait for: those of counted_sum, but ourselves. */
static struct bytes counted_ids(struct cluster *cluster)
{
    buf_reset(&cluster->scratch);
    for (size_t i = 0; i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        if (peer != NULL && peer->counted && peer->near) {
            buf_add(&cluster->scratch, peer->id.b, NODE_ID_LEN);
        }
    }
    /* Without memory there is no list, and it is asked for again. */
    return cluster->scratch.failed ? (struct bytes){0}
                                   : buf_bytes(&cluster->scratch);
}
