/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/hub_private.h"

#include <assert.h>
#include <stdlib.h>

#include "node/client/client.h"
#include "node/core.h"
#include "node/door/door.h"

/* --- life --- */

static void join_pattern(struct hub *hub, struct fan *fan);

struct fan *fan_new(struct hub *hub, struct topic *topic, struct group *group)
{
    struct fan *fan = group->pattern == NULL ? &group->exact
                                             : calloc(1, sizeof *fan);

    if (fan == NULL) {
        return NULL;
    }
    fan->topic = topic;
    fan->group = group;
    fan->next = topic->fans;
    topic->fans = fan;
    if (group->pattern != NULL) {
        join_pattern(hub, fan);
    }
    return fan;
}

static void join_pattern(struct hub *hub, struct fan *fan)
{
    struct group *group = fan->group;

    fan->group_next = group->fans;
    if (group->fans != NULL) {
        group->fans->group_prev = fan;
    }
    group->fans = fan;
    hub->pattern_fans++;
}

static void leave_pattern(struct hub *hub, struct fan *fan)
{
    if (fan->group_prev != NULL) {
        fan->group_prev->group_next = fan->group_next;
    } else {
        fan->group->fans = fan->group_next;
    }
    if (fan->group_next != NULL) {
        fan->group_next->group_prev = fan->group_prev;
    }
    hub->pattern_fans--;
}

static void close_chunk(struct hub *hub, struct fan *fan)
{
    if (fan->chunk != NULL) {
        chunk_unref(&hub->core->chunks, fan->chunk);
        fan->chunk = NULL;
    }
}

/* The list of dirty fans is singly linked: a fan that goes while it is in (its
 * group lost its last member) is looked for. Settled lists are empty. */
static void leave_dirty(struct hub *hub, struct fan *fan)
{
    struct fan *before = NULL;

    if (!fan->dirty) {
        return;
    }
    for (struct fan *f = hub->dirty; f != fan; f = f->dirty_next) {
        before = f;
    }
    if (before == NULL) {
        hub->dirty = fan->dirty_next;
    } else {
        before->dirty_next = fan->dirty_next;
    }
    if (hub->dirty_last == fan) {
        hub->dirty_last = before;
    }
}

void fan_free(struct hub *hub, struct fan *fan)
{
    struct fan **at = &fan->topic->fans;

    assert(!hub->settling);
    while (*at != fan) {
        at = &(*at)->next;
    }
    *at = fan->next;
    leave_dirty(hub, fan);
    close_chunk(hub, fan);
    free(fan->verdicts);
    if (fan->group->pattern != NULL) {
        leave_pattern(hub, fan);
        free(fan);
    }
}

/* --- framing --- */

size_t hub_frame_head(uint8_t head[WS_FRAME_HEAD_MAX], uint8_t framing,
                      size_t len)
{
    if (framing == FRAMING_RAW) {
        return 0;
    }
    return ws_frame_head(
        head, framing == FRAMING_WS_BINARY ? WS_BINARY : WS_TEXT, len);
}

struct chunk *fan_wrap(struct hub *hub, const struct variant *variant)
{
    uint8_t head[WS_FRAME_HEAD_MAX];
    struct bytes body = buf_bytes(&hub->scratch);
    size_t head_len = hub_frame_head(head, variant->framing, body.len);
    struct chunk *chunk;

    if (hub->scratch.failed) {
        return NULL;
    }
    chunk = chunk_new(&hub->core->chunks, head_len + body.len);
    if (chunk != NULL) {
        memcpy(chunk->p, head, head_len);
        if (body.len > 0) {
            memcpy(chunk->p + head_len, body.p, body.len);
        }
        chunk->len = (uint32_t)(head_len + body.len);
    }
    return chunk;
}

/* --- who may --- */

static bool member_may(const struct hub *hub, const struct fan *fan,
                       const struct client *client)
{
    return auth_allows(&hub->core->auth, client->who, AUTH_SUBSCRIBE,
                       cache_name(fan->topic->cache), topic_name(fan->topic),
                       hub->core->wall_ms / 1000) == 0;
}

static bool must_judge(const struct hub *hub, const struct fan *fan)
{
    return fan->group->pattern != NULL && !hub->core->auth.insecure;
}

/* Judges each member once for this topic. false: memory is short. */
static bool judge(struct hub *hub, struct fan *fan)
{
    const struct group *group = fan->group;

    if (fan->verdicts != NULL && fan->generation == group->generation) {
        return true;
    }
    assert(fan->items == 0); /* members change only when all is settled */
    bool *verdicts = realloc(fan->verdicts, group->cap * sizeof *fan->verdicts);
    if (verdicts == NULL) {
        return false;
    }
    fan->verdicts = verdicts;
    fan->generation = group->generation;
    fan->allowed = 0;
    for (uint32_t i = 0; i < group->len; i++) {
        verdicts[i] = member_may(hub, fan, group_members(group)[i].client);
        fan->allowed += verdicts[i];
    }
    return true;
}

/* --- room --- */

/* Makes sure that n more bytes fit the open chunk. The first one of a turn is
 * as large as the last turn was, so that a busy topic does not grow it each
 * time and a quiet one pins little. */
static bool make_room(struct hub *hub, struct fan *fan, size_t n)
{
    struct chunk_pool *pool = &hub->core->chunks;
    size_t cap = n > fan->turn_len ? n : fan->turn_len;

    if (fan->chunk != NULL) {
        if (chunk_room(pool, fan->chunk, n)) {
            return true;
        }
        fan_settle(hub, fan);
        close_chunk(hub, fan);
    }
    fan->chunk = chunk_new(pool, cap);
    if (fan->chunk == NULL) {
        return false;
    }
    fan->chunk->topic = fan->topic->hash;
    return true;
}

/* --- append --- */

/* How many subscriptions of the publisher do not want its own items. */
static uint32_t own_subs(const struct hub *hub, const struct group *group,
                         const struct item *item)
{
    size_t at = SIZE_MAX;
    uint32_t len = 0;
    const struct sub *sub;

    if (group->no_echo_len == 0 || item->origin != hub->node_u64) {
        return 0;
    }
    while ((sub = sub_in_group(hub, item->conn, group, &at)) != NULL) {
        len += sub->no_echo;
    }
    return len;
}

static void make_dirty(struct hub *hub, struct fan *fan)
{
    if (fan->dirty) {
        return;
    }
    fan->dirty = true;
    fan->dirty_next = NULL;
    if (hub->dirty_last != NULL) {
        hub->dirty_last->dirty_next = fan;
    } else {
        hub->dirty = fan;
    }
    hub->dirty_last = fan;
}

/* The item is one more of those that nobody has yet. */
static void count_open(const struct fan *fan, const struct item *item)
{
    fan->chunk->value_len += item->value.len;
    fan->chunk->operations += (uint32_t)usage_operations(item->value.len);
}

/* Puts what hub->scratch holds into the open chunk, framed. */
static bool append_frame(struct hub *hub, struct fan *fan,
                         const struct item *item)
{
    uint8_t head[WS_FRAME_HEAD_MAX];
    struct bytes body = buf_bytes(&hub->scratch);
    size_t head_len = hub_frame_head(head, fan->group->variant.framing,
                                     body.len);
    struct chunk *chunk;

    if (body.len == 0) {
        return true;
    }
    if (!make_room(hub, fan, head_len + body.len)) {
        return false;
    }
    chunk = fan->chunk;
    if (fan->items == 0) {
        fan->from = chunk->len;
        fan->seq = fan->topic->seq;
        chunk->value_len = 0;
        chunk->operations = 0;
    }
    memcpy(chunk->p + chunk->len, head, head_len);
    chunk->len += (uint32_t)head_len;
    memcpy(chunk->p + chunk->len, body.p, body.len);
    chunk->len += (uint32_t)body.len;
    fan->items++;
    count_open(fan, item);
    return true;
}

static bool render(struct hub *hub, const struct fan *fan,
                   const struct item *item)
{
    const struct group *group = fan->group;
    const struct rendering what = {
        .item = item,
        .page = fan->topic->page,
        .seq = fan->topic->seq,
        .pattern = group->pattern == NULL ? bytes_of(NULL, 0)
                                          : pattern_text(group->pattern),
        .version = group->variant.version,
    };

    buf_reset(&hub->scratch);
    group->variant.door->render(&what, &hub->scratch);
    return !hub->scratch.failed;
}

/* A discontinuity that could not be told yet goes before any further item:
 * until then those are part of it. */
static bool is_held_up(struct hub *hub, const struct fan *fan)
{
    struct pattern *pattern = fan->group->pattern;

    if (pattern != NULL && pattern->gap_due) {
        gap_tell_pattern(hub, pattern);
    }
    return fan->group->variant.door->tells_gaps &&
           (pattern != NULL ? pattern->gap_due : fan->topic->gap_due);
}

uint64_t fan_append(struct hub *hub, struct fan *fan, const struct item *item)
{
    const struct group *group = fan->group;
    bool judged = must_judge(hub, fan);

    if (is_held_up(hub, fan)) {
        fan_trace_drop(hub, fan, group->len, TRACED_WHY_GAP);
        return 0;
    }
    uint32_t own = own_subs(hub, group, item);
    uint64_t skip = own > 0 ? item->conn : 0;
    if (fan->items > 0 && fan->skip != skip) {
        fan_settle(hub, fan);
    }
    fan->skip = skip;
    if ((judged && !judge(hub, fan)) || !render(hub, fan, item) ||
        !append_frame(hub, fan, item)) {
        gap_lost(hub, fan->group);
        fan_trace_drop(hub, fan, group->len, TRACED_WHY_NO_MEMORY);
        return 0;
    }
    if (fan->items == 0) {
        return 0; /* the door does not show such an item */
    }
    make_dirty(hub, fan);
    uint32_t reach = judged ? fan->allowed : group->len;
    return reach > own ? reach - own : 0;
}

/* --- settle --- */

static bool passes(const struct fan *fan, uint32_t i)
{
    const struct member *member = &group_members(fan->group)[i];

    if (fan->verdicts != NULL && !fan->verdicts[i]) {
        return false;
    }
    return fan->skip != member->client->id || !member->sub->no_echo;
}

/* Whether it was put into the member's output. */
static bool give(struct hub *hub, const struct fan *fan,
                 const struct member *member)
{
    struct client *client = member->client;

    if (client->closing) {
        fan_trace_drop(hub, fan, 1, TRACED_WHY_CLOSED);
        return false;
    }
    if (client->slow) {
        gap_mark(member->sub, fan->seq);
        hub->core->stats.dropped_slow += fan->items;
        fan_trace_drop(hub, fan, 1, TRACED_WHY_SLOW);
        return false;
    }
    client_deliver(client, fan->chunk, fan->from, fan->chunk->len - fan->from,
                   fan->seq, fan->items);
    return true;
}

/* All frames that nobody had yet went to so many. */
static void count_given(struct hub *hub, const struct fan *fan, uint64_t given)
{
    const struct usage_count frames = {
        .items = fan->items,
        .bytes = fan->chunk->value_len,
        .operations = fan->chunk->operations,
    };

    hub->core->stats.delivered += frames.items * given;
    usage_count(&fan->topic->cache->meter->usage.out, &frames, given);
}

void fan_settle(struct hub *hub, struct fan *fan)
{
    const struct group *group = fan->group;
    const struct member *members = group_members(group);
    bool all = fan->skip == 0 && fan->verdicts == NULL;

    if (fan->items == 0) {
        return;
    }
    uint64_t given = 0;
    bool outer = !hub->settling;
    hub->settling = true;
    for (uint32_t i = 0; i < group->len; i++) {
        if (i + 4 < group->len) {
            __builtin_prefetch(members[i + 4].client, 1);
        }
        if (all || passes(fan, i)) {
            given += give(hub, fan, &members[i]);
        }
    }
    hub->settling = !outer;
    count_given(hub, fan, given);
    fan->items = 0;
}

void hub_settle(struct hub *hub)
{
    if (hub->settling) {
        return;
    }
    hub->settling = true;
    while (hub->dirty != NULL) {
        struct fan *fan = hub->dirty;
        hub->dirty = fan->dirty_next;
        fan->dirty = false;
        fan_settle(hub, fan);
        if (fan->chunk != NULL) {
            fan->turn_len = fan->chunk->len < CHUNK_LEN ? fan->chunk->len : 0;
            close_chunk(hub, fan);
        }
    }
    hub->dirty_last = NULL;
    hub->settling = false;
}

bool hub_is_dirty(const struct hub *hub)
{
    return hub->dirty != NULL;
}
