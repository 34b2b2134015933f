/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/quota.h"

#include "proto/err.h"
#include "proto/mp.h"

enum {
    FIELDS = 3,
    PARTS = 1000, /* of an item: what a rate of 1 gives back in a millisecond */
};

static const struct {
    const char *name;
    size_t offset;
} rows[FIELDS] = {
    {"publish_rate", offsetof(struct quota, publish_rate)},
    {"item_len", offsetof(struct quota, item_len)},
    {"subs", offsetof(struct quota, subs)},
};

/* --- the bucket --- */

static void give_back(struct quota_bucket *bucket, uint64_t rate,
                      uint64_t now_ms)
{
    uint64_t ms = now_ms - bucket->at_ms;
    uint64_t back = ms < PARTS ? ms * rate : PARTS * rate;

    assert(now_ms >= bucket->at_ms);
    bucket->taken = bucket->taken > back ? bucket->taken - back : 0;
    bucket->at_ms = now_ms;
}

int quota_take(const struct quota *quota, struct quota_bucket *bucket,
               size_t len, uint64_t now_ms)
{
    uint64_t rate = quota->publish_rate;

    if (quota->item_len > 0 && len > quota->item_len) {
        return ERR_QUOTA_ITEM;
    }
    if (rate == 0) {
        return 0;
    }
    give_back(bucket, rate, now_ms);
    if (bucket->taken + PARTS > rate * PARTS) {
        return ERR_QUOTA_RATE;
    }
    bucket->taken += PARTS;
    return 0;
}

/* --- as bytes --- */

void quota_write(const struct quota *quota, struct buf *out)
{
    mp_put_array(out, FIELDS);
    mp_put_u64(out, quota->publish_rate);
    mp_put_u64(out, quota->item_len);
    mp_put_u64(out, quota->subs);
}

int quota_read(struct bytes in, struct quota *quota)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);
    struct quota read = {
        .publish_rate = (uint32_t)mp_take_u64_max(&mp, UINT32_MAX),
        .item_len = (uint32_t)mp_take_u64_max(&mp, UINT32_MAX),
        .subs = (uint32_t)mp_take_u64_max(&mp, UINT32_MAX),
    };

    for (uint32_t i = FIELDS; i < fields && mp.state == 0; i++) {
        mp_skip(&mp);
    }
    if (mp.state != 0 || fields < FIELDS || mp.in.len > 0) {
        return ERR_SYNTAX;
    }
    *quota = read;
    return 0;
}

/* --- by name --- */

int quota_set(struct quota *quota, const char *field, uint64_t value)
{
    for (size_t i = 0; i < FIELDS; i++) {
        if (strcmp(rows[i].name, field) == 0) {
            uint32_t bound = (uint32_t)value;
            if (value > UINT32_MAX) {
                return ERR_ARGUMENT;
            }
            memcpy((uint8_t *)quota + rows[i].offset, &bound, sizeof bound);
            return 0;
        }
    }
    return ERR_NOT_FOUND;
}

const char *quota_name(size_t i)
{
    return i < FIELDS ? rows[i].name : NULL;
}
