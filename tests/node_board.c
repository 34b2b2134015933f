/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "node/board.h"
#include "node/watch/view.h"

enum {
    WORKERS = 3,
    ROUNDS = 300,
};

static struct board *board;
static atomic_uint woken[WORKERS];

static void wake(void *data)
{
    atomic_uint *count = data;

    atomic_fetch_add(count, 1);
}

static struct view view_with(uint64_t published)
{
    return (struct view){.stats.published = published, .ready = true};
}

static int setup(void **state)
{
    (void)state;

    board = board_new(WORKERS);
    assert_non_null(board);
    assert_int_equal(board_len(board), WORKERS);
    for (size_t i = 0; i < WORKERS; i++) {
        woken[i] = 0;
        board_join(board, i, wake, &woken[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_free(board);
    return 0;
}

static void show(size_t worker, uint64_t published)
{
    struct view view = view_with(published);
    uint64_t number = board_wanted(board, worker);

    assert_true(number > 0);
    board_show(board, worker, number, &view);
}

static void an_answer_is_whole_when_all_others_have_shown(void **state)
{
    struct view view;
    (void)state;

    assert_int_equal(board_wanted(board, 1), 0);
    uint64_t number = board_ask(board, 0);
    assert_int_equal(woken[0], 0);
    assert_int_equal(woken[1], 1);
    assert_int_equal(woken[2], 1);
    show(1, 5);
    assert_int_equal(woken[0], 1);
    assert_int_equal(board_wanted(board, 1), 0);
    assert_false(board_has_shown(board, 0, number));
    board_read(board, 2, number, &view);
    assert_true(view.silent);
    show(2, 6);
    assert_int_equal(woken[0], 2);
    assert_true(board_has_shown(board, 0, number));
    board_read(board, 2, number, &view);
    assert_false(view.silent);
    assert_int_equal(view.stats.published, 6);
}

/* What was asked after a worker looked at itself is not answered by that. */
static void a_view_is_never_older_than_what_asked_for_it(void **state)
{
    struct view old = view_with(1);
    struct view view;
    (void)state;

    uint64_t first = board_ask(board, 0);
    uint64_t wanted = board_wanted(board, 1);
    uint64_t second = board_ask(board, 2);
    board_show(board, 1, wanted, &old);
    assert_true(wanted >= first && wanted < second);
    board_read(board, 1, second, &view);
    assert_true(view.silent);
    assert_int_equal(board_wanted(board, 1), second);
}

static void who_rests_is_not_woken(void **state)
{
    (void)state;

    (void)board_ask(board, 0);
    board_rest(board, 0);
    show(1, 1);
    assert_int_equal(woken[0], 0);
}

/* One that has stopped holds nobody up; its last words stay. */
static void all_are_drained_when_each_that_is_there_is(void **state)
{
    (void)state;

    assert_true(board_is_drained(NULL));
    board_drain(board, 0);
    board_drain(board, 1);
    assert_false(board_is_drained(board));
    board_leave(board, 2);
    assert_true(board_is_drained(board));
}

static void who_left_has_said_all(void **state)
{
    struct view last = view_with(9);
    struct view view;
    (void)state;

    board_leave(board, 2);
    board_say(board, 2, &last);
    uint64_t number = board_ask(board, 0);
    assert_int_equal(woken[2], 0);
    show(1, 1);
    assert_true(board_has_shown(board, 0, number));
    board_read(board, 2, number, &view);
    assert_false(view.silent);
    assert_int_equal(view.stats.published, 9);
}

/* One that has not started does not, either, and owes nothing when it comes. */
static void who_comes_owes_nothing(void **state)
{
    struct view view = view_with(1);
    struct board *empty = board_new(2);
    (void)state;

    assert_non_null(empty);
    board_join(empty, 0, wake, &woken[0]);
    board_say(empty, 1, &view);
    uint64_t number = board_ask(empty, 0);
    assert_true(board_has_shown(empty, 0, number));
    board_join(empty, 1, wake, &woken[1]);
    assert_true(board_has_shown(empty, 0, number));
    assert_int_equal(board_wanted(empty, 1), 0);
    board_read(empty, 1, number, &view);
    assert_int_equal(view.stats.published, 1);
    assert_false(view.silent);
    board_free(empty);
}

/* --- threads --- */

static atomic_uint done;

/* Each asks and answers, as a loop does; what it reads of the others is not of
 * before its ask. */
static void *live(void *data)
{
    static atomic_uint_fast64_t clock;
    size_t self = (size_t)((atomic_uint *)data - woken);
    uint64_t asked_at = 0;
    uint64_t number = 0;
    unsigned rounds = 0;

    while (atomic_load(&done) < WORKERS) {
        uint64_t wanted = board_wanted(board, self);
        if (wanted > 0) {
            struct view view = view_with(atomic_fetch_add(&clock, 1));
            board_show(board, self, wanted, &view);
        }
        if (number == 0 && rounds < ROUNDS) {
            asked_at = atomic_fetch_add(&clock, 1);
            number = board_ask(board, self);
        }
        if (number > 0 && board_has_shown(board, self, number)) {
            for (size_t i = 0; i < WORKERS; i++) {
                struct view view;
                board_read(board, i, number, &view);
                assert_true(i == self ||
                            (!view.silent && view.stats.published > asked_at));
            }
            number = 0;
            atomic_fetch_add(&done, ++rounds == ROUNDS);
        }
    }
    return NULL;
}

static void workers_on_threads_answer_each_other(void **state)
{
    pthread_t threads[WORKERS];
    (void)state;

    done = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, live, &woken[i]), 0);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

/* --- what all of them are together --- */

static void a_sum_of_views_is_ready_when_all_are(void **state)
{
    struct view all[WORKERS] = {
        {.name = "n.1"}, {.name = "n.2"}, {.name = "n.3"}};
    struct view sum;
    (void)state;

    for (size_t i = 0; i < WORKERS; i++) {
        all[i].ready = true;
        all[i].links_up = 4 - i;
        all[i].links_of = 4;
        all[i].uptime_ms = 10 * i;
        all[i].stats = (struct stats){.conns = 2, .loop_lag_ms = 5 * i};
    }
    view_sum(all, WORKERS, 1, &sum);
    assert_string_equal(sum.name, "n.2");
    assert_true(sum.ready);
    assert_string_equal(sum.why, "");
    assert_int_equal(sum.links_up, 2);
    assert_int_equal(sum.links_of, 4);
    assert_int_equal(sum.uptime_ms, 20);
    assert_int_equal(sum.stats.conns, 6);
    assert_int_equal(sum.stats.loop_lag_ms, 10);

    strcpy(all[2].why, "starting");
    all[2].ready = false;
    all[2].alone = true;
    view_sum(all, WORKERS, 0, &sum);
    assert_false(sum.ready);
    assert_true(sum.alone);
    assert_string_equal(sum.why, "worker 3: starting");

    all[1].silent = true;
    view_sum(all, WORKERS, 0, &sum);
    assert_false(sum.ready);
    assert_string_equal(sum.why, "worker 2: does not answer");

    view_sum(&all[2], 1, 0, &sum);
    assert_string_equal(sum.why, "starting"); /* of one there is no name */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            an_answer_is_whole_when_all_others_have_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_view_is_never_older_than_what_asked_for_it, setup, teardown),
        cmocka_unit_test_setup_teardown(who_rests_is_not_woken, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            all_are_drained_when_each_that_is_there_is, setup, teardown),
        cmocka_unit_test_setup_teardown(who_left_has_said_all, setup, teardown),
        cmocka_unit_test_setup_teardown(who_comes_owes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(workers_on_threads_answer_each_other,
                                        setup, teardown),
        cmocka_unit_test(a_sum_of_views_is_ready_when_all_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
