/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "node/client/client.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/hub/hub_private.h"

static void check_group(const struct hub *hub, const struct group *group)
{
    uint32_t no_echo = 0;

    assert(group->len + group->held_len > 0);
    assert(group->len <= group->cap);
    for (uint32_t i = 0; i < group->len; i++) {
        const struct member *member = &group_members(group)[i];
        assert(member->sub->client == member->client);
        assert(member->sub->group == group);
        assert(member->sub->at == i);
        no_echo += member->sub->no_echo;
    }
    assert(no_echo == group->no_echo_len);
    const struct fan *fans = group->pattern == NULL ? &group->exact
                                                    : group->fans;
    for (const struct fan *fan = fans; fan != NULL; fan = fan->group_next) {
        assert(fan->group == group);
        assert(fan->group_next == NULL || fan->group_next->group_prev == fan);
        assert(fan->items == 0 || fan->dirty);
        assert(fan->chunk == NULL || fan->dirty);
        assert(fan->items == 0 || fan->chunk != NULL);
    }
    assert(group->pattern != NULL || group->exact.topic != NULL);
    assert(group->pattern != NULL || group->exact.group_next == NULL);
    assert(group->pattern == NULL || group->number <= hub->groups_made);
}

static void check_topic(const struct hub *hub, const struct topic *topic,
                        size_t *pattern_fans)
{
    const struct resume *resume = topic->resume;
    uint64_t subs = 0;
    uint32_t resumable = 0;

    for (const struct fan *fan = topic->fans; fan != NULL; fan = fan->next) {
        const struct group *group = fan->group;
        assert(fan->topic == topic);
        if (group->pattern != NULL) {
            assert(topic_match(group->pattern->dialect,
                               pattern_text(group->pattern),
                               topic_name(topic)));
            *pattern_fans += 1;
            continue;
        }
        check_group(hub, group);
        subs += group->len + group->held_len;
        resumable += group->variant.door->resumable
                         ? group->len + group->held_len
                         : 0;
    }
    assert(subs == topic->subs);
    assert(topic->wanted == (subs > 0 || resume != NULL));
    assert(topic->wanted || queued_is_in(&topic->matched));
    assert(topic->matched_to == 0 || queued_is_in(&topic->matched));
    assert(resumable == (resume == NULL ? 0 : resume->subs));
    if (resume != NULL) {
        assert(resume->topic == topic);
        assert(queued_is_in(&resume->waiting) == (resume->subs == 0));
        assert(queued_is_in(&resume->kept) == (resume->ring.bytes > 0));
        assert(resume->ring.len == 0 || resume->ring.newest == topic->seq);
        ring_check(&resume->ring);
    }
}

static void check_topics(const struct hub *hub)
{
    const struct topic *topic;
    size_t at = 0;
    size_t pattern_fans = 0;
    size_t wanted = 0;
    uint64_t rings_len = 0;
    uint64_t subscribed = 0;

    while ((topic = lookup_each(&hub->topics, &at)) != NULL) {
        check_topic(hub, topic, &pattern_fans);
        wanted += topic->wanted;
        subscribed += topic->subs > 0;
        rings_len += topic->resume == NULL ? 0 : topic->resume->ring.bytes;
    }
    assert(pattern_fans == hub->pattern_fans);
    assert(wanted == hub->wanted_len);
    assert(rings_len == hub->rings_len);
    assert(rings_len == hub->core->stats.ring_len);
    assert(subscribed == hub->core->stats.topics);
    assert(hub->windows.len <= hub->core->limits.linger_topics);
}

static void check_patterns(const struct hub *hub)
{
    const struct pattern *pattern;
    size_t at = 0;

    while ((pattern = lookup_each(&hub->patterns, &at)) != NULL) {
        assert(pattern->groups != NULL);
        assert(pattern->cache->patterns_len > 0);
        for (const struct group *g = pattern->groups; g != NULL; g = g->next) {
            assert(g->pattern == pattern);
            assert(g->number <= pattern->cache->newest);
            check_group(hub, g);
        }
    }
}

static void check_subs(const struct hub *hub)
{
    const struct cache *cache;
    size_t at = 0;
    uint64_t subs = 0;

    while ((cache = lookup_each(&hub->caches, &at)) != NULL) {
        subs += cache->subs;
        assert(cache->meter->len == 0 ||
               bytes_eq(meter_name(cache->meter), cache_name(cache)));
    }
    assert(subs == hub->subs.len);
}

void hub_check(const struct hub *hub)
{
    const struct sub *sub;
    size_t at = 0;
    size_t recalls = 0;

    check_subs(hub);
    lookup_check(&hub->topics);
    lookup_check(&hub->caches);
    lookup_check(&hub->patterns);
    lookup_check(&hub->subs);
    lookup_check(&hub->asked);
    check_topics(hub);
    check_patterns(hub);
    while ((sub = lookup_each(&hub->subs, &at)) != NULL) {
        assert(sub->held || group_members(sub->group)[sub->at].sub == sub);
        assert(sub->recall == NULL || sub->held);
        recalls += sub->recall != NULL;
    }
    assert(hub->subs.len == hub->core->stats.subs);
    assert(recalls == hub->recalls.len && recalls == hub->asked.len);
    assert(recalls > 0 || hub->recalls_len == 0);
    for (const struct fan *fan = hub->dirty; fan != NULL;
         fan = fan->dirty_next) {
        assert(fan->dirty);
        assert(fan->dirty_next != NULL || fan == hub->dirty_last);
    }
    assert(hub->dirty != NULL || hub->dirty_last == NULL);
    assert(!hub->settling);
}
