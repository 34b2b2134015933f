/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/hub.h"

#include <assert.h>
#include <stdlib.h>

#include "node/client/client.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/hub/hub_private.h"
#include "node/watch/lens.h"
#include "proto/err.h"

/* --- life --- */

int hub_init(struct hub **out, struct core *core,
             const struct hash_key *hash_key, uint64_t node_u64,
             const struct hub_outside *outside)
{
    struct hub *hub = calloc(1, sizeof *hub);

    if (hub == NULL) {
        return ERR_NOMEM;
    }
    hub->core = core;
    hub->hash_key = *hash_key;
    hub->node_u64 = node_u64;
    hub->outside = *outside;
    hub->gaps_due_ms = UINT64_MAX;
    hub->recalls_due_ms = UINT64_MAX;
    *out = hub;
    return 0;
}

void hub_free(struct hub *hub)
{
    assert(hub->subs.len == 0);
    hub->outside = (struct hub_outside){0}; /* nobody is told any more */
    while (hub->windows.first != NULL) {
        resume_end(hub,
                   QUEUE_OWNER(hub->windows.first, struct resume, waiting));
    }
    while (hub->matched.first != NULL) {
        pattern_forget(hub,
                       QUEUE_OWNER(hub->matched.first, struct topic, matched));
    }
    assert(hub->topics.len == 0);
    assert(hub->patterns.len == 0);
    assert(hub->caches.len == 0);
    lookup_fini(&hub->topics);
    lookup_fini(&hub->caches);
    lookup_fini(&hub->patterns);
    lookup_fini(&hub->subs);
    lookup_fini(&hub->asked);
    buf_fini(&hub->scratch);
    free(hub);
}

/* --- subscriptions --- */

uint64_t sub_hash(uint64_t client_id, uint64_t name_hash)
{
    return hash_mix(name_hash ^ hash_mix(client_id));
}

static uint64_t group_hash(const struct group *group)
{
    return group->pattern == NULL ? group->exact.topic->hash
                                  : group->pattern->hash;
}

struct sub *sub_in_group(const struct hub *hub, uint64_t client_id,
                         const struct group *group, size_t *at)
{
    uint64_t hash = sub_hash(client_id, group_hash(group));
    struct sub *sub = *at == SIZE_MAX ? lookup_first(&hub->subs, hash, at)
                                      : lookup_next(&hub->subs, hash, at);

    while (sub != NULL &&
           (sub->group != group || sub->client->id != client_id)) {
        sub = lookup_next(&hub->subs, hash, at);
    }
    return sub;
}

static bool sub_is(const struct sub *sub, const struct client *client,
                   const struct hub_want *want)
{
    return sub->client == client && sub->tag == want->tag &&
           hub_sub_dialect(sub) == want->dialect &&
           bytes_eq(hub_sub_topic(sub), want->topic) &&
           bytes_eq(hub_sub_cache(sub), want->cache);
}

struct sub *hub_find(const struct hub *hub, const struct client *client,
                     const struct hub_want *want)
{
    uint64_t name_hash;
    size_t at;

    if (client->subs == NULL || want->cache.len > CACHE_LEN_MAX ||
        want->topic.len > TOPIC_LEN_MAX) {
        return NULL;
    }
    if (want->dialect == TOPIC_EXACT) {
        name_hash = hash_topic(&hub->hash_key, want->cache, want->topic);
    } else {
        uint64_t cache_hash = hash_bytes(&hub->hash_key, want->cache);
        name_hash = pattern_hash(hub, cache_hash, want->topic, want->dialect);
    }
    uint64_t hash = sub_hash(client->id, name_hash);
    struct sub *sub = lookup_first(&hub->subs, hash, &at);
    while (sub != NULL && !sub_is(sub, client, want)) {
        sub = lookup_next(&hub->subs, hash, &at);
    }
    return sub;
}

static struct sub *sub_new(struct hub *hub, struct client *client,
                           const struct hub_want *want, struct group *group)
{
    struct sub *sub = calloc(1, sizeof *sub);

    if (sub == NULL) {
        return NULL;
    }
    sub->client = client;
    sub->tag = want->tag;
    sub->no_echo = want->no_echo;
    if (group_add(group, sub) != 0) {
        free(sub);
        return NULL;
    }
    if (lookup_add(&hub->subs, sub_hash(client->id, group_hash(group)), sub) !=
        0) {
        group_remove(group, sub);
        free(sub);
        return NULL;
    }
    sub->next = client->subs;
    if (client->subs != NULL) {
        client->subs->prev = sub;
    }
    client->subs = sub;
    client->subs_len++;
    client->patterns_len += group->pattern != NULL;
    group_cache(group)->subs++;
    hub->core->stats.subs++;
    return sub;
}

static void sub_free(struct hub *hub, struct sub *sub)
{
    struct client *client = sub->client;

    lookup_remove(&hub->subs, sub_hash(client->id, group_hash(sub->group)),
                  sub);
    if (sub->held) {
        sub->group->held_len--;
    } else {
        group_remove(sub->group, sub);
    }
    if (sub->prev != NULL) {
        sub->prev->next = sub->next;
    } else {
        client->subs = sub->next;
    }
    if (sub->next != NULL) {
        sub->next->prev = sub->prev;
    }
    client->subs_len--;
    client->patterns_len -= sub->group->pattern != NULL;
    group_cache(sub->group)->subs--;
    hub->core->stats.subs--;
    free(sub);
}

/* The topic of a subscription, alive and wanted, with a place in its resume
 * window if the door wants one. */
static int get_topic(struct hub *hub, const struct hub_want *want,
                     struct topic **out)
{
    uint64_t hash = hash_topic(&hub->hash_key, want->cache, want->topic);
    struct topic *topic = topic_find(hub, hash, want->cache, want->topic);
    int rc = ERR_NOMEM;

    if (topic == NULL) {
        struct cache *cache = cache_get(hub, want->cache);
        if (cache == NULL) {
            return ERR_NOMEM;
        }
        topic = topic_new(hub, cache, hash, want->topic);
        if (topic == NULL) {
            cache_unref(hub, cache);
            return ERR_NOMEM;
        }
    } else if (topic_has_news(hub, topic)) {
        gap_catch_up(hub, topic);
    }
    rc = topic_want(hub, topic);
    if (rc != 0) {
        topic_release(hub, topic);
    }
    *out = topic;
    return rc;
}

static int subscribe_topic(struct hub *hub, struct client *client,
                           const struct hub_want *want, struct sub **sub,
                           struct hub_position *position)
{
    bool resumable = want->variant.door->resumable;
    struct group *group = NULL;
    struct topic *topic;
    int rc = get_topic(hub, want, &topic);

    if (rc != 0) {
        return rc;
    }
    position->outcome = resume_outcome(topic, want);
    if (resumable && resume_join(hub, topic) != 0) {
        topic_release(hub, topic);
        return ERR_NOMEM;
    }
    group = group_of_topic(hub, topic, &want->variant);
    *sub = group == NULL ? NULL : sub_new(hub, client, want, group);
    if (*sub == NULL) {
        if (group != NULL) {
            group_release(hub, group);
        }
        if (resumable) {
            resume_leave(hub, topic); /* to a window, if it was empty */
        } else {
            topic_release(hub, topic);
        }
        return ERR_NOMEM;
    }
    hub->core->stats.topics += topic->subs == 0;
    topic->subs++;
    topic->gap_seq = 0; /* the newcomer was told nothing yet */
    position->page = topic->page;
    position->seq = topic->seq;
    position->version = topic->version;
    if (position->outcome == HUB_LOST && recall_begin(hub, *sub, want)) {
        position->outcome = HUB_ASKED;
    }
    return 0;
}

static int subscribe_pattern(struct hub *hub, struct client *client,
                             const struct hub_want *want, struct sub **sub,
                             struct hub_position *position)
{
    struct pattern *pattern;
    struct group *group;
    int rc = pattern_get(hub, want, &pattern);

    if (rc != 0) {
        return rc;
    }
    if (pattern->gap_due) {
        gap_tell_pattern(hub, pattern);
    }
    group = group_of_pattern(hub, pattern, &want->variant);
    *sub = group == NULL ? NULL : sub_new(hub, client, want, group);
    if (*sub == NULL) {
        if (group != NULL) {
            group_release(hub, group);
        }
        pattern_release(hub, pattern);
        return ERR_NOMEM;
    }
    pattern->gap_at_ms = 0; /* the newcomer was told nothing yet */
    position->version = pattern->version;
    return 0;
}

int hub_subscribe(struct hub *hub, struct client *client,
                  const struct hub_want *want, struct sub **sub,
                  struct hub_position *position)
{
    struct sub *old = hub_find(hub, client, want);

    assert(!hub->settling);
    assert(want->variant.door != NULL);
    *position = (struct hub_position){.outcome = HUB_FRESH};
    if (old != NULL) {
        const struct topic *topic = group_topic(old->group);
        position->already = true;
        if (topic != NULL) {
            position->page = topic->page;
            position->seq = topic->seq;
            position->version = topic->version;
        } else {
            position->version = old->group->pattern->version;
        }
        *sub = old;
        return 0;
    }
    hub_settle(hub); /* what came before is not for the newcomer */
    return want->dialect == TOPIC_EXACT
               ? subscribe_topic(hub, client, want, sub, position)
               : subscribe_pattern(hub, client, want, sub, position);
}

void hub_unsubscribe(struct hub *hub, struct sub *sub)
{
    struct group *group = sub->group;
    struct topic *topic = group_topic(group);
    struct pattern *pattern = group->pattern;
    bool resumable = group->variant.door->resumable;

    assert(!hub->settling);
    hub_settle(hub);
    if (sub->recall != NULL) {
        recall_drop(hub, sub->recall);
    }
    sub_free(hub, sub);
    group_release(hub, group);
    if (pattern != NULL) {
        pattern_release(hub, pattern);
        return;
    }
    topic->subs--;
    hub->core->stats.topics -= topic->subs == 0;
    if (resumable) {
        resume_leave(hub, topic); /* releases it when its window is over */
    } else {
        topic_release(hub, topic);
    }
}

void hub_rights_changed(struct hub *hub, struct client *client)
{
    hub_settle(hub);
    for (struct sub *sub = client->subs; sub != NULL; sub = sub->next) {
        sub->group->generation++;
    }
}

uint64_t hub_held(const struct hub *hub, enum cluster_scope scope)
{
    return hub->outside.held == NULL
               ? UINT64_MAX
               : hub->outside.held(hub->outside.data, scope);
}

bool hub_lacks(const struct hub *hub)
{
    return hub->outside.lacks != NULL && hub->outside.lacks(hub->outside.data);
}

struct bytes hub_sub_cache(const struct sub *sub)
{
    return cache_name(group_cache(sub->group));
}

struct bytes hub_sub_topic(const struct sub *sub)
{
    return sub->group->pattern == NULL ? topic_name(sub->group->exact.topic)
                                       : pattern_text(sub->group->pattern);
}

enum topic_dialect hub_sub_dialect(const struct sub *sub)
{
    return sub->group->pattern == NULL ? TOPIC_EXACT
                                       : sub->group->pattern->dialect;
}

/* --- publish --- */

static uint64_t deliver(struct hub *hub, const struct item *item)
{
    struct topic *topic = topic_find(hub, item->hash, item->cache, item->topic);
    uint64_t subs = 0;

    if (topic == NULL) {
        topic = pattern_topic(hub, item);
        if (topic == NULL) {
            return 0;
        }
    }
    if (topic->matched_to != topic->cache->newest &&
        topic->cache->groups != NULL) {
        pattern_match(hub, topic);
    }
    if (topic_has_news(hub, topic)) {
        gap_catch_up(hub, topic);
    }
    topic->seq++;
    for (struct fan *fan = topic->fans; fan != NULL; fan = fan->next) {
        uint64_t reach = fan_append(hub, fan, item);
        subs += reach;
        if (hub->tracing != NULL && reach > 0) {
            trace_match(&hub->core->trace, hub->tracing,
                        fan->group->variant.door->name, reach, fan->chunk);
        }
    }
    if (topic->resume != NULL) {
        resume_keep(hub, topic, item);
    }
    return subs;
}

/* Settled before and after, so that the chunks of its fans are its own. */
static void begin_trace(struct hub *hub, const struct item *item,
                        enum hub_source source)
{
    struct trace *trace = &hub->core->trace;

    hub_settle(hub);
    hub->tracing = source == HUB_FROM_CLIENT
                       ? trace_begin(trace, item, 0, TRACED_LOCAL)
                       : trace_find(trace, item->origin, item->count);
}

static void end_trace(struct hub *hub)
{
    hub_settle(hub);
    hub->tracing = NULL;
}

void hub_publish(struct hub *hub, struct item *item, enum hub_source source,
                 struct hub_receipt *receipt)
{
    const struct hub_outside *outside = &hub->outside;
    struct core *core = hub->core;

    assert(!hub->settling);
    *receipt = (struct hub_receipt){0};
    if (source == HUB_FROM_CLIENT) {
        if (item->hash == 0) {
            item->hash = hash_topic(&hub->hash_key, item->cache, item->topic);
        }
        item->origin = hub->node_u64;
        item->count = ++core->items_made;
    }
    receipt->count = item->count;
    if ((item->flags & ITEM_TRACE) != 0) {
        begin_trace(hub, item, source);
    }
    receipt->subs = deliver(hub, item);
    if (hub->tracing != NULL) {
        end_trace(hub);
    }
    if (core->lens != NULL) {
        lens_item(core->lens, item, source == HUB_FROM_CLIENT, receipt->subs);
    }
    if (source == HUB_FROM_CLIENT && outside->forward != NULL) {
        receipt->nodes = outside->forward(outside->data, item,
                                          &receipt->partial);
    }
    if (source >= HUB_FROM_INGRESS && outside->relay != NULL) {
        receipt->nodes = outside->relay(
            outside->data, item,
            source == HUB_FROM_HOST ? PEER_HOP_HOST : PEER_HOP_INGRESS);
    }
    if (core->pressed && core->flush != NULL) {
        core->pressed = false;
        core->flush(core);
    }
    core_mind_memory(core);
}

/* --- questions --- */

static struct topic *topic_named(const struct hub *hub, struct bytes cache,
                                 struct bytes name)
{
    if (cache.len > CACHE_LEN_MAX || name.len > TOPIC_LEN_MAX) {
        return NULL;
    }
    return topic_find(hub, hash_topic(&hub->hash_key, cache, name), cache,
                      name);
}

bool hub_position(const struct hub *hub, struct bytes cache, struct bytes name,
                  struct hub_position *position)
{
    const struct topic *topic = topic_named(hub, cache, name);

    if (topic == NULL) {
        return false;
    }
    *position = (struct hub_position){
        .page = topic->page,
        .seq = topic->seq,
        .version = topic->version,
    };
    return true;
}

uint64_t hub_subscribers(const struct hub *hub, struct bytes cache,
                         struct bytes name)
{
    const struct topic *topic = topic_named(hub, cache, name);

    return topic == NULL ? 0 : topic->subs;
}

void hub_meter_anew(struct hub *hub, struct bytes cache)
{
    struct cache *found = cache_find(hub, cache);

    hub_settle(hub);
    if (found != NULL) {
        found->meter = meters_of(&hub->core->meters, cache);
    }
}

uint64_t hub_subs_in(const struct hub *hub, struct bytes cache)
{
    const struct cache *found = cache_find(hub, cache);

    return found == NULL ? 0 : found->subs;
}

void hub_each_pattern(const struct hub *hub, struct bytes cache,
                      void (*each)(void *data, uint64_t hash), void *data)
{
    const struct pattern *pattern;
    size_t at = 0;

    while ((pattern = lookup_each(&hub->patterns, &at)) != NULL) {
        if (bytes_eq(cache_name(pattern->cache), cache)) {
            each(data, pattern->hash);
        }
    }
}

void hub_each_topic(const struct hub *hub, struct bytes cache,
                    void (*each)(void *data, struct bytes topic, uint64_t subs),
                    void *data)
{
    const struct topic *topic;
    size_t at = 0;

    while ((topic = lookup_each(&hub->topics, &at)) != NULL) {
        if (topic->subs > 0 && bytes_eq(cache_name(topic->cache), cache)) {
            each(data, topic_name(topic), topic->subs);
        }
    }
}
