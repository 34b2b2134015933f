/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/trace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/core.h"

static void on_due(struct deadline *deadline, uint64_t now_ms);
static void forget_from(struct trace *trace, struct trace_item **at);
static void item_free(struct trace *trace, struct trace_item *item);
static bool item_written(struct trace *trace, struct trace_item *item);

/* --- life --- */

void trace_init(struct trace *trace, struct core *core)
{
    *trace = (struct trace){.core = core, .deadline = {.on_due = on_due}};
}

void trace_fini(struct trace *trace)
{
    if (trace->core == NULL) {
        return;
    }
    forget_from(trace, &trace->first);
    (void)deadline_set(&trace->core->deadlines, &trace->deadline,
                       DEADLINE_NEVER);
}

uint64_t trace_now_us(const struct trace *trace)
{
    return trace->clock.now_us != NULL ? trace->clock.now_us()
                                       : trace->core->now_ms * 1000;
}

uint64_t trace_wall_us(const struct trace *trace)
{
    return trace->clock.wall_us != NULL ? trace->clock.wall_us()
                                        : trace->core->wall_ms * 1000;
}

static void item_free(struct trace *trace, struct trace_item *item)
{
    for (size_t i = 0; i < item->notes.sends_len; i++) {
        trace->queued -= item->notes.sends[i].outcome == TRACED_QUEUED;
    }
    trace->waiting -= item->chunks_len > 0;
    for (size_t i = 0; i < item->chunks_len; i++) {
        chunk_unref(&trace->core->chunks, item->chunks[i]);
    }
    free(item);
}

/* That one and all older ones. */
static void forget_from(struct trace *trace, struct trace_item **at)
{
    struct trace_item *item = *at;

    *at = NULL;
    while (item != NULL) {
        struct trace_item *next = item->next;
        item_free(trace, item);
        trace->len--;
        item = next;
    }
}

static void on_due(struct deadline *deadline, uint64_t now_ms)
{
    struct trace *trace = (struct trace *)(void *)((char *)deadline -
                                                   offsetof(struct trace,
                                                            deadline));
    struct trace_item **at = &trace->first;
    uint64_t next_ms = DEADLINE_NEVER;

    while (*at != NULL && (*at)->until_ms > now_ms) {
        next_ms = (*at)->until_ms;
        at = &(*at)->next;
    }
    forget_from(trace, at);
    if (deadline_set(&trace->core->deadlines, deadline, next_ms) != 0) {
        forget_from(trace, &trace->first);
    }
}

/* --- items --- */

struct trace_item *trace_find(const struct trace *trace, uint64_t origin,
                              uint64_t count)
{
    struct trace_item *item = trace->first;

    while (item != NULL && (item->origin != origin || item->count != count)) {
        item = item->next;
    }
    return item;
}

static void drop_oldest(struct trace *trace)
{
    struct trace_item **at = &trace->first;

    while ((*at)->next != NULL) {
        at = &(*at)->next;
    }
    forget_from(trace, at);
}

/* Sees to it that what is noted now is forgotten. */
static bool arm(struct trace *trace)
{
    struct core *core = trace->core;

    return trace->first != NULL ||
           deadline_set(&core->deadlines, &trace->deadline,
                        core->now_ms + TRACE_KEEP_MS) == 0;
}

struct trace_item *trace_begin(struct trace *trace, const struct item *item,
                               uint64_t from, enum traced_hop hop)
{
    struct trace_item *noted = trace_find(trace, item->origin, item->count);

    if (noted != NULL || trace->core == NULL || !arm(trace)) {
        return noted;
    }
    noted = calloc(1, sizeof *noted);
    if (noted == NULL) {
        return NULL;
    }
    noted->origin = item->origin;
    noted->count = item->count;
    noted->until_ms = trace->core->now_ms + TRACE_KEEP_MS;
    noted->notes.seen = true;
    noted->notes.from = from;
    noted->notes.hop = (uint8_t)hop;
    noted->notes.at_us = trace_now_us(trace);
    noted->next = trace->first;
    trace->first = noted;
    if (++trace->len > TRACE_ITEMS_MAX) {
        drop_oldest(trace);
    }
    return noted;
}

void trace_arrived(struct trace *trace, const struct item *item, uint16_t slot,
                   enum peer_hop hop, bool late)
{
    static const enum traced_hop hops[] = {
        [PEER_HOP_LAST] = TRACED_REGION,
        [PEER_HOP_INGRESS] = TRACED_INGRESS,
        [PEER_HOP_HOST] = TRACED_HOST,
    };
    const struct cluster *cluster = trace->core->cluster;
    struct cluster_member member;
    uint64_t from = 0;

    for (size_t i = 0; from == 0 && cluster_member_at(cluster, i, &member);
         i++) {
        from = !member.self && member.slot == slot
                   ? node_id_u64(&member.node.id)
                   : 0;
    }
    struct trace_item *noted = trace_begin(trace, item, from, hops[hop]);
    if (noted != NULL && late) {
        trace_drop(noted, "", 1, TRACED_WHY_LATE);
    }
}

/* --- readers --- */

/* Holds the chunk until all its readers have read. Beyond the bound they count
 * as having done so with the others. */
static void watch(struct trace *trace, struct trace_item *item,
                  struct chunk *chunk)
{
    if (item->chunks_len < TRACE_CHUNKS_MAX) {
        chunk_ref(chunk);
        trace->waiting += item->chunks_len == 0;
        item->chunks[item->chunks_len++] = chunk;
    }
}

void trace_match(struct trace *trace, struct trace_item *item, const char *door,
                 uint64_t subs, struct chunk *chunk)
{
    struct traced *notes = &item->notes;
    struct bytes name = bytes_str(door);
    size_t i = 0;

    while (i < notes->doors_len && !bytes_eq(notes->doors[i].name, name)) {
        i++;
    }
    if (i < TRACED_DOORS_MAX) {
        notes->doors[i].name = name;
        notes->doors[i].subs += subs;
        notes->doors_len += i == notes->doors_len;
    }
    watch(trace, item, chunk);
}

void trace_drop(struct trace_item *item, const char *door, uint64_t count,
                enum traced_why why)
{
    struct traced *notes = &item->notes;
    struct bytes name = bytes_str(door);
    size_t i = 0;

    while (i < notes->drops_len && (notes->drops[i].why != why ||
                                    !bytes_eq(notes->drops[i].door, name))) {
        i++;
    }
    if (i < TRACED_DROPS_MAX) {
        notes->drops[i].door = name;
        notes->drops[i].why = (uint8_t)why;
        notes->drops[i].count += count;
        notes->drops_len += i == notes->drops_len;
    }
}

void trace_cut(struct trace *trace, const struct chunk *chunk, const char *door,
               enum traced_why why)
{
    for (struct trace_item *item = trace->first; item != NULL;
         item = item->next) {
        for (size_t i = 0; i < item->chunks_len; i++) {
            if (item->chunks[i] == chunk) {
                trace_drop(item, door, 1, why);
            }
        }
    }
}

/* Lets go of what nobody else holds; true when that is all of it. */
static bool item_written(struct trace *trace, struct trace_item *item)
{
    size_t left = 0;

    for (size_t i = 0; i < item->chunks_len; i++) {
        struct chunk *chunk = item->chunks[i];
        if (chunk->refs == 1) {
            chunk_unref(&trace->core->chunks, chunk);
        } else {
            item->chunks[left++] = chunk;
        }
    }
    item->chunks_len = left;
    return left == 0;
}

void trace_written(struct trace *trace)
{
    uint64_t now_us = trace_now_us(trace);

    for (struct trace_item *item = trace->first; item != NULL;
         item = item->next) {
        if (item->chunks_len > 0 && item_written(trace, item)) {
            item->notes.written_us = now_us;
            trace->waiting--;
        }
    }
}

/* --- peers --- */

void trace_send(struct trace *trace, const struct item *item, uint64_t to,
                uint64_t seq, enum traced_why why)
{
    struct trace_item *noted = trace_find(trace, item->origin, item->count);

    if (noted == NULL) {
        return;
    }
    struct traced *notes = &noted->notes;
    if (notes->sends_len == TRACED_SENT_MAX) {
        notes->more++;
        return;
    }
    bool queued = why == TRACED_WHY_NONE;
    noted->seqs[notes->sends_len] = seq;
    notes->sends[notes->sends_len++] = (struct traced_send){
        .to = to,
        .at_us = trace_now_us(trace),
        .outcome = queued ? TRACED_QUEUED : TRACED_DROPPED,
        .why = (uint8_t)why,
    };
    trace->queued += queued;
}

static void decide(struct trace *trace, uint64_t to, uint64_t seq,
                   enum traced_outcome outcome, enum traced_why why)
{
    uint64_t now_us = trace_now_us(trace);

    for (struct trace_item *item = trace->first; item != NULL;
         item = item->next) {
        for (size_t i = 0; i < item->notes.sends_len; i++) {
            struct traced_send *send = &item->notes.sends[i];
            if (send->to == to && send->outcome == TRACED_QUEUED &&
                item->seqs[i] <= seq) {
                send->outcome = (uint8_t)outcome;
                send->why = (uint8_t)why;
                send->at_us = now_us;
                trace->queued--;
            }
        }
    }
}

void trace_left(struct trace *trace, uint64_t to, uint64_t seq)
{
    decide(trace, to, seq, TRACED_SENT, TRACED_WHY_NONE);
}

void trace_lost(struct trace *trace, uint64_t to, uint64_t seq,
                enum traced_why why)
{
    decide(trace, to, seq, TRACED_DROPPED, why);
}

/* --- telling --- */

void trace_tell(const struct trace *trace, uint64_t origin, uint64_t count,
                uint64_t told_ms, struct traced *traced)
{
    const struct trace_item *item = trace_find(trace, origin, count);

    if (item == NULL) {
        *traced = (struct traced){0};
    } else {
        *traced = item->notes;
        for (size_t i = 0; i < item->chunks_len; i++) {
            traced->waiting += item->chunks[i]->refs - 1;
        }
    }
    traced->told_us = told_ms * 1000;
    traced->now_us = trace_now_us(trace);
    traced->wall_us = trace_wall_us(trace);
}

void trace_check(const struct trace *trace)
{
    size_t len = 0;
    size_t queued = 0;
    size_t waiting = 0;

    for (const struct trace_item *item = trace->first; item != NULL;
         item = item->next) {
        assert(item->next == NULL || item->next->until_ms <= item->until_ms);
        for (size_t i = 0; i < item->notes.sends_len; i++) {
            queued += item->notes.sends[i].outcome == TRACED_QUEUED;
        }
        waiting += item->chunks_len > 0;
        len++;
    }
    assert(len == trace->len && len <= TRACE_ITEMS_MAX);
    assert(queued == trace->queued);
    assert(waiting == trace->waiting);
}
