/* SPDX-License-Identifier: Apache-2.0
 *
 * What this node says of itself in the cache _sys, where only nodes publish and
 * who has "admin:read" subscribes, by any door of any node:
 *
 *   stats    a report (node/watch/report.h) each WATCH_MS
 *   events   each line of the log that is info or worse (node/watch/events.h),
 * at most WATCH_EVENTS_MAX in a WATCH_MS
 *
 * and to whoever asks all nodes at once (CALL_REPORT, watch_report()).
 *
 * Nothing is rendered while nobody subscribes, here or on another node: each
 * WATCH_MS the counters are noted, and the question is asked. Only while
 * somebody does, or asked within WATCH_ASKED_MS, items are looked at one by one
 * (node/watch/lens.h), and links: what is told of them is there from the second
 * report on.
 *
 * Loop thread only. Neither libuv nor a clock: what is around it says how far
 * the links are and what this process costs; tests fake it.
 */
#ifndef NODE_WATCH_H
#define NODE_WATCH_H

#include "proto/bytes.h"
#include "proto/item.h"

struct core;
struct watch;

enum {
    WATCH_MS = 1000,
    WATCH_ASKED_MS = 10000, /* who asked once is likely to ask again */
    WATCH_EVENTS_MAX = 50,
};

/* One link, as it stands: counters of its life. */
struct watch_link {
    uint64_t items;
    uint64_t bytes;
    uint64_t dropped;
    uint64_t queue;
};

struct watch_world {
    void *data;
    /* Whether another node wants such an item: cluster_is_wanted(). */
    bool (*wanted)(void *data, const struct item *item);
    /* The link in that slot. false: there is none. */
    bool (*link_at)(void *data, uint16_t slot, struct watch_link *link);
    uint64_t (*cpu_us)(void *data); /* used since the start */
    uint64_t (*rss)(void *data);    /* bytes */
};

/* `core`, whose calls, events and deadlines it uses, is borrowed; core->watch
 * is set. Errors: NULL, memory is short. */
struct watch *watch_new(struct core *core, const struct watch_world *world);
/* NULL is fine. */
void watch_free(struct watch *watch);

/* As watch_world.link_at(). */
bool watch_link_at(const struct watch *watch, uint16_t slot,
                   struct watch_link *link);

/* Appends the report of now, with the counts of the last whole WATCH_MS. */
void watch_report(struct watch *watch, struct buf *out);

#endif
