/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/hub/lookup.h"
#include "proto/hash.h"

enum {
    VALUES = 2000
};

static bool holds(const struct lookup *lookup, uint64_t hash, const void *value)
{
    size_t at;
    const void *v = lookup_first(lookup, hash, &at);

    while (v != NULL && v != value) {
        v = lookup_next(lookup, hash, &at);
    }
    return v == value;
}

/* Law: what was added and not removed is found, nothing else is. Few distinct
 * hashes, so that runs of slots are long and wrap. */
static void random_changes_keep_what_was_added(void **state)
{
    static char values[VALUES];
    static bool in[VALUES];
    (void)state;

    for (uint64_t modulus = 3; modulus < 5000; modulus = modulus * 5 + 1) {
        struct lookup lookup = {0};
        uint64_t rng = modulus;
        size_t len = 0;
        memset(in, 0, sizeof in);
        for (int step = 0; step < 20000; step++) {
            rng = hash_mix(rng);
            size_t i = rng % VALUES;
            uint64_t hash = hash_mix(i % modulus);
            if (in[i]) {
                lookup_remove(&lookup, hash, &values[i]);
                len--;
            } else {
                assert_int_equal(lookup_add(&lookup, hash, &values[i]), 0);
                len++;
            }
            in[i] = !in[i];
            assert_int_equal(lookup.len, len);
            if (step % 1000 == 0) {
                lookup_check(&lookup);
                for (size_t k = 0; k < VALUES; k++) {
                    assert_int_equal(
                        holds(&lookup, hash_mix(k % modulus), &values[k]),
                        in[k]);
                }
            }
        }
        lookup_fini(&lookup);
    }
}

static void memory_is_given_back(void **state)
{
    static char values[VALUES];
    struct lookup lookup = {0};
    (void)state;

    for (size_t i = 0; i < VALUES; i++) {
        assert_int_equal(lookup_add(&lookup, hash_mix(i), &values[i]), 0);
    }
    size_t most = lookup.cap;
    for (size_t i = 0; i < VALUES; i++) {
        lookup_remove(&lookup, hash_mix(i), &values[i]);
    }
    assert_true(lookup.cap < most / 16);
    assert_int_equal(lookup.len, 0);
    lookup_fini(&lookup);
}

static void each_walks_all(void **state)
{
    char values[5];
    struct lookup lookup = {0};
    size_t at = 0;
    size_t len = 0;
    (void)state;

    assert_null(lookup_each(&lookup, &at));
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        assert_int_equal(lookup_add(&lookup, 7, &values[i]), 0);
    }
    while (lookup_each(&lookup, &at) != NULL) {
        len++;
    }
    assert_int_equal(len, ARRAY_LEN(values));
    lookup_fini(&lookup);
}

struct places {
    uint64_t seen[2000];
    size_t len;
};

static void see_place(void *data, uint64_t place, void *value)
{
    struct places *places = data;

    assert_true(place == lookup_place(*(const uint64_t *)value));
    places->seen[places->len++] = place;
}

static int by_place(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* A bucket is one stretch of places in a table of any size: who goes on where
 * it was meets each of the others once, whatever the table became. */
static void a_scan_goes_on_in_a_table_of_another_size(void **state)
{
    static uint64_t hashes[1000];
    struct places places = {.len = 0};
    struct lookup lookup = {0};
    uint64_t from = 0;
    size_t len = 0;
    size_t sizes = 0;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        hashes[i] = (i + 1) * 0x9e3779b97f4a7c15;
    }
    assert_false(lookup_scan(&lookup, &from, see_place, &places));
    for (; len < ARRAY_LEN(hashes) / 2; len++) {
        assert_int_equal(lookup_add(&lookup, hashes[len], &hashes[len]), 0);
    }
    size_t small = lookup.cap;
    while (lookup_scan(&lookup, &from, see_place, &places)) {
        size_t cap = lookup.cap;
        for (; places.len > 100 && places.len < 200 && len < ARRAY_LEN(hashes);
             len++) {
            assert_int_equal(lookup_add(&lookup, hashes[len], &hashes[len]), 0);
        }
        for (; places.len > 400 && len > ARRAY_LEN(hashes) / 2; len--) {
            lookup_remove(&lookup, hashes[len - 1], &hashes[len - 1]);
        }
        sizes += lookup.cap != cap;
    }
    assert_true(lookup.cap >= small && sizes > 0);
    qsort(places.seen, places.len, sizeof places.seen[0], by_place);
    for (size_t i = 0; i < ARRAY_LEN(hashes) / 2; i++) {
        uint64_t place = lookup_place(hashes[i]);
        uint64_t *at = bsearch(&place, places.seen, places.len, sizeof place,
                               by_place);
        assert_non_null(at);
        assert_true(at == &places.seen[places.len - 1] || at[1] != place);
        assert_true(at == places.seen || at[-1] != place);
    }
    lookup_fini(&lookup);
}

static void a_place_is_the_hash_turned_round(void **state)
{
    (void)state;

    assert_true(lookup_place(1) == UINT64_C(1) << 63);
    assert_true(lookup_place(6) == UINT64_C(3) << 61);
    assert_true(lookup_place(lookup_place(0x123456789abcdef)) ==
                0x123456789abcdef);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_keep_what_was_added),
        cmocka_unit_test(memory_is_given_back),
        cmocka_unit_test(each_walks_all),
        cmocka_unit_test(a_scan_goes_on_in_a_table_of_another_size),
        cmocka_unit_test(a_place_is_the_hash_turned_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
