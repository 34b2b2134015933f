/* SPDX-License-Identifier: Apache-2.0
 *
 * A quota: what one cache may ask of one node. Each bound may be absent.
 *
 *   publish_rate   items a second, taken from a bucket that holds one second
 *                  of them: who was silent may send a second's worth at once
 *   item_len       bytes of a value
 *   subs           subscriptions to topics and patterns of the cache
 *
 * A quota is a node's, and so is its bucket: no node asks another before it
 * takes an item. Only what a client asks of its own node is bounded; items that
 * come over links were bounded where they were published.
 */
#ifndef NODE_QUOTA_H
#define NODE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/bytes.h"

enum {
    QUOTA_LEN_MAX = 16 /* bytes of a written one */
};

/* Zero bounds nothing. */
struct quota {
    uint32_t publish_rate; /* items a second and node, 0 = none */
    uint32_t item_len;
    uint32_t subs;
};

/* Zero is a full one. */
struct quota_bucket {
    uint64_t taken; /* thousandths of an item, at most rate * 1000 */
    uint64_t at_ms; /* when that was so */
};

static inline bool quota_is_none(const struct quota *quota)
{
    return quota->publish_rate == 0 && quota->item_len == 0 && quota->subs == 0;
}

/* Takes one item of that length out of the bucket. Errors: ERR_QUOTA_ITEM,
 * ERR_QUOTA_RATE; nothing is taken then. */
int quota_take(const struct quota *quota, struct quota_bucket *bucket,
               size_t len, uint64_t now_ms);

/* As part of the value of a cache's register: msgpack, 3 numbers. What a newer
 * node adds behind them is passed over. Errors: ERR_SYNTAX. */
void quota_write(const struct quota *quota, struct buf *out);
int quota_read(struct bytes in, struct quota *quota);

/* Sets one bound by its name ("publish_rate"). Errors: ERR_NOT_FOUND,
 * ERR_ARGUMENT when it is more than 32 bits hold. */
int quota_set(struct quota *quota, const char *field, uint64_t value);
/* The i-th name, NULL past the end. */
const char *quota_name(size_t i);

#endif
