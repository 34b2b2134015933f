/* SPDX-License-Identifier: Apache-2.0
 *
 * token.Token and auth.Auth: what Momento's own tests expect of them, and what
 * comes of a token at the doors.
 */
#include "tests/test.h"

#include "node/client/mint.h"
#include "proto/v1key.h"
#include "tests/grpc_talk.h"

#define DISPOSABLE "/token.Token/GenerateDisposableToken"
#define GENERATE   "/auth.Auth/GenerateApiToken"
#define REFRESH    "/auth.Auth/RefreshApiToken"

enum {
    NOW_S = 1795305600,
    HOUR_S = 3600
};

static struct core core;
static struct buf super; /* the token of a superuser */

static void sign(struct buf *out, const struct token *token)
{
    assert_int_equal(token_write(&core.auth.keys, token, out), 0);
}

static int setup(void **state)
{
    const struct token token = {
        .kind = TOKEN_API_KEY,
        .subject = BYTES("ops"),
        .id = BYTES("super"),
        .expires_at = TOKEN_TIME_MAX_S,
        .grants_len = 1,
        .grants = {{.all = true, .role = TOKEN_BOTH}},
        .scopes_len = 2,
        .scopes = {BYTES("admin:caches"), BYTES("admin:tokens")},
    };
    (void)state;

    fake_core_init(&core);
    fake_core_ask_tokens(&core);
    core_turn(&core, 1000, (uint64_t)NOW_S * 1000);
    strcpy(core.endpoint, "https://eu.example:7400");
    super = (struct buf){0};
    sign(&super, &token);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&super);
    core_fini(&core);
    return 0;
}

/* --- messages, by hand --- */

static void put_varint(struct buf *out, uint64_t v)
{
    for (; v >= 128; v >>= 7) {
        buf_add_u8(out, (uint8_t)(v | 128));
    }
    buf_add_u8(out, (uint8_t)v);
}

static void put_number(struct buf *out, unsigned field, uint64_t v)
{
    put_varint(out, field << 3);
    put_varint(out, v);
}

static void put_bytes(struct buf *out, unsigned field, struct bytes value)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, value.len);
    buf_add_bytes(out, value);
}

static void put_message(struct buf *out, unsigned field, struct buf *message)
{
    put_bytes(out, field, buf_bytes(message));
    buf_fini(message);
    *message = (struct buf){0};
}

/* A permission in words: "topic ROLE CACHE TOPIC", "data ROLE CACHE"; * is all
 * of them, a topic that ends in * a prefix. */
struct permission {
    const char *what;
    unsigned role;
    const char *cache;
    const char *topic;
};

static void put_selector(struct buf *out, unsigned field, const char *name,
                         unsigned which)
{
    struct buf selector = {0};

    put_bytes(&selector, which, bytes_str(name));
    put_message(out, field, &selector);
}

static void put_permission(struct buf *list, const struct permission *p)
{
    bool data = strcmp(p->what, "data") == 0;
    struct buf inner = {0};
    struct buf type = {0};

    put_number(&inner, 1, p->role);
    if (strcmp(p->cache, "*") == 0) {
        put_bytes(&inner, 2, BYTES(""));
    } else {
        put_selector(&inner, 3, p->cache, 1);
    }
    if (!data && strcmp(p->topic, "*") == 0) {
        put_bytes(&inner, 4, BYTES(""));
    } else if (!data) {
        char name[32];
        size_t len = strlen(p->topic);
        bool prefix = p->topic[len - 1] == '*';
        memcpy(name, p->topic, len + 1);
        name[prefix ? len - 1 : len] = '\0';
        put_selector(&inner, 5, name, prefix ? 2 : 1);
    }
    put_message(&type, data ? 1 : 2, &inner);
    put_message(list, 1, &type);
}

/* Permissions of a request: what == NULL ends; "super" is a superuser. */
static void put_permissions(struct buf *out, unsigned field,
                            const struct permission *p)
{
    struct buf whole = {0};
    struct buf list = {0};

    if (p->what != NULL && strcmp(p->what, "super") == 0) {
        put_number(&whole, 1, 0);
    } else {
        for (; p->what != NULL; p++) {
            put_permission(&list, p);
        }
        put_message(&whole, 2, &list);
    }
    put_message(out, field, &whole);
}

struct request {
    const char *path;
    struct bytes holder;
    uint64_t ttl_s; /* 0: not said; UINT64_MAX: never */
    const char *id;
    const struct permission *permissions;
};

static struct fake_conn *ask(const struct request *r)
{
    bool disposable = strcmp(r->path, DISPOSABLE) == 0;
    struct buf message = {0};
    struct buf expires = {0};

    if (r->ttl_s == UINT64_MAX) {
        put_bytes(&message, 1, BYTES(""));
    } else if (r->ttl_s > 0) {
        put_number(&expires, 1, r->ttl_s);
        put_message(&message, disposable ? 1 : 2, &expires);
    }
    put_bytes(&message, disposable ? 2 : 3, r->holder);
    put_permissions(&message, disposable ? 3 : 4, r->permissions);
    if (r->id != NULL) {
        put_bytes(&message, disposable ? 4 : 5, bytes_str(r->id));
    }
    struct fake_conn *fake = grpc_call_new(
        &core,
        &(struct grpc_ask){.path = r->path, .message = buf_bytes(&message)});
    buf_fini(&message);
    return fake;
}

static int status_of(const struct request *r)
{
    struct fake_conn *fake = ask(r);
    int status = grpc_status_of(fake);

    fake_conn_free(fake);
    return status;
}

/* An answer: texts by field, and the number. */
struct answer {
    struct bytes text[5];
    uint64_t number;
    struct buf memory;
};

static uint64_t take_varint(struct bytes *in)
{
    uint64_t v = 0;

    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = in->p[0];
        *in = bytes_skip(*in, 1);
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            return v;
        }
    }
}

static struct answer read_answer(struct fake_conn *fake)
{
    struct answer answer = {0};
    struct grpc_frame frame;

    assert_int_equal(grpc_status_of(fake), GRPC_OK);
    grpc_answer(fake, &answer.memory);
    assert_true(grpc_read_frame(buf_bytes(&answer.memory), SIZE_MAX, &frame) >
                0);
    for (struct bytes in = frame.message; in.len > 0;) {
        uint64_t key = take_varint(&in);
        uint64_t value = take_varint(&in);
        if ((key & 7) == 0) {
            answer.number = value;
            continue;
        }
        answer.text[key >> 3] = bytes_of(in.p, value);
        in = bytes_skip(in, value);
    }
    fake_conn_free(fake);
    return answer;
}

/* The token in a key. */
static struct buf inner_of(struct bytes key)
{
    struct buf inner = {0};

    assert_int_equal(v1key_read(key, &inner), 0);
    return inner;
}

/* --- what the vendor's own tests assert --- */

static const struct permission all_data[] = {
    {"data", 1, "*", NULL}, {"topic", 1, "*", "*"}, {0}};
static const struct permission data_only[] = {{"data", 1, "*", NULL}, {0}};
static const struct permission subscribe_only[] = {{"topic", 2, "c", "t"}, {0}};
static const struct permission nothing[] = {{0}};
static const struct permission superuser[] = {{"super", 0, NULL, NULL}, {0}};

static const struct permission twice[] = {{"topic", 1, "c", "t"},
                                          {"data", 1, "c", NULL},
                                          {"topic", 1, "c", "t"},
                                          {0}};
static const struct permission conflict[] = {
    {"topic", 1, "c", "t"}, {"topic", 2, "c", "t"}, {0}};
static const struct permission data_twice[] = {
    {"data", 1, "c", NULL}, {"data", 2, "c", NULL}, {0}};
static const struct permission added_up[] = {{"topic", 2, "c", "t"},
                                             {"topic", 3, "c", "*"},
                                             {"topic", 2, "d", "x*"},
                                             {0}};
static const struct permission no_role[] = {{"topic", 0, "c", "t"}, {0}};
static const struct permission bad_role[] = {{"topic", 4, "c", "t"}, {0}};
static const struct permission blank[] = {{"topic", 1, "", "t"}, {0}};

static void each_of_the_vendors_rules(void **state)
{
    static char long_id[] = "1234567890123456789012345678901234567890"
                            "1234567890123456789012345";
    static const struct bytes nobody = BYTES("");
    struct buf expired = {0};
    struct buf data = {0};
    const struct bytes s = buf_bytes(&super);
    (void)state;

    sign(&expired, &(struct token){.subject = BYTES("x"), .expires_at = NOW_S});
    struct answer key = read_answer(
        ask(&(struct request){GENERATE, s, HOUR_S, NULL, data_only}));
    data = inner_of(key.text[1]);
    const struct {
        struct request request;
        int status;
    } cases[] = {
        {{DISPOSABLE, s, 60, "me", all_data}, GRPC_OK},
        {{DISPOSABLE, s, 60, NULL, added_up}, GRPC_OK},
        {{DISPOSABLE, s, 60, "me", data_only}, GRPC_OK},
        {{DISPOSABLE, s, 60, "me", no_role}, GRPC_OK},
        {{DISPOSABLE, s, 90000, "me", subscribe_only}, GRPC_OK},
        {{DISPOSABLE, s, 90001, "me", all_data}, GRPC_INVALID_ARGUMENT},
        {{DISPOSABLE, s, 0, "me", all_data}, GRPC_INVALID_ARGUMENT},
        {{DISPOSABLE, s, 60, long_id, all_data}, GRPC_INVALID_ARGUMENT},
        {{DISPOSABLE, s, 60, "a\nb", all_data}, GRPC_INVALID_ARGUMENT},
        {{DISPOSABLE, s, 60, "me", nothing}, GRPC_INVALID_ARGUMENT},
        {{DISPOSABLE, s, 60, "me", twice}, GRPC_INVALID_ARGUMENT},
        {{DISPOSABLE, s, 60, "me", conflict}, GRPC_INVALID_ARGUMENT},
        {{DISPOSABLE, s, 60, "me", data_twice}, GRPC_INVALID_ARGUMENT},
        {{DISPOSABLE, s, 60, "me", bad_role}, GRPC_INVALID_ARGUMENT},
        {{DISPOSABLE, s, 60, "me", blank}, GRPC_INVALID_ARGUMENT},
        {{DISPOSABLE, s, 60, "me", superuser}, GRPC_PERMISSION_DENIED},
        {{GENERATE, s, HOUR_S, NULL, all_data}, GRPC_OK},
        {{GENERATE, s, UINT64_MAX, NULL, all_data}, GRPC_OK},
        {{GENERATE, s, 0, NULL, all_data}, GRPC_INVALID_ARGUMENT},
        {{GENERATE, s, HOUR_S, NULL, nothing}, GRPC_INVALID_ARGUMENT},
        {{GENERATE, s, HOUR_S, NULL, twice}, GRPC_INVALID_ARGUMENT},
        {{GENERATE, s, HOUR_S, NULL, superuser}, GRPC_PERMISSION_DENIED},
        {{GENERATE, s, UINT64_MAX, NULL, superuser}, GRPC_PERMISSION_DENIED},
        {{GENERATE, buf_bytes(&expired), 60, NULL, all_data},
         GRPC_UNAUTHENTICATED},
        {{DISPOSABLE, buf_bytes(&expired), 60, NULL, all_data},
         GRPC_UNAUTHENTICATED},
        {{DISPOSABLE, nobody, 60, NULL, all_data}, GRPC_UNAUTHENTICATED},
        {{DISPOSABLE, BYTES("a.b.c"), 60, NULL, all_data},
         GRPC_UNAUTHENTICATED},
        {{DISPOSABLE, buf_bytes(&data), 60, NULL, data_only},
         GRPC_PERMISSION_DENIED},
        {{GENERATE, buf_bytes(&data), 60, NULL, data_only},
         GRPC_PERMISSION_DENIED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int status = status_of(&cases[i].request);
        if (status != cases[i].status) {
            fail_msg("case %zu: %d", i, status);
        }
    }
    buf_fini(&expired);
    buf_fini(&data);
    buf_fini(&key.memory);
}

/* --- what it is good for --- */

static int login(struct client **client, struct fake_conn **fake,
                 struct bytes token)
{
    *fake = fake_conn_new(&core);
    *client = (*fake)->conn.client;
    return client_login(*client, token);
}

static int publish(struct client *client, const char *cache, const char *topic)
{
    const struct client_item item = {.cache = bytes_str(cache),
                                     .topic = bytes_str(topic),
                                     .value = BYTES("x")};
    struct hub_receipt receipt;

    return client_publish(client, &item, &receipt);
}

static int subscribe(struct client *client, const char *cache,
                     const char *topic)
{
    const struct hub_want want = {.cache = bytes_str(cache),
                                  .topic = bytes_str(topic)};

    return client_may_subscribe(client, &want);
}

/* Roles open what they say, for as long as they say, under that name. */
static void a_disposable_token_opens_its_topics_only(void **state)
{
    static const struct permission some[] = {{"topic", 2, "c", "in"},
                                             {"topic", 3, "c", "out"},
                                             {"topic", 1, "c", "room.*"},
                                             {0}};
    struct client *client;
    struct fake_conn *fake;
    (void)state;

    struct answer key = read_answer(ask(&(struct request){
        DISPOSABLE, buf_bytes(&super), 60, "myTokenID", some}));
    struct buf inner = inner_of(key.text[1]);
    assert_bytes(key.text[2], "eu.example:7400");
    assert_int_equal(key.number, NOW_S + 60);
    for (int form = 0; form < 2; form++) { /* as pasted, and as sent */
        struct bytes token = form == 0 ? key.text[1] : buf_bytes(&inner);
        assert_int_equal(login(&client, &fake, token), 0);
        assert_bytes(client->who->token.subject, "myTokenID");
        assert_int_equal(subscribe(client, "c", "in"), 0);
        assert_int_equal(publish(client, "c", "in"), ERR_DENIED);
        assert_int_equal(subscribe(client, "c", "out"), ERR_DENIED);
        assert_int_equal(publish(client, "c", "out"), 0);
        assert_int_equal(publish(client, "c", "room.1"), 0);
        assert_int_equal(publish(client, "c", "room"), ERR_DENIED);
        assert_int_equal(publish(client, "d", "out"), ERR_DENIED);
        fake_conn_free(fake);
    }
    core_turn(&core, 2000, (uint64_t)(NOW_S + 60) * 1000);
    assert_int_equal(login(&client, &fake, key.text[1]), ERR_EXPIRED);
    fake_conn_free(fake);
    buf_fini(&inner);
    buf_fini(&key.memory);
}

static void permissions_of_data_open_no_topic(void **state)
{
    struct client *client;
    struct fake_conn *fake;
    (void)state;

    struct answer key = read_answer(ask(
        &(struct request){DISPOSABLE, buf_bytes(&super), 60, NULL, data_only}));
    assert_int_equal(login(&client, &fake, key.text[1]), 0);
    assert_int_equal(client->who->token.subject.len, 0);
    assert_int_equal(publish(client, "c", "t"), ERR_DENIED);
    assert_int_equal(subscribe(client, "c", "t"), ERR_DENIED);
    assert_int_equal(
        auth_allows_admin(&core.auth, client->who, "admin:caches", NOW_S),
        ERR_DENIED);
    fake_conn_free(fake);
    buf_fini(&key.memory);
}

static struct fake_conn *refresh(struct bytes key, struct bytes token)
{
    struct buf message = {0};

    put_bytes(&message, 1, key);
    put_bytes(&message, 2, token);
    struct fake_conn *fake = grpc_call_new(
        &core,
        &(struct grpc_ask){.path = REFRESH, .message = buf_bytes(&message)});
    buf_fini(&message);
    return fake;
}

static int refresh_status(struct bytes key, struct bytes token)
{
    struct fake_conn *fake = refresh(key, token);
    int status = grpc_status_of(fake);

    fake_conn_free(fake);
    return status;
}

static void refreshing_keeps_the_span_while_the_key_holds(void **state)
{
    (void)state;

    struct answer key = read_answer(ask(&(struct request){
        GENERATE, buf_bytes(&super), HOUR_S, NULL, all_data}));
    struct buf inner = inner_of(key.text[1]);
    assert_int_equal(key.number, NOW_S + HOUR_S);
    assert_bytes(key.text[3], "eu.example:7400");
    core_turn(&core, 2000, (uint64_t)(NOW_S + 600) * 1000);
    struct answer next = read_answer(refresh(buf_bytes(&inner), key.text[2]));
    assert_int_equal(next.number, NOW_S + 600 + HOUR_S);
    assert_true(next.text[2].len > 0);
    assert_int_equal(refresh_status(buf_bytes(&super), key.text[2]),
                     GRPC_INVALID_ARGUMENT);
    assert_int_equal(refresh_status(buf_bytes(&inner), BYTES("x.y.z")),
                     GRPC_UNAUTHENTICATED);
    assert_int_equal(refresh_status(key.text[2], key.text[2]),
                     GRPC_UNAUTHENTICATED);
    core_turn(&core, 3000, (uint64_t)(NOW_S + HOUR_S) * 1000);
    assert_int_equal(refresh_status(buf_bytes(&inner), key.text[2]),
                     GRPC_UNAUTHENTICATED);
    struct buf second = inner_of(next.text[1]);
    assert_int_equal(refresh_status(buf_bytes(&second), next.text[2]), GRPC_OK);
    buf_fini(&second);
    buf_fini(&inner);
    buf_fini(&key.memory);
    buf_fini(&next.memory);
}

static void a_key_that_never_expires_says_zero(void **state)
{
    (void)state;

    struct answer key = read_answer(ask(&(struct request){
        GENERATE, buf_bytes(&super), UINT64_MAX, NULL, all_data}));
    assert_int_equal(key.number, 0);
    assert_int_equal(key.text[2].len, 0);
    buf_fini(&key.memory);
}

static void what_is_refused_is_said(void **state)
{
    static const struct permission other[] = {{"topic", 1, "c", "t"}, {0}};
    struct buf small = {0};
    (void)state;

    sign(&small, &(struct token){.subject = BYTES("x"),
                                 .expires_at = NOW_S + HOUR_S,
                                 .scopes_len = 1,
                                 .scopes = {BYTES("admin:tokens")}});
    struct fake_conn *fake = ask(
        &(struct request){DISPOSABLE, buf_bytes(&small), 60, NULL, other});
    assert_int_equal(grpc_status_of(fake), GRPC_PERMISSION_DENIED);
    assert_true(grpc_trailers_have(
        fake, "needs \"publish\" and \"subscribe\" on cache \"c\", topic "
              "\"t\""));
    fake_conn_free(fake);
    core.auth.insecure = true;
    fake = ask(
        &(struct request){DISPOSABLE, buf_bytes(&small), 60, NULL, other});
    assert_int_equal(grpc_status_of(fake), GRPC_FAILED_PRECONDITION);
    assert_true(grpc_trailers_have(fake, "no keys to sign with"));
    fake_conn_free(fake);
    core.auth.insecure = false;
    buf_fini(&small);
}

static void a_message_that_is_none_is_refused(void **state)
{
    static const char *const paths[] = {DISPOSABLE, GENERATE, REFRESH};
    static const struct bytes messages[] = {BYTES("\x0a"), BYTES("\x12\xff"),
                                            BYTES("\x0a\x05zz")};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        for (size_t m = 0; m < ARRAY_LEN(messages); m++) {
            struct fake_conn *fake = grpc_call_new(
                &core,
                &(struct grpc_ask){.path = paths[i], .message = messages[m]});
            assert_int_equal(grpc_status_of(fake), GRPC_INVALID_ARGUMENT);
            fake_conn_free(fake);
        }
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_of_the_vendors_rules),
        TEST(a_disposable_token_opens_its_topics_only),
        TEST(permissions_of_data_open_no_topic),
        TEST(refreshing_keeps_the_span_while_the_key_holds),
        TEST(a_key_that_never_expires_says_zero),
        TEST(what_is_refused_is_said),
        TEST(a_message_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
