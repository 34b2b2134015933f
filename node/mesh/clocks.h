/* SPDX-License-Identifier: Apache-2.0
 *
 * How far the wall clocks of other nodes are from ours, and how long a question
 * to them takes.
 *
 *   we ask at t0, their clock says T, the answer is here at t1:
 *   T - (t0 + t1) / 2, wrong by (t1 - t0) / 2 at most
 *
 * Of the last CLOCKS_KEPT answers of a node the one that came fastest counts.
 * All linked nodes are asked (CALL_CLOCK) every CLOCKS_EVERY_MS, and more often
 * for some rounds when their number has changed, if they are few. Who does not
 * answer is not known, and neither counted nor named.
 *
 * Loop thread only; the clocks are the caller's.
 */
#ifndef NODE_CLOCKS_H
#define NODE_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

struct clocks;
struct core;

enum {
    CLOCKS_KEPT = 8,
    CLOCKS_EVERY_MS = 10000,
    CLOCKS_SOON_MS = 1000,
    CLOCKS_SOON = 5,        /* rounds, after a change ... */
    CLOCKS_SOON_LINKS = 64, /* ... of no more links than these */
    CLOCKS_WAIT_MS = 900,
};

struct clocks_reading {
    int64_t ahead_us; /* its wall clock minus ours */
    uint64_t rtt_us;  /* of the question that says so */
};

/* `core`, whose calls and deadlines it uses, is borrowed; core->clocks is set.
 * wall_us() is the wall clock. Errors: NULL, memory is short. */
struct clocks *clocks_new(struct core *core, uint64_t (*wall_us)(void));
/* NULL is fine. */
void clocks_free(struct clocks *clocks);

/* What is known of the node of that id (node_id_u64()). false: nothing, also of
 * ourselves. NULL knows nothing. */
bool clocks_read(const struct clocks *clocks, uint64_t id,
                 struct clocks_reading *reading);

#endif
