/* SPDX-License-Identifier: Apache-2.0
 *
 * When a subscribe holds everywhere: acknowledgements of the own log.
 *
 * A turn closes with one version, shared by all its subscribes. For each scope
 * the *held* version is the lowest that a linked peer has acknowledged. A rise
 * is told at once; a turn older than CLUSTER_BARRIER_MS is told as partial. As
 * long as held stays below what was told as partial (a peer is stuck, or came
 * back with less) this repeats every CLUSTER_BARRIER_MS, so that whoever begins
 * to wait later, for an old version, is never left without an answer.
 */
#ifndef CLUSTER_BARRIER_H
#define CLUSTER_BARRIER_H

#include "cluster/cluster.h"

enum {
    BARRIER_SCOPES = 2,
    BARRIER_TURNS_MAX = CLUSTER_BARRIER_MS + 6
};

struct barrier_turn {
    uint64_t version;
    uint64_t at_ms;
};

struct barrier_scope {
    uint64_t held;
    uint64_t capped;    /* told as partial up to here */
    uint64_t repeat_ms; /* while held < capped */
    bool rise_due;      /* effects to be taken */
    bool partial_due;
};

struct barrier {
    struct barrier_scope scopes[BARRIER_SCOPES];
    struct barrier_turn turns[BARRIER_TURNS_MAX]; /* a ring, oldest first */
    size_t first;
    size_t len;
    uint64_t version; /* of the newest turn */
};

/* Zero is the beginning. A turn ended with this version; it may be the same. */
void barrier_turn(struct barrier *barrier, uint64_t version, uint64_t now_ms);

/* Everyone in scope holds `held`; it falls when a peer comes back behind. */
void barrier_hold(struct barrier *barrier, enum cluster_scope scope,
                  uint64_t held, uint64_t now_ms);

void barrier_tick(struct barrier *barrier, uint64_t now_ms);
uint64_t barrier_wake_ms(const struct barrier *barrier); /* UINT64_MAX never */

/* Takes the next CLUSTER_BARRIER effect; false when there is none. */
bool barrier_next(struct barrier *barrier, struct cluster_effect *effect);

void barrier_check(const struct barrier *barrier);

#endif
