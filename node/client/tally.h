/* SPDX-License-Identifier: Apache-2.0
 *
 * What /metrics says of caches: the usage of those that came first, by name,
 * and that of all others together. For one node, or for all workers of a
 * process (node/watch/view.h).
 */
#ifndef NODE_TALLY_H
#define NODE_TALLY_H

#include "node/client/meter.h"

enum {
    TALLY_CACHES_MAX = 100 /* as many as a scrape should carry */
};

struct tally_row {
    struct usage usage;
    uint8_t len;
    uint8_t name[CACHE_LEN_MAX];
};

struct tally {
    struct usage others;
    uint32_t len;
    struct tally_row rows[TALLY_CACHES_MAX];
};

void tally_of(const struct meters *meters, struct tally *tally);
/* Adds that of another worker. */
void tally_add(struct tally *sum, const struct tally *one);

/* Appends the Prometheus text exposition: families with the labels cache and,
 * where it has one, direction. The others are cache "(others)", which is no
 * name of a cache. */
void tally_write(const struct tally *tally, struct buf *out);

#endif
