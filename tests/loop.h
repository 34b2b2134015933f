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

#include "node/conn/sockaddr.h"

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

static inline bool loop_can_bind(const struct addr *addr, int type)
{
    struct sockaddr_storage where;
    int fd = socket(AF_INET, type, 0);

    assert_true(fd >= 0);
    sockaddr_write(addr, &where);
    int rc = bind(fd, (struct sockaddr *)&where, sizeof(struct sockaddr_in));
    close(fd);
    return rc == 0;
}

/* 127.0.0.1 and a port that was free a moment ago, for TCP and UDP, with the
 * next one: what a node needs for its cluster. Below the range from which
 * outgoing connections, of tests that run beside this one, take theirs. */
static inline struct addr loop_free_addr(void)
{
    enum {
        LEAST = 10000,
        MOST = 32000
    };
    static uint32_t at; /* from a random place on: never one twice */
    struct addr addr = {.port = 0};

    memcpy(addr.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", sizeof addr.ip);
    if (at == 0) {
        assert_int_equal(uv_random(NULL, NULL, &at, sizeof at, 0, NULL), 0);
    }
    for (int i = 0; i < 1000; i++) {
        at += 2;
        addr.port = (uint16_t)(LEAST + at % (MOST - LEAST));
        struct addr next = addr;
        next.port++;
        if (loop_can_bind(&addr, SOCK_STREAM) &&
            loop_can_bind(&addr, SOCK_DGRAM) &&
            loop_can_bind(&next, SOCK_STREAM)) {
            return addr;
        }
    }
    fail_msg("no free ports");
    return addr;
}

#endif
