/* SPDX-License-Identifier: Apache-2.0
 *
 * Meters: of each cache that something was published to or subscribed in here,
 * what went through this node (proto/usage.h) and what may
 * (node/client/quota.h).
 *
 * A meter lives as long as its node: who uses a cache again and again keeps the
 * pointer (hub, aims) instead of looking for it. Who may invent names may
 * invent any number of caches, so only METERS_MAX have meters of their own;
 * what comes later is counted together, in one without a name. A cache that was
 * given a quota has its own in any case (meters_own()). That of the cache that
 * is the cluster's own (topic_cache_is_system()) is nowhere listed.
 *
 * Loop thread only.
 */
#ifndef NODE_METER_H
#define NODE_METER_H

#include "node/client/quota.h"
#include "node/hub/lookup.h"
#include "proto/hash.h"
#include "proto/topic.h"
#include "proto/usage.h"

enum {
    METERS_MAX = 1024,
    METERS_OWN_MAX = 8 * METERS_MAX, /* with those that have, or had, a quota */
};

struct meter {
    struct usage usage;
    struct quota quota;
    struct quota_bucket bucket;
    bool bounded; /* by its quota */
    uint8_t len;  /* 0: of all caches that have none of their own */
    uint8_t name[CACHE_LEN_MAX];
};

/* Zero is a valid empty one without a key. */
struct meters {
    const struct hash_key *key; /* borrowed */
    struct meter **all;         /* with names, in the order they came */
    size_t len;
    size_t cap;
    struct lookup by_name;
    struct meter *last; /* that was looked for */
    struct meter rest;  /* without a name */
    struct meter system;
};

void meters_fini(struct meters *meters);

/* The meter of a valid name, made if there is none: the nameless one when there
 * are too many, or memory is short. Never NULL. */
struct meter *meters_of(struct meters *meters, struct bytes cache);
/* The same, however many others there are. NULL: memory is short, or there are
 * METERS_OWN_MAX. Who keeps the nameless one for this name looks again. */
struct meter *meters_own(struct meters *meters, struct bytes cache);
/* Without making it. NULL: nothing was counted under that name. */
struct meter *meters_find(const struct meters *meters, struct bytes cache);

/* The nameless one, then the others in the order in which they came, which
 * stays; NULL past the end. */
const struct meter *meters_at(const struct meters *meters, size_t i);

static inline struct bytes meter_name(const struct meter *meter)
{
    return bytes_of(meter->name, meter->len);
}

/* Bounds the cache from now on. A quota that is none: not any more. */
void meter_bound(struct meter *meter, const struct quota *quota);

/* Of a bounded one: 0 or why not, which is counted. */
int meter_refuses(struct meter *meter, size_t len, uint64_t now_ms);

/* Counts one item of that length, as in or as refused. Errors: as
 * quota_take(). */
static inline int meter_take(struct meter *meter, size_t len, uint64_t now_ms)
{
    struct usage_count *in = &meter->usage.in;

    if (meter->bounded) {
        int rc = meter_refuses(meter, len, now_ms);
        if (rc != 0) {
            return rc;
        }
    }
    in->items++;
    in->bytes += len;
    in->operations += usage_operations(len);
    return 0;
}

#endif
