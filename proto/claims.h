/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON inside a token: its header, and its claims (proto/token.h lists
 * them). Whether the signature holds is proto/token's part; nothing is read
 * here before it does. The doorway to jansson for tokens.
 */
#ifndef PROTO_CLAIMS_H
#define PROTO_CLAIMS_H

#include "proto/bytes.h"
#include "proto/token.h"

struct claims_head {
    char kid[TOKEN_KID_LEN_MAX + 1];
    char alg[16];
};

/* Errors: ERR_UNAUTH: no object, a member twice, kid or alg missing, or `crit`
 * (RFC 7515 section 4.1.11). */
int claims_read_head(struct bytes text, struct claims_head *head);
void claims_write_head(const char *alg, const char *kid, struct buf *out);

/* Fills a token, which then owns its memory. Errors: ERR_UNAUTH, ERR_NOMEM;
 * *token is untouched then. */
int claims_read(struct bytes text, struct token *token);
void claims_write(const struct token *token, struct buf *out);

/* What must hold of every token that we take or sign: subject, times, names,
 * roles, bounds. */
bool claims_are_valid(const struct token *token);

#endif
