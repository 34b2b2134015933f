/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>

#include "node/client/tally.h"

static const struct hash_key key = {{7}};

static void use(struct meters *meters, unsigned i, uint64_t n)
{
    char name[16];

    (void)snprintf(name, sizeof name, "c%u", i);
    usage_add(&meters_of(meters, bytes_str(name))->usage,
              &(struct usage){.in = {n, 2 * n, 3 * n},
                              .out = {4 * n, 5 * n, 6 * n},
                              .refused = 7 * n});
}

static bool has(const struct buf *out, const char *line)
{
    return memmem(out->p, out->len, line, strlen(line)) != NULL;
}

static void each_cache_is_a_line_of_each_family(void **state)
{
    struct meters meters = {.key = &key};
    struct tally tally;
    struct buf out = {0};
    (void)state;

    use(&meters, 1, 10);
    meters.rest.usage.in.items = 3;
    tally_of(&meters, &tally);
    tally_write(&tally, &out);
    assert_bytes(
        buf_bytes(&out),
        "# HELP starling_usage_items_total Items of a cache, in and out\n"
        "# TYPE starling_usage_items_total counter\n"
        "starling_usage_items_total{cache=\"c1\",direction=\"in\"} 10\n"
        "starling_usage_items_total{cache=\"c1\",direction=\"out\"} 40\n"
        "starling_usage_items_total{cache=\"(others)\",direction=\"in\"} 3\n"
        "starling_usage_items_total{cache=\"(others)\",direction=\"out\"} 0\n"
        "# HELP starling_usage_bytes_total Bytes of their values\n"
        "# TYPE starling_usage_bytes_total counter\n"
        "starling_usage_bytes_total{cache=\"c1\",direction=\"in\"} 20\n"
        "starling_usage_bytes_total{cache=\"c1\",direction=\"out\"} 50\n"
        "starling_usage_bytes_total{cache=\"(others)\",direction=\"in\"} 0\n"
        "starling_usage_bytes_total{cache=\"(others)\",direction=\"out\"} 0\n"
        "# HELP starling_usage_operations_total 1 for each KB begun of a "
        "value\n"
        "# TYPE starling_usage_operations_total counter\n"
        "starling_usage_operations_total{cache=\"c1\",direction=\"in\"} 30\n"
        "starling_usage_operations_total{cache=\"c1\",direction=\"out\"} 60\n"
        "starling_usage_operations_total{cache=\"(others)\",direction=\"in\"} "
        "0\n"
        "starling_usage_operations_total{cache=\"(others)\",direction=\"out\"} "
        "0\n"
        "# HELP starling_usage_refused_total Items and subscriptions beyond a "
        "quota\n"
        "# TYPE starling_usage_refused_total counter\n"
        "starling_usage_refused_total{cache=\"c1\"} 70\n"
        "starling_usage_refused_total{cache=\"(others)\"} 0\n");
    buf_fini(&out);
    meters_fini(&meters);
}

static void caches_beyond_the_bound_are_counted_together(void **state)
{
    struct meters meters = {.key = &key};
    struct tally tally;
    (void)state;

    for (unsigned i = 0; i < TALLY_CACHES_MAX + 5; i++) {
        use(&meters, i, i);
    }
    tally_of(&meters, &tally);
    assert_int_equal(tally.len, TALLY_CACHES_MAX);
    assert_int_equal(tally.rows[99].usage.in.items, 99);
    assert_int_equal(tally.others.in.items, 100 + 101 + 102 + 103 + 104);
    assert_int_equal(tally.others.refused, 7 * 510);
    meters_fini(&meters);
}

static void workers_are_summed_by_name(void **state)
{
    struct meters first = {.key = &key};
    struct meters second = {.key = &key};
    struct tally sum;
    struct tally one;
    struct buf out = {0};
    (void)state;

    use(&first, 1, 1);
    use(&first, 2, 2);
    use(&second, 2, 20);
    use(&second, 3, 30);
    first.rest.usage.refused = 5;
    second.rest.usage.refused = 6;
    tally_of(&first, &sum);
    tally_of(&second, &one);
    tally_add(&sum, &one);
    tally_write(&sum, &out);
    assert_int_equal(sum.len, 3);
    assert_true(has(&out, "items_total{cache=\"c1\",direction=\"in\"} 1\n"));
    assert_true(has(&out, "items_total{cache=\"c2\",direction=\"in\"} 22\n"));
    assert_true(has(&out, "bytes_total{cache=\"c3\",direction=\"out\"} 150\n"));
    assert_true(has(&out, "refused_total{cache=\"(others)\"} 11\n"));
    for (unsigned i = 4; i < 104; i++) {
        use(&second, i, 1);
    }
    tally_of(&first, &sum);
    tally_of(&second, &one);
    tally_add(&sum,
              &one); /* c1 and c2, c3 ... c100; c101 and more are others */
    assert_int_equal(sum.len, TALLY_CACHES_MAX);
    assert_int_equal(sum.rows[99].usage.in.items, 1);
    assert_int_equal(sum.others.in.items, 3);
    buf_fini(&out);
    meters_fini(&first);
    meters_fini(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cache_is_a_line_of_each_family),
        cmocka_unit_test(caches_beyond_the_bound_are_counted_together),
        cmocka_unit_test(workers_are_summed_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
