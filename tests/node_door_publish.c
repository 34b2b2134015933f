/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishing by HTTP, with every refusal.
 */
#include "tests/test.h"

#include "tests/ask.h"

static void a_published_text_reaches_whoever_is_subscribed(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *reader = ask_new(
        &core, &(struct ask){.target = "/topics/demo/a/b",
                             .header = "Accept: text/event-stream"});

    ask_say(&core, "/topics/demo/a/b", "hello");
    assert_int_equal(
        ask_publish(&core, &(struct ask){"PUT", "/topics/demo/a%2Fb", NULL,
                                         NULL, "gr\xc3\xbc\xc3\x9f"}),
        204);
    assert_true(ask_out_has(reader, "-1\ndata: hello\n\n"));
    assert_true(ask_out_has(reader, "-2\ndata: gr\xc3\xbc\xc3\x9f\n\n"));
    fake_conn_free(reader);
    core_fini(&core);
}

static void a_publish_is_answered_without_a_body(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(
        &core, &(struct ask){"POST", "/topics/demo/a", NULL, NULL, ""});

    assert_int_equal(fake->status, 204);
    assert_int_equal(fake_conn_out(fake).len, 0);
    assert_int_equal(core.stats.published, 1);
    fake_conn_free(fake);
    core_fini(&core);
}

/* What a header cannot say: bytes of a named type, a receipt. */
static void a_body_may_be_a_message_of_the_native_protocol(void **state)
{
    static const struct {
        const char *body;
        unsigned status;
    } wrong[] = {
        {"", 400},
        {"hello", 400},
        {"{\"op\":\"ping\"}", 400},
        {"{\"op\":\"publish\"}", 400},
        {"{\"op\":\"publish\",\"text\":\"a\",\"receipt\":true}", 400},
        {"{\"op\":\"publish\",\"data\":\"!\"}", 400},
    };
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *reader = ask_new(
        &core, &(struct ask){.target = "/topics/demo/a?format=json",
                             .header = "Accept: text/event-stream"});

    struct fake_conn *fake = ask_new(
        &core, &(struct ask){"POST", "/topics/demo/a?format=json", NULL, NULL,
                             "{\"op\":\"publish\",\"cache\":\"other\","
                             "\"topic\":\"b\",\"data\":\"AP8=\",\"id\":7,"
                             "\"receipt\":true,"
                             "\"content_type\":\"image/png\"}"});
    assert_int_equal(fake->status, 200);
    assert_true(ask_out_has(fake, "\"op\":\"published\",\"id\":7,"
                                  "\"subscriptions\":1,\"nodes\":0"));
    fake_conn_free(fake);
    assert_true(ask_out_has(reader, "-1\ndata: {\"op\":\"item\","
                                    "\"cache\":\"demo\",\"topic\":\"a\""));
    assert_true(ask_out_has(reader, "\"data\":\"AP8=\""));
    assert_true(ask_out_has(reader, "\"content_type\":\"image/png\""));
    assert_int_equal(
        ask_publish(&core,
                    &(struct ask){"POST", "/topics/demo/a?format=json", NULL,
                                  NULL, "{\"op\":\"publish\",\"text\":\"b\"}"}),
        204);
    assert_int_equal(
        ask_publish(&core, &(struct ask){"POST", "/topics/demo/a?format=xml",
                                         NULL, NULL, "a"}),
        400);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(
            ask_publish(&core,
                        &(struct ask){"POST", "/topics/demo/a?format=json",
                                      NULL, NULL, wrong[i].body}),
            wrong[i].status);
    }
    assert_int_equal(core.stats.published, 2);
    fake_conn_free(reader);
    core_fini(&core);
}

static void an_empty_body_is_an_empty_item(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *reader = ask_new(
        &core, &(struct ask){.target = "/topics/demo/a",
                             .header = "Accept: text/event-stream"});

    ask_say(&core, "/topics/demo/a", "");
    assert_true(ask_out_has(reader, "-1\ndata:\n\n"));
    fake_conn_free(reader);
    core_fini(&core);
}

/* Only octet-stream is binary; everything else must be text. */
static void the_content_type_decides_between_text_and_binary(void **state)
{
    static const struct {
        const char *header;
        unsigned status;
    } cases[] = {
        {"Content-Type: application/octet-stream", 204},
        {"content-type: Application/Octet-Stream ; x=y", 204},
        {"Content-Type: text/plain", 400},
        {"Content-Type: application/x-www-form-urlencoded", 400},
        {"Content-Type: image/png", 400},
        {NULL, 400},
    };
    static const char *const broken[] = {"\xff\xfe", "\xc0\x80", "\xed\xa0\x80",
                                         "a\xc3"};
    struct core core;
    (void)state;
    fake_core_init(&core);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t j = 0; j < ARRAY_LEN(broken); j++) {
            assert_int_equal(
                ask_publish(&core,
                            &(struct ask){"POST", "/topics/demo/a",
                                          cases[i].header, NULL, broken[j]}),
                cases[i].status);
        }
    }
    core_fini(&core);
}

static void names_that_break_the_rules_are_refused(void **state)
{
    static const char *const targets[] = {
        "/topics/",
        "/topics/demo",
        "/topics/demo/",
        "/topics//a",
        "/topics/de%20mo/a",
        "/topics/de%2Fmo/a",
        "/topics/demo/%",
        "/topics/demo/%4",
        "/topics/demo/%zz",
        "/topics/demo/%00",
        "/topics/demo/a%0Ab",
        "/topics/demo/%C0%80",
        "/topics/demo/%ED%A0%80",
        "/topics/demo/%EF%BB%BFa",
        "/topics/demo/%E2%80%AEa",
    };
    struct core core;
    (void)state;
    fake_core_init(&core);

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        assert_int_equal(ask_publish(&core, &(struct ask){"POST", targets[i],
                                                          NULL, NULL, "x"}),
                         400);
    }
    assert_int_equal(core.stats.published, 0);
    core_fini(&core);
}

/* Nothing is normalised: each spelling that decodes to other bytes is another
 * topic, and none of them climbs out of its cache (ADVERSARIAL C10). */
static void no_spelling_of_a_path_reaches_another_topic(void **state)
{
    static const char *const targets[] = {
        "/topics/demo/../demo/a", "/topics/demo/./a",   "/topics/demo/%2e%2e/a",
        "/topics/demo//a",        "/topics/demo/a/",    "/topics/demo/A",
        "/topics/demo/a;b",       "/topics/demo/%2561", "/topics/demo/a.",
        "/topics/demo/a+b",
    };
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *reader = ask_new(
        &core, &(struct ask){.target = "/topics/demo/a",
                             .header = "Accept: text/event-stream"});

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        ask_say(&core, targets[i], "alias");
    }
    ask_say(&core, "/topics/demo/%61", "itself");
    assert_false(ask_out_has(reader, "alias"));
    assert_true(ask_out_has(reader, "-1\ndata: itself\n\n"));
    fake_conn_free(reader);
    core_fini(&core);
}

static void a_name_or_value_beyond_its_bound_is_refused(void **state)
{
    struct core core;
    struct buf target = {0};
    (void)state;
    fake_core_init(&core);
    core.limits.item_len = 1024;

    buf_add_str(&target, "/topics/demo/");
    for (int i = 0; i < 513; i++) {
        buf_add_u8(&target, 'x');
    }
    buf_add_u8(&target, '\0');
    char *text = (char *)target.p;
    assert_int_equal(
        ask_publish(&core, &(struct ask){"POST", text, NULL, NULL, "x"}), 400);
    text[strlen(text) - 1] = '\0';
    assert_int_equal(
        ask_publish(&core, &(struct ask){"POST", text, NULL, NULL, "x"}), 204);

    char value[1026] = {0};
    memset(value, 'v', 1025);
    assert_int_equal(ask_publish(&core, &(struct ask){"POST", "/topics/demo/a",
                                                      NULL, NULL, value}),
                     413);
    value[1024] = '\0';
    assert_int_equal(ask_publish(&core, &(struct ask){"POST", "/topics/demo/a",
                                                      NULL, NULL, value}),
                     204);
    buf_fini(&target);
    core_fini(&core);
}

static void a_node_that_is_joining_takes_no_publishes(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    core.ready = false;
    struct fake_conn *fake = ask_new(
        &core, &(struct ask){"POST", "/topics/demo/a", NULL, NULL, "x"});

    assert_int_equal(fake->status, 503);
    assert_true(ask_head_has(fake, "Retry-After: "));
    json_t *error = ask_json(fake);
    assert_int_equal(json_integer_value(json_object_get(error, "code")), 5030);
    json_decref(error);
    fake_conn_free(fake);
    core_fini(&core);
}

static void another_method_is_told_which_there_are(void **state)
{
    static const char *const methods[] = {"DELETE", "PATCH", "post", "BREW"};
    struct core core;
    (void)state;
    fake_core_init(&core);

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct fake_conn *fake = ask_new(
            &core,
            &(struct ask){methods[i], "/topics/demo/a", NULL, NULL, "x"});
        assert_int_equal(fake->status, 405);
        assert_true(ask_head_has(fake, "Allow: POST, PUT, GET, OPTIONS\n"));
        fake_conn_free(fake);
    }
    assert_int_equal(core.stats.published, 0);
    core_fini(&core);
}

static void attributes_come_from_headers(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *reader = ask_new(
        &core, &(struct ask){.target = "/topics/demo/a",
                             .header = "Accept: text/event-stream"});

    assert_int_equal(ask_publish(&core, &(struct ask){"POST", "/topics/demo/a",
                                                      "Starling-Event: price",
                                                      "Starling-Id: 7", "1"}),
                     204);
    assert_int_equal(
        ask_publish(
            &core,
            &(struct ask){"POST", "/topics/demo/a", "Starling-Event: price",
                          "Content-Type: application/octet-stream", "\xff"}),
        204);
    assert_true(ask_out_has(reader, "-1\nevent: price\ndata: 1\n\n"));
    assert_true(ask_out_has(reader, "-2\nevent: binary:price\ndata: /w==\n\n"));
    fake_conn_free(reader);
    core_fini(&core);
}

static void an_attribute_that_breaks_the_rules_is_refused(void **state)
{
    static const struct {
        const char *one;
        const char *two;
    } cases[] = {
        {"Starling-Event: a\x01z", NULL},
        {"Starling-Event: \xff", NULL},
        {"Starling-Id: a\r\nevent: b", NULL},
        {"Starling-Reply-To: \xc0\x80", NULL},
        {"Starling-Event: a", "starling-event: b"},
        {"Content-Type: text/\xff", NULL},
    };
    struct core core;
    (void)state;
    fake_core_init(&core);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(
            ask_publish(&core, &(struct ask){"POST", "/topics/demo/a",
                                             cases[i].one, cases[i].two, "x"}),
            400);
    }
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_published_text_reaches_whoever_is_subscribed),
        cmocka_unit_test(a_publish_is_answered_without_a_body),
        cmocka_unit_test(a_body_may_be_a_message_of_the_native_protocol),
        cmocka_unit_test(an_empty_body_is_an_empty_item),
        cmocka_unit_test(the_content_type_decides_between_text_and_binary),
        cmocka_unit_test(names_that_break_the_rules_are_refused),
        cmocka_unit_test(no_spelling_of_a_path_reaches_another_topic),
        cmocka_unit_test(a_name_or_value_beyond_its_bound_is_refused),
        cmocka_unit_test(a_node_that_is_joining_takes_no_publishes),
        cmocka_unit_test(another_method_is_told_which_there_are),
        cmocka_unit_test(attributes_come_from_headers),
        cmocka_unit_test(an_attribute_that_breaks_the_rules_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
