/* SPDX-License-Identifier: Apache-2.0
 *
 * Starling's own protocol: small maps with an `op`, as JSON texts or as msgpack
 * (the same names and meanings), one in each WebSocket message. Specified in
 * docs/PROTOCOLS.md, "Native WebSocket".
 *
 *   client   subscribe unsubscribe publish auth ping
 *   server   welcome subscribed unsubscribed item gap published authenticated
 *            ended pong move error
 *
 * In msgpack an item, which is what most messages are, is an array without
 * names instead: half of a small one would be names.
 *
 *   [cache, topic, page, seq, origin, at, publisher, value] or with
 * {attributes}
 *
 * A value is `text` (UTF-8) or `data` (bytes; base64 in JSON). Numbers fit
 * 2^53. Unknown fields are ignored, so that a newer client may send more;
 * unknown ops are an error.
 */
#ifndef PROTO_NATIVE_H
#define PROTO_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/bytes.h"
#include "proto/item.h"

enum {
    NATIVE_DEPTH_MAX = 32,
    NATIVE_NUMBER_MAX_BITS = 53,
};

enum native_format {
    NATIVE_JSON = 0,
    NATIVE_MSGPACK = 1
};

enum native_op {
    NATIVE_SUBSCRIBE,
    NATIVE_UNSUBSCRIBE,
    NATIVE_PUBLISH,
    NATIVE_AUTH,
    NATIVE_PING,
};

/* One command. Slices point into the message or into `memory`. */
struct native_command {
    enum native_op op;
    bool has_id; /* answered with the same id */
    uint64_t id;
    struct bytes cache;
    struct bytes topic;
    struct bytes token; /* AUTH */
    struct bytes value; /* PUBLISH */
    bool has_value;
    bool binary;
    bool receipt;     /* PUBLISH: answer with `published` */
    bool no_echo;     /* SUBSCRIBE: not what this connection publishes */
    bool resume;      /* SUBSCRIBE: from after (page, seq) */
    bool barrier_all; /* SUBSCRIBE: wait for the other regions too */
    uint64_t page;
    uint64_t seq;
    struct item_attrs attrs; /* PUBLISH: event, content_type, reply_to ... */
};

/* Reads one whole message. `memory` is replaced; it must live as long as the
 * command. Errors: ERR_SYNTAX (not the format, wrong types, deeper than
 * NATIVE_DEPTH_MAX, a JSON key twice), ERR_ARGUMENT (no or unknown op, a
 * missing field, both text and data), ERR_UTF8, ERR_NOMEM. After an error
 * `has_id` and `id` are valid if the message had them: the answer names it. */
int native_read(enum native_format format, struct bytes message,
                struct native_command *command, struct buf *memory);

struct native_position {
    struct bytes cache;
    struct bytes topic;
    uint64_t page;
    uint64_t seq;
    bool resumed;
    bool partial;
};

/* Each appends one message; failure shows in out->failed. */
void native_write_welcome(enum native_format format, struct bytes node,
                          struct bytes region, uint64_t origin, bool ready,
                          struct buf *out);
void native_write_subscribed(enum native_format format, uint64_t id,
                             const struct native_position *position,
                             struct buf *out);
void native_write_unsubscribed(enum native_format format,
                               const struct native_command *command,
                               struct buf *out);
void native_write_item(enum native_format format, const struct item *item,
                       uint64_t page, uint64_t seq, struct buf *out);
void native_write_gap(enum native_format format, struct bytes cache,
                      struct bytes topic, uint64_t page, uint64_t last,
                      uint64_t next, struct buf *out);
void native_write_published(enum native_format format, uint64_t id,
                            uint64_t subscriptions, unsigned nodes,
                            bool partial, struct buf *out);
/* "authenticated", "pong": an op with the id of its command. */
void native_write_answer(enum native_format format, const char *op,
                         const struct native_command *command, struct buf *out);
/* A subscription ended by expiry or lost rights. `message`: for people. */
void native_write_ended(enum native_format format, struct bytes cache,
                        struct bytes topic, int err, struct bytes message,
                        struct buf *out);
/* Asks the client to go on at that URL. */
void native_write_move(enum native_format format, struct bytes endpoint,
                       struct buf *out);
/* command NULL: not about one command. */
void native_write_error(enum native_format format,
                        const struct native_command *command, int err,
                        struct bytes message, struct buf *out);

#endif
