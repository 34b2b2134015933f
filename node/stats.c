/* SPDX-License-Identifier: Apache-2.0 */
#include "node/stats.h"

#include <stddef.h>

struct stats_row {
    const char *head;   /* the HELP and TYPE lines; NULL: as above */
    const char *metric; /* with its label, if it has one; NULL: a head alone */
    size_t offset;
};

static const struct stats_row rows[] = {
#define X(field, kind, metric, help)                                      \
    {"# HELP " metric " " help "\n# TYPE " metric " " #kind "\n", metric, \
     offsetof(struct stats, field)},
    STATS_TABLE(X)
#undef X
        {"# HELP starling_gossip_refused_total Gossip packets refused\n"
         "# TYPE starling_gossip_refused_total counter\n",
         NULL, 0},
#define X(field, reason, meaning)                                  \
    {NULL, "starling_gossip_refused_total{reason=\"" reason "\"}", \
     offsetof(struct stats, field)},
    STATS_GOSSIP_REFUSED(X)
#undef X
        {"# HELP starling_link_refused_total Connections and batches of links "
         "refused\n# TYPE starling_link_refused_total counter\n",
         NULL, 0},
#define X(field, reason, meaning)                                \
    {NULL, "starling_link_refused_total{reason=\"" reason "\"}", \
     offsetof(struct stats, field)},
    STATS_LINK_REFUSED(X)
#undef X
};

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
        buf_add_u64(out, value);
        buf_add_u8(out, '\n');
    }
}
