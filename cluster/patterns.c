/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/patterns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/rng.h"
#include "proto/err.h"
#include "proto/topic.h"

enum {
    NARROW_AT = PATTERNS_PEER_MAX / 2, /* not to flap between wide and not */
};

struct patterns_entry {
    struct patterns_entry *twin; /* another pattern of the same hash */
    struct patterns_entry *prev; /* in the list of its cache */
    struct patterns_entry *next;
    struct patterns_cache *cache;
    struct record *record;
    bool idle;
    uint64_t slots[PATTERNS_WORDS];
};

static uint64_t key_of(const struct patterns *patterns, struct bytes cache);
static struct patterns_cache *cache_get(struct patterns *patterns,
                                        struct bytes name);
static void cache_release(struct patterns *patterns,
                          struct patterns_cache *cache);
static int make_room(struct patterns *patterns, struct patterns_cache *cache,
                     uint16_t slot);
static struct patterns_entry *entry_find(const struct patterns *patterns,
                                         const struct record *record);
static struct patterns_entry *entry_new(struct patterns *patterns,
                                        struct patterns_cache *cache,
                                        struct record *record);
static void entry_free(struct patterns *patterns, struct patterns_entry *entry);
static void link_to(struct patterns_entry *entry, bool idle);
static void unlink_from(struct patterns_entry *entry);
static void place(struct patterns_entry *entry);
static void set_wide(struct patterns_cache *cache, uint16_t slot, bool wide);
static void put(uint64_t *bitmap, uint16_t slot, bool on);
static bool has(const uint64_t *bitmap, uint16_t slot);
static bool is_within(const uint64_t *part, const uint64_t *all, size_t words);
static bool may_match(const struct record *record, struct bytes topic);
static size_t check_list(const struct patterns_cache *cache, bool idle,
                         uint16_t *counts);

/* The tables hold pointers as their words. */
static void *pointer(const uint64_t *word)
{
    return word == NULL ? NULL : (void *)(uintptr_t)*word;
}

static uint64_t word_of(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

static struct bytes cache_name(const struct record *record)
{
    return bytes_of(record->text, record->cache_len);
}

void patterns_init(struct patterns *patterns, uint64_t seed)
{
    struct rng rng;

    *patterns = (struct patterns){0};
    rng_init(&rng, hash_mix(seed));
    bytes_put_u64be(patterns->key.b, rng_u64(&rng));
    bytes_put_u64be(patterns->key.b + 8, rng_u64(&rng));
    table_init(&patterns->caches, 1, PATTERNS_MAX);
    table_init(&patterns->entries, 1, PATTERNS_MAX);
}

void patterns_fini(struct patterns *patterns)
{
    const uint64_t *word = table_from(&patterns->caches, 0);

    for (; word != NULL; word = table_after(&patterns->caches, word)) {
        struct patterns_cache *cache = pointer(word + 1);
        free(cache->counts);
        free(cache);
    }
    word = table_from(&patterns->entries, 0);
    for (; word != NULL; word = table_after(&patterns->entries, word)) {
        struct patterns_entry *entry = pointer(word + 1);
        while (entry != NULL) {
            struct patterns_entry *twin = entry->twin;
            record_unref(entry->record);
            free(entry);
            entry = twin;
        }
    }
    table_fini(&patterns->caches);
    table_fini(&patterns->entries);
}

int patterns_add(struct patterns *patterns, uint16_t slot,
                 struct record *record)
{
    struct patterns_cache *cache = cache_get(patterns, cache_name(record));
    struct patterns_entry *entry = NULL;

    assert(slot < PATTERNS_SLOTS_MAX);
    if (cache == NULL) {
        return ERR_NOMEM;
    }
    if (make_room(patterns, cache, slot) == 0) {
        entry = entry_find(patterns, record);
        entry = entry != NULL ? entry : entry_new(patterns, cache, record);
    }
    if (entry == NULL) {
        bool full = patterns->entries.len == PATTERNS_MAX;
        cache_release(patterns, cache);
        return full ? ERR_LIMIT : ERR_NOMEM;
    }
    assert(!has(entry->slots, slot));
    put(entry->slots, slot, true);
    patterns->wishes++;
    if (++cache->counts[slot] == PATTERNS_PEER_MAX + 1) {
        set_wide(cache, slot, true);
    }
    place(entry);
    return 0;
}

void patterns_remove(struct patterns *patterns, uint16_t slot,
                     const struct record *record)
{
    struct patterns_entry *entry = entry_find(patterns, record);
    static const uint64_t nobody[PATTERNS_WORDS];

    assert(entry != NULL);
    assert(has(entry->slots, slot));
    struct patterns_cache *cache = entry->cache;
    put(entry->slots, slot, false);
    patterns->wishes--;
    if (--cache->counts[slot] == NARROW_AT) {
        set_wide(cache, slot, false);
    }
    if (is_within(entry->slots, nobody, PATTERNS_WORDS)) {
        entry_free(patterns, entry);
        cache_release(patterns, cache);
    } else {
        place(entry);
    }
}

bool patterns_has(const struct patterns *patterns, uint16_t slot,
                  const struct record *record)
{
    const struct patterns_entry *entry = entry_find(patterns, record);

    return entry != NULL && has(entry->slots, slot);
}

const struct patterns_cache *patterns_find(const struct patterns *patterns,
                                           struct bytes cache)
{
    if (patterns->caches.len == 0) {
        return NULL;
    }
    return pointer(table_find(&patterns->caches, key_of(patterns, cache)));
}

void patterns_match(const struct patterns_cache *cache, struct bytes topic,
                    uint64_t *slots, size_t words)
{
    const struct patterns_entry *entry = cache->open;
    size_t work = 0; /* what a hostile pattern may cost at most */

    assert(words <= PATTERNS_WORDS);
    for (size_t i = 0; i < words; i++) {
        slots[i] |= cache->wide[i];
    }
    for (; entry != NULL; entry = entry->next) {
        if (is_within(entry->slots, slots, words)) {
            continue;
        }
        work += entry->record->pattern_len * topic.len;
        if (work <= PATTERNS_WORK_MAX && !may_match(entry->record, topic)) {
            continue;
        }
        for (size_t i = 0; i < words; i++) {
            slots[i] |= entry->slots[i];
        }
    }
}

size_t patterns_bytes(const struct patterns *patterns)
{
    return table_bytes(&patterns->caches) + table_bytes(&patterns->entries) +
           patterns->caches.len * sizeof(struct patterns_cache) +
           patterns->entries.len * sizeof(struct patterns_entry) +
           patterns->counts_len * sizeof(uint16_t);
}

void patterns_check(const struct patterns *patterns)
{
    const uint64_t *word = table_from(&patterns->caches, 0);
    size_t wishes = 0;
    size_t room = 0;

    table_check(&patterns->caches);
    table_check(&patterns->entries);
    for (; word != NULL; word = table_after(&patterns->caches, word)) {
        const struct patterns_cache *cache = pointer(word + 1);
        uint16_t counts[PATTERNS_SLOTS_MAX] = {0};
        size_t len = check_list(cache, false, counts) +
                     check_list(cache, true, counts);

        assert(cache->key == word[0]);
        assert(len == cache->len);
        assert(len > 0);
        size_t wide_len = 0;
        for (uint16_t slot = 0; slot < cache->counts_len; slot++) {
            size_t count = cache->counts[slot];
            bool wide = has(cache->wide, slot);
            assert(counts[slot] == count);
            assert(!wide || count > NARROW_AT);
            assert(wide || count <= PATTERNS_PEER_MAX);
            wishes += count;
            wide_len += wide;
        }
        for (size_t i = 0; i < PATTERNS_WORDS; i++) {
            wide_len -= (size_t)__builtin_popcountll(cache->wide[i]);
        }
        assert(wide_len == 0); /* none beyond */
        room += cache->counts_len;
    }
    assert(wishes == patterns->wishes);
    assert(room == patterns->counts_len);
}

static uint64_t key_of(const struct patterns *patterns, struct bytes cache)
{
    return table_key(hash_bytes(&patterns->key, cache));
}

/* NULL: no memory (there are never more caches than patterns). */
static struct patterns_cache *cache_get(struct patterns *patterns,
                                        struct bytes name)
{
    uint64_t key = key_of(patterns, name);
    uint64_t *word = table_add(&patterns->caches, key);

    if (word == NULL || *word != 0) {
        return pointer(word);
    }
    struct patterns_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        table_remove(&patterns->caches, key);
        return NULL;
    }
    cache->key = key;
    *word = word_of(cache);
    return cache;
}

static void cache_release(struct patterns *patterns,
                          struct patterns_cache *cache)
{
    if (cache->len == 0) {
        table_remove(&patterns->caches, cache->key);
        patterns->counts_len -= cache->counts_len;
        free(cache->counts);
        free(cache);
    }
}

static int make_room(struct patterns *patterns, struct patterns_cache *cache,
                     uint16_t slot)
{
    size_t len = (size_t)slot + 1;

    if (len <= cache->counts_len) {
        return 0;
    }
    uint16_t *counts = realloc(cache->counts, len * sizeof *counts);
    if (counts == NULL) {
        return ERR_NOMEM;
    }
    memset(counts + cache->counts_len, 0,
           (len - cache->counts_len) * sizeof *counts);
    patterns->counts_len += len - cache->counts_len;
    cache->counts = counts;
    cache->counts_len = len;
    return 0;
}

static bool is_same(const struct record *a, const struct record *b)
{
    size_t len = (size_t)a->cache_len + a->pattern_len;

    return a->dialect == b->dialect && a->cache_len == b->cache_len &&
           a->pattern_len == b->pattern_len &&
           memcmp(a->text, b->text, len) == 0;
}

static struct patterns_entry *entry_find(const struct patterns *patterns,
                                         const struct record *record)
{
    struct patterns_entry *entry = pointer(
        table_find(&patterns->entries, table_key(record->hash)));

    while (entry != NULL && !is_same(entry->record, record)) {
        entry = entry->twin;
    }
    return entry;
}

/* Nobody wants it yet, and so it is idle. */
static struct patterns_entry *entry_new(struct patterns *patterns,
                                        struct patterns_cache *cache,
                                        struct record *record)
{
    struct patterns_entry *entry = calloc(1, sizeof *entry);
    uint64_t *word = entry == NULL ? NULL
                                   : table_add(&patterns->entries,
                                               table_key(record->hash));

    if (word == NULL) {
        free(entry);
        return NULL;
    }
    entry->twin = pointer(word);
    *word = word_of(entry);
    entry->cache = cache;
    entry->record = record_ref(record);
    cache->len++;
    link_to(entry, true);
    return entry;
}

static void entry_free(struct patterns *patterns, struct patterns_entry *entry)
{
    uint64_t key = table_key(entry->record->hash);
    uint64_t *word = table_find(&patterns->entries, key);
    struct patterns_entry *first = pointer(word);

    if (first == entry && entry->twin == NULL) {
        table_remove(&patterns->entries, key);
    } else if (first == entry) {
        *word = word_of(entry->twin);
    } else {
        while (first->twin != entry) {
            first = first->twin;
        }
        first->twin = entry->twin;
    }
    unlink_from(entry);
    entry->cache->len--;
    record_unref(entry->record);
    free(entry);
}

static void link_to(struct patterns_entry *entry, bool idle)
{
    struct patterns_cache *cache = entry->cache;
    struct patterns_entry **first = idle ? &cache->idle : &cache->open;

    entry->idle = idle;
    entry->prev = NULL;
    entry->next = *first;
    if (*first != NULL) {
        (*first)->prev = entry;
    }
    *first = entry;
}

static void unlink_from(struct patterns_entry *entry)
{
    struct patterns_cache *cache = entry->cache;

    if (entry->prev != NULL) {
        entry->prev->next = entry->next;
    } else if (entry->idle) {
        cache->idle = entry->next;
    } else {
        cache->open = entry->next;
    }
    if (entry->next != NULL) {
        entry->next->prev = entry->prev;
    }
}

/* Puts it into the list where it belongs. */
static void place(struct patterns_entry *entry)
{
    bool idle = is_within(entry->slots, entry->cache->wide, PATTERNS_WORDS);

    if (idle != entry->idle) {
        unlink_from(entry);
        link_to(entry, idle);
    }
}

static void set_wide(struct patterns_cache *cache, uint16_t slot, bool wide)
{
    struct patterns_entry *entry = wide ? cache->open : cache->idle;

    if (has(cache->wide, slot) == wide) {
        return;
    }
    put(cache->wide, slot, wide);
    while (entry != NULL) {
        struct patterns_entry *next = entry->next;
        place(entry);
        entry = next;
    }
}

static void put(uint64_t *bitmap, uint16_t slot, bool on)
{
    uint64_t bit = 1ull << slot % 64;

    bitmap[slot / 64] = on ? bitmap[slot / 64] | bit : bitmap[slot / 64] & ~bit;
}

static bool has(const uint64_t *bitmap, uint16_t slot)
{
    return bitmap[slot / 64] >> slot % 64 & 1;
}

static bool is_within(const uint64_t *part, const uint64_t *all, size_t words)
{
    uint64_t beyond = 0;

    for (size_t i = 0; i < words; i++) {
        beyond |= part[i] & ~all[i];
    }
    return beyond == 0;
}

static bool may_match(const struct record *record, struct bytes topic)
{
    struct bytes pattern = bytes_of(record->text + record->cache_len,
                                    record->pattern_len);

    return !topic_can_match(record->dialect) ||
           topic_match((enum topic_dialect)record->dialect, pattern, topic);
}

static size_t check_list(const struct patterns_cache *cache, bool idle,
                         uint16_t *counts)
{
    const struct patterns_entry *entry = idle ? cache->idle : cache->open;
    size_t len = 0;

    for (; entry != NULL; entry = entry->next) {
        size_t wants = 0;
        assert(entry->cache == cache);
        assert(entry->idle == idle);
        assert(is_within(entry->slots, cache->wide, PATTERNS_WORDS) == idle);
        for (size_t i = 0; i < PATTERNS_WORDS; i++) {
            for (uint64_t bits = entry->slots[i]; bits != 0; bits &= bits - 1) {
                size_t slot = i * 64 + (size_t)__builtin_ctzll(bits);
                assert(slot < cache->counts_len);
                counts[slot]++;
                wants++;
            }
        }
        assert(wants > 0);
        len++;
    }
    return len;
}
