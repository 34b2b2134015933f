/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections over real sockets on loopback, in one process and one loop: the
 * test is the client, with sockets that never block.
 */
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "node/chunk.h"
#include "node/conns.h"
#include "node/ips.h"
#include "node/tcp.h"
#include "proto/err.h"
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

static void on_turn(void *data)
{
    (void)data;
    conns_enter(conns);
    deadlines_run(&core.deadlines, core.now_ms);
    conns_end_turn(conns);
}

static int setup(void **state)
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
    assert_int_equal(listener_open(&listener, &loop, conns, &any), 0);
    on_turn(NULL);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        users[i] = (struct user){.fd = -1};
    }
    return 0;
}

static int teardown(void **state)
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

static struct user *connect_user(size_t i)
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
static size_t send_some(const struct user *user, struct bytes bytes)
{
    ssize_t n = send(user->fd, bytes.p, bytes.len, MSG_NOSIGNAL);

    return n < 0 ? 0 : (size_t)n;
}

static void say(const struct user *user, const char *text)
{
    assert_int_equal(send_some(user, bytes_str(text)), strlen(text));
}

static void hear(struct user *user)
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

static bool has_heard(void *data)
{
    struct user *user = data;

    hear(user);
    return user->ended || user->in.len >= user->want;
}

/* Runs until the user has that many bytes or the end. */
static void until_heard(struct user *user, size_t want)
{
    user->want = want;
    loop_until(&loop, has_heard, on_turn, user);
}

static bool is_open(void *data)
{
    return conns_len(conns) == *(size_t *)data;
}

static void until_open(size_t count)
{
    loop_until(&loop, is_open, on_turn, &count);
}

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

/* The slow policy drops whole runs; the one that libuv is writing stays. */
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

static bool is_stuck(void *data)
{
    uint64_t *seen = data;
    bool same = core.stats.bytes_in == seen[0];

    seen[0] = core.stats.bytes_in;
    seen[1] = same ? seen[1] + 1 : 0;
    return seen[1] > 20;
}

static void who_does_not_read_is_not_read(void **state)
{
    enum {
        LEN = 24 << 20
    };
    struct user *user = connect_user(0);
    uint8_t *text = malloc(LEN);
    size_t sent = 0;
    uint64_t seen[2] = {0};
    (void)state;

    assert_non_null(text);
    memset(text, 'x', LEN);
    for (size_t i = 99; i < LEN; i += 100) {
        text[i] = '\n';
    }
    say(user, "echo\n");
    for (size_t n = 1; n > 0;) {
        n = send_some(user, bytes_of(text + sent, LEN - sent));
        sent += n;
        loop_until(&loop, is_stuck, on_turn, seen);
        seen[1] = 0;
    }
    assert_true(sent < LEN);
    assert_true(core.clients->out.queued <
                core.limits.out_soft_len + 2 * CONNS_READ_LEN);
    assert_true(core.stats.bytes_in < LEN / 2);
    while (user->in.len < 5 + sent / 100 * 100) {
        until_heard(user, user->in.len + 1); /* all that was asked, at last */
        assert_false(user->ended);
    }
    free(text);
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

static void silence_is_closed(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    core.limits.hello_ms = 100;
    until_heard(user, SIZE_MAX);
    assert_int_equal(user->in.len, 0);
    assert_int_equal(core.stats.hello_timeouts, 1);
    until_open(0);
}

static void more_than_the_limit_are_closed_at_accept(void **state)
{
    (void)state;

    core.limits.conns_per_ip = 2;
    connect_user(0);
    connect_user(1);
    until_open(2);
    struct user *third = connect_user(2);
    until_heard(third, SIZE_MAX);
    assert_int_equal(third->in.len, 0);
    assert_int_equal(core.stats.conns_refused, 1);
    close(users[0].fd);
    users[0].fd = -1;
    until_open(1);
    connect_user(3);
    until_open(2);
    assert_int_equal(core.stats.conns_refused, 1);
}

static void a_stranger_sends_little_and_is_sent_little(void **state)
{
    static char text[20000];
    struct user *user = connect_user(0);
    (void)state;

    core.auth.insecure = false;
    memset(text, 'x', sizeof text);
    say(user, "echo\n");
    (void)send_some(user, bytes_of(text, sizeof text));
    until_heard(user, SIZE_MAX);
    until_open(0);

    user = connect_user(1);
    say(user, "echo\n");
    until_heard(user, 5);
    for (int i = 0; i < 1000; i++) {
        client_write(core.clients, bytes_of(text, sizeof text));
    }
    conns_end_turn(conns);
    until_open(0);
}

static bool has_read(void *data)
{
    return core.stats.bytes_in >= *(const uint64_t *)data;
}

static void until_read(uint64_t bytes)
{
    loop_until(&loop, has_read, on_turn, &bytes);
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
    until_open(0);
    assert_true(deadlines_next(&core.deadlines) == DEADLINE_NEVER);
}

/* RESET of Redis: what it sent while it was known does not count. */
static void who_logs_out_begins_as_a_stranger(void **state)
{
    static char lines[30000];
    struct user *user = connect_user(0);
    (void)state;

    core.auth.insecure = false;
    memset(lines, 'x', sizeof lines);
    lines[sizeof lines - 1] = '\n';
    say(user, "echo\nlogin\n");
    until_heard(user, 11);
    assert_int_equal(send_some(user, bytes_of(lines, sizeof lines)),
                     sizeof lines);
    until_heard(user, 11 + sizeof lines);
    say(user, "logout\n");
    until_heard(user, 18 + sizeof lines);
    say(user, "again\n");
    until_heard(user, 24 + sizeof lines);
    assert_false(user->ended);
}

/* Only as long as it is one: the door closes a stranger that says more. */
static void a_stranger_gains_nothing_by_logging_out(void **state)
{
    static char lines[1000];
    struct user *user = connect_user(0);
    (void)state;

    core.auth.insecure = false;
    memset(lines, 'x', sizeof lines);
    memcpy(lines + sizeof lines - 8, "\nlogout\n", 8);
    lines[sizeof lines - 1] = '\n';
    say(user, "echo\n");
    for (size_t i = 0; i < 100 && !user->ended; i++) {
        (void)send_some(user, bytes_of(lines, sizeof lines));
        until_heard(user, user->in.len + 1);
    }
    assert_true(user->ended);
}

/* Pipelined requests of a stranger wait until it has read the answers; it is
 * not closed for them. */
static void a_stranger_may_ask_ahead_but_not_be_sent_ahead(void **state)
{
    static const char one[] = "GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n";
    enum {
        ONE_LEN = sizeof one - 1,
        COUNT = 500000
    };
    struct user *user = connect_user(0);
    uint8_t *all = malloc((size_t)ONE_LEN * COUNT);
    size_t sent = 0;
    uint64_t seen[2] = {0};
    (void)state;

    assert_non_null(all);
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(all + i * ONE_LEN, one, ONE_LEN);
    }
    core.auth.insecure = false;
    for (size_t n = 1; n > 0;) {
        n = send_some(user, bytes_of(all + sent, ONE_LEN * COUNT - sent));
        sent += n;
        loop_until(&loop, is_stuck, on_turn, seen);
        seen[1] = 0;
    }
    assert_true(sent < (size_t)ONE_LEN * COUNT); /* nobody reads it */
    assert_true(table_seen.most_queued <= core.limits.hello_out_len);
    while (table_seen.requests < (int)(sent / ONE_LEN)) {
        until_heard(user, user->in.len + 1);
        assert_false(user->ended);
    }
    free(all);
}

/* Who reads slowly but reads is heard as soon as little enough waits. */
static void who_reads_again_is_read_again(void **state)
{
    static uint8_t piece[100000];
    struct user *user = connect_user(0);
    (void)state;

    core.limits.out_soft_len = 4 << 20;
    say(user, "echo\n");
    until_heard(user, 5);
    struct client *client = core.clients;
    for (int i = 0; i < 150; i++) {
        client_write(client, bytes_of(piece, sizeof piece));
    }
    conns_end_turn(conns);
    assert_true(client->out.queued > core.limits.out_soft_len);
    say(user, "hello\n");
    until_read(11);
    const struct buf *rest = &tcp_of(client->conn)->rest;
    assert_int_equal(rest->len, 6);
    while (client->out.queued > core.limits.out_soft_len) {
        assert_int_equal(rest->len, 6);
        static char part[10000];
        (void)recv(user->fd, part, sizeof part, 0);
        uv_run(&loop, UV_RUN_NOWAIT);
        on_turn(NULL);
    }
    assert_int_equal(rest->len, 0);
    assert_true(client->out.queued > 1 << 20);
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

    assert_int_equal(listener_open(&second, &loop, conns, &addr), ERR_CONFLICT);
    assert_null(second);
}

static void addresses_are_counted_each_on_its_own(void **state)
{
    struct ips ips = {.key = {{1, 2, 3}}};
    struct addr addr = {.port = 1};
    uint64_t at = 0;
    (void)state;

    for (int i = 0; i < 5000; i++) { /* add and remove, some twice */
        at = hash_mix(at + 1);
        memcpy(addr.ip, &at, 8);
        assert_int_equal(ips_add(&ips, &addr, 2), 0);
        assert_int_equal(ips_add(&ips, &addr, 2), 0);
        assert_int_equal(ips_add(&ips, &addr, 2), ERR_LIMIT);
        addr.ip[15] = 7; /* the same /64 */
        assert_int_equal(ips_add(&ips, &addr, 2), ERR_LIMIT);
        addr.ip[15] = 0;
        if (i % 2 == 0) {
            ips_remove(&ips, &addr);
            ips_remove(&ips, &addr);
            assert_int_equal(ips_add(&ips, &addr, 1), 0);
        }
    }
    assert_int_equal(ips.len, 5000);
    at = 0;
    for (int i = 0; i < 5000; i++) {
        at = hash_mix(at + 1);
        memcpy(addr.ip, &at, 8);
        ips_remove(&ips, &addr);
        if (i % 2 == 1) {
            ips_remove(&ips, &addr);
        }
    }
    assert_int_equal(ips.len, 0);
    ips_fini(&ips);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_byte_door_talks_over_a_socket),
        TEST(a_user_that_ends_its_side_still_gets_its_answer),
        TEST(what_the_socket_does_not_take_waits_in_order),
        TEST(what_is_being_written_is_never_dropped),
        TEST(who_does_not_read_is_not_read),
        TEST(the_last_words_arrive_although_input_is_unread),
        TEST(later_answers_come_in_order_over_a_socket),
        TEST(silence_is_closed),
        TEST(more_than_the_limit_are_closed_at_accept),
        TEST(a_stranger_sends_little_and_is_sent_little),
        TEST(a_door_may_close_and_still_look_at_its_bytes),
        TEST(a_closed_conn_leaves_no_deadline),
        TEST(who_logs_out_begins_as_a_stranger),
        TEST(a_stranger_gains_nothing_by_logging_out),
        TEST(a_stranger_may_ask_ahead_but_not_be_sent_ahead),
        TEST(who_reads_again_is_read_again),
        TEST(a_drain_says_goodbye_and_ends),
        TEST(a_taken_address_is_a_conflict),
        cmocka_unit_test(addresses_are_counted_each_on_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
