/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/watch/lens.h"

/* A clock that says so many ms and a half. */
#define WALL_MS ((uint64_t)1795305600000)
#define WALL_US (WALL_MS * 1000 + 500)

static struct lens *lens;
static uint64_t latency[REPORT_HOPS][REPORT_BUCKETS];
static struct report_hot rows[REPORT_HOT_MAX];

static int setup(void **state)
{
    (void)state;
    lens = lens_new();
    assert_non_null(lens);
    memset(latency, 0, sizeof latency);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lens_free(lens);
    return 0;
}

static struct item item_of(uint64_t origin, uint64_t at_ms)
{
    return (struct item){.cache = BYTES("c"),
                         .topic = BYTES("t"),
                         .hash = 5,
                         .origin = origin,
                         .at_ms = at_ms};
}

static uint64_t all_of(enum report_hop hop)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < REPORT_BUCKETS; i++) {
        sum += latency[hop][i];
    }
    return sum;
}

static void own_items_age_from_the_start_of_the_turn(void **state)
{
    const struct item item = item_of(1, WALL_MS);
    (void)state;

    assert_true(lens_is_idle(lens));
    lens_begin(lens, 1000);
    lens_begin(lens, 1900); /* the turn had begun */
    lens_item(lens, &item, true, 3);
    lens_item(lens, &item, true, 0);
    assert_true(lens_has_items(lens));
    lens_end(lens, 1000 + 150, WALL_US);
    assert_true(lens_is_idle(lens));
    assert_false(lens_has_items(lens));
    assert_int_equal(lens_take(lens, latency, rows, REPORT_HOT_MAX), 1);
    assert_int_equal(latency[REPORT_LOCAL][report_bucket(150)], 3);
    assert_int_equal(all_of(REPORT_LOCAL), 3);
    assert_int_equal(rows[0].in, 2);
    assert_int_equal(rows[0].out, 3);
}

/* Its clock is 2 ms ahead: what it published 21 ms ago it dates 19 ms ago. */
static void
others_items_age_by_their_clock_and_what_is_known_of_it(void **state)
{
    const struct item region = item_of(7, WALL_MS - 19);
    const struct item far = item_of(8, WALL_MS - 80);
    (void)state;

    lens_add_origin(lens, &(struct lens_origin){7, 2000, false});
    lens_add_origin(lens, &(struct lens_origin){8, 0, true});
    lens_begin(lens, 1000);
    lens_item(lens, &region, false, 2);
    lens_item(lens, &far, false, 1);
    lens_item(lens, &region, false, 2);
    lens_end(lens, 1010, WALL_US);
    (void)lens_take(lens, latency, rows, REPORT_HOT_MAX);
    assert_int_equal(latency[REPORT_REGION][report_bucket(21000)], 4);
    assert_int_equal(latency[REPORT_FAR][report_bucket(80000)], 1);
    assert_int_equal(all_of(REPORT_LOCAL), 0);
    assert_int_equal(rows[0].in, 0); /* it came in elsewhere */
    assert_int_equal(rows[0].out, 5);
}

static void what_seems_to_be_of_the_future_has_just_come(void **state)
{
    const struct item item = item_of(7, WALL_MS + 5);
    const struct item mad = item_of(7, UINT64_MAX);
    (void)state;

    lens_add_origin(lens, &(struct lens_origin){7, 0, false});
    lens_item(lens, &item, false, 1);
    lens_item(lens, &mad, false, 1);
    lens_end(lens, 0, WALL_US);
    (void)lens_take(lens, latency, rows, REPORT_HOT_MAX);
    assert_true(latency[REPORT_REGION][0] >= 1);
    assert_int_equal(all_of(REPORT_REGION), 2);
}

static void who_is_not_known_is_not_counted(void **state)
{
    const struct item item = item_of(7, WALL_MS);
    (void)state;

    lens_item(lens, &item, false, 1);
    lens_add_origin(lens, &(struct lens_origin){7, 0, false});
    lens_item(lens, &item, false, 1);
    lens_forget_origins(lens);
    lens_item(lens, &item, false, 1);
    lens_end(lens, 0, WALL_US);
    (void)lens_take(lens, latency, rows, REPORT_HOT_MAX);
    assert_int_equal(all_of(REPORT_REGION), 1);
}

static void any_number_of_ages_and_origins_is_bounded(void **state)
{
    (void)state;

    for (uint64_t i = 1; i <= 3 * LENS_ORIGINS; i++) {
        lens_add_origin(lens, &(struct lens_origin){i * LENS_ORIGINS, 0, true});
    }
    for (uint64_t i = 0; i < 10 * LENS_AGES_MAX; i++) {
        const struct item item = item_of(LENS_ORIGINS, WALL_MS - i);
        lens_item(lens, &item, false, 1);
    }
    lens_end(lens, 0, WALL_US);
    (void)lens_take(lens, latency, rows, REPORT_HOT_MAX);
    assert_int_equal(all_of(REPORT_FAR), 10 * LENS_AGES_MAX);
}

static void the_cluster_does_not_look_at_itself(void **state)
{
    const struct item item = {
        .cache = BYTES("_sys"), .topic = BYTES("stats"), .hash = 5};
    (void)state;

    lens_item(lens, &item, true, 1);
    assert_false(lens_has_items(lens));
    assert_int_equal(lens_take(lens, latency, rows, REPORT_HOT_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(own_items_age_from_the_start_of_the_turn),
        TEST(others_items_age_by_their_clock_and_what_is_known_of_it),
        TEST(what_seems_to_be_of_the_future_has_just_come),
        TEST(who_is_not_known_is_not_counted),
        TEST(any_number_of_ages_and_origins_is_bounded),
        TEST(the_cluster_does_not_look_at_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
