/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/http1.h"

enum {
    BODY_MAX = 100
};

/* Writes what a request comes to: "POST /a ? b |name=value|..|body|+". */
static void note(struct buf *log, const struct http_request *r)
{
    buf_add_bytes(log, r->method);
    buf_add_u8(log, ' ');
    buf_add_bytes(log, r->path);
    if (r->query.p != NULL) {
        buf_add_u8(log, '?');
        buf_add_bytes(log, r->query);
    }
    for (size_t i = 0; i < r->headers_len; i++) {
        buf_add_u8(log, '|');
        buf_add_bytes(log, r->headers[i].name);
        buf_add_u8(log, '=');
        buf_add_bytes(log, r->headers[i].value);
    }
    buf_add_str(log, "||");
    buf_add_bytes(log, r->body);
    buf_add_str(log, r->keep_alive ? "+\n" : "-\n");
}

static ptrdiff_t read_one(struct http1 *reader, struct bytes in,
                          struct buf *log)
{
    struct http_request request;
    ptrdiff_t n = http1_head(reader, in, &request);

    if (n > 0) {
        n = http1_body(reader, in, BODY_MAX, &request);
    }
    if (n > 0) {
        note(log, &request);
        http1_reset(reader);
    }
    return n;
}

/* Offers `in` in growing slices, each a fresh copy of its exact size: a
 * sanitizer sees a read beyond it, and no slice outlives its copy. */
static void expect_by(const char *text, size_t text_len, size_t first,
                      size_t step, const char *want)
{
    struct http1 reader = {0};
    struct buf log = {0};
    size_t start = 0;
    size_t end = first < text_len ? first : text_len;

    for (;;) {
        uint8_t *copy = malloc(end - start + 1);
        assert_non_null(copy);
        memcpy(copy, text + start, end - start);
        ptrdiff_t n = read_one(&reader, bytes_of(copy, end - start), &log);
        free(copy);
        if (n < 0) {
            buf_add_str(&log, err_name((int)n));
            break;
        }
        start += (size_t)n;
        if (start == text_len || (n == 0 && end == text_len)) {
            break;
        }
        if (n == 0) {
            end = end + step < text_len ? end + step : text_len;
        }
    }
    assert_bytes(buf_bytes(&log), want);
    http1_reset(&reader);
    buf_fini(&log);
}

static void expect(const char *text, const char *want)
{
    size_t len = strlen(text);

    expect_by(text, len, len, 1, want);
    expect_by(text, len, 1, 1, want);
    for (size_t cut = 1; cut < len; cut++) {
        expect_by(text, len, cut, len, want);
    }
}

static void requests_are_read_however_they_are_cut(void **state)
{
    (void)state;

    expect("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /|Host=a||+\n");
    expect("GET /a%20b?x=1&y HTTP/1.1\r\nHost:a\r\nEmpty:\r\nB: c d \r\n\r\n",
           "GET /a%20b?x=1&y|Host=a|Empty=|B=c d ||+\n");
    expect("GET /? HTTP/1.1\r\nConnection: Close\r\n\r\n",
           "GET /?|Connection=Close||-\n");
    expect("GET / HTTP/1.0\r\n\r\n", "GET /||-\n");
    expect("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
           "GET /|Connection=Keep-Alive||+\n");
    expect("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS *|Host=a||+\n");
    expect("POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
           "POST /p|Content-Length=5||hello+\n");
    expect("GET /w HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "\r\n",
           "GET /w|Upgrade=websocket|Connection=Upgrade||+\n");
}

static void pipelined_requests_come_one_after_the_other(void **state)
{
    (void)state;

    expect("POST /1 HTTP/1.1\r\nContent-Length: 24\r\n\r\n"
           "GET /hidden HTTP/1.1\r\n\r\n"
           "GET /2 HTTP/1.1\r\n\r\n"
           "GET /3 HTTP/1.0\r\n\r\n",
           "POST /1|Content-Length=24||GET /hidden HTTP/1.1\r\n\r\n+\n"
           "GET /2||+\nGET /3||-\n");
}

static void chunks_are_joined(void **state)
{
    (void)state;

    expect("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
           "5\r\nhello\r\n01;why=not\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n"
           "GET /2 HTTP/1.1\r\n\r\n",
           "POST /|Transfer-Encoding=chunked||hello 0123456789+\n"
           "GET /2||+\n");
    expect("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
           "0\r\nDigest: abc\r\nB: c\r\n\r\n",
           "POST /|Transfer-Encoding=Chunked||+\n");
}

static void doubtful_heads_are_refused(void **state)
{
    static const char *const cases[] = {
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
        "\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n"
        "\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length:  5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5 \r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5.0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
        "Transfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding:\x0b"
        "chunked\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/1.1\r\n: a\r\n\r\n",
        "GET / HTTP/1.1\r\nH(o)st: a\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \x01\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \x7f\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\n\r\n",
        "GET /\t HTTP/1.1\r\n\r\n",
        "GET /\xc3\xbc HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET /#a HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\n\r\n",
        "get / HTTP/1.1\r\n\r\n",
        "FROB / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        expect(cases[i], "SYNTAX");
    }
}

static void doubtful_chunks_are_refused(void **state)
{
    static const struct {
        const char *body;
        const char *want;
    } cases[] = {
        {"0x5\r\nhello\r\n0\r\n\r\n", "SYNTAX"},
        {"+5\r\nhello\r\n0\r\n\r\n", "SYNTAX"},
        {" 5\r\nhello\r\n0\r\n\r\n", "SYNTAX"},
        {"5 \r\nhello\r\n0\r\n\r\n", "SYNTAX"},
        {"\r\nhello\r\n0\r\n\r\n", "SYNTAX"},
        {";a\r\nhello\r\n0\r\n\r\n", "SYNTAX"},
        {"g\r\n", "SYNTAX"},
        {"5\nhello\r\n0\r\n\r\n", "SYNTAX"},
        {"5\rhello\r\n0\r\n\r\n", "SYNTAX"},
        {"5;a\nb\r\nhello\r\n0\r\n\r\n", "SYNTAX"},
        {"5\r\nhelloX\r\n0\r\n\r\n", "SYNTAX"},
        {"5\r\nhello\n0\r\n\r\n", "SYNTAX"},
        {"10000000000000005\r\nhello\r\n", "SYNTAX"},
        {"fffffffffffffff\r\nhello\r\n", "TOO_BIG"},
        {"65\r\n", "TOO_BIG"},
        {"0\r\nbad trailer\r\n\r\n", "SYNTAX"},
        {"0\r\n: x\r\n\r\n", "SYNTAX"},
        {"0\r\nA: b\n\r\n", "SYNTAX"},
        {"0\r\n A: b\r\n\r\n", "SYNTAX"},
        {"0\r\n\n", "SYNTAX"},
        {"5\r\nhel", ""},
        {"0\r\n", ""},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[256] =
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        strcat(text, cases[i].body);
        expect(text, cases[i].want);
    }
}

static void tiny_chunks_and_trailers_are_bounded(void **state)
{
    struct buf text = {0};
    (void)state;

    buf_add_str(&text, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 50; i++) {
        buf_add_str(&text, "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                           "\r\nx\r\n");
    }
    expect_by((const char *)text.p, text.len, 1, 7, "TOO_BIG");
    buf_reset(&text);
    buf_add_str(&text, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "0\r\n");
    for (int i = 0; i < 200; i++) {
        buf_add_str(&text, "abc: def\r\n");
    }
    expect_by((const char *)text.p, text.len, 1, 7, "SYNTAX");
    buf_fini(&text);
}

static void bodies_beyond_the_bound_are_refused_before_they_come(void **state)
{
    (void)state;

    expect("POST / HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n", "TOO_BIG");
    expect("POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", "TOO_BIG");
    expect("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n", "");
}

static void heads_are_bounded_in_bytes_and_headers(void **state)
{
    struct buf text = {0};
    (void)state;

    buf_add_str(&text, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < HTTP_HEADERS_MAX + 1; i++) {
        buf_add_str(&text, "a: b\r\n");
    }
    buf_add_str(&text, "\r\n");
    expect_by((const char *)text.p, text.len, text.len, 1, "HEAD_TOO_BIG");
    expect_by((const char *)text.p, text.len, 1, 1, "HEAD_TOO_BIG");

    buf_reset(&text);
    buf_add_str(&text, "GET /");
    while (text.len < HTTP_HEAD_LEN_MAX) {
        buf_add_u8(&text, '%');
    }
    expect_by((const char *)text.p, text.len, text.len, 1, "HEAD_TOO_BIG");
    expect_by((const char *)text.p, text.len, 1, 1, "HEAD_TOO_BIG");
    expect_by((const char *)text.p, text.len - 1, 1, 1, "");
    buf_fini(&text);
}

static void a_client_that_waits_for_100_is_seen_at_the_head(void **state)
{
    static const char text[] = "POST / HTTP/1.1\r\nContent-Length: 5\r\n"
                               "Expect: 100-Continue\r\n\r\n";
    struct http1 reader = {0};
    struct http_request request;
    (void)state;

    assert_int_equal(http1_head(&reader, bytes_str(text), &request),
                     sizeof text - 1);
    assert_true(reader.expects);
    assert_int_equal(http1_body(&reader, bytes_str(text), BODY_MAX, &request),
                     0);
    http1_reset(&reader);
}

static void headers_are_found_without_case(void **state)
{
    struct http_request request = {
        .headers = {{BYTES("X-A"), BYTES(" 1 ")},
                    {BYTES("x-b"), BYTES("")},
                    {BYTES("X-a"), BYTES("2")}},
        .headers_len = 3,
    };
    (void)state;

    assert_bytes(http_header(&request, "x-a"), "1");
    assert_int_equal(http_header_count(&request, "x-a"), 2);
    assert_non_null(http_header(&request, "X-B").p);
    assert_null(http_header(&request, "x-c").p);
    assert_true(http_has_token(BYTES("keep-alive , Upgrade"), "upgrade"));
    assert_false(http_has_token(BYTES("upgraded, up"), "upgrade"));
    assert_false(http_has_token(BYTES(""), "upgrade"));
}

static void queries_are_decoded_once(void **state)
{
    static const struct {
        const char *query;
        int rc;
        const char *want;
    } cases[] = {
        {"a=1&b=2", 1, "2"},
        {"a=1", 0, ""},
        {"b", 1, ""},
        {"b=", 1, ""},
        {"b=%2525+%2B", 1, "%25 +"},
        {"b=1&b=1", ERR_SYNTAX, NULL},
        {"b=%", ERR_SYNTAX, NULL},
        {"b=%4", ERR_SYNTAX, NULL},
        {"b=%g0", ERR_SYNTAX, NULL},
        {"bb=1&ab=2", 0, ""},
        {"b=a=b", 1, "a=b"},
        {"%62=1", 0, ""},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        assert_int_equal(http_query(bytes_str(cases[i].query), "b", &out),
                         cases[i].rc);
        if (cases[i].want != NULL) {
            assert_bytes(buf_bytes(&out), cases[i].want);
        }
        buf_fini(&out);
    }
}

static void a_response_head_lets_no_line_in(void **state)
{
    struct http_header headers[] = {
        {BYTES("X-Good"), BYTES("yes")},
        {BYTES("X-Bad"), BYTES("a\r\nSet-Cookie: b")},
    };
    struct http_response response = {.status = 200,
                                     .content_type = BYTES("text/plain"),
                                     .body = BYTES("hello"),
                                     .headers = headers,
                                     .headers_len = 2};
    struct buf out = {0};
    (void)state;

    http1_write_head(&out, &response, HTTP1_BODY_LENGTH, true);
    assert_bytes(buf_bytes(&out),
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                 "X-Good: yes\r\nContent-Length: 5\r\n\r\n");
    buf_reset(&out);
    response = (struct http_response){.status = 404};
    http1_write_head(&out, &response, HTTP1_BODY_STREAM, false);
    assert_bytes(buf_bytes(&out),
                 "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_however_they_are_cut),
        cmocka_unit_test(pipelined_requests_come_one_after_the_other),
        cmocka_unit_test(chunks_are_joined),
        cmocka_unit_test(doubtful_heads_are_refused),
        cmocka_unit_test(doubtful_chunks_are_refused),
        cmocka_unit_test(tiny_chunks_and_trailers_are_bounded),
        cmocka_unit_test(bodies_beyond_the_bound_are_refused_before_they_come),
        cmocka_unit_test(heads_are_bounded_in_bytes_and_headers),
        cmocka_unit_test(a_client_that_waits_for_100_is_seen_at_the_head),
        cmocka_unit_test(headers_are_found_without_case),
        cmocka_unit_test(queries_are_decoded_once),
        cmocka_unit_test(a_response_head_lets_no_line_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
