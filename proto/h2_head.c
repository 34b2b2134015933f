/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h2_head.h"

#include "proto/err.h"

enum {
    RECORD_HEAD_LEN = 4, /* two lengths of 16 bits */
    PSEUDO_FIELDS = 4,   /* :method :scheme :authority :path */
    /* Of an answer's own fields: a status and a length. */
    NUMBERS_LEN = 2 * DECIMAL_LEN_MAX,
};

static void add_lower(struct buf *out, struct bytes name);

/* --- records -----------------------------------------------------------------
 */

static void record_add(struct buf *out, struct bytes name, struct bytes value)
{
    const uint8_t head[RECORD_HEAD_LEN] = {
        (uint8_t)(name.len >> 8), (uint8_t)name.len, (uint8_t)(value.len >> 8),
        (uint8_t)value.len};

    buf_add(out, head, sizeof head);
    add_lower(out, name);
    buf_add_bytes(out, value);
}

/* Takes one from the front. */
static struct http_header record_next(struct bytes *in)
{
    size_t name_len = bytes_u16be(in->p);
    size_t value_len = bytes_u16be(in->p + 2);
    struct http_header field = {
        bytes_of(in->p + RECORD_HEAD_LEN, name_len),
        bytes_of(in->p + RECORD_HEAD_LEN + name_len, value_len),
    };

    *in = bytes_skip(*in, RECORD_HEAD_LEN + name_len + value_len);
    return field;
}

/* --- requests ----------------------------------------------------------------
 */

void h2_head_add(struct h2_stream *stream, struct bytes name,
                 struct bytes value)
{
    stream->list_len += (uint32_t)(name.len + value.len + H2_FIELD_EXTRA);
    if (stream->list_len <= H2_LIST_MAX && name.len > 0) {
        stream->fields++;
        record_add(&stream->head, name, value);
    }
}

static bool is_name(const struct http_header *field, const char *name)
{
    return bytes_eq(field->name, bytes_str(name));
}

/* `host` is what the authority says; one beside it must say the same. */
static int set_host(struct http_request *request, struct bytes authority)
{
    if (authority.p == NULL) {
        return 0;
    }
    for (size_t i = 0; i < request->headers_len; i++) {
        if (is_name(&request->headers[i], "host")) {
            return bytes_eq_nocase(request->headers[i].value, authority)
                       ? 0
                       : ERR_SYNTAX;
        }
    }
    if (request->headers_len == HTTP_HEADERS_MAX) {
        return ERR_HEAD_TOO_BIG;
    }
    request->headers[request->headers_len++] = (struct http_header){
        BYTES("host"), authority};
    return 0;
}

/* The scheme says nothing here. */
static void set_pseudo(struct http_request *request,
                       const struct http_header *field, struct bytes *target,
                       struct bytes *authority)
{
    if (is_name(field, ":method")) {
        request->method = field->value;
    } else if (is_name(field, ":path")) {
        *target = field->value;
    } else if (is_name(field, ":authority")) {
        *authority = field->value;
    }
}

static int read_fields(const struct h2_stream *stream,
                       struct http_request *request)
{
    struct bytes in = buf_bytes(&stream->head);
    struct bytes target = {0};
    struct bytes authority = {0};

    while (in.len > 0) {
        struct http_header field = record_next(&in);
        if (field.name.p[0] == ':') {
            set_pseudo(request, &field, &target, &authority);
        } else if (request->headers_len == HTTP_HEADERS_MAX) {
            return ERR_HEAD_TOO_BIG;
        } else {
            request->headers[request->headers_len++] = field;
        }
    }
    int rc = set_host(request, authority);
    return rc == 0 ? http_target(request, target) : rc;
}

int h2_head_read(const struct h2_stream *stream, struct http_request *request)
{
    *request = (struct http_request){.major = 2, .keep_alive = true};
    if (stream->list_len > H2_LIST_MAX ||
        stream->fields > HTTP_HEADERS_MAX + PSEUDO_FIELDS) {
        return ERR_HEAD_TOO_BIG;
    }
    return stream->head.failed ? ERR_NOMEM : read_fields(stream, request);
}

/* --- answers -----------------------------------------------------------------
 */

static bool has_control(struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        if ((value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static void add_lower(struct buf *out, struct bytes name)
{
    uint8_t *to = name.len == 0 ? NULL : buf_reserve(out, name.len);

    for (size_t i = 0; to != NULL && i < name.len; i++) {
        uint8_t c = name.p[i];
        to[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
    }
    out->len += to == NULL ? 0 : name.len;
}

static void add_field(struct h2_fields *fields, struct bytes name,
                      struct bytes value)
{
    struct buf *memory = &fields->memory;

    if (fields->len < H2_FIELDS_MAX && !has_control(value)) {
        size_t from = memory->len;
        add_lower(memory, name);
        fields->list[fields->len++] = (struct http_header){
            bytes_of(memory->p + from, name.len), value};
    }
}

static void add_number(struct h2_fields *fields, struct bytes name,
                       uint64_t number)
{
    struct buf *memory = &fields->memory;
    size_t from = memory->len;

    buf_add_u64(memory, number);
    fields->list[fields->len++] = (struct http_header){
        name, bytes_of(memory->p + from, memory->len - from)};
}

int h2_fields_of(struct h2_fields *fields, const struct http_response *r,
                 enum h2_body body)
{
    size_t names_len = NUMBERS_LEN;

    fields->len = 0;
    buf_reset(&fields->memory);
    for (size_t i = 0; i < r->headers_len; i++) {
        names_len += r->headers[i].name.len;
    }
    /* Room at once, so that the slices stay. */
    if (buf_reserve(&fields->memory, names_len) == NULL) {
        return ERR_NOMEM;
    }
    add_number(fields, BYTES(":status"), r->status);
    if (body == H2_BODY_LENGTH) {
        add_number(fields, BYTES("content-length"), r->body.len);
    }
    if (r->content_type.len > 0 && !has_control(r->content_type)) {
        fields->list[fields->len++] = (struct http_header){
            BYTES("content-type"), r->content_type};
    }
    for (size_t i = 0; i < r->headers_len; i++) {
        add_field(fields, r->headers[i].name, r->headers[i].value);
    }
    return 0;
}

int h2_fields_pack(struct buf *out, const struct http_header *list, size_t len)
{
    buf_reset(out);
    for (size_t i = 0; i < len && i < H2_FIELDS_MAX; i++) {
        if (list[i].name.len <= UINT16_MAX && list[i].value.len <= UINT16_MAX &&
            !has_control(list[i].value)) {
            record_add(out, list[i].name, list[i].value);
        }
    }
    return out->failed ? ERR_NOMEM : 0;
}

size_t h2_fields_unpack(struct bytes in, struct http_header list[H2_FIELDS_MAX])
{
    size_t len = 0;

    while (in.len > 0) {
        list[len++] = record_next(&in);
    }
    return len;
}
