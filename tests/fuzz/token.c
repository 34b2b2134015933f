/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens: the bytes as a whole token; as the claims of one with a valid
 * signature; and as its head. What is taken, signed anew, is taken as the same.
 * And as an id, as the JSON and the base64 of a v1 key, and as what is asked
 * for over HTTP.
 */
#include "tests/fuzz/fuzz.h"

#include <sodium.h>

#include "proto/claims.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/token.h"
#include "proto/token_id.h"
#include "proto/token_wish.h"
#include "proto/v1key.h"

enum {
    NOW_S = 1795325066
};

static const struct token_keys keys = {
    .len = 1,
    .keys = {{.alg = TOKEN_HS256,
              .kid = "k0",
              .can_sign = true,
              .secret = "fuzz fuzz fuzz fuzz fuzz fuzz !"}},
};

static void check_token(const struct token *token)
{
    struct token again;
    struct buf first = {0};
    struct buf second = {0};

    assert(claims_are_valid(token) && token->expires_at > NOW_S);
    assert(token_covers(token, token));
    claims_write(token, &first);
    assert(claims_read(buf_bytes(&first), &again) == 0);
    assert(token_covers(&again, token) && token_covers(token, &again));
    claims_write(&again, &second);
    assert(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
    token_fini(&again);
    buf_reset(&first);
    int rc = token_write(&keys, token, &first);
    assert(rc == 0 || rc == ERR_TOO_BIG);
    if (rc == 0) {
        assert(token_read(&keys, buf_bytes(&first), NOW_S, &again) == 0);
        token_fini(&again);
    }
    buf_fini(&first);
    buf_fini(&second);
}

static int read_whole(struct bytes text)
{
    struct token token = {0};
    int rc = token_read(&keys, text, NOW_S, &token);

    assert(rc == 0 || rc == ERR_UNAUTH || rc == ERR_EXPIRED ||
           rc == ERR_TOO_BIG);
    if (rc == 0) {
        check_token(&token);
        token_fini(&token);
    }
    return rc;
}

/* base64url, as tokens have it. */
static void add_part(struct buf *out, struct bytes part)
{
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    size_t cap = sodium_base64_encoded_len(part.len, variant);
    uint8_t *room = buf_reserve(out, cap);

    assert(room != NULL);
    (void)sodium_bin2base64((char *)room, cap, part.p, part.len, variant);
    out->len += cap - 1; /* without its NUL */
}

static void read_signed(struct bytes head, struct bytes claims)
{
    struct buf text = {0};
    uint8_t mac[crypto_auth_hmacsha256_BYTES];

    add_part(&text, head);
    buf_add_u8(&text, '.');
    add_part(&text, claims);
    (void)crypto_auth_hmacsha256(mac, text.p, text.len, keys.keys[0].secret);
    buf_add_u8(&text, '.');
    add_part(&text, bytes_of(mac, sizeof mac));
    (void)read_whole(buf_bytes(&text));
    buf_fini(&text);
}

static void read_v1key(struct bytes text)
{
    struct buf token = {.max = TOKEN_LEN_MAX};
    int rc = v1key_read(text, &token);

    assert(rc == 0 || rc == ERR_UNAUTH || rc == ERR_TOO_BIG);
    assert((rc == 0) == (token.len > 0));
    if (rc == 0) {
        struct buf again = {0};
        struct buf inner = {0};
        v1key_write(BYTES("e"), buf_bytes(&token), &again);
        assert(v1key_read(buf_bytes(&again), &inner) == 0);
        assert(bytes_eq(buf_bytes(&inner), buf_bytes(&token)));
        buf_fini(&again);
        buf_fini(&inner);
    }
    buf_fini(&token);
}

static void read_wish(struct bytes text)
{
    struct token_wish wish;
    struct token_revocation what;
    struct buf memory = {0};
    int rc = token_wish_read(text, &wish);

    assert(rc == 0 || rc == ERR_SYNTAX || rc == ERR_ARGUMENT);
    if (rc == 0) {
        assert(wish.token.grants_len <= TOKEN_GRANTS_MAX);
        assert(wish.token.scopes_len <= TOKEN_SCOPES_MAX);
        wish.token.expires_at = NOW_S + 1;
        if (claims_are_valid(&wish.token)) {
            check_token(&wish.token);
        }
        token_fini(&wish.token);
    }
    rc = token_revocation_read(text, &memory, &what);
    assert(rc == 0 || rc == ERR_SYNTAX || rc == ERR_ARGUMENT);
    assert(rc != 0 || (what.id.len > 0) != (what.token.len > 0));
    buf_fini(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);
    struct claims_head head;

    struct buf base64 = {0};

    (void)read_whole(in);
    assert(token_id_until_s(in) <= TOKEN_TIME_MAX_S);
    read_v1key(in);
    json_base64(&base64, in);
    read_v1key(buf_bytes(&base64));
    buf_fini(&base64);
    read_wish(in);
    if (claims_read_head(in, &head) == 0) {
        assert(memchr(head.kid, 0, sizeof head.kid) != NULL);
        assert(memchr(head.alg, 0, sizeof head.alg) != NULL);
    }
    read_signed(BYTES("{\"alg\":\"HS256\",\"kid\":\"k0\"}"), in);
    read_signed(in, BYTES("{\"sub\":\"a\",\"exp\":1800000000,\"gr\":[]}"));
    return 0;
}
