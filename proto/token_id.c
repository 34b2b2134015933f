/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/token_id.h"

#include "proto/token.h"

enum {
    TIME_AT = 2,
    TIME_LEN = 10,
    SALT_AT = TIME_AT + TIME_LEN + 1
};

static const char digits[] = "0123456789abcdef";

static_assert(TOKEN_TIME_MAX_S < (uint64_t)1 << (4 * TIME_LEN),
              "every expiry fits");
static_assert((int)TOKEN_ID_LEN <= (int)TOKEN_ID_LEN_MAX, "ours, too");

struct token_id token_id_make(uint64_t until_s,
                              const uint8_t salt[TOKEN_ID_SALT_LEN])
{
    struct token_id id = {.text = {'s', 't'}};

    assert(until_s <= TOKEN_TIME_MAX_S);
    for (size_t i = TIME_LEN; i > 0; i--) {
        id.text[TIME_AT + i - 1] = digits[until_s & 15];
        until_s >>= 4;
    }
    id.text[TIME_AT + TIME_LEN] = '.';
    for (size_t i = 0; i < TOKEN_ID_SALT_LEN; i++) {
        id.text[SALT_AT + 2 * i] = digits[salt[i] >> 4];
        id.text[SALT_AT + 2 * i + 1] = digits[salt[i] & 15];
    }
    return id;
}

/* Adds the digits to *value; false if one is none. */
static bool read_hex(struct bytes text, uint64_t *value)
{
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.p[i] == 0 ? NULL : strchr(digits, text.p[i]);
        if (digit == NULL) {
            return false;
        }
        *value = *value << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

uint64_t token_id_until_s(struct bytes id)
{
    uint64_t until_s = 0;
    uint64_t salt = 0;

    if (id.len != TOKEN_ID_LEN || !bytes_starts(id, BYTES("st")) ||
        id.p[TIME_AT + TIME_LEN] != '.' ||
        !read_hex(bytes_of(id.p + TIME_AT, TIME_LEN), &until_s) ||
        !read_hex(bytes_skip(id, SALT_AT), &salt)) {
        return 0;
    }
    return until_s <= TOKEN_TIME_MAX_S ? until_s : 0;
}
