/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/json.h"

#include "proto/err.h"

/* How many bytes of s at i need an escape as one: 0, 1, or 3 for U+2028 and
 * U+2029 (e2 80 a8, e2 80 a9). */
static size_t special_len(struct bytes s, size_t i)
{
    uint8_t c = s.p[i];

    if (c < 0x20 || c == '"' || c == '\\' || c == '<') {
        return 1;
    }
    return c == 0xe2 && i + 2 < s.len && s.p[i + 1] == 0x80 &&
                   (s.p[i + 2] == 0xa8 || s.p[i + 2] == 0xa9)
               ? 3
               : 0;
}

/* A non-zero bit for a zero byte of v (and none when there is no such byte). */
static uint64_t zeros(uint64_t v)
{
    return (v - 0x0101010101010101u) & ~v & 0x8080808080808080u;
}

/* Bytes of s from i on that surely need no escape, eight at a time. */
static size_t plain_len(struct bytes s, size_t i)
{
    const uint64_t ones = 0x0101010101010101u;
    size_t from = i;

    for (; i + 8 <= s.len; i += 8) {
        uint64_t w;
        memcpy(&w, s.p + i, sizeof w);
        uint64_t below_space = (w - ones * 0x20) & ~w & ones * 0x80;
        if ((below_space | zeros(w ^ ones * '"') | zeros(w ^ ones * '\\') |
             zeros(w ^ ones * '<') | zeros(w ^ ones * 0xe2)) != 0) {
            break;
        }
    }
    return i - from;
}

static void add_escape(struct buf *out, uint8_t c)
{
    switch (c) {
    case '"':
        buf_add_str(out, "\\\"");
        return;
    case '\\':
        buf_add_str(out, "\\\\");
        return;
    case '\n':
        buf_add_str(out, "\\n");
        return;
    case '\r':
        buf_add_str(out, "\\r");
        return;
    case '\t':
        buf_add_str(out, "\\t");
        return;
    default:
        buf_add_str(out, "\\u00");
        buf_add_hex(out, &c, 1);
        return;
    }
}

void json_add_string(struct buf *out, struct bytes text)
{
    size_t from = 0; /* not yet copied */

    buf_add_u8(out, '"');
    for (size_t i = plain_len(text, 0); i < text.len;) {
        size_t len = special_len(text, i);
        if (len == 0) {
            i++;
            i += i % 8 == 0 ? plain_len(text, i) : 0;
            continue;
        }
        buf_add(out, text.p + from, i - from);
        if (len == 1) {
            add_escape(out, text.p[i]);
        } else {
            buf_add_str(out, text.p[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
        }
        i += len;
        from = i;
    }
    if (from < text.len) {
        buf_add(out, text.p + from, text.len - from);
    }
    buf_add_u8(out, '"');
}

void json_add_base64(struct buf *out, struct bytes data)
{
    buf_add_u8(out, '"');
    json_base64(out, data);
    buf_add_u8(out, '"');
}

void json_add_name(struct buf *out, bool comma, const char *name)
{
    buf_add_str(out, comma ? ",\"" : "\"");
    buf_add_str(out, name);
    buf_add_str(out, "\":");
}

void json_base64(struct buf *out, struct bytes data)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = (data.len + 2) / 3 * 4;
    uint8_t *to = buf_reserve(out, len);

    if (to == NULL) {
        return;
    }
    for (size_t i = 0; i < data.len; i += 3) {
        size_t left = data.len - i;
        uint32_t word = (uint32_t)data.p[i] << 16;
        word |= left > 1 ? (uint32_t)data.p[i + 1] << 8 : 0;
        word |= left > 2 ? data.p[i + 2] : 0;
        *to++ = (uint8_t)alphabet[word >> 18];
        *to++ = (uint8_t)alphabet[word >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)alphabet[word >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)alphabet[word & 63] : '=';
    }
    out->len += len;
}

/* The value of one character of either alphabet, 64 when it is none. */
static uint32_t base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0') + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : 64;
}

int json_base64_read(struct bytes text, struct buf *out)
{
    uint32_t word = 0;
    unsigned bits = 0;
    bool padded = text.len % 4 == 0;

    for (int i = 0; i < 2 && padded && text.len > 0; i++) {
        text.len -= text.p[text.len - 1] == '=' ? 1 : 0;
    }
    if (text.len % 4 == 1) {
        return ERR_SYNTAX;
    }
    size_t len = text.len / 4 * 3 + text.len % 4 * 3 / 4;
    uint8_t *to = buf_reserve(out, len);
    if (to == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint32_t value = base64_value(text.p[i]);
        if (value == 64) {
            return ERR_SYNTAX;
        }
        word = word << 6 | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *to++ = (uint8_t)(word >> bits);
        }
    }
    if ((word & ((1u << bits) - 1)) != 0) {
        return ERR_SYNTAX;
    }
    out->len += len;
    return 0;
}
