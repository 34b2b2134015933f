/* SPDX-License-Identifier: Apache-2.0
 *
 * The heads of one HTTP/2 stream as plain bytes: the fields of a request while
 * they come, those of an answer before they go.
 */
#ifndef PROTO_H2_HEAD_H
#define PROTO_H2_HEAD_H

#include "proto/h2.h"

enum {
    /* Section 6.5.2: each field counts 32 more than its text. */
    H2_FIELD_EXTRA = 32,
    H2_LIST_MAX = HTTP_HEAD_LEN_MAX + HTTP_HEADERS_MAX * H2_FIELD_EXTRA,
    /* More than an honest mistake: the connection ends. */
    H2_LIST_CUT = 4 * H2_LIST_MAX,
};

/* Keeps a field of a request while its list is below H2_LIST_MAX, and counts it
 * in any case. */
void h2_head_add(struct h2_stream *stream, struct bytes name,
                 struct bytes value);

/* 0, or what is wrong with a whole head: ERR_HEAD_TOO_BIG, ERR_NOMEM,
 * ERR_SYNTAX. */
int h2_head_read(const struct h2_stream *stream, struct http_request *request);

/* Fields of an answer, to be encoded: names in lower case. Texts that are kept
 * lie in `memory`. */
enum {
    H2_FIELDS_MAX = 32
};
struct h2_fields {
    struct buf memory;
    struct http_header list[H2_FIELDS_MAX];
    size_t len;
};

/* A field with a control byte in its value, or beyond H2_FIELDS_MAX, is left
 * out. Errors: ERR_NOMEM. */
int h2_fields_of(struct h2_fields *fields, const struct http_response *r,
                 enum h2_body body);

/* Fields as bytes, to be kept, and back. Those of which nothing may be said
 * (see above) are left out. Errors: ERR_NOMEM. */
int h2_fields_pack(struct buf *out, const struct http_header *list, size_t len);
size_t h2_fields_unpack(struct bytes in,
                        struct http_header list[H2_FIELDS_MAX]);

#endif
