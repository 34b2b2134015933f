/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/users.h"

#include <netinet/tcp.h>

#include "node/conn/tcp.h"
#include "node/hub/chunk.h"
#include "proto/err.h"

static void a_byte_door_talks_over_a_socket(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    say(user, "echo\nhel");
    until_heard(user, 5);
    say(user, "lo\n");
    until_heard(user, 11);
    assert_bytes(buf_bytes(&user->in), "echo\nhello\n");
    assert_int_equal(core.stats.conns, 1);
    assert_int_equal(core.stats.bytes_in, 11);
    assert_int_equal(core.stats.bytes_out, 11);
}

static void a_user_that_ends_its_side_still_gets_its_answer(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    say(user, "echo\nlast words\n");
    shutdown(user->fd, SHUT_WR);
    until_heard(user, SIZE_MAX);
    assert_bytes(buf_bytes(&user->in), "echo\nlast words\n");
    assert_false(user->reset);
    until_open(0);
    assert_int_equal(table_seen.closed, 1);
    assert_int_equal(table_seen.cut, 1);
}

static bool has_ended(void *data)
{
    return ((const struct tcp *)data)->ended;
}

/* What it asked before the end waits for a pause, or for others. */
static void a_user_that_ends_its_side_in_a_pause_is_answered_first(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    say(user, "echo\nwait\nafter\n");
    shutdown(user->fd, SHUT_WR);
    until_heard(user, 10);
    struct conn *conn = core.clients->conn;
    loop_until(&loop, has_ended, on_turn, tcp_of(conn));
    assert_false(conn->closing);
    assert_int_equal(client_hold(conn->client, 1), 0);
    conn_pause(conn, false);
    on_turn(NULL);
    assert_false(conn->closing);
    client_fill(conn->client, 1, BYTES("held\n"));
    until_heard(user, SIZE_MAX);
    assert_bytes(buf_bytes(&user->in), "echo\nwait\nheld\nafter\n");
    assert_false(user->reset);
}

static void fill(uint8_t *p, size_t len, uint32_t from)
{
    for (size_t i = 0; i < len; i++) {
        p[i] = (uint8_t)((from + i) * 2654435761u >> 24);
    }
}

/* Ends without waiting for the answer of `count` pieces of 100 KB, of which no
 * two bytes may be lost or swapped. */
static void what_the_socket_does_not_take_waits_in_order(void **state)
{
    enum {
        PIECE = 100000,
        PIECES = 150
    };
    static uint8_t piece[PIECE];
    struct user *user = connect_user(0);
    (void)state;

    say(user, "echo\n");
    until_heard(user, 5);
    struct client *client = core.clients;
    for (uint32_t i = 0; i < PIECES; i++) {
        fill(piece, PIECE, i * PIECE);
        client_write(client, bytes_of(piece, PIECE));
        client_write(client, BYTES("."));
    }
    conns_end_turn(conns);
    assert_true(client->out.queued > 0); /* the socket is full */
    until_heard(user, 5 + PIECES * (PIECE + 1));
    assert_int_equal(user->in.len, 5 + PIECES * (PIECE + 1));
    for (uint32_t i = 0; i < PIECES; i++) {
        const uint8_t *at = user->in.p + 5 + i * (size_t)(PIECE + 1);
        fill(piece, PIECE, i * PIECE);
        assert_memory_equal(at, piece, PIECE);
        assert_int_equal(at[PIECE], '.');
    }
    assert_true(outq_is_empty(&client->out));
}

static void on_lost(void *data, const struct run *run)
{
    uint64_t *lost = data;

    *lost += run->len;
}

/* The slow policy drops whole runs; one that has begun stays. */
static void what_is_being_written_is_never_dropped(void **state)
{
    enum {
        LEN = 6 << 20
    };
    struct user *user = connect_user(0);
    uint64_t lost = 0;
    (void)state;

    say(user, "echo\n");
    until_heard(user, 5);
    struct client *client = core.clients;
    for (uint64_t seq = 1; seq <= 4; seq++) {
        struct chunk *chunk = chunk_new(&core.chunks, LEN);
        assert_non_null(chunk);
        memset(chunk->p, (int)('0' + seq), LEN);
        chunk->len = LEN;
        client_deliver(client, chunk, 0, LEN, seq, 1);
        chunk_unref(&core.chunks, chunk);
    }
    conns_write(&core);
    assert_true(client->out.queued > 0);
    outq_drop_items(&client->out, &core.chunks, on_lost, &lost);
    assert_true(lost > 0);
    until_heard(user, 5 + 4 * (size_t)LEN - lost);
    assert_int_equal(core.stats.bytes_out, user->in.len);
    assert_int_equal(lost % LEN, 0); /* no piece of one */
    assert_true(outq_is_empty(&client->out));
    assert_false(client->conn->closing);
}

static void the_last_words_arrive_although_input_is_unread(void **state)
{
    static char body[1 << 20];
    struct user *user = connect_user(0);
    size_t sent = 0;
    (void)state;

    memset(body, 'b', sizeof body);
    say(user, "POST /now HTTP/1.1\r\nHost: evil.example\r\n"
              "Content-Length: 1048576\r\n\r\n");
    while (sent < sizeof body) {
        size_t n = send_some(user, bytes_of(body + sent, sizeof body - sent));
        sent += n;
        if (n == 0) {
            until_heard(user, 1);
            uv_run(&loop, UV_RUN_NOWAIT);
        }
    }
    until_heard(user, SIZE_MAX);
    assert_false(user->reset);
    assert_true(bytes_starts(buf_bytes(&user->in), BYTES("HTTP/1.1 403 ")));
    close(user->fd);
    user->fd = -1;
    until_open(0);
}

static void later_answers_come_in_order_over_a_socket(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    say(user, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n"
              "GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n");
    while (table_seen.later == NULL) {
        until_heard(user, 0);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    table_answer();
    until_heard(user, 141);
    const char *text = (const char *)user->in.p;
    buf_add_u8(&user->in, '\0');
    assert_non_null(strstr(text, "later"));
    assert_non_null(strstr(strstr(text, "later"), "now GET"));
}

/* The bytes a door looks at stay until it returns. */
static void a_door_may_close_and_still_look_at_its_bytes(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    say(user, "echo\nby");
    until_read(7);
    say(user, "e\nand more\n");
    until_heard(user, SIZE_MAX);
    assert_bytes(buf_bytes(&user->in), "echo\nbye\n");
    assert_int_equal(table_seen.last_byte, 'b');
    assert_false(user->reset);
}

/* What a carrier sets after memory was too short to go on. */
static void a_closed_conn_leaves_no_deadline(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    say(user, "echo\n");
    until_heard(user, 5);
    struct conn *conn = core.clients->conn;
    conn_close(conn);
    assert_int_equal(
        deadline_set(&core.deadlines, &conn->deadline, core.now_ms + 1000), 0);
    conns_end_turn(conns);
    assert_int_equal(conns_len(conns), 0);
    assert_true(deadlines_next(&core.deadlines) == DEADLINE_NEVER);
}

static void a_drain_says_goodbye_and_ends(void **state)
{
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        say(connect_user(i), "echo\n");
        until_heard(&users[i], 5);
    }
    assert_int_equal(conns_drain(conns, 2), 3);
    (void)conns_drain(conns, 2);
    for (size_t i = 0; i < 3; i++) {
        until_heard(&users[i], SIZE_MAX);
        assert_false(users[i].reset);
        close(users[i].fd);
        users[i].fd = -1;
    }
    until_open(0);
    assert_int_equal(table_seen.errors, 3);
    assert_int_equal(table_seen.last_error, ERR_CLOSING);
}

static void a_taken_address_is_a_conflict(void **state)
{
    struct addr addr = listener_addr(listener);
    struct listener *second = NULL;
    (void)state;

    assert_int_equal(
        listener_open(&second, &loop, conns, &addr, LISTENER_ALONE),
        ERR_CONFLICT);
    assert_null(second);
}

static void reset(struct user *user)
{
    const struct linger none = {.l_onoff = 1};

    assert_int_equal(
        setsockopt(user->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
    close(user->fd);
    user->fd = -1;
}

static void hang_up(struct user *user)
{
    close(user->fd);
    user->fd = -1;
}

static void who_ended_it_is_known_at_the_end(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    say(user, "echo\nbye\n"); /* the door closes */
    until_heard(user, SIZE_MAX);
    hang_up(user);
    until_open(0);
    assert_int_equal(table_seen.closed, 1);
    assert_int_equal(table_seen.cut, 0);
    user = connect_user(1);
    say(user, "echo\n");
    until_heard(user, 5);
    reset(user);
    until_open(0);
    assert_int_equal(table_seen.closed, 2);
    assert_int_equal(table_seen.cut, 1);
}

static void what_was_said_before_a_reset_is_heard(void **state)
{
    (void)state;

    say(connect_user(0), "echo\n");
    until_heard(&users[0], 5);
    say(&users[0], "last words\n");
    reset(&users[0]);
    until_read(16);
    until_open(0);
}

/* Of a conn that is not read, in a pause that lasts, nothing is waited for,
 * not even its end: the loop sleeps. */
static void a_reset_in_a_pause_does_not_turn_the_loop(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    say(user, "echo\nwait\n");
    until_heard(user, 5);
    struct conn *conn = core.clients->conn;
    conn->in_max = 0;
    say(user, "more\n");
    until_read(15);
    assert_true(tcp_of(conn)->stopped);
    reset(user);
    uint64_t end_ns = uv_hrtime() + 100 * 1000000ull;
    uint64_t turns = 0;
    uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, loop_on_tick, 5, 5);
    for (; uv_hrtime() < end_ns; turns++) {
        uv_run(&loop, UV_RUN_ONCE);
        on_turn(NULL);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    assert_in_range(turns, 1, 50);
    conn_pause(conn, false);
    until_open(0);
}

/* Set on the listening socket, once. */
static void accepted_sockets_have_all_options(void **state)
{
    static const struct {
        int level, name, least;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},         {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 60},       {IPPROTO_TCP, TCP_KEEPCNT, 10},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 1000}, {IPPROTO_TCP, TCP_KEEPINTVL, 1},
    };
    (void)state;

    say(connect_user(0), "echo\n");
    until_heard(&users[0], 5);
    int fd = tcp_of(core.clients->conn)->fd;
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        int value = 0;
        socklen_t len = sizeof value;
        assert_int_equal(
            getsockopt(fd, options[i].level, options[i].name, &value, &len), 0);
        assert_true(value >= options[i].least);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_byte_door_talks_over_a_socket),
        TEST(a_user_that_ends_its_side_still_gets_its_answer),
        TEST(a_user_that_ends_its_side_in_a_pause_is_answered_first),
        TEST(what_the_socket_does_not_take_waits_in_order),
        TEST(what_is_being_written_is_never_dropped),
        TEST(the_last_words_arrive_although_input_is_unread),
        TEST(later_answers_come_in_order_over_a_socket),
        TEST(a_door_may_close_and_still_look_at_its_bytes),
        TEST(a_closed_conn_leaves_no_deadline),
        TEST(what_was_said_before_a_reset_is_heard),
        TEST(a_reset_in_a_pause_does_not_turn_the_loop),
        TEST(accepted_sockets_have_all_options),
        TEST(a_drain_says_goodbye_and_ends),
        TEST(who_ended_it_is_known_at_the_end),
        TEST(a_taken_address_is_a_conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
