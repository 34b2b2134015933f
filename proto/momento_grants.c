/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/momento_grants.h"

#include "proto/err.h"
#include "proto/topic.h"

static bool is_whole(const struct momento_permission *p);
static bool are_of_one(const struct momento_permission *a,
                       const struct momento_permission *b);
static struct token_grant grant_of(const struct momento_permission *p);

int momento_grants(const struct momento_permissions *from, struct token *token)
{
    token->grants_len = 0;
    if (from->super_user) {
        return ERR_DENIED;
    }
    if (from->len == 0) {
        return ERR_ARGUMENT;
    }
    for (size_t i = 0; i < from->len; i++) {
        const struct momento_permission *p = &from->list[i];
        if (!is_whole(p)) {
            return ERR_ARGUMENT;
        }
        for (size_t k = 0; k < i; k++) {
            if (are_of_one(p, &from->list[k])) {
                return ERR_ARGUMENT;
            }
        }
        if (p->kind != MOMENTO_KIND_TOPIC || p->role == MOMENTO_ROLE_NONE) {
            continue;
        }
        if (token->grants_len == TOKEN_GRANTS_MAX) {
            return ERR_ARGUMENT;
        }
        token->grants[token->grants_len++] = grant_of(p);
    }
    return 0;
}

/* Says for what it is. Which keys a cache permission is for is no matter. */
static bool is_whole(const struct momento_permission *p)
{
    switch (p->kind) {
    case MOMENTO_KIND_NONE:
        return false;
    case MOMENTO_KIND_FUNCTION:
        return true;
    case MOMENTO_KIND_CACHE:
        return p->all_caches || topic_cache_is_valid(p->cache);
    case MOMENTO_KIND_TOPIC:
        return (p->all_caches || topic_cache_is_valid(p->cache)) &&
               (p->all || topic_is_valid(p->name));
    }
    return false;
}

/* A cache permission that names no key is for all of them. */
static bool is_for_all(const struct momento_permission *p)
{
    return p->all || (p->kind == MOMENTO_KIND_CACHE && p->name.len == 0);
}

static bool are_of_one(const struct momento_permission *a,
                       const struct momento_permission *b)
{
    bool named = !is_for_all(a) && !is_for_all(b);

    return a->kind == b->kind && a->kind != MOMENTO_KIND_FUNCTION &&
           a->all_caches == b->all_caches &&
           (a->all_caches || bytes_eq(a->cache, b->cache)) &&
           is_for_all(a) == is_for_all(b) &&
           (!named || (a->prefix == b->prefix && bytes_eq(a->name, b->name)));
}

static struct token_grant grant_of(const struct momento_permission *p)
{
    static const uint8_t roles[] = {
        [MOMENTO_ROLE_READ_WRITE] = TOKEN_BOTH,
        [MOMENTO_ROLE_READ] = TOKEN_SUBSCRIBE,
        [MOMENTO_ROLE_WRITE] = TOKEN_PUBLISH,
    };

    return (struct token_grant){
        .cache = p->all_caches ? (struct bytes){0} : p->cache,
        .topic = p->all ? (struct bytes){0} : p->name,
        .prefix = !p->all && p->prefix,
        .all = p->all,
        .role = roles[p->role],
    };
}
