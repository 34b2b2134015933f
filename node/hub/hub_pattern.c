/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/hub_private.h"

#include <assert.h>
#include <stdlib.h>

#include "node/core.h"
#include "proto/err.h"

static uint64_t work_of(struct bytes pattern);
static void drop_pattern_fans(struct hub *hub, struct topic *topic);

uint64_t pattern_hash(const struct hub *hub, uint64_t cache_hash,
                      struct bytes text, enum topic_dialect dialect)
{
    return hash_mix(hash_bytes(&hub->hash_key, text) ^
                    hash_mix(cache_hash + (uint64_t)dialect));
}

struct pattern *pattern_find(const struct hub *hub, uint64_t hash,
                             struct bytes cache, struct bytes text,
                             enum topic_dialect dialect)
{
    size_t at;
    struct pattern *pattern = lookup_first(&hub->patterns, hash, &at);

    while (pattern != NULL && !(pattern->dialect == dialect &&
                                bytes_eq(pattern_text(pattern), text) &&
                                bytes_eq(cache_name(pattern->cache), cache))) {
        pattern = lookup_next(&hub->patterns, hash, &at);
    }
    return pattern;
}

/* Takes over the caller's reference of the cache when it succeeds. */
static struct pattern *pattern_new(struct hub *hub, struct cache *cache,
                                   uint64_t hash, const struct hub_want *want)
{
    struct pattern *pattern = calloc(1, sizeof *pattern + want->topic.len);

    assert(want->topic.len <= PATTERN_LEN_MAX);
    if (pattern == NULL) {
        return NULL;
    }
    if (lookup_add(&hub->patterns, hash, pattern) != 0) {
        free(pattern);
        return NULL;
    }
    pattern->cache = cache;
    cache->patterns_len++;
    cache->work += work_of(want->topic);
    pattern->hash = hash;
    pattern->dialect = want->dialect;
    pattern->len = (uint16_t)want->topic.len;
    if (want->topic.len > 0) {
        memcpy(pattern->text, want->topic.p, want->topic.len);
    }
    return pattern;
}

static void pattern_free(struct hub *hub, struct pattern *pattern)
{
    struct cache *cache = pattern->cache;

    lookup_remove(&hub->patterns, pattern->hash, pattern);
    cache->patterns_len--;
    cache->work -= work_of(pattern_text(pattern));
    free(pattern);
    cache_unref(hub, cache);
}

int pattern_get(struct hub *hub, const struct hub_want *want,
                struct pattern **out)
{
    const struct hub_outside *outside = &hub->outside;
    struct cache *cache = cache_get(hub, want->cache);
    uint64_t hash;
    struct pattern *pattern;

    if (cache == NULL) {
        return ERR_NOMEM;
    }
    hash = pattern_hash(hub, cache->hash, want->topic, want->dialect);
    *out = pattern_find(hub, hash, want->cache, want->topic, want->dialect);
    if (*out != NULL) {
        cache_unref(hub, cache);
        return 0;
    }
    if (hub->patterns.len >= hub->core->limits.patterns ||
        cache->work + work_of(want->topic) > HUB_PATTERN_WORK_MAX) {
        cache_unref(hub, cache);
        return ERR_LIMIT;
    }
    pattern = pattern_new(hub, cache, hash, want);
    if (pattern == NULL) {
        cache_unref(hub, cache);
        return ERR_NOMEM;
    }
    if (outside->want_pattern != NULL) {
        pattern->version = outside->want_pattern(
            outside->data, want->cache, want->topic, want->dialect, true);
        if (pattern->version == 0) {
            pattern_free(hub, pattern);
            return ERR_LIMIT; /* the log is full */
        }
    }
    *out = pattern;
    return 0;
}

void pattern_release(struct hub *hub, struct pattern *pattern)
{
    const struct hub_outside *outside = &hub->outside;

    if (pattern->groups != NULL) {
        return;
    }
    if (outside->want_pattern != NULL) {
        (void)outside->want_pattern(outside->data, cache_name(pattern->cache),
                                    pattern_text(pattern), pattern->dialect,
                                    false);
    }
    pattern_free(hub, pattern);
}

/* At worst what stands between two stars is compared at each byte of a topic.
 */
static uint64_t work_of(struct bytes pattern)
{
    uint64_t longest = 0;
    uint64_t run = 0;
    bool starred = false;

    for (size_t i = 0; i < pattern.len; i++) {
        starred = starred || pattern.p[i] == '*';
        run = pattern.p[i] == '*' ? 0 : run + starred;
        longest = run > longest ? run : longest;
    }
    return pattern.len + longest * TOPIC_LEN_MAX;
}

/* --- which topics --- */

struct topic *pattern_topic(struct hub *hub, const struct item *item)
{
    struct cache *cache;
    struct topic *topic;

    if (hub->patterns.len == 0) {
        return NULL;
    }
    cache = cache_find(hub, item->cache);
    if (cache == NULL || cache->groups == NULL) {
        return NULL;
    }
    cache->refs++;
    topic = topic_new(hub, cache, item->hash, item->topic);
    if (topic == NULL) {
        for (struct group *g = cache->groups; g != NULL; g = g->cache_next) {
            gap_lost(hub, g);
        }
        cache_unref(hub, cache);
        return NULL;
    }
    queue_add(&hub->matched, &topic->matched);
    return topic;
}

/* What is remembered is bounded in topics and in (topic, group) pairs. */
static void bound_matched(struct hub *hub, const struct topic *but)
{
    while (hub->matched.len > 1 && (hub->matched.len > HUB_MATCHED_MAX ||
                                    hub->pattern_fans > HUB_PATTERN_FANS_MAX)) {
        struct topic *oldest = QUEUE_OWNER(hub->matched.first, struct topic,
                                           matched);
        if (oldest == but) {
            queue_remove(&hub->matched, &oldest->matched);
            queue_add(&hub->matched, &oldest->matched);
            continue;
        }
        hub_settle(hub);
        pattern_forget(hub, oldest);
    }
}

/* Memory is short: nothing half is remembered, and everyone who may have missed
 * an item is told. */
static void match_failed(struct hub *hub, struct topic *topic)
{
    struct group *group = topic->cache->groups;

    hub_settle(hub);
    drop_pattern_fans(hub, topic);
    for (; group != NULL; group = group->cache_next) {
        gap_lost(hub, group);
    }
}

void pattern_match(struct hub *hub, struct topic *topic)
{
    struct cache *cache = topic->cache;
    struct group *group = cache->groups;

    if (!queued_is_in(&topic->matched)) {
        queue_add(&hub->matched, &topic->matched);
    }
    for (; group != NULL && group->number > topic->matched_to;
         group = group->cache_next) {
        const struct pattern *pattern = group->pattern;
        if (topic_match(pattern->dialect, pattern_text(pattern),
                        topic_name(topic)) &&
            fan_new(hub, topic, group) == NULL) {
            match_failed(hub, topic);
            return;
        }
    }
    topic->matched_to = cache->newest;
    bound_matched(hub, topic);
}

static void drop_pattern_fans(struct hub *hub, struct topic *topic)
{
    struct fan *fan = topic->fans;

    while (fan != NULL) {
        struct fan *next = fan->next;
        if (fan->group->pattern != NULL) {
            fan_free(hub, fan);
        }
        fan = next;
    }
    topic->matched_to = 0;
}

void pattern_forget(struct hub *hub, struct topic *topic)
{
    drop_pattern_fans(hub, topic);
    queue_remove(&hub->matched, &topic->matched);
    topic_release(hub, topic);
}
