/* SPDX-License-Identifier: Apache-2.0
 *
 * Who wants what: the logs of all peers, as held here.
 *
 *   table     hash -> bitmap of peer slots, one word for each 64 slots
 *   peer      version, digest and count of its log; its records beyond hashes
 *   patterns  those records by cache, to be matched (cluster/patterns.h)
 *
 * A peer's log is taken by contiguous deltas, or by a snapshot in parts. A part
 * replaces what the peer had in that range of hashes, in one step: what it
 * wanted before and wants now is never missing, however long the snapshot. Only
 * when the last part is here does the peer have a version again.
 *
 * Bounds: INTEREST_TOPICS_MAX hashes of all peers together, RECORDS_MAX records
 * of each. A peer whose log does not fit stays without a version: barriers
 * that wait for this node then end `partial`.
 */
#ifndef CLUSTER_INTEREST_H
#define CLUSTER_INTEREST_H

#include "cluster/patterns.h"
#include "cluster/records.h"
#include "cluster/registers.h"
#include "cluster/table.h"
#include "proto/item.h"
#include "proto/peer.h"

enum {
    INTEREST_TOPICS_MAX = 16 << 20
};

struct interest_peer {
    uint64_t version; /* meaningful when whole */
    uint64_t digest;  /* of what is held, whole or not */
    uint64_t count;   /* hashes */
    bool whole;       /* all of `version`; false inside a snapshot */
    bool exact;       /* at `version` our digest was the peer's own */

    uint32_t part; /* the next one of the snapshot under way */
    uint64_t hash; /* the snapshot has passed all hashes below */
    bool swept;    /* it has passed them all */
    bool fresh;    /* nothing was held when it began: nothing to sweep */
    uint64_t base; /* its version */

    struct records records;
};

struct interest {
    struct table wanted;
    struct patterns patterns;
    struct interest_peer **peers; /* by slot, NULL = closed */
    size_t slots;                 /* room in peers */
    uint64_t *part;               /* hashes of the part being taken */
    struct registers *registers;  /* borrowed: where registers are taken to, or
                                   * NULL */
};

/* topics_max 0 means INTEREST_TOPICS_MAX; seed: see patterns_init(). Errors:
 * ERR_NOMEM. */
int interest_init(struct interest *interest, size_t topics_max, uint64_t seed);
void interest_fini(struct interest *interest);

/* A closed slot begins with the empty log: version 0. Errors: ERR_NOMEM. */
int interest_open(struct interest *interest, uint16_t slot);
/* Forgets all that this peer wants. Never fails. */
void interest_close(struct interest *interest, uint16_t slot);

/* Takes a PEER_DELTA; what is already held is skipped.
 * Errors: ERR_STALE    it does not follow on: pull
 *         ERR_CONFLICT equal version, unequal digest: reset and pull
 *         ERR_SYNTAX   the peer is wrong; held is what came before the error
 *         ERR_NOMEM, ERR_LIMIT  likewise; pull later */
int interest_delta(struct interest *interest, uint16_t slot,
                   const struct peer_message *m);

/* Takes a PEER_SNAPSHOT part. Returns 1 after the last, 0 when more follow.
 * Errors: ERR_STALE    not the part that comes next: pull
 *         ERR_SYNTAX, ERR_NOMEM, ERR_LIMIT  reset and pull later */
int interest_snapshot(struct interest *interest, uint16_t slot,
                      const struct peer_message *m);

/* Compares with what the peer says of its own log, e.g. in a hello. Errors:
 * ERR_CONFLICT as above. */
int interest_compare(struct interest *interest, uint16_t slot, uint64_t version,
                     uint64_t digest);

/* Without a version until a whole snapshot has come; routes by what is held. */
void interest_reset(struct interest *interest, uint16_t slot);

/* The bitmap of slots that want this hash (interest_words() words), or NULL.
 * Valid until the next change. */
const uint64_t *interest_find(const struct interest *interest, uint64_t hash);
/* The same for an item: who wants its hash or has a pattern that matches its
 * names. `slots` is room for PATTERNS_WORDS words, used when there are patterns
 * in its cache. */
const uint64_t *interest_match(const struct interest *interest,
                               const struct item *item, uint64_t *slots);
static inline size_t interest_words(const struct interest *interest)
{
    return interest->wanted.words;
}

/* NULL when the slot is closed. */
const struct interest_peer *interest_peer(const struct interest *interest,
                                          uint16_t slot);
size_t interest_bytes(const struct interest *interest); /* memory held */

/* Asserts that counts and digests are those of the bitmaps. */
void interest_check(const struct interest *interest);

#endif
