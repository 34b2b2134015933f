/* SPDX-License-Identifier: Apache-2.0
 *
 * A sorted hash table: a 64-bit key and a fixed number of words beside it.
 *
 * Open addressing with linear probing. An entry's home is key * cap >> 64, so
 * homes grow with keys, and an entry stands behind all smaller ones: the
 * whole table is in the order of keys. Hence walks are sorted and the same for
 * the same set, ranges are contiguous, and growing, shrinking or sweeping is
 * one pass. Keys are expected to be well spread (topic hashes are); others
 * cost time and some room, never correctness.
 *
 *   home   0     1     2     3     4     5     6 | tail
 *   key   10    12    13     -    77    78     -    -
 *
 * Load is 0.5 to 0.7 while growing: with one word at most 32 bytes an entry.
 * Key 0 means an empty place: callers pass hashes through table_key().
 */
#ifndef CLUSTER_TABLE_H
#define CLUSTER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
    uint64_t *places; /* room * (1 + words): key, words */
    size_t cap;       /* homes */
    size_t room;      /* places: homes and a tail; the last is always empty */
    size_t len;
    size_t max; /* entries */
    size_t words;
};

/* Two hashes share key 1. At 2^-64 each that costs a spurious forward. */
static inline uint64_t table_key(uint64_t hash)
{
    return hash == 0 ? 1 : hash;
}

/* No memory is taken before the first entry. */
void table_init(struct table *table, size_t words, size_t max);
void table_fini(struct table *table);

/* The words of a key, or NULL. Valid until the table changes. */
uint64_t *table_find(const struct table *table, uint64_t key);

/* The words of a key, new ones zero; NULL when `max` or memory is reached. */
uint64_t *table_add(struct table *table, uint64_t key);

/* The key must be there. Never fails. */
void table_remove(struct table *table, uint64_t key);

/* The first entry (key, words...) whose key is at least `from`, NULL if none.
 */
const uint64_t *table_from(const struct table *table, uint64_t from);
/* The entry after this one, NULL if none. */
const uint64_t *table_after(const struct table *table, const uint64_t *entry);

/* Calls keep for each entry of [from, to] in order; it may change the words;
 * what it answers false for is removed. */
typedef bool (*table_keep)(void *data, uint64_t key, uint64_t *words);
void table_sweep(struct table *table, uint64_t from, uint64_t to,
                 table_keep keep, void *data);

/* More words for each entry, the new ones zero. Errors: ERR_NOMEM. */
int table_widen(struct table *table, size_t words);

size_t table_bytes(const struct table *table); /* memory held */

/* Asserts order, homes, gaps and counts. */
void table_check(const struct table *table);

#endif
