/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections over real sockets on loopback, in one process and one loop: the
 * test is the client, with sockets that never block.
 */
#ifndef TESTS_USERS_H
#define TESTS_USERS_H

#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "node/conn/conns.h"
#include "tests/loop.h"
#include "tests/table_doors.h"

enum {
    CLIENTS_MAX = 8
};

/* One end of a connection, as a user sees it. */
struct user {
    int fd;
    struct buf in;
    size_t want; /* of loop_until(): this many bytes, or the end */
    bool ended;
    bool reset;
};

static uv_loop_t loop;
static struct core core;
static struct conns *conns;
static struct listener *listener;
static struct user users[CLIENTS_MAX];

static inline void on_turn(void *data)
{
    (void)data;
    conns_enter(conns);
    deadlines_run(&core.deadlines, core.now_ms);
    conns_end_turn(conns);
}

static inline int setup(void **state)
{
    struct core_options options = {.limits = limits_default(),
                                   .name = "n1",
                                   .region = "eu",
                                   .id = {.b = {1}}};
    struct addr any;
    (void)state;

    table_reset();
    options.limits.out_hard_len = 64 << 20;
    options.limits.out_soft_len = 1 << 20;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(core_init(&core, &options), 0);
    assert_int_equal(conns_open(&conns, &loop, &core), 0);
    assert_int_equal(addr_read(BYTES("127.0.0.1:0"), 0, &any), 0);
    assert_int_equal(
        listener_open(&listener, &loop, conns, &any, LISTENER_ALONE), 0);
    on_turn(NULL);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        users[i] = (struct user){.fd = -1};
    }
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (users[i].fd >= 0) {
            close(users[i].fd);
        }
        buf_fini(&users[i].in);
    }
    listener_close(listener);
    conns_close(conns);
    loop_end(&loop);
    assert_int_equal(conns_len(conns), 0);
    assert_int_equal(core.stats.conns, 0);
    conns_free(conns);
    core_fini(&core);
    return 0;
}

static inline struct user *connect_user(size_t i)
{
    struct addr addr = listener_addr(listener);
    struct sockaddr_storage where;
    struct user *user = &users[i];

    sockaddr_write(&addr, &where);
    user->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(user->fd >= 0);
    assert_int_equal(connect(user->fd, (struct sockaddr *)&where,
                             sizeof(struct sockaddr_in)),
                     0);
    assert_int_equal(fcntl(user->fd, F_SETFL, O_NONBLOCK), 0);
    return user;
}

/* Sends what the socket takes; returns how much. */
static inline size_t send_some(const struct user *user, struct bytes bytes)
{
    ssize_t n = send(user->fd, bytes.p, bytes.len, MSG_NOSIGNAL);

    return n < 0 ? 0 : (size_t)n;
}

static inline void say(const struct user *user, const char *text)
{
    assert_int_equal(send_some(user, bytes_str(text)), strlen(text));
}

static inline void hear(struct user *user)
{
    static char part[1 << 16];
    ssize_t n;

    while (!user->ended && (n = recv(user->fd, part, sizeof part, 0)) >= 0) {
        buf_add(&user->in, part, (size_t)n);
        user->ended = n == 0;
    }
    if (!user->ended && errno != EAGAIN) {
        user->reset = true;
        user->ended = true;
    }
}

static inline bool has_heard(void *data)
{
    struct user *user = data;

    hear(user);
    return user->ended || user->in.len >= user->want;
}

/* Runs until the user has that many bytes or the end. */
static inline void until_heard(struct user *user, size_t want)
{
    user->want = want;
    loop_until(&loop, has_heard, on_turn, user);
}

static inline bool is_open(void *data)
{
    return conns_len(conns) == *(size_t *)data;
}

static inline void until_open(size_t count)
{
    loop_until(&loop, is_open, on_turn, &count);
}

static inline bool has_read(void *data)
{
    return core.stats.bytes_in >= *(const uint64_t *)data;
}

static inline void until_read(uint64_t bytes)
{
    loop_until(&loop, has_read, on_turn, &bytes);
}

#endif
