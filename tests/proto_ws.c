/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/ws.h"

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

/* What a stream of frames comes to: "text:hello;ping:;" or "error=..". */
static void note(struct buf *log, const struct ws_message *m)
{
    buf_add_u64(log, (uint64_t)m->opcode);
    buf_add_u8(log, ':');
    if (m->payload.len > 64) {
        buf_add_u64(log, m->payload.len);
    } else {
        buf_add_bytes(log, m->payload);
    }
    if (m->opcode == WS_CLOSE) {
        buf_add_u8(log, '/');
        buf_add_u64(log, m->code);
    }
    buf_add_u8(log, ';');
}

static int feed(struct ws *ws, struct bytes in, struct buf *log)
{
    struct ws_message message;
    int rc;

    /* A copy of the exact size, so that a sanitizer sees a read beyond it. */
    uint8_t *copy = malloc(in.len + 1);
    assert_non_null(copy);
    memcpy(copy, in.p, in.len);
    ws_feed(ws, bytes_of(copy, in.len));
    while ((rc = ws_next(ws, &message)) > 0) {
        note(log, &message);
    }
    free(copy);
    if (rc < 0) {
        buf_add_str(log, err_name(rc));
    }
    return rc;
}

static void expect_in_pieces(struct bytes in, size_t piece, uint64_t max,
                             const char *want)
{
    struct ws ws = {.message_max = max};
    struct buf log = {0};
    int rc = 0;

    for (size_t at = 0; at < in.len && rc == 0; at += piece) {
        size_t n = in.len - at < piece ? in.len - at : piece;
        rc = feed(&ws, bytes_of(in.p + at, n), &log);
    }
    assert_bytes(buf_bytes(&log), want);
    ws_fini(&ws);
    buf_fini(&log);
}

/* Whole, cut at every place, byte by byte: always the same messages. */
static void expect(struct bytes in, uint64_t max, const char *want)
{
    expect_in_pieces(in, in.len, max, want);
    expect_in_pieces(in, 1, max, want);
    for (size_t cut = 1; cut < in.len && cut < 400; cut++) {
        struct ws ws = {.message_max = max};
        struct buf log = {0};
        if (feed(&ws, bytes_of(in.p, cut), &log) == 0) {
            feed(&ws, bytes_skip(in, cut), &log);
        }
        assert_bytes(buf_bytes(&log), want);
        ws_fini(&ws);
        buf_fini(&log);
    }
}

static void messages_of_every_length_form_arrive(void **state)
{
    static const size_t lens[] = {0,    1,    125,   126,   127,  4095,
                                  4096, 4097, 65535, 65536, 70000};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        struct buf payload = {0};
        struct buf wire = {0};
        struct buf want = {0};
        for (size_t n = 0; n < lens[i]; n++) {
            buf_add_u8(&payload, (uint8_t)('a' + n % 26));
        }
        ws_frame(&wire, WS_TEXT, buf_bytes(&payload), mask);
        ws_frame(&wire, WS_BINARY, BYTES("z"), mask);
        struct ws_message message = {.opcode = WS_TEXT,
                                     .payload = buf_bytes(&payload)};
        note(&want, &message);
        buf_add_str(&want, "2:z;");
        buf_add_u8(&want, '\0');
        expect_in_pieces(buf_bytes(&wire), wire.len, 70000,
                         (const char *)want.p);
        expect_in_pieces(buf_bytes(&wire), 1, 70000, (const char *)want.p);
        expect_in_pieces(buf_bytes(&wire), 1000, 70000, (const char *)want.p);
        buf_fini(&payload);
        buf_fini(&wire);
        buf_fini(&want);
    }
}

static void a_message_may_come_in_fragments_around_control_frames(void **state)
{
    struct buf wire = {0};
    (void)state;

    ws_frame(&wire, WS_TEXT, BYTES("gr\xc3"), mask);
    wire.p[0] &= 0x7f; /* not the last */
    ws_frame(&wire, WS_PING, BYTES("are you there"), mask);
    size_t at = wire.len;
    ws_frame(&wire, WS_CONTINUATION, BYTES("\xbc"), mask);
    wire.p[at] &= 0x7f;
    ws_frame(&wire, WS_CONTINUATION, BYTES("n"), mask);
    ws_frame(&wire, WS_PONG, BYTES(""), mask);
    ws_frame_close(&wire, 1000, BYTES("bye"), mask);
    expect(buf_bytes(&wire), 100,
           "9:are you there;1:gr\xc3\xbcn;10:;8:bye/1000;");
    buf_fini(&wire);
}

static void wrong_frames_are_refused(void **state)
{
    /* Heads and masked payloads; the mask is zero where there is one. */
    static const struct {
        struct bytes in;
        const char *want;
    } cases[] = {
        {BYTES("\x81\x01g"), "SYNTAX"},              /* not masked */
        {BYTES("\xc1\x81\0\0\0\0g"), "SYNTAX"},      /* RSV1 */
        {BYTES("\xa1\x81\0\0\0\0g"), "SYNTAX"},      /* RSV2 */
        {BYTES("\x91\x81\0\0\0\0g"), "SYNTAX"},      /* RSV3 */
        {BYTES("\x83\x81\0\0\0\0g"), "SYNTAX"},      /* opcode 3 */
        {BYTES("\x87\x80\0\0\0\0"), "SYNTAX"},       /* opcode 7 */
        {BYTES("\x8b\x80\0\0\0\0"), "SYNTAX"},       /* opcode 11 */
        {BYTES("\x8f\x80\0\0\0\0"), "SYNTAX"},       /* opcode 15 */
        {BYTES("\x80\x80\0\0\0\0"), "SYNTAX"},       /* continues nothing */
        {BYTES("\x09\x80\0\0\0\0"), "SYNTAX"},       /* ping in pieces */
        {BYTES("\x89\xfe\0\x7e\0\0\0\0"), "SYNTAX"}, /* ping of 126 */
        {BYTES("\x81\xfe\0\x7d\0\0\0\0"), "SYNTAX"}, /* 16 bits for 125 */
        {BYTES("\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0"), "SYNTAX"},
        {BYTES("\x81\xff\x80\0\0\0\0\1\0\0\0\0\0\0"), "SYNTAX"}, /* top bit */
        {BYTES("\x01\x81\0\0\0\0g\x01\x81\0\0\0\0h"), "SYNTAX"}, /* in open */
        {BYTES("\x88\x81\0\0\0\0\3"), "SYNTAX"},       /* close of 1 byte */
        {BYTES("\x88\x82\0\0\0\0\3\xed"), "SYNTAX"},   /* close 1005 */
        {BYTES("\x88\x82\0\0\0\0\3\xe7"), "SYNTAX"},   /* close 999 */
        {BYTES("\x88\x82\0\0\0\0\x13\x88"), "SYNTAX"}, /* close 5000 */
        {BYTES("\x88\x83\0\0\0\0\3\xe8\xff"), "UTF8"},
        {BYTES("\x81\x82\0\0\0\0\xc0\x80"), "UTF8"},     /* overlong */
        {BYTES("\x81\x83\0\0\0\0\xed\xa0\x80"), "UTF8"}, /* surrogate */
        {BYTES("\x81\x81\0\0\0\0\xc3"), "UTF8"},         /* cut short */
        {BYTES("\x82\xe5\0\0\0\0g"), "TOO_BIG"},         /* 101 of 100 */
        {BYTES("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0g"), "TOO_BIG"},
        {BYTES("\x88\x80\0\0\0\0"), "8:/0;"}, /* may be empty */
        {BYTES("\x88\x82\0\0\0\0\x0b\xb8"), "8:/3000;"},
        {BYTES("\x82\x81\0\0\0\0\xff"), "2:\xff;"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        expect(cases[i].in, 100, cases[i].want);
    }
}

static void fragments_are_bounded_together(void **state)
{
    struct buf wire = {0};
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        size_t at = wire.len;
        ws_frame(&wire, i == 0 ? WS_BINARY : WS_CONTINUATION, BYTES("1234"),
                 mask);
        wire.p[at] &= 0x7f;
    }
    expect(buf_bytes(&wire), 12, "");
    expect(buf_bytes(&wire), 11, "TOO_BIG");
    buf_fini(&wire);
}

static void a_million_tiny_fragments_are_too_big(void **state)
{
    struct ws ws = {.message_max = 1 << 20};
    struct buf wire = {0};
    struct buf log = {0};
    int rc = 0;
    uint32_t sent = 0;
    (void)state;

    ws_frame(&wire, WS_BINARY, BYTES("x"), mask);
    wire.p[0] = 0x02;
    while (rc == 0 && sent++ < 1000000) {
        rc = feed(&ws, buf_bytes(&wire), &log);
        wire.p[0] = 0x00;
    }
    assert_int_equal(rc, ERR_TOO_BIG);
    assert_int_equal(sent, WS_FRAGMENTS_MAX + 1);
    ws_fini(&ws);
    buf_fini(&wire);
    buf_fini(&log);
}

static void nothing_is_kept_between_messages(void **state)
{
    struct ws ws = {.message_max = 100000};
    struct buf wire = {0};
    struct buf log = {0};
    uint8_t big[9000] = {0};
    (void)state;

    ws_frame(&wire, WS_BINARY, bytes_of(big, sizeof big), mask);
    assert_int_equal(feed(&ws, buf_bytes(&wire), &log), 0);
    assert_null(ws.frames);
    assert_null(ws.message.p);
    assert_null(ws.control.p);
    ws_fini(&ws);
    buf_fini(&wire);
    buf_fini(&log);
}

static void a_client_refuses_masked_frames(void **state)
{
    struct ws ws = {.message_max = 100, .from_server = true};
    struct buf wire = {0};
    struct buf log = {0};
    (void)state;

    ws_frame(&wire, WS_TEXT, BYTES("hi"), NULL);
    assert_int_equal(feed(&ws, buf_bytes(&wire), &log), 0);
    assert_bytes(buf_bytes(&log), "1:hi;");
    buf_reset(&wire);
    ws_frame(&wire, WS_TEXT, BYTES("hi"), mask);
    assert_int_equal(feed(&ws, buf_bytes(&wire), &log), ERR_SYNTAX);
    ws_fini(&ws);
    buf_fini(&wire);
    buf_fini(&log);
}

static void a_close_frame_cuts_a_long_reason(void **state)
{
    struct buf out = {0};
    uint8_t reason[200];
    (void)state;

    memset(reason, 'r', sizeof reason);
    ws_frame_close(&out, 1008, bytes_of(reason, sizeof reason), NULL);
    assert_int_equal(out.len, 2 + WS_CONTROL_LEN_MAX);
    assert_memory_equal(out.p, "\x88\x7d\x03\xf0r", 5);
    buf_reset(&out);
    ws_frame_close(&out, 0, BYTES(""), NULL);
    assert_int_equal(out.len, 2);
    buf_fini(&out);
}

static void the_handshake_answers_as_the_standard_shows(void **state)
{
    static const char *const bad[] = {
        "",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub25jZQA=",
        "dGhlIHNhbXBsZSBub25 ZQ==",
    };
    char answer[WS_ACCEPT_LEN + 1];
    (void)state;

    assert_true(ws_accept(BYTES("dGhlIHNhbXBsZSBub25jZQ=="), answer));
    assert_string_equal(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(ws_accept(bytes_str(bad[i]), answer));
    }
}

static void errors_have_close_codes(void **state)
{
    (void)state;

    assert_int_equal(ws_code_of(0), 1000);
    assert_int_equal(ws_code_of(ERR_SYNTAX), 1002);
    assert_int_equal(ws_code_of(ERR_UTF8), 1007);
    assert_int_equal(ws_code_of(ERR_TOO_BIG), 1009);
    assert_int_equal(ws_code_of(ERR_UNAUTH), 1008);
    assert_int_equal(ws_code_of(ERR_SLOW), 1008);
    assert_int_equal(ws_code_of(ERR_CLOSING), 1012);
    assert_int_equal(ws_code_of(ERR_INTERNAL), 1011);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_every_length_form_arrive),
        cmocka_unit_test(a_message_may_come_in_fragments_around_control_frames),
        cmocka_unit_test(wrong_frames_are_refused),
        cmocka_unit_test(fragments_are_bounded_together),
        cmocka_unit_test(a_million_tiny_fragments_are_too_big),
        cmocka_unit_test(nothing_is_kept_between_messages),
        cmocka_unit_test(a_client_refuses_masked_frames),
        cmocka_unit_test(a_close_frame_cuts_a_long_reason),
        cmocka_unit_test(the_handshake_answers_as_the_standard_shows),
        cmocka_unit_test(errors_have_close_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
