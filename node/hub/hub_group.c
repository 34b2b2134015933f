/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/hub_private.h"

#include <assert.h>
#include <stdlib.h>

#include "node/client/client.h"
#include "proto/err.h"

static bool same_variant(const struct variant *a, const struct variant *b)
{
    return a->door == b->door && a->version == b->version &&
           a->framing == b->framing;
}

static struct group *group_new(const struct variant *variant)
{
    struct group *group = calloc(1, sizeof *group);

    if (group != NULL) {
        group->variant = *variant;
        group->cap = 1;
    }
    return group;
}

struct group *group_of_topic(struct hub *hub, struct topic *topic,
                             const struct variant *variant)
{
    for (struct fan *fan = topic->fans; fan != NULL; fan = fan->next) {
        if (fan->group->pattern == NULL &&
            same_variant(&fan->group->variant, variant)) {
            return fan->group;
        }
    }
    struct group *group = group_new(variant);
    if (group == NULL) {
        return NULL;
    }
    (void)fan_new(hub, topic, group); /* its own: it has the memory */
    return group;
}

struct group *group_of_pattern(struct hub *hub, struct pattern *pattern,
                               const struct variant *variant)
{
    struct cache *cache = pattern->cache;
    struct group *group = pattern->groups;

    while (group != NULL && !same_variant(&group->variant, variant)) {
        group = group->next;
    }
    if (group != NULL) {
        return group;
    }
    group = group_new(variant);
    if (group == NULL) {
        return NULL;
    }
    group->pattern = pattern;
    group->next = pattern->groups;
    pattern->groups = group;
    group->number = ++hub->groups_made;
    cache->newest = group->number;
    group->cache_next = cache->groups;
    if (cache->groups != NULL) {
        cache->groups->cache_prev = group;
    }
    cache->groups = group;
    return group;
}

static void leave_pattern(struct group *group)
{
    struct group **at = &group->pattern->groups;

    while (*at != group) {
        at = &(*at)->next;
    }
    *at = group->next;
    if (group->cache_prev != NULL) {
        group->cache_prev->cache_next = group->cache_next;
    } else {
        group->pattern->cache->groups = group->cache_next;
    }
    if (group->cache_next != NULL) {
        group->cache_next->cache_prev = group->cache_prev;
    }
}

void group_release(struct hub *hub, struct group *group)
{
    if (group->len > 0 || group->held_len > 0) {
        return;
    }
    if (group->pattern == NULL) {
        fan_free(hub, &group->exact);
    } else {
        while (group->fans != NULL) {
            fan_free(hub, group->fans);
        }
        leave_pattern(group);
    }
    if (group->cap > 1) {
        free(group->many);
    }
    free(group);
}

static int make_room(struct group *group)
{
    struct member *members;
    uint32_t cap = group->cap == 1 ? 4 : group->cap * 2;

    if (group->len < group->cap) {
        return 0;
    }
    members = realloc(group->cap == 1 ? NULL : group->many,
                      cap * sizeof *members);
    if (members == NULL) {
        return ERR_NOMEM;
    }
    if (group->cap == 1) {
        members[0] = group->only;
    }
    group->many = members;
    group->cap = cap;
    return 0;
}

static struct member *members_of(struct group *group)
{
    return group->cap == 1 ? &group->only : group->many;
}

int group_add(struct group *group, struct sub *sub)
{
    int rc = make_room(group);

    if (rc != 0) {
        return rc;
    }
    sub->group = group;
    sub->at = group->len;
    members_of(group)[group->len++] = (struct member){sub->client, sub};
    group->no_echo_len += sub->no_echo;
    group->generation++;
    return 0;
}

void group_remove(struct group *group, struct sub *sub)
{
    struct member *members = members_of(group);
    struct member last = members[group->len - 1];

    assert(members[sub->at].sub == sub);
    members[sub->at] = last;
    last.sub->at = sub->at;
    group->len--;
    group->no_echo_len -= sub->no_echo;
    group->generation++;
}

void group_hold(struct sub *sub)
{
    assert(!sub->held);
    group_remove(sub->group, sub);
    sub->group->held_len++;
    sub->held = true;
}

int group_unhold(struct sub *sub)
{
    int rc = group_add(sub->group, sub);

    assert(sub->held);
    if (rc == 0) {
        sub->group->held_len--;
        sub->held = false;
    }
    return rc;
}
