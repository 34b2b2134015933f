/* SPDX-License-Identifier: Apache-2.0
 *
 * The newest items of one topic, for the resume window only: at most
 * limits.ring_items and limits.ring_len, at least one item. Items are kept in
 * their wire form and read back as views. Sequences in a ring are consecutive.
 */
#ifndef NODE_RING_H
#define NODE_RING_H

#include <stdint.h>

#include "node/config/limits.h"
#include "proto/item.h"

struct ring_entry {
    uint8_t *wire;
    size_t len;
};

struct ring {
    struct ring_entry *entries; /* circular, cap is a power of two */
    uint32_t head;
    uint32_t len;
    uint32_t cap;
    uint64_t newest; /* sequence of the last entry */
    uint64_t bytes;  /* memory held, for the bound of all rings */
};

void ring_fini(struct ring *ring);

/* Keeps a copy of item as sequence `seq` = newest + 1 (any but 0 in a new
 * ring), dropping the oldest beyond the bounds. Errors: ERR_NOMEM; the ring is
 * then empty, with newest = seq: a hole must not look like continuity. */
int ring_add(struct ring *ring, const struct limits *limits,
             const struct item *item, uint64_t seq);

/* Whether all items after `seq` up to newest are here (true when seq is the
 * newest itself). False for a sequence that never was. */
bool ring_covers(const struct ring *ring, uint64_t seq);

/* Reads item `seq` as a view, valid until the next ring_add(). false: not
 * here. */
bool ring_item(const struct ring *ring, uint64_t seq, struct item *item);

void ring_check(const struct ring *ring);

#endif
