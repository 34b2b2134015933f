/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP request and response as values, the same for HTTP/1 and HTTP/2, so
 * that a request door does not know which it serves. Readers of paths, queries
 * and header lists.
 */
#ifndef PROTO_HTTP_H
#define PROTO_HTTP_H

#include "proto/bytes.h"

enum {
    HTTP_HEAD_LEN_MAX = 8192,
    HTTP_HEADERS_MAX = 64,
    HTTP_QUERY_MAX = 32, /* parameters looked at */
};

struct http_header {
    struct bytes name; /* as sent; compare without case */
    struct bytes value;
};

struct http_request {
    struct bytes method;
    struct bytes path;  /* before '?', still percent-encoded */
    struct bytes query; /* after '?', without it; may be empty */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t headers_len;
    struct bytes body; /* whole: doors never see half a body */
    uint8_t major;     /* 1 or 2 */
    uint8_t minor;
    bool keep_alive; /* HTTP/1: the connection may carry another request */
};

struct http_response {
    unsigned status;
    struct bytes content_type; /* empty: no such header */
    struct bytes body;
    const struct http_header *headers; /* further ones */
    size_t headers_len;
};

/* Sets path and query from a target: a path or, of OPTIONS, an asterisk.
 * Errors: ERR_SYNTAX. */
int http_target(struct http_request *request, struct bytes target);

/* The value of the first header of that name, trimmed; p == NULL if absent. */
struct bytes http_header(const struct http_request *request, const char *name);
/* How many headers have that name. */
size_t http_header_count(const struct http_request *request, const char *name);
/* Whether a comma-separated header value contains the token, without case. */
bool http_has_token(struct bytes value, const char *token);

/* Percent-decodes once, appending. plus_is_space for queries. Errors:
 * ERR_SYNTAX for a broken escape. */
int http_decode(struct bytes text, bool plus_is_space, struct buf *out);

/* Finds a query parameter and appends its decoded value. Returns 1 when found,
 * 0 when absent, ERR_SYNTAX for a broken escape or a parameter given twice,
 * ERR_NOMEM. */
int http_query(struct bytes query, const char *name, struct buf *out);

/* "Not Found"; "" for a status we never send. */
const char *http_reason(unsigned status);

#endif
