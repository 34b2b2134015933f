/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON of the Momento HTTP topics API, as long-poll answers it.
 *
 *   {"items":[                                    momento_add_head()
 *     {"item":{"topic_sequence_number":7,         momento_add_item()
 *              "sequence_page":3,"value":{"text":"..."},
 *              "publisher_id":"..."}},
 *     {"discontinuity":{"last_topic_sequence":7,  momento_add_gap()
 *              "new_topic_sequence":9,"new_sequence_page":3}}
 *   ],"sequence_page":3,"sequence_number":10}     momento_add_tail()
 *
 * Elements are encoded once for all who read the same topic, so each ends with
 * a comma and momento_add_elements() leaves out the last one.
 *
 * What the vendor's documentation leaves open is ours: a binary value is
 * {"binary":"<base64>"}; `publisher_id` is there when the publisher's token
 * names one; the two members after `items` are what the next poll asks for.
 *
 * Appends to a buffer; failure shows in out->failed.
 */
#ifndef PROTO_MOMENTO_H
#define PROTO_MOMENTO_H

#include <stdint.h>

#include "proto/bytes.h"
#include "proto/item.h"

/* `page` and `seq`: the item's position. */
void momento_add_item(struct buf *out, const struct item *item, uint64_t page,
                      uint64_t seq);

/* `next` is one below the first sequence that can follow, so that a client
 * which goes on at new_topic_sequence + 1 misses nothing. last 0: unknown. */
void momento_add_gap(struct buf *out, uint64_t page, uint64_t last,
                     uint64_t next);

void momento_add_head(struct buf *out);
/* Elements as the two above wrote them; may be none. */
void momento_add_elements(struct buf *out, struct bytes elements);
/* The position: everything up to `seq` has been said. */
void momento_add_tail(struct buf *out, uint64_t page, uint64_t seq);

#endif
