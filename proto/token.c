/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/token.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "proto/claims.h"
#include "proto/err.h"
#include "proto/hash.h"
#include "proto/topic.h"

enum {
    DECODED_LEN_MAX = TOKEN_LEN_MAX / 4 * 3,
    HS256_LEN = crypto_auth_hmacsha256_BYTES,
    EDDSA_LEN = crypto_sign_BYTES,
};

static const char *const alg_names[] = {
    [TOKEN_HS256] = "HS256",
    [TOKEN_EDDSA] = "EdDSA",
};

static_assert(sizeof((struct token_key *)NULL)->secret ==
                  crypto_sign_SECRETKEYBYTES,
              "libsodium's secret key holds seed and public key");

/* The three parts of a compact JWS and what its signature is over. */
struct compact {
    struct bytes head;
    struct bytes claims;
    struct bytes signature;
    struct bytes covered;
};

static int split(struct bytes text, struct compact *parts);
static int decode(struct bytes part, uint8_t *out, size_t cap, size_t *len);
static const struct token_key *key_of(const struct token_keys *keys,
                                      struct bytes head);
static bool signature_holds(const struct token_key *key,
                            const struct compact *parts);
static int read_claims(struct bytes part, struct token *token);
static void sign(const struct token_key *key, struct buf *out);
static void add_base64url(struct buf *out, struct bytes data);

void token_fini(struct token *token)
{
    free(token->memory);
    *token = (struct token){0};
}

int token_read(const struct token_keys *keys, struct bytes text, uint64_t now_s,
               struct token *token)
{
    struct token read = {0};
    struct compact parts;

    if (text.len > TOKEN_LEN_MAX) {
        return ERR_TOO_BIG;
    }
    if (split(text, &parts) != 0) {
        return ERR_UNAUTH;
    }
    const struct token_key *key = key_of(keys, parts.head);
    if (key == NULL || !signature_holds(key, &parts)) {
        return ERR_UNAUTH;
    }
    int rc = read_claims(parts.claims, &read);
    if (rc == 0 && read.not_before > now_s + TOKEN_SKEW_S) {
        rc = ERR_UNAUTH;
    }
    if (rc == 0 && read.expires_at <= now_s) {
        rc = ERR_EXPIRED;
    }
    if (rc != 0) {
        token_fini(&read);
        return rc;
    }
    *token = read;
    token->key = token_key_print(key);
    return 0;
}

/* Not by what could be looked up: a mix of 64 bits for 32 secret bytes. */
uint64_t token_key_print(const struct token_key *key)
{
    const uint8_t *p = key->alg == TOKEN_HS256 ? key->secret : key->public;
    uint64_t print = hash_mix((uint64_t)key->alg);

    for (size_t i = 0; i < 32; i += 8) {
        print = hash_mix(print ^ bytes_u64be(p + i));
    }
    return print | 1;
}

int token_write(const struct token_keys *keys, const struct token *token,
                struct buf *out)
{
    const struct token_key *key = &keys->keys[0];
    struct buf json = {0};
    struct buf compact = {0};
    int rc = 0;

    if (keys->len == 0 || !key->can_sign || !claims_are_valid(token)) {
        return ERR_ARGUMENT;
    }
    claims_write_head(alg_names[key->alg], key->kid, &json);
    add_base64url(&compact, buf_bytes(&json));
    buf_add_u8(&compact, '.');
    size_t head_len = json.len;
    claims_write(token, &json);
    if (!json.failed && !compact.failed) {
        add_base64url(&compact, bytes_skip(buf_bytes(&json), head_len));
        sign(key, &compact);
    }
    if (json.failed || compact.failed) {
        rc = ERR_NOMEM;
    } else if (compact.len > TOKEN_LEN_MAX) {
        rc = ERR_TOO_BIG;
    } else {
        buf_add_bytes(out, buf_bytes(&compact));
        rc = out->failed ? ERR_NOMEM : 0;
    }
    buf_fini(&json);
    buf_fini(&compact);
    return rc;
}

/* --- what a token grants --- */

/* An every-cache grant does not reach what the cluster itself says. */
static bool cache_covers(struct bytes grant, struct bytes cache)
{
    return grant.len == 0 ? !topic_cache_is_system(cache)
                          : bytes_eq(grant, cache);
}

static bool grant_allows(const struct token_grant *grant, unsigned role,
                         struct bytes cache, struct bytes topic)
{
    if ((grant->role & role) != role || !cache_covers(grant->cache, cache)) {
        return false;
    }
    if (grant->all) {
        return true;
    }
    return grant->prefix ? bytes_starts(topic, grant->topic)
                         : bytes_eq(topic, grant->topic);
}

bool token_allows(const struct token *token, enum token_role role,
                  struct bytes cache, struct bytes topic)
{
    for (size_t i = 0; i < token->grants_len; i++) {
        if (grant_allows(&token->grants[i], role, cache, topic)) {
            return true;
        }
    }
    return false;
}

bool token_reaches(const struct token *token, enum token_role role,
                   struct bytes cache)
{
    for (size_t i = 0; i < token->grants_len; i++) {
        const struct token_grant *grant = &token->grants[i];
        if ((grant->role & role) == role && cache_covers(grant->cache, cache)) {
            return true;
        }
    }
    return false;
}

/* Whether `parent` grants all that `child` grants in this one role. A prefix
 * is covered by a prefix of it, as a name would be. */
static bool grant_covers(const struct token_grant *parent,
                         const struct token_grant *child, unsigned role)
{
    if (child->cache.len == 0 && parent->cache.len != 0) {
        return false;
    }
    if ((child->all && !parent->all) ||
        (child->prefix && !parent->all && !parent->prefix)) {
        return false;
    }
    return grant_allows(parent, role, child->cache, child->topic);
}

static bool covered(const struct token *parent, const struct token_grant *child,
                    unsigned role)
{
    if ((child->role & role) == 0) {
        return true;
    }
    for (size_t i = 0; i < parent->grants_len; i++) {
        if (grant_covers(&parent->grants[i], child, role)) {
            return true;
        }
    }
    return false;
}

bool token_has_scope(const struct token *token, struct bytes scope)
{
    for (size_t i = 0; i < token->scopes_len; i++) {
        if (bytes_eq(token->scopes[i], scope) ||
            (bytes_eq(token->scopes[i], BYTES("admin:*")) &&
             bytes_starts(scope, BYTES("admin:")))) {
            return true;
        }
    }
    return false;
}

bool token_covers_times(const struct token *parent, const struct token *child)
{
    bool never = parent->expires_at == 0;

    return child->not_before >= parent->not_before &&
           (never || (child->expires_at != 0 &&
                      child->expires_at <= parent->expires_at));
}

ptrdiff_t token_uncovered_grant(const struct token *parent,
                                const struct token *child)
{
    for (size_t i = 0; i < child->grants_len; i++) {
        if (!covered(parent, &child->grants[i], TOKEN_PUBLISH) ||
            !covered(parent, &child->grants[i], TOKEN_SUBSCRIBE)) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

ptrdiff_t token_uncovered_scope(const struct token *parent,
                                const struct token *child)
{
    for (size_t i = 0; i < child->scopes_len; i++) {
        if (!token_has_scope(parent, child->scopes[i])) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

bool token_covers(const struct token *parent, const struct token *child)
{
    return token_covers_times(parent, child) &&
           token_uncovered_grant(parent, child) < 0 &&
           token_uncovered_scope(parent, child) < 0;
}

/* --- form and signature --- */

static int split(struct bytes text, struct compact *parts)
{
    ptrdiff_t first = bytes_find(text, '.');

    if (first < 0) {
        return ERR_SYNTAX;
    }
    struct bytes rest = bytes_skip(text, (size_t)first + 1);
    ptrdiff_t second = bytes_find(rest, '.');
    if (second < 0) {
        return ERR_SYNTAX;
    }
    parts->head = bytes_of(text.p, (size_t)first);
    parts->claims = bytes_of(rest.p, (size_t)second);
    parts->signature = bytes_skip(rest, (size_t)second + 1);
    parts->covered = bytes_of(text.p, (size_t)(first + 1 + second));
    return 0;
}

/* Decodes base64url without padding, canonical only. */
static int decode(struct bytes part, uint8_t *out, size_t cap, size_t *len)
{
    return sodium_base642bin(out, cap, (const char *)part.p, part.len, NULL,
                             len, NULL,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* The key that the header names; NULL also when the header says another
 * algorithm than the key. */
static const struct token_key *key_of(const struct token_keys *keys,
                                      struct bytes head)
{
    uint8_t json[DECODED_LEN_MAX];
    struct claims_head names;
    size_t len;

    if (decode(head, json, sizeof json, &len) != 0 ||
        claims_read_head(bytes_of(json, len), &names) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < keys->len; i++) {
        const struct token_key *key = &keys->keys[i];
        if (strcmp(key->kid, names.kid) == 0) {
            return strcmp(alg_names[key->alg], names.alg) == 0 ? key : NULL;
        }
    }
    return NULL;
}

static void hmac(const struct token_key *key, struct bytes data,
                 uint8_t mac[HS256_LEN])
{
    crypto_auth_hmacsha256(mac, data.p, data.len, key->secret);
}

static bool signature_holds(const struct token_key *key,
                            const struct compact *parts)
{
    struct bytes data = parts->covered;
    uint8_t signature[EDDSA_LEN];
    uint8_t mac[HS256_LEN];
    size_t len;

    if (decode(parts->signature, signature, sizeof signature, &len) != 0) {
        return false;
    }
    switch (key->alg) {
    case TOKEN_HS256:
        hmac(key, data, mac);
        return len == HS256_LEN &&
               sodium_memcmp(mac, signature, HS256_LEN) == 0;
    case TOKEN_EDDSA:
        return len == EDDSA_LEN &&
               crypto_sign_verify_detached(signature, data.p, data.len,
                                           key->public) == 0;
    }
    return false;
}

static int read_claims(struct bytes part, struct token *token)
{
    uint8_t json[DECODED_LEN_MAX];
    size_t len;

    if (decode(part, json, sizeof json, &len) != 0) {
        return ERR_UNAUTH;
    }
    return claims_read(bytes_of(json, len), token);
}

/* Appends the signature of what is there, and its dot. */
static void sign(const struct token_key *key, struct buf *out)
{
    uint8_t signature[EDDSA_LEN];
    size_t len = 0;

    switch (key->alg) {
    case TOKEN_HS256:
        hmac(key, buf_bytes(out), signature);
        len = HS256_LEN;
        break;
    case TOKEN_EDDSA:
        crypto_sign_detached(signature, NULL, out->p, out->len, key->secret);
        len = EDDSA_LEN;
        break;
    }
    buf_add_u8(out, '.');
    add_base64url(out, bytes_of(signature, len));
}

static void add_base64url(struct buf *out, struct bytes data)
{
    enum {
        VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING
    };
    size_t len = sodium_base64_encoded_len(data.len, VARIANT); /* with NUL */
    uint8_t *to = buf_reserve(out, len);

    if (to != NULL) {
        sodium_bin2base64((char *)to, len, data.p, data.len, VARIANT);
        out->len += len - 1;
    }
}
