/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens: compact JWS (RFC 7515, 7519) with HS256 or EdDSA, by libsodium.
 *
 * Claims
 *   sub   publisher id, 1..128 bytes; may   exp   seconds, mandatory
 *         be missing if there is no `sc`    iat   optional
 *   nbf   optional                          jti   id, for revocation
 *   t     "g": an API key; "r": only to get another API key; else none
 *   gr    [{"c":cache|"*", "t":topic | "p":prefix | neither for all,
 *           "r":"pub"|"sub"|"both"}]        an empty list grants nothing
 *   sc    ["admin:read", ...]
 *
 * A grant with any other member is refused, for that might restrict it; so are
 * `aud` and any other `t`. Claims that are not listed say nothing to us.
 *
 * The algorithm comes from the key record that `kid` names, never from the
 * token's header (which must agree). Nothing of the claims is looked at before
 * the signature holds. `crit`, "alg":"none", duplicate members, trailing bytes
 * and non-canonical base64url are refused (ADVERSARIAL I1-I3, I7).
 */
#ifndef PROTO_TOKEN_H
#define PROTO_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/bytes.h"

enum {
    TOKEN_LEN_MAX = 4096,
    TOKEN_GRANTS_MAX = 32,
    TOKEN_SCOPES_MAX = 16,
    TOKEN_KEYS_MAX = 16,
    TOKEN_KID_LEN_MAX = 64,
    TOKEN_SUBJECT_LEN_MAX = 128,
    TOKEN_ID_LEN_MAX = 128,
    TOKEN_SKEW_S = 30, /* clocks that are behind: of nbf only */
};

/* The end of the year 9999, which is also what "never" is written as. */
#define TOKEN_TIME_MAX_S 253402300799

enum token_alg {
    TOKEN_HS256 = 1,
    TOKEN_EDDSA = 2
};
enum token_role {
    TOKEN_PUBLISH = 1,
    TOKEN_SUBSCRIBE = 2,
    TOKEN_BOTH = 3
};

enum token_kind {
    TOKEN_PLAIN = 0,
    TOKEN_API_KEY = 1, /* Momento's clients ask for the mark */
    TOKEN_REFRESH = 2  /* grants nothing; has the id of its API key */
};

struct token_key {
    enum token_alg alg;
    char kid[TOKEN_KID_LEN_MAX + 1];
    bool can_sign;
    uint8_t secret[64]; /* HS256: 32 bytes; EdDSA: libsodium's 64 */
    uint8_t public[32]; /* EdDSA */
};

/* Tells keys apart; says nothing of a secret. Never 0. */
uint64_t token_key_print(const struct token_key *key);

struct token_keys {
    size_t len; /* keys[0] signs */
    struct token_key keys[TOKEN_KEYS_MAX];
};

struct token_grant {
    struct bytes cache; /* empty = every cache but _sys */
    struct bytes topic; /* the name or the prefix; empty with all = every */
    bool prefix;
    bool all;
    uint8_t role; /* enum token_role */
};

/* A checked token. All slices point into `memory`, which it owns. */
struct token {
    struct bytes subject;
    struct bytes id;
    uint64_t expires_at; /* seconds; 0 only for the built-in anonymous one */
    uint64_t not_before;
    uint64_t issued_at; /* 0: not said */
    uint64_t key; /* token_key_print() of the one that signed it; 0: none did */
    enum token_kind kind;
    size_t grants_len;
    struct token_grant grants[TOKEN_GRANTS_MAX];
    size_t scopes_len;
    struct bytes scopes[TOKEN_SCOPES_MAX];
    uint8_t *memory;
};

void token_fini(struct token *token);

/* Checks signature, form and times. Errors: ERR_UNAUTH (any defect),
 * ERR_EXPIRED, ERR_TOO_BIG, ERR_NOMEM; *token is untouched then. */
int token_read(const struct token_keys *keys, struct bytes text, uint64_t now_s,
               struct token *token);

/* Signs with keys[0] and appends the compact form. Errors: ERR_ARGUMENT (no
 * signing key, bad names, no expiry), ERR_TOO_BIG, ERR_NOMEM. */
int token_write(const struct token_keys *keys, const struct token *token,
                struct buf *out);

/* Whether everything `child` grants, `parent` grants for as long: the rule of
 * minting (ADVERSARIAL I4). */
bool token_covers(const struct token *parent, const struct token *child);
/* The same in parts: whether the times are covered; the index of the first
 * grant, or scope, that is not, or -1. */
bool token_covers_times(const struct token *parent, const struct token *child);
ptrdiff_t token_uncovered_grant(const struct token *parent,
                                const struct token *child);
ptrdiff_t token_uncovered_scope(const struct token *parent,
                                const struct token *child);

/* Whether a grant of the token covers this. Does not look at times. */
bool token_allows(const struct token *token, enum token_role role,
                  struct bytes cache, struct bytes topic);

/* Whether any grant of the token reaches into that cache in this role. */
bool token_reaches(const struct token *token, enum token_role role,
                   struct bytes cache);

/* Whether the token has an admin scope, by name or by "admin:*". */
bool token_has_scope(const struct token *token, struct bytes scope);

#endif
