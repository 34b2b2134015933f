/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/token_wish.h"

#include <jansson.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/v1key.h"

/* A wish while it is read. */
struct reading {
    struct token_wish wish;
    size_t used; /* of the token's memory */
};

static json_t *load(struct bytes text);
static int read_wish(json_t *root, struct reading *r);
static int read_member(struct reading *r, const char *name, json_t *value);

int token_wish_read(struct bytes text, struct token_wish *wish)
{
    struct reading r = {0};
    json_t *root = load(text);

    if (root == NULL) {
        return ERR_SYNTAX;
    }
    /* All that is kept of it together cannot be longer than it was. */
    r.wish.token.memory = malloc(text.len);
    int rc = r.wish.token.memory == NULL ? ERR_NOMEM : read_wish(root, &r);
    json_decref(root);
    if (rc != 0) {
        token_fini(&r.wish.token);
        return rc;
    }
    *wish = r.wish;
    return 0;
}

int token_revocation_read(struct bytes text, struct buf *memory,
                          struct token_revocation *revocation)
{
    json_t *root = load(text);
    const json_t *id = json_object_get(root, "id");
    const json_t *token = json_object_get(root, "token");
    const json_t *one = id != NULL ? id : token;
    size_t len = json_string_length(one);
    int rc = ERR_ARGUMENT;

    if (root == NULL) {
        rc = ERR_SYNTAX;
    } else if (json_object_size(root) == 1 && len > 0 &&
               len <= (id != NULL ? TOKEN_ID_LEN_MAX : V1KEY_LEN_MAX)) {
        buf_add(memory, json_string_value(one), len);
        rc = memory->failed ? ERR_NOMEM : 0;
    }
    if (rc == 0) {
        struct bytes *to = id != NULL ? &revocation->id : &revocation->token;
        *revocation = (struct token_revocation){0};
        *to = buf_bytes(memory);
    }
    json_decref(root);
    return rc;
}

/* --- */

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

static int read_wish(json_t *root, struct reading *r)
{
    const char *name;
    json_t *value;
    int rc = json_object_get(root, "ttl_s") == NULL ? ERR_ARGUMENT : 0;

    json_object_foreach(root, name, value)
    {
        rc = rc == 0 ? read_member(r, name, value) : rc;
    }
    return rc;
}

/* Copies a text into the memory of the token. Errors: ERR_ARGUMENT: none, or an
 * empty one. */
static int keep(struct reading *r, const json_t *value, struct bytes *text)
{
    size_t len = json_string_length(value);

    if (len == 0) {
        return ERR_ARGUMENT;
    }
    uint8_t *to = r->wish.token.memory + r->used;
    memcpy(to, json_string_value(value), len);
    r->used += len;
    *text = bytes_of(to, len);
    return 0;
}

/* Which of the words it is: 0, 1 ...; or ERR_ARGUMENT. */
static int word_of(const json_t *value, const char *const words[], size_t len)
{
    const char *text = json_string_value(value);

    for (size_t i = 0; text != NULL && i < len; i++) {
        if (strcmp(text, words[i]) == 0) {
            return (int)i;
        }
    }
    return ERR_ARGUMENT;
}

static int read_ttl(const json_t *value, uint64_t *ttl_s)
{
    static const char *const never[] = {"never"};
    json_int_t n = json_integer_value(value);

    *ttl_s = 0;
    if (json_is_integer(value) && n > 0 && n <= TOKEN_TIME_MAX_S) {
        *ttl_s = (uint64_t)n;
        return 0;
    }
    return word_of(value, never, 1);
}

static int read_grant_member(struct reading *r, struct token_grant *grant,
                             const char *name, const json_t *value)
{
    static const char *const roles[] = {"publish", "subscribe", "both"};

    if (strcmp(name, "role") == 0) {
        int role = word_of(value, roles, ARRAY_LEN(roles));
        grant->role = (uint8_t)(role + 1);
        return role < 0 ? role : 0;
    }
    if (strcmp(name, "cache") == 0) {
        return keep(r, value, &grant->cache);
    }
    if (strcmp(name, "topic") == 0 || strcmp(name, "topic_prefix") == 0) {
        bool again = !grant->all;
        grant->all = false;
        grant->prefix = name[5] != '\0';
        return again ? ERR_ARGUMENT : keep(r, value, &grant->topic);
    }
    return ERR_ARGUMENT;
}

/* Which names are valid is for who signs it. */
static int read_grant(struct reading *r, json_t *from)
{
    struct token *token = &r->wish.token;
    struct token_grant grant = {.all = true};
    const char *name;
    json_t *value;
    int rc = token->grants_len < TOKEN_GRANTS_MAX ? 0 : ERR_ARGUMENT;

    json_object_foreach(from, name, value)
    {
        rc = rc == 0 ? read_grant_member(r, &grant, name, value) : rc;
    }
    if (rc != 0 || grant.cache.len == 0 || grant.role == 0) {
        return ERR_ARGUMENT;
    }
    if (bytes_eq(grant.cache, BYTES("*"))) {
        grant.cache.len = 0;
    }
    token->grants[token->grants_len++] = grant;
    return 0;
}

static int read_scope(struct reading *r, json_t *from)
{
    struct token *token = &r->wish.token;

    if (token->scopes_len == TOKEN_SCOPES_MAX) {
        return ERR_ARGUMENT;
    }
    return keep(r, from, &token->scopes[token->scopes_len++]);
}

static int read_list(struct reading *r, const json_t *list,
                     int (*read)(struct reading *r, json_t *from))
{
    size_t i;
    json_t *each;
    int rc = json_is_array(list) ? 0 : ERR_ARGUMENT;

    json_array_foreach(list, i, each)
    {
        rc = rc == 0 ? read(r, each) : rc;
    }
    return rc;
}

static int read_member(struct reading *r, const char *name, json_t *value)
{
    static const char *const kinds[] = {"disposable", "api_key"};
    static const char *const formats[] = {"jwt", "v1"};
    struct token_wish *wish = &r->wish;
    int word;

    if (strcmp(name, "ttl_s") == 0) {
        return read_ttl(value, &wish->ttl_s);
    }
    if (strcmp(name, "subject") == 0) {
        return keep(r, value, &wish->token.subject);
    }
    if (strcmp(name, "grants") == 0) {
        return read_list(r, value, read_grant);
    }
    if (strcmp(name, "scopes") == 0) {
        return read_list(r, value, read_scope);
    }
    if (strcmp(name, "kind") == 0) {
        word = word_of(value, kinds, ARRAY_LEN(kinds));
        wish->token.kind = word == 1 ? TOKEN_API_KEY : TOKEN_PLAIN;
        return word < 0 ? word : 0;
    }
    if (strcmp(name, "format") == 0) {
        word = word_of(value, formats, ARRAY_LEN(formats));
        wish->v1 = word == 1;
        return word < 0 ? word : 0;
    }
    return ERR_ARGUMENT;
}
