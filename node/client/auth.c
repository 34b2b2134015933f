/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/auth.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/v1key.h"

static_assert((int)AUTH_PUBLISH == (int)TOKEN_PUBLISH, "one number for both");
static_assert((int)AUTH_SUBSCRIBE == (int)TOKEN_SUBSCRIBE,
              "one number for both");

static bool is_stranger(const struct auth *auth, const struct identity *who)
{
    return who == auth->anonymous && !auth->insecure;
}

/* Whoever has no token. Without keys that is everyone, and may do everything
 * but publish in _sys, act on others, change the node. */
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
        who->token.scopes[1] = BYTES("admin:caches");
        who->token.scopes[2] = BYTES("admin:trace");
        who->token.scopes[3] = BYTES("admin:tap");
        who->token.scopes_len = 4;
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

int auth_read(const struct auth *auth, struct bytes text, uint64_t now_s,
              struct token *token)
{
    struct buf inner = {.max = TOKEN_LEN_MAX};
    int rc = 0;

    if (bytes_find(text, '.') < 0) {
        rc = v1key_read(text, &inner);
        text = buf_bytes(&inner);
    }
    if (rc == 0) {
        rc = token_read(&auth->keys, text, now_s, token);
    }
    buf_fini(&inner);
    return rc;
}

bool auth_revoked(const struct auth *auth, struct bytes id)
{
    return id.len > 0 && auth->is_revoked != NULL &&
           auth->is_revoked(auth->revocations, id);
}

void auth_rekey(struct auth *auth, const struct token_keys *keys)
{
    assert(keys->len <= TOKEN_KEYS_MAX);
    assert((keys->len == 0) == auth->insecure);
    explicit_bzero(&auth->keys, sizeof auth->keys);
    auth->keys = *keys;
}

bool auth_forgot(const struct auth *auth, const struct identity *who)
{
    for (size_t i = 0; i < auth->keys.len; i++) {
        if (token_key_print(&auth->keys.keys[i]) == who->token.key) {
            return false;
        }
    }
    return who->token.key != 0;
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
    int rc = auth_read(auth, token, now_s, &new->token);
    if (rc == 0 && new->token.kind == TOKEN_REFRESH) {
        rc = ERR_UNAUTH;
    }
    if (rc == 0 && auth_revoked(auth, new->token.id)) {
        rc = ERR_REVOKED;
    }
    if (rc != 0) {
        token_fini(&new->token);
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

static int lacks(struct auth *auth, const struct identity *who, int what)
{
    if (is_stranger(auth, who)) {
        return ERR_UNAUTH;
    }
    auth->missing.what = what;
    return ERR_DENIED;
}

/* The cache of the cluster itself. */
static int allows_system(struct auth *auth, const struct identity *who,
                         enum auth_action action, uint64_t now_s)
{
    if (action == AUTH_SUBSCRIBE) {
        return auth_allows_admin(auth, who, "admin:read", now_s);
    }
    int rc = identity_check(who, now_s);
    return rc != 0 ? rc : lacks(auth, who, AUTH_NEEDS_NODE);
}

int auth_allows(struct auth *auth, const struct identity *who,
                enum auth_action action, struct bytes cache, struct bytes topic,
                uint64_t now_s)
{
    const struct token_grant grant = {
        .cache = cache, .topic = topic, .role = (uint8_t)action};

    if (topic_cache_is_system(cache)) {
        return allows_system(auth, who, action, now_s);
    }
    int rc = identity_check(who, now_s);
    if (rc != 0 ||
        token_allows(&who->token, (enum token_role)action, cache, topic)) {
        return rc;
    }
    return is_stranger(auth, who) ? ERR_UNAUTH : auth_lacks(auth, &grant);
}

int auth_allows_pattern(struct auth *auth, const struct identity *who,
                        struct bytes cache, struct bytes pattern,
                        uint64_t now_s)
{
    const struct token_grant grant = {
        .cache = cache, .all = true, .role = TOKEN_SUBSCRIBE};
    int rc = identity_check(who, now_s);

    (void)pattern; /* whether it can meet a grant shows topic by topic */
    if (rc == 0 && topic_cache_is_system(cache)) {
        return lacks(auth, who, AUTH_NEEDS_TOPIC);
    }
    if (rc != 0 || token_reaches(&who->token, TOKEN_SUBSCRIBE, cache)) {
        return rc;
    }
    return is_stranger(auth, who) ? ERR_UNAUTH : auth_lacks(auth, &grant);
}

int auth_knows(const struct auth *auth, const struct identity *who,
               uint64_t now_s)
{
    int rc = identity_check(who, now_s);

    return rc == 0 && is_stranger(auth, who) ? ERR_UNAUTH : rc;
}

int auth_allows_admin(struct auth *auth, const struct identity *who,
                      const char *scope, uint64_t now_s)
{
    int rc = identity_check(who, now_s);

    if (rc != 0 || token_has_scope(&who->token, bytes_str(scope))) {
        return rc;
    }
    return is_stranger(auth, who) ? ERR_UNAUTH
                                  : auth_lacks_scope(auth, bytes_str(scope));
}

/* --- what was missing --- */

/* Names that are too long were not asked of a token: they are none. */
static struct bytes keep(uint8_t *to, size_t cap, struct bytes name)
{
    size_t len = name.len <= cap ? name.len : 0;

    if (len > 0) {
        memcpy(to, name.p, len);
    }
    return bytes_of(to, len);
}

int auth_lacks(struct auth *auth, const struct token_grant *grant)
{
    struct auth_need *need = &auth->missing;

    need->what = AUTH_NEEDS_GRANT;
    need->grant = *grant;
    need->grant.cache = keep(need->names, CACHE_LEN_MAX, grant->cache);
    need->grant.topic = keep(need->names + CACHE_LEN_MAX, TOPIC_LEN_MAX,
                             grant->topic);
    return ERR_DENIED;
}

int auth_lacks_scope(struct auth *auth, struct bytes scope)
{
    struct auth_need *need = &auth->missing;

    need->what = AUTH_NEEDS_SCOPE;
    need->scope = keep(need->names, sizeof need->names, scope);
    return ERR_DENIED;
}

int auth_lacks_time(struct auth *auth)
{
    auth->missing.what = AUTH_NEEDS_TIME;
    return ERR_DENIED;
}

static void add_name(struct buf *out, const char *what, struct bytes name)
{
    buf_add_str(out, what);
    buf_add_u8(out, '"');
    buf_add_bytes(out, name);
    buf_add_u8(out, '"');
}

static void add_grant(const struct token_grant *grant, struct buf *out)
{
    static const char *const roles[] = {
        [TOKEN_PUBLISH] = "needs \"publish\"",
        [TOKEN_SUBSCRIBE] = "needs \"subscribe\"",
        [TOKEN_BOTH] = "needs \"publish\" and \"subscribe\"",
    };

    buf_add_str(out, roles[grant->role]);
    if (grant->cache.len == 0) {
        buf_add_str(out, " on every cache");
    } else {
        add_name(out, " on cache ", grant->cache);
    }
    if (!grant->all) {
        add_name(out, grant->prefix ? ", topics that begin with " : ", topic ",
                 grant->topic);
    }
}

void auth_missing(const struct auth *auth, struct buf *out)
{
    const struct auth_need *need = &auth->missing;

    switch (need->what) {
    case AUTH_NEEDS_NOTHING:
        break;
    case AUTH_NEEDS_GRANT:
        add_grant(&need->grant, out);
        break;
    case AUTH_NEEDS_SCOPE:
        add_name(out, "needs the scope ", need->scope);
        break;
    case AUTH_NEEDS_TIME:
        buf_add_str(out, "needs a token that holds as long");
        break;
    case AUTH_NEEDS_NODE:
        buf_add_str(out, "needs to be a node: only they publish in \"_sys\"");
        break;
    case AUTH_NEEDS_TOPIC:
        buf_add_str(out, "needs a topic: the cache \"_sys\" has no patterns");
        break;
    }
}

void auth_add_text(const struct auth *auth, int err, struct buf *out)
{
    buf_add_str(out, err_text(err));
    if (err == ERR_DENIED && auth->missing.what != AUTH_NEEDS_NOTHING) {
        buf_add_str(out, ": ");
        auth_missing(auth, out);
    }
}
