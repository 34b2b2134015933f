/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>

#include "cluster/patterns.h"
#include "cluster/rng.h"
#include "proto/err.h"
#include "proto/topic.h"
#include "tests/fail_malloc.h"

enum {
    NEWER_DIALECT = 9,
    HALF = PATTERNS_PEER_MAX / 2,
};

static int setup(void **state)
{
    struct patterns *patterns = calloc(1, sizeof *patterns);

    patterns_init(patterns, 1);
    *state = patterns;
    return 0;
}

static int teardown(void **state)
{
    struct patterns *patterns = *state;

    patterns_check(patterns);
    patterns_fini(patterns);
    free(patterns);
    return 0;
}

static struct record *record_of(uint8_t dialect, const char *cache,
                                const char *pattern)
{
    struct peer_record from = {.type = PEER_PATTERN,
                               .dialect = dialect,
                               .cache = bytes_str(cache),
                               .pattern = bytes_str(pattern)};

    from.hash = hash_mix(dialect);
    for (const char *c = cache; *c != '\0'; c++) {
        from.hash = hash_mix(from.hash + (uint8_t)*c);
    }
    for (const char *c = pattern; *c != '\0'; c++) {
        from.hash = hash_mix(from.hash ^ (uint8_t)*c);
    }
    return record_new(&from);
}

static int add(struct patterns *patterns, uint16_t slot, uint8_t dialect,
               const char *cache, const char *pattern)
{
    struct record *record = record_of(dialect, cache, pattern);
    int rc = patterns_add(patterns, slot, record);

    record_unref(record);
    return rc;
}

static void glob(struct patterns *patterns, uint16_t slot, const char *cache,
                 const char *pattern)
{
    assert_int_equal(add(patterns, slot, TOPIC_GLOB, cache, pattern), 0);
}

static void drop(struct patterns *patterns, uint16_t slot, const char *cache,
                 const char *pattern)
{
    struct record *record = record_of(TOPIC_GLOB, cache, pattern);

    patterns_remove(patterns, slot, record);
    record_unref(record);
}

/* Slots below 64 that may want it. */
static uint64_t who(const struct patterns *patterns, const char *cache,
                    const char *topic)
{
    const struct patterns_cache *found = patterns_find(patterns,
                                                       bytes_str(cache));
    uint64_t slots[PATTERNS_WORDS] = {0};

    if (found != NULL) {
        patterns_match(found, bytes_str(topic), slots, PATTERNS_WORDS);
    }
    return slots[0];
}

/* Patterns n0*, n1*, ... of one peer. */
static void many(struct patterns *patterns, uint16_t slot, const char *cache,
                 size_t from, size_t until, bool wanted)
{
    char pattern[16];

    for (size_t i = from; i < until; i++) {
        snprintf(pattern, sizeof pattern, "n%zu*", i);
        if (wanted) {
            glob(patterns, slot, cache, pattern);
        } else {
            drop(patterns, slot, cache, pattern);
        }
    }
}

static void nobody_wants_what_nobody_named(void **state)
{
    struct patterns *patterns = *state;

    assert_null(patterns_find(patterns, BYTES("a")));
    glob(patterns, 3, "a", "news.*");
    assert_null(patterns_find(patterns, BYTES("b")));
    assert_int_equal(who(patterns, "a", "news.eu"), 1 << 3);
    assert_int_equal(who(patterns, "a", "new"), 0);
    drop(patterns, 3, "a", "news.*");
    assert_null(patterns_find(patterns, BYTES("a")));
    assert_int_equal(patterns->caches.len, 0);
    assert_int_equal(patterns->entries.len, 0);
}

static void a_pattern_stays_as_long_as_one_peer_wants_it(void **state)
{
    struct patterns *patterns = *state;

    for (uint16_t slot = 0; slot < 5; slot++) {
        glob(patterns, slot, "a", "x?");
    }
    assert_int_equal(patterns->entries.len, 1);
    assert_int_equal(who(patterns, "a", "x1"), 0x1f);
    for (uint16_t slot = 0; slot < 4; slot++) {
        drop(patterns, slot, "a", "x?");
        assert_int_equal(who(patterns, "a", "x1"), 0x1e << slot & 0x1f);
    }
    drop(patterns, 4, "a", "x?");
    assert_int_equal(patterns->entries.len, 0);
}

static void whoever_matches_is_added_to_who_was_there(void **state)
{
    struct patterns *patterns = *state;
    uint64_t slots[PATTERNS_WORDS] = {1};

    glob(patterns, 1, "a", "*.eu");
    glob(patterns, 2, "a", "news.*");
    glob(patterns, 3, "a", "news.us");
    glob(patterns, 1023, "a", "[mn]*");
    glob(patterns, 4, "b", "*");
    patterns_match(patterns_find(patterns, BYTES("a")), BYTES("news.eu"), slots,
                   PATTERNS_WORDS);
    assert_int_equal(slots[0], 0x7);
    assert_int_equal(slots[15], 1ull << 63);
}

static void a_dialect_of_tomorrow_matches_everything(void **state)
{
    struct patterns *patterns = *state;

    assert_int_equal(add(patterns, 1, NEWER_DIALECT, "a", "x"), 0);
    assert_int_equal(add(patterns, 2, TOPIC_FILTER, "a", "x/#"), 0);
    assert_int_equal(add(patterns, 3, TOPIC_EXACT, "a", "x"), 0);
    assert_int_equal(add(patterns, 4, TOPIC_GLOB, "a", "x"), 0);
    assert_int_equal(patterns->entries.len, 4); /* they are four patterns */
    assert_int_equal(who(patterns, "a", "y"), 0x6);
    assert_int_equal(who(patterns, "a", "x"), 0x1e);
    assert_int_equal(who(patterns, "b", "x"), 0);
}

static void patterns_that_share_a_hash_stay_apart(void **state)
{
    static const char *const texts[] = {"a*", "b*", "c*"};
    struct patterns *patterns = *state;
    struct record *records[3];

    for (size_t gone = 0; gone < 3; gone++) { /* first, middle, last */
        for (uint16_t i = 0; i < 3; i++) {
            records[i] = record_of(TOPIC_GLOB, "cache", texts[i]);
            records[i]->hash = 7;
            assert_int_equal(patterns_add(patterns, i, records[i]), 0);
        }
        patterns_remove(patterns, (uint16_t)gone, records[gone]);
        patterns_check(patterns);
        for (uint16_t i = 0; i < 3; i++) {
            uint64_t bit = i == gone ? 0 : 1ull << i;
            assert_int_equal(who(patterns, "cache", texts[i]), bit);
            assert_int_equal(patterns_has(patterns, i, records[i]), i != gone);
            if (i != gone) {
                patterns_remove(patterns, i, records[i]);
            }
        }
        for (uint16_t i = 0; i < 3; i++) {
            record_unref(records[i]);
        }
    }
}

static void above_its_bound_a_peer_wants_the_whole_cache(void **state)
{
    struct patterns *patterns = *state;

    glob(patterns, 1, "a", "n7*");
    many(patterns, 2, "a", 0, PATTERNS_PEER_MAX, true);
    many(patterns, 2, "b", 0, 10, true);
    assert_int_equal(who(patterns, "a", "other"), 0);
    assert_int_equal(who(patterns, "a", "n999"), 1 << 2);
    glob(patterns, 2, "a", "one more");
    patterns_check(patterns);
    assert_int_equal(who(patterns, "a", "other"), 1 << 2);
    assert_int_equal(who(patterns, "a", "n77"), 0x6);
    assert_int_equal(who(patterns, "b", "other"), 0);

    /* Only what others want is still matched. */
    const struct patterns_cache *cache = patterns_find(patterns, BYTES("a"));
    assert_non_null(cache->open);
    drop(patterns, 1, "a", "n7*");
    assert_null(cache->open);
    glob(patterns, 1, "a", "n7*");
    assert_int_equal(who(patterns, "a", "n77"), 0x6);

    /* Back at the bound it still does, at half of it no more. */
    drop(patterns, 2, "a", "one more");
    many(patterns, 2, "a", HALF + 1, PATTERNS_PEER_MAX, false);
    assert_int_equal(who(patterns, "a", "other"), 1 << 2);
    many(patterns, 2, "a", HALF, HALF + 1, false);
    patterns_check(patterns);
    assert_int_equal(who(patterns, "a", "other"), 0);
    assert_int_equal(who(patterns, "a", "n77"), 0x6);
}

/* Ten thousand "*aaa..ab" would take seconds for one item. */
static void hostile_patterns_cost_a_bounded_time(void **state)
{
    struct patterns *patterns = *state;
    char pattern[PATTERN_LEN_MAX + 1] = {'*'};
    char topic[TOPIC_LEN_MAX + 1] = {0};

    memset(topic, 'a', TOPIC_LEN_MAX);
    memset(pattern + 1, 'a', PATTERN_LEN_MAX - 1);
    glob(patterns, 1, "a", "of somebody else");
    for (char c = 'b'; c <= 'z'; c++) {
        pattern[PATTERN_LEN_MAX - 1] = c;
        glob(patterns, 2, "a", pattern);
    }
    assert_int_equal(who(patterns, "a", topic), 0x6); /* in vain */
    assert_int_equal(who(patterns, "a", topic + 400), 0);
}

/* Against a list that is looked through. */
static void any_order_of_changes_gives_the_same_answers(void **state)
{
    static const char *const caches[] = {"a", "b", "c"};
    static const char *const texts[] = {"*", "n*", "?1", "[a-m]*", "n1", "x"};
    static const char *const topics[] = {"n1", "b1", "x", "zz"};
    struct patterns *patterns = *state;
    bool wanted[3][6][8] = {{{false}}};
    struct rng rng;

    rng_init(&rng, 5);
    for (size_t round = 0; round < 5000; round++) {
        size_t c = rng_below(&rng, 3);
        size_t p = rng_below(&rng, 6);
        uint16_t slot = (uint16_t)rng_below(&rng, 8);
        wanted[c][p][slot] = !wanted[c][p][slot];
        if (wanted[c][p][slot]) {
            glob(patterns, slot, caches[c], texts[p]);
        } else {
            drop(patterns, slot, caches[c], texts[p]);
        }
        const char *topic = topics[round % ARRAY_LEN(topics)];
        uint64_t slots = 0;
        for (p = 0; p < 6; p++) {
            bool match = topic_glob_match(bytes_str(texts[p]),
                                          bytes_str(topic));
            for (slot = 0; slot < 8; slot++) {
                bool adds = match && wanted[c][p][slot];
                slots |= (uint64_t)adds << slot;
            }
        }
        assert_int_equal(who(patterns, caches[c], topic), slots);
    }
}

static void a_failing_allocation_changes_nothing(void **state)
{
    struct patterns *patterns = *state;
    struct record *record = record_of(TOPIC_GLOB, "a", "n*");
    int rc = ERR_NOMEM;
    long n = 0;

    for (; rc != 0; n++) {
        fail_malloc(n);
        rc = patterns_add(patterns, 9, record);
        fail_malloc(-1);
        assert_true(rc == 0 || rc == ERR_NOMEM);
        patterns_check(patterns);
        assert_int_equal(patterns_has(patterns, 9, record), rc == 0);
        assert_int_equal(patterns->caches.len, rc == 0);
    }
    assert_int_equal(n, 6); /* two tables, cache, counts, entry; and success */
    record_unref(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_wants_what_nobody_named, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_pattern_stays_as_long_as_one_peer_wants_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            whoever_matches_is_added_to_who_was_there, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_dialect_of_tomorrow_matches_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(patterns_that_share_a_hash_stay_apart,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            above_its_bound_a_peer_wants_the_whole_cache, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_patterns_cost_a_bounded_time,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            any_order_of_changes_gives_the_same_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_allocation_changes_nothing,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
