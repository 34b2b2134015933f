/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices, buffers and byte order.
 *
 * `struct bytes` is a borrowed slice: it owns nothing and is valid as long as
 * what it points into. `struct buf` is a growing buffer with a hard maximum.
 *
 * Invariants of struct buf
 *   - zero is a valid empty buffer (max 0 means BUF_MAX_DEFAULT);
 *   - len <= cap <= max, p == NULL only if cap == 0;
 *   - a failed append changes nothing but `failed`, which then stays set: a
 *     writer appends without looking and asks once at the end.
 */
#ifndef PROTO_BYTES_H
#define PROTO_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof(a)[0])

enum {
    BUF_MAX_DEFAULT = 64 << 20,
    DECIMAL_LEN_MAX = 20, /* of 64 bits */
};

struct bytes {
    const uint8_t *p;
    size_t len;
};

/* The slice of a string literal, without its NUL. */
#define BYTES(literal) \
    ((struct bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})

static inline struct bytes bytes_of(const void *p, size_t len)
{
    return (struct bytes){p, len};
}

static inline struct bytes bytes_str(const char *s)
{
    return (struct bytes){(const uint8_t *)s, strlen(s)};
}

static inline bool bytes_eq(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Below, at or above 0 as a is before, at or behind b in the order of bytes. */
static inline int bytes_cmp(struct bytes a, struct bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.p, b.p, len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* ASCII letters compare equal in either case. */
bool bytes_eq_nocase(struct bytes a, struct bytes b);
bool bytes_starts(struct bytes s, struct bytes prefix);

/* s without its first n bytes; n <= s.len. */
static inline struct bytes bytes_skip(struct bytes s, size_t n)
{
    assert(n <= s.len);
    return n == 0 ? s : bytes_of(s.p + n, s.len - n);
}

struct bytes bytes_trim(struct bytes s); /* spaces and tabs, both ends */

/* Position of c, or -1. */
ptrdiff_t bytes_find(struct bytes s, uint8_t c);

/* Unsigned decimal, the whole slice, no sign, no spaces, at least one digit.
 * Errors: ERR_SYNTAX, also when it does not fit. */
int bytes_u64(struct bytes s, uint64_t *value);

static inline uint16_t bytes_u16be(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint64_t bytes_u64be(const uint8_t *p)
{
    /* Written out, the compiler sees one load. */
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 |
           (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 |
           (uint64_t)p[6] << 8 | p[7];
}

static inline void bytes_put_u64be(uint8_t *p, uint64_t v)
{
    p[0] = (uint8_t)(v >> 56);
    p[1] = (uint8_t)(v >> 48);
    p[2] = (uint8_t)(v >> 40);
    p[3] = (uint8_t)(v >> 32);
    p[4] = (uint8_t)(v >> 24);
    p[5] = (uint8_t)(v >> 16);
    p[6] = (uint8_t)(v >> 8);
    p[7] = (uint8_t)v;
}

struct buf {
    uint8_t *p;
    size_t len;
    size_t cap;
    size_t max;  /* bytes; 0 = BUF_MAX_DEFAULT */
    bool failed; /* an append did not fit or memory was short */
};

void buf_fini(struct buf *b);
static inline void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

static inline struct bytes buf_bytes(const struct buf *b)
{
    return (struct bytes){b->p, b->len};
}

/* buf_reserve() when there is no room yet. */
uint8_t *buf_make_room(struct buf *b, size_t n);

/* Makes room for n more bytes and returns where they go (then add to len), or
 * NULL with `failed` set. */
static inline uint8_t *buf_reserve(struct buf *b, size_t n)
{
    if (b->p != NULL && !b->failed && n <= b->cap - b->len) {
        return b->p + b->len;
    }
    return buf_make_room(b, n);
}

static inline void buf_add(struct buf *b, const void *p, size_t n)
{
    uint8_t *to = n == 0 ? NULL : buf_reserve(b, n);

    if (to != NULL) {
        memcpy(to, p, n);
        b->len += n;
    }
}
static inline void buf_add_bytes(struct buf *b, struct bytes s)
{
    buf_add(b, s.p, s.len);
}
static inline void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}
static inline void buf_add_u8(struct buf *b, uint8_t c)
{
    buf_add(b, &c, 1);
}
/* Decimal; returns how many digits. */
static inline size_t bytes_put_decimal(uint8_t *p, uint64_t v)
{
    size_t len = 1;

    for (uint64_t rest = v; rest >= 10; rest /= 10) {
        len++;
    }
    for (size_t i = len; i > 0; i--) {
        p[i - 1] = (uint8_t)('0' + v % 10);
        v /= 10;
    }
    return len;
}

void buf_add_u64(struct buf *b, uint64_t v);              /* decimal */
void buf_add_i64(struct buf *b, int64_t v);               /* decimal */
void buf_add_hex(struct buf *b, const void *p, size_t n); /* lower case */

/* Removes the first n bytes; n <= len. */
void buf_drop(struct buf *b, size_t n);

#endif
