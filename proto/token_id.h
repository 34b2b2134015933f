/* SPDX-License-Identifier: Apache-2.0
 *
 * The ids that we give to tokens (claim `jti`). An id says until when a token
 * of that id can live, so that whoever revokes it need not know, and the
 * revocation is forgotten when it is of no use any more.
 *
 *   st 00676a1b2c . 24 hex digits
 *      |            random
 *      seconds, 10 hex digits; 0: for ever (an API key can be refreshed)
 *
 * Lower case. Other issuers' ids say nothing.
 */
#ifndef PROTO_TOKEN_ID_H
#define PROTO_TOKEN_ID_H

#include <stdint.h>

#include "proto/bytes.h"

enum {
    TOKEN_ID_SALT_LEN = 12,
    TOKEN_ID_LEN = 2 + 10 + 1 + 2 * TOKEN_ID_SALT_LEN
};

struct token_id {
    char text[TOKEN_ID_LEN];
};

struct token_id token_id_make(uint64_t until_s,
                              const uint8_t salt[TOKEN_ID_SALT_LEN]);

/* Until when a token of that id can live; 0: for ever, or it is not ours. */
uint64_t token_id_until_s(struct bytes id);

#endif
