/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens over HTTP: minted, and revoked under the subscribers of every door.
 * The registers are those of a real cluster of one node.
 */
#include "tests/test.h"

#include <stdio.h>

#include "node/client/revoked.h"
#include "proto/addr.h"
#include "proto/native.h"
#include "proto/token_id.h"
#include "proto/v1key.h"
#include "tests/ask.h"
#include "tests/grpc_talk.h"

enum {
    HOUR_S = 3600
};

struct world {
    struct core core;
    struct log log;
    struct cluster *cluster;
    char ops[1024];  /* admin:tokens and everything in demo: a header */
    char user[1024]; /* everything in demo */
};

static void bearer(struct core *core, const char *id, const char *scope,
                   char header[1024])
{
    struct token token = {
        .subject = BYTES("ann"),
        .id = bytes_str(id),
        .expires_at = core->wall_ms / 1000 + HOUR_S,
        .grants_len = 1,
        .grants = {{.cache = BYTES("demo"), .all = true, .role = TOKEN_BOTH}},
        .scopes_len = scope == NULL ? 0 : 1,
    };
    struct buf text = {0};

    if (scope != NULL) {
        token.scopes[0] = bytes_str(scope);
    }
    buf_add_str(&text, "Authorization: ");
    assert_int_equal(token_write(&core->auth.keys, &token, &text), 0);
    assert_true(text.len < 1024);
    memcpy(header, text.p, text.len);
    header[text.len] = '\0';
    buf_fini(&text);
}

static int setup(void **state)
{
    static struct world w;
    struct cluster_options options = {.self = {.id = {.b = {1}},
                                               .data_port = 7402,
                                               .name = BYTES("n1"),
                                               .region = BYTES("eu")},
                                      .seed = 1};

    assert_int_equal(
        addr_read(BYTES("127.0.0.1:7401"), 0, &options.self.cluster), 0);
    w = (struct world){0};
    fake_core_init(&w.core);
    fake_core_ask_tokens(&w.core);
    core_turn(&w.core, 1000, 1795305600000);
    w.cluster = cluster_new(&options, 1000);
    assert_non_null(w.cluster);
    w.core.cluster = w.cluster;
    w.core.log = &w.log;
    strcpy(w.core.endpoint, "http://eu.example:7400");
    bearer(&w.core, "of-ops", "admin:tokens", w.ops);
    bearer(&w.core, "of-user", NULL, w.user);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    cluster_free(w->cluster);
    core_fini(&w->core);
    return 0;
}

/* What a node does with the effects of its cluster. */
static void drain(struct world *w)
{
    struct cluster_effect effect;

    while (cluster_next(w->cluster, &effect)) {
        if (effect.type == CLUSTER_REGISTER) {
            revoked_arrived(&w->core);
        }
    }
    fake_wait(&w->core, 0);
}

static struct fake_conn *ask_as(struct world *w, const struct ask *ask)
{
    struct fake_conn *fake = fake_conn_new(&w->core);
    struct http_request request = ask_request(ask);
    int err = request_admit(fake->conn.client, &request);

    if (err < 0) {
        request_error(fake->conn.client, &request, err);
    } else {
        ask_door_of(fake, &request);
    }
    fake_flush(&w->core);
    return fake;
}

/* Asks with a body; the answer is an object, which is the caller's. */
static json_t *post(struct world *w, const char *path, const char *header,
                    const char *body, unsigned status)
{
    struct fake_conn *fake = ask_as(
        w, &(struct ask){"POST", path, header, NULL, body});
    json_t *root = ask_json(fake);

    if (fake->status != status) {
        fail_msg("%s: %u, not %u", body, fake->status, status);
    }
    fake_conn_free(fake);
    drain(w);
    return root;
}

static void post_is(struct world *w, const char *path, const char *header,
                    const char *body, unsigned status)
{
    json_decref(post(w, path, header, body, status));
}

static const char *text_of(const json_t *root, const char *name)
{
    const char *text = json_string_value(json_object_get(root, name));

    assert_non_null(text);
    return text;
}

/* --- mint --- */

static void a_minted_token_logs_in(void **state)
{
    struct world *w = *state;
    char header[2048];
    json_t *made = post(w, "/v1/tokens", w->ops,
                        "{\"subject\":\"bob\",\"ttl_s\":60,\"grants\":[{"
                        "\"cache\":\"demo\",\"topic\":\"a\",\"role\":"
                        "\"publish\"}]}",
                        200);

    snprintf(header, sizeof header, "Authorization: %s",
             text_of(made, "token"));
    assert_int_equal(json_integer_value(json_object_get(made, "valid_until")),
                     1795305660);
    assert_string_equal(text_of(made, "endpoint"), "eu.example:7400");
    assert_int_equal(strlen(text_of(made, "id")), TOKEN_ID_LEN);
    struct ask ask = {"POST", "/topics/demo/a", header, NULL, "x"};
    struct fake_conn *fake = ask_as(w, &ask);
    assert_int_equal(fake->status, 204);
    fake_conn_free(fake);
    ask.target = "/topics/demo/b";
    fake = ask_as(w, &ask);
    assert_int_equal(fake->status, 403);
    fake_conn_free(fake);
    post_is(w, "/v1/tokens", header, "{\"ttl_s\":1}", 403);
    json_decref(made);
}

static void a_key_in_the_first_form_is_what_clients_paste(void **state)
{
    struct world *w = *state;
    char header[2048];
    json_t *made = post(w, "/v1/tokens", w->ops,
                        "{\"kind\":\"api_key\",\"format\":\"v1\",\"ttl_s\":60}",
                        200);
    struct buf inner = {0};

    assert_int_equal(v1key_read(bytes_str(text_of(made, "token")), &inner), 0);
    snprintf(header, sizeof header, "Authorization: %s",
             text_of(made, "token"));
    struct fake_conn *fake = ask_as(
        w, &(struct ask){"GET", "/v1/regions", header, NULL, NULL});
    assert_int_equal(fake->status, 200);
    fake_conn_free(fake);
    json_decref(made);
    buf_fini(&inner);
}

static void what_is_not_granted_or_not_understood(void **state)
{
    static char huge[20000];
    struct world *w = *state;
    const struct {
        const char *header, *body;
        unsigned status;
        const char *has;
    } cases[] = {
        {NULL, "{\"ttl_s\":1}", 401, "missing"},
        {w->user, "{\"ttl_s\":1}", 403, "needs the scope \"admin:tokens\""},
        {w->user, "nonsense", 403, "needs the scope \"admin:tokens\""},
        {w->ops, "nonsense", 400, "malformed"},
        {w->ops, "{}", 400, "a member is missing"},
        {w->ops, "{\"ttl_s\":90001}", 400, "1 to 90000 s"},
        {w->ops, "{\"ttl_s\":7200}", 403, "a token that holds as long"},
        {w->ops,
         "{\"ttl_s\":1,\"grants\":[{\"cache\":\"*\",\"role\":\"both\"}]}", 403,
         "needs \"publish\" and \"subscribe\" on every cache"},
        {w->ops, huge, 413, "limit"},
    };

    memset(huge, ' ', sizeof huge - 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *root = post(w, "/v1/tokens", cases[i].header, cases[i].body,
                            cases[i].status);
        if (strstr(text_of(root, "message"), cases[i].has) == NULL) {
            fail_msg("case %zu: %s", i, text_of(root, "message"));
        }
        json_decref(root);
    }
    struct fake_conn *fake = ask_as(
        w, &(struct ask){"GET", "/v1/tokens", w->ops, NULL, NULL});
    assert_int_equal(fake->status, 405);
    fake_conn_free(fake);
}

static void without_keys_there_are_no_tokens(void **state)
{
    struct world *w = *state;

    w->core.auth.insecure = true;
    post_is(w, "/v1/tokens", NULL, "{\"ttl_s\":1}", 409);
    post_is(w, "/v1/tokens/revoke", NULL, "{\"id\":\"x\"}", 409);
    w->core.auth.insecure = false;
}

/* --- revoke --- */

static struct fake_conn *listen(struct world *w, const char *accept)
{
    struct fake_conn *fake = ask_as(
        w, &(struct ask){"GET", "/topics/demo/a", w->user, accept, NULL});

    assert_int_equal(fake->status, accept == NULL ? 0 : 200);
    return fake;
}

static struct fake_conn *listen_native(struct world *w)
{
    struct fake_conn *fake = fake_conn_new(&w->core);
    struct buf text = {0};

    assert_int_equal(fake_conn_open_ws(fake, &door_native, NULL, NATIVE_JSON),
                     0);
    buf_add_str(&text, "{\"op\":\"auth\",\"token\":\"");
    buf_add_str(&text, w->user + strlen("Authorization: "));
    buf_add_str(&text, "\"}");
    fake_conn_say_message(fake, buf_bytes(&text), false);
    fake_conn_say_message(fake,
                          BYTES("{\"op\":\"subscribe\",\"id\":1,\"cache\":"
                                "\"demo\",\"topic\":\"a\"}"),
                          false);
    buf_fini(&text);
    return fake;
}

static struct fake_conn *listen_resp(struct world *w, const char *command)
{
    struct fake_conn *fake = fake_conn_new(&w->core);
    struct buf text = {0};

    assert_int_equal(fake_conn_open(fake, &door_resp, NULL), 0);
    buf_add_str(&text, "AUTH demo ");
    buf_add_str(&text, w->user + strlen("Authorization: "));
    buf_add_str(&text, "\r\n");
    buf_add_str(&text, command);
    fake_conn_say(fake, buf_bytes(&text));
    buf_fini(&text);
    return fake;
}

/* As gRPC, or as the web has it. */
static struct fake_conn *listen_grpc(struct world *w, const char *type)
{
    const struct grpc_ask ask = {
        .path = "/cache_client.pubsub.Pubsub/Subscribe",
        .type = type,
        .header = w->user,
        .message = BYTES("\x0a\x04"
                         "demo\x12\x01"
                         "a")};
    struct fake_conn *fake = fake_conn_new(&w->core);
    struct buf body = {0};
    struct http_request request = grpc_request(&ask, &body);

    assert_int_equal(request_admit(fake->conn.client, &request), 0);
    ask_door_of(fake, &request);
    fake_flush(&w->core);
    buf_fini(&body);
    return fake;
}

/* Each door says it in its own words; nobody else hears of it. */
static void revoking_ends_the_subscriptions_of_all_doors(void **state)
{
    struct world *w = *state;
    struct fake_conn *sse = listen(w, "Accept: text/event-stream");
    struct fake_conn *poll = listen(w, NULL);
    struct fake_conn *native = listen_native(w);
    struct fake_conn *resp = listen_resp(w, "SUBSCRIBE a\r\n");
    struct fake_conn *globs = listen_resp(w, "PSUBSCRIBE *\r\n");
    struct fake_conn *grpc = listen_grpc(w, "application/grpc");
    struct fake_conn *web = listen_grpc(w, "application/grpc-web-text");
    struct fake_conn *other = ask_as(
        w, &(struct ask){"GET", "/topics/demo/a", w->ops, NULL, NULL});

    assert_int_equal(hub_subscribers(w->core.hub, BYTES("demo"), BYTES("a")),
                     7);
    json_t *done = post(w, "/v1/tokens/revoke", w->ops, "{\"id\":\"of-user\"}",
                        200);
    assert_string_equal(text_of(done, "id"), "of-user");
    assert_true(sse->finishing && resp->finishing && globs->finishing);
    assert_true(ask_out_has(sse, "event: end\ndata: {\"code\":4012,"));
    assert_int_equal(poll->status, 401);
    assert_true(ask_out_has(poll, "{\"code\":4012,\"error\":\"REVOKED\""));
    assert_true(ask_out_has(native, "{\"op\":\"ended\",\"cache\":\"demo\","
                                    "\"topic\":\"a\",\"code\":4012,"));
    assert_true(ask_out_has(resp, "-NOAUTH the token was revoked\r\n"));
    assert_true(ask_out_has(globs, "-NOAUTH the token was revoked\r\n"));
    assert_int_equal(hub_subscribers(w->core.hub, BYTES("demo"), BYTES("a")),
                     1);
    assert_int_equal(grpc_status_of(grpc), GRPC_UNAUTHENTICATED);
    assert_true(grpc_trailers_have(grpc, "the token was revoked"));
    assert_int_equal(grpc_status_of(web), GRPC_UNAUTHENTICATED);
    assert_int_equal(other->status, 0);
    assert_int_equal(w->core.stats.revocations, 1);
    json_decref(done);
    struct fake_conn *const all[] = {sse,   poll, native, resp,
                                     globs, grpc, web,    other};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        fake_conn_free(all[i]);
    }
}

/* Many at once are one walk over the clients, and nobody waits for a second. */
static void what_follows_waits_for_the_next_walk(void **state)
{
    struct world *w = *state;
    struct fake_conn *sse = listen(w, "Accept: text/event-stream");

    post_is(w, "/v1/tokens/revoke", w->ops, "{\"id\":\"somebody\"}", 200);
    post_is(w, "/v1/tokens/revoke", w->ops, "{\"id\":\"of-user\"}", 200);
    assert_false(sse->finishing);
    fake_wait(&w->core, 249);
    assert_false(sse->finishing);
    fake_wait(&w->core, 1);
    assert_true(sse->finishing);
    fake_conn_free(sse);
}

/* What it published to last is remembered; that it may is not. */
static void who_is_revoked_publishes_nothing_and_may_not_come_back(void **state)
{
    struct world *w = *state;
    struct fake_conn *resp = listen_resp(w, "PUBLISH a x\r\nPUBLISH a x\r\n");

    fake_flush(&w->core);
    assert_bytes(fake_conn_out(resp), "+OK\r\n:0\r\n:0\r\n");
    post_is(w, "/v1/tokens/revoke", w->ops, "{\"id\":\"of-user\"}", 200);
    assert_false(resp->finishing);
    fake_conn_reset(resp);
    fake_conn_say(resp, BYTES("PUBLISH a x\r\nSUBSCRIBE a\r\n"));
    fake_flush(&w->core);
    assert_bytes(fake_conn_out(resp), "-NOAUTH the token was revoked\r\n"
                                      "-NOAUTH the token was revoked\r\n");
    fake_conn_free(resp);
    struct fake_conn *again = ask_as(
        w, &(struct ask){"POST", "/topics/demo/a", w->user, NULL, "x"});
    assert_int_equal(again->status, 401);
    assert_true(ask_out_has(again, "{\"code\":4012,"));
    fake_conn_free(again);
}

static void a_token_is_revoked_by_itself_once_and_for_as_long(void **state)
{
    struct world *w = *state;
    char body[1200];
    json_t *made = post(w, "/v1/tokens", w->ops,
                        "{\"ttl_s\":60,\"format\":\"v1\"}", 200);

    snprintf(body, sizeof body, "{\"token\":\"%s\"}", text_of(made, "token"));
    for (int i = 0; i < 2; i++) {
        json_t *done = post(w, "/v1/tokens/revoke", w->ops, body, 200);
        assert_string_equal(text_of(done, "id"), text_of(made, "id"));
        assert_int_equal(json_integer_value(json_object_get(done, "until")),
                         1795305660);
        json_decref(done);
    }
    assert_int_equal(w->core.stats.revocations, 1);
    struct cluster_register reg;
    assert_true(cluster_get(w->cluster, CLUSTER_REGISTER_REVOKED,
                            bytes_str(text_of(made, "id")), &reg));
    assert_int_equal(reg.until_s, 1795305660);
    core_turn(&w->core, 100000, 1795305660000);
    post_is(w, "/v1/tokens/revoke", w->ops, body, 400); /* expired */
    json_decref(made);
}

static void what_cannot_be_revoked(void **state)
{
    static const char *const bodies[] = {
        "{\"token\":\"a.b.c\"}",
        "{\"id\":\"a\\nb\"}",
        "{\"id\":\"\"}",
        "{}",
        "x",
    };
    struct world *w = *state;
    char long_id[200];

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        post_is(w, "/v1/tokens/revoke", w->ops, bodies[i], 400);
    }
    memset(long_id, 'x', sizeof long_id);
    memcpy(long_id, "{\"id\":\"", 7);
    strcpy(long_id + sizeof long_id - 3, "\"}");
    post_is(w, "/v1/tokens/revoke", w->ops, long_id, 400);
    post_is(w, "/v1/tokens/revoke", w->user, "{\"id\":\"of-ops\"}", 403);
    post_is(w, "/v1/tokens/revoke", NULL, "{\"id\":\"of-ops\"}", 401);
    assert_int_equal(w->core.stats.revocations, 0);
}

/* The last one may lock himself out: he asked for it. */
static void who_revokes_himself_is_answered(void **state)
{
    struct world *w = *state;

    post_is(w, "/v1/tokens/revoke", w->ops, "{\"id\":\"of-ops\"}", 200);
    post_is(w, "/v1/tokens/revoke", w->ops, "{\"id\":\"of-ops\"}", 401);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_minted_token_logs_in),
        TEST(a_key_in_the_first_form_is_what_clients_paste),
        TEST(what_is_not_granted_or_not_understood),
        TEST(without_keys_there_are_no_tokens),
        TEST(revoking_ends_the_subscriptions_of_all_doors),
        TEST(what_follows_waits_for_the_next_walk),
        TEST(who_is_revoked_publishes_nothing_and_may_not_come_back),
        TEST(a_token_is_revoked_by_itself_once_and_for_as_long),
        TEST(what_cannot_be_revoked),
        TEST(who_revokes_himself_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
