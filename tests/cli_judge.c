/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/cli/judge.h"

static struct judge judge;
static struct judge_ranges excused;
static uint64_t told;
static uint64_t untold;

static int setup(void **state)
{
    (void)state;
    judge = (struct judge){0};
    excused = (struct judge_ranges){0};
    told = untold = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    judge_fini(&judge);
    judge_ranges_fini(&excused);
    return 0;
}

static void values(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '!') {
            judge_told(&judge);
        } else {
            judge_value(&judge, (uint64_t)(*c - '0'));
        }
    }
}

/* Each a stream: digits are items, ! is a discontinuity. */
static void holes_are_told_or_untold(void **state)
{
    static const struct {
        const char *stream;
        uint64_t sent, delivered, told, untold, duplicate, disordered;
    } cases[] = {
        {"12345", 5, 5, 0, 0, 0, 0}, /* whole */
        {"125", 5, 3, 0, 2, 0, 0},   /* silent loss */
        {"12!5", 5, 3, 2, 0, 0, 0},  /* told between the two */
        {"1!25", 5, 3, 0, 2, 0, 0},  /* told too early: another hole */
        {"125!", 5, 3, 0, 2, 0, 0},  /* told too late */
        {"123", 5, 3, 0, 2, 0, 0},   /* the end is missing */
        {"123!", 5, 3, 2, 0, 0, 0},  /* and told */
        {"!45", 5, 2, 3, 0, 0, 0},   /* the beginning, told */
        {"1!34!7", 7, 4, 3, 0, 0, 0}, {"1223", 3, 3, 0, 0, 1, 0}, /* doubled */
        {"1324", 4, 3, 0, 1, 0, 1}, /* too late is missing and out of order */
        {"", 3, 0, 0, 3, 0, 0},       {"!", 3, 0, 3, 0, 0, 0},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        setup(NULL);
        values(cases[i].stream);
        judge_end(&judge, cases[i].sent, &excused, &told, &untold);
        if (judge.delivered != cases[i].delivered || told != cases[i].told ||
            untold != cases[i].untold ||
            judge.duplicate != cases[i].duplicate ||
            judge.disordered != cases[i].disordered) {
            fail_msg("%s: delivered %" PRIu64 " told %" PRIu64
                     " untold %" PRIu64,
                     cases[i].stream, judge.delivered, told, untold);
        }
        teardown(NULL);
    }
}

/* What was refused, or never answered, is missing with good reason. */
static void the_excused_are_not_missing(void **state)
{
    (void)state;

    judge_ranges_add(&excused, 2, 2, false);
    judge_ranges_add(&excused, 3, 4, false); /* follows on */
    judge_ranges_add(&excused, 8, 9, false);
    assert_int_equal(excused.len, 2);
    values("167");
    judge_end(&judge, 9, &excused, &told, &untold);
    assert_int_equal(told, 0);
    assert_int_equal(untold, 1); /* only number 5 */
}

static void the_end_is_waited_for_until_it_is_known(void **state)
{
    (void)state;

    values("12");
    assert_false(judge_waits(&judge, 2, &excused));
    assert_true(judge_waits(&judge, 4, &excused));
    judge_ranges_add(&excused, 3, 3, false);
    assert_true(judge_waits(&judge, 4, &excused));
    judge_ranges_add(&excused, 4, 4, false);
    assert_false(judge_waits(&judge, 4, &excused));
    assert_true(judge_waits(&judge, 5, &excused));
    values("!");
    assert_false(judge_waits(&judge, 5, &excused));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_are_told_or_untold),
        cmocka_unit_test_setup_teardown(the_excused_are_not_missing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_end_is_waited_for_until_it_is_known,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
