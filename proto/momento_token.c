/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/momento_token.h"

#include "momento/auth.pb-c.h"
#include "momento/token.pb-c.h"
#include "proto/err.h"
#include "proto/momento_wire.h"

static int read_permissions(const PermissionMessages__Permissions *from,
                            struct momento_permissions *to);
static int read_permission(const PermissionMessages__PermissionsType *from,
                           struct momento_permission *to);
static void read_cache(const PermissionMessages__CachePermissions *from,
                       struct momento_permission *to);
static void read_topic(const PermissionMessages__TopicPermissions *from,
                       struct momento_permission *to);

int momento_read_disposable(struct bytes message, struct buf *memory,
                            struct momento_token_wish *wish)
{
    ProtobufCMessage *read = NULL;
    int err = momento_unpack(
        &token__generate_disposable_token_request__descriptor, message, memory,
        &read);
    if (err < 0) {
        return err;
    }
    const Token__GenerateDisposableTokenRequest *request = (void *)read;
    *wish = (struct momento_token_wish){
        .expires = request->expires != NULL,
        .valid_s = request->expires == NULL
                       ? 0
                       : request->expires->valid_for_seconds,
        .holder = momento_slice(request->auth_token),
        .id = momento_slice(request->token_id),
    };
    return read_permissions(request->permissions, &wish->permissions);
}

int momento_read_api_token(struct bytes message, struct buf *memory,
                           struct momento_token_wish *wish)
{
    ProtobufCMessage *read = NULL;
    int err = momento_unpack(&auth__generate_api_token_request__descriptor,
                             message, memory, &read);
    if (err < 0) {
        return err;
    }
    const Auth__GenerateApiTokenRequest *request = (void *)read;
    bool expires = request->expiry_case ==
                   AUTH__GENERATE_API_TOKEN_REQUEST__EXPIRY_EXPIRES;
    *wish = (struct momento_token_wish){
        .never = request->expiry_case ==
                 AUTH__GENERATE_API_TOKEN_REQUEST__EXPIRY_NEVER,
        .expires = expires,
        .valid_s = expires ? request->expires->valid_for_seconds : 0,
        .holder = momento_slice(request->auth_token),
        .id = momento_slice(request->token_id),
        .description = momento_slice(request->description),
    };
    return read_permissions(request->permissions, &wish->permissions);
}

int momento_read_refresh(struct bytes message, struct buf *memory,
                         struct momento_key *key)
{
    ProtobufCMessage *read = NULL;
    int err = momento_unpack(&auth__refresh_api_token_request__descriptor,
                             message, memory, &read);
    if (err == 0) {
        const Auth__RefreshApiTokenRequest *request = (void *)read;
        *key = (struct momento_key){
            .api_key = momento_slice(request->api_key),
            .refresh_token = momento_slice(request->refresh_token),
        };
    }
    return err;
}

void momento_write_disposable(struct buf *out, const struct momento_key *key)
{
    Token__GenerateDisposableTokenResponse whole =
        TOKEN__GENERATE_DISPOSABLE_TOKEN_RESPONSE__INIT;

    whole.api_key = momento_data(key->api_key);
    whole.endpoint = momento_data(key->endpoint);
    whole.valid_until = key->valid_until;
    momento_pack(&whole.base, out);
}

/* The two answers have the same fields: one message serves both. */
void momento_write_api_token(struct buf *out, const struct momento_key *key)
{
    Auth__GenerateApiTokenResponse whole =
        AUTH__GENERATE_API_TOKEN_RESPONSE__INIT;

    whole.api_key = momento_data(key->api_key);
    whole.refresh_token = momento_data(key->refresh_token);
    whole.endpoint = momento_data(key->endpoint);
    whole.valid_until = key->valid_until;
    momento_pack(&whole.base, out);
}

/* --- permissions --- */

static int read_permissions(const PermissionMessages__Permissions *from,
                            struct momento_permissions *to)
{
    if (from == NULL ||
        from->kind_case == PERMISSION_MESSAGES__PERMISSIONS__KIND__NOT_SET) {
        return 0;
    }
    to->given = true;
    if (from->kind_case == PERMISSION_MESSAGES__PERMISSIONS__KIND_SUPER_USER) {
        to->super_user = true;
        return from->super_user ==
                       PERMISSION_MESSAGES__SUPER_USER_PERMISSIONS__SuperUser
                   ? 0
                   : ERR_ARGUMENT;
    }
    const PermissionMessages__ExplicitPermissions *list = from->explicit_;
    if (list->n_permissions > ARRAY_LEN(to->list)) {
        return ERR_ARGUMENT;
    }
    int err = 0;
    for (size_t i = 0; i < list->n_permissions && err == 0; i++) {
        err = read_permission(list->permissions[i], &to->list[to->len++]);
    }
    return err;
}

static int read_permission(const PermissionMessages__PermissionsType *from,
                           struct momento_permission *to)
{
    unsigned role = 0;

    if (from->kind_case ==
        PERMISSION_MESSAGES__PERMISSIONS_TYPE__KIND_CACHE_PERMISSIONS) {
        role = (unsigned)from->cache_permissions->role;
        read_cache(from->cache_permissions, to);
    }
    if (from->kind_case ==
        PERMISSION_MESSAGES__PERMISSIONS_TYPE__KIND_TOPIC_PERMISSIONS) {
        role = (unsigned)from->topic_permissions->role;
        read_topic(from->topic_permissions, to);
    }
    if (from->kind_case ==
        PERMISSION_MESSAGES__PERMISSIONS_TYPE__KIND_FUNCTION_PERMISSIONS) {
        to->kind = MOMENTO_KIND_FUNCTION;
    }
    to->role = (enum momento_role)role;
    return role <= MOMENTO_ROLE_WRITE ? 0 : ERR_ARGUMENT;
}

static void read_cache(const PermissionMessages__CachePermissions *from,
                       struct momento_permission *to)
{
    to->kind = MOMENTO_KIND_CACHE;
    to->all_caches = from->cache_case ==
                     PERMISSION_MESSAGES__CACHE_PERMISSIONS__CACHE_ALL_CACHES;
    if (from->cache_case ==
        PERMISSION_MESSAGES__CACHE_PERMISSIONS__CACHE_CACHE_SELECTOR) {
        to->cache = momento_slice(from->cache_selector->cache_name);
    }
    to->all = from->cache_item_case ==
              PERMISSION_MESSAGES__CACHE_PERMISSIONS__CACHE_ITEM_ALL_ITEMS;
    if (from->cache_item_case ==
        PERMISSION_MESSAGES__CACHE_PERMISSIONS__CACHE_ITEM_ITEM_SELECTOR) {
        const PermissionMessages__CacheItemSelector *item = from->item_selector;
        to->prefix = item->kind_case ==
                     PERMISSION_MESSAGES__CACHE_ITEM_SELECTOR__KIND_KEY_PREFIX;
        to->name = to->prefix ? momento_slice(item->key_prefix)
                   : item->kind_case ==
                           PERMISSION_MESSAGES__CACHE_ITEM_SELECTOR__KIND_KEY
                       ? momento_slice(item->key)
                       : (struct bytes){0};
    }
}

static void read_topic(const PermissionMessages__TopicPermissions *from,
                       struct momento_permission *to)
{
    to->kind = MOMENTO_KIND_TOPIC;
    to->all_caches = from->cache_case ==
                     PERMISSION_MESSAGES__TOPIC_PERMISSIONS__CACHE_ALL_CACHES;
    if (from->cache_case ==
        PERMISSION_MESSAGES__TOPIC_PERMISSIONS__CACHE_CACHE_SELECTOR) {
        to->cache = momento_slice(from->cache_selector->cache_name);
    }
    to->all = from->topic_case ==
              PERMISSION_MESSAGES__TOPIC_PERMISSIONS__TOPIC_ALL_TOPICS;
    if (from->topic_case ==
        PERMISSION_MESSAGES__TOPIC_PERMISSIONS__TOPIC_TOPIC_SELECTOR) {
        const PermissionMessages__TopicSelector *topic = from->topic_selector;
        to->prefix =
            topic->kind_case ==
            PERMISSION_MESSAGES__TOPIC_SELECTOR__KIND_TOPIC_NAME_PREFIX;
        to->name = to->prefix ? momento_slice(topic->topic_name_prefix)
                   : topic->kind_case ==
                           PERMISSION_MESSAGES__TOPIC_SELECTOR__KIND_TOPIC_NAME
                       ? momento_slice(topic->topic_name)
                       : (struct bytes){0};
    }
}
