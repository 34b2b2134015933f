/* SPDX-License-Identifier: Apache-2.0
 *
 * Every door that publishes, against every door that subscribes: the table of
 * docs/PROTOCOLS.md, "How a door renders an item that another door published".
 * ADVERSARIAL G1, G5.
 */
#include "tests/test.h"

#include "proto/topic.h"
#include "tests/pairs_hear.h"
#include "tests/pairs_say.h"

enum {
    LARGE_LEN = 64 << 10
};

static uint8_t large[LARGE_LEN];

static int setup(void **state)
{
    (void)state;
    fake_core_init(&core);
    for (size_t i = 0; i < sizeof large; i++) {
        large[i] = (uint8_t)(i * 7 + i / 256);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (core.clients != NULL) { /* of a test that failed */
        fake_conn_free((struct fake_conn *)core.clients->conn);
    }
    core_fini(&core);
    return 0;
}

static void check(const struct publisher *from, const struct subscriber *to,
                  const char *what, bool holds)
{
    if (!holds) {
        fail_msg("%s -> %s: %s", from->name, to->name, what);
    }
}

/* What the WHATWG's parser makes of the line ends of a text. */
static void add_lines(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_cr = text.p[i] == '\r';
        if (is_cr && i + 1 < text.len && text.p[i + 1] == '\n') {
            i++;
        }
        buf_add_u8(out, is_cr ? '\n' : text.p[i]);
    }
}

static void compare(const struct publisher *from, const struct subscriber *to,
                    const struct said *said, const struct heard *heard)
{
    bool binary = from->is_raw ? !topic_text_is_valid(said->value)
                               : said->binary;
    const char *event = !from->has_event || said->event == NULL ? ""
                                                                : said->event;
    struct buf value = {0};

    if (to->is_lines && !binary) {
        add_lines(&value, said->value);
    } else {
        buf_add_bytes(&value, said->value);
    }
    check(from, to, said->name,
          bytes_eq(buf_bytes(&heard->value), buf_bytes(&value)));
    check(from, to, "text or binary", to->is_raw || heard->binary == binary);
    check(from, to, "event name",
          strcmp(heard->event, to->has_event ? event : "") == 0);
    buf_fini(&value);
}

/* One item from one door, to one subscriber of each door at once. */
static void say_and_hear(const struct publisher *from, const struct said *said)
{
    struct fake_conn *ears[ARRAY_LEN(subscribers)];
    struct fake_conn *mouth = from->open();
    uint64_t page = 0;
    uint64_t seq = 0;

    for (size_t i = 0; i < ARRAY_LEN(ears); i++) {
        ears[i] = subscribers[i].listen();
    }
    from->say(mouth, said);
    fake_flush(&core);
    for (size_t i = 0; i < ARRAY_LEN(ears); i++) {
        const struct subscriber *to = &subscribers[i];
        struct heard heard = {0};
        to->hear(ears[i], &heard);
        compare(from, to, said, &heard);
        page = i == 0 ? heard.page : page;
        seq = i == 0 ? heard.seq : seq;
        check(from, to, "position",
              to->is_raw || (heard.page == page && heard.seq == seq));
        buf_fini(&heard.value);
        fake_conn_free(ears[i]);
    }
    assert_true(page > 0 && seq > 0);
    fake_conn_free(mouth);
}

static void each_door_renders_what_each_other_published(void **state)
{
    static const struct bytes evil = BYTES(
        "a\r\nb\rc\nd\0e\"\\'</script>\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
        "\xe2\x80\xa8\x7f\x1b[0m\r\n\r\n+OK\r\n$-1\r\n*1\r\n"
        "event: end\ndata: x\nid: 9-9\n\n\"}]},{\r\n");
    struct buf text = {0};
    for (size_t i = 0; i < LARGE_LEN / 4; i++) {
        buf_add_str(&text, "\xf0\x9f\xa6\x9c");
    }
    const struct said items[] = {
        {"text", BYTES("hello"), false, NULL},
        {"binary", BYTES("\x00\xff\r\n$-1\r\n\x81\x00"), true, NULL},
        {"binary that could be text", BYTES("hello"), true, NULL},
        {"empty text", BYTES(""), false, NULL},
        {"empty binary", BYTES(""), true, NULL},
        {"text of other protocols", evil, false, NULL},
        {"line ends only", BYTES("\r\r\n\n"), false, NULL},
        {"spaces in front", BYTES("  x"), false, NULL},
        {"text with event name", BYTES("12.5"), false, "price"},
        {"binary with event name", BYTES("\xff"), true, "pri ce"},
        {"64 KiB of text", buf_bytes(&text), false, NULL},
        {"64 KiB of bytes", bytes_of(large, sizeof large), true, NULL},
    };
    (void)state;

    for (size_t from = 0; from < ARRAY_LEN(publishers); from++) {
        for (size_t i = 0; i < ARRAY_LEN(items); i++) {
            say_and_hear(&publishers[from], &items[i]);
        }
    }
    buf_fini(&text);
}

/* Readers act on these names: no publisher may speak for the server. */
static void no_item_passes_for_an_event_of_the_server(void **state)
{
    static const char *const names[] = {"end", "discontinuity", "partial",
                                        "open", "error"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct said said = {"", BYTES("x"), false, names[i]};
        struct fake_conn *mouth = open_json();
        struct fake_conn *ear = listen_sse();
        struct heard heard = {0};
        say_json(mouth, &said);
        fake_flush(&core);
        hear_sse(ear, &heard);
        assert_string_equal(heard.event, "");
        buf_fini(&heard.value);
        fake_conn_free(ear);
        fake_conn_free(mouth);
    }
}

/* Refused where it comes in, so that no door has to escape it. */
static void no_name_carries_a_line_end(void **state)
{
    static const char *const paths[] = {
        "/topics/demo/a%0D%0Ab", "/topics/demo/a%00b", "/topics/de%0Dmo/a"};
    static const struct bytes said[] = {
        BYTES("{\"op\":\"publish\",\"cache\":\"demo\",\"topic\":\"a\\r\\nb\","
              "\"text\":\"x\"}"),
        BYTES("{\"op\":\"publish\",\"cache\":\"demo\",\"topic\":\"a\\u0000b\","
              "\"text\":\"x\"}"),
        BYTES("{\"op\":\"publish\",\"cache\":\"d\\n\",\"topic\":\"a\","
              "\"text\":\"x\"}"),
        BYTES("{\"op\":\"publish\",\"cache\":\"demo\",\"topic\":\"a\","
              "\"text\":\"x\",\"event\":\"a\\nid: 1\"}"),
    };
    static const struct bytes lines[] = {
        BYTES("*3\r\n$7\r\nPUBLISH\r\n$4\r\na\r\nb\r\n$1\r\nx\r\n"),
        BYTES("*3\r\n$7\r\nPUBLISH\r\n$3\r\na\0b\r\n$1\r\nx\r\n"),
    };
    struct fake_conn *ear = listen_pattern();
    struct fake_conn *json = open_json();
    struct fake_conn *resp = open_resp();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const struct ask ask = {"POST", paths[i], NULL, NULL, "x"};
        assert_int_equal(ask_publish(&core, &ask), 400);
    }
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        fake_conn_say_message(json, said[i], false);
    }
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        fake_conn_say(resp, lines[i]);
        fake_flush(&core);
        hears(resp, "-ERR invalid topic\r\n");
    }
    assert_int_equal(core.stats.published, 0);
    assert_int_equal(core.stats.refused, 9);
    assert_int_equal(fake_conn_out(ear).len, 0);
    fake_conn_free(ear);
    fake_conn_free(json);
    fake_conn_free(resp);
}

static void the_publisher_is_who_the_token_names(void **state)
{
    const struct said said = {"", BYTES("x"), false, NULL};
    struct fake_conn *ears[ARRAY_LEN(subscribers)];
    struct buf token = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(ears); i++) {
        ears[i] = subscribers[i].listen();
    }
    struct fake_conn *mouth = open_json();
    fake_core_ask_tokens(&core);
    fake_token(&core, &token);
    for (struct client *c = core.clients; c != NULL; c = c->next) {
        assert_int_equal(client_login(c, buf_bytes(&token)), 0);
    }
    say_json(mouth, &said);
    fake_flush(&core);
    for (size_t i = 0; i < ARRAY_LEN(ears); i++) {
        struct heard heard = {0};
        subscribers[i].hear(ears[i], &heard);
        assert_string_equal(heard.publisher,
                            subscribers[i].has_publisher ? "alice" : "");
        buf_fini(&heard.value);
        fake_conn_free(ears[i]);
    }
    fake_conn_free(mouth);
    buf_fini(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            each_door_renders_what_each_other_published, setup, teardown),
        cmocka_unit_test_setup_teardown(
            no_item_passes_for_an_event_of_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(no_name_carries_a_line_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_publisher_is_who_the_token_names,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
