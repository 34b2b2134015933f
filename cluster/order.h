/* SPDX-License-Identifier: Apache-2.0
 *
 * Items that come too late: what an ingress still relays when its origin has
 * gone over to another one.
 *
 *   by the old ingress   16 17              18 19 20 (it was clogged)
 *   by the new one             (gap) 34 35
 *                                 `--------> 18 19 20: behind 34, dropped
 *
 * An origin that changes the ingress because its link broke puts a gap before
 * what it sends the new way (cluster/loss.c). So what is numbered between the
 * last item before a gap and the first one behind it was told to be missing,
 * and may be dropped when it comes after all; order is kept (DESIGN 1.2).
 * Everything else is taken.
 *
 * Kept for each (origin, topic), in a table of ORDER_ENTRIES: who finds another
 * pair in its place takes it, and then a late item may be taken out of order,
 * but none is lost untold. So it is with the first that comes of a pair.
 */
#ifndef CLUSTER_ORDER_H
#define CLUSTER_ORDER_H

#include <stdbool.h>

#include "proto/item.h"

enum {
    ORDER_ENTRIES = 8192 /* a power of two; 40 bytes each */
};

struct order_entry {
    uint64_t pair;   /* origin and topic; 0: free */
    uint64_t newest; /* number that came */
    uint64_t gaps;   /* told when it came */
    uint64_t before; /* the last number before the last gap ... */
    uint64_t behind; /* ... and the first behind it */
};

struct order {
    struct order_entry *entries; /* NULL until the first item */
};

void order_fini(struct order *order);

/* `gaps`: how many discontinuities for all topics were told here so far. false:
 * drop the item. Without memory everything is taken. */
bool order_take(struct order *order, const struct item *item, uint64_t gaps);

#endif
