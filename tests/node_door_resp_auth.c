/* SPDX-License-Identifier: Apache-2.0
 *
 * The Redis door on a node with keys: strangers, logins, grants, expiry.
 */
#include "tests/test.h"

#include "tests/resp_talk.h"

#define WRONGPASS \
    "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
#define NOPERM(missing)                                                        \
    "-NOPERM this user has no permissions to access one of the channels used " \
    "as arguments: needs " missing "\r\n"
#define NOAUTH "-NOAUTH Authentication required.\r\n"

static void open_core(struct core *core)
{
    fake_core_init(core);
    fake_core_ask_tokens(core);
}

static struct token_grant grant(const char *cache, const char *topic,
                                enum token_role role)
{
    return (struct token_grant){bytes_str(cache), bytes_str(topic), false,
                                false, (uint8_t)role};
}

/* Says a line that ends with a token of these grants. */
static void say_token(struct fake_conn *conn, const char *before,
                      const struct token_grant *grants, size_t len,
                      uint64_t seconds)
{
    struct core *core = conn->conn.core;
    struct buf line = {0};
    struct token token = {
        .subject = BYTES("alice"),
        .expires_at = core->wall_ms / 1000 + seconds,
        .grants_len = len,
    };

    memcpy(token.grants, grants, len * sizeof *grants);
    buf_add_str(&line, before);
    assert_int_equal(token_write(&core->auth.keys, &token, &line), 0);
    buf_add_str(&line, "\r\n");
    fake_conn_say(conn, buf_bytes(&line));
    fake_flush(core);
    buf_fini(&line);
}

static void a_stranger_may_only_log_in(void **state)
{
    static const char *const refused[] = {
        "PING\r\n",          "SUBSCRIBE a\r\n", "PUBLISH a x\r\n",
        "INFO\r\n",          "CLIENT ID\r\n",   "PUBSUB CHANNELS\r\n",
        "UNSUBSCRIBE\r\n",   "COMMAND\r\n",     "CONFIG GET *\r\n",
        "CLUSTER SLOTS\r\n",
    };
    struct core core;
    (void)state;

    open_core(&core);
    struct fake_conn *conn = connect_to(&core);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        say(conn, refused[i]);
        hears(conn, "-NOAUTH Authentication required.\r\n");
    }
    say(conn, "HELLO 3\r\n");
    hears(conn, "-NOAUTH HELLO must be called with the client already "
                "authenticated, otherwise the HELLO <proto> AUTH <user> <pass> "
                "option can be used to authenticate the client and select the "
                "RESP protocol version at the same time\r\n");
    say(conn, "RESET\r\n");
    hears(conn, "+RESET\r\n");
    say(conn, "QUIT\r\n");
    hears(conn, "+OK\r\n");
    assert_true(conn->closed);
    fake_conn_free(conn);
    core_fini(&core);
}

/* A2, A5: nothing that a stranger announces or asks for grows. */
static void a_stranger_is_cut_at_small_bounds(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"*1000000\r\n$536870912\r\n",
         "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*11\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*2\r\n$4\r\nAUTH\r\n$16384\r\n",
         "-ERR Protocol error: invalid bulk length\r\n"},
    };
    struct core core;
    (void)state;

    open_core(&core);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_conn *conn = connect_to(&core);
        say(conn, cases[i].in);
        hears(conn, cases[i].out);
        assert_true(conn->closed);
        fake_conn_free(conn);
    }

    struct fake_conn *deaf = connect_to(&core);
    deaf->window = 0;
    for (int i = 0; i < 1000 && !deaf->closed; i++) {
        say(deaf, "PING\r\n");
        assert_true(deaf->conn.client->out.queued < 4096 + 128);
    }
    assert_true(deaf->conn.client->closing);
    fake_conn_free(deaf);
    core_fini(&core);
}

static void a_wrong_login_changes_nothing(void **state)
{
    static const char *const wrong[] = {
        "AUTH x\r\n",
        "AUTH one \"\"\r\n",
        "HELLO 3 AUTH one a.b.c\r\n",
        "HELLO 3 AUTH one e30.e30.e30 SETNAME n\r\n",
    };
    const struct token_grant all = grant("one", "a", TOKEN_BOTH);
    struct core core;
    (void)state;

    open_core(&core);
    struct fake_conn *conn = connect_to(&core);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        say(conn, wrong[i]);
        hears(conn, WRONGPASS);
        say(conn, "PING\r\n");
        hears(conn, NOAUTH);
    }
    say_token(conn, "AUTH one ", &all, 1, 60);
    hears(conn, "+OK\r\n");
    say(conn, "AUTH one x\r\n");
    hears(conn, WRONGPASS);
    say(conn, "PUBLISH a x\r\nCLIENT GETNAME\r\n");
    hears(conn, ":0\r\n$-1\r\n");
    say(conn, "RESET\r\nPUBLISH a x\r\n");
    hears(conn, "+RESET\r\n" NOAUTH);
    fake_conn_free(conn);
    core_fini(&core);
}

/* H1, H2, H4: other caches, other topics, other roles. */
static void only_what_is_granted(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } lines[] = {
        {"SUBSCRIBE in\r\n", "*3\r\n$9\r\nsubscribe\r\n$2\r\nin\r\n:1\r\n"},
        {"SUBSCRIBE in out\r\n",
         NOPERM("\"subscribe\" on cache \"one\", topic \"out\"")},
        {"SSUBSCRIBE out\r\n",
         NOPERM("\"subscribe\" on cache \"one\", topic \"out\"")},
        {"UNSUBSCRIBE\r\n", "*3\r\n$11\r\nunsubscribe\r\n$2\r\nin\r\n:0\r\n"},
        {"PUBLISH in x\r\n",
         NOPERM("\"publish\" on cache \"one\", topic \"in\"")},
        {"SPUBLISH in x\r\n",
         NOPERM("\"publish\" on cache \"one\", topic \"in\"")},
        {"PUBLISH out x\r\n", ":0\r\n"},
        {"PUBLISH outer x\r\n",
         NOPERM("\"publish\" on cache \"one\", topic \"outer\"")},
        {"PUBLISH Out x\r\n",
         NOPERM("\"publish\" on cache \"one\", topic \"Out\"")},
    };
    const struct token_grant grants[] = {
        grant("one", "in", TOKEN_SUBSCRIBE),
        grant("one", "out", TOKEN_PUBLISH),
    };
    struct core core;
    (void)state;

    open_core(&core);
    struct fake_conn *conn = connect_to(&core);
    say_token(conn, "AUTH one ", grants, 2, 60);
    hears(conn, "+OK\r\n");
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        say(conn, lines[i].in);
        hears(conn, lines[i].out);
    }
    say_token(conn, "AUTH One ", grants, 2, 60);
    hears(conn, "+OK\r\n"); /* a login, but there is nothing in that cache */
    say(conn, "SUBSCRIBE in\r\nPSUBSCRIBE *\r\nPUBLISH out x\r\n");
    hears(conn, NOPERM("\"subscribe\" on cache \"One\", topic \"in\"")
                    NOPERM("\"subscribe\" on cache \"One\"")
                        NOPERM("\"publish\" on cache \"One\", topic \"out\""));
    fake_conn_free(conn);
    core_fini(&core);
}

/* H3: checked on delivery, and nobody learns names that are not granted. */
static void a_pattern_delivers_only_what_is_granted(void **state)
{
    const struct token_grant mine = grant("one", "mine", TOKEN_SUBSCRIBE);
    const struct token_grant both[] = {grant("one", "mine", TOKEN_BOTH),
                                       grant("one", "other", TOKEN_BOTH)};
    struct core core;
    (void)state;

    open_core(&core);
    struct fake_conn *a = connect_to(&core);
    struct fake_conn *b = connect_to(&core);
    say_token(a, "AUTH one ", &mine, 1, 60);
    say(a, "PSUBSCRIBE *\r\n");
    fake_conn_reset(a);
    say_token(b, "HELLO 3 AUTH one ", both, 2, 60);
    say(b, "SUBSCRIBE mine other\r\n");
    fake_conn_reset(b);
    say(b, "PUBLISH other 1\r\nPUBLISH mine 2\r\n");
    fake_flush(&core);
    hears(a, "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$4\r\nmine\r\n$1\r\n2\r\n");
    say(a, "PUNSUBSCRIBE\r\n");
    fake_conn_reset(a);
    say(a, "PUBSUB CHANNELS\r\nPUBSUB NUMSUB mine other\r\n");
    hears(a, "*1\r\n$4\r\nmine\r\n"
             "*4\r\n$4\r\nmine\r\n:1\r\n$5\r\nother\r\n:0\r\n");
    fake_conn_free(a);
    fake_conn_free(b);
    core_fini(&core);
}

static void who_loses_a_right_is_cut(void **state)
{
    const struct token_grant a = grant("one", "a", TOKEN_BOTH);
    const struct token_grant b = grant("one", "b", TOKEN_BOTH);
    struct core core;
    (void)state;

    open_core(&core);
    struct fake_conn *expires = connect_to(&core);
    say_token(expires, "AUTH one ", &a, 1, 10);
    say(expires, "SUBSCRIBE a\r\n");
    fake_conn_reset(expires);
    fake_wait(&core, 9000);
    hears(expires, "");
    core_turn(&core, core.now_ms, core.wall_ms + 60000);
    fake_wait(&core, 2000);
    hears(expires, "-NOAUTH the token has expired\r\n");
    assert_true(expires->closed);

    struct fake_conn *changes = connect_to(&core);
    say_token(changes, "HELLO 3 AUTH one ", &a, 1, 60);
    say(changes, "SUBSCRIBE a\r\n");
    fake_conn_reset(changes);
    say_token(changes, "AUTH one ", &b, 1, 60);
    hears(changes, NOPERM("\"subscribe\" on cache \"one\", topic \"a\""));
    assert_true(changes->closed);
    fake_conn_free(expires);
    fake_conn_free(changes);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stranger_may_only_log_in),
        cmocka_unit_test(a_stranger_is_cut_at_small_bounds),
        cmocka_unit_test(a_wrong_login_changes_nothing),
        cmocka_unit_test(only_what_is_granted),
        cmocka_unit_test(a_pattern_delivers_only_what_is_granted),
        cmocka_unit_test(who_loses_a_right_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
