/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/hmac.h"

#include <sodium.h>

static_assert(HMAC_LEN == crypto_auth_hmacsha256_BYTES, "SHA-256");

void hmac_sha256(struct bytes key, const struct bytes *parts, size_t parts_len,
                 uint8_t mac[HMAC_LEN])
{
    crypto_auth_hmacsha256_state state;

    crypto_auth_hmacsha256_init(&state, key.p, key.len);
    for (size_t i = 0; i < parts_len; i++) {
        crypto_auth_hmacsha256_update(&state, parts[i].p, parts[i].len);
    }
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_memzero(&state, sizeof state);
}
