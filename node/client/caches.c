/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/caches.h"

#include "cluster/cluster.h"
#include "node/client/client.h"
#include "node/config/quotas.h"
#include "node/core.h"
#include "proto/err.h"
#include "proto/topic.h"

static int may_change(const struct core *core, struct bytes cache);
static int set(struct core *core, struct bytes cache, struct bytes value,
               uint64_t until_s);
static void bound(struct core *core, const struct cluster_register *reg);
static int bound_by(struct core *core, struct bytes cache,
                    const struct quota *quota);
static void say(const struct core *core, const char *event, struct bytes cache,
                const struct identity *by);
static bool find_register(const struct core *core, struct bytes cache,
                          struct cluster_register *reg);
static bool exists(const struct cluster_register *reg);
static bool is_fixed(const struct core *core, struct bytes cache);
static void show(const struct cluster_register *reg,
                 struct caches_entry *entry);
static void show_fixed(const struct core *core, struct bytes cache,
                       struct caches_entry *entry);

int caches_use(const struct core *core, struct bytes cache)
{
    struct cluster_register reg;

    if (!core->caches.only_known || !core->ready ||
        topic_cache_is_system(cache) || is_fixed(core, cache) ||
        find_register(core, cache, &reg)) {
        return 0;
    }
    return ERR_NO_CACHE;
}

/* --- changes --- */

int caches_put(struct core *core, struct bytes cache, const struct quota *quota,
               const struct identity *by, bool *created)
{
    struct cluster_register reg;
    struct buf value = {0};
    int rc = may_change(core, cache);

    if (rc != 0) {
        return rc;
    }
    *created = !find_register(core, cache, &reg);
    quota_write(quota, &value);
    rc = value.failed ? ERR_NOMEM : set(core, cache, buf_bytes(&value), 0);
    buf_fini(&value);
    if (rc == 0) {
        say(core, *created ? "cache-created" : "cache-changed", cache, by);
    }
    return rc;
}

int caches_create(struct core *core, struct bytes cache,
                  const struct identity *by)
{
    const struct quota none = {0};
    struct caches_entry entry;
    bool created;

    if (caches_find(core, cache, &entry)) {
        return ERR_CONFLICT;
    }
    return caches_put(core, cache, &none, by, &created);
}

int caches_delete(struct core *core, struct bytes cache,
                  const struct identity *by)
{
    struct cluster_register reg;
    int rc = may_change(core, cache);

    if (rc != 0) {
        return rc;
    }
    if (!find_register(core, cache, &reg)) {
        return ERR_NO_CACHE;
    }
    rc = set(core, cache, (struct bytes){0},
             core->wall_ms / 1000 + CACHES_DELETED_S);
    if (rc == 0) {
        say(core, "cache-deleted", cache, by);
    }
    return rc;
}

uint64_t caches_version(const struct core *core)
{
    return core->cluster == NULL ? 0 : cluster_version(core->cluster);
}

/* --- questions --- */

bool caches_find(const struct core *core, struct bytes cache,
                 struct caches_entry *entry)
{
    struct cluster_register reg;

    if (is_fixed(core, cache)) {
        show_fixed(core, cache, entry);
        return true;
    }
    if (!find_register(core, cache, &reg)) {
        return false;
    }
    show(&reg, entry);
    return true;
}

bool caches_next(const struct core *core, size_t *at,
                 struct caches_entry *entry)
{
    struct cluster_register reg;

    if (*at < core->caches.fixed_len) {
        show_fixed(core, core->caches.fixed[*at], entry);
        ++*at;
        return true;
    }
    while (core->cluster != NULL &&
           cluster_register_at(core->cluster, CLUSTER_REGISTER_CACHE,
                               *at - core->caches.fixed_len, &reg)) {
        ++*at;
        if (exists(&reg) && !is_fixed(core, reg.key)) {
            show(&reg, entry);
            return true;
        }
    }
    return false;
}

bool caches_shows(const struct identity *who, struct bytes cache)
{
    const struct token *token = &who->token;

    return token_has_scope(token, BYTES("admin:read")) ||
           token_has_scope(token, BYTES("admin:caches")) ||
           token_reaches(token, TOKEN_PUBLISH, cache) ||
           token_reaches(token, TOKEN_SUBSCRIBE, cache);
}

/* --- news --- */

void caches_changed(struct core *core, const struct cluster_register *reg)
{
    if (!topic_cache_is_valid(reg->key) || is_fixed(core, reg->key)) {
        return;
    }
    bound(core, reg);
    if (exists(reg)) {
        return;
    }
    clients_end_cache(core, &reg->key);
    hub_forget(core->hub, reg->key);
}

void caches_known(struct core *core)
{
    if (core->caches.only_known) {
        clients_end_cache(core, NULL);
    }
}

static void bound(struct core *core, const struct cluster_register *reg)
{
    struct caches_entry entry;

    show(reg, &entry);
    (void)bound_by(core, reg->key, &entry.quota);
}

/* What bounded nothing so far and shall not, needs no meter. */
static int bound_by(struct core *core, struct bytes cache,
                    const struct quota *quota)
{
    struct meter *meter = meters_find(&core->meters, cache);

    if (meter == NULL && !quota_is_none(quota)) {
        meter = meters_own(&core->meters, cache);
        hub_meter_anew(core->hub, cache);
        clients_forget_aims(core);
        if (meter == NULL) {
            log_line(core->log, LOG_WARN, "cache-quota-ignored", "cache=%.*s",
                     (int)cache.len, (const char *)cache.p);
            return ERR_NOMEM;
        }
    }
    if (meter != NULL) {
        meter_bound(meter, quota);
    }
    return 0;
}

int caches_fix(struct core *core, const struct bytes *names,
               const struct quotas *quotas)
{
    int rc = 0;

    core->caches.fixed = names;
    core->caches.fixed_len = quotas->len;
    for (size_t i = 0; i < quotas->len; i++) {
        int one = bound_by(core, names[i], &quotas->rows[i].quota);
        rc = rc == 0 ? one : rc;
    }
    return rc;
}

/* Each is bounded as it was created, if it was. */
void caches_unfix(struct core *core)
{
    static const struct quota none;
    const struct bytes *names = core->caches.fixed;
    size_t len = core->caches.fixed_len;
    struct cluster_register reg;

    core->caches.fixed_len = 0;
    for (size_t i = 0; i < len; i++) {
        if (find_register(core, names[i], &reg)) {
            bound(core, &reg);
        } else {
            (void)bound_by(core, names[i], &none);
        }
    }
}

/* --- helpers --- */

/* A node that has not joined yet does not know what there is. */
static int may_change(const struct core *core, struct bytes cache)
{
    if (!topic_cache_is_valid(cache) || topic_cache_is_system(cache)) {
        return ERR_NAME;
    }
    if (is_fixed(core, cache)) {
        return ERR_STATE;
    }
    return core->ready && core->cluster != NULL ? 0 : ERR_NOT_READY;
}

static int set(struct core *core, struct bytes cache, struct bytes value,
               uint64_t until_s)
{
    return cluster_set(
        core->cluster,
        &(struct cluster_register){.kind = CLUSTER_REGISTER_CACHE,
                                   .key = cache,
                                   .value = value,
                                   .until_s = until_s},
        core->wall_ms);
}

static void say(const struct core *core, const char *event, struct bytes cache,
                const struct identity *by)
{
    struct bytes who = by->token.subject;

    log_line(core->log, LOG_INFO, event, "cache=%.*s by=%.*s", (int)cache.len,
             (const char *)cache.p, (int)who.len, (const char *)who.p);
}

static bool find_register(const struct core *core, struct bytes cache,
                          struct cluster_register *reg)
{
    return core->cluster != NULL &&
           cluster_get(core->cluster, CLUSTER_REGISTER_CACHE, cache, reg) &&
           exists(reg);
}

/* A member could say any key: what is no name is no cache. */
static bool exists(const struct cluster_register *reg)
{
    return reg->value.len > 0 && topic_cache_is_valid(reg->key);
}

static bool is_fixed(const struct core *core, struct bytes cache)
{
    for (size_t i = 0; i < core->caches.fixed_len; i++) {
        if (bytes_eq(core->caches.fixed[i], cache)) {
            return true;
        }
    }
    return false;
}

/* A value that a newer node wrote in another form bounds nothing here. */
static void show(const struct cluster_register *reg, struct caches_entry *entry)
{
    *entry = (struct caches_entry){.name = reg->key, .changed_ms = reg->stamp};
    if (quota_read(reg->value, &entry->quota) != 0) {
        entry->quota = (struct quota){0};
    }
}

static void show_fixed(const struct core *core, struct bytes cache,
                       struct caches_entry *entry)
{
    const struct meter *meter = meters_find(&core->meters, cache);

    *entry = (struct caches_entry){.name = cache};
    if (meter != NULL) {
        entry->quota = meter->quota;
    }
}
