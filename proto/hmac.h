/* SPDX-License-Identifier: Apache-2.0
 *
 * HMAC-SHA256 (RFC 2104, FIPS 180-4) by libsodium: what is posted to others is
 * signed with it, because every language has it.
 */
#ifndef PROTO_HMAC_H
#define PROTO_HMAC_H

#include <stdint.h>

#include "proto/bytes.h"

enum {
    HMAC_LEN = 32
};

/* The code of all parts, one behind the other. The key has any length. */
void hmac_sha256(struct bytes key, const struct bytes *parts, size_t parts_len,
                 uint8_t mac[HMAC_LEN]);

#endif
