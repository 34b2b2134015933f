/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/mesh/clocks.h"
#include "tests/ends.h"

/* One wall clock for all but n1, which is ahead. */
static uint64_t wall_now;
static uint64_t mono_now;
static const uint64_t ahead = 1500;

static uint64_t wall_us(void)
{
    return wall_now;
}

static uint64_t wall_ahead_us(void)
{
    return wall_now + ahead;
}

static uint64_t mono_us(void *data)
{
    (void)data;
    return mono_now;
}

static struct ends ends;
static struct core *core;

static int setup(void **state)
{
    (void)state;
    ends_init(&ends);
    core = &ends.at[0].core;
    wall_now = 1795305600000000;
    mono_now = 0;
    for (size_t i = 0; i < 2; i++) {
        struct end *end = &ends.at[i];
        const struct calls_world around = {.data = end,
                                           .linked = end_linked,
                                           .tell = end_tell,
                                           .clock_us = mono_us};
        calls_free(end->calls);
        end->calls = calls_new(&end->core, &around);
        end->core.calls = end->calls;
        end->core.stats.links = 3;
        assert_non_null(
            clocks_new(&end->core, i == 1 ? wall_ahead_us : wall_us));
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clocks_free(ends.at[0].core.clocks);
    clocks_free(ends.at[1].core.clocks);
    ends_fini(&ends);
    return 0;
}

static void pass(uint64_t us)
{
    wall_now += us;
    mono_now += us;
}

/* A round: the question is on its way for `there` us, the answer for `back`. */
static void ask(uint64_t there, uint64_t back)
{
    fake_wait(core, CLOCKS_SOON_MS);
    pass(there);
    ends_deliver(&ends);
    pass(back);
    ends_settle(&ends);
    fake_wait(core, CLOCKS_WAIT_MS); /* the others do not say */
}

static bool read_n1(struct clocks_reading *reading)
{
    const struct node_id id = end_id(1);

    return clocks_read(core->clocks, node_id_u64(&id), reading);
}

static void the_fastest_answer_counts(void **state)
{
    struct clocks_reading reading;
    (void)state;

    assert_false(read_n1(&reading));
    ask(400, 200);
    assert_true(read_n1(&reading));
    assert_int_equal(reading.rtt_us, 600);
    assert_int_equal(reading.ahead_us, ahead + 100); /* half of 600 is 300 */
    ask(30, 30);
    ask(5000, 0);
    assert_true(read_n1(&reading));
    assert_int_equal(reading.rtt_us, 60);
    assert_int_equal(reading.ahead_us, ahead);
}

static void old_answers_and_old_nodes_are_forgotten(void **state)
{
    struct clocks_reading reading;
    (void)state;

    ask(30, 30);
    for (int i = 0; i < CLOCKS_KEPT; i++) {
        core->stats.links ^= 1; /* asks soon again */
        ask(100, 100);
    }
    assert_true(read_n1(&reading));
    assert_int_equal(reading.rtt_us, 200);
    ends.at[1].deaf = true;
    for (int i = 0; i <= CLOCKS_KEPT; i++) {
        core->stats.links ^= 1;
        fake_wait(core, CLOCKS_SOON_MS);
        ends_settle(&ends);
        fake_wait(core, CLOCKS_WAIT_MS);
    }
    assert_false(read_n1(&reading));
    assert_int_equal(core->stats.calls_unanswered, 0);
}

static void nobody_is_asked_often_for_long(void **state)
{
    size_t asked = 0;
    (void)state;

    for (int s = 0; s < 60; s++) {
        fake_wait(core, 1000);
        asked += ends.letters_len > 0;
        ends_settle(&ends);
    }
    assert_in_range(asked, CLOCKS_SOON + 4, CLOCKS_SOON + 6);
}

/* In a large cluster somebody always comes or goes. */
static void many_are_not_asked_more_often_for_a_change(void **state)
{
    size_t asked = 0;
    (void)state;

    for (size_t s = 0; s < 60; s++) {
        core->stats.links = CLOCKS_SOON_LINKS + 1 + s % 2;
        fake_wait(core, 1000);
        asked += ends.letters_len > 0;
        ends_settle(&ends);
    }
    assert_in_range(asked, 5, 7);
}

static void a_short_answer_says_nothing(void **state)
{
    struct clocks_reading reading;
    (void)state;

    calls_serve(ends.at[1].calls, CALL_CLOCK, NULL, NULL);
    ask(30, 30);
    assert_false(read_n1(&reading));
    assert_false(clocks_read(NULL, 1, &reading));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(the_fastest_answer_counts),
        TEST(old_answers_and_old_nodes_are_forgotten),
        TEST(nobody_is_asked_often_for_long),
        TEST(many_are_not_asked_more_often_for_a_change),
        TEST(a_short_answer_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
