/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "cluster/rng.h"
#include "cluster/table.h"
#include "proto/err.h"
#include "tests/fail_malloc.h"

enum {
    KEYS = 700
};

/* A plain set of small numbers beside the table, to compare with. */
struct model {
    uint64_t words[KEYS]; /* 0 = not there */
    size_t len;
};

/* Spread over 64 bits, or crowded at both ends where homes collide. */
static uint64_t key_of(size_t i, unsigned spread)
{
    switch (spread) {
    case 0:
        return (i + 1) * (UINT64_MAX / (KEYS + 1));
    case 1:
        return i + 1;
    default:
        return UINT64_MAX - KEYS + i + 1;
    }
}

static void compare(const struct table *table, const struct model *model,
                    unsigned spread)
{
    const uint64_t *entry = table_from(table, 0);

    table_check(table);
    assert_int_equal(table->len, model->len);
    for (size_t i = 0; i < KEYS; i++) {
        const uint64_t *words = table_find(table, key_of(i, spread));
        if (model->words[i] == 0) {
            assert_null(words);
            continue;
        }
        assert_int_equal(words[0], model->words[i]);
        assert_int_equal(entry[0], key_of(i, spread));
        entry = table_after(table, entry);
    }
    assert_null(entry);
}

static bool keep_odd(void *data, uint64_t key, uint64_t *words)
{
    size_t *calls = data;

    (void)key;
    ++*calls;
    return words[0] % 2 == 1;
}

static void sweep_both(struct table *table, struct model *model, size_t from,
                       size_t to, unsigned spread)
{
    size_t calls = 0;
    size_t expected = 0;

    table_sweep(table, key_of(from, spread), key_of(to, spread), keep_odd,
                &calls);
    for (size_t i = from; i <= to; i++) {
        expected += model->words[i] != 0;
        if (model->words[i] != 0 && model->words[i] % 2 == 0) {
            model->words[i] = 0;
            model->len--;
        }
    }
    assert_int_equal(calls, expected);
}

static void play(uint64_t seed, unsigned spread)
{
    struct table table;
    struct model model = {.len = 0};
    struct rng rng;

    rng_init(&rng, seed);
    table_init(&table, 1, KEYS);
    for (size_t step = 0; step < 4000; step++) {
        size_t i = rng_below(&rng, KEYS);
        bool growing = step % 2000 < 1300;
        uint64_t key = key_of(i, spread);
        if (rng_below(&rng, 100) == 0) {
            size_t to = i + rng_below(&rng, (uint32_t)(KEYS - i));
            sweep_both(&table, &model, i, to, spread);
        } else if (rng_below(&rng, 10) < (growing ? 8 : 2)) {
            uint64_t *words = table_add(&table, key);
            model.len += model.words[i] == 0;
            model.words[i] = 1 + rng_below(&rng, 1000);
            words[0] = model.words[i];
        } else if (model.words[i] != 0) {
            table_remove(&table, key);
            model.words[i] = 0;
            model.len--;
        }
        if (step % 50 == 0) {
            compare(&table, &model, spread);
        }
    }
    compare(&table, &model, spread);
    table_fini(&table);
}

static void table_does_what_a_plain_set_does(void **state)
{
    (void)state;
    for (unsigned spread = 0; spread < 3; spread++) {
        for (uint64_t seed = 1; seed <= 8; seed++) {
            play(seed, spread);
        }
    }
}

static void table_refuses_more_than_its_maximum(void **state)
{
    struct table table;

    (void)state;
    table_init(&table, 1, 2);
    assert_non_null(table_add(&table, 5));
    assert_non_null(table_add(&table, 6));
    assert_null(table_add(&table, 7));
    assert_non_null(table_add(&table, 6));
    table_remove(&table, 5);
    assert_non_null(table_add(&table, 7));
    table_check(&table);
    table_fini(&table);
}

static void table_keeps_its_entries_when_it_grows_wider(void **state)
{
    struct table table;

    (void)state;
    table_init(&table, 1, KEYS);
    for (size_t i = 0; i < 100; i++) {
        table_add(&table, key_of(i, 0))[0] = i + 1;
    }
    assert_int_equal(table_widen(&table, 3), 0);
    table_check(&table);
    for (size_t i = 0; i < 100; i++) {
        const uint64_t *words = table_find(&table, key_of(i, 0));
        assert_int_equal(words[0], i + 1);
        assert_int_equal(words[1] | words[2], 0);
    }
    table_fini(&table);
}

/* The promise to operators: 1 M topics wanted by up to 64 peers in 32 MB. */
static void table_holds_a_topic_in_at_most_32_bytes(void **state)
{
    struct table table;
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    table_init(&table, 1, 2 << 20);
    for (size_t i = 1; i <= 1 << 20; i++) {
        table_add(&table, rng_u64(&rng) | 1)[0] = 1;
        if (i > 5000 && i % 9973 == 0) {
            assert_true(table_bytes(&table) <= 33 * i);
        }
    }
    table_check(&table);
    table_fini(&table);
}

/* Snapshots come sorted, into an empty table or among other topics. When this
 * was quadratic it took 40 s; the time limit of the test guards it. */
static void table_takes_sorted_keys_in_bounded_time_and_room(void **state)
{
    const uint64_t len = 1 << 20;
    const uint64_t gap = UINT64_MAX / (2 * len);
    struct table table;

    (void)state;
    table_init(&table, 1, 2 * len);
    for (uint64_t half = 0; half < 2; half++) {
        for (uint64_t i = 0; i < len; i++) {
            table_add(&table, 1 + (2 * i + half) * gap)[0] = 1;
            assert_true(i < 5000 || table_bytes(&table) < 130 * table.len);
        }
        assert_true(table_bytes(&table) <= 33 * table.len);
    }
    table_check(&table);
    table_fini(&table);
}

static void table_gives_memory_back(void **state)
{
    struct table table;

    (void)state;
    table_init(&table, 1, 1 << 20);
    for (size_t i = 0; i < 100000; i++) {
        table_add(&table, i << 47 | 1);
    }
    size_t full = table_bytes(&table);
    for (size_t i = 0; i < 100000; i++) {
        table_remove(&table, i << 47 | 1);
        assert_true(i < 90000 || table_bytes(&table) < full / 2);
    }
    assert_int_equal(table_bytes(&table), 0);
}

static void table_survives_each_failing_allocation(void **state)
{
    (void)state;
    for (long n = 0; n < 11; n++) {
        struct table table;
        size_t added = 0;

        table_init(&table, 1, KEYS);
        fail_malloc(n);
        for (size_t i = 0; i < 300; i++) {
            added += table_add(&table, key_of(i, 0)) != NULL;
        }
        assert_int_equal(table_widen(&table, 2), 0);
        fail_malloc(-1);
        assert_true(added >= 299);
        assert_int_equal(table.len, added);
        table_check(&table);
        table_fini(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_does_what_a_plain_set_does),
        cmocka_unit_test(table_refuses_more_than_its_maximum),
        cmocka_unit_test(table_keeps_its_entries_when_it_grows_wider),
        cmocka_unit_test(table_holds_a_topic_in_at_most_32_bytes),
        cmocka_unit_test(table_takes_sorted_keys_in_bounded_time_and_room),
        cmocka_unit_test(table_gives_memory_back),
        cmocka_unit_test(table_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
