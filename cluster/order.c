/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/order.h"

#include <stdlib.h>

#include "proto/hash.h"

void order_fini(struct order *order)
{
    free(order->entries);
    order->entries = NULL;
}

bool order_take(struct order *order, const struct item *item, uint64_t gaps)
{
    uint64_t pair = hash_mix(item->origin ^ item->hash) | 1;
    struct order_entry *entry;

    if (order->entries == NULL) {
        order->entries = calloc(ORDER_ENTRIES, sizeof *order->entries);
    }
    if (order->entries == NULL) {
        return true;
    }
    entry = &order->entries[(pair >> 1) % ORDER_ENTRIES];
    if (entry->pair != pair) {
        *entry = (struct order_entry){
            .pair = pair, .newest = item->count, .gaps = gaps};
        return true;
    }
    if (item->count <= entry->newest) {
        return item->count <= entry->before || item->count >= entry->behind;
    }
    if (gaps != entry->gaps) {
        entry->before = entry->newest;
        entry->behind = item->count;
        entry->gaps = gaps;
    }
    entry->newest = item->count;
    return true;
}
