/* SPDX-License-Identifier: Apache-2.0
 *
 * Accepting when memory or files are short.
 */
#include "tests/test.h"

#include <sys/resource.h>

#include "tests/fail_malloc.h"
#include "tests/users.h"

static bool all_refused(void *data)
{
    (void)data;
    return core.stats.conns_refused == 3;
}

static bool has_paused(void *data)
{
    (void)data;
    return core.stats.accept_pauses > 0;
}

static void echo(struct user *user)
{
    say(user, "echo\n");
    until_heard(user, user->in.len + 5);
    assert_false(user->ended);
}

static void without_memory_all_that_wait_are_refused(void **state)
{
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        connect_user(i);
    }
    fail_malloc_always = true;
    uv_run(&loop, UV_RUN_NOWAIT);
    fail_malloc_always = false;
    loop_until(&loop, all_refused, on_turn, NULL);
    fail_malloc(0); /* and one alone */
    connect_user(3);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(fail_malloc_hit);
    struct user *next = connect_user(4);
    until_open(1);
    echo(next);
}

static uint64_t turns;

static void count_turn(uv_prepare_t *prepare)
{
    (void)prepare;
    turns++;
}

/* Nobody new for a while, no idle turning, and those who are here are served.
 */
static void without_files_accepting_pauses(void **state)
{
    struct user *first = connect_user(0);
    struct rlimit before;
    static uv_prepare_t prepare;
    (void)state;

    until_open(1);
    connect_user(1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = (rlim_t)first->fd,
                          .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    loop_until(&loop, has_paused, on_turn, NULL);
    echo(first);
    uv_prepare_init(&loop, &prepare);
    uv_prepare_start(&prepare, count_turn);
    uint64_t end_ns = uv_hrtime() + 500 * 1000000ull;
    while (uv_hrtime() < end_ns) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_in_range(turns, 1, 50);
    assert_int_equal(conns_len(conns), 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    until_open(2);
    echo(&users[1]);
    uv_close((uv_handle_t *)&prepare, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            without_memory_all_that_wait_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(without_files_accepting_pauses, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
