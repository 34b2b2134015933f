/* SPDX-License-Identifier: Apache-2.0
 *
 * What is noted of each item while somebody watches this node
 * (node/watch/watch.h): its topic (node/watch/hot.h), and how old it is when it
 * is written to those who subscribe. While nobody does there is no lens, and an
 * item costs one question more.
 *
 *   read: lens_begin() --> lens_item() each --> written: lens_end()
 *
 * Once an item, never once a delivery. The age of what was published here is
 * from the start of the turn to its end. That of others' items is by the wall
 * clock of their origin, as far as ours is known to be from it
 * (node/mesh/clocks.h): to the millisecond; whose origin is not known is not
 * counted.
 */
#ifndef NODE_LENS_H
#define NODE_LENS_H

#include <stdbool.h>

#include "node/watch/report.h"

enum {
    LENS_AGES_MAX = 64, /* of a turn; further ones count as the last */
    LENS_ORIGINS = 2048,
};

struct lens;

/* NULL: memory is short. */
struct lens *lens_new(void);
void lens_free(struct lens *lens);

/* Who is who; all at once, from time to time. */
struct lens_origin {
    uint64_t id;      /* as item.origin */
    int64_t clock_us; /* its wall clock minus ours */
    bool far;         /* of another region */
};
void lens_forget_origins(struct lens *lens);
void lens_add_origin(struct lens *lens, const struct lens_origin *origin);

/* A turn in which something is read begins: when, monotonic. Again, before its
 * end: nothing. */
bool lens_is_idle(const struct lens *lens);
void lens_begin(struct lens *lens, uint64_t now_us);

/* An item, which went into so many outputs. `here`: a client of this node
 * published it. */
void lens_item(struct lens *lens, const struct item *item, bool here,
               uint64_t subs);

/* All of the turn was written, as far as sockets take it. */
bool lens_has_items(const struct lens *lens);
void lens_end(struct lens *lens, uint64_t now_us, uint64_t wall_us);

/* What was counted since the last call, to *latency, added up; hot topics into
 * rows. Returns how many. */
size_t lens_take(struct lens *lens,
                 uint64_t latency[REPORT_HOPS][REPORT_BUCKETS],
                 struct report_hot *rows, size_t max);

#endif
