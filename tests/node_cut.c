/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks of subscriptions that were cut.
 */
#include "tests/test.h"

#include "node/client/cut.h"

static void a_mark_is_found_for_two_seconds(void **state)
{
    struct cuts cuts = {0};
    struct cut cut;
    (void)state;

    assert_false(cuts_find(&cuts, 7, 1000, &cut));
    cuts_leave(&cuts, 7, 3, 40, 1000);
    assert_true(cuts_find(&cuts, 7, 1000, &cut));
    assert_int_equal(cut.page, 3);
    assert_int_equal(cut.seq, 40);
    assert_true(cuts_find(&cuts, 7, 1000 + CUT_FOR_MS, &cut));
    assert_false(cuts_find(&cuts, 7, 1001 + CUT_FOR_MS, &cut));
    assert_false(cuts_find(&cuts, 8, 1000, &cut));
    cuts_fini(&cuts);
}

static void the_newer_mark_of_one_key_holds(void **state)
{
    struct cuts cuts = {0};
    struct cut cut;
    (void)state;

    cuts_leave(&cuts, 7, 3, 40, 1000);
    cuts_leave(&cuts, 7, 4, 1, 2500);
    assert_true(cuts_find(&cuts, 7, 3500, &cut));
    assert_int_equal(cut.page, 4);
    assert_int_equal(cut.seq, 1);
    cuts_fini(&cuts);
}

static void when_it_is_full_the_oldest_goes(void **state)
{
    enum {
        KEYS = 9,
        STEP = CUTS_MAX / 8
    };
    struct cuts cuts = {0};
    struct cut cut;
    (void)state;

    for (uint64_t i = 0; i < KEYS; i++) { /* all of one set */
        cuts_leave(&cuts, 5 + i * STEP, 1, i, 1000 + i);
    }
    assert_false(cuts_find(&cuts, 5, 1010, &cut));
    for (uint64_t i = 1; i < KEYS; i++) {
        assert_true(cuts_find(&cuts, 5 + i * STEP, 1010, &cut));
        assert_int_equal(cut.seq, i);
    }
    cuts_fini(&cuts);
}

static void ten_thousand_clients_cut_at_once_all_come_back(void **state)
{
    enum {
        N = 10000
    };
    struct cuts cuts = {0};
    struct cut cut;
    unsigned found = 0;
    (void)state;

    for (uint64_t i = 1; i <= N; i++) {
        cuts_leave(&cuts, i * 0x9e3779b97f4a7c15u, 1, i, 1000);
    }
    for (uint64_t i = 1; i <= N; i++) {
        found += cuts_find(&cuts, i * 0x9e3779b97f4a7c15u, 1500, &cut) &&
                 cut.seq == i;
    }
    assert_true(found > N - N / 50);
    cuts_fini(&cuts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_is_found_for_two_seconds),
        cmocka_unit_test(the_newer_mark_of_one_key_holds),
        cmocka_unit_test(when_it_is_full_the_oldest_goes),
        cmocka_unit_test(ten_thousand_clients_cut_at_once_all_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
