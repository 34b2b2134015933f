/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "cluster/fence.h"
#include "cluster/rng.h"
#include "proto/err.h"
#include "tests/fail_malloc.h"

static void an_origin_has_its_highest_fence(void **state)
{
    struct fences fences = {0};
    (void)state;

    assert_true(fences_of(&fences, 7) == 0);
    assert_int_equal(fences_raise(&fences, 7, 5), 1);
    assert_int_equal(fences_raise(&fences, 7, 5), 0);
    assert_int_equal(fences_raise(&fences, 7, 4), 0);
    assert_int_equal(fences_raise(&fences, 7, UINT64_MAX), 1);
    assert_true(fences_of(&fences, 7) == UINT64_MAX);
    assert_true(fences_of(&fences, 6) == 0);
    assert_int_equal(fences_raise(&fences, 6, 0), 0); /* says nothing */
    assert_int_equal(fences_bytes(&fences).len, PEER_NUMBER_LEN);
    fences_fini(&fences);
}

static void fences_agree_with_a_plain_list(void **state)
{
    struct fences fences = {0};
    uint64_t list[64] = {0};
    struct rng rng;
    (void)state;

    rng_init(&rng, 1);
    for (int i = 0; i < 5000; i++) {
        uint32_t origin = rng_below(&rng, ARRAY_LEN(list));
        uint64_t count = rng_below(&rng, 1000);
        int raised = fences_raise(&fences, origin, count);
        assert_int_equal(raised, count > list[origin]);
        list[origin] = raised ? count : list[origin];
    }
    for (size_t at = 0; at < fences_bytes(&fences).len; at += 16) {
        assert_int_equal(fence_origin(fences_bytes(&fences), at), at / 16);
    }
    for (uint64_t origin = 0; origin < ARRAY_LEN(list); origin++) {
        assert_true(fences_of(&fences, origin) == list[origin]);
    }
    fences_fini(&fences);
}

static bool is_even(const void *data, uint64_t origin)
{
    (void)data;
    return origin % 2 == 0;
}

static void they_are_bounded_and_can_be_sifted(void **state)
{
    struct fences fences = {0};
    (void)state;

    for (uint64_t i = 0; i < FENCES_MAX; i++) {
        assert_int_equal(fences_raise(&fences, i, i + 1), 1);
    }
    assert_int_equal(fences_bytes(&fences).len, PEER_FENCES_LEN_MAX);
    assert_int_equal(fences_raise(&fences, FENCES_MAX, 1), ERR_LIMIT);
    assert_int_equal(fences_raise(&fences, 3, 9999), 1);
    fences_sift(&fences, is_even, NULL);
    assert_int_equal(fences_bytes(&fences).len, PEER_FENCES_LEN_MAX / 2);
    assert_true(fences_of(&fences, 3) == 0);
    assert_true(fences_of(&fences, 4) == 5);
    assert_int_equal(fences_raise(&fences, 3, 1), 1);
    fences_fini(&fences);
}

static void one_set_takes_in_another(void **state)
{
    struct fences a = {0};
    struct fences b = {0};
    (void)state;

    fences_raise(&a, 1, 5);
    fences_raise(&a, 2, 5);
    fences_raise(&b, 2, 7);
    fences_raise(&b, 3, 7);
    fences_raise_all(&a, fences_bytes(&b));
    assert_true(fences_of(&a, 1) == 5);
    assert_true(fences_of(&a, 2) == 7);
    assert_true(fences_of(&a, 3) == 7);
    fences_fini(&a);
    fences_fini(&b);
}

static void without_memory_what_is_there_stands(void **state)
{
    struct fences fences = {0};
    uint64_t origin = 1;
    int rc;
    (void)state;

    fail_malloc(0);
    assert_int_equal(fences_raise(&fences, 1, 1), ERR_NOMEM);
    fail_malloc(-1);
    assert_int_equal(fences_raise(&fences, 1, 1), 1);
    do {
        fail_malloc(0);
        rc = fences_raise(&fences, ++origin, 1);
        fail_malloc(-1);
    } while (rc == 1);
    assert_int_equal(rc, ERR_NOMEM);
    assert_true(fences_of(&fences, origin - 1) == 1);
    assert_true(fences_of(&fences, origin) == 0);
    assert_int_equal(fences_raise(&fences, origin, 1), 1);
    fences_fini(&fences);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_origin_has_its_highest_fence),
        cmocka_unit_test(fences_agree_with_a_plain_list),
        cmocka_unit_test(they_are_bounded_and_can_be_sifted),
        cmocka_unit_test(one_set_takes_in_another),
        cmocka_unit_test(without_memory_what_is_there_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
