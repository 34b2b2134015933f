/* SPDX-License-Identifier: Apache-2.0
 *
 * Minting: a node signs tokens for a holder who has more than they grant.
 *
 *   disposable  no scopes, so it mints nothing itself; at most 25 hours
 *   API key     may have scopes, may hold for ever; one that expires comes with
 *               a refresh token, which gets another key of the same rights, the
 *               same span and the same id, as long as the key holds
 *
 * A holder needs the scope "admin:tokens", and each grant, scope and second of
 * what it asks for. Refreshing does not lead beyond the life of who minted the
 * first key: its id says how long that is (proto/token_id.h). So a revocation
 * of the id ends the key and all that it was refreshed to.
 *
 * Errors: ERR_STATE (this node has no key that signs), ERR_UNAUTH, ERR_EXPIRED,
 * ERR_REVOKED, ERR_DENIED (auth_missing() says what), ERR_ARGUMENT (names,
 * times, tokens that do not belong together), ERR_TOO_BIG, ERR_NOMEM.
 */
#ifndef NODE_MINT_H
#define NODE_MINT_H

#include "node/client/auth.h"
#include "proto/token_id.h"

struct core;

enum {
    MINT_DISPOSABLE_S_MAX = 25 * 3600
};

/* What is asked for, and what came of it. Zero is a valid one. Does not move:
 * the token's id is in it. */
struct mint {
    struct token token; /* kind, subject, grants and scopes are asked for */
    uint64_t ttl_s;     /* 0: never expires */

    struct token_id id;
    struct buf text;      /* the token */
    struct buf refresh;   /* its refresh token, empty if it has none */
    uint64_t valid_until; /* seconds since 1970; 0: for ever */
};

void mint_fini(struct mint *mint);

/* Signs what is asked for. */
int mint_for(struct core *core, const struct identity *holder,
             struct mint *mint);
/* Signs another key for one that still holds; *mint is zero before. */
int mint_again(struct core *core, struct bytes key, struct bytes refresh,
               struct mint *mint);

/* The endpoint that goes with it, host[:port]: of the node's own one; of a node
 * without, what the request was sent to (`authority`), without the name that
 * Momento's clients put in front. May be empty. */
struct bytes mint_endpoint(const struct core *core, struct bytes authority);

#endif
