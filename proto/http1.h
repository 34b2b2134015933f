/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 (RFC 9112): one request from the front of a slice, and the head of
 * a response. The doorway of llhttp.
 *
 * The slice always begins with the first byte of a request and grows until it
 * is whole; what http1_body() says was taken is then cut off. The head comes
 * out first, so that a request can be refused, or asked to go on (Expect),
 * before its body is waited for.
 *
 *   http1_head() 0, 0, ... n   http1_body() 0, 0, ... taken   (next request)
 *
 * Strict, because a proxy in front of us may read differently (request
 * smuggling): lines end with CR LF, no line is folded, names are tokens, one
 * Content-Length of digits only, or one Transfer-Encoding that says "chunked",
 * never both; the target is a path or, for OPTIONS, an asterisk. Everything
 * else is ERR_SYNTAX, after which the connection must be closed.
 */
#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H

#include "proto/http.h"

/* Where the reading of one request stands; zero is the start of one. */
struct http1 {
    size_t scanned;    /* bytes looked at: whole lines of the head, chunks */
    size_t head_len;   /* with the blank line; 0 = not whole yet */
    uint64_t body_len; /* declared */
    bool chunked;
    bool expects;    /* the client waits for "100 Continue" */
    bool last_chunk; /* seen: trailers follow */
    struct buf body; /* chunks joined so far */
};

/* Frees what it holds and is ready for the next request. */
void http1_reset(struct http1 *reader);

/* Fills in all but the body. Returns the length of the head, 0 when more bytes
 * are needed, or ERR_SYNTAX, ERR_HEAD_TOO_BIG (length or number of headers).
 * Slices of *request borrow from `in`. Again: answers the same until
 * http1_reset(). */
ptrdiff_t http1_head(struct http1 *reader, struct bytes in,
                     struct http_request *request);

/* After the head: fills in the whole request. Returns how many bytes it was,
 * 0 when more are needed, or ERR_TOO_BIG (declared or found to be larger than
 * body_max), ERR_SYNTAX (chunks), ERR_NOMEM. A chunked body is joined and
 * borrowed from the reader until http1_reset(). */
ptrdiff_t http1_body(struct http1 *reader, struct bytes in, size_t body_max,
                     struct http_request *request);

enum http1_body_kind {
    HTTP1_BODY_LENGTH, /* Content-Length: response->body.len */
    HTTP1_BODY_STREAM, /* up to the end of the connection */
    HTTP1_BODY_NONE,   /* 101, 204, 304: no header about it at all */
};

/* Appends status line, headers and the blank line; not the body. A header with
 * a control byte in its value is left out: nothing that came from a stranger
 * can add a line. */
void http1_write_head(struct buf *out, const struct http_response *response,
                      enum http1_body_kind kind, bool keep_alive);

#endif
