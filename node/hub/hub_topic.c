/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/hub_private.h"

#include <assert.h>
#include <stdlib.h>

#include "node/core.h"
#include "proto/err.h"

/* --- caches --- */

static uint64_t cache_hash(const struct hub *hub, struct bytes name)
{
    return hash_bytes(&hub->hash_key, name);
}

static struct cache *cache_look(const struct hub *hub, uint64_t hash,
                                struct bytes name)
{
    size_t at;
    struct cache *cache = lookup_first(&hub->caches, hash, &at);

    while (cache != NULL && !bytes_eq(cache_name(cache), name)) {
        cache = lookup_next(&hub->caches, hash, &at);
    }
    return cache;
}

struct cache *cache_find(const struct hub *hub, struct bytes name)
{
    return cache_look(hub, cache_hash(hub, name), name);
}

struct cache *cache_get(struct hub *hub, struct bytes name)
{
    uint64_t hash = cache_hash(hub, name);
    struct cache *cache = cache_look(hub, hash, name);

    assert(name.len <= CACHE_LEN_MAX);
    if (cache == NULL) {
        cache = calloc(1, sizeof *cache + name.len);
        if (cache == NULL) {
            return NULL;
        }
        if (lookup_add(&hub->caches, hash, cache) != 0) {
            free(cache);
            return NULL;
        }
        cache->hash = hash;
        cache->meter = meters_of(&hub->core->meters, name);
        cache->len = (uint8_t)name.len;
        memcpy(cache->name, name.p, name.len);
    }
    cache->refs++;
    return cache;
}

void cache_unref(struct hub *hub, struct cache *cache)
{
    assert(cache->refs > 0);
    cache->refs--;
    if (cache->refs == 0) {
        assert(cache->groups == NULL);
        assert(cache->subs == 0);
        lookup_remove(&hub->caches, cache->hash, cache);
        free(cache);
    }
}

/* --- topics --- */

struct topic *topic_find(const struct hub *hub, uint64_t hash,
                         struct bytes cache, struct bytes name)
{
    size_t at;
    struct topic *topic = lookup_first(&hub->topics, hash, &at);

    while (topic != NULL && !(bytes_eq(topic_name(topic), name) &&
                              bytes_eq(cache_name(topic->cache), cache))) {
        topic = lookup_next(&hub->topics, hash, &at);
    }
    return topic;
}

struct topic *topic_new(struct hub *hub, struct cache *cache, uint64_t hash,
                        struct bytes name)
{
    struct topic *topic = calloc(1, offsetof(struct topic, name) + name.len);

    assert(name.len <= TOPIC_LEN_MAX);
    if (topic == NULL) {
        return NULL;
    }
    if (lookup_add(&hub->topics, hash, topic) != 0) {
        free(topic);
        return NULL;
    }
    topic->cache = cache;
    topic->hash = hash;
    topic->page = resume_page(hub);
    topic->gap_epoch = hub->gap_epoch;
    topic->len = (uint16_t)name.len;
    memcpy(topic->name, name.p, name.len);
    return topic;
}

int topic_want(struct hub *hub, struct topic *topic)
{
    const struct hub_outside *outside = &hub->outside;

    if (topic->wanted) {
        return 0;
    }
    if (hub->wanted_len >= hub->core->limits.topics) {
        return ERR_LIMIT;
    }
    if (outside->want != NULL) {
        uint64_t version = outside->want(outside->data, topic->hash, true);
        if (version == 0) {
            return ERR_LIMIT; /* the log is full */
        }
        topic->version = version;
    }
    topic->wanted = true;
    hub->wanted_len++;
    return 0;
}

static void topic_unwant(struct hub *hub, struct topic *topic)
{
    const struct hub_outside *outside = &hub->outside;

    if (outside->want != NULL) {
        (void)outside->want(outside->data, topic->hash, false);
    }
    topic->wanted = false;
    hub->wanted_len--;
}

struct scan {
    void (*each)(void *data, const struct hub_topic *topic);
    void *data;
};

static void scan_topic(void *data, uint64_t place, void *value)
{
    const struct scan *scan = data;
    const struct topic *topic = value;

    if (topic->subs > 0) {
        scan->each(scan->data,
                   &(struct hub_topic){place, cache_name(topic->cache),
                                       topic_name(topic), topic->subs});
    }
}

bool hub_scan_topics(const struct hub *hub, uint64_t *from,
                     void (*each)(void *data, const struct hub_topic *topic),
                     void *data)
{
    struct scan scan = {each, data};

    return lookup_scan(&hub->topics, from, scan_topic, &scan);
}

void topic_release(struct hub *hub, struct topic *topic)
{
    if (topic->subs > 0 || topic->resume != NULL) {
        return;
    }
    if (topic->wanted) {
        topic_unwant(hub, topic);
    }
    if (!queued_is_in(&topic->matched)) {
        topic_free(hub, topic);
    }
}

void topic_free(struct hub *hub, struct topic *topic)
{
    assert(topic->resume == NULL);
    assert(topic->fans == NULL);
    lookup_remove(&hub->topics, topic->hash, topic);
    cache_unref(hub, topic->cache);
    free(topic);
}
