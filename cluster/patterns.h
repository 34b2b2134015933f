/* SPDX-License-Identifier: Apache-2.0
 *
 * The patterns of all peers: who may want a topic that nobody named.
 *
 *   caches    hash of the cache name -> open list, idle list, wide peers
 *   entries   hash of the record -> (dialect, pattern), bitmap of peer slots
 *
 * An item asks once for its cache; that answer is NULL when no peer has a
 * pattern there, and that is all it costs. Otherwise each open pattern is
 * matched that could still add a peer.
 *
 * A peer with more than PATTERNS_PEER_MAX patterns in one cache is *wide*: it
 * gets all items of that cache, until it is back at half of that. Patterns that
 * only wide peers want are idle: kept, never matched. A dialect that this
 * version cannot match counts as matching, and so does what is beyond
 * PATTERNS_WORK_MAX for one item. All this costs forwards in vain, never an
 * item: the hub over there matches by name, as it does when two cache names
 * share a hash.
 *
 * Bounds: PATTERNS_MAX distinct patterns in all.
 */
#ifndef CLUSTER_PATTERNS_H
#define CLUSTER_PATTERNS_H

#include "cluster/records.h"
#include "cluster/table.h"
#include "proto/bytes.h"
#include "proto/hash.h"

enum {
    PATTERNS_SLOTS_MAX = 1024,
    PATTERNS_WORDS = PATTERNS_SLOTS_MAX / 64,
    PATTERNS_PEER_MAX = 1000, /* of one peer in one cache */
    PATTERNS_MAX = 1 << 20,
    PATTERNS_WORK_MAX = 2 << 20, /* bytes of patterns times of the topic */
};

struct patterns_entry;

struct patterns_cache {
    uint64_t key;                /* hash of its name */
    struct patterns_entry *open; /* to be matched */
    struct patterns_entry *idle; /* all who want it are wide */
    uint64_t wide[PATTERNS_WORDS];
    size_t len;       /* patterns */
    uint16_t *counts; /* of them, by slot */
    size_t counts_len;
};

struct patterns {
    struct hash_key key;
    struct table caches;
    struct table entries;
    size_t counts_len; /* of all caches */
    size_t wishes;     /* (pattern, peer) */
};

/* The seed, of this life and known to nobody else, makes the key that keeps
 * strangers from choosing cache names that share a hash. */
void patterns_init(struct patterns *patterns, uint64_t seed);
void patterns_fini(struct patterns *patterns);

/* The peer in this slot wants what it did not want yet; the record, of type
 * PEER_PATTERN, is shared. Errors: ERR_NOMEM, ERR_LIMIT; nothing changed. */
int patterns_add(struct patterns *patterns, uint16_t slot,
                 struct record *record);
/* It must be there. Never fails. */
void patterns_remove(struct patterns *patterns, uint16_t slot,
                     const struct record *record);
bool patterns_has(const struct patterns *patterns, uint16_t slot,
                  const struct record *record);

/* NULL when no peer has a pattern in this cache. Valid until the next change.
 */
const struct patterns_cache *patterns_find(const struct patterns *patterns,
                                           struct bytes cache);
/* Adds to the bitmap who may want this topic. `words` is enough for all slots
 * that are in use. */
void patterns_match(const struct patterns_cache *cache, struct bytes topic,
                    uint64_t *slots, size_t words);

size_t patterns_bytes(const struct patterns *patterns); /* memory held */

/* Asserts lists, counts and bitmaps. */
void patterns_check(const struct patterns *patterns);

#endif
