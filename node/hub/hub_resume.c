/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/hub_private.h"

#include <assert.h>
#include <stdlib.h>

#include "node/client/client.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/numbers.h"
#include "proto/err.h"

enum {
    ANSWER_SEEN = 256, /* items looked through for what the client had seen */
};

#define PAGE_EPOCH_S 1704067200u               /* 2024-01-01 */
#define PAGE_MAX     (((uint64_t)1 << 53) - 1) /* exact in a JSON number */

uint64_t resume_page(const struct hub *hub)
{
    const uint64_t node = hub->node_u64 & HUB_PAGE_NODE_MASK;
    uint64_t now_s = hub->core->wall_ms / 1000;
    uint64_t s = now_s > PAGE_EPOCH_S ? now_s - PAGE_EPOCH_S : 0;
    uint64_t page = s << HUB_PAGE_NODE_BITS | node;

    /* A life that ended in this very second, or before the clock was set back,
     * must not be taken for the one that starts. */
    if (page <= hub->page_floor) {
        page = hub->page_floor + ((uint64_t)1 << HUB_PAGE_NODE_BITS);
    }
    return page <= PAGE_MAX ? page : hub->page_floor;
}

/* --- the ring --- */

static void count_ring(struct hub *hub, struct resume *resume, uint64_t before)
{
    hub->rings_len += resume->ring.bytes;
    hub->rings_len -= before;
    hub->core->stats.ring_len = hub->rings_len;
    if (resume->ring.bytes == 0) {
        queue_remove(&hub->rings, &resume->kept);
    } else if (!queued_is_in(&resume->kept)) {
        queue_add(&hub->rings, &resume->kept);
    }
}

static void forget_ring(struct hub *hub, struct resume *resume)
{
    uint64_t before = resume->ring.bytes;

    ring_fini(&resume->ring);
    resume->ring = (struct ring){0};
    count_ring(hub, resume, before);
}

void resume_keep(struct hub *hub, struct topic *topic, const struct item *item)
{
    struct resume *resume = topic->resume;
    uint64_t before = resume->ring.bytes;

    /* On error the ring is empty: who resumes is told so. */
    (void)ring_add(&resume->ring, &hub->core->limits, item, topic->seq);
    recall_keep(hub, topic, item);
    count_ring(hub, resume, before);
    while (hub->rings_len > hub->core->limits.rings_len) {
        forget_ring(hub, QUEUE_OWNER(hub->rings.first, struct resume, kept));
    }
}

void resume_cut(struct hub *hub, struct topic *topic)
{
    if (topic->resume != NULL) {
        forget_ring(hub, topic->resume);
    }
}

void hub_forget(struct hub *hub, struct bytes cache)
{
    struct queued *next;

    for (struct queued *at = hub->rings.first; at != NULL; at = next) {
        struct resume *resume = QUEUE_OWNER(at, struct resume, kept);
        next = at->next;
        if (bytes_eq(cache_name(resume->topic->cache), cache)) {
            forget_ring(hub, resume);
        }
    }
}

/* --- the window --- */

int resume_join(struct hub *hub, struct topic *topic)
{
    struct resume *resume = topic->resume;

    if (resume == NULL) {
        resume = calloc(1, sizeof *resume);
        if (resume == NULL) {
            return ERR_NOMEM;
        }
        resume->topic = topic;
        topic->resume = resume;
    }
    queue_remove(&hub->windows, &resume->waiting);
    resume->subs++;
    return 0;
}

void resume_leave(struct hub *hub, struct topic *topic)
{
    const struct limits *limits = &hub->core->limits;
    struct resume *resume = topic->resume;

    assert(resume->subs > 0);
    resume->subs--;
    if (resume->subs > 0) {
        return;
    }
    resume->until_ms = hub->core->now_ms + limits->linger_ms;
    queue_add(&hub->windows, &resume->waiting);
    if (limits->linger_ms == 0) {
        resume_end(hub, resume);
    } else if (hub->windows.len > limits->linger_topics) {
        resume_end(hub,
                   QUEUE_OWNER(hub->windows.first, struct resume, waiting));
    }
}

void resume_end(struct hub *hub, struct resume *resume)
{
    struct topic *topic = resume->topic;

    assert(resume->subs == 0);
    queue_remove(&hub->windows, &resume->waiting);
    forget_ring(hub, resume);
    free(resume);
    topic->resume = NULL;
    if (topic->page > hub->page_floor) {
        hub->page_floor = topic->page;
    }
    topic_release(hub, topic);
}

uint64_t hub_expire(struct hub *hub, uint64_t now_ms)
{
    uint64_t next_ms;

    while (hub->windows.first != NULL) {
        struct resume *oldest = QUEUE_OWNER(hub->windows.first, struct resume,
                                            waiting);
        if (oldest->until_ms > now_ms) {
            break;
        }
        resume_end(hub, oldest);
    }
    gap_expire(hub, now_ms);
    next_ms = recall_expire(hub, now_ms);
    next_ms = hub->gaps_due_ms < next_ms ? hub->gaps_due_ms : next_ms;
    if (hub->windows.first != NULL) {
        uint64_t until_ms =
            QUEUE_OWNER(hub->windows.first, struct resume, waiting)->until_ms;
        next_ms = until_ms < next_ms ? until_ms : next_ms;
    }
    return next_ms;
}

/* --- coming back --- */

enum hub_outcome resume_outcome(const struct topic *topic,
                                const struct hub_want *want)
{
    const struct ring *ring = topic->resume == NULL ? NULL
                                                    : &topic->resume->ring;

    if (!want->resume) {
        return HUB_FRESH;
    }
    if (want->page != topic->page || want->seq > topic->seq) {
        return HUB_LOST;
    }
    if (want->seq == topic->seq) {
        return HUB_RESUMED;
    }
    bool covered = ring != NULL && ring->len > 0 &&
                   ring_covers(ring, want->seq);
    return covered ? HUB_RESUMED : HUB_LOST;
}

bool resume_give(struct hub *hub, struct sub *sub, const struct item *item,
                 uint64_t page, uint64_t seq)
{
    const struct topic *topic = sub->group->exact.topic;
    const struct variant *variant = &sub->group->variant;
    const struct rendering what = {
        .item = item,
        .page = page,
        .seq = seq,
        .version = variant->version,
    };
    const struct usage_count one = {
        .items = 1,
        .bytes = item->value.len,
        .operations = usage_operations(item->value.len),
    };
    struct chunk *chunk;

    buf_reset(&hub->scratch);
    variant->door->render(&what, &hub->scratch);
    chunk = fan_wrap(hub, variant);
    if (chunk == NULL) {
        return false;
    }
    chunk->topic = topic->hash;
    client_deliver(sub->client, chunk, 0, chunk->len, seq, 1);
    chunk_unref(&hub->core->chunks, chunk);
    hub->core->stats.delivered++;
    usage_count(&topic->cache->meter->usage.out, &one, 1);
    return true;
}

/* Delivers item `seq` of the ring. false: it is no longer here, or memory is
 * short. */
static bool replay_one(struct hub *hub, struct sub *sub, uint64_t seq)
{
    const struct topic *topic = sub->group->exact.topic;
    struct item item;

    return topic->resume != NULL &&
           ring_item(&topic->resume->ring, seq, &item) &&
           resume_give(hub, sub, &item, topic->page, seq);
}

void hub_replay(struct hub *hub, struct sub *sub, const struct hub_want *want,
                const struct hub_position *position)
{
    uint64_t seq = want->seq;

    if (position->outcome == HUB_FRESH || position->outcome == HUB_ASKED ||
        position->already) {
        return;
    }
    hub_settle(hub);
    if (position->outcome == HUB_RESUMED) {
        hub->core->stats.resumed++;
        while (seq < position->seq && replay_one(hub, sub, seq + 1)) {
            seq++;
        }
        if (seq == position->seq) {
            return;
        }
    }
    bool known = want->page == position->page && seq <= position->seq;
    gap_mark(sub, known ? seq + 1 : 1);
    hub_tell_lost(hub, sub);
}

/* --- coming back to another node --- */

/* Of each origin the newest item at or before the position. */
static void add_seen(const struct topic *topic, uint64_t seq, struct buf *out)
{
    const struct ring *ring = &topic->resume->ring;
    struct numbers seen = {0};
    struct item item;

    for (uint64_t i = 0; i < ANSWER_SEEN && i < seq; i++) {
        if (!ring_item(ring, seq - i, &item)) {
            break;
        }
        if (numbers_raise(&seen, item.origin, item.count) != 0) {
            out->failed = true;
        }
    }
    for (size_t i = 0; i < seen.len; i++) {
        uint8_t number[PEER_NUMBER_LEN];
        bytes_put_u64be(number, seen.list[i].origin);
        bytes_put_u64be(number + 8, seen.list[i].count);
        buf_add(out, number, sizeof number);
    }
    numbers_fini(&seen);
}

/* As many as fit; the first in any case. */
static uint32_t add_items(const struct topic *topic, uint64_t seq,
                          struct buf *out)
{
    const struct ring *ring = &topic->resume->ring;
    struct item item;
    uint32_t len = 0;

    while (len < PEER_RECORDS_MAX && ring_item(ring, seq + 1 + len, &item) &&
           (len == 0 || out->len + item.wire.len <= PEER_ANSWER_LEN)) {
        item_write(&item, out);
        len++;
    }
    return len;
}

static bool is_known(const struct hub *hub, const struct topic *topic,
                     const struct peer_message *question)
{
    return topic != NULL && topic->resume != NULL &&
           topic->page == question->page && question->seq <= topic->seq &&
           !topic_has_news(hub, topic) &&
           (question->seq == topic->seq ||
            (topic->resume->ring.len > 0 &&
             ring_covers(&topic->resume->ring, question->seq)));
}

void hub_answer(struct hub *hub, const struct peer_message *question,
                struct peer_message *answer, struct buf *memory)
{
    uint64_t hash = hash_topic(&hub->hash_key, question->cache,
                               question->topic);
    const struct topic *topic = topic_find(hub, hash, question->cache,
                                           question->topic);

    *answer = (struct peer_message){
        .type = PEER_ANSWER,
        .number = question->number,
        .seq = question->seq,
    };
    buf_reset(memory);
    if (!is_known(hub, topic, question)) {
        return;
    }
    uint32_t len = add_items(topic, question->seq, memory);
    size_t items_len = memory->len;
    if (question->first) {
        add_seen(topic, question->seq, memory);
    }
    if (memory->failed || items_len > PEER_RECORDS_LEN_MAX) {
        return;
    }
    answer->known = true;
    answer->newest = topic->seq;
    answer->records_len = len;
    answer->records = bytes_of(memory->p, items_len);
    answer->seen = bytes_skip(buf_bytes(memory), items_len);
}

bool hub_lingers(const struct hub *hub)
{
    return hub->windows.len > 0;
}
