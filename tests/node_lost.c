/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/mesh/lost.h"
#include "tests/fail_malloc.h"

static void hashes_are_sorted_and_named_once(void **state)
{
    static const uint64_t added[] = {5, 5, 1, UINT64_MAX, 0, 5, 1, 256, 255};
    static const uint64_t want[] = {0, 1, 5, 255, 256, UINT64_MAX};
    struct lost lost = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(added); i++) {
        lost_add(&lost, added[i]);
    }
    struct bytes hashes = lost_hashes(&lost);
    assert_false(lost.all);
    assert_int_equal(hashes.len, sizeof want);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(bytes_u64be(hashes.p + 8 * i) == want[i]);
    }
    lost_reset(&lost);
    assert_int_equal(lost_hashes(&lost).len, 0);
    lost_add_many(&lost, bytes_of(NULL, 0));
    lost_add(&lost, 7);
    assert_true(lost.all);
    assert_int_equal(lost_hashes(&lost).len, 0);
    lost_fini(&lost);
}

static void too_many_are_all(void **state)
{
    (void)state;

    for (uint64_t more = 0; more < 2; more++) {
        struct lost lost = {0};
        for (uint64_t i = 0; i < 10 * (PEER_GAP_HASHES_MAX + more); i++) {
            lost_add(&lost, i % (PEER_GAP_HASHES_MAX + more));
            assert_true(lost.hashes.len <= 2 * PEER_GAP_LEN_MAX);
        }
        assert_int_equal(lost_hashes(&lost).len,
                         more == 0 ? PEER_GAP_LEN_MAX : 0);
        assert_int_equal(lost.all, more);
        lost_fini(&lost);
    }
}

static void short_memory_is_all(void **state)
{
    struct lost lost = {0};
    (void)state;

    fail_malloc(0);
    lost_add(&lost, 1);
    fail_malloc(-1);
    assert_true(lost.all);
    lost_reset(&lost);
    lost_add(&lost, 1);
    assert_false(lost.all);
    assert_int_equal(lost_hashes(&lost).len, 8);
    lost_fini(&lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_sorted_and_named_once),
        cmocka_unit_test(too_many_are_all),
        cmocka_unit_test(short_memory_is_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
