/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of meters and quotas say to hub and clients, in any cache. Include
 * after tests/test.h.
 */
#ifndef TESTS_METERED_H
#define TESTS_METERED_H

#include <stdio.h>

#include "node/client/meter.h"
#include "tests/fake_world.h"

static inline void assert_count(const struct usage_count *count, uint64_t items,
                                uint64_t bytes, uint64_t operations)
{
    assert_int_equal(count->items, items);
    assert_int_equal(count->bytes, bytes);
    assert_int_equal(count->operations, operations);
}

static inline const struct usage *usage_of(const struct world *w,
                                           const char *cache)
{
    const struct meter *meter = meters_find(&w->core.meters, bytes_str(cache));

    assert_non_null(meter);
    return &meter->usage;
}

static inline int publish_to(struct client *client, const char *cache,
                             const char *topic, size_t len)
{
    static uint8_t value[8192];
    struct client_item item = {
        .cache = bytes_str(cache),
        .topic = bytes_str(topic),
        .value = bytes_of(value, len),
        .flags = ITEM_BINARY,
    };
    struct hub_receipt receipt;

    assert_in_range(len, 0, sizeof value);
    return client_publish(client, &item, &receipt);
}

static inline struct hub_want want_in(const char *cache, const char *name)
{
    struct hub_want want = strchr(name, '*') != NULL ? want_glob(name)
                                                     : want_topic(name);

    want.cache = bytes_str(cache);
    return want;
}

static inline struct meter *named(struct meters *meters, unsigned i)
{
    char name[16];

    (void)snprintf(name, sizeof name, "c%u", i);
    return meters_of(meters, bytes_str(name));
}

#endif
