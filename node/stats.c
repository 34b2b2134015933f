/* SPDX-License-Identifier: Apache-2.0 */
#include "node/stats.h"

#include <stddef.h>

struct stats_row {
    const char *head; /* the HELP and TYPE lines */
    const char *metric;
    size_t offset;
};

static const struct stats_row rows[] = {
#define X(field, kind, metric, help)                                      \
    {"# HELP " metric " " help "\n# TYPE " metric " " #kind "\n", metric, \
     offsetof(struct stats, field)},
    STATS_TABLE(X)
#undef X
};

void stats_write(const struct stats *stats, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value;
        memcpy(&value, (const uint8_t *)stats + rows[i].offset, sizeof value);
        buf_add_str(out, rows[i].head);
        buf_add_str(out, rows[i].metric);
        buf_add_u8(out, ' ');
        buf_add_u64(out, value);
        buf_add_u8(out, '\n');
    }
}
