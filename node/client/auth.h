/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may do what: the one authorisation function of all doors.
 *
 * Grants only allow; there are no denials, so no order of rules and no overlap
 * can open anything (ADVERSARIAL 0.6). A node without keys ("insecure") gives
 * every client the anonymous identity, which may publish and subscribe
 * everywhere, look ("admin:read", "admin:trace", "admin:tap"), and
 * create and delete caches ("admin:caches"), but not act on others
 * ("admin:kick") nor change the node ("admin:write"); it binds loopback only.
 * With keys, an identity comes from a token, and what is anonymous may do
 * nothing.
 *
 * In the cache of the cluster itself, _sys, only nodes publish, whatever a
 * grant says, and its topics are read, one by one, by who has "admin:read".
 *
 * A refusal names the grant that is missing, since nobody can guess which:
 * auth_missing().
 *
 * `struct identity` is what a login made of a token. It never changes, but for
 * `revoked` (node/client/revoked.h). Loop thread only.
 *
 * Source: DESIGN 7; ADVERSARIAL H, I.
 */
#ifndef NODE_AUTH_H
#define NODE_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/token.h"
#include "proto/topic.h"

enum auth_action {
    AUTH_PUBLISH = 1,
    AUTH_SUBSCRIBE = 2
};

/* What somebody asked for and does not have. */
struct auth_need {
    enum {
        AUTH_NEEDS_NOTHING,
        AUTH_NEEDS_GRANT,
        AUTH_NEEDS_SCOPE,
        AUTH_NEEDS_TIME,
        AUTH_NEEDS_NODE,
        AUTH_NEEDS_TOPIC
    } what;
    struct token_grant grant;
    struct bytes scope;
    uint8_t names[CACHE_LEN_MAX + TOPIC_LEN_MAX]; /* of both */
};

struct identity {
    uint32_t refs;
    bool revoked;
    uint64_t expires_at; /* wall clock, seconds; 0 = never */
    struct token token;  /* subject, grants, scopes; owns its memory */
};

struct auth {
    bool insecure; /* no token keys: everyone is anonymous with all rights */
    struct token_keys keys;
    struct identity *anonymous; /* what a client is before a login */
    struct auth_need missing;   /* by the latest ERR_DENIED */
    /* Whether the token of that id was revoked; NULL: none is. */
    bool (*is_revoked)(const void *revocations, struct bytes id);
    const void *revocations;
};

/* Copies the keys; none = insecure. Also readies libsodium for the whole
 * process: without that, seals take more than twice the time. Again: harmless.
 * Errors: ERR_NOMEM, ERR_INTERNAL (no source of randomness). */
int auth_init(struct auth *auth, const struct token_keys *keys);
void auth_fini(struct auth *auth);

/* Reads a token of any kind in its own form or in Momento's first one
 * (proto/v1key.h), revoked or not; *token is the caller's. Not when insecure.
 * Errors: as token_read(). */
int auth_read(const struct auth *auth, struct bytes text, uint64_t now_s,
              struct token *token);
bool auth_revoked(const struct auth *auth, struct bytes id);

/* Other keys from now on, which are not none unless they were. Identities stay
 * until auth_forgot() is asked about them. */
void auth_rekey(struct auth *auth, const struct token_keys *keys);
/* Whether the key that signed their token is not there any more. */
bool auth_forgot(const struct auth *auth, const struct identity *who);

/* Turns a token into an identity (one reference for the caller). When insecure
 * any token, also an empty one, is the anonymous identity. A refresh token is
 * nobody's. now_s is the wall clock. Errors: ERR_UNAUTH, ERR_EXPIRED,
 * ERR_REVOKED, ERR_TOO_BIG, ERR_NOMEM; never say more to the client than
 * err_text(). */
int auth_login(struct auth *auth, struct bytes token, uint64_t now_s,
               struct identity **who);

void identity_ref(struct identity *who);
void identity_unref(struct identity *who);

/* Whether its token still holds: 0, ERR_EXPIRED or ERR_REVOKED. */
static inline int identity_check(const struct identity *who, uint64_t now_s)
{
    if (who->revoked) {
        return ERR_REVOKED;
    }
    return who->expires_at != 0 && who->expires_at <= now_s ? ERR_EXPIRED : 0;
}

/* The one check. 0, ERR_DENIED, ERR_EXPIRED, ERR_REVOKED, or ERR_UNAUTH
 * (anonymous, and a token would be needed). */
int auth_allows(struct auth *auth, const struct identity *who,
                enum auth_action action, struct bytes cache, struct bytes topic,
                uint64_t now_s);

/* A pattern may be subscribed if any grant of that cache could match under it;
 * each topic it matches is then checked by auth_allows(). */
int auth_allows_pattern(struct auth *auth, const struct identity *who,
                        struct bytes cache, struct bytes pattern,
                        uint64_t now_s);

/* Whoever showed a token that holds; when insecure, everyone. 0, ERR_UNAUTH,
 * ERR_EXPIRED or ERR_REVOKED. */
int auth_knows(const struct auth *auth, const struct identity *who,
               uint64_t now_s);

/* Admin scopes: "admin:read", "admin:kick", ... "admin:*" covers all. */
int auth_allows_admin(struct auth *auth, const struct identity *who,
                      const char *scope, uint64_t now_s);

/* Remembers what was missing, for auth_missing(), and returns ERR_DENIED: for
 * who refuses by another check than those above. The names are copied. */
int auth_lacks(struct auth *auth, const struct token_grant *grant);
int auth_lacks_scope(struct auth *auth, struct bytes scope);
int auth_lacks_time(struct auth *auth);

/* Appends what the latest ERR_DENIED lacked, for people:
 *   needs "publish" on cache "a", topic "b"
 *   needs the scope "admin:read"
 *   needs a token that holds as long
 *   needs to be a node: only they publish in "_sys"
 *   needs a topic: the cache "_sys" has no patterns
 * The names are those that were asked for: valid UTF-8 without control
 * characters. Again: any number of times, up to the next check. Nothing before
 * the first refusal. */
void auth_missing(const struct auth *auth, struct buf *out);

/* Appends what doors say of an error: err_text(), and after that of ERR_DENIED
 * a colon and what is missing. So it is written right after the refusal. */
void auth_add_text(const struct auth *auth, int err, struct buf *out);

#endif
