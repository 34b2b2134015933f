/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of cache_client.pubsub.Pubsub (proto/momento/pubsub.proto).
 *
 * Readers: 0, ERR_SYNTAX (no such message) or ERR_NOMEM; slices live in
 * `memory`, which must be empty. Names and texts are not checked. Writers
 * append; failure shows in out->failed.
 */
#ifndef PROTO_MOMENTO_PUBSUB_H
#define PROTO_MOMENTO_PUBSUB_H

#include <stdint.h>

#include "proto/bytes.h"
#include "proto/item.h"

struct momento_publish {
    struct bytes cache;
    struct bytes topic;
    struct bytes value;
    bool binary;
};

struct momento_subscribe {
    struct bytes cache;
    struct bytes topic;
    uint64_t resume_at; /* the first that is wanted; 0: what comes next */
    uint64_t page;
};

/* A message without a value is ERR_ARGUMENT; an empty one is a value. */
int momento_read_publish(struct bytes message, struct buf *memory,
                         struct momento_publish *publish);
int momento_read_subscribe(struct bytes message, struct buf *memory,
                           struct momento_subscribe *subscribe);

/* Each is a whole message of the stream. */
void momento_write_item(struct buf *out, const struct item *item, uint64_t page,
                        uint64_t seq);
/* `next` is one below the first number that can follow, so that a client which
 * goes on at next + 1 misses nothing. last 0: unknown. */
void momento_write_gap(struct buf *out, uint64_t page, uint64_t last,
                       uint64_t next);
void momento_write_heartbeat(struct buf *out);

#endif
