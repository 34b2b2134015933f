/* SPDX-License-Identifier: Apache-2.0
 *
 * The Redis door with several clients, the barrier, and at its bounds.
 */
#include "tests/test.h"

#include "tests/fail_malloc.h"
#include "tests/resp_talk.h"

/* C1: larger than a topic may be, but not larger than a request. */
static void a_very_long_name_is_refused_and_the_client_stays(void **state)
{
    static const char *const words[] = {"SUBSCRIBE", "PSUBSCRIBE", "PUBLISH"};
    static const size_t lens[] = {513, 64 << 10, 1 << 20};
    struct core core;
    struct buf in = {0};
    (void)state;

    fake_core_init(&core);
    struct fake_conn *conn = connect_to(&core);
    char *name = malloc(1 << 20);
    memset(name, 'x', 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(words) * ARRAY_LEN(lens); i++) {
        const char *word = words[i % ARRAY_LEN(words)];
        bool publish = word[1] == 'U' && word[0] == 'P';
        buf_reset(&in);
        resp_write_array(&in, publish ? 3 : 2);
        resp_write_bulk(&in, bytes_str(word));
        resp_write_bulk(&in, bytes_of(name, lens[i / ARRAY_LEN(words)]));
        if (publish) {
            resp_write_bulk(&in, BYTES("v"));
        }
        buf_add_str(&in, "PING\r\n");
        fake_conn_say(conn, buf_bytes(&in));
        fake_flush(&core);
        hears(conn, "-ERR invalid topic\r\n+PONG\r\n");
    }
    free(name);
    buf_fini(&in);
    fake_conn_free(conn);
    core_fini(&core);
}

static void the_pubsub_command_sees_this_node(void **state)
{
    struct core core;
    (void)state;

    fake_core_init(&core);
    struct fake_conn *a = connect_to(&core);
    struct fake_conn *b = connect_to(&core);
    say(a, "SUBSCRIBE ab\r\nSSUBSCRIBE ab\r\nPSUBSCRIBE a*\r\n");
    say(b, "PSUBSCRIBE a*\r\nPUNSUBSCRIBE a*\r\n");
    fake_conn_reset(b);

    say(b, "PUBSUB CHANNELS\r\n");
    hears(b, "*1\r\n$2\r\nab\r\n");
    say(b, "PUBSUB CHANNELS a?\r\n");
    hears(b, "*1\r\n$2\r\nab\r\n");
    say(b, "PUBSUB CHANNELS x*\r\n");
    hears(b, "*0\r\n");
    say(b, "PUBSUB SHARDCHANNELS\r\n");
    hears(b, "*1\r\n$2\r\nab\r\n");
    say(b, "PUBSUB CHANNELS a b\r\n");
    hears(b,
          "-ERR wrong number of arguments for 'pubsub|channels' command\r\n");
    say(b, "PUBSUB NUMSUB\r\n");
    hears(b, "*0\r\n");
    say(b, "PUBSUB NUMSUB ab zz\r\n");
    hears(b, "*4\r\n$2\r\nab\r\n:2\r\n$2\r\nzz\r\n:0\r\n");
    say(b, "PUBSUB SHARDNUMSUB ab\r\n");
    hears(b, "*2\r\n$2\r\nab\r\n:2\r\n");
    say(b, "PUBSUB NUMPAT\r\n");
    hears(b, ":1\r\n");
    say(b, "PUBSUB FOO\r\n");
    hears(b, "-ERR unknown subcommand 'FOO'. Try PUBSUB HELP.\r\n");
    say(b, "AUTH other t\r\nPUBSUB CHANNELS\r\nPUBSUB NUMSUB ab\r\n");
    hears(b, "+OK\r\n*0\r\n*2\r\n$2\r\nab\r\n:0\r\n");

    fake_conn_free(a);
    fake_conn_free(b);
    core_fini(&core);
}

static void caches_are_worlds_of_their_own(void **state)
{
    static const char *const refused =
        "-ERR AUTH to another cache is not allowed with live subscriptions\r\n";
    struct core core;
    (void)state;

    fake_core_init(&core);
    struct fake_conn *a = connect_to(&core);
    struct fake_conn *b = connect_to(&core);
    say(a, "HELLO 3 AUTH one t\r\nSUBSCRIBE x\r\n");
    fake_conn_reset(a);
    say(b, "PUBLISH x 1\r\nAUTH one t\r\nPUBLISH x 2\r\nAUTH t\r\n"
           "PUBLISH x 3\r\n");
    hears(b, ":0\r\n+OK\r\n:1\r\n+OK\r\n:0\r\n");
    hears(a, ">3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\n2\r\n");

    say(a, "AUTH two t\r\n");
    hears(a, refused);
    say(a, "HELLO 3 AUTH two t\r\n");
    hears(a, refused);
    say(a, "AUTH one t\r\n");
    hears(a, "+OK\r\n");
    fake_conn_free(a);
    fake_conn_free(b);
    core_fini(&core);
}

static void publishes_wait_for_the_gate(void **state)
{
    struct core core;
    (void)state;

    fake_core_init(&core);
    core.ready = false;
    struct fake_conn *conn = connect_to(&core);
    say(conn, "INFO persistence\r\n");
    hears(conn, "$49\r\n# Persistence\r\nloading:1\r\n"
                "loading_eta_seconds:1\r\n\r\n");
    say(conn, "PUBLISH a x\r\n");
    hears(conn, "-LOADING this node is still joining its cluster\r\n");
    say(conn, "SUBSCRIBE a\r\nUNSUBSCRIBE a\r\n");
    hears(conn, "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
                "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n");
    core.ready = true;
    say(conn, "PUBLISH a x\r\n");
    hears(conn, ":0\r\n");
    fake_conn_free(conn);
    core_fini(&core);
}

/* G1: what looks like protocol inside a value stays inside it; bytes that are
 * no text come out as they went in. */
static void values_are_any_bytes(void **state)
{
    static const struct bytes values[] = {
        BYTES(""),           BYTES("\r\n$-1\r\n"),
        BYTES("\0\xff\xfe"), BYTES("*1\r\n$4\r\nQUIT\r\n"),
        BYTES("\xc3\xa9"),
    };
    struct core core;
    struct buf in = {0};
    struct buf expected = {0};
    (void)state;

    fake_core_init(&core);
    struct fake_conn *a = connect_to(&core);
    struct fake_conn *b = connect_to(&core);
    say(a, "SUBSCRIBE v\r\n");
    fake_conn_reset(a);
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        buf_reset(&in);
        buf_reset(&expected);
        resp_write_array(&in, 3);
        resp_write_bulk(&in, BYTES("publish"));
        resp_write_bulk(&in, BYTES("v"));
        resp_write_bulk(&in, values[i]);
        fake_conn_say(b, buf_bytes(&in));
        fake_flush(&core);
        hears(b, ":1\r\n");
        buf_add_str(&expected, "*3\r\n$7\r\nmessage\r\n$1\r\nv\r\n");
        resp_write_bulk(&expected, values[i]);
        struct bytes out = fake_conn_out(a);
        assert_int_equal(out.len, expected.len);
        assert_memory_equal(out.p, expected.p, expected.len);
        fake_conn_reset(a);
    }
    buf_fini(&in);
    buf_fini(&expected);
    fake_conn_free(a);
    fake_conn_free(b);
    core_fini(&core);
}

/* A11. Nothing of a request that does not fit is done. */
static void subscriptions_are_bounded(void **state)
{
    static const char *const refused =
        "-ERR a limit of this connection or node is reached\r\n";
    struct core core;
    struct core_options options = fake_core_options();
    (void)state;

    options.limits.subs_per_client = 3;
    options.limits.patterns_per_client = 2;
    assert_int_equal(core_init(&core, &options), 0);
    core_turn(&core, 1000, 1000);
    struct fake_conn *conn = connect_to(&core);
    say(conn, "SUBSCRIBE a b\r\n");
    fake_conn_reset(conn);
    say(conn, "SUBSCRIBE c d\r\n");
    hears(conn, refused);
    say(conn, "SUBSCRIBE c\r\n");
    hears(conn, "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:3\r\n");
    say(conn, "SUBSCRIBE d\r\n");
    hears(conn, refused);
    say(conn, "UNSUBSCRIBE\r\n");
    fake_conn_reset(conn);
    say(conn, "PSUBSCRIBE 1 2 3\r\n");
    hears(conn, refused);
    say(conn, "PSUBSCRIBE 1 2\r\n");
    hears(conn, "*3\r\n$10\r\npsubscribe\r\n$1\r\n1\r\n:1\r\n"
                "*3\r\n$10\r\npsubscribe\r\n$1\r\n2\r\n:2\r\n");
    fake_conn_free(conn);
    core_fini(&core);
}

/* As Redis: no word, the connection ends. */
static void a_slow_reader_is_cut(void **state)
{
    struct core core;
    (void)state;

    fake_core_init(&core);
    struct fake_conn *slow = connect_to(&core);
    struct fake_conn *other = connect_to(&core);
    struct fake_conn *b = connect_to(&core);
    say(slow, "SUBSCRIBE hot\r\n");
    say(other, "SUBSCRIBE hot\r\n");
    fake_conn_reset(slow);
    slow->window = 0;
    struct buf in = {0};
    char *value = calloc(1, 100000);
    resp_write_array(&in, 3);
    resp_write_bulk(&in, BYTES("PUBLISH"));
    resp_write_bulk(&in, BYTES("hot"));
    resp_write_bulk(&in, bytes_of(value, 100000));
    for (int i = 0; i < 30 && !slow->conn.client->closing; i++) {
        fake_conn_say(b, buf_bytes(&in));
        fake_flush(&core);
        fake_conn_reset(other);
    }
    assert_true(slow->conn.client->closing);
    assert_false(other->conn.client->closing);
    slow->window = SIZE_MAX;
    fake_flush(&core);
    struct bytes rest = fake_conn_out(slow);
    assert_true(rest.len < 200000);
    assert_null(memmem(rest.p, rest.len, "-ERR", 4));
    assert_true(slow->closed);
    free(value);
    buf_fini(&in);
    fake_conn_free(slow);
    fake_conn_free(other);
    fake_conn_free(b);
    core_fini(&core);
}

/* What is answered may be far larger than what is asked: the door takes no more
 * commands than it has room for, and the others when the client has read. */
static void who_asks_without_reading_has_to_wait(void **state)
{
    struct core core;
    struct buf in = {0};
    size_t taken = 0;
    (void)state;

    fake_core_init(&core);
    struct fake_conn *conn = connect_to(&core);
    for (int i = 0; i < 10000; i++) {
        buf_add_str(&in, "COMMAND\r\n");
    }
    while (taken < in.len) {
        ptrdiff_t n = door_resp.on_bytes(conn->conn.client,
                                         bytes_skip(buf_bytes(&in), taken));
        assert_true(n > 0);
        assert_true(conn->conn.client->out.queued < 300 << 10);
        assert_int_equal(
            door_resp.on_bytes(conn->conn.client, BYTES("PING\r\n")),
            taken + (size_t)n < in.len ? 0 : 6);
        taken += (size_t)n;
        fake_flush(&core);
        fake_conn_reset(conn);
    }
    assert_false(conn->closed);
    buf_fini(&in);
    fake_conn_free(conn);
    core_fini(&core);
}

/* --- the barrier --- */

struct outside {
    uint64_t version;
    uint64_t held;
};

static uint64_t want(void *data, uint64_t hash, bool wanted)
{
    struct outside *outside = data;
    (void)hash;
    (void)wanted;

    return ++outside->version;
}

static uint64_t held(void *data, enum cluster_scope scope)
{
    const struct outside *outside = data;
    (void)scope;

    return outside->held;
}

/* The confirmations, and all that is said after them, wait until the others
 * know; what was said before does not. */
static void a_confirmation_waits_for_the_region(void **state)
{
    static const char *const confirmed =
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
        "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
        "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
        "*2\r\n$4\r\npong\r\n$0\r\n\r\n";
    struct outside outside = {0};
    struct core core;
    struct core_options options = fake_core_options();
    (void)state;

    options.outside = (struct hub_outside){
        .data = &outside, .want = want, .held = held};
    assert_int_equal(core_init(&core, &options), 0);
    core_turn(&core, 1000, 1000);
    core.ready = true;
    struct fake_conn *a = connect_to(&core);
    struct fake_conn *b = connect_to(&core);

    say(a, "PING\r\nSUBSCRIBE a b\r\n");
    hears(a, "+PONG\r\n");
    say(b, "PUBLISH a x\r\n");
    hears(b, ":1\r\n");
    say(a, "PING\r\n");
    clients_release(&core, CLUSTER_SCOPE_REGION, 1, false);
    fake_flush(&core);
    hears(a, "");
    clients_release(&core, CLUSTER_SCOPE_REGION, 2, false);
    fake_flush(&core);
    hears(a, confirmed);

    outside.held = 2; /* known already: nothing to wait for */
    say(a, "SUBSCRIBE a\r\n");
    hears(a, "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n");
    fake_conn_free(a);
    fake_conn_free(b);
    core_fini(&core);
}

/* --- the rest --- */

static void first_bytes_tell_redis_from_others(void **state)
{
    static const struct {
        struct bytes first;
        enum door_sniff sniff;
    } cases[] = {
        {BYTES("*"), SNIFF_MORE},
        {BYTES("*1"), SNIFF_YES},
        {BYTES("*x"), SNIFF_NO},
        {BYTES("P"), SNIFF_MORE},
        {BYTES("PING"), SNIFF_MORE},
        {BYTES("PING "), SNIFF_YES},
        {BYTES("PING\n"), SNIFF_YES},
        {BYTES("ping\r\n"), SNIFF_YES},
        {BYTES("subscribe news"), SNIFF_YES},
        {BYTES("FOO bar\r\n"), SNIFF_YES},
        {BYTES("GET / HTTP/1.1\r\n"), SNIFF_NO},
        {BYTES("GET /"), SNIFF_MORE},
        {BYTES("PRI * HTTP/2.0\r\n"), SNIFF_NO},
        {BYTES("GET /a/very/long/path/that/goes/on/and/on/and/on/and/on/and/on"
               "/12"),
         SNIFF_NO},
        {BYTES("\x16\x03\x01"), SNIFF_NO},
        {BYTES("\x10\x0c"), SNIFF_NO},
        {BYTES("\r\n\r\n\0\r\nQUIT\n"), SNIFF_NO},
        {BYTES("{\"a\":1}\n"), SNIFF_NO},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (door_resp.sniff(cases[i].first) != cases[i].sniff) {
            fail_msg("case %zu", i);
        }
    }
}

static void an_unknown_command_is_echoed_briefly(void **state)
{
    struct core core;
    struct buf in = {0};
    struct buf expected = {0};
    char xs[200];
    (void)state;

    fake_core_init(&core);
    struct fake_conn *conn = connect_to(&core);
    memset(xs, 'x', sizeof xs);
    resp_write_array(&in, 4);
    resp_write_bulk(&in, bytes_of(xs, 200));
    resp_write_bulk(&in, bytes_of(xs, 100));
    resp_write_bulk(&in, bytes_of(xs, 100));
    resp_write_bulk(&in, BYTES("not seen"));
    fake_conn_say(conn, buf_bytes(&in));
    fake_flush(&core);
    buf_add_str(&expected, "-ERR unknown command '");
    buf_add(&expected, xs, 128);
    buf_add_str(&expected, "', with args beginning with: '");
    buf_add(&expected, xs, 100);
    buf_add_str(&expected, "' '");
    buf_add(&expected, xs, 25);
    buf_add_str(&expected, "' \r\n");
    buf_add_u8(&expected, 0);
    hears(conn, (const char *)expected.p);
    buf_fini(&in);
    buf_fini(&expected);
    fake_conn_free(conn);
    core_fini(&core);
}

/* Whichever allocation fails: that client may be refused or cut, and nothing
 * else happens. */
static void short_memory_hurts_one_client_only(void **state)
{
    static const char *const lines[] = {
        "HELLO 3 SETNAME me\r\n", "SUBSCRIBE a b c\r\n", "PSUBSCRIBE *\r\n",
        "PUBLISH a x\r\n",        "CLIENT LIST\r\n",     "INFO\r\n",
        "PUBSUB CHANNELS\r\n",    "UNSUBSCRIBE a\r\n",   "COMMAND\r\n",
        "UNSUBSCRIBE\r\n",        "RESET\r\n",
    };
    bool hit = true;
    (void)state;

    for (long n = 0; hit; n++) {
        struct core core;
        fake_core_init(&core);
        struct fake_conn *conn = connect_to(&core);
        struct fake_conn *other = connect_to(&core);
        say(other, "SUBSCRIBE a\r\n");
        fake_conn_reset(other);
        fail_malloc(n);
        for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
            say(conn, lines[i]);
        }
        hit = fail_malloc_hit;
        fail_malloc(-1);
        client_check(conn->conn.client);
        hub_check(core.hub);
        assert_false(other->closed);
        say(other, "PING\r\n");
        fake_conn_free(conn);
        fake_conn_free(other);
        core_fini(&core);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_very_long_name_is_refused_and_the_client_stays),
        cmocka_unit_test(the_pubsub_command_sees_this_node),
        cmocka_unit_test(caches_are_worlds_of_their_own),
        cmocka_unit_test(publishes_wait_for_the_gate),
        cmocka_unit_test(values_are_any_bytes),
        cmocka_unit_test(subscriptions_are_bounded),
        cmocka_unit_test(a_slow_reader_is_cut),
        cmocka_unit_test(who_asks_without_reading_has_to_wait),
        cmocka_unit_test(a_confirmation_waits_for_the_region),
        cmocka_unit_test(first_bytes_tell_redis_from_others),
        cmocka_unit_test(an_unknown_command_is_echoed_briefly),
        cmocka_unit_test(short_memory_hurts_one_client_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
