/* SPDX-License-Identifier: Apache-2.0
 *
 * How old items are when they come: a histogram whose buckets are an eighth of
 * a power of two wide.
 */
#ifndef NODE_CLI_AGES_H
#define NODE_CLI_AGES_H

#include <stdint.h>

enum {
    AGES_BUCKETS = 256 /* up to an hour; older ones count as that */
};

struct ages {
    uint64_t count;
    uint64_t max_us;
    uint64_t buckets[AGES_BUCKETS];
};

void ages_add(struct ages *ages, uint64_t us);

/* The age that `permille` of them do not exceed (as the upper end of a bucket);
 * 0 when there is none. */
uint64_t ages_at(const struct ages *ages, unsigned permille);

#endif
