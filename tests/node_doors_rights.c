/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix of rights: every door that publishes and every
 * door that subscribes, with every kind of token. What one door refuses, all
 * refuse, and each says what is missing.
 */
#include "tests/test.h"

#include <stdio.h>

#include "proto/native.h"
#include "tests/ask.h"
#include "tests/grpc_talk.h"

static struct core core;

/* What somebody tries at a door. */
struct trial {
    struct bytes token;
    bool publish;
    const char *cache;
    const char *topic;
    struct buf heard; /* what the door says */
};

/* 0, or the error; ERR_INTERNAL when the door says nothing that is known. */
typedef int (*door)(struct trial *t);

/* --- doors --- */

static void add_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        char hex[4];
        snprintf(hex, sizeof hex, "%%%02x", (unsigned char)*text);
        buf_add_str(out, hex);
    }
}

static int code_of(const struct buf *heard)
{
    static const char name[] = "\"code\":";
    const char *at = heard->len == 0
                         ? NULL
                         : memmem(heard->p, heard->len, name, sizeof name - 1);

    return at == NULL ? 0
                      : err_from_code(
                            (unsigned)strtoul(at + sizeof name - 1, NULL, 10));
}

static int admit(struct fake_conn *fake, const struct http_request *request)
{
    int err = request_admit(fake->conn.client, request);

    if (err < 0) {
        request_error(fake->conn.client, request, err);
    } else {
        ask_door_of(fake, request);
    }
    fake_flush(&core);
    return err;
}

static int try_http(struct trial *t, const char *accept)
{
    struct buf path = {0};
    struct buf header = {0};
    struct fake_conn *fake = fake_conn_new(&core);

    buf_add_str(&path, "/topics/");
    add_escaped(&path, t->cache);
    buf_add_str(&path, "/");
    add_escaped(&path, t->topic);
    buf_add_u8(&path, 0);
    buf_add_str(&header, "Authorization: ");
    buf_add_bytes(&header, t->token);
    buf_add_u8(&header, 0);
    const struct ask ask = {t->publish ? "POST" : "GET", (char *)path.p,
                            t->token.len == 0 ? NULL : (char *)header.p, accept,
                            "x"};
    struct http_request request = ask_request(&ask);
    (void)admit(fake, &request);
    buf_add_bytes(&t->heard, fake_conn_out(fake));
    int err = code_of(&t->heard);
    unsigned good = t->publish ? 204 : accept == NULL ? 0 : 200;
    assert_int_equal(fake->status, err == 0 ? good : err_status(err));
    fake_conn_free(fake);
    buf_fini(&path);
    buf_fini(&header);
    return err;
}

static int try_plain(struct trial *t)
{
    return try_http(t, NULL);
}

static int try_sse(struct trial *t)
{
    return try_http(t, "Accept: text/event-stream");
}

static void say_json(struct fake_conn *fake, struct trial *t, const char *op)
{
    struct buf out = {0};

    buf_add_str(&out, "{\"op\":\"");
    buf_add_str(&out, op);
    buf_add_str(&out, "\",\"id\":1,\"cache\":");
    json_add_string(&out, bytes_str(t->cache));
    json_add_name(&out, true, "topic");
    json_add_string(&out, bytes_str(t->topic));
    json_add_name(&out, true, "token");
    json_add_string(&out, t->token);
    buf_add_str(&out, t->publish ? ",\"receipt\":true,\"text\":\"x\"}" : "}");
    fake_conn_say_message(fake, buf_bytes(&out), false);
    fake_flush(&core);
    buf_fini(&out);
}

static int try_native(struct trial *t)
{
    struct fake_conn *fake = fake_conn_new(&core);

    assert_int_equal(fake_conn_open_ws(fake, &door_native, NULL, NATIVE_JSON),
                     0);
    fake_flush(&core);
    if (t->token.len > 0) {
        say_json(fake, t, "auth");
    }
    if (!ask_out_has(fake, "\"error\"")) {
        say_json(fake, t, t->publish ? "publish" : "subscribe");
        assert_true(ask_out_has(fake, "\"error\"") ||
                    ask_out_has(fake, "\"published\"") ||
                    ask_out_has(fake, "\"subscribed\""));
    }
    buf_add_bytes(&t->heard, fake_conn_out(fake));
    fake_conn_free(fake);
    return code_of(&t->heard);
}

static void add_bulk(struct buf *out, struct bytes s)
{
    buf_add_u8(out, '$');
    buf_add_u64(out, s.len);
    buf_add_str(out, "\r\n");
    buf_add_bytes(out, s);
    buf_add_str(out, "\r\n");
}

static int try_command(struct trial *t, const char *command)
{
    static const struct {
        const char *word;
        int err;
    } words[] = {
        {"-NOPERM ", ERR_DENIED},
        {"-NOAUTH ", ERR_UNAUTH},
        {"-WRONGPASS ", ERR_UNAUTH}, /* a login says no more, whatever it is */
        {"-ERR invalid topic", ERR_NAME},
    };
    struct fake_conn *fake = fake_conn_new(&core);
    struct buf out = {0};
    int err = 0;

    assert_int_equal(fake_conn_open(fake, &door_resp, NULL), 0);
    if (t->token.len > 0) {
        buf_add_str(&out, "*3\r\n$4\r\nAUTH\r\n");
        add_bulk(&out, bytes_str(t->cache));
        add_bulk(&out, t->token);
    }
    buf_add_str(&out, t->publish ? "*3\r\n" : "*2\r\n");
    add_bulk(&out, bytes_str(command));
    add_bulk(&out, bytes_str(t->topic));
    if (t->publish) {
        add_bulk(&out, BYTES("x"));
    }
    fake_conn_say(fake, buf_bytes(&out));
    fake_flush(&core);
    buf_add_bytes(&t->heard, fake_conn_out(fake));
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        err = err == 0 && ask_out_has(fake, words[i].word) ? words[i].err : err;
    }
    fake_conn_free(fake);
    buf_fini(&out);
    return err;
}

static int try_resp(struct trial *t)
{
    return try_command(t, t->publish ? "PUBLISH" : "SUBSCRIBE");
}

static int try_shard(struct trial *t)
{
    return try_command(t, t->publish ? "SPUBLISH" : "SSUBSCRIBE");
}

static void put(struct buf *out, unsigned field, struct bytes s)
{
    assert_true(s.len < 128);
    buf_add_u8(out, (uint8_t)(field << 3 | 2));
    buf_add_u8(out, (uint8_t)s.len);
    buf_add_bytes(out, s);
}

static int try_call(struct trial *t, const char *type)
{
    struct fake_conn *fake = fake_conn_new(&core);
    struct buf message = {0};
    struct buf body = {0};
    struct buf header = {0};

    put(&message, 1, bytes_str(t->cache));
    put(&message, 2, bytes_str(t->topic));
    if (t->publish) {
        put(&message, 3, BYTES("\x0a\x01x"));
    }
    buf_add_str(&header, "authorization: ");
    buf_add_bytes(&header, t->token);
    buf_add_u8(&header, 0);
    const struct grpc_ask ask = {
        .path = t->publish ? "/cache_client.pubsub.Pubsub/Publish"
                           : "/cache_client.pubsub.Pubsub/Subscribe",
        .type = type,
        .header = t->token.len == 0 ? NULL : (char *)header.p,
        .message = buf_bytes(&message)};
    struct http_request request = grpc_request(&ask, &body);
    (void)admit(fake, &request);
    grpc_trailers(fake, &t->heard);
    int status = grpc_status_of(fake);
    int err = status == GRPC_PERMISSION_DENIED  ? ERR_DENIED
              : status == GRPC_UNAUTHENTICATED  ? ERR_UNAUTH
              : status == GRPC_INVALID_ARGUMENT ? ERR_NAME
              : status == (t->publish ? 0 : -1) ? 0
                                                : ERR_INTERNAL;
    fake_conn_free(fake);
    buf_fini(&message);
    buf_fini(&body);
    buf_fini(&header);
    return err;
}

static int try_grpc(struct trial *t)
{
    return try_call(t, "application/grpc");
}

static int try_web(struct trial *t)
{
    return try_call(t, "application/grpc-web-text");
}

static const struct {
    const char *name;
    door try;
    bool publishes;
    bool subscribes;
} doors[] = {
    {"http", try_plain, true, true},        {"sse", try_sse, false, true},
    {"native", try_native, true, true},     {"resp", try_resp, true, true},
    {"resp shards", try_shard, true, true}, {"grpc", try_grpc, true, true},
    {"grpc-web", try_web, true, true},
};

/* --- the matrix --- */

enum verdict {
    GRANTED,
    MISSING, /* ERR_DENIED, and the grant is named */
    NO_NAME  /* it is no name of a cache or topic, or nobody's */
};

static const char *const verdicts[] = {"granted", "missing", "no name"};

static enum verdict verdict_of(size_t i, struct trial *t)
{
    int err = doors[i].try(t);

    if (err == 0) {
        return GRANTED;
    }
    if (err != ERR_DENIED) {
        assert_true(err == ERR_NAME || err == ERR_UNAUTH);
        return NO_NAME;
    }
    const char *const words[] = {"needs ", t->publish ? "publish" : "subscribe",
                                 t->cache, t->topic};
    /* There it is no grant that is missing. */
    bool is_system = strcmp(t->cache, "_sys") == 0;
    for (size_t w = 0; w < (is_system ? 1 : ARRAY_LEN(words)); w++) {
        if (memmem(t->heard.p, t->heard.len, words[w], strlen(words[w])) ==
            NULL) {
            fail_msg("%s does not say %s", doors[i].name, words[w]);
        }
    }
    return MISSING;
}

/* Everybody's verdict of one thing. */
static void judge(struct bytes token, bool publish, const char *cache,
                  const char *topic, enum verdict expected)
{
    for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
        struct trial t = {token, publish, cache, topic, {0}};
        if (!(publish ? doors[i].publishes : doors[i].subscribes)) {
            continue;
        }
        enum verdict got = verdict_of(i, &t);
        if (got != expected) {
            fail_msg("%s, %s %s/%s: %s, not %s", doors[i].name,
                     publish ? "publish" : "subscribe", cache, topic,
                     verdicts[got], verdicts[expected]);
        }
        buf_fini(&t.heard);
    }
}

static struct buf token_with(struct token_grant grant, uint64_t seconds)
{
    const struct token token = {
        .subject = BYTES("ann"),
        .id = BYTES("of-ann"),
        .expires_at = core.wall_ms / 1000 + seconds,
        .grants_len = grant.role == 0 ? 0 : 1,
        .grants = {grant},
    };
    struct buf text = {0};

    assert_int_equal(token_write(&core.auth.keys, &token, &text), 0);
    return text;
}

static int setup(void **state)
{
    (void)state;
    fake_core_init(&core);
    fake_core_ask_tokens(&core);
    core_turn(&core, 1000, 1795305600000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    core_fini(&core);
    return 0;
}

/* H1, H2, H4, H6. */
static void all_doors_judge_alike(void **state)
{
    static const struct token_grant exact = {BYTES("A"), BYTES("chat-1"), false,
                                             false, TOKEN_BOTH};
    static const struct token_grant prefix = {BYTES("A"), BYTES("chat-"), true,
                                              false, TOKEN_BOTH};
    static const struct token_grant publisher = {BYTES("A"), BYTES(""), false,
                                                 true, TOKEN_PUBLISH};
    static const struct token_grant reader = {BYTES("A"), BYTES(""), false,
                                              true, TOKEN_SUBSCRIBE};
    static const struct token_grant every = {BYTES(""), BYTES(""), false, true,
                                             TOKEN_BOTH};
    static const struct token_grant none = {0};
    static const struct {
        const struct token_grant *grant;
        const char *cache, *topic;
        enum verdict publish, subscribe;
    } rows[] = {
        {&exact, "A", "chat-1", GRANTED, GRANTED},
        {&exact, "A", "chat-11", MISSING, MISSING},
        {&exact, "A", "chat-", MISSING, MISSING},
        {&exact, "B", "chat-1", MISSING, MISSING},
        {&exact, "a", "chat-1", MISSING, MISSING},
        {&exact, "A/../B", "chat-1", NO_NAME, NO_NAME},
        {&exact, "A\r\nB", "chat-1", NO_NAME, NO_NAME},
        {&exact, "A", "chat-1\r\n", NO_NAME, NO_NAME},
        {&prefix, "A", "chat-", GRANTED, GRANTED},
        {&prefix, "A", "chat-1", GRANTED, GRANTED},
        {&prefix, "A", "chat", MISSING, MISSING},
        {&prefix, "A", "Chat-1", MISSING, MISSING},
        {&prefix, "A", "*", MISSING, MISSING},
        {&publisher, "A", "chat-1", GRANTED, MISSING},
        {&reader, "A", "chat-1", MISSING, GRANTED},
        {&every, "any", "chat-1", GRANTED, GRANTED},
        {&every, "_sys", "chat-1", MISSING, MISSING},
        {&none, "A", "chat-1", MISSING, MISSING},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf token = token_with(*rows[i].grant, 60);
        judge(buf_bytes(&token), true, rows[i].cache, rows[i].topic,
              rows[i].publish);
        judge(buf_bytes(&token), false, rows[i].cache, rows[i].topic,
              rows[i].subscribe);
        buf_fini(&token);
    }
}

static bool all_are_revoked(const void *data, struct bytes id)
{
    (void)data;
    (void)id;
    return true;
}

/* H5, G3: nobody, nonsense, a forgery, what has expired, what was revoked. */
static void all_doors_know_who_is_nobody(void **state)
{
    static const struct token_grant every = {BYTES(""), BYTES(""), false, true,
                                             TOKEN_BOTH};
    struct buf good = token_with(every, 60);
    struct buf forged = token_with(every, 60);
    struct buf expired = token_with(every, 0);
    (void)state;

    forged.p[forged.len / 2] ^= 1;
    const struct bytes tokens[] = {BYTES(""),
                                   BYTES("a.b.c"),
                                   BYTES("eyJhcGlfa2V5IjoiYS5iLmMifQ=="),
                                   buf_bytes(&forged),
                                   buf_bytes(&expired),
                                   buf_bytes(&good)};
    judge(buf_bytes(&good), true, "A", "t", GRANTED);
    core.auth.is_revoked = all_are_revoked;
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        for (size_t d = 0; d < ARRAY_LEN(doors); d++) {
            for (int publish = 0; publish < 2; publish++) {
                struct trial t = {tokens[i], publish == 1, "A", "t", {0}};
                int err = doors[d].try(&t);
                if (err != ERR_UNAUTH && err != ERR_EXPIRED &&
                    err != ERR_REVOKED) {
                    fail_msg("%s, token %zu: %d", doors[d].name, i, err);
                }
                buf_fini(&t.heard);
            }
        }
    }
    buf_fini(&good);
    buf_fini(&forged);
    buf_fini(&expired);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_doors_judge_alike),
        TEST(all_doors_know_who_is_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
