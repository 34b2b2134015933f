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

/* --- a port for several --- */

/* Whoever comes to a shared port is given to one of those who listen on it. */
static void a_shared_port_takes_only_those_who_join_it(void **state)
{
    struct addr any;
    struct listener *first = NULL;
    struct listener *others[3] = {NULL};
    (void)state;

    assert_int_equal(addr_read(BYTES("127.0.0.1:0"), 0, &any), 0);
    assert_int_equal(listener_open(&first, &loop, conns, &any, LISTENER_FIRST),
                     0);
    struct addr addr = listener_addr(first);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct listener *none = NULL;
        assert_int_equal(
            listener_open(&none, &loop, conns, &addr, LISTENER_FIRST),
            ERR_CONFLICT);
        assert_int_equal(
            listener_open(&none, &loop, conns, &addr, LISTENER_ALONE),
            ERR_CONFLICT);
        assert_null(none);
        assert_int_equal(
            listener_open(&others[i], &loop, conns, &addr, LISTENER_NEXT), 0);
        assert_int_equal(listener_addr(others[i]).port, addr.port);
    }
    listener_close(first);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        listener_close(others[i]);
    }
}

static void a_port_that_one_has_alone_cannot_be_joined(void **state)
{
    struct addr addr = listener_addr(listener);
    struct listener *none = NULL;
    (void)state;

    assert_int_equal(listener_open(&none, &loop, conns, &addr, LISTENER_NEXT),
                     ERR_CONFLICT);
    assert_int_equal(listener_open(&none, &loop, conns, &addr, LISTENER_FIRST),
                     ERR_CONFLICT);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            without_memory_all_that_wait_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(without_files_accepting_pauses, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_shared_port_takes_only_those_who_join_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_port_that_one_has_alone_cannot_be_joined, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
