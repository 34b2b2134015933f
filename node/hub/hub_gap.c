/* SPDX-License-Identifier: Apache-2.0
 *
 * A discontinuity takes a sequence number of its topic: who saw item 7 before
 * it and comes back with 7 cannot be taken for someone who missed nothing.
 *
 * A topic is told at most once between two of its items, and once in
 * HUB_GAP_MS while none come: links that flap must not fill queues. What comes
 * too soon is `due`: told before the topic's next item, or by hub_expire().
 */
#include "node/hub/hub_private.h"

#include <assert.h>

#include "node/client/client.h"
#include "node/core.h"
#include "node/door/door.h"

static void due_at(struct hub *hub, uint64_t at_ms)
{
    if (at_ms < hub->gaps_due_ms) {
        hub->gaps_due_ms = at_ms;
    }
}

/* --- telling --- */

static void count_untold(struct hub *hub, uint64_t subs)
{
    hub->core->stats.gaps_untold += subs;
}

static struct chunk *render_gap(struct hub *hub, const struct variant *variant,
                                struct hub_gap *gap)
{
    gap->version = variant->version;
    buf_reset(&hub->scratch);
    variant->door->render_gap(gap, &hub->scratch);
    return fan_wrap(hub, variant);
}

/* All members at once. false: memory is short, nobody was told. */
static bool tell_group(struct hub *hub, struct group *group,
                       struct hub_gap *gap)
{
    struct chunk *chunk;

    if (!group->variant.door->tells_gaps) {
        count_untold(hub, group->len);
        return true;
    }
    chunk = render_gap(hub, &group->variant, gap);
    if (chunk == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < group->len; i++) {
        const struct member *member = &group_members(group)[i];
        if (member->client->slow) {
            gap_mark(member->sub, gap->next);
        } else {
            client_deliver(member->client, chunk, 0, chunk->len, 0, 0);
            hub->core->stats.gaps++;
        }
    }
    chunk_unref(&hub->core->chunks, chunk);
    return true;
}

static void tell_topic(struct hub *hub, struct topic *topic)
{
    struct hub_gap gap = {
        .cache = cache_name(topic->cache),
        .topic = topic_name(topic),
        .page = topic->page,
        .last = topic->seq,
    };

    hub_settle(hub);
    resume_cut(hub, topic);
    topic->seq++;
    gap.next = topic->seq;
    topic->gap_due = false;
    topic->gap_epoch = hub->gap_epoch;
    topic->gap_at_ms = hub->core->now_ms;
    topic->gap_seq = topic->seq;
    for (struct fan *fan = topic->fans; fan != NULL; fan = fan->next) {
        if (fan->group->pattern == NULL && !tell_group(hub, fan->group, &gap)) {
            gap_lost(hub, fan->group);
        }
    }
    recall_cut(hub, topic);
}

void gap_tell_pattern(struct hub *hub, struct pattern *pattern)
{
    struct hub_gap gap = {
        .cache = cache_name(pattern->cache),
        .pattern = pattern_text(pattern),
    };

    hub_settle(hub);
    pattern->gap_due = false;
    pattern->gap_at_ms = hub->core->now_ms;
    for (struct group *g = pattern->groups; g != NULL; g = g->next) {
        if (!tell_group(hub, g, &gap)) {
            gap_lost(hub, g);
        }
    }
}

/* --- when --- */

static bool too_soon(const struct hub *hub, uint64_t last_ms)
{
    return last_ms != 0 && hub->core->now_ms - last_ms < HUB_GAP_MS;
}

static void want_topic(struct hub *hub, struct topic *topic)
{
    topic->gap_epoch = hub->gap_epoch;
    if (topic->gap_seq != 0 && topic->gap_seq == topic->seq) {
        return; /* told, and nothing came since: once more says no more */
    }
    if (too_soon(hub, topic->gap_at_ms)) {
        topic->gap_due = true;
        due_at(hub, topic->gap_at_ms + HUB_GAP_MS);
        return;
    }
    tell_topic(hub, topic);
}

static void want_pattern(struct hub *hub, struct pattern *pattern)
{
    if (too_soon(hub, pattern->gap_at_ms)) {
        pattern->gap_due = true;
        due_at(hub, pattern->gap_at_ms + HUB_GAP_MS);
        return;
    }
    gap_tell_pattern(hub, pattern);
}

static void want_all(struct hub *hub)
{
    struct topic *topic;
    size_t at = 0;

    hub->gap_epoch++;
    if (too_soon(hub, hub->gap_all_ms)) {
        due_at(hub, hub->gap_all_ms + HUB_GAP_MS); /* topics see the epoch */
        return;
    }
    hub->gap_all_ms = hub->core->now_ms;
    while ((topic = lookup_each(&hub->topics, &at)) != NULL) {
        want_topic(hub, topic);
    }
}

void hub_gap(struct hub *hub, struct bytes hashes)
{
    struct pattern *pattern;
    size_t at = 0;

    if (hashes.len == 0) {
        want_all(hub);
    }
    for (size_t i = 0; i + 8 <= hashes.len; i += 8) {
        size_t slot;
        uint64_t hash = bytes_u64be(hashes.p + i);
        struct topic *topic = lookup_first(&hub->topics, hash, &slot);
        for (; topic != NULL; topic = lookup_next(&hub->topics, hash, &slot)) {
            want_topic(hub, topic);
        }
    }
    /* A hash does not say whether a pattern would have matched its name. */
    while ((pattern = lookup_each(&hub->patterns, &at)) != NULL) {
        want_pattern(hub, pattern);
    }
}

uint64_t hub_told_ms(const struct hub *hub, uint64_t hash, struct bytes cache,
                     struct bytes topic)
{
    const struct topic *found = topic_find(hub, hash, cache, topic);
    uint64_t at_ms = found == NULL ? 0 : found->gap_at_ms;

    for (const struct fan *fan = found == NULL ? NULL : found->fans;
         fan != NULL; fan = fan->next) {
        const struct pattern *pattern = fan->group->pattern;
        if (pattern != NULL && pattern->gap_at_ms > at_ms) {
            at_ms = pattern->gap_at_ms;
        }
    }
    return at_ms;
}

void gap_catch_up(struct hub *hub, struct topic *topic)
{
    if (topic->gap_due || topic->gap_seq == 0 || topic->gap_seq != topic->seq) {
        tell_topic(hub, topic);
    }
    topic->gap_epoch = hub->gap_epoch;
}

void gap_lost(struct hub *hub, struct group *group)
{
    if (group->pattern == NULL) {
        group->exact.topic->gap_due = true;
        group->exact.topic->gap_seq = 0;
    } else {
        group->pattern->gap_due = true;
    }
    due_at(hub, hub->core->now_ms + HUB_GAP_MS);
}

void gap_expire(struct hub *hub, uint64_t now_ms)
{
    struct topic *topic;
    struct pattern *pattern;
    size_t at = 0;

    if (now_ms < hub->gaps_due_ms) {
        return;
    }
    hub->gaps_due_ms = UINT64_MAX;
    while ((topic = lookup_each(&hub->topics, &at)) != NULL) {
        if (topic_has_news(hub, topic)) {
            gap_catch_up(hub, topic);
        }
    }
    at = 0;
    while ((pattern = lookup_each(&hub->patterns, &at)) != NULL) {
        if (pattern->gap_due) {
            gap_tell_pattern(hub, pattern);
        }
    }
}

/* --- slow readers --- */

void gap_mark(struct sub *sub, uint64_t seq)
{
    if (sub->lost_from == 0) { /* marks come in order: this is the first */
        sub->lost_from = seq == 0 ? 1 : seq;
    }
}

/* Marks the client's subscriptions in one group; counts what was not
 * delivered the first time. */
static void mark_group(struct hub *hub, const struct client *client,
                       const struct fan *fan, uint64_t seq)
{
    size_t at = SIZE_MAX;
    struct sub *sub;

    while ((sub = sub_in_group(hub, client->id, fan->group, &at)) != NULL) {
        if (sub->lost_from == 0 && fan->topic->seq >= seq) {
            hub->core->stats.dropped_slow += fan->topic->seq - seq + 1;
        }
        gap_mark(sub, seq);
    }
}

void hub_mark_lost(struct hub *hub, struct client *client,
                   const struct run *run)
{
    uint64_t hash = run->chunk->topic;
    size_t at;
    struct topic *topic = lookup_first(&hub->topics, hash, &at);
    bool is_matched = false;

    for (; topic != NULL; topic = lookup_next(&hub->topics, hash, &at)) {
        is_matched = is_matched || queued_is_in(&topic->matched);
        for (struct fan *fan = topic->fans; fan != NULL; fan = fan->next) {
            mark_group(hub, client, fan, run->seq);
        }
    }
    if (!is_matched && client->patterns_len > 0 &&
        !client->patterns_lost) { /* they may be forgotten */
        client->patterns_lost = true;
        for (struct sub *sub = client->subs; sub != NULL; sub = sub->next) {
            if (sub->group->pattern != NULL) {
                gap_mark(sub, 1);
            }
        }
    }
}

void gap_tell_sub(struct hub *hub, struct sub *sub, uint64_t last,
                  uint64_t next)
{
    const struct group *group = sub->group;
    struct hub_gap gap = {.cache = hub_sub_cache(sub)};
    struct chunk *chunk;

    hub_settle(hub);
    if (!group->variant.door->tells_gaps) {
        count_untold(hub, 1);
        return;
    }
    if (group->pattern == NULL) {
        gap.topic = topic_name(group->exact.topic);
        gap.page = group->exact.topic->page;
        gap.last = last;
        gap.next = next;
    } else {
        gap.pattern = pattern_text(group->pattern);
    }
    chunk = render_gap(hub, &group->variant, &gap);
    if (chunk == NULL) {
        client_close(sub->client, ERR_NOMEM);
        return;
    }
    client_deliver(sub->client, chunk, 0, chunk->len, 0, 0);
    chunk_unref(&hub->core->chunks, chunk);
    hub->core->stats.gaps++;
}

void hub_tell_lost(struct hub *hub, struct sub *sub)
{
    const struct topic *topic = group_topic(sub->group);
    uint64_t last = sub->lost_from - 1;

    if (sub->lost_from == 0) {
        return;
    }
    sub->lost_from = 0;
    if (sub->recall != NULL) {
        recall_lost(hub, sub->recall);
        return;
    }
    hub_settle(hub);
    gap_tell_sub(hub, sub, last, topic == NULL ? 0 : topic->seq);
}
