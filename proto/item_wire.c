/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/item_wire.h"

#include <assert.h>

/* First bytes of the msgpack specification. */
enum {
    MP_ELEVEN = 0x9b, /* an array of so many */
    MP_SHORT = 0xa0,  /* to 0xbf: a text of up to 31 bytes */
    MP_SHORT_MAX = 31,
    MP_BIN = 0xc4, /* its length in one byte; +1 in two, +2 in four */
    MP_STR = 0xd9,
    MP_U8 = 0xcc,
    MP_U16 = 0xcd,
    MP_U32 = 0xce,
    MP_U64 = 0xcf,
    NUMBER_MAX = 9,
};

static inline uint8_t *put_number(uint8_t *to, uint64_t v)
{
    uint8_t bytes[8];

    if (v < 0x80) {
        *to = (uint8_t)v;
        return to + 1;
    }
    if (v > UINT32_MAX) {
        *to = MP_U64;
        bytes_put_u64be(to + 1, v);
        return to + NUMBER_MAX;
    }
    bytes_put_u64be(bytes, v);
    if (v > UINT16_MAX) {
        *to = MP_U32;
        memcpy(to + 1, bytes + 4, 4);
        return to + 5;
    }
    if (v > UINT8_MAX) {
        *to = MP_U16;
        memcpy(to + 1, bytes + 6, 2);
        return to + 3;
    }
    to[0] = MP_U8;
    to[1] = (uint8_t)v;
    return to + 2;
}

/* `first` is that of a length in one byte. */
static inline uint8_t *put_long(uint8_t *to, uint8_t first, struct bytes s)
{
    uint8_t len[8];
    size_t log2 = s.len <= UINT8_MAX ? 0 : s.len <= UINT16_MAX ? 1 : 2;
    size_t n = (size_t)1 << log2;

    bytes_put_u64be(len, s.len);
    *to = (uint8_t)(first + log2);
    memcpy(to + 1, len + 8 - n, n);
    if (s.len > 0) {
        memcpy(to + 1 + n, s.p, s.len);
    }
    return to + 1 + n + s.len;
}

static inline uint8_t *put_text(uint8_t *to, struct bytes s)
{
    if (s.len > MP_SHORT_MAX) {
        return put_long(to, MP_STR, s);
    }
    *to = (uint8_t)(MP_SHORT | s.len);
    if (s.len > 0) {
        memcpy(to + 1, s.p, s.len);
    }
    return to + 1 + s.len;
}

uint8_t *item_wire_write(const struct item *item, uint8_t *to)
{
    assert(item->value.len <= UINT32_MAX);
    *to++ = MP_ELEVEN;
    to = put_number(to, item->flags);
    to = put_number(to, item->hash);
    to = put_number(to, item->origin);
    to = put_number(to, item->count);
    to = put_number(to, item->conn);
    to = put_number(to, item->at_ms);
    to = put_text(to, item->cache);
    to = put_text(to, item->topic);
    to = put_text(to, item->publisher);
    to = put_long(to, MP_BIN, item->attrs);
    return put_long(to, MP_BIN, item->value);
}

struct reader {
    const uint8_t *p;
    const uint8_t *end;
    bool odd; /* another shape, or an end: what was read is nonsense */
};

static inline uint64_t number_at(const uint8_t *p, unsigned len)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < len; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

/* Near the end everything is odd. */
static inline uint64_t take_number(struct reader *r)
{
    const uint8_t *p = r->p;

    if (r->end - p < NUMBER_MAX) {
        r->odd = true;
        return 0;
    }
    switch (*p) {
    case MP_U64:
        r->p = p + NUMBER_MAX;
        return bytes_u64be(p + 1);
    case MP_U32:
        r->p = p + 5;
        return number_at(p + 1, 4);
    case MP_U16:
        r->p = p + 3;
        return number_at(p + 1, 2);
    case MP_U8:
        r->p = p + 2;
        return p[1];
    default:
        r->p = p + 1;
        r->odd = r->odd || *p >= 0x80;
        return *p;
    }
}

static inline struct bytes take_rest(struct reader *r, const uint8_t *p,
                                     uint64_t len, size_t len_max)
{
    if (r->odd || len > len_max || len > (size_t)(r->end - p)) {
        r->odd = true;
        return (struct bytes){0};
    }
    r->p = p + len;
    return bytes_of(p, (size_t)len);
}

/* `first` is that of a length in one byte. */
static inline struct bytes take_long(struct reader *r, uint8_t first,
                                     size_t len_max)
{
    const uint8_t *p = r->p;
    unsigned log2 = r->end - p < 2 ? 3u : (unsigned)(*p - first);

    if (log2 == 0) {
        return take_rest(r, p + 2, p[1], len_max);
    }
    if (log2 > 2 || r->end - p < 5) {
        r->odd = true;
        return (struct bytes){0};
    }
    unsigned n = 1u << log2;
    return take_rest(r, p + 1 + n, number_at(p + 1, n), len_max);
}

static inline struct bytes take_text(struct reader *r, size_t len_max)
{
    const uint8_t *p = r->p;

    if (r->end > p && (*p & 0xe0) == MP_SHORT) {
        return take_rest(r, p + 1, *p & MP_SHORT_MAX, len_max);
    }
    return take_long(r, MP_STR, len_max);
}

size_t item_wire_read(struct bytes in, struct item *item)
{
    struct reader r = {.p = in.p, .end = in.p + in.len};

    if (in.len == 0 || *r.p++ != MP_ELEVEN) {
        return 0;
    }
    uint64_t flags = take_number(&r);
    item->flags = (uint8_t)flags;
    item->hash = take_number(&r);
    item->origin = take_number(&r);
    item->count = take_number(&r);
    item->conn = take_number(&r);
    item->at_ms = take_number(&r);
    item->cache = take_text(&r, CACHE_LEN_MAX);
    item->topic = take_text(&r, TOPIC_LEN_MAX);
    item->publisher = take_text(&r, ITEM_PUBLISHER_LEN_MAX);
    item->attrs = take_long(&r, MP_BIN, ITEM_ATTRS_LEN_MAX);
    item->value = take_long(&r, MP_BIN, ITEM_VALUE_LEN_MAX);
    if (r.odd || flags > ITEM_FLAGS_KNOWN) {
        return 0;
    }
    item->wire = bytes_of(in.p, (size_t)(r.p - in.p));
    return item->wire.len;
}
