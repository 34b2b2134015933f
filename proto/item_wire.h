/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire form of an item (proto/item.h) as it nearly always is, without a
 * call and a check for each value: it is written and read for every item that
 * goes to another node. What has another shape is left to item_read(), which
 * says what is wrong with it.
 */
#ifndef PROTO_ITEM_WIRE_H
#define PROTO_ITEM_WIRE_H

#include "proto/item.h"
#include "proto/topic.h"

/* What item_wire_write() needs, at most. */
static inline size_t item_wire_room(const struct item *item)
{
    return item->cache.len + item->topic.len + item->publisher.len +
           item->attrs.len + item->value.len + ITEM_OVERHEAD_MAX;
}

/* Writes it and returns where it ends; the same bytes as item_write(). */
uint8_t *item_wire_write(const struct item *item, uint8_t *to);

/* Reads it from the front of `in` without judging names and texts: the bytes
 * taken, or 0: it is shaped otherwise, or not whole. */
size_t item_wire_read(struct bytes in, struct item *item);

#endif
