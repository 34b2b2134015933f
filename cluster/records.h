/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of a log that are more than a hash: patterns, registers, and
 * types that this version does not know, which are kept by type and hash.
 *
 * A small sorted set of shared, immutable records. Plain interest never comes
 * here: it lives in a table (cluster/table.h), 8 bytes a topic.
 */
#ifndef CLUSTER_RECORDS_H
#define CLUSTER_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/hash.h"
#include "proto/peer.h"

enum {
    RECORDS_MAX = 32768
}; /* of one node */

struct record {
    uint32_t refs;
    uint8_t type;
    uint8_t dialect;      /* of a register: its kind */
    uint16_t cache_len;   /* its key */
    uint16_t pattern_len; /* its value */
    uint64_t hash;
    uint64_t stamp;   /* registers only */
    uint64_t until_s; /* likewise */
    uint8_t text[];   /* cache, pattern; or key, value */
};

/* Copies what the record borrows. Errors: NULL when memory is short. */
struct record *record_new(const struct peer_record *from);
struct record *record_ref(struct record *record);
void record_unref(struct record *record); /* NULL is fine */
/* As it is said on the wire; borrows from `record`. */
struct peer_record record_view(const struct record *record, bool removed);

/* What one record adds to the digest of its set, which is the sum. */
static inline uint64_t record_digest(uint8_t type, uint64_t hash)
{
    return hash_mix(hash + hash_mix(type));
}

struct records_entry {
    struct record *record;
    uint32_t count; /* in the own log: local wishes; elsewhere 1 */
    bool stale;     /* not yet seen again in a snapshot */
};

struct records {
    struct records_entry *entries; /* by (type, hash) */
    size_t len;
    size_t cap;
};

void records_fini(struct records *records);
/* NULL if not there; valid until the set changes. */
struct records_entry *records_find(const struct records *records, uint8_t type,
                                   uint64_t hash);
/* Index of the first entry not below (type, hash). */
size_t records_seek(const struct records *records, uint8_t type, uint64_t hash);
/* The record must not be there; takes over the caller's reference. Errors:
 * ERR_LIMIT, ERR_NOMEM, and then the reference is still the caller's. */
int records_add(struct records *records, struct record *record);
void records_remove(struct records *records, struct records_entry *entry);

#endif
