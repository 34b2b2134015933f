/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/topic.h"

#include "proto/err.h"

bool topic_cache_is_valid(struct bytes cache)
{
    if (cache.len == 0 || cache.len > CACHE_LEN_MAX) {
        return false;
    }
    for (size_t i = 0; i < cache.len; i++) {
        uint8_t c = cache.p[i];
        bool letter = (uint8_t)((c | 0x20) - 'a') < 26;
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' &&
            c != '-') {
            return false;
        }
    }
    return true;
}

/* Bytes of the sequence that starts with c, 0 when none does. */
static size_t utf8_len(uint8_t c)
{
    if (c < 0x80) {
        return 1;
    }
    if (c >= 0xc2 && c <= 0xdf) {
        return 2;
    }
    if (c >= 0xe0 && c <= 0xef) {
        return 3;
    }
    return c >= 0xf0 && c <= 0xf4 ? 4 : 0;
}

/* Takes one character from the front of s. Returns its length or ERR_UTF8
 * (RFC 3629 section 4: overlong forms, surrogates, above U+10FFFF). */
static ptrdiff_t utf8_read(struct bytes s, uint32_t *rune)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = utf8_len(s.p[0]);

    if (len == 0 || len > s.len) {
        return ERR_UTF8;
    }
    uint32_t r = len == 1 ? s.p[0] : s.p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s.p[i] & 0xc0) != 0x80) {
            return ERR_UTF8;
        }
        r = r << 6 | (s.p[i] & 0x3fu);
    }
    if (r < least[len] || r > 0x10ffff || (r >= 0xd800 && r <= 0xdfff)) {
        return ERR_UTF8;
    }
    *rune = r;
    return (ptrdiff_t)len;
}

/* The same byte eight times. */
#define EIGHT(byte) (UINT64_C(0x0101010101010101) * (byte))

static uint64_t word_at(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

/* Bytes at the front that are ASCII, 32 at a time: most text is nothing else.
 */
static size_t ascii_len(struct bytes s)
{
    size_t i = 0;

    while (i + 32 <= s.len) {
        const uint8_t *p = s.p + i;
        uint64_t any = word_at(p) | word_at(p + 8) | word_at(p + 16) |
                       word_at(p + 24);
        if ((any & EIGHT(0x80)) != 0) {
            break;
        }
        i += 32;
    }
    while (i + 8 <= s.len && (word_at(s.p + i) & EIGHT(0x80)) == 0) {
        i += 8;
    }
    while (i < s.len && s.p[i] < 0x80) {
        i++;
    }
    return i;
}

/* Bytes at the front that are printable ASCII, eight at a time: most names are
 * nothing else. Of eight such bytes none has the high bit, less 0x20 or plus
 * 1; the lowest other one has it in one of the three. */
static size_t printable_len(struct bytes s)
{
    size_t i = 0;

    while (i + 8 <= s.len) {
        uint64_t word = word_at(s.p + i);
        uint64_t high = word | (word - EIGHT(0x20)) | (word + EIGHT(1));
        if ((high & EIGHT(0x80)) != 0) {
            break;
        }
        i += 8;
    }
    while (i < s.len && s.p[i] >= 0x20 && s.p[i] < 0x7f) {
        i++;
    }
    return i;
}

bool topic_text_is_valid(struct bytes text)
{
    size_t i = ascii_len(text);

    while (i < text.len) {
        uint32_t rune;
        ptrdiff_t taken = utf8_read(bytes_skip(text, i), &rune);
        if (taken < 0) {
            return false;
        }
        i += (size_t)taken;
        i += ascii_len(bytes_skip(text, i));
    }
    return true;
}

static bool rune_is_forbidden(uint32_t r)
{
    return r < 0x20 || (r >= 0x7f && r <= 0x9f) || r == 0xfeff ||
           (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069);
}

bool topic_cache_is_system(struct bytes cache)
{
    return bytes_eq(cache, BYTES("_sys"));
}

bool topic_is_valid(struct bytes topic)
{
    if (topic.len == 0 || topic.len > TOPIC_LEN_MAX) {
        return false;
    }
    for (size_t i = printable_len(topic); i < topic.len;) {
        uint32_t rune;
        ptrdiff_t taken = utf8_read(bytes_skip(topic, i), &rune);
        if (taken < 0 || rune_is_forbidden(rune)) {
            return false;
        }
        i += (size_t)taken;
        i += printable_len(bytes_skip(topic, i));
    }
    return true;
}

bool topic_pattern_is_valid(struct bytes pattern)
{
    if (pattern.len == 0 || pattern.len > PATTERN_LEN_MAX) {
        return false;
    }
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.p[i] < 0x20 || pattern.p[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Matches c against the class that starts after '[' at p.p[0]. Returns the
 * bytes of the class, its closing bracket included. */
static size_t glob_class(struct bytes p, uint8_t c, bool *matches)
{
    size_t i = 0;
    bool negated = p.len > 0 && p.p[0] == '^';
    bool found = false;

    for (i = negated ? 1 : 0; i < p.len && p.p[i] != ']'; i++) {
        uint8_t low = p.p[i];
        if (low == '\\' && i + 1 < p.len) {
            low = p.p[++i];
            found = found || low == c;
        } else if (i + 2 < p.len && p.p[i + 1] == '-') {
            uint8_t high = p.p[i + 2];
            i += 2;
            found = found || (low <= high ? c >= low && c <= high
                                          : c >= high && c <= low);
        } else {
            found = found || low == c;
        }
    }
    *matches = found != negated;
    return i < p.len ? i + 1 : i;
}

/* Matches one pattern element other than '*' against c. Returns the bytes of
 * the element, 0 when it does not match. */
static size_t glob_one(struct bytes p, uint8_t c)
{
    switch (p.p[0]) {
    case '?':
        return 1;
    case '[': {
        bool matches;
        size_t len = glob_class(bytes_skip(p, 1), c, &matches);
        return matches ? 1 + len : 0;
    }
    case '\\':
        if (p.len >= 2) {
            return p.p[1] == c ? 2 : 0;
        }
        return c == '\\' ? 1 : 0;
    default:
        return p.p[0] == c ? 1 : 0;
    }
}

bool topic_glob_match(struct bytes pattern, struct bytes topic)
{
    size_t p = 0;
    size_t t = 0;
    size_t star_p = SIZE_MAX; /* just after the last star */
    size_t star_t = 0;        /* what that star has taken so far */

    while (t < topic.len) {
        size_t taken = 0;
        if (p < pattern.len && pattern.p[p] == '*') {
            star_p = ++p;
            star_t = t;
            continue;
        }
        if (p < pattern.len) {
            taken = glob_one(bytes_skip(pattern, p), topic.p[t]);
        }
        if (taken > 0) {
            p += taken;
            t++;
        } else if (star_p != SIZE_MAX) {
            p = star_p; /* let the last star take one byte more */
            t = ++star_t;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.p[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

bool topic_match(enum topic_dialect dialect, struct bytes pattern,
                 struct bytes topic)
{
    switch (dialect) {
    case TOPIC_EXACT:
        return bytes_eq(pattern, topic);
    case TOPIC_GLOB:
        return topic_glob_match(pattern, topic);
    case TOPIC_FILTER:
    case TOPIC_TEMPLATE:
        return false;
    }
    return false;
}

bool topic_can_match(uint8_t dialect)
{
    return dialect == TOPIC_EXACT || dialect == TOPIC_GLOB;
}
