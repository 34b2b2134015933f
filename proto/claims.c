/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/claims.h"

#include <jansson.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/json.h"
#include "proto/topic.h"

enum {
    SCOPE_LEN_MAX = 64
};

static const char *const kinds[] = {
    [TOKEN_PLAIN] = NULL,
    [TOKEN_API_KEY] = "g",
    [TOKEN_REFRESH] = "r",
};

/* --- reading --- */

/* One object and nothing after it, or NULL. */
static json_t *load(struct bytes text)
{
    json_t *json = json_loadb((const char *)text.p, text.len,
                              JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static int copy_text(const json_t *string, char *out, size_t cap)
{
    const char *text = json_string_value(string);

    if (text == NULL || strlen(text) >= cap) {
        return ERR_UNAUTH;
    }
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

int claims_read_head(struct bytes text, struct claims_head *head)
{
    json_t *json = load(text);
    int rc = ERR_UNAUTH;

    if (json != NULL && json_object_get(json, "crit") == NULL &&
        copy_text(json_object_get(json, "kid"), head->kid, sizeof head->kid) ==
            0) {
        rc = copy_text(json_object_get(json, "alg"), head->alg,
                       sizeof head->alg);
    }
    json_decref(json);
    return rc;
}

/* Copies a string into the memory of the token; p == NULL if it is none. */
static struct bytes keep(struct token *token, size_t *used,
                         const json_t *string)
{
    size_t len = json_string_length(string);

    if (!json_is_string(string)) {
        return (struct bytes){0};
    }
    /* Together they cannot be longer than the text that they were read from. */
    uint8_t *to = token->memory + *used;
    memcpy(to, json_string_value(string), len);
    *used += len;
    return bytes_of(to, len);
}

/* A whole number from 0 to the end of the year 9999: a time in milliseconds is
 * a mistake. */
static int read_time(const json_t *value, uint64_t *time)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > TOKEN_TIME_MAX_S) {
        return ERR_UNAUTH;
    }
    *time = (uint64_t)json_integer_value(value);
    return 0;
}

static uint8_t role_of(const json_t *value)
{
    const char *text = json_string_value(value);

    if (text == NULL) {
        return 0;
    }
    if (strcmp(text, "pub") == 0) {
        return TOKEN_PUBLISH;
    }
    if (strcmp(text, "sub") == 0) {
        return TOKEN_SUBSCRIBE;
    }
    return strcmp(text, "both") == 0 ? TOKEN_BOTH : 0;
}

/* A member that is not known might restrict: the grant is refused, not read
 * without it. What is left wrong here, is_valid() finds. */
static int read_grant(json_t *from, struct token *token, size_t *used,
                      struct token_grant *grant)
{
    json_t *cache = json_object_get(from, "c");
    json_t *topic = json_object_get(from, "t");
    json_t *prefix = json_object_get(from, "p");
    size_t known = 2u + (topic != NULL) + (prefix != NULL);

    if (!json_is_string(cache) || (topic != NULL && prefix != NULL) ||
        json_object_size(from) != known) {
        return ERR_UNAUTH;
    }
    grant->role = role_of(json_object_get(from, "r"));
    grant->prefix = prefix != NULL;
    grant->all = topic == NULL && prefix == NULL;
    grant->topic = keep(token, used, grant->prefix ? prefix : topic);
    grant->cache = keep(token, used, cache);
    if (bytes_eq(grant->cache, BYTES("*"))) {
        grant->cache.len = 0;
    } else if (grant->cache.len == 0) {
        return ERR_UNAUTH;
    }
    return 0;
}

static int read_grants(json_t *list, struct token *token, size_t *used)
{
    size_t i;
    json_t *each;

    if (!json_is_array(list) || json_array_size(list) > TOKEN_GRANTS_MAX) {
        return ERR_UNAUTH;
    }
    json_array_foreach(list, i, each)
    {
        if (read_grant(each, token, used, &token->grants[i]) != 0) {
            return ERR_UNAUTH;
        }
    }
    token->grants_len = json_array_size(list);
    return 0;
}

static int read_scopes(json_t *list, struct token *token, size_t *used)
{
    size_t i;
    json_t *each;

    if (!json_is_array(list) || json_array_size(list) > TOKEN_SCOPES_MAX) {
        return ERR_UNAUTH;
    }
    json_array_foreach(list, i, each)
    {
        token->scopes[i] = keep(token, used, each);
    }
    token->scopes_len = json_array_size(list);
    return 0;
}

/* What a token is for. One that we do not know may be for nothing of ours. */
static int read_kind(const json_t *value, enum token_kind *kind)
{
    const char *text = json_string_value(value);

    *kind = TOKEN_PLAIN;
    if (value == NULL) {
        return 0;
    }
    if (text != NULL && strcmp(text, kinds[TOKEN_API_KEY]) == 0) {
        *kind = TOKEN_API_KEY;
    } else if (text != NULL && strcmp(text, kinds[TOKEN_REFRESH]) == 0) {
        *kind = TOKEN_REFRESH;
    } else {
        return ERR_UNAUTH;
    }
    return 0;
}

/* A token for a named audience is not for us (RFC 7519 section 4.1.3). Claims
 * that we do not know say nothing to us. */
static int fill(json_t *claims, struct token *token)
{
    json_t *sub = json_object_get(claims, "sub");
    json_t *nbf = json_object_get(claims, "nbf");
    json_t *jti = json_object_get(claims, "jti");
    json_t *grants = json_object_get(claims, "gr");
    json_t *scopes = json_object_get(claims, "sc");
    size_t used = 0;

    if (json_object_get(claims, "aud") != NULL ||
        read_kind(json_object_get(claims, "t"), &token->kind) != 0 ||
        read_time(json_object_get(claims, "exp"), &token->expires_at) != 0 ||
        (nbf != NULL && read_time(nbf, &token->not_before) != 0) ||
        (sub != NULL && json_string_length(sub) == 0) ||
        (jti != NULL && !json_is_string(jti)) ||
        (grants != NULL && read_grants(grants, token, &used) != 0) ||
        (scopes != NULL && read_scopes(scopes, token, &used) != 0)) {
        return ERR_UNAUTH;
    }
    /* Others write it in forms that we do not need to understand. */
    (void)read_time(json_object_get(claims, "iat"), &token->issued_at);
    token->subject = keep(token, &used, sub);
    token->id = keep(token, &used, jti);
    return 0;
}

int claims_read(struct bytes text, struct token *token)
{
    struct token read = {0};
    json_t *json = load(text);

    if (json == NULL) {
        return ERR_UNAUTH;
    }
    read.memory = malloc(text.len);
    int rc = read.memory == NULL ? ERR_NOMEM : fill(json, &read);
    json_decref(json);
    if (rc != 0 || !claims_are_valid(&read)) {
        free(read.memory);
        return rc != 0 ? rc : ERR_UNAUTH;
    }
    *token = read;
    return 0;
}

static bool grant_is_valid(const struct token_grant *grant)
{
    bool named = grant->cache.len == 0 || topic_cache_is_valid(grant->cache);
    bool whole = grant->all && !grant->prefix && grant->topic.len == 0;

    return named && grant->role >= TOKEN_PUBLISH && grant->role <= TOKEN_BOTH &&
           (whole || (!grant->all && topic_is_valid(grant->topic)));
}

/* Who acts on others has a name. */
static bool subject_is_valid(const struct token *token)
{
    if (token->subject.len == 0) {
        return token->scopes_len == 0;
    }
    return topic_is_valid(token->subject) &&
           token->subject.len <= TOKEN_SUBJECT_LEN_MAX;
}

static bool kind_is_valid(const struct token *token)
{
    return token->kind != TOKEN_REFRESH ||
           (token->grants_len == 0 && token->scopes_len == 0 &&
            token->id.len > 0 && token->issued_at > 0 &&
            token->issued_at < token->expires_at);
}

bool claims_are_valid(const struct token *token)
{
    if (!subject_is_valid(token) || !kind_is_valid(token) ||
        token->id.len > TOKEN_ID_LEN_MAX ||
        (token->id.p != NULL && !topic_is_valid(token->id)) ||
        token->expires_at == 0 || token->expires_at > TOKEN_TIME_MAX_S ||
        token->not_before > TOKEN_TIME_MAX_S ||
        token->issued_at > TOKEN_TIME_MAX_S ||
        token->grants_len > TOKEN_GRANTS_MAX ||
        token->scopes_len > TOKEN_SCOPES_MAX) {
        return false;
    }
    for (size_t i = 0; i < token->grants_len; i++) {
        if (!grant_is_valid(&token->grants[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < token->scopes_len; i++) {
        if (token->scopes[i].len > SCOPE_LEN_MAX ||
            !topic_is_valid(token->scopes[i])) {
            return false;
        }
    }
    return true;
}

/* --- writing --- */

void claims_write_head(const char *alg, const char *kid, struct buf *out)
{
    buf_add_u8(out, '{');
    json_add_name(out, false, "alg");
    json_add_string(out, bytes_str(alg));
    json_add_name(out, true, "kid");
    json_add_string(out, bytes_str(kid));
    json_add_name(out, true, "typ");
    json_add_string(out, BYTES("JWT"));
    buf_add_u8(out, '}');
}

static void write_grant(const struct token_grant *grant, struct buf *out)
{
    static const char *const roles[] = {
        [TOKEN_PUBLISH] = "pub",
        [TOKEN_SUBSCRIBE] = "sub",
        [TOKEN_BOTH] = "both",
    };

    json_add_name(out, false, "c");
    json_add_string(out, grant->cache.len == 0 ? BYTES("*") : grant->cache);
    if (!grant->all) {
        json_add_name(out, true, grant->prefix ? "p" : "t");
        json_add_string(out, grant->topic);
    }
    json_add_name(out, true, "r");
    json_add_string(out, bytes_str(roles[grant->role]));
}

void claims_write(const struct token *token, struct buf *out)
{
    buf_add_u8(out, '{');
    json_add_name(out, false, "exp");
    buf_add_u64(out, token->expires_at);
    if (token->subject.len > 0) {
        json_add_name(out, true, "sub");
        json_add_string(out, token->subject);
    }
    if (token->issued_at != 0) {
        json_add_name(out, true, "iat");
        buf_add_u64(out, token->issued_at);
    }
    if (token->kind != TOKEN_PLAIN) {
        json_add_name(out, true, "t");
        json_add_string(out, bytes_str(kinds[token->kind]));
    }
    if (token->not_before != 0) {
        json_add_name(out, true, "nbf");
        buf_add_u64(out, token->not_before);
    }
    if (token->id.len > 0) {
        json_add_name(out, true, "jti");
        json_add_string(out, token->id);
    }
    json_add_name(out, true, "gr");
    for (size_t i = 0; i < token->grants_len; i++) {
        buf_add_str(out, i == 0 ? "[{" : "},{");
        write_grant(&token->grants[i], out);
    }
    buf_add_str(out, token->grants_len == 0 ? "[]" : "}]");
    json_add_name(out, true, "sc");
    buf_add_u8(out, '[');
    for (size_t i = 0; i < token->scopes_len; i++) {
        buf_add_str(out, i == 0 ? "" : ",");
        json_add_string(out, token->scopes[i]);
    }
    buf_add_str(out, "]}");
}
