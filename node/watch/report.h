/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node says of itself once a second, as values and as the text that is
 * published and answered (docs/PROTOCOLS.md, "What a cluster says of itself"):
 * aggregates only, never a value, a token or what is in them.
 *
 * The text is at most REPORT_LEN_MAX. Lists have a part of that: rows that do
 * not fit are left out, from the end, so who fills one puts first what matters
 * most. "links_len" says how many links there are.
 */
#ifndef NODE_REPORT_H
#define NODE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "node/watch/stats.h"
#include "proto/bytes.h"
#include "proto/item.h"
#include "proto/topic.h"

enum {
    REPORT_LEN_MAX = 16 << 10,
    REPORT_HOT_MAX = 10,
    REPORT_SLOW_MAX = 10,
    REPORT_NAME_MAX = 72, /* of a node or region, with its NUL */
    REPORT_ADDRESS_MAX = 64,
    REPORT_BUCKETS = 17, /* of latency, with the one beyond all */
};

/* By where an item was published. */
enum report_hop {
    REPORT_LOCAL,  /* here */
    REPORT_REGION, /* on another node of this region */
    REPORT_FAR,    /* in another region */
    REPORT_HOPS
};

struct report_flow {
    uint64_t items;
    uint64_t bytes;
};

struct report_link {
    uint64_t id;
    char name[REPORT_NAME_MAX];
    char region[REPORT_NAME_MAX];
    const char *state; /* as this node sees it: "alive", "suspect", "dead" */
    bool up;
    uint64_t rtt_us; /* 0: not known */
    struct report_flow out;
    uint64_t queue;
    uint64_t queue_limit;
    uint64_t dropped;
    int64_t clock_us; /* its wall clock minus ours; 0: not known */
};

struct report_hot {
    uint64_t in;
    uint64_t out;
    uint64_t subs;
    size_t cache_len;
    size_t topic_len;
    uint8_t cache[CACHE_LEN_MAX];
    uint8_t topic[TOPIC_LEN_MAX];
};

struct report_slow {
    uint64_t client;
    const char *door;
    char address[REPORT_ADDRESS_MAX];
    char who[ITEM_PUBLISHER_LEN_MAX + 1];
    uint64_t queue;
    uint64_t limit;
    uint64_t age_ms;  /* of its connection */
    uint64_t over_ms; /* above the soft bound for so long */
};

struct report {
    uint64_t id;
    const char *name;
    const char *region;
    const char *endpoint;
    const char *why; /* it takes no publishes; "" when it does */
    uint64_t at_ms;  /* wall clock */
    uint64_t uptime_ms;
    bool ready;
    bool draining;

    struct stats now; /* counters of its life, and gauges */

    /* What was counted during the last every_ms. */
    uint64_t every_ms;
    struct stats last;
    struct report_flow in;
    struct report_flow out;
    uint64_t closed;
    uint64_t latency[REPORT_HOPS][REPORT_BUCKETS]; /* items, by age */
    const struct report_hot *hot;
    size_t hot_len;

    uint64_t cpu_permille; /* of one processor */
    uint64_t rss;
    uint64_t memory;
    uint64_t memory_limit;
    const struct report_link *links;
    size_t links_len;
    const struct report_slow *slow;
    size_t slow_len;
};

/* Appends the object. Failure shows in out->failed. */
void report_write(const struct report *report, struct buf *out);

/* Which bucket an age belongs to. */
unsigned report_bucket(uint64_t age_us);
/* The greatest age in it, UINT64_MAX of the one beyond all. */
uint64_t report_bound_us(unsigned bucket);

#endif
