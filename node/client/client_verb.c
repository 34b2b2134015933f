/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "node/client/client_private.h"
#include "node/conn/conn.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/watch/denied.h"
#include "node/watch/tap.h"
#include "proto/err.h"

static uint64_t now_s(const struct client *client)
{
    return client->core->wall_ms / 1000;
}

/* --- identity --- */

void client_become(struct client *client, struct identity *who)
{
    if (client->who != who) {
        identity_ref(who);
        identity_unref(client->who);
        client->who = who;
        aim_fini(&client->aim);
        client_recheck(client);
    }
    client_arm_watch(client);
}

int client_login(struct client *client, struct bytes token)
{
    struct identity *who;
    int rc;

    if (client->closing) {
        return 0;
    }
    rc = auth_login(&client->core->auth, token, now_s(client), &who);
    if (rc != 0) {
        client->core->stats.auth_failures++;
        return denied(client, &(struct denied_what){.verb = "login"}, rc);
    }
    client_become(client, who);
    identity_unref(who);
    client->logged_in = true;
    return 0;
}

void client_logout(struct client *client)
{
    struct conn *conn = client->conn;
    bool becomes_stranger = client->logged_in && !client->core->auth.insecure;

    client->logged_in = client->core->auth.insecure;
    if (becomes_stranger) { /* its bytes and its time count from here */
        conn->hello_in = 0;
        if (conn->carrier->on_stranger != NULL) {
            conn->carrier->on_stranger(conn);
        }
    }
    client_become(client, client->core->auth.anonymous);
}

int client_may_admin(const struct client *client, const char *scope)
{
    int rc = auth_allows_admin(&client->core->auth, client->who, scope,
                               now_s(client));

    return denied(client,
                  &(struct denied_what){.verb = "use the scope",
                                        .name = bytes_str(scope),
                                        .admin = true},
                  rc);
}

int client_is_known(const struct client *client)
{
    int rc = auth_knows(&client->core->auth, client->who, now_s(client));

    return denied(client, &(struct denied_what){.verb = "ask"}, rc);
}

static int may_read(const struct client *client, enum topic_dialect dialect,
                    struct bytes cache, struct bytes topic)
{
    struct auth *auth = &client->core->auth;

    if (dialect == TOPIC_EXACT) {
        return auth_allows(auth, client->who, AUTH_SUBSCRIBE, cache, topic,
                           now_s(client));
    }
    return auth_allows_pattern(auth, client->who, cache, topic, now_s(client));
}

/* Ends it in its door's words. false: all of the client ended with it. */
static bool end_sub(struct client *client, struct sub *sub, int err)
{
    if (!client->closing && client->door->on_ended != NULL) {
        client->door->on_ended(client, sub, err);
        if (client->closing) {
            return false;
        }
    }
    hub_unsubscribe(client->core->hub, sub);
    return true;
}

void client_recheck(struct client *client)
{
    struct sub *next;

    hub_rights_changed(client->core->hub, client);
    for (struct sub *sub = client->subs; sub != NULL; sub = next) {
        int rc = may_read(client, hub_sub_dialect(sub), hub_sub_cache(sub),
                          hub_sub_topic(sub));
        next = sub->next;
        if (rc != 0 && !end_sub(client, sub, rc)) {
            return;
        }
    }
}

static void end_cache(struct client *client, const struct bytes *cache)
{
    struct sub *next;

    for (struct sub *sub = client->subs; sub != NULL; sub = next) {
        struct bytes name = hub_sub_cache(sub);
        bool gone = cache != NULL ? bytes_eq(name, *cache)
                                  : caches_use(client->core, name) != 0;
        next = sub->next;
        if (gone && !end_sub(client, sub, ERR_NO_CACHE)) {
            return;
        }
    }
}

void clients_forget_aims(struct core *core)
{
    for (struct client *c = core->clients; c != NULL; c = c->next) {
        aim_fini(&c->aim);
    }
}

/* Aims are found anew: each is of a cache that was there. */
void clients_end_cache(struct core *core, const struct bytes *cache)
{
    for (struct client *c = core->clients; c != NULL; c = c->next) {
        aim_fini(&c->aim);
        end_cache(c, cache);
    }
}

void clients_revoke(struct core *core)
{
    struct client *next;

    for (struct client *client = core->clients; client != NULL; client = next) {
        next = client->next;
        if (!client->who->revoked &&
            (auth_revoked(&core->auth, client->who->token.id) ||
             auth_forgot(&core->auth, client->who))) {
            client->who->revoked = true;
            client_recheck(client);
        }
    }
}

/* --- publish --- */

/* Looks at the value once, however long, and at names that it aimed at before
 * not at all. Fills in what it finds: hash and meter (0: not known), flags. */
static int check_item(const struct client *client,
                      const struct client_item *from, struct item *item,
                      struct meter **meter)
{
    struct core *core = client->core;
    bool binary = (from->flags & ITEM_BINARY) != 0;
    int rc = 0;

    if (!core->ready) {
        return ERR_NOT_READY;
    }
    item->hash = aim_find(&client->aim, from->cache, from->topic, meter);
    if (item->hash == 0 &&
        (!topic_cache_is_valid(from->cache) || !topic_is_valid(from->topic))) {
        return ERR_NAME;
    }
    if (from->value.len > core->limits.item_len ||
        from->attrs.len > ITEM_ATTRS_LEN_MAX) {
        return ERR_TOO_BIG;
    }
    if (!binary && !topic_text_is_valid(from->value)) {
        binary = true;
        rc = from->bytes ? 0 : ERR_UTF8;
    }
    if (rc == 0 && from->attrs.len > 0) {
        struct item_attrs attrs;
        rc = item_attrs_read(from->attrs, &attrs);
    }
    if (rc != 0) {
        return rc;
    }
    item->flags = (uint8_t)((from->flags & (ITEM_FLAGS_KNOWN | ITEM_TRACE)) |
                            (binary ? ITEM_BINARY : 0));
    if (item->hash != 0) {
        return identity_check(client->who, now_s(client));
    }
    rc = auth_allows(&core->auth, client->who, AUTH_PUBLISH, from->cache,
                     from->topic, now_s(client));
    return rc != 0 ? rc : caches_use(core, from->cache);
}

int client_publish(struct client *client, const struct client_item *from,
                   struct hub_receipt *receipt)
{
    struct core *core = client->core;
    struct item item = {
        .cache = from->cache,
        .topic = from->topic,
        .value = from->value,
        .conn = client->id,
        .at_ms = core->wall_ms,
        .publisher = client->who->token.subject,
        .attrs = from->attrs,
    };

    struct meter *meter = NULL;

    *receipt = (struct hub_receipt){0};
    if (client->closing) {
        return 0;
    }
    int rc = check_item(client, from, &item, &meter);
    if (rc != 0) {
        return denied(client,
                      &(struct denied_what){.verb = "publish",
                                            .cache = from->cache,
                                            .name = from->topic},
                      rc);
    }
    bool fresh = item.hash == 0;
    if (fresh) {
        meter = meters_of(&core->meters, item.cache);
    }
    rc = meter_take(meter, item.value.len, core->now_ms);
    if (rc != 0) {
        return rc;
    }
    core->stats.published++;
    hub_publish(core->hub, &item, HUB_FROM_CLIENT, receipt);
    if (core->taps != NULL) {
        tap_see(core->taps, &item);
    }
    if (fresh) {
        aim_set(&client->aim, item.cache, item.topic, item.hash, meter);
    }
    return 0;
}

/* --- subscribe --- */

static int check_names(const struct hub_want *want)
{
    bool valid;

    if (want->dialect != TOPIC_EXACT && want->dialect != TOPIC_GLOB) {
        return ERR_UNSUPPORTED;
    }
    valid = want->dialect == TOPIC_EXACT ? topic_is_valid(want->topic)
                                         : topic_pattern_is_valid(want->topic);
    return valid && topic_cache_is_valid(want->cache) ? 0 : ERR_NAME;
}

static bool is_full(const struct client *client, const struct hub_want *want)
{
    const struct limits *limits = &client->core->limits;
    bool full = client->subs_len >= limits->subs_per_client ||
                (want->dialect != TOPIC_EXACT &&
                 client->patterns_len >= limits->patterns_per_client);

    return full && hub_find(client->core->hub, client, want) == NULL;
}

/* Counts what it refuses. */
static bool is_over_quota(const struct client *client,
                          const struct hub_want *want)
{
    const struct core *core = client->core;
    struct meter *meter = meters_find(&core->meters, want->cache);

    if (meter == NULL || meter->quota.subs == 0 ||
        hub_subs_in(core->hub, want->cache) < meter->quota.subs ||
        hub_find(core->hub, client, want) != NULL) {
        return false;
    }
    meter->usage.refused++;
    return true;
}

int client_may_subscribe(struct client *client, const struct hub_want *want)
{
    int rc;

    if (client->closing) {
        return ERR_CLOSING;
    }
    rc = check_names(want);
    if (rc == 0) {
        rc = may_read(client, want->dialect, want->cache, want->topic);
        rc = denied(client,
                    &(struct denied_what){.verb = "subscribe",
                                          .cache = want->cache,
                                          .name = want->topic},
                    rc);
    }
    if (rc == 0) {
        rc = caches_use(client->core, want->cache);
    }
    if (rc == 0 && is_full(client, want)) {
        rc = ERR_LIMIT;
    }
    if (rc == 0 && is_over_quota(client, want)) {
        rc = ERR_QUOTA_SUBS;
    }
    return rc;
}

int client_subscribe(struct client *client, struct hub_want *want,
                     struct sub **sub, struct hub_position *position)
{
    int rc = client_may_subscribe(client, want);

    if (rc != 0) {
        return rc;
    }
    want->variant.door = client->door;
    want->variant.framing = client->framing;
    rc = hub_subscribe(client->core->hub, client, want, sub, position);
    if (rc == 0 && client->subs_len == 1) {
        client_arm_watch(client);
    }
    return rc;
}

void client_unsubscribe(struct client *client, struct sub *sub)
{
    if (!client->closing) {
        assert(sub->client == client);
        hub_unsubscribe(client->core->hub, sub);
    }
}
