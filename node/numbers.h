/* SPDX-License-Identifier: Apache-2.0
 *
 * One item number of each origin: the newest that was seen, or the first.
 *
 * A node's items come to another one in the order of their counts, so one
 * number says of all its items whether they came before it.
 *
 * Invariants: zero is a valid empty set; an origin is there once; at most
 * NUMBERS_MAX origins. Found by looking through: publishers of one topic are on
 * few nodes.
 */
#ifndef NODE_NUMBERS_H
#define NODE_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

enum {
    NUMBERS_MAX = 1024
};

struct number {
    uint64_t origin;
    uint64_t count;
};

struct numbers {
    struct number *list;
    size_t len;
    size_t cap;
};

void numbers_fini(struct numbers *numbers);
/* Keeps the set's memory. */
void numbers_clear(struct numbers *numbers);

/* The count of an origin, 0 when there is none. */
uint64_t numbers_of(const struct numbers *numbers, uint64_t origin);

/* Keep the newest, or the first. Errors: ERR_NOMEM, ERR_LIMIT. */
int numbers_raise(struct numbers *numbers, uint64_t origin, uint64_t count);
int numbers_first(struct numbers *numbers, uint64_t origin, uint64_t count);

#endif
