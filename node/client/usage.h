/* SPDX-License-Identifier: Apache-2.0
 *
 * The usage of the whole cluster, for whoever asks this node: its own meters
 * and those of all linked nodes (node/mesh/calls.h, CALL_USAGE), added up for
 * each cache and region.
 *
 * A node's counts are of its life: what a node that ended had counted is gone
 * with it, so it is listed without an answer for as long as it is remembered.
 * Rows are asked for in parts, so that the answers of any number of nodes fit a
 * call; who misses a part has not answered, and what it did say is in the sums.
 *
 * Loop thread only.
 */
#ifndef NODE_USAGE_H
#define NODE_USAGE_H

#include <stdbool.h>

#include "node/mesh/member.h"
#include "proto/peer.h"
#include "proto/usage.h"

struct core;
struct usage_ask;

enum {
    USAGE_WAIT_MS = 2000,   /* for all answers together */
    USAGE_ROWS_MAX = 16384, /* of a report; further caches have no name */
};

struct usage_node {
    struct node_id id;
    char name[MEMBER_NAME_MAX];
    char region[REGION_LEN_MAX + 1];
    bool self;
    bool dead;         /* believed so */
    bool answered;     /* all of its counts are in the sums */
    uint64_t since_ms; /* wall clock: it counts since; when it answered */
};

/* Of one cache in one region. */
struct usage_row {
    char cache[65]; /* "" of those without a name */
    char region[REGION_LEN_MAX + 1];
    struct usage usage;
};

struct usage_report {
    const struct usage_node *nodes; /* self first */
    size_t nodes_len;
    struct usage_row *const *rows; /* by cache, then by region */
    size_t rows_len;
    bool complete; /* all nodes have answered */
};

/* Answers the others from now on. */
void usage_serve(struct core *core);

/* `on_report` is called once, unless it is forgotten, never from inside; the
 * report is borrowed, the ask gone afterwards. Errors: ERR_NOT_READY (no
 * cluster yet), ERR_LIMIT (too much is under way), ERR_NOMEM. */
int usage_start(struct usage_ask **out, struct core *core, void *data,
                void (*on_report)(void *data,
                                  const struct usage_report *report));
/* Nobody listens any more. */
void usage_forget(struct usage_ask *ask);

#endif
