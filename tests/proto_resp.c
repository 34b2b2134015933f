/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/resp.h"

static const struct resp_bounds bounds = {RESP_ARGS_MAX, 4096};
static const struct resp_bounds hello = {RESP_ARGS_HELLO_MAX, 64};

/* A request as text: its arguments with a bar after each. */
static void show(struct resp_request request, struct buf *out)
{
    struct bytes arg;

    while (resp_next(&request, &arg)) {
        buf_add_bytes(out, arg);
        buf_add_u8(out, '|');
    }
    buf_add_u8(out, ';');
}

/* Reads all requests of `in`, of which `step` more bytes arrive at a time.
 * Returns what the last read returned. */
static ptrdiff_t read_all(struct bytes in, size_t step, struct buf *out)
{
    struct resp_reader reader = {0};
    size_t start = 0;
    ptrdiff_t rc = 0;

    for (size_t have = step; start < in.len && rc >= 0; have += step) {
        struct resp_request request;
        size_t end = have < in.len ? have : in.len;
        while ((rc = resp_read(&reader, &bounds,
                               bytes_of(in.p + start, end - start), &request)) >
               0) {
            show(request, out);
            start += (size_t)rc;
        }
        if (end == in.len) {
            break;
        }
    }
    if (reader.fault != RESP_FAULT_NONE) {
        resp_write_fault(out, &reader);
    }
    return rc;
}

static const struct {
    const char *name;
    struct bytes in;
    const char *out;
} streams[] = {
    {"array", BYTES("*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n"), "ECHO|hi|;"},
    {"two", BYTES("*1\r\n$4\r\nPING\r\n*1\r\n$1\r\nx\r\n"), "PING|;x|;"},
    {"empty bulk", BYTES("*2\r\n$0\r\n\r\n$1\r\na\r\n"), "|a|;"},
    {"CRLF inside", BYTES("*1\r\n$4\r\n\r\n$1\r\n"), "\r\n$1|;"},
    {"empty arrays", BYTES("*0\r\n*-1\r\n*1\r\n$1\r\na\r\n"), ";;a|;"},
    {"inline", BYTES("PING\r\nECHO  hi \n"), "PING|;ECHO|hi|;"},
    {"empty lines", BYTES("\r\n\n \r\nPING\r\n"), ";;;PING|;"},
    {"quotes", BYTES("A \"b c\" 'd \"e' \"\"\r\n"), "A|b c|d \"e||;"},
    {"NUL is a space", BYTES("A\0B\r\n"), "A|B|;"},
    {"inline, then array", BYTES("A\r\n*1\r\n$1\r\nb\r\n"), "A|;b|;"},
    {"count", BYTES("*x\r\n"), "-ERR Protocol error: invalid multibulk length"},
    {"count, huge", BYTES("*1048577\r\n"),
     "-ERR Protocol error: invalid multibulk length"},
    {"count, endless", BYTES("*11111111111"),
     "-ERR Protocol error: invalid multibulk length"},
    {"count, leading zero", BYTES("*01\r\n"),
     "-ERR Protocol error: invalid multibulk length"},
    {"count, none", BYTES("*\r\n"),
     "-ERR Protocol error: invalid multibulk length"},
    {"count, plus", BYTES("*+1\r\n"),
     "-ERR Protocol error: invalid multibulk length"},
    {"count, bare CR", BYTES("*1\rX"),
     "-ERR Protocol error: invalid multibulk length"},
    {"count, bare LF", BYTES("*1\n"),
     "-ERR Protocol error: invalid multibulk length"},
    {"bulk, negative", BYTES("*1\r\n$-1\r\n"),
     "-ERR Protocol error: invalid bulk length"},
    {"bulk, word", BYTES("*1\r\n$a\r\n"),
     "-ERR Protocol error: invalid bulk length"},
    {"bulk, huge", BYTES("*1\r\n$536870912\r\n"),
     "-ERR Protocol error: invalid bulk length"},
    {"bulk, too long", BYTES("*1\r\n$2\r\nabcd"),
     "-ERR Protocol error: invalid bulk length"},
    {"bulk, no CR", BYTES("*1\r\n$2\r\nabX\n"),
     "-ERR Protocol error: invalid bulk length"},
    {"type", BYTES("*1\r\n:1\r\n"),
     "-ERR Protocol error: expected '$', got ':'"},
    {"type, line end", BYTES("*1\r\n\r\n"),
     "-ERR Protocol error: expected '$', got ' '"},
    {"quote open", BYTES("A \"b\r\n"),
     "-ERR Protocol error: unbalanced quotes in request"},
    {"quote then word", BYTES("\"A\"b\r\n"),
     "-ERR Protocol error: unbalanced quotes in request"},
    {"quote in a word", BYTES("A'b'\r\n"),
     "-ERR Protocol error: unbalanced quotes in request"},
    {"escape", BYTES("A \"\\x41\"\r\n"),
     "-ERR Protocol error: unbalanced quotes in request"},
};

static void assert_stream(size_t i, size_t step)
{
    struct buf out = {0};
    bool wrong = streams[i].out[0] == '-';

    ptrdiff_t rc = read_all(streams[i].in, step, &out);
    size_t len = strlen(streams[i].out) + (wrong ? 2 : 0);
    if ((rc < 0) != wrong || out.len != len ||
        memcmp(out.p, streams[i].out, strlen(streams[i].out)) != 0) {
        fail_msg("%s in steps of %zu: %zd, %.*s", streams[i].name, step, rc,
                 (int)out.len, (const char *)out.p);
    }
    buf_fini(&out);
}

static void a_stream_means_the_same_however_it_is_cut(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        for (size_t step = 1; step <= streams[i].in.len; step++) {
            assert_stream(i, step);
        }
    }
}

static void an_unfinished_request_is_left_alone_at_every_cut(void **state)
{
    static const struct bytes wire = BYTES(
        "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$10\r\n0123456789\r\n");
    (void)state;

    for (size_t cut = 0; cut < wire.len; cut++) {
        struct resp_reader reader = {0};
        struct resp_request request = {.len = 77};
        assert_int_equal(
            resp_read(&reader, &bounds, bytes_of(wire.p, cut), &request), 0);
        assert_int_equal(request.len, 77);
        assert_int_equal(resp_read(&reader, &bounds, wire, &request), wire.len);
        assert_int_equal(request.len, 3);
        assert_int_equal(reader.seen, 0);
    }
}

/* Otherwise a request that comes byte by byte costs its length squared. */
static void what_was_understood_is_not_read_again(void **state)
{
    char wire[] = "*2\r\n$1\r\na\r\n$1\r\nb\r\n";
    struct resp_reader reader = {0};
    struct resp_request request;
    (void)state;

    assert_int_equal(resp_read(&reader, &bounds, bytes_of(wire, 13), &request),
                     0);
    assert_int_equal(reader.seen, 11);
    assert_int_equal(reader.left, 1);

    char line[] = "PING a b c";
    reader = (struct resp_reader){0};
    assert_int_equal(resp_read(&reader, &bounds, bytes_str(line), &request), 0);
    assert_int_equal(reader.seen, strlen(line));
}

static void a_stranger_gets_little_room(void **state)
{
    static const struct {
        struct bytes in;
        enum resp_fault fault;
        int rc;
    } cases[] = {
        {BYTES("*10\r\n"), RESP_FAULT_NONE, 0},
        {BYTES("*11\r\n"), RESP_FAULT_COUNT, ERR_TOO_BIG},
        {BYTES("*1000000\r\n$536870912\r\n"), RESP_FAULT_COUNT, ERR_TOO_BIG},
        {BYTES("*1\r\n$53\r\n"), RESP_FAULT_NONE, 0},
        {BYTES("*1\r\n$54\r\n"), RESP_FAULT_BULK, ERR_TOO_BIG},
        {BYTES("*1\r\n$9999999999\r\n"), RESP_FAULT_BULK, ERR_TOO_BIG},
        {BYTES("*2\r\n$40\r\n0123456789012345678901234567890123456789\r\n"
               "$8\r\n"),
         RESP_FAULT_BULK, ERR_TOO_BIG},
        {BYTES("0123456789012345678901234567890123456789012345678901234567890"
               "123"),
         RESP_FAULT_NONE, 0},
        {BYTES("0123456789012345678901234567890123456789012345678901234567890"
               "1234"),
         RESP_FAULT_INLINE, ERR_TOO_BIG},
        {BYTES("1 2 3 4 5 6 7 8 9 0 1\r\n"), RESP_FAULT_INLINE, ERR_TOO_BIG},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct resp_reader reader = {0};
        struct resp_request request;
        assert_int_equal(resp_read(&reader, &hello, cases[i].in, &request),
                         cases[i].rc);
        assert_int_equal(reader.fault, cases[i].fault);
    }
}

static void answers_have_these_bytes(void **state)
{
    struct buf out = {0};
    (void)state;

    resp_write_simple(&out, "OK");
    resp_write_int(&out, -5);
    resp_write_bulk(&out, BYTES("a\r\nb"));
    resp_write_bulk(&out, BYTES(""));
    resp_write_array(&out, 2);
    resp_write_error(&out, "ERR no");
    for (unsigned version = 2; version <= 3; version++) {
        resp_write_null(&out, version);
        resp_write_map(&out, version, 7);
        resp_write_push(&out, version, 3);
        resp_write_text(&out, version, BYTES("hi"));
    }
    assert_bytes(buf_bytes(&out),
                 "+OK\r\n:-5\r\n$4\r\na\r\nb\r\n$0\r\n\r\n*2\r\n-ERR no\r\n"
                 "$-1\r\n*14\r\n*3\r\n$2\r\nhi\r\n"
                 "_\r\n%7\r\n>3\r\n=6\r\ntxt:hi\r\n");
    buf_fini(&out);
}

static void an_echo_cannot_end_the_line(void **state)
{
    struct buf out = {0};
    char longer[200];
    (void)state;

    memset(longer, 'x', sizeof longer);
    resp_begin_error(&out);
    resp_add_echo(&out, BYTES("a\r\n+OK\r\n"));
    resp_end_error(&out);
    assert_bytes(buf_bytes(&out), "-a  +OK  \r\n");
    buf_reset(&out);
    resp_add_echo(&out, bytes_of(longer, sizeof longer));
    assert_int_equal(out.len, RESP_ECHO_LEN_MAX);
    buf_fini(&out);
}

static void items_have_these_bytes(void **state)
{
    static const struct {
        enum resp_kind kind;
        unsigned version;
        const char *wire;
    } cases[] = {
        {RESP_MESSAGE, 2, "*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$3\r\nv\r\n\r\n"},
        {RESP_MESSAGE, 3, ">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$3\r\nv\r\n\r\n"},
        {RESP_SMESSAGE, 2,
         "*3\r\n$8\r\nsmessage\r\n$2\r\nch\r\n$3\r\nv\r\n\r\n"},
        {RESP_SMESSAGE, 3,
         ">3\r\n$8\r\nsmessage\r\n$2\r\nch\r\n$3\r\nv\r\n\r\n"},
        {RESP_PMESSAGE, 2,
         "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$2\r\nch\r\n$3\r\nv\r\n\r\n"},
        {RESP_PMESSAGE, 3,
         ">4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$2\r\nch\r\n$3\r\nv\r\n\r\n"},
    };
    struct buf out = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&out);
        resp_write_message(&out, cases[i].version, cases[i].kind, BYTES("*"),
                           BYTES("ch"), BYTES("v\r\n"));
        assert_bytes(buf_bytes(&out), cases[i].wire);
    }
    buf_reset(&out);
    resp_write_message(&out, 2, RESP_MESSAGE, BYTES(""), BYTES("a"), BYTES(""));
    assert_bytes(buf_bytes(&out),
                 "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$0\r\n\r\n");
    buf_fini(&out);
}

static void an_item_that_does_not_fit_leaves_the_rest_whole(void **state)
{
    struct buf out = {.max = 100};
    (void)state;

    buf_add_str(&out, "before");
    resp_write_message(&out, 2, RESP_MESSAGE, BYTES(""), BYTES("channel"),
                       BYTES("a value that takes more than is left of it"));
    assert_true(out.failed);
    assert_bytes(buf_bytes(&out), "before");
    buf_fini(&out);
}

/* The values of the Redis cluster specification and of redis-server. */
static void slots_are_those_of_redis(void **state)
{
    static const struct {
        struct bytes key;
        uint16_t slot;
    } cases[] = {
        {BYTES("123456789"), 0x31c3},   {BYTES(""), 0},
        {BYTES("foo"), 12182},          {BYTES("{foo}"), 12182},
        {BYTES("a{foo}b{bar}"), 12182}, {BYTES("bar"), 5061},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(resp_slot(cases[i].key), cases[i].slot);
    }
    /* An empty tag, or one that does not end, is none; a tag may begin with a
     * brace. */
    assert_int_not_equal(resp_slot(BYTES("{}foo")), resp_slot(BYTES("")));
    assert_int_not_equal(resp_slot(BYTES("{foo")), resp_slot(BYTES("foo")));
    assert_int_equal(resp_slot(BYTES("foo{{bar}}zap")),
                     resp_slot(BYTES("{bar")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_means_the_same_however_it_is_cut),
        cmocka_unit_test(an_unfinished_request_is_left_alone_at_every_cut),
        cmocka_unit_test(what_was_understood_is_not_read_again),
        cmocka_unit_test(a_stranger_gets_little_room),
        cmocka_unit_test(answers_have_these_bytes),
        cmocka_unit_test(an_echo_cannot_end_the_line),
        cmocka_unit_test(items_have_these_bytes),
        cmocka_unit_test(an_item_that_does_not_fit_leaves_the_rest_whole),
        cmocka_unit_test(slots_are_those_of_redis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
