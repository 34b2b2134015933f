/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/meter.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

enum {
    CAP_MIN = 8,
};

void meters_fini(struct meters *meters)
{
    for (size_t i = 0; i < meters->len; i++) {
        free(meters->all[i]);
    }
    free(meters->all);
    lookup_fini(&meters->by_name);
    *meters = (struct meters){0};
}

static struct meter *find(const struct meters *meters, uint64_t hash,
                          struct bytes cache)
{
    size_t at;
    struct meter *meter = lookup_first(&meters->by_name, hash, &at);

    while (meter != NULL && !bytes_eq(meter_name(meter), cache)) {
        meter = lookup_next(&meters->by_name, hash, &at);
    }
    return meter;
}

static int make_room(struct meters *meters, size_t max)
{
    size_t cap = meters->cap == 0 ? CAP_MIN : meters->cap * 2;

    if (meters->len >= max) {
        return ERR_LIMIT;
    }
    if (meters->len < meters->cap) {
        return 0;
    }
    struct meter **all = realloc(meters->all, cap * sizeof(struct meter *));
    if (all == NULL) {
        return ERR_NOMEM;
    }
    meters->all = all;
    meters->cap = cap;
    return 0;
}

/* NULL: there are `max`, or memory is short. */
static struct meter *add(struct meters *meters, uint64_t hash,
                         struct bytes cache, size_t max)
{
    struct meter *meter = make_room(meters, max) == 0 ? calloc(1, sizeof *meter)
                                                      : NULL;

    if (meter == NULL) {
        return NULL;
    }
    if (lookup_add(&meters->by_name, hash, meter) != 0) {
        free(meter);
        return NULL;
    }
    meter->len = (uint8_t)cache.len;
    memcpy(meter->name, cache.p, cache.len);
    meters->all[meters->len++] = meter;
    return meter;
}

struct meter *meters_of(struct meters *meters, struct bytes cache)
{
    struct meter *meter = meters->last;

    assert(cache.len > 0 && cache.len <= CACHE_LEN_MAX);
    if (meter != NULL && bytes_eq(meter_name(meter), cache)) {
        return meter;
    }
    if (topic_cache_is_system(cache)) {
        return &meters->system;
    }
    uint64_t hash = hash_bytes(meters->key, cache);
    meter = find(meters, hash, cache);
    if (meter == NULL) {
        meter = add(meters, hash, cache, METERS_MAX);
    }
    meters->last = meter != NULL ? meter : &meters->rest;
    return meters->last;
}

struct meter *meters_own(struct meters *meters, struct bytes cache)
{
    uint64_t hash = hash_bytes(meters->key, cache);
    struct meter *meter = find(meters, hash, cache);

    return meter != NULL ? meter : add(meters, hash, cache, METERS_OWN_MAX);
}

struct meter *meters_find(const struct meters *meters, struct bytes cache)
{
    if (meters->last != NULL && bytes_eq(meter_name(meters->last), cache)) {
        return meters->last;
    }
    return find(meters, hash_bytes(meters->key, cache), cache);
}

const struct meter *meters_at(const struct meters *meters, size_t i)
{
    if (i == 0) {
        return &meters->rest;
    }
    return i <= meters->len ? meters->all[i - 1] : NULL;
}

void meter_bound(struct meter *meter, const struct quota *quota)
{
    assert(meter->len > 0);
    meter->quota = *quota;
    meter->bounded = !quota_is_none(quota);
}

int meter_refuses(struct meter *meter, size_t len, uint64_t now_ms)
{
    int rc = quota_take(&meter->quota, &meter->bucket, len, now_ms);

    meter->usage.refused += rc != 0;
    return rc;
}
