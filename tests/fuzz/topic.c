/* SPDX-License-Identifier: Apache-2.0
 *
 * Names against a naive reading of RFC 3629, and patterns against a naive
 * matcher. A NUL divides the bytes into pattern and topic.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/topic.h"

enum {
    NAIVE_LEN_MAX = 64 /* of pattern and topic */
};

/* --- text --- */

/* The character at the front and its length, or 0. */
static size_t naive_char(struct bytes s, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = s.p[0];
    size_t len = first < 0x80             ? 1
                 : (first & 0xe0) == 0xc0 ? 2
                 : (first & 0xf0) == 0xe0 ? 3
                 : (first & 0xf8) == 0xf0 ? 4
                                          : 0;
    if (len == 0 || len > s.len) {
        return 0;
    }
    *c = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s.p[i] & 0xc0) != 0x80) {
            return 0;
        }
        *c = *c << 6 | (s.p[i] & 0x3f);
    }
    bool surrogate = *c >= 0xd800 && *c <= 0xdfff;
    return *c < least[len] || *c > 0x10ffff || surrogate ? 0 : len;
}

static bool naive_is_refused(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xfeff ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void check_text(struct bytes text)
{
    bool valid = true;
    bool clean = text.len >= 1 && text.len <= TOPIC_LEN_MAX;
    size_t n;

    for (struct bytes s = text; s.len > 0; s = bytes_skip(s, n)) {
        uint32_t c;
        n = naive_char(s, &c);
        if (n == 0) {
            valid = false;
            break;
        }
        clean = clean && !naive_is_refused(c);
    }
    assert(topic_text_is_valid(text) == valid);
    assert(topic_is_valid(text) == (valid && clean));
    assert(!topic_cache_is_valid(text) || topic_is_valid(text));
}

/* --- patterns --- */

/* Whether the class after a '[' has c; *len: its bytes, with the ']'. */
static bool naive_class(struct bytes p, uint8_t c, size_t *len)
{
    size_t at = 0;
    bool negated = p.len > 0 && p.p[0] == '^';
    bool found = false;

    at = negated ? 1 : 0;
    for (;;) {
        struct bytes left = bytes_skip(p, at);
        if (left.len == 0 || (left.p[0] == ']')) {
            *len = at + (left.len > 0);
            return found != negated;
        }
        if (left.p[0] == '\\' && left.len >= 2) {
            found |= left.p[1] == c;
            at += 2;
        } else if (left.len >= 3 && left.p[1] == '-') {
            uint8_t a = left.p[0] < left.p[2] ? left.p[0] : left.p[2];
            uint8_t b = left.p[0] < left.p[2] ? left.p[2] : left.p[0];
            found |= c >= a && c <= b;
            at += 3;
        } else {
            found |= left.p[0] == c;
            at++;
        }
    }
}

/* Row by row from the back: match[p][t] = pattern from p matches topic from t.
 */
static bool naive_match(struct bytes pattern, struct bytes topic)
{
    static bool match[NAIVE_LEN_MAX + 1][NAIVE_LEN_MAX + 1];

    for (size_t p = pattern.len + 1; p-- > 0;) {
        for (size_t t = topic.len + 1; t-- > 0;) {
            struct bytes left = bytes_skip(pattern, p);
            bool more = t < topic.len;
            size_t len = 0;
            bool one = false;
            if (left.len == 0) {
                match[p][t] = !more;
                continue;
            }
            if (left.p[0] == '*') {
                match[p][t] = match[p + 1][t] || (more && match[p][t + 1]);
                continue;
            }
            if (!more) {
                match[p][t] = false;
                continue;
            }
            if (left.p[0] == '[') {
                one = naive_class(bytes_skip(left, 1), topic.p[t], &len);
                len++;
            } else if (left.p[0] == '\\' && left.len >= 2) {
                one = left.p[1] == topic.p[t];
                len = 2;
            } else {
                one = left.p[0] == '?' || left.p[0] == topic.p[t];
                len = 1;
            }
            match[p][t] = one && match[p + len][t + 1];
        }
    }
    return match[0][0];
}

static void check_pattern(struct bytes pattern, struct bytes topic)
{
    bool matches = topic_match(TOPIC_GLOB, pattern, topic);

    if (pattern.len <= NAIVE_LEN_MAX && topic.len <= NAIVE_LEN_MAX) {
        assert(matches == naive_match(pattern, topic));
    }
    assert(topic_match(TOPIC_EXACT, pattern, topic) ==
           bytes_eq(pattern, topic));
    assert(topic_glob_match(BYTES("*"), topic));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);
    ptrdiff_t nul = bytes_find(in, 0);

    check_text(in);
    (void)topic_pattern_is_valid(in);
    if (nul >= 0) {
        uint8_t *pattern = fuzz_copy(bytes_of(in.p, (size_t)nul));
        check_pattern(bytes_of(pattern, (size_t)nul),
                      bytes_skip(in, (size_t)nul + 1));
        free(pattern);
    }
    return 0;
}
