/* SPDX-License-Identifier: Apache-2.0
 *
 * Judges what one subscription got of one publisher, whose items are numbered
 * 1, 2, 3 ...
 *
 * An item that is missing lies in a hole between two that came, or at the end.
 * The hole is *told* when the subscription got a discontinuity, or was closed,
 * somewhere between those two; else it is *untold*: silent loss.
 */
#ifndef NODE_CLI_JUDGE_H
#define NODE_CLI_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers from..to, both included. */
struct judge_range {
    uint64_t from;
    uint64_t to;
    bool told; /* of a hole */
};

/* A growing list; zero is empty. */
struct judge_ranges {
    struct judge_range *p;
    size_t len;
    size_t cap;
};

void judge_ranges_fini(struct judge_ranges *ranges);
/* Appends; lengthens the last one when it follows on and is told alike. Memory
 * that is short ends the command: it is no broker. */
void judge_ranges_add(struct judge_ranges *ranges, uint64_t from, uint64_t to,
                      bool told);

struct judge {
    uint64_t last; /* the newest number that came */
    uint64_t delivered;
    uint64_t duplicate;
    uint64_t disordered; /* came after a later one */
    bool told;           /* since `last` came */
    struct judge_ranges holes;
};

void judge_fini(struct judge *judge);
void judge_value(struct judge *judge, uint64_t number);
void judge_told(struct judge *judge); /* a discontinuity, or the end */

/* Whether items up to `sent` are still to come, or a word about them: nothing
 * is known of the end of the row. */
bool judge_waits(const struct judge *judge, uint64_t sent,
                 const struct judge_ranges *excused);

/* Ends the judging: numbers up to `sent` were published, but those in `excused`
 * were not, or nobody knows (refused, unanswered). */
void judge_end(struct judge *judge, uint64_t sent,
               const struct judge_ranges *excused, uint64_t *told,
               uint64_t *untold);

#endif
