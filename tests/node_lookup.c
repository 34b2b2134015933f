/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/lookup.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_keep_what_was_added),
        cmocka_unit_test(memory_is_given_back),
        cmocka_unit_test(each_walks_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
