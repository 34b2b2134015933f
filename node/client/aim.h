/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a client published last: names that were found valid and allowed to
 * it, and their hash. Who publishes says the same topic again and again; then
 * its names are compared, not checked, looked up among grants and hashed.
 *
 * It holds for one identity (client_become() forgets it), whose expiry is
 * looked at each time. Zero is a valid one that knows nothing. A client that
 * never publishes has none of its memory.
 */
#ifndef NODE_AIM_H
#define NODE_AIM_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/bytes.h"

struct meter;

struct aim {
    struct aimed *last; /* NULL: nothing */
};

void aim_fini(struct aim *aim);

/* The hash of these names if they are those of the last item, and the meter of
 * the cache; else 0, and *meter as it was. */
uint64_t aim_find(const struct aim *aim, struct bytes cache, struct bytes topic,
                  struct meter **meter);

/* Remembers names of valid lengths. Short memory: it knows nothing. */
void aim_set(struct aim *aim, struct bytes cache, struct bytes topic,
             uint64_t hash, struct meter *meter);

#endif
