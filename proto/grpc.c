/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/grpc.h"

#include "proto/err.h"
#include "proto/json.h"

enum {
    FLAG_COMPRESSED = 0x01,
    FLAG_TRAILERS = 0x80,
    TIMEOUT_DIGITS_MAX = 8,
};

static void make_text(struct buf *out, size_t at);

/* --- kinds --- */

static const struct {
    const char *type;
    enum grpc_kind kind;
} kinds[] = {
    {"application/grpc", GRPC_HTTP2},
    {"application/grpc+proto", GRPC_HTTP2},
    {"application/grpc-web", GRPC_WEB},
    {"application/grpc-web+proto", GRPC_WEB},
    {"application/grpc-web-text", GRPC_WEB_TEXT},
    {"application/grpc-web-text+proto", GRPC_WEB_TEXT},
};

enum grpc_kind grpc_kind(struct bytes content_type, struct bytes *answer)
{
    ptrdiff_t semicolon = bytes_find(content_type, ';');

    if (semicolon >= 0) {
        content_type.len = (size_t)semicolon;
    }
    content_type = bytes_trim(content_type);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (bytes_eq_nocase(content_type, bytes_str(kinds[i].type))) {
            *answer = bytes_str(kinds[i].type);
            return kinds[i].kind;
        }
    }
    return GRPC_NONE;
}

bool grpc_is_meant(struct bytes content_type)
{
    static const struct bytes start = BYTES("application/grpc");

    return content_type.len >= start.len &&
           bytes_eq_nocase(bytes_of(content_type.p, start.len), start);
}

/* --- frames --- */

ptrdiff_t grpc_read_frame(struct bytes in, size_t max, struct grpc_frame *frame)
{
    if (in.len < GRPC_FRAME_HEAD_LEN) {
        return 0;
    }
    uint8_t flags = in.p[0];
    size_t len = (size_t)in.p[1] << 24 | (size_t)in.p[2] << 16 |
                 (size_t)in.p[3] << 8 | in.p[4];
    if ((flags & ~(FLAG_COMPRESSED | FLAG_TRAILERS)) != 0) {
        return ERR_SYNTAX;
    }
    if (len > max) {
        return ERR_TOO_BIG;
    }
    in = bytes_skip(in, GRPC_FRAME_HEAD_LEN);
    if (in.len < len) {
        return 0;
    }
    frame->compressed = (flags & FLAG_COMPRESSED) != 0;
    frame->trailers = (flags & FLAG_TRAILERS) != 0;
    frame->message = bytes_of(in.p, len);
    return (ptrdiff_t)(GRPC_FRAME_HEAD_LEN + len);
}

size_t grpc_begin(struct buf *out, bool trailers)
{
    const uint8_t head[GRPC_FRAME_HEAD_LEN] = {trailers ? FLAG_TRAILERS : 0};
    size_t at = out->len;

    buf_add(out, head, sizeof head);
    return at;
}

void grpc_finish(struct buf *out, size_t at, enum grpc_kind kind)
{
    if (out->failed) {
        return;
    }
    size_t len = out->len - at - GRPC_FRAME_HEAD_LEN;
    assert(len <= UINT32_MAX);
    out->p[at + 1] = (uint8_t)(len >> 24);
    out->p[at + 2] = (uint8_t)(len >> 16);
    out->p[at + 3] = (uint8_t)(len >> 8);
    out->p[at + 4] = (uint8_t)len;
    if (kind == GRPC_WEB_TEXT) {
        make_text(out, at);
    }
}

/* Room first: what is encoded must not move. */
static void make_text(struct buf *out, size_t at)
{
    size_t raw = out->len - at;
    size_t len = (raw + 2) / 3 * 4;

    if (buf_reserve(out, len) != NULL) {
        json_base64(out, bytes_of(out->p + at, raw));
        memmove(out->p + at, out->p + at + raw, len);
        out->len = at + len;
    }
}

int grpc_read_text(struct bytes text, struct buf *out)
{
    if (text.len % 4 != 0) {
        return ERR_SYNTAX;
    }
    while (text.len > 0) {
        ptrdiff_t pad = bytes_find(text, '=');
        size_t len = pad < 0 ? text.len : ((size_t)pad / 4 + 1) * 4;
        int err = json_base64_read(bytes_of(text.p, len), out);
        if (err < 0) {
            return err;
        }
        text = bytes_skip(text, len);
    }
    return 0;
}

/* --- metadata --- */

int grpc_read_timeout(struct bytes text, uint64_t *ms)
{
    static const struct {
        char unit;
        uint32_t times; /* milliseconds */
        uint32_t parts; /* in a millisecond */
    } units[] = {{'H', 3600000, 1}, {'M', 60000, 1}, {'S', 1000, 1},
                 {'m', 1, 1},       {'u', 1, 1000},  {'n', 1, 1000000}};
    uint64_t n;

    if (text.len < 2 || text.len > TIMEOUT_DIGITS_MAX + 1 ||
        bytes_u64(bytes_of(text.p, text.len - 1), &n) < 0) {
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (text.p[text.len - 1] == (uint8_t)units[i].unit) {
            *ms = (n * units[i].times + units[i].parts - 1) / units[i].parts;
            return 0;
        }
    }
    return ERR_SYNTAX;
}

void grpc_add_message(struct buf *out, struct bytes text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.p[i];
        if (c >= ' ' && c <= '~' && c != '%') {
            buf_add_u8(out, c);
        } else {
            buf_add_u8(out, '%');
            buf_add_u8(out, (uint8_t)digits[c >> 4]);
            buf_add_u8(out, (uint8_t)digits[c & 15]);
        }
    }
}

/* --- statuses --- */

static const struct {
    int err;
    enum grpc_status status;
    const char *text;
} statuses[] = {
    {ERR_SYNTAX, GRPC_INVALID_ARGUMENT, NULL},
    {ERR_NAME, GRPC_INVALID_ARGUMENT, NULL},
    {ERR_UTF8, GRPC_INVALID_ARGUMENT, NULL},
    {ERR_ARGUMENT, GRPC_INVALID_ARGUMENT, NULL},
    {ERR_STATE, GRPC_FAILED_PRECONDITION, NULL},
    {ERR_KICKED, GRPC_ABORTED, NULL}, /* nothing to try again at once */
    {ERR_UNAUTH, GRPC_UNAUTHENTICATED, NULL},
    {ERR_EXPIRED, GRPC_UNAUTHENTICATED, NULL},
    {ERR_REVOKED, GRPC_UNAUTHENTICATED, NULL},
    {ERR_DENIED, GRPC_PERMISSION_DENIED, NULL},
    {ERR_ORIGIN, GRPC_PERMISSION_DENIED, NULL},
    {ERR_NOT_FOUND, GRPC_UNIMPLEMENTED, NULL}, /* a path */
    {ERR_NO_CACHE, GRPC_NOT_FOUND, NULL},
    {ERR_METHOD, GRPC_UNIMPLEMENTED, NULL},
    {ERR_UNSUPPORTED, GRPC_UNIMPLEMENTED, NULL},
    {ERR_VERSION, GRPC_UNIMPLEMENTED, NULL},
    {ERR_TIMEOUT, GRPC_DEADLINE_EXCEEDED, NULL},
    {ERR_CONFLICT, GRPC_ALREADY_EXISTS, NULL},
    {ERR_TOO_BIG, GRPC_RESOURCE_EXHAUSTED, "item_size_limit_exceeded"},
    {ERR_LIMIT, GRPC_RESOURCE_EXHAUSTED, NULL},
    {ERR_SLOW, GRPC_RESOURCE_EXHAUSTED, NULL},
    {ERR_QUOTA_RATE, GRPC_RESOURCE_EXHAUSTED, "operations_rate_limit_exceeded"},
    {ERR_QUOTA_ITEM, GRPC_RESOURCE_EXHAUSTED, "item_size_limit_exceeded"},
    {ERR_QUOTA_SUBS, GRPC_RESOURCE_EXHAUSTED,
     "topic_subscriptions_limit_exceeded"},
    {ERR_HEAD_TOO_BIG, GRPC_RESOURCE_EXHAUSTED, "request_size_limit_exceeded"},
    {ERR_NOT_READY, GRPC_UNAVAILABLE, NULL},
    {ERR_CLOSING, GRPC_UNAVAILABLE, NULL},
    {ERR_NOMEM, GRPC_UNAVAILABLE, NULL},
    {ERR_IO, GRPC_UNAVAILABLE, NULL},
};

enum grpc_status grpc_status(int err)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (statuses[i].err == err) {
            return statuses[i].status;
        }
    }
    return GRPC_INTERNAL;
}

const char *grpc_err(int err)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (statuses[i].err == err) {
            return statuses[i].text;
        }
    }
    return NULL;
}

const char *grpc_hint(int err)
{
    static const struct {
        int err;
        const char *hint;
    } hints[] = {
        {ERR_TOO_BIG, "item size"},
        {ERR_QUOTA_RATE, "operations"},
        {ERR_QUOTA_SUBS, "subscribers"},
        {ERR_HEAD_TOO_BIG, "request limit"},
    };

    for (size_t i = 0; i < ARRAY_LEN(hints); i++) {
        if (hints[i].err == err) {
            return hints[i].hint;
        }
    }
    return NULL;
}
