/* SPDX-License-Identifier: Apache-2.0 */
#include "node/auth.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

static_assert((int)AUTH_PUBLISH == (int)TOKEN_PUBLISH, "one number for both");
static_assert((int)AUTH_SUBSCRIBE == (int)TOKEN_SUBSCRIBE,
              "one number for both");

static int denied(const struct auth *auth, const struct identity *who)
{
    return who == auth->anonymous && !auth->insecure ? ERR_UNAUTH : ERR_DENIED;
}

/* Whoever has no token. Without keys that is everyone, and may do everything
 * but look into _sys and act on other clients. */
static struct identity *anonymous_new(bool insecure)
{
    struct identity *who = calloc(1, sizeof *who);

    if (who == NULL) {
        return NULL;
    }
    who->refs = 1;
    if (insecure) {
        who->token.grants[0] = (struct token_grant){.all = true,
                                                    .role = TOKEN_BOTH};
        who->token.grants_len = 1;
        who->token.scopes[0] = BYTES("admin:read");
        who->token.scopes_len = 1;
    }
    return who;
}

int auth_init(struct auth *auth, const struct token_keys *keys)
{
    bool insecure = keys == NULL || keys->len == 0;

    if (sodium_init() < 0) {
        return ERR_INTERNAL;
    }
    struct identity *anonymous = anonymous_new(insecure);
    if (anonymous == NULL) {
        return ERR_NOMEM;
    }
    *auth = (struct auth){.insecure = insecure, .anonymous = anonymous};
    if (!insecure) {
        assert(keys->len <= TOKEN_KEYS_MAX);
        auth->keys = *keys;
    }
    return 0;
}

void auth_fini(struct auth *auth)
{
    if (auth->anonymous != NULL) {
        identity_unref(auth->anonymous);
    }
    explicit_bzero(auth, sizeof *auth);
}

int auth_login(struct auth *auth, struct bytes token, uint64_t now_s,
               struct identity **who)
{
    if (auth->insecure) {
        identity_ref(auth->anonymous);
        *who = auth->anonymous;
        return 0;
    }
    struct identity *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return ERR_NOMEM;
    }
    int rc = token_read(&auth->keys, token, now_s, &new->token);
    if (rc != 0) {
        free(new);
        return rc;
    }
    new->refs = 1;
    new->expires_at = new->token.expires_at;
    *who = new;
    return 0;
}

void identity_ref(struct identity *who)
{
    assert(who->refs > 0 && who->refs < UINT32_MAX);
    who->refs++;
}

void identity_unref(struct identity *who)
{
    assert(who->refs > 0);
    if (--who->refs == 0) {
        token_fini(&who->token);
        free(who);
    }
}

int auth_allows(const struct auth *auth, const struct identity *who,
                enum auth_action action, struct bytes cache, struct bytes topic,
                uint64_t now_s)
{
    if (identity_has_expired(who, now_s)) {
        return ERR_EXPIRED;
    }
    if (!token_allows(&who->token, (enum token_role)action, cache, topic)) {
        return denied(auth, who);
    }
    return 0;
}

int auth_allows_pattern(const struct auth *auth, const struct identity *who,
                        struct bytes cache, struct bytes pattern,
                        uint64_t now_s)
{
    (void)pattern; /* whether it can meet a grant shows topic by topic */
    if (identity_has_expired(who, now_s)) {
        return ERR_EXPIRED;
    }
    return token_reaches(&who->token, TOKEN_SUBSCRIBE, cache)
               ? 0
               : denied(auth, who);
}

int auth_knows(const struct auth *auth, const struct identity *who,
               uint64_t now_s)
{
    if (identity_has_expired(who, now_s)) {
        return ERR_EXPIRED;
    }
    return who == auth->anonymous && !auth->insecure ? ERR_UNAUTH : 0;
}

int auth_allows_admin(const struct auth *auth, const struct identity *who,
                      const char *scope, uint64_t now_s)
{
    if (identity_has_expired(who, now_s)) {
        return ERR_EXPIRED;
    }
    return token_has_scope(&who->token, bytes_str(scope)) ? 0
                                                          : denied(auth, who);
}
