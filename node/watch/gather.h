/* SPDX-License-Identifier: Apache-2.0
 *
 * A page of a table that all nodes have a part of (proto/rows.h): asks every
 * node for its first rows after a place and merges what they say.
 *
 *   gather() --call--> this node and each peer: the kind's own answer
 *            <-rows--- sorted, as many as fit, and how far they are complete
 *   on_rows(): gathered_next() gives them in order, as far as all are complete
 *
 * Each answer is as short as the number of nodes asks for, so a page may have
 * fewer rows than were asked for, or none, and still not be the last one. Who
 * does not answer is named.
 */
#ifndef NODE_GATHER_H
#define NODE_GATHER_H

#include "node/mesh/calls.h"
#include "proto/rows.h"

enum {
    GATHER_WAIT_MS = 1500,
};

struct gather;
struct gathered;

struct gather_ask {
    enum call_kind kind;
    uint64_t rows_max;
    struct rows_place after; /* zero: from the first */
    struct bytes what;
    uint64_t wait_ms;
    void *data;
    /* Once, unless it is forgotten; the rows are borrowed. */
    void (*on_rows)(void *data, struct gathered *all);
};

/* Answers the others from now on, about all that is asked so: clients and
 * kicks, topics, refusals, events, taps. */
void gather_serve(struct core *core);

/* Errors: ERR_NOT_READY (no cluster yet), ERR_LIMIT, ERR_NOMEM. */
int gather_start(struct gather **out, struct core *core,
                 const struct gather_ask *ask);
void gather_forget(struct gather *gather);

struct gathered_row {
    struct rows_place place;
    const char *node; /* its name */
    struct bytes text;
};

/* The next row; false: no more are known to be complete. */
bool gathered_next(struct gathered *all, struct gathered_row *row);
/* Looks at it without taking it. */
bool gathered_peek(const struct gathered *all, struct gathered_row *row);
/* Whether there may be more than was taken, and after which place. */
bool gathered_rest(const struct gathered *all, struct rows_place *after);
/* The i-th node that did not answer; NULL: no more. */
const struct call_answer *gathered_silent(const struct gathered *all, size_t i);

#endif
