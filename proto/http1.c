/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/http1.h"

#include <assert.h>
#include <llhttp.h>

#include "proto/err.h"

enum {
    CHUNK_LINE_LEN_MAX = 256, /* size and extensions, or one trailer */
    TRAILERS_LEN_MAX = 1024,
};

struct parse {
    struct http_request *request;
    struct bytes target;
    bool too_many;
};

static ptrdiff_t scan_head(struct http1 *reader, struct bytes in);
static int parse_head(struct bytes head, struct http_request *request);
static int frame_body(struct http1 *reader, const struct http_request *request);
static ptrdiff_t read_chunks(struct http1 *reader, struct bytes in,
                             size_t body_max);

void http1_reset(struct http1 *reader)
{
    buf_fini(&reader->body);
    *reader = (struct http1){0};
}

ptrdiff_t http1_head(struct http1 *reader, struct bytes in,
                     struct http_request *request)
{
    bool is_new = reader->head_len == 0;
    ptrdiff_t len = is_new ? scan_head(reader, in)
                           : (ptrdiff_t)reader->head_len;

    if (len <= 0) {
        return len;
    }
    int rc = parse_head(bytes_of(in.p, (size_t)len), request);
    if (rc == 0 && is_new) {
        rc = frame_body(reader, request);
    }
    if (rc != 0) {
        return rc;
    }
    reader->head_len = (size_t)len;
    if (is_new) {
        reader->scanned = reader->head_len;
    }
    return len;
}

ptrdiff_t http1_body(struct http1 *reader, struct bytes in, size_t body_max,
                     struct http_request *request)
{
    size_t head_len = reader->head_len;
    ptrdiff_t whole;

    assert(head_len > 0);
    if (reader->chunked) {
        whole = read_chunks(reader, in, body_max);
    } else if (reader->body_len > body_max) {
        whole = ERR_TOO_BIG;
    } else {
        bool has_all = in.len - head_len >= reader->body_len;
        whole = has_all ? (ptrdiff_t)(head_len + reader->body_len) : 0;
    }
    if (whole <= 0) {
        return whole;
    }
    ptrdiff_t rc = http1_head(reader, in, request);
    assert(rc > 0); /* it was read before */
    request->body = reader->chunked
                        ? buf_bytes(&reader->body)
                        : bytes_of(in.p + head_len, (size_t)reader->body_len);
    return whole;
}

/* --- the head: lines first, then llhttp --------------------------------------
 */

static bool is_control(uint8_t c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* Checks one line without its CR LF. The first is the request line: visible
 * ASCII and two single blanks. */
static bool line_is_clean(struct bytes line, bool is_first)
{
    size_t blanks = 0;

    for (size_t i = 0; i < line.len; i++) {
        bool is_plain = line.p[i] != '\t' && line.p[i] <= 0x7e;
        if (is_control(line.p[i]) || (is_first && !is_plain)) {
            return false;
        }
        blanks += line.p[i] == ' ';
    }
    if (is_first) {
        return blanks == 2;
    }
    return line.len == 0 || (line.p[0] != ' ' && line.p[0] != '\t');
}

/* Finds the blank line. Looks at each byte once however it arrives: `scanned`
 * stands at the start of the first line that is not whole. */
static ptrdiff_t scan_head(struct http1 *reader, struct bytes in)
{
    size_t len = in.len < HTTP_HEAD_LEN_MAX ? in.len : HTTP_HEAD_LEN_MAX;

    for (;;) {
        struct bytes rest = bytes_of(in.p + reader->scanned,
                                     len - reader->scanned);
        ptrdiff_t end = bytes_find(rest, '\n');
        if (end < 0) {
            return len == HTTP_HEAD_LEN_MAX ? ERR_HEAD_TOO_BIG : 0;
        }
        if (end == 0 || rest.p[end - 1] != '\r') {
            return ERR_SYNTAX;
        }
        struct bytes line = bytes_of(rest.p, (size_t)end - 1);
        if (!line_is_clean(line, reader->scanned == 0)) {
            return ERR_SYNTAX;
        }
        reader->scanned += (size_t)end + 1;
        if (line.len == 0) {
            return (ptrdiff_t)reader->scanned;
        }
    }
}

static int on_method(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parse *parse = llhttp->data;
    parse->request->method = bytes_of(at, len);
    return 0;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parse *parse = llhttp->data;
    parse->target = bytes_of(at, len);
    return 0;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parse *parse = llhttp->data;
    struct http_request *request = parse->request;

    if (request->headers_len == HTTP_HEADERS_MAX) {
        parse->too_many = true;
        return -1;
    }
    request->headers[request->headers_len++] = (struct http_header){
        .name = bytes_of(at, len)};
    return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parse *parse = llhttp->data;
    struct http_request *request = parse->request;

    assert(request->headers_len > 0);
    request->headers[request->headers_len - 1].value = bytes_of(at, len);
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    (void)llhttp;
    return HPE_PAUSED; /* bodies are ours to read */
}

static bool is_token(struct bytes s)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.p[i];
        bool is_word = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       (c >= '0' && c <= '9');
        if (!is_word && (c == 0 || strchr(others, c) == NULL)) {
            return false;
        }
    }
    return s.len > 0;
}

static int parse_head(struct bytes head, struct http_request *request)
{
    static const llhttp_settings_t settings = {
        .on_method = on_method,
        .on_url = on_url,
        .on_header_field = on_field,
        .on_header_value = on_value,
        .on_headers_complete = on_headers_complete,
    };
    struct parse parse = {.request = request};
    llhttp_t llhttp;

    *request = (struct http_request){0};
    llhttp_init(&llhttp, HTTP_REQUEST, &settings);
    llhttp.data = &parse;
    llhttp_errno_t rc = llhttp_execute(&llhttp, (const char *)head.p, head.len);
    if (parse.too_many) {
        return ERR_HEAD_TOO_BIG;
    }
    if (rc != HPE_PAUSED) {
        return ERR_SYNTAX;
    }
    request->major = llhttp.http_major;
    request->minor = llhttp.http_minor;
    if (request->major != 1 || request->minor > 1) {
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < request->headers_len; i++) {
        if (!is_token(request->headers[i].name)) {
            return ERR_SYNTAX;
        }
    }
    struct bytes connection = http_header(request, "connection");
    request->keep_alive = request->minor == 1
                              ? !http_has_token(connection, "close")
                              : http_has_token(connection, "keep-alive");
    return http_target(request, parse.target);
}

/* Digits only, at most one blank before them: what other readers may take
 * otherwise is refused. */
static int read_length(const struct http_request *request, uint64_t *len)
{
    for (size_t i = 0; i < request->headers_len; i++) {
        const struct http_header *header = &request->headers[i];
        if (bytes_eq_nocase(header->name, BYTES("content-length"))) {
            ptrdiff_t gap = header->value.p -
                            (header->name.p + header->name.len + 1);
            return gap > 1 ? ERR_SYNTAX : bytes_u64(header->value, len);
        }
    }
    return 0;
}

/* How long the body is (RFC 9112 section 6.3), without the doubtful cases. */
static int frame_body(struct http1 *reader, const struct http_request *request)
{
    size_t lengths = http_header_count(request, "content-length");
    size_t codings = http_header_count(request, "transfer-encoding");
    struct bytes coding = http_header(request, "transfer-encoding");

    if (lengths + codings > 1 || (codings > 0 && request->minor == 0)) {
        return ERR_SYNTAX;
    }
    if (codings > 0 && !bytes_eq_nocase(coding, BYTES("chunked"))) {
        return ERR_SYNTAX;
    }
    if (read_length(request, &reader->body_len) != 0) {
        return ERR_SYNTAX;
    }
    reader->chunked = codings > 0;
    reader->expects = request->minor == 1 &&
                      bytes_eq_nocase(http_header(request, "expect"),
                                      BYTES("100-continue"));
    return 0;
}

/* --- chunks
 * -------------------------------------------------------------------- */

/* Takes a line up to CR LF from `in`: its length with them, 0, ERR_SYNTAX. */
static ptrdiff_t read_line(struct bytes in, struct bytes *line)
{
    ptrdiff_t end = bytes_find(in, '\n');

    if (end < 0) {
        return in.len > CHUNK_LINE_LEN_MAX ? ERR_SYNTAX : 0;
    }
    if (end == 0 || in.p[end - 1] != '\r' || end > CHUNK_LINE_LEN_MAX) {
        return ERR_SYNTAX;
    }
    *line = bytes_of(in.p, (size_t)end - 1);
    for (size_t i = 0; i < line->len; i++) {
        if (is_control(line->p[i])) {
            return ERR_SYNTAX;
        }
    }
    return end + 1;
}

/* chunk-size [ ";" extension ]; extensions mean nothing to us. */
static int read_size(struct bytes line, uint64_t *size)
{
    size_t digits = 0;

    *size = 0;
    while (digits < line.len && line.p[digits] != ';') {
        uint8_t c = line.p[digits++];
        uint8_t lower = c | 0x20;
        bool is_digit = c >= '0' && c <= '9';
        if ((!is_digit && (lower < 'a' || lower > 'f')) || digits > 15) {
            return ERR_SYNTAX;
        }
        *size = *size << 4 | (uint64_t)(is_digit ? c - '0' : lower - 'a' + 10);
    }
    return digits == 0 ? ERR_SYNTAX : 0;
}

/* Trailers are checked for their form and dropped. */
static ptrdiff_t read_trailers(struct http1 *reader, struct bytes in)
{
    struct bytes line;

    for (;;) {
        struct bytes rest = bytes_skip(in, reader->scanned);
        ptrdiff_t n = read_line(rest, &line);
        if (n <= 0) {
            return n;
        }
        reader->scanned += (size_t)n;
        if (line.len == 0) {
            return (ptrdiff_t)reader->scanned;
        }
        ptrdiff_t colon = bytes_find(line, ':');
        reader->body_len += (uint64_t)n; /* no longer needed: counts these */
        if (colon < 0 || !is_token(bytes_of(line.p, (size_t)colon)) ||
            reader->body_len > TRAILERS_LEN_MAX) {
            return ERR_SYNTAX;
        }
    }
}

/* One whole chunk at `scanned`: its length on the wire, 0, or an error. */
static ptrdiff_t read_chunk(struct http1 *reader, struct bytes in,
                            size_t body_max)
{
    struct bytes line;
    uint64_t size;
    ptrdiff_t n = read_line(in, &line);

    if (n <= 0) {
        return n;
    }
    if (read_size(line, &size) != 0) {
        return ERR_SYNTAX;
    }
    if (size > body_max - reader->body.len) {
        return ERR_TOO_BIG;
    }
    if (size == 0) {
        reader->last_chunk = true;
        return n;
    }
    struct bytes data = bytes_skip(in, (size_t)n);
    if (data.len < size + 2) {
        return 0;
    }
    if (data.p[size] != '\r' || data.p[size + 1] != '\n') {
        return ERR_SYNTAX;
    }
    buf_add(&reader->body, data.p, (size_t)size);
    return reader->body.failed ? ERR_NOMEM : n + (ptrdiff_t)size + 2;
}

static ptrdiff_t read_chunks(struct http1 *reader, struct bytes in,
                             size_t body_max)
{
    while (!reader->last_chunk) {
        struct bytes rest = bytes_skip(in, reader->scanned);
        ptrdiff_t n = read_chunk(reader, rest, body_max);
        if (n <= 0) {
            return n;
        }
        reader->scanned += (size_t)n;
        /* Chunks of a byte each: their frames are bounded like the body. */
        if (reader->scanned - reader->head_len > 2 * body_max + 4096) {
            return ERR_TOO_BIG;
        }
    }
    return read_trailers(reader, in);
}

/* --- writing
 * ------------------------------------------------------------------- */

static void write_header(struct buf *out, struct bytes name, struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (is_control(value.p[i])) {
            return;
        }
    }
    buf_add_bytes(out, name);
    buf_add_str(out, ": ");
    buf_add_bytes(out, value);
    buf_add_str(out, "\r\n");
}

void http1_write_head(struct buf *out, const struct http_response *response,
                      enum http1_body_kind kind, bool keep_alive)
{
    buf_add_str(out, "HTTP/1.1 ");
    buf_add_u64(out, response->status);
    buf_add_u8(out, ' ');
    buf_add_str(out, http_reason(response->status));
    buf_add_str(out, "\r\n");
    if (response->content_type.len > 0) {
        write_header(out, BYTES("Content-Type"), response->content_type);
    }
    for (size_t i = 0; i < response->headers_len; i++) {
        write_header(out, response->headers[i].name,
                     response->headers[i].value);
    }
    if (kind == HTTP1_BODY_LENGTH) {
        buf_add_str(out, "Content-Length: ");
        buf_add_u64(out, response->body.len);
        buf_add_str(out, "\r\n");
    }
    if (!keep_alive) {
        buf_add_str(out, "Connection: close\r\n");
    }
    buf_add_str(out, "\r\n");
}
