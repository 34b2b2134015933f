/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/lookup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "proto/err.h"

enum {
    LOOKUP_CAP_MIN = 16,
    HUGE_LEN = 2 << 20, /* of a huge page */
};

/* Each slot of a large table is far from the last: in small pages, finding out
 * where it is in memory costs more than reading it. */
static struct lookup_slot *slots_new(size_t cap)
{
    size_t len = cap * sizeof(struct lookup_slot);

    if (len < HUGE_LEN) {
        return calloc(cap, sizeof(struct lookup_slot));
    }
    void *slots = aligned_alloc(HUGE_LEN, len);
    if (slots != NULL) {
        (void)madvise(slots, len, MADV_HUGEPAGE); /* a wish */
        memset(slots, 0, len);
    }
    return slots;
}

static void put(struct lookup *lookup, uint64_t hash, void *value)
{
    size_t mask = lookup->cap - 1;
    size_t i = hash & mask;

    while (lookup->slots[i].value != NULL) {
        i = (i + 1) & mask;
    }
    lookup->slots[i] = (struct lookup_slot){hash, value};
}

static int resize(struct lookup *lookup, size_t cap)
{
    struct lookup old = *lookup;

    lookup->slots = slots_new(cap);
    if (lookup->slots == NULL) {
        lookup->slots = old.slots;
        return ERR_NOMEM;
    }
    lookup->cap = cap;
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].value != NULL) {
            put(lookup, old.slots[i].hash, old.slots[i].value);
        }
    }
    free(old.slots);
    return 0;
}

void lookup_fini(struct lookup *lookup)
{
    free(lookup->slots);
    *lookup = (struct lookup){0};
}

int lookup_add(struct lookup *lookup, uint64_t hash, void *value)
{
    assert(value != NULL);
    if ((lookup->len + 1) * 4 > lookup->cap * 3) {
        size_t cap = lookup->cap == 0 ? LOOKUP_CAP_MIN : lookup->cap * 2;
        int rc = resize(lookup, cap);
        if (rc != 0) {
            return rc;
        }
    }
    put(lookup, hash, value);
    lookup->len++;
    return 0;
}

static size_t slot_of(const struct lookup *lookup, uint64_t hash,
                      const void *value)
{
    size_t mask = lookup->cap - 1;
    size_t i = hash & mask;

    assert(lookup->cap > 0);
    while (lookup->slots[i].value != value) {
        assert(lookup->slots[i].value != NULL);
        i = (i + 1) & mask;
    }
    return i;
}

void lookup_remove(struct lookup *lookup, uint64_t hash, const void *value)
{
    size_t mask = lookup->cap - 1;
    size_t hole = slot_of(lookup, hash, value);

    /* Moves back each follower that could not have its home slot, and only
     * those whose home is not after the hole. */
    for (size_t i = (hole + 1) & mask; lookup->slots[i].value != NULL;
         i = (i + 1) & mask) {
        size_t home = lookup->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            lookup->slots[hole] = lookup->slots[i];
            hole = i;
        }
    }
    lookup->slots[hole] = (struct lookup_slot){0};
    lookup->len--;
    if (lookup->cap > LOOKUP_CAP_MIN && lookup->len * 8 < lookup->cap) {
        (void)resize(lookup, lookup->cap / 2); /* short memory: stays large */
    }
}

static void *find_from(const struct lookup *lookup, uint64_t hash, size_t i,
                       size_t *at)
{
    size_t mask = lookup->cap - 1;

    for (; lookup->slots[i].value != NULL; i = (i + 1) & mask) {
        if (lookup->slots[i].hash == hash) {
            *at = i;
            return lookup->slots[i].value;
        }
    }
    return NULL;
}

void *lookup_first(const struct lookup *lookup, uint64_t hash, size_t *at)
{
    if (lookup->cap == 0) {
        return NULL;
    }
    return find_from(lookup, hash, hash & (lookup->cap - 1), at);
}

void *lookup_next(const struct lookup *lookup, uint64_t hash, size_t *at)
{
    return find_from(lookup, hash, (*at + 1) & (lookup->cap - 1), at);
}

void *lookup_each(const struct lookup *lookup, size_t *at)
{
    while (*at < lookup->cap) {
        void *value = lookup->slots[(*at)++].value;
        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}

uint64_t lookup_place(uint64_t hash)
{
    uint64_t v = hash;

    v = (v >> 1 & 0x5555555555555555) | (v & 0x5555555555555555) << 1;
    v = (v >> 2 & 0x3333333333333333) | (v & 0x3333333333333333) << 2;
    v = (v >> 4 & 0x0f0f0f0f0f0f0f0f) | (v & 0x0f0f0f0f0f0f0f0f) << 4;
    return __builtin_bswap64(v);
}

/* The low bits of a hash are its bucket, so they are the high ones of a place:
 * a bucket of any table is one stretch of places. */
bool lookup_scan(const struct lookup *lookup, uint64_t *from,
                 void (*each)(void *data, uint64_t place, void *value),
                 void *data)
{
    size_t mask = lookup->cap - 1;
    uint64_t first = *from;
    size_t bucket = lookup_place(first) & mask;

    if (lookup->cap == 0) {
        return false;
    }
    for (size_t i = bucket; lookup->slots[i].value != NULL;
         i = (i + 1) & mask) {
        const struct lookup_slot *slot = &lookup->slots[i];
        uint64_t place = lookup_place(slot->hash);
        if ((slot->hash & mask) == bucket && place >= first) {
            each(data, place, slot->value);
        }
    }
    *from = (first | (UINT64_MAX / lookup->cap)) + 1;
    return *from != 0;
}

void lookup_check(const struct lookup *lookup)
{
    size_t len = 0;

    assert((lookup->cap & (lookup->cap - 1)) == 0);
    assert(lookup->len * 4 <= lookup->cap * 3);
    for (size_t i = 0; i < lookup->cap; i++) {
        if (lookup->slots[i].value != NULL) {
            size_t at = 0;
            assert(lookup_first(lookup, lookup->slots[i].hash, &at) != NULL);
            len++;
        }
    }
    assert(len == lookup->len);
}
