/* SPDX-License-Identifier: Apache-2.0
 *
 * The replicated log of this node: what it wants, as versioned changes.
 *
 *   set      hashes with a count (two topics may share a hash), and records
 *   ring     the newest changes; version v is the v-th change of this life
 *   digest   sum over the set: two nodes compare 64 bits
 *
 * This node is its only writer, so there is nothing to merge (CLUSTER 2.1):
 * peers take contiguous changes, or a snapshot and the changes since.
 *
 * A snapshot is walked in parts while the log goes on: part by part in the
 * order of the set, told at the version where the walk began. What changed
 * behind the walk comes again in the delta that follows, and adding what is
 * there or removing what is not changes nothing. So no copy of the set is made
 * and no part is longer than PEER_RECORDS_MAX records or REPLOG_PART_LEN.
 */
#ifndef CLUSTER_REPLOG_H
#define CLUSTER_REPLOG_H

#include "cluster/records.h"
#include "cluster/table.h"
#include "proto/bytes.h"
#include "proto/peer.h"

enum {
    REPLOG_RING_MAX = 64 << 10,  /* changes; older ones need a snapshot */
    REPLOG_PART_LEN = 48 << 10,  /* bytes of records in one message */
    REPLOG_PATTERNS_MAX = 16384, /* so that registers always have room */
};

struct replog_change {
    uint64_t hash;
    struct record *record; /* NULL for plain interest */
    bool removed;
};

struct replog {
    struct table wanted; /* hash -> count */
    struct records records;
    uint64_t version;
    uint64_t digest;

    struct replog_change *ring; /* change v is at v % ring_cap */
    size_t ring_cap;            /* a power of two, or 0 */
    size_t ring_len;            /* changes (version - ring_len, version] */
};

/* interests_max 0 means 2 M. No memory is taken yet. */
void replog_init(struct replog *log, uint64_t interests_max);
void replog_fini(struct replog *log);

/* Counts one more or one less wish; only the first and the last change the
 * log. Returns the version that contains the change, 0 when the set is full or
 * memory is short; taking a wish back never fails. A wish that was not there is
 * ignored. Versions start at 1. */
uint64_t replog_want(struct replog *log, uint64_t hash, bool wanted);
uint64_t replog_want_record(struct replog *log,
                            const struct peer_record *record);

/* Whether the changes after this version are still in the ring. */
bool replog_has_since(const struct replog *log, uint64_t version);

/* Fills a PEER_DELTA with the changes after `from`, as many as one message may
 * carry; m->version is how far it got. Records are written to `records`, which
 * m borrows. from < version and replog_has_since(). Errors: ERR_NOMEM. */
int replog_delta(const struct replog *log, uint64_t from, struct buf *records,
                 struct peer_message *m);

/* A walk over the set. Zero is before the beginning. */
struct replog_walk {
    uint64_t version; /* where it began */
    uint64_t hash;    /* the next one not below this */
    uint32_t part;    /* the next one */
    uint8_t type;     /* of `hash`: above PEER_INTEREST while among records */
    bool begun;
    bool done;
};

/* Fills the next PEER_SNAPSHOT of a walk that is not done. In the last part
 * m->digest is that of the set now. Errors: ERR_NOMEM, the walk stands. */
int replog_snapshot(const struct replog *log, struct replog_walk *walk,
                    struct buf *records, struct peer_message *m);

/* Asserts order, counts, and that the digest is that of the set. */
void replog_check(const struct replog *log);

#endif
