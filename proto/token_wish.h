/* SPDX-License-Identifier: Apache-2.0
 *
 * What POST /v1/tokens asks for, and POST /v1/tokens/revoke (JSON):
 *
 *   {"kind":"disposable"|"api_key", "format":"jwt"|"v1", "subject":"ann",
 *    "ttl_s":3600|"never", "scopes":["admin:read"],
 *    "grants":[{"cache":"demo"|"*", "topic":"chat" | "topic_prefix":"room."
 *               | neither for all, "role":"publish"|"subscribe"|"both"}]}
 *   {"id":"st..."} or {"token":"eyJ..."}
 *
 * `ttl_s` is mandatory. Without kind, format, subject, scopes and grants it is
 * a disposable token in its own form of nobody in particular, for nothing. A
 * member that is not known might restrict: it is refused.
 *
 * Errors: ERR_SYNTAX (no JSON object), ERR_ARGUMENT, ERR_NOMEM.
 */
#ifndef PROTO_TOKEN_WISH_H
#define PROTO_TOKEN_WISH_H

#include "proto/token.h"

struct token_wish {
    struct token token; /* without times and id; owns its memory */
    uint64_t ttl_s;     /* 0: never expires */
    bool v1;            /* in base64, with an endpoint */
};

/* On success wish->token is the caller's to release. */
int token_wish_read(struct bytes text, struct token_wish *wish);

/* One of the two is set; appended to `memory`, which is the caller's. */
struct token_revocation {
    struct bytes id;
    struct bytes token;
};
int token_revocation_read(struct bytes text, struct buf *memory,
                          struct token_revocation *revocation);

#endif
