/* SPDX-License-Identifier: Apache-2.0
 *
 * Conns that speak TLS, over real sockets (node/conn/secure.h).
 */
#include "tests/users.h"

#include "node/conn/tcp.h"
#include "node/conn/tls.h"
#include "proto/err.h"
#include "tests/certificate.h"

enum {
    DAY_S = 86400
};

/* A user with TLS. */
struct talker {
    struct user *user;
    struct tls *tls;
    struct buf out; /* to be sent */
    struct buf plain;
    size_t want; /* of loop_until() */
    bool failed;
};

static struct talker talkers[CLIENTS_MAX];
static const struct certificate *certificate;
static struct tls_context *trusting;
static uint64_t skipped_ns; /* what the clock was told to leave out */
static uint64_t each_ns;    /* leaves out so much whenever it is asked */

uint64_t __real_uv_hrtime(void);
uint64_t __wrap_uv_hrtime(void);

uint64_t __wrap_uv_hrtime(void)
{
    skipped_ns += each_ns;
    return __real_uv_hrtime() + skipped_ns;
}

static void serve(const struct certificate *shown)
{
    char why[TLS_WHY_MAX];
    struct tls_context *context;

    assert_int_equal(tls_serve(&context, shown->cert, shown->key, why), 0);
    assert_int_equal(conns_serve_tls(conns, context), 0);
}

static int setup_tls(void **state)
{
    char why[TLS_WHY_MAX];

    static struct log silent;

    (void)setup(state);
    core.log = &silent;
    each_ns = 0;
    certificate = certificate_make(-DAY_S, DAY_S);
    serve(certificate);
    assert_int_equal(tls_trust(&trusting, certificate->cert, why), 0);
    memset(talkers, 0, sizeof talkers);
    return 0;
}

static int teardown_tls(void **state)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        tls_free(talkers[i].tls);
        buf_fini(&talkers[i].out);
        buf_fini(&talkers[i].plain);
    }
    tls_context_free(trusting);
    (void)teardown(state);
    assert_int_equal(core.stats.tls_conns, 0);
    assert_int_equal(core.sealed_len, 0);
    return certificates_forget(state);
}

/* Takes what came and sends what the socket takes of what is to be said. */
static void pump(struct talker *t)
{
    static uint8_t plain[1 << 16];
    struct bytes in = buf_bytes(&t->user->in);
    ptrdiff_t n;

    do {
        n = tls_read(t->tls, &in, plain, sizeof plain, &t->out);
        if (n > 0) {
            buf_add(&t->plain, plain, (size_t)n);
        }
    } while (n > 0);
    t->failed = t->failed || n < 0;
    buf_reset(&t->user->in);
    buf_drop(&t->out, send_some(t->user, buf_bytes(&t->out)));
}

static bool has_plain(void *data)
{
    struct talker *t = data;

    hear(t->user);
    pump(t);
    return t->failed || t->user->ended ||
           (t->plain.len >= t->want && t->out.len == 0);
}

static void until_plain(struct talker *t, size_t want)
{
    t->want = want;
    loop_until(&loop, has_plain, on_turn, t);
}

static bool has_shaken(void *data)
{
    struct talker *t = data;

    return has_plain(t) && (tls_is_shaken(t->tls) || t->failed);
}

static void whisper(struct talker *t, struct bytes text)
{
    assert_int_equal(tls_write(t->tls, text, &t->out), 0);
    pump(t);
}

/* Connects and says hello, no more. */
static struct talker *knock(size_t i)
{
    struct talker *t = &talkers[i];

    t->user = connect_user(i);
    t->tls = tls_new(trusting, "localhost");
    assert_non_null(t->tls);
    pump(t);
    return t;
}

static struct talker *connect_talker(size_t i)
{
    struct talker *t = knock(i);

    loop_until(&loop, has_shaken, on_turn, t);
    assert_true(tls_is_shaken(t->tls));
    return t;
}

static void a_byte_door_talks_over_tls(void **state)
{
    struct talker *t = connect_talker(0);
    (void)state;

    whisper(t, BYTES("echo\nhel"));
    until_plain(t, 5);
    whisper(t, BYTES("lo\n"));
    until_plain(t, 11);
    assert_bytes(buf_bytes(&t->plain), "echo\nhello\n");
    assert_true(core.clients->conn->tls);
    assert_int_equal(core.stats.tls_conns, 1);
    assert_int_equal(core.stats.tls_handshakes, 1);
    assert_int_equal(core.stats.bytes_in, 11);
    assert_int_equal(core.stats.bytes_out, 11);
}

static void http_is_found_inside(void **state)
{
    struct talker *t = connect_talker(0);
    (void)state;

    whisper(t, BYTES("GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    until_plain(t, 15);
    assert_true(bytes_starts(buf_bytes(&t->plain), BYTES("HTTP/1.1 200 ")));
}

static void who_speaks_plainly_is_served_beside(void **state)
{
    struct user *user = connect_user(1);
    struct talker *t = connect_talker(0);
    (void)state;

    say(user, "echo\n");
    until_heard(user, 5);
    whisper(t, BYTES("echo\n"));
    until_plain(t, 5);
    assert_int_equal(core.stats.conns, 2);
    assert_int_equal(core.stats.tls_conns, 1);
}

/* After its first bytes a 0x16 is like any other. */
static void a_later_byte_begins_nothing(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    say(user, "echo\n");
    until_heard(user, 5);
    say(user, "\x16\3\1\n");
    until_heard(user, 9);
    assert_bytes(buf_bytes(&user->in), "echo\n\x16\3\1\n");
    assert_int_equal(core.stats.tls_conns, 0);
}

static void byte_by_byte_is_the_same(void **state)
{
    struct talker *t = &talkers[0];
    bool said = false;
    (void)state;

    t->user = connect_user(0);
    t->tls = tls_new(trusting, "localhost");
    for (uint64_t sent = 0; t->plain.len < 5; sent++) {
        struct buf out;
        hear(t->user);
        out = t->out;
        t->out = (struct buf){0};
        pump(t);
        buf_add_bytes(&out, buf_bytes(&t->out));
        buf_fini(&t->out);
        t->out = out;
        if (tls_is_shaken(t->tls) && !said) {
            said = true;
            assert_int_equal(tls_write(t->tls, BYTES("echo\n"), &t->out), 0);
        }
        if (t->out.len > 0) {
            assert_int_equal(send_some(t->user, bytes_of(t->out.p, 1)), 1);
            buf_drop(&t->out, 1);
        }
        uv_run(&loop, UV_RUN_NOWAIT);
        on_turn(NULL);
        assert_true(sent < 100000);
    }
    assert_bytes(buf_bytes(&t->plain), "echo\n");
}

static void fill(uint8_t *p, size_t len, uint32_t from)
{
    for (size_t i = 0; i < len; i++) {
        p[i] = (uint8_t)((from + i) * 2654435761u >> 24);
    }
}

/* Sealed once, kept where the socket took half a record, and counted. */
static void what_the_socket_does_not_take_waits_in_order(void **state)
{
    enum {
        PIECE = 100000,
        PIECES = 150
    };
    static uint8_t piece[PIECE];
    struct talker *t = connect_talker(0);
    (void)state;

    whisper(t, BYTES("echo\n"));
    until_plain(t, 5);
    struct client *client = core.clients;
    t->plain.max = PIECES * (PIECE + 10);
    for (uint32_t i = 0; i < PIECES; i++) {
        fill(piece, PIECE, i * PIECE);
        client_write(client, bytes_of(piece, PIECE));
        client_write(client, BYTES("."));
    }
    conns_end_turn(conns);
    assert_true(client->out.queued > 0); /* the socket is full */
    assert_in_range(core.sealed_len, 1, 66000);
    until_plain(t, 5 + PIECES * (PIECE + 1));
    assert_int_equal(t->plain.len, 5 + PIECES * (PIECE + 1));
    for (uint32_t i = 0; i < PIECES; i++) {
        const uint8_t *at = t->plain.p + 5 + i * (size_t)(PIECE + 1);
        fill(piece, PIECE, i * PIECE);
        assert_memory_equal(at, piece, PIECE);
        assert_int_equal(at[PIECE], '.');
    }
    assert_true(outq_is_empty(&client->out));
    assert_int_equal(core.sealed_len, 0);
}

/* Nobody can drop what is sealed, so who makes it too much goes. */
static void what_is_sealed_has_a_bound(void **state)
{
    static uint8_t piece[8 << 20];
    struct talker *good = connect_talker(0);
    struct talker *slow = connect_talker(1);
    (void)state;

    whisper(good, BYTES("echo\n"));
    until_plain(good, 5);
    whisper(slow, BYTES("echo\n"));
    until_plain(slow, 5);
    core.limits.memory_len = 16;
    client_write(core.clients, bytes_of(piece, sizeof piece));
    conns_end_turn(conns);
    assert_int_equal(core.sealed_len, 0);
    assert_int_equal(core.stats.conns, 1);
    whisper(good, BYTES("more\n"));
    until_plain(good, 10);
    assert_bytes(buf_bytes(&good->plain), "echo\nmore\n");
}

/* As a FIN without TLS: what it asked is still answered, and its reader hears
 * our end. */
static void who_ends_its_side_still_gets_its_answer(void **state)
{
    struct talker *t = connect_talker(0);
    (void)state;

    whisper(t, BYTES("echo\nlast words\n"));
    tls_end(t->tls, &t->out);
    until_plain(t, SIZE_MAX);
    assert_bytes(buf_bytes(&t->plain), "echo\nlast words\n");
    assert_true(tls_has_ended(t->tls));
    assert_false(t->user->reset);
    until_open(0);
    assert_int_equal(table_seen.closed, 1);
}

static void our_end_is_said(void **state)
{
    struct talker *t = connect_talker(0);
    (void)state;

    whisper(t, BYTES("echo\nbye\n"));
    until_plain(t, SIZE_MAX);
    assert_bytes(buf_bytes(&t->plain), "echo\nbye\n");
    assert_true(tls_has_ended(t->tls));
    assert_false(t->user->reset);
}

/* Without deadlines: nothing ends by lingering too long. */
static void on_timeless_turn(void *data)
{
    (void)data;
    conns_enter(conns);
    conns_end_turn(conns);
}

/* The last words are behind what the socket does not take yet. */
static void our_end_waits_for_the_socket(void **state)
{
    static uint8_t piece[32 << 10];
    struct talker *t = connect_talker(0);
    size_t written = 5;
    (void)state;

    whisper(t, BYTES("echo\n"));
    until_plain(t, 5);
    while (core.sealed_len == 0) {
        client_write(core.clients, bytes_of(piece, sizeof piece));
        conns_end_turn(conns);
        written += sizeof piece;
    }
    assert_true(outq_is_empty(&core.clients->out));
    client_close(core.clients, 0);
    conns_end_turn(conns);
    assert_true(core.sealed_len > 0);
    t->want = SIZE_MAX;
    loop_until(&loop, has_plain, on_timeless_turn, t);
    assert_int_equal(t->plain.len, written);
    assert_true(tls_has_ended(t->tls));
}

static void garbage_ends_only_who_says_it(void **state)
{
    struct talker *good = connect_talker(0);
    struct talker *bad = connect_talker(1);
    (void)state;

    whisper(good, BYTES("echo\n"));
    whisper(bad, BYTES("echo\n"));
    until_plain(good, 5);
    until_plain(bad, 5);
    say(bad->user, "GET / HTTP/1.1\r\n\r\n");
    until_plain(bad, SIZE_MAX);
    assert_true(bad->failed); /* by the alert */
    assert_false(bad->user->reset);
    close(bad->user->fd);
    bad->user->fd = -1;
    until_open(1);
    whisper(good, BYTES("more\n"));
    until_plain(good, 10);
    assert_bytes(buf_bytes(&good->plain), "echo\nmore\n");
}

static void a_hello_that_is_none_hears_an_alert(void **state)
{
    struct user *user = connect_user(0);
    (void)state;

    assert_int_equal(send_some(user, BYTES("\x16\3\1\0\4\x2a\0\0\0")), 9);
    until_heard(user, SIZE_MAX);
    assert_true(user->in.len > 0 && user->in.p[0] == 0x15);
    assert_int_equal(core.stats.tls_failed, 0); /* counted when it is gone */
    close(user->fd);
    user->fd = -1;
    until_open(0);
    assert_int_equal(core.stats.tls_failed, 1);
    assert_int_equal(core.stats.tls_handshakes, 0);
}

static void a_handshake_that_stalls_is_closed(void **state)
{
    (void)state;

    core.limits.hello_ms = 100;
    say(connect_user(0), "\x16");
    (void)knock(1); /* and hears the answer, and says nothing */
    until_open(2);
    until_open(0);
    assert_int_equal(core.stats.hello_timeouts, 2);
    assert_int_equal(core.stats.tls_failed, 2);
}

static void a_hello_may_not_be_longer_than_allowed(void **state)
{
    static char record[5 + 16384] = "\x16\3\1\x40\0\1\0\xff\xff";
    struct user *user = connect_user(0);
    (void)state;

    core.auth.insecure = false;
    assert_true(send_some(user, bytes_of(record, sizeof record)) > 0);
    until_heard(user, SIZE_MAX);
    until_open(0);
    assert_int_equal(core.stats.hello_timeouts, 0);
}

/* 0x16 and then nothing but questions: each answer waits for who never reads.
 */
static void who_was_shaken_has_the_same_bounds(void **state)
{
    struct talker *t = connect_talker(0);
    static uint8_t text[3 << 10];
    (void)state;

    core.auth.insecure = false;
    memset(text, 'x', sizeof text);
    memcpy(text, "echo\n", 5);
    whisper(t, bytes_of(text, sizeof text));
    until_plain(t, 5);
    for (int i = 0; i < 8 && !t->user->ended; i++) {
        whisper(t, bytes_of(text, sizeof text));
        until_plain(t, 5);
    }
    until_plain(t, SIZE_MAX);
    until_open(0);
}

/* The old certificate goes on, the new one is shown from now on. */
static void a_new_certificate_is_for_new_conns(void **state)
{
    struct talker *before = connect_talker(0);
    const struct certificate *next = certificate_make(-DAY_S, DAY_S);
    char why[TLS_WHY_MAX];
    (void)state;

    whisper(before, BYTES("echo\n"));
    until_plain(before, 5);
    struct talker *between = knock(1);
    uv_run(&loop, UV_RUN_NOWAIT);
    on_turn(NULL);
    serve(next);
    loop_until(&loop, has_shaken, on_turn, between);
    struct talker *after = knock(2);
    loop_until(&loop, has_shaken, on_turn, after);
    assert_true(after->failed); /* it trusts only the old one */
    tls_context_free(trusting);
    assert_int_equal(tls_trust(&trusting, next->cert, why), 0);
    struct talker *last = connect_talker(3);
    whisper(last, BYTES("echo\n"));
    until_plain(last, 5);
    whisper(before, BYTES("more\n"));
    until_plain(before, 10);
    assert_bytes(buf_bytes(&before->plain), "echo\nmore\n");
}

/* Each costs more than a turn may spend, so each has a turn. */
static void handshakes_take_turns(void **state)
{
    size_t answered = 0;
    (void)state;

    each_ns = 10 * 1000000;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        (void)knock(i);
    }
    for (int turns = 0; answered < CLIENTS_MAX; turns++) {
        size_t before = answered;
        assert_true(turns < 100000);
        uv_run(&loop, UV_RUN_NOWAIT);
        on_turn(NULL);
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
            size_t had = users[i].in.len;
            hear(&users[i]);
            answered += had == 0 && users[i].in.len > 0;
        }
        assert_true(answered <= before + 1);
    }
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        loop_until(&loop, has_shaken, on_turn, &talkers[i]);
        whisper(&talkers[i], BYTES("echo\n"));
        until_plain(&talkers[i], 5);
    }
    assert_int_equal(core.stats.tls_handshakes, CLIENTS_MAX);
}

/* Those who waited and went leave no place in the queue. */
static void who_waits_for_its_turn_may_go(void **state)
{
    (void)state;

    each_ns = 10 * 1000000;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        (void)knock(i);
    }
    until_open(CLIENTS_MAX);
    uv_run(&loop, UV_RUN_NOWAIT);
    for (size_t i = 0; i < CLIENTS_MAX; i += 2) {
        close(users[i].fd);
        users[i].fd = -1;
    }
    for (size_t i = 1; i < CLIENTS_MAX; i += 2) {
        loop_until(&loop, has_shaken, on_turn, &talkers[i]);
    }
    until_open(CLIENTS_MAX / 2);
}

/* With a full queue of them the node can end. */
static void the_node_may_end_before_their_turn(void **state)
{
    (void)state;

    each_ns = 10 * 1000000;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        (void)knock(i);
    }
    until_open(CLIENTS_MAX);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_tls, teardown_tls)
    const struct CMUnitTest tests[] = {
        TEST(a_byte_door_talks_over_tls),
        TEST(http_is_found_inside),
        TEST(who_speaks_plainly_is_served_beside),
        TEST(a_later_byte_begins_nothing),
        TEST(byte_by_byte_is_the_same),
        TEST(what_the_socket_does_not_take_waits_in_order),
        TEST(what_is_sealed_has_a_bound),
        TEST(who_ends_its_side_still_gets_its_answer),
        TEST(our_end_is_said),
        TEST(our_end_waits_for_the_socket),
        TEST(garbage_ends_only_who_says_it),
        TEST(a_hello_that_is_none_hears_an_alert),
        TEST(a_handshake_that_stalls_is_closed),
        TEST(a_hello_may_not_be_longer_than_allowed),
        TEST(who_was_shaken_has_the_same_bounds),
        TEST(a_new_certificate_is_for_new_conns),
        TEST(handshakes_take_turns),
        TEST(who_waits_for_its_turn_may_go),
        TEST(the_node_may_end_before_their_turn),
    };
    return cmocka_run_group_tests(tests, certificates_begin, certificates_end);
}
