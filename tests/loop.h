/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests with a real loop: ports that are free, and waiting for a condition
 * with a deadline instead of sleeping.
 */
#ifndef TESTS_LOOP_H
#define TESTS_LOOP_H

#include "tests/test.h"

#include <unistd.h>
#include <uv.h>

#include "node/sockaddr.h"

enum {
    LOOP_DEADLINE_MS = 20000
};

static inline void loop_on_tick(uv_timer_t *timer)
{
    (void)timer; /* wakes the loop, so that the condition is looked at */
}

/* Runs the loop until done(data); fails the test at the deadline. `turn`, may
 * be NULL, is called after each turn. */
static inline void loop_until(uv_loop_t *loop, bool (*done)(void *data),
                              void (*turn)(void *data), void *data)
{
    uint64_t end_ns = uv_hrtime() + LOOP_DEADLINE_MS * 1000000ull;
    uv_timer_t timer;

    assert_int_equal(uv_timer_init(loop, &timer), 0);
    uv_timer_start(&timer, loop_on_tick, 5, 5);
    while (!done(data)) {
        if (uv_hrtime() > end_ns) {
            fail_msg("not within %d ms", LOOP_DEADLINE_MS);
        }
        uv_run(loop, UV_RUN_ONCE);
        if (turn != NULL) {
            turn(data);
        }
    }
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
}

/* Lets the loop close what is left; the loop must then be empty. */
static inline void loop_end(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

/* 127.0.0.1 and a port that was free a moment ago. */
static inline struct addr loop_free_addr(void)
{
    struct addr any = {.port = 0};
    struct sockaddr_storage where;
    socklen_t len = sizeof where;
    struct addr addr;

    memcpy(any.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", sizeof any.ip);
    sockaddr_write(&any, &where);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&where, sizeof(struct sockaddr_in)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &len), 0);
    addr = sockaddr_read((const struct sockaddr *)&where);
    close(fd);
    return addr;
}

#endif
