/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash table from 64-bit hashes to pointers: open addressing, linear probing,
 * deletion by shifting back, so there are no tombstones and a lookup touches
 * one run of slots. Several values may share a hash: the caller compares names.
 *
 * Invariants: zero is a valid empty one; cap is 0 or a power of two; at most
 * three quarters of the slots are in use; no value is NULL.
 */
#ifndef NODE_LOOKUP_H
#define NODE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lookup_slot {
    uint64_t hash;
    void *value; /* NULL: free */
};

struct lookup {
    struct lookup_slot *slots;
    size_t len;
    size_t cap;
};

void lookup_fini(struct lookup *lookup);

/* Errors: ERR_NOMEM, the table is as it was. */
int lookup_add(struct lookup *lookup, uint64_t hash, void *value);
/* Removes a pair that must be there. Gives memory back when it can. */
void lookup_remove(struct lookup *lookup, uint64_t hash, const void *value);

/* The values of one hash: lookup_first() and then lookup_next() with the same
 * `at`, until NULL. */
void *lookup_first(const struct lookup *lookup, uint64_t hash, size_t *at);
void *lookup_next(const struct lookup *lookup, uint64_t hash, size_t *at);

/* All values, in no order: *at is 0 before the first call. NULL at the end.
 * The table must not change meanwhile. */
void *lookup_each(const struct lookup *lookup, size_t *at);

/* The values in an order that does not depend on how large the table is, nor on
 * what comes and goes: by place, which is the hash with its bits turned round.
 * Calls each() for those at *from and behind that share its bucket, in no order
 * among them, and moves *from behind the bucket; false: that was the last. A
 * step costs a bucket, however many values there are. */
bool lookup_scan(const struct lookup *lookup, uint64_t *from,
                 void (*each)(void *data, uint64_t place, void *value),
                 void *data);
uint64_t lookup_place(uint64_t hash);

void lookup_check(const struct lookup *lookup);

#endif
