/* SPDX-License-Identifier: Apache-2.0
 *
 * The usage over HTTP: who may look, and what is answered. How it is gathered
 * is in node_usage.c.
 */
#include "tests/test.h"

#include <stdio.h>

#include "node/client/usage.h"
#include "tests/ask.h"
#include "tests/ends.h"

static struct ends ends;
static struct core *core;

static int setup(void **state)
{
    (void)state;

    ends_init(&ends);
    core = &ends.at[0].core;
    for (size_t i = 0; i < ENDS; i++) {
        struct core *one = &ends.at[i].core;
        strcpy(one->region, i < 2 ? "eu" : "us");
        (void)snprintf(one->name, sizeof one->name, "n%zu", i);
        one->id = end_id(i);
        one->since_ms = 1000 + i;
        ends.at[0].cluster.members[i].node.region = bytes_str(one->region);
        usage_serve(one);
    }
    ends.at[0].cluster.len = 3;
    ends.at[0].cluster.members[3].state = CLUSTER_STATE_LEFT;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ends_fini(&ends);
    return 0;
}

static void use(size_t i, const char *cache, uint64_t n)
{
    struct meters *meters = &ends.at[i].core.meters;

    usage_add(&meters_of(meters, bytes_str(cache))->usage,
              &(struct usage){.in = {n, 2 * n, 3 * n},
                              .out = {4 * n, 5 * n, 6 * n},
                              .refused = 7 * n});
}

static struct fake_conn *ask(void)
{
    return ask_new(core, &(struct ask){.target = "/v1/usage"});
}

static void finish(struct fake_conn *fake)
{
    for (int i = 0; i < 100 && fake->status == 0; i++) {
        ends_settle(&ends);
        fake_wait(core, 100);
    }
}

#define U1                                               \
    "\"in\":{\"items\":1,\"bytes\":2,\"operations\":3}," \
    "\"out\":{\"items\":4,\"bytes\":5,\"operations\":6},\"refused\":7"
#define U2                                               \
    "\"in\":{\"items\":2,\"bytes\":4,\"operations\":6}," \
    "\"out\":{\"items\":8,\"bytes\":10,\"operations\":12},\"refused\":14"
#define U3                                               \
    "\"in\":{\"items\":3,\"bytes\":6,\"operations\":9}," \
    "\"out\":{\"items\":12,\"bytes\":15,\"operations\":18},\"refused\":21"
#define U0                                               \
    "\"in\":{\"items\":0,\"bytes\":0,\"operations\":0}," \
    "\"out\":{\"items\":0,\"bytes\":0,\"operations\":0},\"refused\":0"

static void all_counts_of_all_nodes_are_one_document(void **state)
{
    (void)state;

    use(0, "red", 1);
    use(2, "red", 2);
    ends.at[2].deaf = false;
    ends.at[1].deaf = true;
    struct fake_conn *fake = ask();
    assert_int_equal(fake->status, 0);
    finish(fake);
    assert_int_equal(fake->status, 200);
    assert_true(ask_head_has(fake, "application/json\n"));
    char text[2048];
    (void)snprintf(
        text, sizeof text,
        "{\"asked\":\"n0\",\"at_ms\":%llu,\"complete\":false,\"nodes\":["
        "{\"name\":\"n0\",\"id\":\"a000000000000000\",\"region\":\"eu\","
        "\"self\":true,\"dead\":false,\"answered\":true,\"since_ms\":1000},"
        "{\"name\":\"n1\",\"id\":\"a001000000000000\",\"region\":\"eu\","
        "\"self\":false,\"dead\":false,\"answered\":false},"
        "{\"name\":\"n2\",\"id\":\"a002000000000000\",\"region\":\"us\","
        "\"self\":false,\"dead\":false,\"answered\":true,\"since_ms\":1002}],"
        "\"total\":{" U3 "},\"regions\":[{\"region\":\"eu\"," U1
        "},{\"region\":\"us\"," U2 "}],\"caches\":[{\"cache\":\"red\"," U3
        ",\"regions\":[{\"region\":\"eu\"," U1 "},{\"region\":\"us\"," U2
        "}]}]}\n",
        (unsigned long long)core->wall_ms);
    assert_bytes(fake_conn_out(fake), text);
    fake_conn_free(fake);
}

static void nothing_counted_is_an_empty_list(void **state)
{
    (void)state;

    struct fake_conn *fake = ask();
    finish(fake);
    assert_true(ask_out_has(fake, "\"complete\":true"));
    assert_true(ask_out_has(fake, "\"total\":{" U0 "}"));
    assert_true(ask_out_has(fake, "\"caches\":[]"));
    fake_conn_free(fake);
}

static void caches_without_a_name_are_null(void **state)
{
    (void)state;

    use(0, "red", 1);
    usage_add(&core->meters.rest.usage, &meters_at(&core->meters, 1)->usage);
    struct fake_conn *fake = ask();
    finish(fake);
    assert_true(ask_out_has(fake, "\"caches\":[{\"cache\":null," U1));
    assert_true(ask_out_has(fake, ",{\"cache\":\"red\"," U1));
    fake_conn_free(fake);
}

static unsigned status_with(const char *scope)
{
    struct token token = {
        .subject = BYTES("ops"),
        .expires_at = core->wall_ms / 1000 + 60,
        .scopes_len = scope == NULL ? 0 : 1,
    };
    struct fake_conn *fake = fake_conn_new(core);
    struct buf text = {0};

    if (scope != NULL) {
        token.scopes[0] = bytes_str(scope);
    }
    buf_add_str(&text, "Authorization: Bearer ");
    assert_int_equal(token_write(&core->auth.keys, &token, &text), 0);
    buf_add_u8(&text, '\0');
    struct ask asked = {.target = "/v1/usage", .header = (const char *)text.p};
    struct http_request request = ask_request(&asked);
    assert_int_equal(request_admit(fake->conn.client, &request), 0);
    ask_door_of(fake, &request);
    finish(fake);
    unsigned status = fake->status;
    fake_conn_free(fake);
    buf_fini(&text);
    return status;
}

static void it_needs_the_scope_to_look(void **state)
{
    (void)state;

    fake_core_ask_tokens(core);
    struct fake_conn *stranger = ask();
    assert_int_equal(stranger->status, 401);
    fake_conn_free(stranger);
    assert_int_equal(status_with(NULL), 403);
    assert_int_equal(status_with("admin:write"), 403);
    assert_int_equal(status_with("admin:read"), 200);
}

static void other_methods_are_refused(void **state)
{
    (void)state;

    struct fake_conn *fake = ask_new(
        core, &(struct ask){.method = "POST", .target = "/v1/usage"});
    assert_int_equal(fake->status, 405);
    assert_true(ask_head_has(fake, "Allow: GET, OPTIONS\n"));
    fake_conn_free(fake);
}

static void who_goes_while_it_waits_leaves_nothing(void **state)
{
    (void)state;

    ends.at[1].deaf = true;
    struct fake_conn *fake = ask();
    ends_settle(&ends);
    assert_int_equal(fake->status, 0);
    fake_conn_free(fake);
    fake_wait(core, 2 * USAGE_WAIT_MS);
}

static void a_node_that_goes_says_so(void **state)
{
    (void)state;

    ends.at[1].deaf = true;
    struct fake_conn *fake = ask();
    client_close(fake->conn.client, ERR_CLOSING);
    fake_flush(core);
    assert_int_equal(fake->status, 503);
    assert_true(ask_out_has(fake, "\"error\":\"CLOSING\""));
    fake_conn_free(fake);
    ends_settle(&ends);
}

static void too_many_at_once_are_refused(void **state)
{
    struct fake_conn *all[CALLS_MAX + 1];
    (void)state;

    ends.at[0].cluster.members[1].state = CLUSTER_SUSPECTED;
    ends.at[0].cluster.members[2].state = CLUSTER_SUSPECTED;
    for (size_t i = 0; i <= CALLS_MAX; i++) {
        struct http_request request = ask_request(
            &(struct ask){.target = "/v1/usage"});
        all[i] = fake_conn_new(core);
        ask_door_of(all[i], &request);
        assert_int_equal(all[i]->status, i < CALLS_MAX ? 0 : 429);
    }
    fake_wait(core, 1);
    for (size_t i = 0; i <= CALLS_MAX; i++) {
        assert_int_equal(all[i]->status, i < CALLS_MAX ? 200 : 429);
        fake_conn_free(all[i]);
    }
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(all_counts_of_all_nodes_are_one_document),
        T(nothing_counted_is_an_empty_list),
        T(caches_without_a_name_are_null),
        T(it_needs_the_scope_to_look),
        T(other_methods_are_refused),
        T(who_goes_while_it_waits_leaves_nothing),
        T(a_node_that_goes_says_so),
        T(too_many_at_once_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
