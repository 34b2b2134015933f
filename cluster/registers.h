/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers: small values under a name that all nodes hold, whoever wrote them.
 * The last writer wins.
 *
 *   set here, or a record in a peer's log --newer?--> this table
 *                                                      |      |
 *                       the own log: +new, -old <------+      +--> effect
 *
 * A node that learns a newer value writes it into its own log, too. So a value
 * outlives its writer, whoever joins learns it from anybody, and two sides of a
 * partition tell each other all when they meet. Logs carry each value as one
 * record whose hash covers it all, so that digests see every difference.
 *
 * Newer is who has the higher stamp; of two equal ones the greater in (until_s,
 * value). A stamp is the writer's wall clock in ms, but above that of the value
 * it replaces: who has seen a value can always write the next one, whatever the
 * clocks say. A clock that is ahead wins over another only where both wrote
 * without knowing of each other.
 *
 * Bounds: CLUSTER_CACHES_MAX and CLUSTER_REVOKED_MAX keys. Where two full sides
 * meet, those with the lowest rank go: first those that end by themselves, then
 * the oldest. What is over (until_s) is forgotten REGISTERS_SLACK_S later, so
 * that no node brings back what another one has forgotten because its clock is
 * ahead. A node whose clock was wrong, and is set back, asks all others again.
 */
#ifndef CLUSTER_REGISTERS_H
#define CLUSTER_REGISTERS_H

#include "cluster/cluster.h"
#include "cluster/replog.h"
#include "proto/hash.h"

enum {
    REGISTERS_KINDS = CLUSTER_REGISTER_REVOKED,
    REGISTERS_SLACK_S = 900,
    REGISTERS_BACK_MS = 60000, /* so far a clock may step back unnoticed */
};

struct registers_entry {
    struct record *record; /* the one in the own log */
    bool due;              /* an effect tells of it */
};

struct registers_set {
    struct registers_entry *entries; /* by key */
    size_t len;
    size_t cap;
};

struct registers {
    struct replog *log;
    struct hash_key key; /* of the records' hashes: the same on all nodes */
    struct registers_set sets[REGISTERS_KINDS]; /* by kind - 1 */
    uint64_t wall_ms;
    uint64_t forget_s; /* when the first is forgotten */
    uint64_t over_ms;  /* when something was found to be over; 0: nothing */
    uint64_t dropped;  /* for want of room */
    bool moved;        /* the log has changed */

    size_t due_len;  /* entries that are due, */
    size_t due_kind; /* looked for from here on */
    size_t due_at;
    struct cluster_register shown; /* the last that was due */
};

/* Borrows the log. `print`: of the cluster's hash key. */
void registers_init(struct registers *registers, struct replog *log,
                    uint64_t print);
void registers_fini(struct registers *registers);

/* Writes a value here; its stamp is made. Errors: ERR_ARGUMENT, ERR_LIMIT,
 * ERR_NOMEM. */
int registers_set(struct registers *registers,
                  const struct cluster_register *reg);

/* Takes a record of a peer's log, of any kind, if it is newer. Errors:
 * ERR_NOMEM. */
int registers_take(struct registers *registers,
                   const struct peer_record *record);

/* A record that stands for one of a peer's log: the own one if that is the
 * same, else one of its type and hash alone. NULL: no memory. */
struct record *registers_share(const struct registers *registers,
                               uint64_t hash);

bool registers_get(const struct registers *registers, uint8_t kind,
                   struct bytes key, struct cluster_register *reg);
bool registers_at(const struct registers *registers, uint8_t kind, size_t index,
                  struct cluster_register *reg);

/* Sets the clock. true: by an earlier time something was found to be over that
 * is not: all have to be learned again. */
bool registers_clock(struct registers *registers, uint64_t wall_ms);

/* Forgets what is over, at most `max` of it. */
void registers_forget(struct registers *registers, size_t max);

/* Takes the next one that became newer, NULL if there is none. Valid until one
 * changes. */
const struct cluster_register *registers_next(struct registers *registers);

/* Asserts order, bounds, and that the own log holds just these. */
void registers_check(const struct registers *registers);

#endif
