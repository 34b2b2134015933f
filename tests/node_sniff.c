/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/carry.h"

static struct core core;
static struct fake_conn *fake;

static int setup(void **state)
{
    (void)state;
    table_reset();
    fake_core_init(&core);
    fake = carry_new(&core);
    sniff_begin(&fake->conn);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    carry_free(fake);
    core_fini(&core);
    return 0;
}

/* What became of it: the carrier's name, "open" while undecided, or the words
 * it was sent away with after "closed ". */
static void note(struct buf *log)
{
    if (!fake->conn.closing) {
        bool is_open = fake->conn.carrier == &carrier_sniff;
        buf_add_str(log, is_open ? "open" : fake->conn.carrier->name);
        return;
    }
    buf_add_str(log, "closed ");
    buf_add_hex(log, fake_conn_out(fake).p, fake_conn_out(fake).len);
}

struct sniffed {
    struct bytes first;
    const char *want;
};

static void expect_cut(const struct sniffed *c, size_t cut)
{
    struct buf log = {0};

    carry_say(fake, bytes_of(c->first.p, cut));
    carry_say(fake, bytes_skip(c->first, cut));
    note(&log);
    assert_bytes(buf_bytes(&log), c->want);
    buf_fini(&log);
    teardown(NULL);
    setup(NULL);
}

static void the_first_bytes_choose_however_they_are_cut(void **state)
{
    static const struct sniffed cases[] = {
        {BYTES("GET /x"), "h1"},
        {BYTES("OPTIONS *"), "h1"},
        {BYTES("PATCH /topics/a/b HTTP/1.1\r\n"), "h1"},
        {BYTES("G"), "open"},
        {BYTES("GET "), "open"},
        {BYTES("POS"), "open"},
        {BYTES("echo\n"), "byte"},
        {BYTES("ech"), "open"},
        {BYTES("\x16\3\1\2\0\1\0\1"), "closed 15030100020246"},
        {BYTES("\x10\xd\0\4MQTT\4\2"), "closed 20020003"},
        {BYTES("\x10\x80\1\0\4MQTT\4\2"), "closed 20020003"},
        {BYTES("\x10\xd\0\4MQTT\5\2"), "closed 2003008800"},
        {BYTES("\x10\x10\0\6MQIsdp\3"), "closed 20020003"},
        {BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "h2"},
        {BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r"), "open"},
        {BYTES("PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n"), "closed "},
        {BYTES("PROXY TCP4 "), "closed "},
        {BYTES("\r\n\r\n\0\r\nQUIT\n!"), "closed "},
        {BYTES("\0SP\0\0\x50\0\0"), "closed "},
        {BYTES("\0\0\0\0\0\0"), "closed "},
        {BYTES("\xff"), "closed "},
        {BYTES("\x10\xd\0\4MQTX\4"), "closed "},
        {BYTES("xyz"), "closed "},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t cut = 0; cut <= cases[i].first.len; cut++) {
            expect_cut(&cases[i], cut);
        }
    }
}

static void an_unknown_method_is_answered_by_http(void **state)
{
    (void)state;

    carry_say(fake, BYTES("FROB /x HTTP/1.1\r\n\r\n"));
    assert_true(bytes_starts(fake_conn_out(fake), BYTES("HTTP/1.1 400 ")));
    assert_true(fake->closed);
}

static void silence_is_closed_at_the_deadline(void **state)
{
    (void)state;

    carry_say(fake, BYTES("G"));
    fake_wait(&core, core.limits.hello_ms - 1);
    assert_false(fake->closed);
    fake_wait(&core, 1);
    assert_true(fake->closed);
    assert_int_equal(core.stats.hello_timeouts, 1);
}

static void a_byte_door_has_the_bytes_and_the_last_word(void **state)
{
    (void)state;

    carry_say(fake, BYTES("echo\nhel"));
    carry_say(fake, BYTES("lo\nboom\nnever\n"));
    assert_bytes(fake_conn_out(fake), "echo\nhello\n");
    assert_true(fake->closed);
    assert_int_equal(table_seen.errors, 1);
}

static void a_stranger_must_log_in_before_the_deadline(void **state)
{
    (void)state;

    core.auth.insecure = false;
    carry_say(fake, BYTES("echo\n"));
    fake_wait(&core, core.limits.hello_ms - 1);
    carry_say(fake, BYTES("still here\n"));
    assert_false(fake->closed);
    fake_wait(&core, 1);
    assert_true(fake->closed);
    teardown(NULL);
    setup(NULL);
    core.auth.insecure = false;
    carry_say(fake, BYTES("echo\nlogin\n"));
    fake_wait(&core, core.limits.hello_ms);
    assert_false(fake->closed);
}

/* Saying goodbye again and again gives no more time. */
static void who_logs_out_is_a_stranger_with_a_deadline(void **state)
{
    (void)state;

    core.auth.insecure = false;
    carry_say(fake, BYTES("echo\nlogin\n"));
    fake_wait(&core, 2 * core.limits.hello_ms);
    carry_say(fake, BYTES("logout\n"));
    fake_wait(&core, core.limits.hello_ms - 1);
    carry_say(fake, BYTES("logout\n"));
    assert_false(fake->closed);
    fake_wait(&core, 1);
    assert_true(fake->closed);
    assert_int_equal(core.stats.hello_timeouts, 1);
}

static void who_logs_in_again_stays(void **state)
{
    (void)state;

    core.auth.insecure = false;
    carry_say(fake, BYTES("echo\nlogin\nlogout\n"));
    fake_wait(&core, core.limits.hello_ms - 1);
    carry_say(fake, BYTES("login\n"));
    fake_wait(&core, 2 * core.limits.hello_ms);
    assert_false(fake->closed);
}

/* With require_tls, who is not on this host and speaks plainly. */
static void plain_words_from_elsewhere_are_refused(void **state)
{
    static const struct {
        const char *from;
        bool tls;
        struct bytes first;
        const char *want; /* how its answer begins; NULL: it is served */
    } cases[] = {
        {"127.0.0.1:9", false, BYTES("GET /x"), NULL},
        {"[::1]:9", false, BYTES("GET /x"), NULL},
        {"192.0.2.1:9", true, BYTES("GET /x"), NULL},
        {"192.0.2.1:9", false, BYTES("GET /x"), "HTTP/1.1 403 "},
        {"192.0.2.1:9", false, BYTES("PRI * HTTP/2.0"), "HTTP/1.1 403 "},
        {"192.0.2.1:9", false, BYTES("*1\r\n$4\r\nPING\r\n"), "-ERR "},
        {"[2001:db8::1]:9", false, BYTES("\x10\xd\0\4MQTT"), "-ERR "},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        core.require_tls = true;
        fake->conn.tls = cases[i].tls;
        assert_int_equal(
            addr_read(bytes_str(cases[i].from), 0, &fake->conn.remote), 0);
        carry_say(fake, cases[i].first);
        assert_true(fake->conn.closing == (cases[i].want != NULL));
        if (cases[i].want != NULL) {
            assert_true(
                bytes_starts(fake_conn_out(fake), bytes_str(cases[i].want)));
            assert_null(fake->conn.carrier_state);
        }
        teardown(NULL);
        setup(NULL);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_bytes_choose_however_they_are_cut),
        TEST(an_unknown_method_is_answered_by_http),
        TEST(plain_words_from_elsewhere_are_refused),
        TEST(silence_is_closed_at_the_deadline),
        TEST(a_byte_door_has_the_bytes_and_the_last_word),
        TEST(a_stranger_must_log_in_before_the_deadline),
        TEST(who_logs_out_is_a_stranger_with_a_deadline),
        TEST(who_logs_in_again_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
