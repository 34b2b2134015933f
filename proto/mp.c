/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/mp.h"

#include <assert.h>
#include <msgpack.h>

#include "proto/err.h"

/* First bytes of the msgpack specification, and how many bytes follow that
 * hold the number or length. */
enum {
    MP_FIXMAP = 0x80,
    MP_FIXARRAY = 0x90,
    MP_FIXSTR = 0xa0,
    MP_FALSE = 0xc2,
    MP_TRUE = 0xc3,
    MP_BIN8 = 0xc4,
    MP_BIN32 = 0xc6,
    MP_UINT8 = 0xcc,
    MP_UINT64 = 0xcf,
    MP_STR8 = 0xd9,
    MP_STR32 = 0xdb,
    MP_ARRAY16 = 0xdc,
    MP_ARRAY32 = 0xdd,
    MP_MAP16 = 0xde,
    MP_MAP32 = 0xdf,
};

static int on_write(void *data, const char *p, size_t len)
{
    struct buf *out = data;
    buf_add(out, p, len);
    return out->failed ? -1 : 0;
}

/* What is one byte, as most numbers and lengths are, needs no packer. */
void mp_put_array(struct buf *out, uint32_t len)
{
    if (len < 16) {
        buf_add_u8(out, (uint8_t)(MP_FIXARRAY | len));
        return;
    }
    msgpack_packer pk = {.data = out, .callback = on_write};
    msgpack_pack_array(&pk, len);
}

void mp_put_map(struct buf *out, uint32_t len)
{
    msgpack_packer pk = {.data = out, .callback = on_write};
    msgpack_pack_map(&pk, len);
}

void mp_put_u64(struct buf *out, uint64_t v)
{
    if (v < 0x80) {
        buf_add_u8(out, (uint8_t)v);
        return;
    }
    msgpack_packer pk = {.data = out, .callback = on_write};
    msgpack_pack_uint64(&pk, v);
}

void mp_put_bool(struct buf *out, bool v)
{
    buf_add_u8(out, v ? MP_TRUE : MP_FALSE);
}

void mp_put_bin(struct buf *out, struct bytes s)
{
    msgpack_packer pk = {.data = out, .callback = on_write};
    msgpack_pack_bin(&pk, s.len);
    buf_add_bytes(out, s);
}

void mp_put_str(struct buf *out, struct bytes s)
{
    msgpack_packer pk = {.data = out, .callback = on_write};
    msgpack_pack_str(&pk, s.len);
    buf_add_bytes(out, s);
}

static void fail(struct mp *mp, int state)
{
    if (mp->state == 0) {
        mp->state = state;
    }
}

/* Takes n bytes, or NULL. */
static inline const uint8_t *take(struct mp *mp, size_t n)
{
    if (mp->state != 0) {
        return NULL;
    }
    if (mp->in.len < n) {
        fail(mp, 1);
        return NULL;
    }
    const uint8_t *p = mp->in.p;
    mp->in = bytes_of(p + n, mp->in.len - n);
    mp->taken += n;
    return p;
}

/* 1 << log2 bytes, big endian. */
static uint64_t take_number(struct mp *mp, unsigned log2)
{
    size_t len = (size_t)1 << log2;
    const uint8_t *p = take(mp, len);
    uint64_t v = 0;

    if (p != NULL && log2 == 3) {
        return bytes_u64be(p);
    }
    for (size_t i = 0; p != NULL && i < len; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static inline uint8_t take_first(struct mp *mp)
{
    const uint8_t *p = take(mp, 1);
    return p == NULL ? 0 : *p;
}

uint32_t mp_take_array(struct mp *mp)
{
    uint8_t first = take_first(mp);

    if (mp->state != 0) {
        return 0;
    }
    if ((first & 0xf0) == MP_FIXARRAY) {
        return first & 0x0f;
    }
    if (first == MP_ARRAY16 || first == MP_ARRAY32) {
        return (uint32_t)take_number(mp, first - MP_ARRAY16 + 1u);
    }
    fail(mp, ERR_SYNTAX);
    return 0;
}

uint32_t mp_take_map(struct mp *mp)
{
    uint8_t first = take_first(mp);

    if (mp->state != 0) {
        return 0;
    }
    if ((first & 0xf0) == MP_FIXMAP) {
        return first & 0x0f;
    }
    if (first == MP_MAP16 || first == MP_MAP32) {
        return (uint32_t)take_number(mp, first - MP_MAP16 + 1u);
    }
    fail(mp, ERR_SYNTAX);
    return 0;
}

enum mp_type mp_next_type(const struct mp *mp)
{
    uint8_t first = mp->in.len > 0 ? mp->in.p[0] : 0xc0;

    if (first < 0x80 || (first >= MP_UINT8 && first <= MP_UINT64)) {
        return MP_U64;
    }
    if (first == MP_FALSE || first == MP_TRUE) {
        return MP_BOOL;
    }
    if (first >= MP_BIN8 && first <= MP_BIN32) {
        return MP_BIN;
    }
    if ((first & 0xe0) == MP_FIXSTR ||
        (first >= MP_STR8 && first <= MP_STR32)) {
        return MP_STR;
    }
    return MP_OTHER;
}

uint64_t mp_take_u64(struct mp *mp)
{
    uint8_t first = take_first(mp);

    if (mp->state != 0 || first < 0x80) {
        return first;
    }
    if (first >= MP_UINT8 && first <= MP_UINT64) {
        return take_number(mp, (unsigned)(first - MP_UINT8));
    }
    fail(mp, ERR_SYNTAX);
    return 0;
}

uint64_t mp_take_u64_max(struct mp *mp, uint64_t max)
{
    uint64_t v = mp_take_u64(mp);

    if (v > max) {
        fail(mp, ERR_SYNTAX);
        return 0;
    }
    return v;
}

bool mp_take_bool(struct mp *mp)
{
    uint8_t first = take_first(mp);

    if (mp->state == 0 && first != MP_FALSE && first != MP_TRUE) {
        fail(mp, ERR_SYNTAX);
    }
    return mp->state == 0 && first == MP_TRUE;
}

static struct bytes take_body(struct mp *mp, uint64_t len, size_t len_max)
{
    if (len > len_max) {
        fail(mp, ERR_SYNTAX); /* refused before it is waited for */
    }
    const uint8_t *p = take(mp, (size_t)len);
    return p == NULL ? (struct bytes){0} : bytes_of(p, (size_t)len);
}

struct bytes mp_take_bin(struct mp *mp, size_t len_max)
{
    uint8_t first = take_first(mp);
    uint64_t len = 0;

    if (first >= MP_BIN8 && first <= MP_BIN32) {
        len = take_number(mp, (unsigned)(first - MP_BIN8));
    } else {
        fail(mp, ERR_SYNTAX);
    }
    return take_body(mp, len, len_max);
}

struct bytes mp_take_str(struct mp *mp, size_t len_max)
{
    uint8_t first = take_first(mp);
    uint64_t len = 0;

    if ((first & 0xe0) == MP_FIXSTR) {
        len = first & 0x1f;
    } else if (first >= MP_STR8 && first <= MP_STR32) {
        len = take_number(mp, (unsigned)(first - MP_STR8));
    } else {
        fail(mp, ERR_SYNTAX);
    }
    return take_body(mp, len, len_max);
}

void mp_take_fixed(struct mp *mp, void *to, size_t len)
{
    struct bytes s = mp_take_bin(mp, len);

    if (s.p == NULL || s.len != len) {
        fail(mp, ERR_SYNTAX); /* unless it has failed already */
        memset(to, 0, len);
        return;
    }
    memcpy(to, s.p, len);
}

/* What follows a first byte from 0xc0 to 0xdf. */
struct shape {
    uint8_t fixed; /* so many bytes in any case */
    uint8_t count; /* then a count of so many bytes ... */
    uint8_t of;    /* ... of these: */
};

enum {
    OF_BYTES,
    OF_VALUES,
    OF_PAIRS,
    OF_NEVER, /* no first byte at all */
};

/* clang-format off */
static const struct shape shapes[] = {
    {0, 0, 0}, {0, 0, OF_NEVER}, {0, 0, 0}, {0, 0, 0},      /* nil, bool */
    {0, 1, OF_BYTES}, {0, 2, OF_BYTES}, {0, 4, OF_BYTES},   /* bin */
    {1, 1, OF_BYTES}, {1, 2, OF_BYTES}, {1, 4, OF_BYTES},   /* ext */
    {4, 0, 0}, {8, 0, 0},                                   /* floating */
    {1, 0, 0}, {2, 0, 0}, {4, 0, 0}, {8, 0, 0},             /* unsigned */
    {1, 0, 0}, {2, 0, 0}, {4, 0, 0}, {8, 0, 0},             /* signed */
    {2, 0, 0}, {3, 0, 0}, {5, 0, 0}, {9, 0, 0}, {17, 0, 0}, /* fixext */
    {0, 1, OF_BYTES}, {0, 2, OF_BYTES}, {0, 4, OF_BYTES},   /* str */
    {0, 2, OF_VALUES}, {0, 4, OF_VALUES},                   /* array */
    {0, 2, OF_PAIRS}, {0, 4, OF_PAIRS},                     /* map */
};
/* clang-format on */

static_assert(ARRAY_LEN(shapes) == 32, "0xc0 to 0xdf");

/* Takes what follows `first` but the values it contains; returns how many
 * those are. The type byte of an ext comes after its count: bytes all the same.
 */
static uint64_t skip_shape(struct mp *mp, const struct shape *shape)
{
    uint64_t count = 0;

    if (shape->count != 0) {
        count = take_number(mp, shape->count / 2u);
    }
    switch (shape->of) {
    case OF_BYTES:
        take(mp, (size_t)count + shape->fixed);
        return 0;
    case OF_VALUES:
        return count;
    case OF_PAIRS:
        return 2 * count;
    default:
        fail(mp, ERR_SYNTAX);
        return 0;
    }
}

static uint64_t skip_one(struct mp *mp)
{
    uint8_t first = take_first(mp);

    if (first < MP_FIXMAP || first >= 0xe0) {
        return 0; /* a small number, or the end */
    }
    if (first < MP_FIXARRAY) {
        return 2 * (uint64_t)(first & 0x0f);
    }
    if (first < MP_FIXSTR) {
        return first & 0x0fu;
    }
    if (first < 0xc0) {
        take(mp, first & 0x1fu);
        return 0;
    }
    return skip_shape(mp, &shapes[first - 0xc0]);
}

void mp_skip(struct mp *mp)
{
    uint64_t left = 1; /* 2^33 more for five bytes at most: cannot wrap */

    while (left > 0 && mp->state == 0) {
        left += skip_one(mp);
        left--;
    }
}

ptrdiff_t mp_outcome(const struct mp *mp)
{
    if (mp->state != 0) {
        return mp->state < 0 ? mp->state : 0;
    }
    return (ptrdiff_t)mp->taken;
}
