/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/bytes.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

enum {
    BUF_CAP_MIN = 256
};

static bool is_letter(uint8_t c)
{
    return (uint8_t)((c | 0x20) - 'a') < 26;
}

bool bytes_eq_nocase(struct bytes a, struct bytes b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        uint8_t differ = a.p[i] ^ b.p[i];
        if (differ != 0 && (differ != 0x20 || !is_letter(a.p[i]))) {
            return false;
        }
    }
    return true;
}

bool bytes_starts(struct bytes s, struct bytes prefix)
{
    return s.len >= prefix.len && bytes_eq(bytes_of(s.p, prefix.len), prefix);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

struct bytes bytes_trim(struct bytes s)
{
    while (s.len > 0 && is_blank(s.p[0])) {
        s = bytes_skip(s, 1);
    }
    while (s.len > 0 && is_blank(s.p[s.len - 1])) {
        s.len--;
    }
    return s;
}

ptrdiff_t bytes_find(struct bytes s, uint8_t c)
{
    const uint8_t *at = s.len == 0 ? NULL : memchr(s.p, c, s.len);
    return at == NULL ? -1 : at - s.p;
}

int bytes_u64(struct bytes s, uint64_t *value)
{
    uint64_t v = 0;

    if (s.len == 0) {
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < s.len; i++) {
        uint8_t digit = (uint8_t)(s.p[i] - '0');
        if (digit > 9 || v > (UINT64_MAX - digit) / 10) {
            return ERR_SYNTAX;
        }
        v = v * 10 + digit;
    }
    *value = v;
    return 0;
}

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

static size_t buf_max(const struct buf *b)
{
    return b->max == 0 ? BUF_MAX_DEFAULT : b->max;
}

static bool buf_grow(struct buf *b, size_t need)
{
    size_t cap = b->cap < BUF_CAP_MIN ? BUF_CAP_MIN : b->cap;
    while (cap < need) {
        cap *= 2;
    }
    if (cap > buf_max(b)) {
        cap = buf_max(b);
    }
    uint8_t *p = realloc(b->p, cap);
    if (p == NULL) {
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

uint8_t *buf_make_room(struct buf *b, size_t n)
{
    if (b->failed || n > buf_max(b) || b->len > buf_max(b) - n) {
        b->failed = true;
        return NULL;
    }
    if ((b->p == NULL || b->len + n > b->cap) && !buf_grow(b, b->len + n)) {
        b->failed = true;
        return NULL;
    }
    return b->p + b->len;
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    uint8_t digits[DECIMAL_LEN_MAX];

    buf_add(b, digits, bytes_put_decimal(digits, v));
}

void buf_add_i64(struct buf *b, int64_t v)
{
    if (v < 0) {
        buf_add_u8(b, '-');
        buf_add_u64(b, (uint64_t)0 - (uint64_t)v);
    } else {
        buf_add_u64(b, (uint64_t)v);
    }
}

void buf_add_hex(struct buf *b, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = p;

    for (size_t i = 0; i < n; i++) {
        buf_add_u8(b, (uint8_t)digits[from[i] >> 4]);
        buf_add_u8(b, (uint8_t)digits[from[i] & 15]);
    }
}

void buf_drop(struct buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0) {
        return;
    }
    memmove(b->p, b->p + n, b->len - n);
    b->len -= n;
}
