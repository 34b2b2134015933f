/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may do what: the one authorisation function of all doors.
 *
 * Grants only allow; there are no denials, so no order of rules and no overlap
 * can open anything (ADVERSARIAL 0.6). A node without keys ("insecure") gives
 * every client the anonymous identity, which may publish and subscribe
 * everywhere but in _sys and may look ("admin:read") but not act on others; it
 * binds loopback only. With keys, an identity comes from a token, and what is
 * anonymous may do nothing.
 *
 * `struct identity` is shared by the clients that logged in with the same
 * token and is immutable. Loop thread only.
 *
 * Source: DESIGN 7; ADVERSARIAL H, I.
 */
#ifndef NODE_AUTH_H
#define NODE_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/bytes.h"
#include "proto/token.h"

enum auth_action {
    AUTH_PUBLISH = 1,
    AUTH_SUBSCRIBE = 2
};

struct identity {
    uint32_t refs;
    uint64_t expires_at; /* wall clock, seconds; 0 = never */
    struct token token;  /* subject, grants, scopes; owns its memory */
};

struct auth {
    bool insecure; /* no token keys: everyone is anonymous with all rights */
    struct token_keys keys;
    struct identity *anonymous; /* what a client is before a login */
};

/* Copies the keys; none = insecure. Also readies libsodium for the whole
 * process: without that, seals take more than twice the time. Again: harmless.
 * Errors: ERR_NOMEM, ERR_INTERNAL (no source of randomness). */
int auth_init(struct auth *auth, const struct token_keys *keys);
void auth_fini(struct auth *auth);

/* Turns a token into an identity (one reference for the caller). When insecure
 * any token, also an empty one, is the anonymous identity. now_s is the wall
 * clock. Errors: ERR_UNAUTH, ERR_EXPIRED, ERR_TOO_BIG, ERR_NOMEM; never say
 * more to the client than err_text(). */
int auth_login(struct auth *auth, struct bytes token, uint64_t now_s,
               struct identity **who);

void identity_ref(struct identity *who);
void identity_unref(struct identity *who);

static inline bool identity_has_expired(const struct identity *who,
                                        uint64_t now_s)
{
    return who->expires_at != 0 && who->expires_at <= now_s;
}

/* The one check. 0, ERR_DENIED, ERR_EXPIRED, or ERR_UNAUTH (anonymous, and a
 * token would be needed). */
int auth_allows(const struct auth *auth, const struct identity *who,
                enum auth_action action, struct bytes cache, struct bytes topic,
                uint64_t now_s);

/* A pattern may be subscribed if any grant of that cache could match under it;
 * each topic it matches is then checked by auth_allows(). */
int auth_allows_pattern(const struct auth *auth, const struct identity *who,
                        struct bytes cache, struct bytes pattern,
                        uint64_t now_s);

/* Whoever showed a token that holds; when insecure, everyone. 0, ERR_UNAUTH or
 * ERR_EXPIRED. */
int auth_knows(const struct auth *auth, const struct identity *who,
               uint64_t now_s);

/* Admin scopes: "admin:read", "admin:kick", ... "admin:*" covers all. */
int auth_allows_admin(const struct auth *auth, const struct identity *who,
                      const char *scope, uint64_t now_s);

#endif
