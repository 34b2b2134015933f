/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames, text, timeouts, messages and statuses of gRPC.
 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/grpc.h"
#include "tests/wire.h"

static ptrdiff_t read_frame(struct bytes in)
{
    struct grpc_frame frame;
    ptrdiff_t taken = grpc_read_frame(in, 1000, &frame);

    if (taken > 0) { /* all of the message can be read */
        uint8_t sum = 0;
        for (size_t i = 0; i < frame.message.len; i++) {
            sum = (uint8_t)(sum + frame.message.p[i]);
        }
        (void)sum;
    }
    return taken;
}

static void a_content_type_names_the_kind_and_the_answer(void **state)
{
    static const struct {
        const char *type;
        enum grpc_kind kind;
        const char *answer;
    } cases[] = {
        {"application/grpc", GRPC_HTTP2, "application/grpc"},
        {"application/grpc+proto", GRPC_HTTP2, "application/grpc+proto"},
        {"Application/GRPC", GRPC_HTTP2, "application/grpc"},
        {"application/grpc; charset=utf-8", GRPC_HTTP2, "application/grpc"},
        {"application/grpc-web", GRPC_WEB, "application/grpc-web"},
        {"application/grpc-web+proto", GRPC_WEB, "application/grpc-web+proto"},
        {"application/grpc-web-text", GRPC_WEB_TEXT,
         "application/grpc-web-text"},
        {"application/grpc-web-text+proto", GRPC_WEB_TEXT,
         "application/grpc-web-text+proto"},
        {"application/grpc+json", GRPC_NONE, NULL},
        {"application/grpcx", GRPC_NONE, NULL},
        {"application/json", GRPC_NONE, NULL},
        {"", GRPC_NONE, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bytes answer = {0};
        assert_int_equal(grpc_kind(bytes_str(cases[i].type), &answer),
                         cases[i].kind);
        if (cases[i].answer != NULL) {
            assert_bytes(answer, cases[i].answer);
        }
    }
    assert_true(grpc_is_meant(BYTES("application/grpc+json")));
    assert_false(grpc_is_meant(BYTES("application/json")));
    assert_false(grpc_is_meant((struct bytes){0}));
}

static void a_frame_is_read_whole_or_not_at_all(void **state)
{
    static const struct bytes whole = BYTES("\0\0\0\0\x05hello");
    struct grpc_frame frame;
    (void)state;

    assert_int_equal(grpc_read_frame(whole, 5, &frame), 10);
    assert_bytes(frame.message, "hello");
    assert_false(frame.compressed);
    assert_false(frame.trailers);
    wire_check_cuts(read_frame, whole);
    wire_check_changes(read_frame, whole);
}

static void flags_and_lengths_are_looked_at_before_the_message(void **state)
{
    struct grpc_frame frame;
    (void)state;

    assert_int_equal(grpc_read_frame(BYTES("\x01\0\0\0\x01x"), 9, &frame), 6);
    assert_true(frame.compressed);
    assert_int_equal(grpc_read_frame(BYTES("\x80\0\0\0\x01x"), 9, &frame), 6);
    assert_true(frame.trailers);
    assert_int_equal(grpc_read_frame(BYTES("\x02\0\0\0\x01"), 9, &frame),
                     ERR_SYNTAX);
    assert_int_equal(grpc_read_frame(BYTES("\0\xff\xff\xff\xff"), 9, &frame),
                     ERR_TOO_BIG);
    assert_int_equal(grpc_read_frame(BYTES("\0\0\0\0\x0a"), 9, &frame),
                     ERR_TOO_BIG);
}

static void a_frame_that_is_written_can_be_read(void **state)
{
    struct buf out = {0};
    struct grpc_frame frame;
    (void)state;

    buf_add_str(&out, "before");
    size_t at = grpc_begin(&out, true);
    buf_add_str(&out, "grpc-status:0\r\n");
    grpc_finish(&out, at, GRPC_WEB);
    struct bytes written = bytes_skip(buf_bytes(&out), 6);
    assert_int_equal(grpc_read_frame(written, 99, &frame), written.len);
    assert_true(frame.trailers);
    assert_bytes(frame.message, "grpc-status:0\r\n");
    buf_fini(&out);
}

static void text_is_base64_of_each_frame_by_itself(void **state)
{
    struct buf out = {0};
    struct buf back = {0};
    (void)state;

    for (int i = 0; i < 2; i++) {
        size_t at = grpc_begin(&out, false);
        buf_add_str(&out, "ab");
        grpc_finish(&out, at, GRPC_WEB_TEXT);
    }
    assert_bytes(buf_bytes(&out), "AAAAAAJhYg=="
                                  "AAAAAAJhYg==");
    assert_int_equal(grpc_read_text(buf_bytes(&out), &back), 0);
    assert_int_equal(back.len, 14);
    assert_memory_equal(back.p, "\0\0\0\0\2ab\0\0\0\0\2ab", 14);
    buf_fini(&out);
    buf_fini(&back);
}

static void text_that_is_none_is_refused(void **state)
{
    static const char *const cases[] = {
        "A", "AAA", "AA=A", "====", "A===", "AAA*", "AA==AA=A", "AB=="};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf back = {0};
        assert_int_equal(grpc_read_text(bytes_str(cases[i]), &back),
                         ERR_SYNTAX);
        buf_fini(&back);
    }
}

static void a_timeout_is_rounded_up_to_milliseconds(void **state)
{
    static const struct {
        const char *text;
        int err;
        uint64_t ms;
    } cases[] = {
        {"5000m", 0, 5000},
        {"5S", 0, 5000},
        {"2M", 0, 120000},
        {"99999999H", 0, 99999999ull * 3600000},
        {"1u", 0, 1},
        {"1001u", 0, 2},
        {"99999999n", 0, 100},
        {"0m", 0, 0},
        {"", ERR_SYNTAX, 0},
        {"m", ERR_SYNTAX, 0},
        {"5", ERR_SYNTAX, 0},
        {"5s", ERR_SYNTAX, 0},
        {"-5m", ERR_SYNTAX, 0},
        {"5 m", ERR_SYNTAX, 0},
        {"123456789m", ERR_SYNTAX, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t ms = 0;
        assert_int_equal(grpc_read_timeout(bytes_str(cases[i].text), &ms),
                         cases[i].err);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void a_message_is_percent_encoded(void **state)
{
    struct buf out = {0};
    (void)state;

    grpc_add_message(&out, BYTES("100% \"\xc3\xa4\"\r\n~"));
    assert_bytes(buf_bytes(&out), "100%25 \"%C3%A4\"%0D%0A~");
    buf_fini(&out);
}

static void each_error_has_a_status_and_limits_say_which(void **state)
{
    static const struct {
        int err;
        enum grpc_status status;
        const char *text;
    } cases[] = {
        {ERR_NAME, GRPC_INVALID_ARGUMENT, NULL},
        {ERR_SYNTAX, GRPC_INVALID_ARGUMENT, NULL},
        {ERR_UNAUTH, GRPC_UNAUTHENTICATED, NULL},
        {ERR_EXPIRED, GRPC_UNAUTHENTICATED, NULL},
        {ERR_REVOKED, GRPC_UNAUTHENTICATED, NULL},
        {ERR_DENIED, GRPC_PERMISSION_DENIED, NULL},
        {ERR_KICKED, GRPC_ABORTED, NULL},
        {ERR_CONFLICT, GRPC_ALREADY_EXISTS, NULL},
        {ERR_NOT_FOUND, GRPC_UNIMPLEMENTED, NULL},
        {ERR_NO_CACHE, GRPC_NOT_FOUND, NULL},
        {ERR_UNSUPPORTED, GRPC_UNIMPLEMENTED, NULL},
        {ERR_TIMEOUT, GRPC_DEADLINE_EXCEEDED, NULL},
        {ERR_CLOSING, GRPC_UNAVAILABLE, NULL},
        {ERR_NOT_READY, GRPC_UNAVAILABLE, NULL},
        {ERR_INTERNAL, GRPC_INTERNAL, NULL},
        {ERR_LIMIT, GRPC_RESOURCE_EXHAUSTED, NULL},
        {ERR_TOO_BIG, GRPC_RESOURCE_EXHAUSTED, "item_size_limit_exceeded"},
        {ERR_QUOTA_ITEM, GRPC_RESOURCE_EXHAUSTED, "item_size_limit_exceeded"},
        {ERR_QUOTA_RATE, GRPC_RESOURCE_EXHAUSTED,
         "operations_rate_limit_exceeded"},
        {ERR_QUOTA_SUBS, GRPC_RESOURCE_EXHAUSTED,
         "topic_subscriptions_limit_exceeded"},
        {-9999, GRPC_INTERNAL, NULL},
        {1, GRPC_INTERNAL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = grpc_err(cases[i].err);
        assert_int_equal(grpc_status(cases[i].err), cases[i].status);
        assert_true((text == NULL) == (cases[i].text == NULL));
        if (text != NULL) {
            assert_string_equal(text, cases[i].text);
        }
    }
}

/* Each limit by a word of its own: in the hint, or in the error's own text. */
static void a_limit_is_told_by_a_word_of_the_message(void **state)
{
    static const struct {
        int err;
        const char *word;
    } cases[] = {
        {ERR_TOO_BIG, "item size"},          {ERR_QUOTA_ITEM, "item size"},
        {ERR_QUOTA_RATE, "operations"},      {ERR_QUOTA_SUBS, "subscribers"},
        {ERR_HEAD_TOO_BIG, "request limit"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *hint = grpc_hint(cases[i].err);
        const char *said = hint != NULL ? hint : err_text(cases[i].err);
        assert_non_null(strstr(said, cases[i].word));
    }
    assert_null(grpc_hint(ERR_DENIED));
    assert_null(grpc_hint(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_content_type_names_the_kind_and_the_answer),
        cmocka_unit_test(a_frame_is_read_whole_or_not_at_all),
        cmocka_unit_test(flags_and_lengths_are_looked_at_before_the_message),
        cmocka_unit_test(a_frame_that_is_written_can_be_read),
        cmocka_unit_test(text_is_base64_of_each_frame_by_itself),
        cmocka_unit_test(text_that_is_none_is_refused),
        cmocka_unit_test(a_timeout_is_rounded_up_to_milliseconds),
        cmocka_unit_test(a_message_is_percent_encoded),
        cmocka_unit_test(each_error_has_a_status_and_limits_say_which),
        cmocka_unit_test(a_limit_is_told_by_a_word_of_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
