/* SPDX-License-Identifier: Apache-2.0
 *
 * Caches are created, deleted and listed: over /v1/caches, and by calls.
 */
#include "tests/test.h"

#include "tests/caches_core.h"

/* --- over HTTP --- */

/* "Authorization: ..." of a token with one grant (none without a cache) and one
 * scope. */
static const char *bearer(const char *cache, const char *scope)
{
    static char header[1024];
    struct token token = {
        .subject = BYTES("ann"),
        .expires_at = core.wall_ms / 1000 + 60,
        .grants_len = cache == NULL ? 0 : 1,
        .grants = {{.all = true, .role = TOKEN_SUBSCRIBE}},
        .scopes_len = scope == NULL ? 0 : 1,
    };
    struct buf text = {0};

    if (cache != NULL) {
        token.grants[0].cache = bytes_str(cache);
    }
    if (scope != NULL) {
        token.scopes[0] = bytes_str(scope);
    }
    buf_add_str(&text, "Authorization: Bearer ");
    assert_int_equal(token_write(&core.auth.keys, &token, &text), 0);
    assert_true(text.len < sizeof header);
    memcpy(header, text.p, text.len);
    header[text.len] = '\0';
    buf_fini(&text);
    return header;
}

static unsigned ask_as(struct fake_conn *fake, const char *header,
                       const char *method, const char *target, const char *body)
{
    struct http_request request = ask_request(
        &(struct ask){method, target, header, NULL, body});

    fake_conn_reset(fake);
    if (fake->conn.client->door != NULL) {
        client_leave_door(fake->conn.client);
    }
    assert_int_equal(request_admit(fake->conn.client, &request), 0);
    ask_door_of(fake, &request);
    end_turn();
    return fake->status;
}

static void http_creates_shows_lists_and_deletes(void **state)
{
    static const struct {
        const char *method;
        const char *target;
        const char *body;
        unsigned status;
        const char *says;
    } rows[] = {
        {"GET", "/v1/caches", "", 200,
         "{\"auto_create_caches\":false,\"caches\":[]}"},
        {"GET", "/v1/caches/a", "", 404, "NO_CACHE"},
        {"DELETE", "/v1/caches/a", "", 404, "NO_CACHE"},
        {"PUT", "/v1/caches/a", "", 201, "{\"name\":\"a\","},
        {"PUT", "/v1/caches/a", "", 200, "{\"name\":\"a\","},
        {"PUT", "/v1/caches/b", "{\"subs\":5}", 201,
         "\"quota\":{\"publish_rate\":0,\"item_len\":0,\"subs\":5}"},
        {"PUT", "/v1/caches/b", "", 200, "\"subs\":5"},
        {"PUT", "/v1/caches/b", "{\"item_len\":7}", 200,
         "{\"publish_rate\":0,\"item_len\":7,\"subs\":0}"},
        {"PUT", "/v1/caches/b", "{\"item_length\":7}", 400, "ARGUMENT"},
        {"PUT", "/v1/caches/b", "{\"subs\":-1}", 400, "ARGUMENT"},
        {"PUT", "/v1/caches/b", "{\"subs\":4294967296}", 400, "ARGUMENT"},
        {"PUT", "/v1/caches/b", "{\"subs\":\"5\"}", 400, "ARGUMENT"},
        {"PUT", "/v1/caches/b", "[]", 400, "SYNTAX"},
        {"PUT", "/v1/caches/b", "{", 400, "SYNTAX"},
        {"PUT", "/v1/caches/_sys", "", 400, "NAME"},
        {"PUT", "/v1/caches/a/b", "", 400, "NAME"},
        {"PUT", "/v1/caches/", "", 400, "NAME"},
        {"GET", "/v1/caches", "", 200, "\"caches\":[{\"name\":\"a\","},
        {"GET", "/v1/caches/b", "", 200, "{\"name\":\"b\","},
        {"POST", "/v1/caches/b", "", 405, "METHOD"},
        {"PUT", "/v1/caches", "", 405, "METHOD"},
        {"DELETE", "/v1/caches/b", "", 204, ""},
        {"GET", "/v1/caches/b", "", 404, "NO_CACHE"},
    };
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned status = ask_as(fake, NULL, rows[i].method, rows[i].target,
                                 rows[i].body);
        bool says = rows[i].says[0] == '\0' || ask_out_has(fake, rows[i].says);
        if (status != rows[i].status || !says) {
            fail_msg("row %zu: %u %.*s", i, status,
                     (int)fake_conn_out(fake).len,
                     (const char *)fake_conn_out(fake).p);
        }
    }
}

static void
changes_need_their_scope_and_lists_show_what_grants_reach(void **state)
{
    static const struct {
        const char *cache;
        const char *scope;
        unsigned put;
        bool sees_a;
        bool sees_b;
    } rows[] = {
        {"a", NULL, 403, true, false},
        {"", NULL, 403, true, true},
        {"other", NULL, 403, false, false},
        {NULL, "admin:read", 403, true, true},
        {NULL, "admin:caches", 201, true, true},
        {NULL, "admin:*", 200, true, true},
    };
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    create("a");
    create("b");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *who = bearer(rows[i].cache, rows[i].scope);
        assert_int_equal(ask_as(fake, who, "PUT", "/v1/caches/c", ""),
                         rows[i].put);
        assert_int_equal(ask_as(fake, who, "GET", "/v1/caches", ""), 200);
        assert_int_equal(ask_out_has(fake, "\"a\""), rows[i].sees_a);
        assert_int_equal(ask_out_has(fake, "\"b\""), rows[i].sees_b);
        assert_int_equal(ask_as(fake, who, "GET", "/v1/caches/b", ""),
                         rows[i].sees_b ? 200 : 404);
    }
    assert_int_equal(ask_as(fake, NULL, "GET", "/v1/caches", ""), 401);
    assert_int_equal(ask_as(fake, NULL, "PUT", "/v1/caches/d", ""), 401);
    assert_int_equal(ask_as(fake, NULL, "DELETE", "/v1/caches/a", ""), 401);
}

/* Its client may go on at any of them. */
static void a_change_is_answered_when_all_nodes_know(void **state)
{
    static const struct {
        const char *method;
        unsigned status;
    } rows[] = {{"PUT", 201}, {"DELETE", 204}};
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        held = caches_version(&core);
        assert_int_equal(ask_as(fake, NULL, rows[i].method, "/v1/caches/a", ""),
                         0);
        held = caches_version(&core);
        clients_release(&core, CLUSTER_SCOPE_REGION, held, false);
        end_turn();
        assert_int_equal(fake->status, 0); /* another region does not yet */
        clients_release(&core, CLUSTER_SCOPE_ALL, held, i == 1);
        end_turn();
        assert_int_equal(fake->status, rows[i].status);
    }
}

static void a_change_is_answered_when_its_client_is_closed(void **state)
{
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    held = caches_version(&core);
    assert_int_equal(ask_as(fake, NULL, "PUT", "/v1/caches/a", ""), 0);
    client_close(fake->conn.client, ERR_CLOSING);
    end_turn();
    assert_int_equal(fake->status, 201);
}

/* --- over gRPC --- */

/* The status, and the message if `out` is not NULL. */
static int call(const char *header, const char *method, struct bytes message,
                struct buf *out)
{
    struct fake_conn *fake = fake_conn_new(&core);
    struct buf body = {0};
    struct http_request request = grpc_request(
        &(struct grpc_ask){
            .path = method, .header = header, .message = message},
        &body);

    assert_int_equal(request_admit(fake->conn.client, &request), 0);
    ask_door_of(fake, &request);
    end_turn();
    if (out != NULL) {
        buf_add_bytes(out, fake_conn_out(fake));
    }
    int status = grpc_status_of(fake);
    fake_conn_free(fake);
    buf_fini(&body);
    return status;
}

#define CONTROL(name) "/control_client.ScsControl/" name

static void calls_create_list_flush_and_delete(void **state)
{
    const struct bytes a = BYTES("\x0a\x01"
                                 "a");
    struct buf list = {0};
    (void)state;

    assert_int_equal(call(NULL, CONTROL("FlushCache"), a, NULL),
                     GRPC_NOT_FOUND);
    assert_int_equal(call(NULL, CONTROL("DeleteCache"), a, NULL),
                     GRPC_NOT_FOUND);
    assert_int_equal(call(NULL, CONTROL("CreateCache"), a, NULL), GRPC_OK);
    assert_int_equal(call(NULL, CONTROL("CreateCache"), a, NULL),
                     GRPC_ALREADY_EXISTS);
    assert_int_equal(call(NULL, CONTROL("FlushCache"), a, NULL), GRPC_OK);
    assert_int_equal(call(NULL, CONTROL("ListCaches"), BYTES(""), &list),
                     GRPC_OK);
    assert_non_null(memmem(list.p, list.len, a.p, a.len));
    assert_int_equal(call(NULL, CONTROL("DeleteCache"), a, NULL), GRPC_OK);
    buf_reset(&list);
    assert_int_equal(call(NULL, CONTROL("ListCaches"), BYTES(""), &list),
                     GRPC_OK);
    assert_int_equal(list.len, 5); /* the empty message */
    assert_int_equal(call(NULL, CONTROL("CreateCache"), BYTES(""), NULL),
                     GRPC_INVALID_ARGUMENT);
    assert_int_equal(
        call(NULL, CONTROL("CreateCache"), BYTES("\x0a\x04_sys"), NULL),
        GRPC_INVALID_ARGUMENT);
    buf_fini(&list);
}

static void a_call_is_answered_when_all_nodes_know(void **state)
{
    (void)state;
    held = caches_version(&core);
    struct fake_conn *fake = grpc_call_new(
        &core, &(struct grpc_ask){.path = CONTROL("CreateCache"),
                                  .message = BYTES("\x0a\x01"
                                                   "a")});
    end_turn();
    assert_int_equal(grpc_status_of(fake), -1);
    held = caches_version(&core);
    clients_release(&core, CLUSTER_SCOPE_ALL, held, false);
    end_turn();
    assert_int_equal(grpc_status_of(fake), GRPC_OK);
}

static void calls_that_change_need_the_scope(void **state)
{
    static const char *const methods[] = {
        CONTROL("CreateCache"), CONTROL("DeleteCache"), CONTROL("FlushCache")};
    const struct bytes a = BYTES("\x0a\x01"
                                 "a");
    struct buf list = {0};
    (void)state;

    create("a");
    create("b");
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        assert_int_equal(call(bearer("", NULL), methods[i], a, NULL),
                         GRPC_PERMISSION_DENIED);
        assert_int_equal(call(NULL, methods[i], a, NULL), GRPC_UNAUTHENTICATED);
    }
    assert_int_equal(
        call(bearer("b", NULL), CONTROL("ListCaches"), BYTES(""), &list),
        GRPC_OK);
    assert_null(memmem(list.p, list.len, a.p, a.len));
    assert_non_null(memmem(list.p, list.len,
                           "\x0a\x01"
                           "b",
                           3));
    assert_int_equal(
        call(bearer("", "admin:caches"), CONTROL("DeleteCache"), a, NULL),
        GRPC_OK);
    buf_fini(&list);
}

/* Who may not use the cache does not learn whether there is one. */
static void a_missing_grant_is_said_before_a_missing_cache(void **state)
{
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    assert_int_equal(ask_as(fake, bearer("a", NULL), "GET", "/topics/b/t", ""),
                     403);
    assert_int_equal(ask_as(fake, bearer("a", NULL), "GET", "/topics/a/t", ""),
                     404);
}

int main(void)
{
#define T(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)
    static const struct CMUnitTest tests[] = {
        T(http_creates_shows_lists_and_deletes, setup),
        T(changes_need_their_scope_and_lists_show_what_grants_reach,
          setup_keyed),
        T(a_change_is_answered_when_all_nodes_know, setup),
        T(a_change_is_answered_when_its_client_is_closed, setup),
        T(a_missing_grant_is_said_before_a_missing_cache, setup_keyed),
        T(calls_create_list_flush_and_delete, setup),
        T(a_call_is_answered_when_all_nodes_know, setup),
        T(calls_that_change_need_the_scope, setup_keyed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
