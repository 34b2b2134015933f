/* SPDX-License-Identifier: Apache-2.0
 *
 * Which topics most goes through: a sketch of a fixed size (space saving, in
 * sets of HOT_WAYS), whatever the number of topics.
 *
 *   hash --> set of HOT_WAYS rows: the topic's own, or the lightest gives way
 *
 * A newcomer inherits the weight of who gave way, so that what is heavy stays
 * and a crowd of light ones takes turns in the lightest row. What is shown of a
 * row is only what was counted since it came: never more than there was.
 */
#ifndef NODE_HOT_H
#define NODE_HOT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/item.h"

struct report_hot;

enum {
    HOT_SETS = 64,
    HOT_WAYS = 4,
    HOT_ROWS = HOT_SETS * HOT_WAYS,
};

struct hot;

/* NULL: memory is short. */
struct hot *hot_new(void);
void hot_free(struct hot *hot);

/* Counts for the topic of the item, whose hash and names are read. */
void hot_add(struct hot *hot, const struct item *item, uint64_t in,
             uint64_t out);

/* The heaviest, by in + out, into rows (at most max), `subs` left 0; and begins
 * anew. Returns how many. */
size_t hot_take(struct hot *hot, struct report_hot *rows, size_t max);

#endif
