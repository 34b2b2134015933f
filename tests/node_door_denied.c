/* SPDX-License-Identifier: Apache-2.0
 *
 * Refusals of every door, noted, bounded and shown.
 */
#include "tests/test.h"

#include "node/watch/denied.h"
#include "tests/admin_ends.h"

struct lines {
    size_t len;
    char name[64];
    char text[1024];
};

static struct lines lines;

static void on_line(void *data, const struct log_event *event)
{
    (void)data;
    lines.len++;
    (void)snprintf(lines.name, sizeof lines.name, "%s", event->name);
    (void)snprintf(lines.text, sizeof lines.text, "%.*s", (int)event->text.len,
                   (const char *)event->text.p);
}

static int setup(void **state)
{
    (void)state;
    admin_ends_init(denied_serve);
    lines = (struct lines){0};
    ends.at[0].log.on_line = on_line;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ends_fini(&ends);
    return 0;
}

/* Refused for want of a token. */
static void publish(struct core *to, const char *topic)
{
    char target[TOPIC_LEN_MAX * 3 + 64];

    (void)snprintf(target, sizeof target, "/topics/demo/%s", topic);
    const struct ask asked = {"POST", target, NULL, NULL, "x"};
    assert_int_equal(ask_publish(to, &asked), 401);
}

static void say_resp(struct core *to, const char *text)
{
    struct fake_conn *fake = fake_conn_new(to);

    assert_int_equal(fake_conn_open(fake, &door_resp, NULL), 0);
    fake_conn_say(fake, bytes_str(text));
    fake_flush(to);
    fake_conn_free(fake);
}

/* The page as an operator gets it: asked at a node that asks for no tokens, so
 * that looking is not refused itself. */
static json_t *look(const char *query)
{
    char target[128];

    (void)snprintf(target, sizeof target, "/v1/admin/denied%s", query);
    core = &ends.at[3].core;
    json_t *root = admin_json(target);
    core = &ends.at[0].core;
    return root;
}

static const json_t *row_at(const json_t *root, size_t i)
{
    const json_t *row = json_array_get(json_object_get(root, "denied"), i);

    assert_non_null(row);
    return row;
}

static size_t rows_of(const json_t *root)
{
    return json_array_size(json_object_get(root, "denied"));
}

static void assert_newest(const char *door, const char *what, int code)
{
    json_t *root = look("?limit=1");
    const json_t *row = row_at(root, 0);

    assert_string_equal(admin_text(row, "door"), door);
    assert_string_equal(admin_text(row, "what"), what);
    assert_int_equal(admin_number(row, "code"), code);
    json_decref(root);
}

static void what_every_door_refuses_is_noted(void **state)
{
    static const struct {
        struct ask ask;
        const char *door;
        const char *what;
    } requests[] = {
        {{"POST", "/topics/demo/chat", NULL, NULL, "x"},
         "publish",
         "publish demo/chat"},
        {{"GET", "/topics/demo/chat", NULL, NULL, NULL},
         "poll",
         "subscribe demo/chat"},
        {{"GET", "/topics/demo/a%20b", "Accept: text/event-stream", NULL, NULL},
         "sse",
         "subscribe demo/a b"},
        {{"GET", "/metrics", NULL, NULL, NULL},
         "status",
         "use the scope admin:read"},
        {{"GET", "/v1/regions", NULL, NULL, NULL}, "status", "ask"},
        {{"GET", "/v1/admin/clients", NULL, NULL, NULL},
         "admin",
         "use the scope admin:read"},
        {{"GET", "/v1/admin/keys", NULL, NULL, NULL},
         "keys",
         "use the scope admin:read"},
        {{"POST", "/v1/tokens", NULL, NULL, "{}"},
         "tokens",
         "use the scope admin:tokens"},
        {{"GET", "/v1/usage", NULL, NULL, NULL},
         "usage",
         "use the scope admin:read"},
        {{"PUT", "/v1/caches/demo", NULL, NULL, NULL}, "caches", "ask"},
    };
    (void)state;

    fake_core_ask_tokens(core);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        fake_conn_free(ask_new(core, &requests[i].ask));
        assert_newest(requests[i].door, requests[i].what, 4010);
    }
    say_resp(core, "PUBLISH chat x\r\n");
    assert_newest("resp", "run publish", 4010);
    say_resp(core, "HELLO 3\r\n");
    assert_newest("resp", "run hello", 4010);
    say_resp(core, "AUTH ann secret-password\r\n");
    assert_newest("resp", "login", 4010);
    say_resp(core, "PUBLISH chat x\r\n");
    say_resp(core, "AUTH a/b secret-password\r\n");
    assert_newest("resp", "login", 4010);
}

static void it_says_who_from_where_and_why(void **state)
{
    const struct ask asked = {"GET", "/v1/usage", NULL, NULL, NULL};
    (void)state;

    fake_core_ask_tokens(core);
    assert_int_equal(admin_status_with(&asked, "admin:write"), 403);
    json_t *root = look("");
    const json_t *row = row_at(root, 0);
    assert_int_equal(json_object_size(row), 10);
    assert_in_range(admin_number(row, "at"), core->wall_ms - 100,
                    core->wall_ms);
    assert_string_equal(admin_text(row, "node"), "n0");
    assert_string_equal(admin_text(row, "who"), "ops");
    assert_non_null(strchr(admin_text(row, "address"), ':'));
    assert_string_equal(admin_text(row, "error"), "DENIED");
    assert_string_equal(admin_text(row, "message"),
                        "the token does not grant this: needs the scope "
                        "\"admin:read\"");
    assert_int_equal(admin_number(row, "times"), 1);
    json_decref(root);
    assert_string_equal(lines.name, "admin-refused");
}

static void the_newest_of_all_nodes_come_first(void **state)
{
    (void)state;

    for (size_t end = 0; end < 3; end++) {
        fake_core_ask_tokens(&ends.at[end].core);
    }
    for (size_t i = 0; i < 6; i++) {
        char topic[64];
        struct core *one = &ends.at[i % 3].core;
        (void)snprintf(topic, sizeof topic, "t%zu", i);
        for (size_t end = 0; end < ENDS; end++) {
            fake_wait(&ends.at[end].core, 10);
        }
        publish(one, topic);
    }
    json_t *root = look("?limit=5");
    assert_int_equal(rows_of(root), 5);
    for (size_t i = 0; i < 5; i++) {
        char what[64];
        (void)snprintf(what, sizeof what, "publish demo/t%zu", 5 - i);
        assert_string_equal(admin_text(row_at(root, i), "what"), what);
    }
    assert_string_not_equal(admin_text(root, "next"), "");
    json_decref(root);
}

static void the_oldest_are_forgotten(void **state)
{
    (void)state;

    fake_core_ask_tokens(core);
    for (int i = 0; i < DENIED_MAX + 44; i++) {
        char topic[64];
        (void)snprintf(topic, sizeof topic, "t%d", i);
        publish(core, topic);
    }
    json_t *root = look("?limit=1000");
    assert_int_equal(rows_of(root), DENIED_MAX);
    assert_string_equal(admin_text(row_at(root, 0), "what"),
                        "publish demo/t299");
    assert_string_equal(admin_text(row_at(root, DENIED_MAX - 1), "what"),
                        "publish demo/t44");
    json_decref(root);
}

static void the_same_again_only_counts(void **state)
{
    (void)state;

    fake_core_ask_tokens(core);
    for (int i = 0; i < 1000; i++) {
        say_resp(core, "PUBLISH chat x\r\n"); /* each from a new connection */
    }
    json_t *root = look("");
    assert_int_equal(rows_of(root), 1);
    assert_int_equal(admin_number(row_at(root, 0), "times"), 1000);
    json_decref(root);
}

static void a_flood_is_one_event_a_second(void **state)
{
    (void)state;

    fake_core_ask_tokens(core);
    for (int i = 0; i < 500; i++) {
        publish(core, i % 2 == 0 ? "a" : "b");
    }
    assert_int_equal(lines.len, 1);
    assert_string_equal(lines.name, "auth-denied");
    fake_wait(core, DENIED_EVENT_MS);
    publish(core, "c");
    assert_int_equal(lines.len, 2);
    assert_non_null(strstr(lines.text, " suppressed=499 "));
    assert_non_null(strstr(lines.text, "what=publish demo/c"));
}

static void long_names_are_cut_between_characters(void **state)
{
    char topic[TOPIC_LEN_MAX * 3 + 1] = "";
    (void)state;

    fake_core_ask_tokens(core);
    for (int i = 0; i < 170; i++) {
        strcat(topic, "%e2%82%ac"); /* the euro sign */
    }
    publish(core, topic);
    json_t *root = look("");
    const char *what = admin_text(row_at(root, 0), "what");
    size_t len = strlen(what);
    assert_in_range(len, 150, 160);
    assert_string_equal(what + len - 6, "\xe2\x82\xac...");
    json_decref(root);
}

/* A pattern may cut a character in two. */
static void what_is_no_text_is_not_shown(void **state)
{
    static const char *const patterns[] = {"\xff\xfe*", "a\xc3*",
                                           "\xed\xa0\x80*"};
    (void)state;

    fake_core_ask_tokens(core);
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct fake_conn *fake = fake_conn_new(core);
        struct hub_want want = {.cache = BYTES("demo"),
                                .topic = bytes_str(patterns[i]),
                                .dialect = TOPIC_GLOB};
        assert_int_equal(fake_conn_open(fake, &door_resp, NULL), 0);
        assert_int_equal(client_may_subscribe(fake->conn.client, &want),
                         ERR_UNAUTH);
        fake_conn_free(fake);
        assert_newest("resp", "subscribe demo/?", 4010);
        publish(core, "between");
    }
}

static void scripts_come_out_as_text(void **state)
{
    (void)state;

    fake_core_ask_tokens(core);
    publish(core, "%3Cscript%3Ealert(1)%3C/script%3E%5C%22");
    core = &ends.at[3].core;
    struct fake_conn *fake = admin_get("/v1/admin/denied");
    assert_false(ask_out_has(fake, "<"));
    json_t *root = ask_json(fake);
    assert_string_equal(admin_text(row_at(root, 0), "what"),
                        "publish demo/<script>alert(1)</script>\\\"");
    json_decref(root);
    fake_conn_free(fake);
}

static void a_foreign_origin_or_host_is_noted(void **state)
{
    static const struct {
        const char *header;
        const char *what;
    } cases[] = {
        {"Origin: https://evil.example", "come from https://evil.example"},
        {"Origin: https://evil.example/\xff", "come from ?"},
        {"Origin: null", "come from null"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_conn *fake = fake_conn_new(core);
        struct http_request request = ask_request(
            &(struct ask){"POST", "/topics/a/b", cases[i].header, NULL, "x"});
        fake->conn.loopback = true;
        assert_int_equal(request_admit(fake->conn.client, &request),
                         ERR_ORIGIN);
        fake_conn_free(fake);
        json_t *root = look("?limit=1");
        assert_string_equal(admin_text(row_at(root, 0), "what"), cases[i].what);
        assert_int_equal(admin_number(row_at(root, 0), "code"), 4031);
        json_decref(root);
        assert_null(strstr(lines.text, "evil"));
    }
}

static void no_credential_is_ever_kept(void **state)
{
    static const struct ask asks[] = {
        {"GET", "/v1/usage?token=canary-1", NULL, NULL, NULL},
        {"GET", "/v1/usage", "Authorization: Bearer canary-2", NULL, NULL},
        {"POST", "/topics/a/b?token=canary-3", NULL, NULL, "canary-4"},
    };
    (void)state;

    fake_core_ask_tokens(core);
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        struct fake_conn *fake = fake_conn_new(core);
        struct http_request request = ask_request(&asks[i]);
        assert_true(request_admit(fake->conn.client, &request) < 0);
        fake_conn_free(fake);
        assert_null(strstr(lines.text, "canary"));
    }
    say_resp(core, "AUTH canary-5\r\nAUTH canary-6 canary-7\r\n"
                   "HELLO 3 AUTH canary-8 canary-9\r\nPUBLISH t canary-10\r\n");
    core = &ends.at[3].core;
    struct fake_conn *fake = admin_get("/v1/admin/denied");
    assert_true(ask_out_has(fake, "\"login\""));
    assert_false(ask_out_has(fake, "canary"));
    fake_conn_free(fake);
}

static void what_is_no_refusal_of_rights_is_not_noted(void **state)
{
    (void)state;

    assert_int_equal(admin_status("GET", "/v1/admin/nothing"), 404);
    assert_int_equal(admin_status("GET", "/v1/admin/denied?limit=0"), 400);
    say_resp(core, "PUBLISH chat x\r\n");
    say_resp(core, "NONSENSE\r\n");
    json_t *root = look("");
    assert_int_equal(rows_of(root), 0);
    json_decref(root);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_every_door_refuses_is_noted),
        T(it_says_who_from_where_and_why),
        T(the_newest_of_all_nodes_come_first),
        T(the_oldest_are_forgotten),
        T(the_same_again_only_counts),
        T(a_flood_is_one_event_a_second),
        T(long_names_are_cut_between_characters),
        T(what_is_no_text_is_not_shown),
        T(scripts_come_out_as_text),
        T(a_foreign_origin_or_host_is_noted),
        T(no_credential_is_ever_kept),
        T(what_is_no_refusal_of_rights_is_not_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
