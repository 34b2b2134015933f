/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/http.h"

#include "proto/err.h"

static struct bytes header_after(const struct http_request *request,
                                 struct bytes name, size_t *at)
{
    for (; *at < request->headers_len; ++*at) {
        const struct http_header *header = &request->headers[*at];
        if (bytes_eq_nocase(header->name, name)) {
            return bytes_trim(header->value);
        }
    }
    return (struct bytes){0};
}

/* Origin form or the asterisk (RFC 9112 section 3.2); a fragment never comes
 * over the wire. */
int http_target(struct http_request *request, struct bytes target)
{
    bool is_star = bytes_eq(target, BYTES("*")) &&
                   bytes_eq(request->method, BYTES("OPTIONS"));

    if (target.len == 0 || (target.p[0] != '/' && !is_star) ||
        bytes_find(target, '#') >= 0) {
        return ERR_SYNTAX;
    }
    ptrdiff_t mark = bytes_find(target, '?');
    request->path = target;
    if (mark >= 0) {
        request->path.len = (size_t)mark;
        request->query = bytes_skip(target, (size_t)mark + 1);
    }
    return 0;
}

struct bytes http_header(const struct http_request *request, const char *name)
{
    size_t at = 0;
    return header_after(request, bytes_str(name), &at);
}

size_t http_header_count(const struct http_request *request, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < request->headers_len; i++) {
        count += bytes_eq_nocase(request->headers[i].name, bytes_str(name));
    }
    return count;
}

/* Cuts the text before the first `c` off the front of *rest. */
static struct bytes cut(struct bytes *rest, uint8_t c)
{
    ptrdiff_t at = bytes_find(*rest, c);
    struct bytes first = *rest;

    if (at < 0) {
        *rest = (struct bytes){0};
        return first;
    }
    first.len = (size_t)at;
    *rest = bytes_skip(*rest, (size_t)at + 1);
    return first;
}

bool http_has_token(struct bytes value, const char *token)
{
    while (value.len > 0) {
        struct bytes item = bytes_trim(cut(&value, ','));
        if (bytes_eq_nocase(item, bytes_str(token))) {
            return true;
        }
    }
    return false;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int http_decode(struct bytes text, bool plus_is_space, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.p[i];
        if (c == '%') {
            bool is_whole = text.len - i > 2;
            int high = is_whole ? hex_digit(text.p[i + 1]) : -1;
            int low = is_whole ? hex_digit(text.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return ERR_SYNTAX;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        buf_add_u8(out, c);
    }
    return out->failed ? ERR_NOMEM : 0;
}

int http_query(struct bytes query, const char *name, struct buf *out)
{
    int found = 0;

    for (int i = 0; i < HTTP_QUERY_MAX && query.len > 0; i++) {
        struct bytes value = cut(&query, '&');
        struct bytes key = cut(&value, '=');
        if (!bytes_eq(key, bytes_str(name))) {
            continue;
        }
        int rc = found ? ERR_SYNTAX : http_decode(value, true, out);
        if (rc != 0) {
            return rc;
        }
        found = 1;
    }
    return found;
}

const char *http_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } reasons[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "";
}
