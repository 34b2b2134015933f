/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of one item through all nodes, for who published it here with
 * ITEM_TRACE: this node's notes (node/watch/trace.h) and those of all linked
 * peers (node/mesh/calls.h, CALL_TRACE), in the time of this node.
 *
 *   trace_ask_open()   room for one more?
 *     publish
 *   trace_ask_start()  asks all, again and again, until everyone whom the item
 *                      was sent to has said what became of it, or
 *                      TRACE_WAIT_MS have passed
 *   on_report()        once
 *
 * Clocks are compared by the questions themselves: an answer says what its
 * clock was; that was at some time between the question and the answer, which
 * gives the difference, and half of that time is how wrong it may be. Of all
 * answers of a node the quickest counts. Nothing arrives before it was sent: a
 * node of which that is found is shifted.
 *
 * Loop thread only.
 */
#ifndef NODE_TRACE_ASK_H
#define NODE_TRACE_ASK_H

#include "node/mesh/member.h"
#include "node/watch/trace.h"

struct core;
struct trace_ask;

enum {
    TRACE_WAIT_MS = 1500,
};

/* A node that the item came to. Add shift_us to a time of `traced`: the time
 * since it was published. */
struct trace_node {
    uint64_t id; /* node_id_u64() */
    char name[MEMBER_NAME_MAX];
    char region[REGION_LEN_MAX + 1];
    int64_t shift_us;
    uint64_t error_us; /* by so much that may be wrong, either way */
    int64_t clock_us;  /* its wall clock less ours */
    struct traced traced;
};

struct trace_report {
    uint64_t origin;
    uint64_t count;
    struct bytes cache;
    struct bytes topic;
    const struct trace_node *nodes; /* this one, then who got it from whom */
    size_t nodes_len;
    /* Of whom nothing is known: no answer, or dead and maybe only cut off. */
    const char (*silent)[MEMBER_NAME_MAX];
    size_t silent_len;
    /* Who answers that its version knows no traces: it delivers and passes on
     * without notes. */
    const char (*older)[MEMBER_NAME_MAX];
    size_t older_len;
};

/* Answers the others from now on. */
void trace_serve(struct core *core);

/* Errors: ERR_NOT_READY (no cluster yet), ERR_LIMIT (too many), ERR_NOMEM. */
int trace_ask_open(struct trace_ask **out, struct core *core, void *data,
                   void (*on_report)(void *data,
                                     const struct trace_report *report));
/* The item of that number (hub_receipt) was published just now. `on_report` is
 * called once, unless it is forgotten, never from inside; the report is
 * borrowed, the ask gone afterwards. Errors: ERR_NOMEM: it is still open. */
int trace_ask_start(struct trace_ask *ask, struct bytes cache,
                    struct bytes topic, uint64_t count);
/* Nobody listens any more, or it was never started. */
void trace_ask_forget(struct trace_ask *ask);

/* The name of a member, of those that are gone their id. */
void trace_name(const struct core *core, uint64_t id,
                char name[MEMBER_NAME_MAX]);

#endif
