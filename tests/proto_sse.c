/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events, read back by a reader written from the standard.
 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/sse.h"

enum {
    EVENTS_MAX = 16
};

struct event {
    char id[64];
    char name[64];
    struct buf data;
};

/* The parser of the standard (section 9.2.6): lines end with CR, LF or CRLF;
 * an event without a data field is not dispatched but keeps its id. */
struct reader {
    struct event events[EVENTS_MAX];
    size_t len;
    char id[64];
    char name[64];
    struct buf data;
    bool has_data;
    uint64_t retry_ms;
    size_t comments;
};

static void take_text(char *to, struct bytes value)
{
    assert_true(value.len < 64);
    memcpy(to, value.p, value.len);
    to[value.len] = '\0';
}

static void dispatch(struct reader *reader)
{
    if (reader->has_data) {
        assert_true(reader->len < EVENTS_MAX);
        struct event *event = &reader->events[reader->len++];
        memcpy(event->id, reader->id, sizeof event->id);
        memcpy(event->name, reader->name, sizeof event->name);
        reader->data.len--; /* the last LF */
        event->data = reader->data;
        reader->data = (struct buf){0};
    }
    reader->has_data = false;
    reader->name[0] = '\0';
}

static void take_field(struct reader *reader, struct bytes name,
                       struct bytes value)
{
    if (bytes_eq(name, BYTES("id"))) {
        take_text(reader->id, value);
    } else if (bytes_eq(name, BYTES("event"))) {
        take_text(reader->name, value);
    } else if (bytes_eq(name, BYTES("data"))) {
        buf_add_bytes(&reader->data, value);
        buf_add_u8(&reader->data, '\n');
        reader->has_data = true;
    } else if (bytes_eq(name, BYTES("retry"))) {
        assert_int_equal(bytes_u64(value, &reader->retry_ms), 0);
    } else {
        fail_msg("unknown field");
    }
}

static void take_line(struct reader *reader, struct bytes line)
{
    if (line.len == 0) {
        dispatch(reader);
        return;
    }
    ptrdiff_t colon = bytes_find(line, ':');
    if (colon == 0) {
        reader->comments++;
        return;
    }
    assert_true(colon > 0);
    struct bytes value = bytes_skip(line, (size_t)colon + 1);
    if (value.len > 0 && value.p[0] == ' ') {
        value = bytes_skip(value, 1);
    }
    take_field(reader, bytes_of(line.p, (size_t)colon), value);
}

static void reader_take(struct reader *reader, struct bytes in)
{
    size_t start = 0;
    for (size_t i = 0; i < in.len; i++) {
        if (in.p[i] != '\r' && in.p[i] != '\n') {
            continue;
        }
        take_line(reader, bytes_of(in.p + start, i - start));
        if (in.p[i] == '\r' && i + 1 < in.len && in.p[i + 1] == '\n') {
            i++;
        }
        start = i + 1;
    }
    assert_int_equal(start, in.len);
}

static void reader_fini(struct reader *reader)
{
    for (size_t i = 0; i < reader->len; i++) {
        buf_fini(&reader->events[i].data);
    }
    buf_fini(&reader->data);
}

static void
a_position_alone_moves_the_readers_id_and_dispatches_nothing(void **state)
{
    struct buf out = {0};
    struct reader reader = {0};
    (void)state;

    sse_add_retry(&out, 1500);
    sse_add_id(&out, 1ull << 52, 0);
    sse_end(&out);
    assert_bytes(buf_bytes(&out), "retry: 1500\nid: 4503599627370496-0\n\n");
    reader_take(&reader, buf_bytes(&out));

    assert_int_equal(reader.len, 0);
    assert_int_equal(reader.retry_ms, 1500);
    assert_string_equal(reader.id, "4503599627370496-0");
    reader_fini(&reader);
    buf_fini(&out);
}

/* Each value must come out as one event with the line ends turned into LF,
 * whatever fields it tries to look like. */
static void a_value_never_becomes_more_than_one_event(void **state)
{
    static const struct {
        const char *value;
        const char *seen;
    } cases[] = {
        {"", ""},
        {"hello", "hello"},
        {" two spaces", " two spaces"},
        {"a\nb", "a\nb"},
        {"a\rb", "a\nb"},
        {"a\r\nb", "a\nb"},
        {"a\n\rb", "a\n\nb"},
        {"\n", "\n"},
        {"\r\n\r\n", "\n\n"},
        {"x\n\ndata: forged\n\n", "x\n\ndata: forged\n\n"},
        {"x\r\revent: forged\rid: 9-9\rretry: 1\r\r",
         "x\n\nevent: forged\nid: 9-9\nretry: 1\n\n"},
        {":comment", ":comment"},
        {"data", "data"},
        {"\xef\xbb\xbf bom", "\xef\xbb\xbf bom"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        struct reader reader = {0};
        sse_add_id(&out, 3, 7);
        sse_add_data(&out, bytes_str(cases[i].value));
        sse_end(&out);
        reader_take(&reader, buf_bytes(&out));

        assert_int_equal(reader.len, 1);
        assert_bytes(buf_bytes(&reader.events[0].data), cases[i].seen);
        assert_string_equal(reader.events[0].id, "3-7");
        assert_string_equal(reader.events[0].name, "");
        assert_int_equal(reader.retry_ms, 0);
        reader_fini(&reader);
        buf_fini(&out);
    }
}

static void zero_bytes_in_a_value_pass(void **state)
{
    struct buf out = {0};
    (void)state;

    sse_add_data(&out, bytes_of("a\0b", 3));
    assert_int_equal(out.len, 10);
    assert_memory_equal(out.p, "data: a\0b\n", 10);
    buf_fini(&out);
}

/* A value of line ends only is the largest a value can become. */
static void
a_value_of_line_ends_takes_time_that_grows_with_its_length(void **state)
{
    enum {
        LEN = 1 << 20
    };
    uint8_t *value = malloc(LEN);
    struct buf out = {0};
    (void)state;
    assert_non_null(value);

    memset(value, '\r', LEN);
    sse_add_data(&out, bytes_of(value, LEN));
    assert_false(out.failed);
    assert_int_equal(out.len, (size_t)(LEN + 1) * 6);
    buf_fini(&out);
    free(value);
}

static void names_of_this_server_and_of_eventsource_are_not_free(void **state)
{
    static const char *const taken[] = {
        "discontinuity", "partial",     "end", "open", "error",    "binary",
        "binary:",       "binary:x",    "",    "a\nb", "a\rdata:", "\x01",
        "\xc0\x80",      "\xe2\x80\xae"};
    static const char *const open[] = {
        "price", "message", "Error", "bin", "a: b", "gr\xc3\xbc\xc3\x9f"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        assert_false(sse_event_is_free(bytes_str(taken[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        assert_true(sse_event_is_free(bytes_str(open[i])));
    }
    assert_false(sse_event_is_free(bytes_of("a\0b", 3)));
}

static void bytes_that_are_no_text_are_one_line_of_base64(void **state)
{
    struct buf out = {0};
    (void)state;

    sse_add_base64(&out, bytes_of("\0\xff\n\r", 4));
    sse_add_base64(&out, bytes_of(NULL, 0));
    assert_bytes(buf_bytes(&out), "data: AP8KDQ==\ndata: \n");
    buf_fini(&out);
}

/* What a publisher calls an item cannot pass for an event of this server. */
static void an_item_is_named_after_its_form_and_its_publisher(void **state)
{
    static const struct {
        bool binary;
        const char *name;
        const char *line;
    } cases[] = {
        {false, "", ""},
        {false, "price", "event: price\n"},
        {true, "", "event: binary\n"},
        {true, "price", "event: binary:price\n"},
        {false, "discontinuity", ""},
        {true, "discontinuity", "event: binary\n"},
        {false, "binary", ""},
        {false, "a\ndata: b", ""},
    };
    char longest[SSE_EVENT_LEN_MAX + 2];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        sse_add_item_event(&out, cases[i].binary, bytes_str(cases[i].name));
        assert_bytes(buf_bytes(&out), cases[i].line);
        buf_fini(&out);
    }
    memset(longest, 'x', sizeof longest);
    assert_true(sse_event_is_free(bytes_of(longest, SSE_EVENT_LEN_MAX)));
    assert_false(sse_event_is_free(bytes_of(longest, SSE_EVENT_LEN_MAX + 1)));
}

static void a_named_event_and_a_beat_are_read_as_such(void **state)
{
    struct buf out = {0};
    struct reader reader = {0};
    (void)state;

    buf_add_bytes(&out, SSE_BEAT);
    sse_add_event(&out, BYTES("price"));
    sse_add_data(&out, BYTES("1"));
    sse_end(&out);
    sse_add_data(&out, BYTES("2"));
    sse_end(&out);
    reader_take(&reader, buf_bytes(&out));

    assert_int_equal(reader.comments, 1);
    assert_int_equal(reader.len, 2);
    assert_string_equal(reader.events[0].name, "price");
    assert_string_equal(reader.events[1].name, "");
    reader_fini(&reader);
    buf_fini(&out);
}

static void a_position_reads_back_and_anything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "",      "-",
        "1",     "1-",
        "-1",    "1--1",
        "1-2-3", " 1-2",
        "1-2 ",  "+1-2",
        "1-0x2", "a-b",
        "-1-2",  "1-18446744073709551616",
        "1-2\n",
    };
    uint64_t page = 11;
    uint64_t seq = 12;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(sse_id_read(bytes_str(bad[i]), &page, &seq),
                         ERR_SYNTAX);
    }
    assert_int_equal(page, 11);
    assert_int_equal(seq, 12);

    struct buf out = {0};
    sse_add_id(&out, UINT64_MAX, UINT64_MAX - 1);
    struct bytes text = bytes_of(out.p + 4, out.len - 5);
    assert_true(text.len <= SSE_ID_LEN_MAX);
    assert_int_equal(sse_id_read(text, &page, &seq), 0);
    assert_true(page == UINT64_MAX && seq == UINT64_MAX - 1);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_position_alone_moves_the_readers_id_and_dispatches_nothing),
        cmocka_unit_test(a_value_never_becomes_more_than_one_event),
        cmocka_unit_test(zero_bytes_in_a_value_pass),
        cmocka_unit_test(
            a_value_of_line_ends_takes_time_that_grows_with_its_length),
        cmocka_unit_test(names_of_this_server_and_of_eventsource_are_not_free),
        cmocka_unit_test(bytes_that_are_no_text_are_one_line_of_base64),
        cmocka_unit_test(an_item_is_named_after_its_form_and_its_publisher),
        cmocka_unit_test(a_named_event_and_a_beat_are_read_as_such),
        cmocka_unit_test(a_position_reads_back_and_anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
