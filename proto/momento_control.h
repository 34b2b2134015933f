/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of control_client.ScsControl (proto/momento/control.proto).
 * Errors and memory as in proto/momento_pubsub.h.
 */
#ifndef PROTO_MOMENTO_CONTROL_H
#define PROTO_MOMENTO_CONTROL_H

#include <stdint.h>

#include "proto/bytes.h"

struct momento_cache {
    struct bytes name;
    uint32_t publish_rate; /* a second; 0: no limit */
    uint32_t subs;
    uint32_t item_kb;
};

/* The request of CreateCache, DeleteCache and FlushCache. */
int momento_read_cache(struct bytes message, struct buf *memory,
                       struct bytes *name);
int momento_read_list_caches(struct bytes message, struct buf *memory,
                             struct bytes *next_token);

/* The answer to ListCaches is what these append, in any number and order;
 * without a next token it is the last page. */
void momento_write_cache(struct buf *out, const struct momento_cache *cache);
void momento_write_next_token(struct buf *out, struct bytes next_token);

#endif
