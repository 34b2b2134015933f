/* SPDX-License-Identifier: Apache-2.0
 *
 * Resume on another node: a subscription that names a page of that node.
 *
 *   here      subscribed ....... barrier holds ... settled .... done
 *   own items      |--- kept here ------------------------------>| live
 *   questions      ask -> answer, ask -> answer, ...
 *   delivered      nothing                        theirs, own ---|
 *
 * The subscription is held out of its group, so nothing reaches it; own items
 * are kept beside it. The other node is asked, from the start on because its
 * ring is short, for what followed the position, again and again until nothing
 * can be missing between the two:
 *
 *   - all nodes know this subscription (the barrier), and SETTLE_MS passed for
 *     what was still under way to the other node only;
 *   - of each origin whose items came here the other node has one of those, so
 *     its list has no hole before them;
 *   - no item that is not known here came lately: it may still be under way.
 *
 * Then theirs are delivered with the old page, but for those that came here
 * too, and then the own ones with the own page, but for those that the client
 * had seen before it moved. Items of one origin are in the order of their
 * counts everywhere, so one number of each origin decides both.
 *
 * Everything is bounded; whatever goes wrong is a discontinuity.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/client/client.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/hub/hub_private.h"
#include "node/numbers.h"
#include "proto/err.h"

enum {
    RECALLS_MAX = 4096,         /* at once; further ones are discontinuities */
    RECALL_LEN_MAX = 4 << 20,   /* bytes kept of own items, and of theirs */
    RECALLS_LEN_MAX = 64 << 20, /* of all together */
    RECALL_MS = 1000,           /* from the subscribe to giving up */
    SETTLE_MS = 100,
    QUIET_MS = 50,
    AGAIN_MS = 25, /* between an answer and the next question */
};

struct recall {
    struct sub *sub;
    struct queued of_topic; /* in resume->recalls */
    struct queued of_hub;   /* in hub->recalls, oldest first */
    uint64_t number;        /* of its questions */

    uint64_t page; /* what the client saw last */
    uint64_t seq;
    uint64_t theirs_to;    /* newest sequence of that page that is here */
    struct buf theirs;     /* items from seq + 1 to theirs_to */
    struct numbers seen;   /* newest at or before seq */
    struct numbers newest; /* newest at or before theirs_to */
    uint64_t strange_ms;   /* one of an origin not in `firsts` came */
    bool answered;         /* `seen` is filled in */

    uint64_t own_from;     /* sequence at the subscribe */
    struct buf own;        /* items from own_from + 1 on */
    struct numbers firsts; /* first of them that the client has not seen */

    uint64_t held_ms;  /* the barrier holds since; UINT64_MAX: not yet */
    uint64_t asked_ms; /* the last question */
    uint64_t again_ms; /* the next one; UINT64_MAX: an answer is awaited */
    uint64_t by_ms;
};

static bool ask(struct hub *hub, struct recall *recall);
static bool take_items(struct hub *hub, struct recall *recall,
                       const struct peer_message *answer);
static bool is_complete(const struct hub *hub, const struct recall *recall);
static void finish(struct hub *hub, struct recall *recall);
static void lose(struct hub *hub, struct recall *recall, bool with_own);

static struct topic *topic_of(const struct recall *recall)
{
    return recall->sub->group->exact.topic;
}

static void due_at(struct hub *hub, uint64_t at_ms)
{
    if (at_ms < hub->recalls_due_ms) {
        hub->recalls_due_ms = at_ms;
    }
}

/* --- life --- */

static bool may_ask(const struct hub *hub, const struct hub_want *want)
{
    uint64_t theirs = want->page & HUB_PAGE_NODE_MASK;

    return hub->outside.ask != NULL && want->page != 0 &&
           theirs != (hub->node_u64 & HUB_PAGE_NODE_MASK) &&
           hub->recalls.len < RECALLS_MAX && hub->recalls_len < RECALLS_LEN_MAX;
}

static struct recall *recall_new(struct hub *hub, struct sub *sub,
                                 const struct hub_want *want)
{
    struct recall *recall = calloc(1, sizeof *recall);

    if (recall == NULL) {
        return NULL;
    }
    *recall = (struct recall){
        .sub = sub,
        .number = ++hub->recalls_made,
        .page = want->page,
        .seq = want->seq,
        .theirs_to = want->seq,
        .theirs = {.max = RECALL_LEN_MAX},
        .own = {.max = RECALL_LEN_MAX},
        .own_from = sub->group->exact.topic->seq,
        .held_ms = UINT64_MAX,
        .by_ms = hub->core->now_ms + RECALL_MS,
    };
    if (lookup_add(&hub->asked, recall->number, recall) != 0) {
        free(recall);
        return NULL;
    }
    return recall;
}

static void recall_free(struct hub *hub, struct recall *recall)
{
    lookup_remove(&hub->asked, recall->number, recall);
    hub->recalls_len -= recall->theirs.len + recall->own.len;
    buf_fini(&recall->theirs);
    buf_fini(&recall->own);
    numbers_fini(&recall->seen);
    numbers_fini(&recall->newest);
    numbers_fini(&recall->firsts);
    free(recall);
}

bool recall_begin(struct hub *hub, struct sub *sub, const struct hub_want *want)
{
    struct recall *recall;

    if (!may_ask(hub, want)) {
        return false;
    }
    recall = recall_new(hub, sub, want);
    if (recall == NULL) {
        return false;
    }
    if (!ask(hub, recall)) {
        recall_free(hub, recall);
        return false;
    }
    sub->recall = recall;
    group_hold(sub);
    queue_add(&hub->recalls, &recall->of_hub);
    queue_add(&topic_of(recall)->resume->recalls, &recall->of_topic);
    due_at(hub, hub->core->now_ms);
    return true;
}

void recall_drop(struct hub *hub, struct recall *recall)
{
    queue_remove(&hub->recalls, &recall->of_hub);
    queue_remove(&topic_of(recall)->resume->recalls, &recall->of_topic);
    recall->sub->recall = NULL;
    recall_free(hub, recall);
}

/* --- own items --- */

/* What the client saw before it moved does not begin anything. */
static void note_first(struct recall *recall, const struct item *item)
{
    if (item->count > numbers_of(&recall->seen, item->origin) &&
        numbers_first(&recall->firsts, item->origin, item->count) != 0) {
        recall->own.failed = true;
    }
}

void recall_keep(struct hub *hub, struct topic *topic, const struct item *item)
{
    for (struct queued *q = topic->resume->recalls.first; q != NULL;
         q = q->next) {
        struct recall *recall = QUEUE_OWNER(q, struct recall, of_topic);
        size_t before = recall->own.len;
        if (hub->recalls_len >= RECALLS_LEN_MAX) {
            recall->own.failed = true;
        }
        if (!recall->own.failed) {
            item_write(item, &recall->own);
        }
        if (recall->own.failed) {
            recall->own.len = before; /* nothing half */
        }
        hub->recalls_len += recall->own.len - before;
        if (recall->answered) {
            note_first(recall, item);
        }
    }
}

void recall_cut(struct hub *hub, struct topic *topic)
{
    while (topic->resume != NULL && topic->resume->recalls.first != NULL) {
        lose(hub,
             QUEUE_OWNER(topic->resume->recalls.first, struct recall, of_topic),
             false);
    }
}

void recall_lost(struct hub *hub, struct recall *recall)
{
    lose(hub, recall, true);
}

/* --- questions and answers --- */

static bool ask(struct hub *hub, struct recall *recall)
{
    const struct topic *topic = topic_of(recall);
    const struct peer_message question = {
        .type = PEER_ASK,
        .number = recall->number,
        .page = recall->page,
        .seq = recall->theirs_to,
        .first = !recall->answered,
        .cache = cache_name(topic->cache),
        .topic = topic_name(topic),
    };

    recall->asked_ms = hub->core->now_ms;
    recall->again_ms = UINT64_MAX;
    return hub->outside.ask(hub->outside.data, &question);
}

void hub_take_answer(struct hub *hub, const struct peer_message *answer)
{
    size_t at;
    struct recall *recall = lookup_first(&hub->asked, answer->number, &at);

    if (recall == NULL || recall->again_ms != UINT64_MAX ||
        answer->seq != recall->theirs_to) {
        return; /* given up meanwhile */
    }
    if (!answer->known || !take_items(hub, recall, answer)) {
        lose(hub, recall, true);
        return;
    }
    bool whole = recall->theirs_to >= answer->newest;
    if (whole && is_complete(hub, recall)) {
        finish(hub, recall);
    } else if (whole || answer->records_len == 0) {
        recall->again_ms = hub->core->now_ms + AGAIN_MS;
        due_at(hub, recall->again_ms);
    } else if (!ask(hub, recall)) {
        lose(hub, recall, true);
    }
}

/* The first answer says what the client had seen. */
static bool take_seen(struct recall *recall, struct bytes seen)
{
    struct bytes own = buf_bytes(&recall->own);
    struct item item;
    ptrdiff_t n;

    for (size_t i = 0; i < seen.len; i += PEER_NUMBER_LEN) {
        uint64_t origin = bytes_u64be(seen.p + i);
        uint64_t count = bytes_u64be(seen.p + i + 8);
        if (numbers_raise(&recall->seen, origin, count) != 0 ||
            numbers_raise(&recall->newest, origin, count) != 0) {
            return false;
        }
    }
    recall->answered = true;
    while ((n = item_read(own, &item)) > 0) {
        note_first(recall, &item);
        own = bytes_skip(own, (size_t)n);
    }
    return true;
}

static bool take_items(struct hub *hub, struct recall *recall,
                       const struct peer_message *answer)
{
    const struct topic *topic = topic_of(recall);
    struct bytes in = answer->records;

    if (!recall->answered && !take_seen(recall, answer->seen)) {
        return false;
    }
    for (uint32_t i = 0; i < answer->records_len; i++) {
        struct item item;
        ptrdiff_t n = item_read(in, &item);
        if (n <= 0 || !bytes_eq(item.topic, topic_name(topic)) ||
            !bytes_eq(item.cache, cache_name(topic->cache)) ||
            numbers_raise(&recall->newest, item.origin, item.count) != 0) {
            return false;
        }
        if (numbers_of(&recall->firsts, item.origin) == 0) {
            recall->strange_ms = hub->core->now_ms;
        }
        in = bytes_skip(in, (size_t)n);
    }
    if (in.len > 0 || hub->recalls_len > RECALLS_LEN_MAX) {
        return false;
    }
    buf_add_bytes(&recall->theirs, answer->records);
    if (recall->theirs.failed) {
        return false;
    }
    hub->recalls_len += answer->records.len;
    recall->theirs_to += answer->records_len;
    return true;
}

static bool is_complete(const struct hub *hub, const struct recall *recall)
{
    uint64_t now_ms = hub->core->now_ms;

    if (recall->own.failed || recall->held_ms == UINT64_MAX ||
        recall->asked_ms < recall->held_ms + SETTLE_MS ||
        now_ms < recall->strange_ms + QUIET_MS) {
        return false;
    }
    for (size_t i = 0; i < recall->firsts.len; i++) {
        const struct number *first = &recall->firsts.list[i];
        if (numbers_of(&recall->newest, first->origin) < first->count) {
            return false;
        }
    }
    return true;
}

static void step(struct hub *hub, struct recall *recall, uint64_t held)
{
    uint64_t now_ms = hub->core->now_ms;

    if (held < topic_of(recall)->version) {
        recall->held_ms = UINT64_MAX;
    } else if (recall->held_ms == UINT64_MAX) {
        recall->held_ms = now_ms;
    }
    if (now_ms >= recall->by_ms || recall->own.failed ||
        (now_ms >= recall->again_ms && !ask(hub, recall))) {
        lose(hub, recall, true);
    }
}

uint64_t recall_expire(struct hub *hub, uint64_t now_ms)
{
    struct queued *next;

    if (now_ms < hub->recalls_due_ms || hub->recalls.len == 0) {
        return hub->recalls_due_ms;
    }
    uint64_t held = hub_held(hub, CLUSTER_SCOPE_ALL);
    for (struct queued *q = hub->recalls.first; q != NULL; q = next) {
        next = q->next;
        step(hub, QUEUE_OWNER(q, struct recall, of_hub), held);
    }
    hub->recalls_due_ms = hub->recalls.len == 0 ? UINT64_MAX
                                                : now_ms + AGAIN_MS;
    return hub->recalls_due_ms;
}

/* --- the end --- */

static bool give_theirs(struct hub *hub, const struct recall *recall)
{
    struct bytes in = buf_bytes(&recall->theirs);
    uint64_t seq = recall->seq;
    struct item item;
    ptrdiff_t n;

    while ((n = item_read(in, &item)) > 0) {
        uint64_t first = numbers_of(&recall->firsts, item.origin);
        seq++;
        in = bytes_skip(in, (size_t)n);
        if (first != 0 && item.count >= first) {
            continue; /* it came here, too */
        }
        if (!resume_give(hub, recall->sub, &item, recall->page, seq)) {
            return false;
        }
    }
    return true;
}

static bool give_own(struct hub *hub, const struct recall *recall)
{
    const struct sub *sub = recall->sub;
    struct bytes in = buf_bytes(&recall->own);
    uint64_t seq = recall->own_from;
    struct item item;
    ptrdiff_t n;

    while ((n = item_read(in, &item)) > 0) {
        bool echo = item.origin == hub->node_u64 &&
                    item.conn == sub->client->id;
        seq++;
        in = bytes_skip(in, (size_t)n);
        if ((echo && sub->no_echo) ||
            item.count <= numbers_of(&recall->seen, item.origin)) {
            continue;
        }
        if (!resume_give(hub, recall->sub, &item, topic_of(recall)->page,
                         seq)) {
            return false;
        }
    }
    return true;
}

/* Live from here. */
static void rejoin(struct hub *hub, struct recall *recall)
{
    struct sub *sub = recall->sub;

    recall_drop(hub, recall);
    if (group_unhold(sub) != 0) {
        client_close(sub->client, ERR_NOMEM);
    }
}

static void finish(struct hub *hub, struct recall *recall)
{
    struct sub *sub = recall->sub;

    hub_settle(hub);
    bool whole = !sub->client->slow && give_theirs(hub, recall) &&
                 give_own(hub, recall);
    hub->core->stats.resumed += whole;
    rejoin(hub, recall);
    if (!whole) {
        gap_mark(sub, 1);
        if (!sub->client->slow) {
            hub_tell_lost(hub, sub);
        }
    }
}

/* with_own: what came since the subscribe follows the discontinuity. */
static void lose(struct hub *hub, struct recall *recall, bool with_own)
{
    struct sub *sub = recall->sub;
    bool whole = false;

    hub_settle(hub);
    if (with_own && !recall->own.failed && !sub->client->slow) {
        gap_tell_sub(hub, sub, 0, recall->own_from);
        whole = give_own(hub, recall);
    }
    rejoin(hub, recall);
    if (!whole) {
        gap_mark(sub, 1);
        if (!sub->client->slow) {
            hub_tell_lost(hub, sub);
        }
    }
}
