/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/mint.h"

#include <assert.h>

#include "node/config/keyfile.h"
#include "node/core.h"
#include "proto/claims.h"
#include "proto/v1key.h"

static bool can_sign(const struct core *core);
static void make_id(struct mint *mint, const struct identity *holder);
static int check_kind(const struct core *core, const struct mint *mint);
static int check_rights(struct core *core, const struct identity *holder,
                        const struct token *wish);
static bool belong_together(const struct token *key,
                            const struct token *refresh);
static void renew(const struct core *core, const struct token *refresh,
                  struct token *key);
static int sign(struct core *core, struct mint *mint);
static int sign_refresh(const struct core *core, struct mint *mint);
static bool holds_for_ever(const struct token *token);

void mint_fini(struct mint *mint)
{
    token_fini(&mint->token);
    buf_fini(&mint->text);
    buf_fini(&mint->refresh);
    *mint = (struct mint){0};
}

int mint_for(struct core *core, const struct identity *holder,
             struct mint *mint)
{
    struct token *token = &mint->token;
    uint64_t now_s = core->wall_ms / 1000;

    if (!can_sign(core)) {
        return ERR_STATE;
    }
    int rc = auth_allows_admin(&core->auth, holder, "admin:tokens", now_s);
    if (rc == 0) {
        rc = check_kind(core, mint);
    }
    if (rc != 0) {
        return rc;
    }
    token->issued_at = now_s;
    token->not_before = holder->token.not_before;
    token->expires_at = mint->ttl_s == 0 ? TOKEN_TIME_MAX_S
                                         : now_s + mint->ttl_s;
    make_id(mint, holder);
    rc = check_rights(core, holder, token);
    return rc == 0 ? sign(core, mint) : rc;
}

int mint_again(struct core *core, struct bytes key, struct bytes refresh,
               struct mint *mint)
{
    uint64_t now_s = core->wall_ms / 1000;
    struct token second = {0};

    if (!can_sign(core)) {
        return ERR_STATE;
    }
    int rc = auth_read(&core->auth, key, now_s, &mint->token);
    if (rc == 0) {
        rc = auth_read(&core->auth, refresh, now_s, &second);
    }
    if (rc == 0 && !belong_together(&mint->token, &second)) {
        rc = ERR_ARGUMENT;
    }
    if (rc == 0 && auth_revoked(&core->auth, second.id)) {
        rc = ERR_REVOKED;
    }
    if (rc == 0) {
        renew(core, &second, &mint->token);
        rc = sign(core, mint);
    }
    token_fini(&second);
    return rc;
}

struct bytes mint_endpoint(const struct core *core, struct bytes authority)
{
    static const char *const names[] = {
        "token.",       "control.",   "cache.",    "web.token.",
        "web.control.", "web.cache.", "api.cache."};
    struct bytes own = v1key_endpoint(bytes_str(core->endpoint));

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (bytes_starts(authority, bytes_str(names[i]))) {
            authority = bytes_skip(authority, strlen(names[i]));
            break;
        }
    }
    return own.len > 0 ? own : v1key_endpoint(authority);
}

/* --- who may --- */

static bool can_sign(const struct core *core)
{
    return !core->auth.insecure && core->auth.keys.keys[0].can_sign;
}

static int check_kind(const struct core *core, const struct mint *mint)
{
    bool disposable = mint->token.kind == TOKEN_PLAIN;

    assert(mint->token.kind != TOKEN_REFRESH);
    if (mint->ttl_s > TOKEN_TIME_MAX_S - core->wall_ms / 1000) {
        return ERR_ARGUMENT;
    }
    return disposable && (mint->ttl_s == 0 || mint->token.scopes_len > 0 ||
                          mint->ttl_s > MINT_DISPOSABLE_S_MAX)
               ? ERR_ARGUMENT
               : 0;
}

static int check_rights(struct core *core, const struct identity *holder,
                        const struct token *wish)
{
    if (!claims_are_valid(wish)) {
        return ERR_ARGUMENT;
    }
    ptrdiff_t grant = token_uncovered_grant(&holder->token, wish);
    if (grant >= 0) {
        return auth_lacks(&core->auth, &wish->grants[grant]);
    }
    ptrdiff_t scope = token_uncovered_scope(&holder->token, wish);
    if (scope >= 0) {
        return auth_lacks_scope(&core->auth, wish->scopes[scope]);
    }
    if (!token_covers_times(&holder->token, wish)) {
        return auth_lacks_time(&core->auth);
    }
    assert(token_covers(&holder->token, wish));
    return 0;
}

/* Another key of the same id can live as long as the holder. */
static void make_id(struct mint *mint, const struct identity *holder)
{
    const struct token *last = mint->token.kind == TOKEN_API_KEY
                                   ? &holder->token
                                   : &mint->token;
    uint8_t salt[SEAL_KEY_LEN];

    static_assert(sizeof salt >= TOKEN_ID_SALT_LEN, "enough of it");
    keyfile_random(salt);
    mint->id = token_id_make(holds_for_ever(last) ? 0 : last->expires_at, salt);
    mint->token.id = bytes_of(mint->id.text, sizeof mint->id.text);
}

/* --- another one --- */

static bool belong_together(const struct token *key,
                            const struct token *refresh)
{
    return key->kind == TOKEN_API_KEY && refresh->kind == TOKEN_REFRESH &&
           bytes_eq(key->id, refresh->id);
}

static void renew(const struct core *core, const struct token *refresh,
                  struct token *key)
{
    uint64_t until_s = token_id_until_s(key->id);

    key->issued_at = core->wall_ms / 1000;
    key->expires_at = key->issued_at + refresh->expires_at - refresh->issued_at;
    if (until_s == 0) {
        until_s = TOKEN_TIME_MAX_S;
    }
    if (key->expires_at > until_s) {
        key->expires_at = until_s;
    }
}

/* --- signing --- */

static bool holds_for_ever(const struct token *token)
{
    return token->expires_at == TOKEN_TIME_MAX_S;
}

static int sign(struct core *core, struct mint *mint)
{
    bool for_ever = holds_for_ever(&mint->token);
    int rc = token_write(&core->auth.keys, &mint->token, &mint->text);

    mint->valid_until = for_ever ? 0 : mint->token.expires_at;
    if (rc == 0 && mint->token.kind == TOKEN_API_KEY && !for_ever) {
        rc = sign_refresh(core, mint);
    }
    core->stats.tokens_minted += rc == 0;
    return rc;
}

static int sign_refresh(const struct core *core, struct mint *mint)
{
    const struct token refresh = {
        .kind = TOKEN_REFRESH,
        .subject = mint->token.subject,
        .id = mint->token.id,
        .issued_at = mint->token.issued_at,
        .not_before = mint->token.not_before,
        .expires_at = mint->token.expires_at,
    };
    return token_write(&core->auth.keys, &refresh, &mint->refresh);
}
