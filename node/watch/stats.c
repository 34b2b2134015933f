/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/stats.h"

#include <assert.h>
#include <stddef.h>

struct stats_row {
    const char *head;   /* the HELP and TYPE lines; NULL: as above */
    const char *metric; /* with its label, if it has one; NULL: a head alone */
    size_t offset;
    bool is_ms; /* shown in seconds */
};

#define TYPE_counter   "counter"
#define TYPE_gauge     "gauge"
#define TYPE_gauge_ms  "gauge"
#define IS_MS_counter  false
#define IS_MS_gauge    false
#define IS_MS_gauge_ms true

static const struct stats_row rows[] = {
#define X(field, kind, metric, help)                                    \
    {"# HELP " metric " " help "\n# TYPE " metric " " TYPE_##kind "\n", \
     metric, offsetof(struct stats, field), IS_MS_##kind},
    STATS_TABLE(X)
#undef X
        {"# HELP starling_gossip_refused_total Gossip packets refused\n"
         "# TYPE starling_gossip_refused_total counter\n",
         NULL, 0, false},
#define X(field, reason, meaning)                                  \
    {NULL, "starling_gossip_refused_total{reason=\"" reason "\"}", \
     offsetof(struct stats, field), false},
    STATS_GOSSIP_REFUSED(X)
#undef X
        {"# HELP starling_link_refused_total Connections and batches of links "
         "refused\n# TYPE starling_link_refused_total counter\n",
         NULL, 0, false},
#define X(field, reason, meaning)                                \
    {NULL, "starling_link_refused_total{reason=\"" reason "\"}", \
     offsetof(struct stats, field), false},
    STATS_LINK_REFUSED(X)
#undef X
        {"# HELP starling_clients Clients by door\n"
         "# TYPE starling_clients gauge\n",
         NULL, 0, false},
#define X(name)                                    \
    {NULL, "starling_clients{door=\"" #name "\"}", \
     offsetof(struct stats, doors[STATS_DOOR_##name]), false},
    STATS_DOORS_TABLE(X)
#undef X
};

enum {
    STATS_FIELDS = sizeof(struct stats) / sizeof(uint64_t)
};
static_assert(STATS_FIELDS * sizeof(uint64_t) == sizeof(struct stats),
              "numbers only");

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Sums but for what no sum has a meaning of. */
void stats_add(struct stats *sum, const struct stats *one)
{
    const struct stats before = *sum;
    uint64_t to[STATS_FIELDS];
    uint64_t from[STATS_FIELDS];

    memcpy(to, sum, sizeof to);
    memcpy(from, one, sizeof from);
    for (size_t i = 0; i < STATS_FIELDS; i++) {
        to[i] += from[i];
    }
    memcpy(sum, to, sizeof to);
    sum->loop_lag_ms = greater(before.loop_lag_ms, one->loop_lag_ms);
    sum->peers = greater(before.peers, one->peers);
    sum->reload_s = greater(before.reload_s, one->reload_s);
    sum->reload_ok = lesser(before.reload_ok, one->reload_ok);
    sum->links = lesser(before.links, one->links);
    sum->tls_until_s = lesser(before.tls_until_s, one->tls_until_s);
    sum->ready = lesser(before.ready, one->ready);
}

void stats_since(struct stats *grown, const struct stats *now,
                 const struct stats *before)
{
    uint64_t to[STATS_FIELDS];
    uint64_t from[STATS_FIELDS];

    memcpy(to, now, sizeof to);
    memcpy(from, before, sizeof from);
    for (size_t i = 0; i < STATS_FIELDS; i++) {
        to[i] = to[i] > from[i] ? to[i] - from[i] : 0;
    }
    memcpy(grown, to, sizeof to);
}

const char *stats_door(size_t door)
{
    static const char *const names[] = {
#define X(name) #name,
        STATS_DOORS_TABLE(X)
#undef X
    };

    assert(door < ARRAY_LEN(names));
    return names[door];
}

void stats_add_ms(struct buf *out, uint64_t ms)
{
    buf_add_u64(out, ms / 1000);
    buf_add_u8(out, '.');
    for (uint64_t unit = 100; unit > 0; unit /= 10) {
        buf_add_u8(out, (uint8_t)('0' + ms / unit % 10));
    }
}

void stats_write(const struct stats *stats, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value;
        if (rows[i].head != NULL) {
            buf_add_str(out, rows[i].head);
        }
        if (rows[i].metric == NULL) {
            continue;
        }
        memcpy(&value, (const uint8_t *)stats + rows[i].offset, sizeof value);
        buf_add_str(out, rows[i].metric);
        buf_add_u8(out, ' ');
        if (rows[i].is_ms) {
            stats_add_ms(out, value);
        } else {
            buf_add_u64(out, value);
        }
        buf_add_u8(out, '\n');
    }
}
