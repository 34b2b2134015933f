/* SPDX-License-Identifier: Apache-2.0
 *
 * What is published: one value with a small block of attributes.
 *
 * `struct item` is a view: all its slices are borrowed and it is valid only
 * during the call that receives it. A door points it into its input buffer, a
 * link into the opened batch, the ring into its own copy; nobody copies a value
 * to deliver it. Who wants to keep an item keeps its wire form (item_write())
 * and reads a view from that again.
 *
 * The attributes are kept encoded, because most items have none and most
 * deliveries do not look: item_attrs_read() when a door renders them.
 */
#ifndef PROTO_ITEM_H
#define PROTO_ITEM_H

#include "proto/bytes.h"

enum {
    ITEM_ATTRS_LEN_MAX = 4096, /* the encoded block */
    ITEM_PUBLISHER_LEN_MAX = 128,
    ITEM_USER_PROPERTIES_MAX = 16,
    ITEM_VALUE_LEN_MAX = 16 << 20, /* on the wire; limits.item_len is lower */
    /* What the wire form adds to value, attributes and names (cache, topic,
     * publisher), at most. */
    ITEM_OVERHEAD_MAX = 128,
};

enum item_flag {
    ITEM_BINARY = 1 << 0,  /* else the value is valid UTF-8 */
    ITEM_PRIVATE = 1 << 1, /* only for subscribers with an explicit grant */
    ITEM_FLAGS_KNOWN = ITEM_BINARY | ITEM_PRIVATE,
    /* A mark: it tells nodes to take notes (node/watch/trace.h) and restricts
     * nothing. Marks are the last field of the wire form, which a node of an
     * earlier version skips and passes on. */
    ITEM_TRACE = 1 << 7,
};

struct item {
    struct bytes cache;
    struct bytes topic;
    struct bytes value;
    uint64_t hash; /* hash_topic() of the two names */

    /* The number: unique in the cluster. origin is the first 8 bytes of the
     * node id where it was published, count counts that node's items from 1. */
    uint64_t origin;
    uint64_t count;
    uint64_t conn;  /* the publisher's client on its node; 0 = none */
    uint64_t at_ms; /* wall clock of the origin; for people, not for order */

    struct bytes publisher; /* subject of the publisher's token, may be empty */
    struct bytes attrs;     /* encoded attributes, empty when there are none */
    struct bytes wire;      /* the whole encoded item, empty when not encoded */
    uint8_t flags;          /* enum item_flag */
};

/* The optional attributes; an empty slice or 0 means absent. */
struct item_attrs {
    struct bytes event; /* event name */
    struct bytes id;    /* the publisher's own id of the item */
    struct bytes content_type;
    struct bytes reply_to;
    struct bytes correlation;
    uint32_t expiry_ms;
    uint32_t retry_ms;
    size_t user_len;
    struct bytes user_name[ITEM_USER_PROPERTIES_MAX];
    struct bytes user_value[ITEM_USER_PROPERTIES_MAX];
};

/* Encodes attributes into out (appended). An attribute set without any
 * attribute appends nothing. Errors: ERR_TOO_BIG above ITEM_ATTRS_LEN_MAX,
 * ERR_NOMEM; out is then as it was. */
int item_attrs_write(const struct item_attrs *attrs, struct buf *out);

/* Decodes a block; unknown attributes are skipped, so that a newer node may
 * add some. Texts obey the rules of topic names, values of user properties are
 * any UTF-8; no attribute is empty or there twice. Slices borrow from `block`.
 * Errors: ERR_SYNTAX, ERR_TOO_BIG; *attrs is untouched then. */
int item_attrs_read(struct bytes block, struct item_attrs *attrs);

/* Appends the wire form: one msgpack array (docs/PROTOCOLS.md, "Between
 * nodes"). If item->wire is set those bytes are copied: a relayed item is not
 * encoded again. Failure shows in out->failed. */
void item_write(const struct item *item, struct buf *out);

/* Reads one item from the front of `in`: > 0 bytes taken, 0 more needed, or
 * ERR_SYNTAX (wrong shape), ERR_NAME (names a door would refuse), ERR_UTF8
 * (text value that is no UTF-8). Slices borrow from `in`; item->wire is set. */
ptrdiff_t item_read(struct bytes in, struct item *item);

#endif
