/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/client/quota.h"
#include "proto/err.h"
#include "proto/mp.h"

/* Items taken of `tries` at one moment. */
static unsigned taken_at(const struct quota *quota, struct quota_bucket *bucket,
                         unsigned tries, uint64_t now_ms)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < tries; i++) {
        int rc = quota_take(quota, bucket, 1, now_ms);
        if (rc != 0) {
            assert_int_equal(rc, ERR_QUOTA_RATE);
            break;
        }
        taken++;
    }
    return taken;
}

static void none_bounds_nothing(void **state)
{
    const struct quota quota = {0};
    struct quota_bucket bucket = {0};
    (void)state;

    assert_true(quota_is_none(&quota));
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(quota_take(&quota, &bucket, 1 << 24, 5), 0);
    }
}

static void each_bound_alone_is_a_quota(void **state)
{
    (void)state;

    assert_false(quota_is_none(&(struct quota){.publish_rate = 1}));
    assert_false(quota_is_none(&(struct quota){.item_len = 1}));
    assert_false(quota_is_none(&(struct quota){.subs = 1}));
}

static void a_second_of_items_may_come_at_once(void **state)
{
    const struct quota quota = {.publish_rate = 10};
    struct quota_bucket bucket = {0};
    (void)state;

    assert_int_equal(taken_at(&quota, &bucket, 50, 0), 10);
    assert_int_equal(taken_at(&quota, &bucket, 50, 99), 0);
    assert_int_equal(taken_at(&quota, &bucket, 50, 100), 1);
    assert_int_equal(taken_at(&quota, &bucket, 50, 199), 0);
    assert_int_equal(taken_at(&quota, &bucket, 50, 350), 2);
    assert_int_equal(taken_at(&quota, &bucket, 50, 400), 1); /* kept half */
}

static void a_long_silence_gives_no_more_than_a_second(void **state)
{
    const struct quota quota = {.publish_rate = 3};
    struct quota_bucket bucket = {0};
    (void)state;

    assert_int_equal(taken_at(&quota, &bucket, 9, 1000), 3);
    assert_int_equal(taken_at(&quota, &bucket, 9, 1000000), 3);
    assert_int_equal(taken_at(&quota, &bucket, 9, UINT64_MAX), 3);
    const struct quota two = {.publish_rate = 2};
    bucket = (struct quota_bucket){0};
    assert_int_equal(taken_at(&two, &bucket, 9, 0), 2);
    assert_int_equal(taken_at(&two, &bucket, 9, 1ull << 63), 2);
}

/* Whatever the rate and the steps, a second more gives a second's items. */
static void a_rate_holds_over_any_time(void **state)
{
    static const uint32_t rates[] = {1, 3, 7, 60, 999, 1000, 1001};
    static const uint64_t steps[] = {1, 3, 7, 250, 1000};
    (void)state;

    for (size_t r = 0; r < ARRAY_LEN(rates); r++) {
        for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
            const struct quota quota = {.publish_rate = rates[r]};
            struct quota_bucket bucket = {0};
            uint64_t taken = taken_at(&quota, &bucket, rates[r] + 1, 0);
            uint64_t now_ms = 0;
            for (; now_ms < 4200; now_ms += steps[s]) {
                taken += taken_at(&quota, &bucket, 2 * rates[r], now_ms);
            }
            now_ms -= steps[s];
            assert_int_equal(taken, rates[r] + now_ms * rates[r] / 1000);
        }
    }
}

static void the_largest_rate_does_not_overflow(void **state)
{
    const struct quota quota = {.publish_rate = UINT32_MAX};
    struct quota_bucket bucket = {0};
    (void)state;

    assert_int_equal(taken_at(&quota, &bucket, 1000, 0), 1000);
    assert_int_equal(taken_at(&quota, &bucket, 1000, UINT64_MAX), 1000);
    bucket.taken = (uint64_t)UINT32_MAX * 1000;
    assert_int_equal(taken_at(&quota, &bucket, 1, UINT64_MAX), 0);
}

static void a_large_item_is_refused_and_takes_nothing(void **state)
{
    const struct quota quota = {.publish_rate = 1, .item_len = 4096};
    struct quota_bucket bucket = {0};
    (void)state;

    assert_int_equal(quota_take(&quota, &bucket, 4097, 0), ERR_QUOTA_ITEM);
    assert_int_equal(quota_take(&quota, &bucket, 4096, 0), 0);
    assert_int_equal(quota_take(&quota, &bucket, 0, 0), ERR_QUOTA_RATE);
}

static void what_is_written_is_read(void **state)
{
    static const struct quota all[] = {
        {0},
        {.publish_rate = 1, .item_len = 2, .subs = 3},
        {.publish_rate = UINT32_MAX,
         .item_len = UINT32_MAX,
         .subs = UINT32_MAX},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct buf out = {0};
        struct quota read = {.publish_rate = 77};
        quota_write(&all[i], &out);
        assert_false(out.failed);
        assert_true(out.len <= QUOTA_LEN_MAX);
        for (size_t cut = 0; cut < out.len; cut++) {
            assert_int_equal(quota_read(bytes_of(out.p, cut), &read),
                             ERR_SYNTAX);
            assert_int_equal(read.publish_rate, 77);
        }
        assert_int_equal(quota_read(buf_bytes(&out), &read), 0);
        assert_memory_equal(&read, &all[i], sizeof read);
        buf_fini(&out);
    }
}

static void what_a_newer_node_adds_is_passed_over(void **state)
{
    static const uint8_t newer[] = {0x95, 1, 2, 3, 0x92, 0xc3, 4, 5};
    static const uint8_t behind[] = {0x93, 1, 2, 3, 4};
    static const uint8_t large[] = {0x93, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 2, 3};
    struct quota read = {0};
    (void)state;

    assert_int_equal(quota_read(bytes_of(newer, sizeof newer), &read), 0);
    assert_int_equal(read.subs, 3);
    assert_int_equal(quota_read(bytes_of(behind, sizeof behind), &read),
                     ERR_SYNTAX);
    assert_int_equal(quota_read(bytes_of(large, sizeof large), &read),
                     ERR_SYNTAX);
}

static void a_bound_is_set_by_its_name(void **state)
{
    struct quota quota = {0};
    size_t names = 0;
    (void)state;

    while (quota_name(names) != NULL) {
        assert_int_equal(quota_set(&quota, quota_name(names), names + 5), 0);
        names++;
    }
    assert_int_equal(names, 3);
    assert_int_equal(quota.publish_rate, 5);
    assert_int_equal(quota.item_len, 6);
    assert_int_equal(quota.subs, 7);
    assert_int_equal(quota_set(&quota, "subs", 1ull << 32), ERR_ARGUMENT);
    assert_int_equal(quota_set(&quota, "sub", 1), ERR_NOT_FOUND);
    assert_int_equal(quota.subs, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_bounds_nothing),
        cmocka_unit_test(each_bound_alone_is_a_quota),
        cmocka_unit_test(a_second_of_items_may_come_at_once),
        cmocka_unit_test(a_long_silence_gives_no_more_than_a_second),
        cmocka_unit_test(a_rate_holds_over_any_time),
        cmocka_unit_test(the_largest_rate_does_not_overflow),
        cmocka_unit_test(a_large_item_is_refused_and_takes_nothing),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_a_newer_node_adds_is_passed_over),
        cmocka_unit_test(a_bound_is_set_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
