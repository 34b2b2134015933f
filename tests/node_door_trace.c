/* SPDX-License-Identifier: Apache-2.0
 *
 * Tracing over HTTP: who may, how much at once, and what is answered. The items
 * go nowhere: what other nodes know of them is written into their notes.
 */
#include "tests/test.h"

#include <stdio.h>

#include "node/watch/trace_ask.h"
#include "tests/ask.h"
#include "tests/ends.h"

static struct ends ends;
static struct core *core;

#define TARGET "/v1/admin/trace/demo/chat"

static int setup(void **state)
{
    (void)state;

    ends_init(&ends);
    core = &ends.at[0].core;
    for (size_t i = 0; i < ENDS; i++) {
        strcpy(ends.at[i].core.region, "eu");
        trace_serve(&ends.at[i].core);
    }
    /* What the hub calls itself. */
    ends.at[0].cluster.members[0].node.id = core->id;
    ends.at[0].cluster.members[2].node.region = BYTES("us");
    ends.at[0].cluster.members[3].state = CLUSTER_STATE_LEFT;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    trace_check(&core->trace);
    ends_fini(&ends);
    return 0;
}

static uint64_t id_of(size_t i)
{
    return node_id_u64(&ends.at[0].cluster.members[i].node.id);
}

static struct item published(void)
{
    return (struct item){.origin = core->node_u64,
                         .count = core->items_made,
                         .flags = ITEM_TRACE};
}

/* It came to node i from node `from`, whose door of that name has one. */
static void note_at(size_t i, size_t from, enum traced_hop hop, uint64_t subs)
{
    struct item item = published();
    struct trace *trace = &ends.at[i].core.trace;
    struct trace_item *noted = trace_begin(trace, &item, id_of(from), hop);

    assert_non_null(noted);
    noted->notes.doors[0] = (struct traced_door){BYTES("native"), subs};
    noted->notes.doors_len = subs > 0;
}

static void note_sent(size_t from, size_t to, enum traced_outcome outcome,
                      enum traced_why why)
{
    struct item item = published();
    struct trace *trace = &ends.at[from].core.trace;

    trace_send(trace, &item, id_of(to), 1, why);
    if (outcome == TRACED_SENT) {
        trace_left(trace, id_of(to), 1);
    }
}

static struct fake_conn *ask(void)
{
    return ask_new(
        core,
        &(struct ask){.method = "POST", .target = TARGET, .body = "hello"});
}

/* Returns how many milliseconds the answer took. */
static unsigned finish(struct fake_conn *fake)
{
    unsigned ms = 0;

    for (; ms < 3000 && fake->status == 0; ms++) {
        ends_settle(&ends);
        for (size_t i = 0; i < ENDS; i++) {
            fake_wait(&ends.at[i].core, 1);
        }
    }
    assert_int_equal(fake->status, 200);
    return ms;
}

static void one_node_and_nobody_subscribed(void **state)
{
    char text[1024];
    (void)state;

    ends.at[0].cluster.len = 1;
    ends.at[0].cluster.members[1].state = CLUSTER_STATE_LEFT;
    ends.at[0].cluster.members[2].state = CLUSTER_STATE_LEFT;
    struct fake_conn *fake = ask();
    assert_int_equal(fake->status, 0);
    assert_true(finish(fake) < 100);
    assert_true(ask_head_has(fake, "application/json\n"));
    (void)snprintf(
        text, sizeof text,
        "{\"item\":{\"origin\":\"%016" PRIx64 "\",\"count\":1,\"cache\":"
        "\"demo\",\"topic\":\"chat\",\"bytes\":5},\"nodes\":[{\"id\":"
        "\"%016" PRIx64 "\",\"name\":\"n0\",\"region\":\"eu\",\"from\":\"\","
        "\"hop\":\"local\",\"at_us\":0,\"error_us\":0,\"clock_us\":0,"
        "\"matched\":0,\"doors\":{},\"written_us\":null,\"waiting\":0,"
        "\"gap_us\":null,\"sent\":[],\"dropped\":[]}],\"silent\":[],"
        "\"older\":[]}\n",
        core->node_u64, core->node_u64);
    assert_bytes(fake_conn_out(fake), text);
    fake_conn_free(fake);
}

static const json_t *node_at(const json_t *root, size_t i)
{
    return json_array_get(json_object_get(root, "nodes"), i);
}

static const char *text_of(const json_t *of, const char *name)
{
    return json_string_value(json_object_get(of, name));
}

static json_int_t number_of(const json_t *of, const char *name)
{
    return json_integer_value(json_object_get(of, name));
}

/* Clocks of others are behind by half an hour and ahead by one. */
static void nodes_follow_in_the_order_of_the_way(void **state)
{
    (void)state;

    core_turn(core, 10000000, core->wall_ms);
    core_turn(&ends.at[1].core, 10000000 - 1800000, core->wall_ms);
    core_turn(&ends.at[2].core, 10000000 + 3600000, core->wall_ms + 250);
    struct fake_conn *fake = ask();
    note_sent(0, 2, TRACED_SENT, TRACED_WHY_NONE);
    note_at(2, 0, TRACED_INGRESS, 3);
    note_sent(2, 1, TRACED_SENT, TRACED_WHY_NONE);
    note_at(1, 2, TRACED_REGION, 1);
    assert_true(finish(fake) < 100);
    json_t *root = ask_json(fake);
    assert_int_equal(json_array_size(json_object_get(root, "nodes")), 3);
    assert_string_equal(text_of(node_at(root, 0), "name"), "n0");
    assert_string_equal(text_of(node_at(root, 1), "name"), "n2");
    assert_string_equal(text_of(node_at(root, 1), "region"), "us");
    assert_string_equal(text_of(node_at(root, 1), "from"), "n0");
    assert_string_equal(text_of(node_at(root, 1), "hop"), "ingress");
    assert_string_equal(text_of(node_at(root, 2), "name"), "n1");
    assert_string_equal(text_of(node_at(root, 2), "from"), "n2");
    assert_int_equal(number_of(node_at(root, 1), "matched"), 3);
    assert_int_equal(number_of(node_at(root, 1), "clock_us"), 250000);
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(number_of(node_at(root, i), "at_us"), 0, 2000);
        assert_in_range(number_of(node_at(root, i), "error_us"), 0, 2000);
    }
    assert_int_equal(json_array_size(json_object_get(root, "silent")), 0);
    json_decref(root);
    fake_conn_free(fake);
}

static void who_does_not_answer_is_silent(void **state)
{
    (void)state;

    ends.at[1].deaf = true;
    ends.at[0].cluster.members[3].state = CLUSTER_STATE_DEAD;
    struct fake_conn *fake = ask();
    note_sent(0, 1, TRACED_SENT, TRACED_WHY_NONE);
    assert_in_range(finish(fake), 1400, 1600);
    assert_true(ask_out_has(fake, "\"silent\":[\"n1\",\"n3\"]"));
    assert_true(ask_out_has(fake, "\"to\":\"n1\",\"at_us\":0,\"outcome\":"
                                  "\"sent\",\"why\":\"\""));
    fake_conn_free(fake);
}

/* It delivers as ever, and is not waited for. */
static void a_node_that_knows_no_traces_is_older(void **state)
{
    (void)state;

    calls_serve(ends.at[1].calls, CALL_TRACE, NULL, NULL);
    struct fake_conn *fake = ask();
    note_sent(0, 1, TRACED_SENT, TRACED_WHY_NONE);
    assert_true(finish(fake) < 100);
    assert_true(ask_out_has(fake, "\"silent\":[],\"older\":[\"n1\"]}"));
    fake_conn_free(fake);
}

static void what_left_and_did_not_arrive_is_lost(void **state)
{
    (void)state;

    struct fake_conn *fake = ask();
    note_sent(0, 1, TRACED_SENT, TRACED_WHY_NONE);
    assert_in_range(finish(fake), 1400, 1600); /* it may yet come */
    assert_true(ask_out_has(fake, "\"outcome\":\"dropped\",\"why\":\"lost on "
                                  "the way\""));
    assert_true(ask_out_has(fake, "\"silent\":[]"));
    fake_conn_free(fake);
}

static void what_is_dropped_is_not_waited_for(void **state)
{
    (void)state;

    struct fake_conn *fake = ask();
    note_sent(0, 1, TRACED_DROPPED, TRACED_WHY_LINK_DOWN);
    assert_true(finish(fake) < 100);
    assert_true(ask_out_has(fake, "\"outcome\":\"dropped\",\"why\":\"link "
                                  "down\""));
    fake_conn_free(fake);
}

/* By the mesh of node 2, where the slots of the others are 5, 6 ... */
static void what_comes_too_late_is_noted_with_its_sender(void **state)
{
    static const enum peer_hop hops[] = {PEER_HOP_INGRESS, PEER_HOP_HOST,
                                         PEER_HOP_LAST};
    static const char *const texts[] = {"ingress", "host", "region"};
    (void)state;

    for (uint16_t i = 0; i < ENDS; i++) {
        ends.at[2].cluster.members[i].slot = 5 + i;
    }
    ends.at[2].cluster.members[0].node.id = core->id;
    for (size_t i = 0; i < ARRAY_LEN(hops); i++) {
        char text[64];
        struct fake_conn *fake = ask();
        struct item item = published();
        note_sent(0, 2, TRACED_SENT, TRACED_WHY_NONE);
        trace_arrived(&ends.at[2].core.trace, &item, 5, hops[i], i == 0);
        assert_true(finish(fake) < 100);
        (void)snprintf(text, sizeof text, "\"from\":\"n0\",\"hop\":\"%s\"",
                       texts[i]);
        assert_true(ask_out_has(fake, text));
        assert_int_equal(ask_out_has(fake, "{\"door\":\"\",\"count\":1,"
                                           "\"why\":\"late\"}"),
                         i == 0);
        fake_conn_free(fake);
    }
}

static void what_waits_for_a_link_is_waited_for(void **state)
{
    (void)state;

    struct fake_conn *fake = ask();
    note_sent(0, 1, TRACED_QUEUED, TRACED_WHY_NONE);
    assert_in_range(finish(fake), 1400, 1600);
    assert_true(ask_out_has(fake, "\"outcome\":\"queued\",\"why\":\"\""));
    fake_conn_free(fake);
}

static void an_answer_of_nonsense_is_none(void **state)
{
    (void)state;

    struct fake_conn *fake = ask();
    while (ends.letters_len > 0 && ends.letters[0].message.type == PEER_CALL) {
        ends_deliver(&ends);
    }
    for (size_t i = 0; i < ends.letters_len; i++) {
        buf_add_u8(&ends.letters[i].body, 0);
    }
    ends_settle(&ends);
    ends.at[1].deaf = true;
    ends.at[2].deaf = true;
    finish(fake);
    assert_true(ask_out_has(fake, "\"silent\":[\"n1\",\"n2\"]"));
    fake_conn_free(fake);
}

/* --- who may, and how often --- */

static unsigned status_of(const char *scope, const struct token_grant *grant)
{
    struct token token = {
        .subject = BYTES("ops"),
        .expires_at = core->wall_ms / 1000 + 60,
        .scopes_len = scope == NULL ? 0 : 1,
        .grants_len = grant == NULL ? 0 : 1,
    };
    struct fake_conn *fake = fake_conn_new(core);
    struct buf text = {0};

    if (scope != NULL) {
        token.scopes[0] = bytes_str(scope);
    }
    if (grant != NULL) {
        token.grants[0] = *grant;
    }
    buf_add_str(&text, "Authorization: Bearer ");
    assert_int_equal(token_write(&core->auth.keys, &token, &text), 0);
    buf_add_u8(&text, '\0');
    struct ask asked = {
        .method = "POST", .target = TARGET, .header = (const char *)text.p};
    struct http_request request = ask_request(&asked);
    assert_int_equal(request_admit(fake->conn.client, &request), 0);
    ask_door_of(fake, &request);
    if (fake->status == 0) {
        finish(fake);
    }
    unsigned status = fake->status;
    buf_fini(&text);
    fake_conn_free(fake);
    return status;
}

static void it_takes_the_scope_and_the_grant(void **state)
{
    const struct token_grant both = {
        .cache = BYTES("demo"), .topic = BYTES("chat"), .role = TOKEN_BOTH};
    const struct token_grant reader = {.all = true, .role = TOKEN_SUBSCRIBE};
    const struct token_grant other = {
        .cache = BYTES("demo"), .topic = BYTES("x"), .role = TOKEN_BOTH};
    (void)state;

    fake_core_ask_tokens(core);
    assert_int_equal(
        ask_publish(core, &(struct ask){.method = "POST", .target = TARGET}),
        401);
    assert_int_equal(status_of("admin:trace", &both), 200);
    assert_int_equal(status_of("admin:*", &both), 200);
    assert_int_equal(status_of("admin:read", &both), 403);
    assert_int_equal(status_of(NULL, &both), 403);
    assert_int_equal(status_of("admin:trace", &reader), 403);
    assert_int_equal(status_of("admin:trace", &other), 403);
    assert_int_equal(status_of("admin:trace", NULL), 403);
    assert_int_equal(core->items_made, 2); /* only what was allowed */
    assert_int_equal(core->trace.asks_len, 0);
}

static void only_post_and_only_valid_names(void **state)
{
    static const struct {
        const char *method;
        const char *target;
        unsigned status;
    } cases[] = {
        {"GET", TARGET, 405},
        {"PUT", TARGET, 405},
        {"POST", "/v1/admin/trace/", 400},
        {"POST", "/v1/admin/trace/demo", 400},
        {"POST", "/v1/admin/trace/demo/", 400},
        {"POST", "/v1/admin/trace/de%2fmo/x", 400},
        {"POST", "/v1/admin/trace/demo/%00", 400},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct ask wrong = {.method = cases[i].method,
                                  .target = cases[i].target};
        assert_int_equal(ask_publish(core, &wrong), cases[i].status);
    }
    assert_int_equal(core->trace.asks_len, 0);
    assert_int_equal(core->items_made, 0);
}

static void so_many_at_once_and_no_more(void **state)
{
    struct fake_conn *fakes[TRACE_ASKS_MAX];
    (void)state;

    ends.at[0].cluster.members[1].state = CLUSTER_STATE_LEFT;
    ends.at[0].cluster.members[2].state = CLUSTER_STATE_LEFT;
    for (size_t i = 0; i < TRACE_ASKS_MAX; i++) {
        fakes[i] = ask();
        assert_int_equal(fakes[i]->status, 0);
    }
    struct fake_conn *more = ask();
    assert_int_equal(more->status, 429);
    assert_int_equal(core->items_made, TRACE_ASKS_MAX); /* nor published */
    fake_conn_free(more);
    for (size_t i = 0; i < TRACE_ASKS_MAX; i++) {
        finish(fakes[i]);
        fake_conn_free(fakes[i]);
    }
}

static void so_many_a_second_and_no_more(void **state)
{
    uint64_t start_ms = core->now_ms;
    (void)state;

    for (unsigned i = 0; i < TRACE_ASKS_RATE; i++) {
        struct fake_conn *fake = ask();
        assert_int_equal(fake->status, 0);
        fake_conn_free(fake); /* goes before the answer */
        ends_settle(&ends);
        assert_int_equal(core->trace.asks_len, 0);
    }
    struct fake_conn *more = ask();
    assert_int_equal(more->status, 429);
    fake_conn_free(more);
    while (core->now_ms < start_ms + 1000) {
        ends_settle(&ends);
        fake_wait(core, 100);
    }
    more = ask();
    assert_int_equal(more->status, 0);
    finish(more);
    fake_conn_free(more);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_node_and_nobody_subscribed),
        TEST(nodes_follow_in_the_order_of_the_way),
        TEST(who_does_not_answer_is_silent),
        TEST(a_node_that_knows_no_traces_is_older),
        TEST(what_left_and_did_not_arrive_is_lost),
        TEST(what_is_dropped_is_not_waited_for),
        TEST(what_comes_too_late_is_noted_with_its_sender),
        TEST(what_waits_for_a_link_is_waited_for),
        TEST(an_answer_of_nonsense_is_none),
        TEST(it_takes_the_scope_and_the_grant),
        TEST(only_post_and_only_valid_names),
        TEST(so_many_at_once_and_no_more),
        TEST(so_many_a_second_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
