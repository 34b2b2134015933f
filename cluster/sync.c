/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs on their way: ours to all peers, theirs to us.
 *
 *   writer                                   reader
 *     | DELTA (what this turn changed) -------> |  applied if contiguous
 *     | <------------------------- HAVE version |  once a step
 *     | HELLO version, digest ----------------> |  behind? other digest?
 *     | <------------------------- PULL version |
 *     | DELTA ..., or SNAPSHOT parts ---------> |
 *     | <---------------------- PULL NONE, part |  half the window is used
 */
#include "cluster/inside.h"

#include <assert.h>

#include "proto/err.h"

enum {
    CHANGES_ANYWAY = 4096
}; /* told even when a snapshot is smaller */

static uint64_t holds(const struct peer *peer);
static void count_holder(struct cluster *cluster, enum cluster_scope scope,
                         uint64_t holds);
static bool leaves_the_last(struct cluster *cluster, const struct peer *peer,
                            uint64_t before, uint64_t after);
static bool say_changes(struct cluster *cluster, uint16_t slot, uint64_t from);
static void share_changes(struct cluster *cluster, uint64_t from);
static bool walk_part(struct cluster *cluster, uint16_t slot);
static void end_walk(struct cluster *cluster, uint16_t slot);
static void after_taking(struct cluster *cluster, uint16_t slot, int rc);
static void diverged(struct cluster *cluster, uint16_t slot);
static void forget_version(struct cluster *cluster, uint16_t slot);
static void pull(struct cluster *cluster, uint16_t slot, uint32_t part);

void sync_flush(struct cluster *cluster)
{
    struct replog *log = &cluster->log;

    if (log->version == cluster->flushed) {
        return;
    }
    if (replog_has_since(log, cluster->flushed)) {
        share_changes(cluster, cluster->flushed);
    }
    cluster->flushed = log->version;
    cluster->flushed_digest = log->digest;
    swim_set_log(cluster->swim, log->version, log->digest);
    barrier_turn(&cluster->barrier, log->version, cluster->now_ms);
    cluster->hold_due = true;
}

void sync_pipe_up(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    sync_stop(cluster, slot);
    peer->have = 0;
    if (sync_lags(cluster, slot)) {
        pull(cluster, slot, 0);
    }
}

void sync_stop(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    cluster->walks_len -= peer->walking;
    peer->walking = false;
}

void sync_hello(struct cluster *cluster, uint16_t slot,
                const struct peer_message *m)
{
    if (interest_compare(&cluster->interest, slot, m->version, m->digest) !=
        0) {
        diverged(cluster, slot);
    }
    sync_visit(cluster, slot);
}

void sync_visit(struct cluster *cluster, uint16_t slot)
{
    if (sync_lags(cluster, slot) &&
        cluster->now_ms >= cluster->peers[slot]->pull_ms) {
        pull(cluster, slot, 0);
    }
}

void sync_again(struct cluster *cluster, uint16_t slot)
{
    forget_version(cluster, slot);
    pull(cluster, slot, 0);
}

/* A joining peer only once it holds our log, however long that is: until then
 * it takes no publishes, and it takes none before it has what we have now. */
void sync_count_in(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];
    bool holds_some = peer->acked > 0 || cluster->flushed == 0;

    if (!peer->linked || peer->counted || !(peer->ready || holds_some)) {
        return;
    }
    peer->counted = true;
    peer->floor = peer->ready ? 0 : cluster->flushed;
    cluster->counted_sum += peer->near ? weight_of(&peer->id) : 0;
    cluster->hold_due = true;
    peer->hello_due = true;
}

void sync_count_out(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    if (peer->counted) {
        peer->counted = false;
        cluster->counted_sum -= peer->near ? weight_of(&peer->id) : 0;
    }
    cluster->hold_due = true;
}

bool sync_is_held(const struct cluster *cluster, uint16_t slot)
{
    return holds(cluster->peers[slot]) >= cluster->flushed;
}

void sync_delta(struct cluster *cluster, uint16_t slot,
                const struct peer_message *m)
{
    struct peer *peer = cluster->peers[slot];

    if (m->version > peer->said) {
        peer->said = m->version;
    }
    after_taking(cluster, slot, interest_delta(&cluster->interest, slot, m));
}

void sync_snapshot(struct cluster *cluster, uint16_t slot,
                   const struct peer_message *m)
{
    struct peer *peer = cluster->peers[slot];
    int rc = interest_snapshot(&cluster->interest, slot, m);

    if (m->version > peer->said) {
        peer->said = m->version;
    }
    if (rc == 0 && (m->part + 1) % (WINDOW_PARTS / 2) == 0) {
        pull(cluster, slot, m->part + 1); /* there is room for more */
    }
    after_taking(cluster, slot, rc > 0 ? 0 : rc);
}

void sync_pull(struct cluster *cluster, uint16_t slot,
               const struct peer_message *m)
{
    struct peer *peer = cluster->peers[slot];
    const struct replog *log = &cluster->log;

    if (!peer->pipe) {
        return; /* our next hello makes it pull again */
    }
    if (m->part > 0) {
        peer->walk_until = m->part + WINDOW_PARTS;
        return;
    }
    uint64_t behind = log->version - m->version;
    size_t all = log->wanted.len + log->records.len;
    bool changes = m->version <= log->version &&
                   replog_has_since(log, m->version) &&
                   (behind <= CHANGES_ANYWAY || behind <= all);
    if (changes) {
        (void)say_changes(cluster, slot, m->version);
        return;
    }
    cluster->walks_len += !peer->walking;
    peer->walk = (struct replog_walk){0};
    peer->walking = true;
    peer->walk_until = WINDOW_PARTS;
}

void sync_have(struct cluster *cluster, uint16_t slot, uint64_t version)
{
    struct peer *peer = cluster->peers[slot];
    uint64_t before = holds(peer);

    if (version > cluster->log.version || version == peer->acked) {
        return;
    }
    peer->acked = version;
    sync_count_in(cluster, slot);
    uint64_t after = holds(peer);
    if (!peer->counted || after == before) {
        return;
    }
    if (after < before || leaves_the_last(cluster, peer, before, after)) {
        cluster->hold_due = true;
    }
}

void sync_end_step(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];
    const struct interest_peer *held = interest_peer(&cluster->interest, slot);

    if (peer->pipe && held->whole && held->version > peer->have) {
        struct peer_message have = {.type = PEER_HAVE,
                                    .version = held->version};
        (void)cluster_tell(cluster, slot, &have);
        peer->have = held->version;
    }
}

bool sync_walk(struct cluster *cluster)
{
    size_t budget = STEP_PARTS;
    bool more = false;

    for (size_t i = 0; cluster->walks_len > 0 && i < cluster->slots && !more;
         i++) {
        struct peer *peer = peer_at(cluster, i);
        while (peer != NULL && peer->walking &&
               peer->walk.part < peer->walk_until) {
            more = budget == 0;
            if (more || !walk_part(cluster, (uint16_t)i)) {
                break;
            }
            budget--;
        }
    }
    return more;
}

void sync_hold(struct cluster *cluster)
{
    for (size_t i = 0; i < BARRIER_SCOPES; i++) {
        cluster->held[i] = UINT64_MAX;
        cluster->held_by[i] = 0;
    }
    for (size_t i = 0; is_in_place(cluster) && i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        if (peer == NULL || !peer->counted) {
            continue;
        }
        count_holder(cluster, CLUSTER_SCOPE_ALL, holds(peer));
        if (peer->near) {
            count_holder(cluster, CLUSTER_SCOPE_REGION, holds(peer));
        }
    }
    for (size_t i = 0; i < BARRIER_SCOPES; i++) {
        uint64_t own = cluster->log.version;
        uint64_t held = cluster->held[i] < own ? cluster->held[i] : own;
        /* Before the gate opens nobody has promised to hold anything. */
        barrier_hold(&cluster->barrier, (enum cluster_scope)i,
                     is_in_place(cluster) ? held : 0, cluster->now_ms);
    }
    cluster->hold_due = false;
}

/* What our barriers need not wait for. */
static uint64_t holds(const struct peer *peer)
{
    return peer->acked > peer->floor ? peer->acked : peer->floor;
}

static void count_holder(struct cluster *cluster, enum cluster_scope scope,
                         uint64_t holds)
{
    if (holds < cluster->held[scope]) {
        cluster->held[scope] = holds;
        cluster->held_by[scope] = 0;
    }
    cluster->held_by[scope] += holds == cluster->held[scope];
}

/* Of a thousand that acknowledge one version only the last one matters. */
static bool leaves_the_last(struct cluster *cluster, const struct peer *peer,
                            uint64_t before, uint64_t after)
{
    bool last = false;

    for (size_t i = 0; i < BARRIER_SCOPES; i++) {
        bool among = i == CLUSTER_SCOPE_ALL || peer->near;
        bool held = before <= cluster->held[i] && after > cluster->held[i];
        if (among && held && cluster->held_by[i] > 0) {
            last = --cluster->held_by[i] == 0 || last;
        }
    }
    return last;
}

/* All changes after `from`, in as many messages as it takes, for one peer. */
static bool say_changes(struct cluster *cluster, uint16_t slot, uint64_t from)
{
    while (from < cluster->log.version) {
        struct peer_message m;
        if (replog_delta(&cluster->log, from, &cluster->scratch, &m) != 0 ||
            !cluster_tell(cluster, slot, &m)) {
            return false; /* it will pull again */
        }
        from = m.version;
    }
    return true;
}

/* The same for everyone, encoded once. Who is inside a snapshot gets what
 * follows at its end. */
static void share_changes(struct cluster *cluster, uint64_t from)
{
    while (from < cluster->log.version) {
        struct peer_message m;
        struct outbox_span span;
        if (replog_delta(&cluster->log, from, &cluster->scratch, &m) != 0 ||
            !outbox_message(&cluster->outbox, &m, &span)) {
            return;
        }
        for (size_t i = 0; i < cluster->slots; i++) {
            const struct peer *peer = peer_at(cluster, i);
            if (peer != NULL && peer->pipe && !peer->walking) {
                struct cluster_effect effect = {.type = CLUSTER_TELL,
                                                .slot = (uint16_t)i};
                (void)outbox_put(&cluster->outbox, &effect, span);
            }
        }
        from = m.version;
    }
}

/* false: no memory; the walk stands and goes on later. */
static bool walk_part(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];
    struct replog_walk walk = peer->walk;
    struct peer_message m;

    if (replog_snapshot(&cluster->log, &walk, &cluster->scratch, &m) != 0 ||
        !cluster_tell(cluster, slot, &m)) {
        return false;
    }
    peer->walk = walk;
    if (walk.done) {
        end_walk(cluster, slot);
    }
    return true;
}

static void end_walk(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    sync_stop(cluster, slot);
    if (replog_has_since(&cluster->log, peer->walk.version)) {
        (void)say_changes(cluster, slot, peer->walk.version);
    }
}

static void after_taking(struct cluster *cluster, uint16_t slot, int rc)
{
    struct peer *peer = cluster->peers[slot];
    const struct interest_peer *held = interest_peer(&cluster->interest, slot);
    uint64_t again_ms = cluster->now_ms + PULL_AGAIN_MS;

    switch (rc) {
    case 0:
        peer->pull_ms = sync_lags(cluster, slot) ? again_ms : 0;
        if (!sync_lags(cluster, slot)) {
            loss_knows(cluster, slot);
        }
        break;
    case ERR_STALE: /* a snapshot under way explains it */
        if (held->whole && cluster->now_ms >= peer->pull_ms) {
            pull(cluster, slot, 0);
        }
        break;
    case ERR_CONFLICT:
        diverged(cluster, slot);
        pull(cluster, slot, 0);
        break;
    case ERR_NOMEM:
    case ERR_LIMIT:
        peer->pull_ms = again_ms;
        break;
    default:
        cluster_wrong(cluster, slot);
        interest_reset(&cluster->interest, slot);
        peer->pull_ms = again_ms;
        break;
    }
}

/* A bug of one of us: said, and repaired by a snapshot. */
static void diverged(struct cluster *cluster, uint16_t slot)
{
    cluster_say(cluster, CLUSTER_DIVERGED, cluster->peers[slot],
                "equal version, unequal digest: taking a snapshot");
    forget_version(cluster, slot);
}

static void forget_version(struct cluster *cluster, uint16_t slot)
{
    struct peer *peer = cluster->peers[slot];

    interest_reset(&cluster->interest, slot);
    peer->have = 0;
    peer->pull_ms = 0;
}

/* `part`: how many of the snapshot under way are here; 0 begins anew. */
static void pull(struct cluster *cluster, uint16_t slot, uint32_t part)
{
    struct peer *peer = cluster->peers[slot];
    const struct interest_peer *held = interest_peer(&cluster->interest, slot);
    struct peer_message m = {
        .type = PEER_PULL,
        .version = held->whole ? held->version : VERSION_NONE,
        .part = part,
    };

    if (peer->pipe) { /* else sync_pipe_up() asks */
        peer->pull_ms = cluster->now_ms + PULL_AGAIN_MS;
        (void)cluster_tell(cluster, slot, &m);
    }
}

bool sync_lags(const struct cluster *cluster, uint16_t slot)
{
    const struct interest_peer *held = interest_peer(&cluster->interest, slot);

    return !held->whole || held->version < cluster->peers[slot]->said;
}
