/* SPDX-License-Identifier: Apache-2.0
 *
 * What a connection may take of a node: time, input, output, places.
 */
#include "tests/users.h"

#include "node/conn/ips.h"
#include "node/conn/tcp.h"
#include "proto/err.h"

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
    const struct tcp *tcp = tcp_of(client->conn);
    assert_int_equal(tcp->rest->len, 6);
    while (client->out.queued > core.limits.out_soft_len) {
        assert_int_equal(tcp->rest->len, 6);
        static char part[10000];
        (void)recv(user->fd, part, sizeof part, 0);
        uv_run(&loop, UV_RUN_NOWAIT);
        on_turn(NULL);
    }
    assert_null(tcp->rest);
    assert_true(client->out.queued > 1 << 20);
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
        TEST(who_does_not_read_is_not_read),
        TEST(who_reads_again_is_read_again),
        TEST(silence_is_closed),
        TEST(more_than_the_limit_are_closed_at_accept),
        TEST(a_stranger_sends_little_and_is_sent_little),
        TEST(who_logs_out_begins_as_a_stranger),
        TEST(a_stranger_gains_nothing_by_logging_out),
        TEST(a_stranger_may_ask_ahead_but_not_be_sent_ahead),
        cmocka_unit_test(addresses_are_counted_each_on_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
