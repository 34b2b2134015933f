/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/peer_tally.h"

#include "node/core.h"
#include "node/mesh/clocks.h"
#include "node/mesh/member.h"
#include "node/watch/watch.h"

static void add_row(struct peer_tally *tally, const struct peer_row *row);

/* --- what there is --- */

static void describe(const struct core *core,
                     const struct cluster_member *member, struct peer_row *row)
{
    struct clocks_reading clock;
    struct watch_link link;

    *row = (struct peer_row){.up = member->linked};
    member_name(member, row->name);
    if (clocks_read(core->clocks, node_id_u64(&member->node.id), &clock)) {
        row->is_known = true;
        row->rtt_us = clock.rtt_us;
        row->clock_us = clock.ahead_us;
    }
    if (watch_link_at(core->watch, member->slot, &link)) {
        row->queue = link.queue;
        row->items = link.items;
        row->bytes = link.bytes;
        row->dropped = link.dropped;
    }
}

void peer_tally_of(const struct core *core, struct peer_tally *tally)
{
    struct cluster_member member;
    struct peer_row row;

    tally->len = 0;
    tally->has_others = false;
    for (size_t i = 0; core->watch != NULL && core->cluster != NULL &&
                       cluster_member_at(core->cluster, i, &member);
         i++) {
        if (!member.self && member_may_run(core->cluster, &member)) {
            describe(core, &member, &row);
            add_row(tally, &row);
        }
    }
}

/* --- sums --- */

static int64_t further(int64_t a, int64_t b)
{
    return (a < 0 ? -a : a) > (b < 0 ? -b : b) ? a : b;
}

static void add_to(struct peer_row *sum, const struct peer_row *one)
{
    sum->up = sum->up && one->up;
    sum->is_known = sum->is_known || one->is_known;
    sum->rtt_us = sum->rtt_us > one->rtt_us ? sum->rtt_us : one->rtt_us;
    sum->clock_us = further(sum->clock_us, one->clock_us);
    sum->queue += one->queue;
    sum->items += one->items;
    sum->bytes += one->bytes;
    sum->dropped += one->dropped;
}

static void add_row(struct peer_tally *tally, const struct peer_row *row)
{
    for (uint32_t i = 0; i < tally->len; i++) {
        if (strcmp(tally->rows[i].name, row->name) == 0) {
            add_to(&tally->rows[i], row);
            return;
        }
    }
    if (tally->len < PEER_TALLY_MAX) {
        tally->rows[tally->len++] = *row;
    } else if (tally->has_others) {
        add_to(&tally->others, row);
    } else {
        tally->has_others = true;
        tally->others = *row;
        strcpy(tally->others.name, "(others)");
    }
}

void peer_tally_add(struct peer_tally *sum, const struct peer_tally *one)
{
    for (uint32_t i = 0; i < one->len; i++) {
        add_row(sum, &one->rows[i]);
    }
    if (one->has_others && sum->has_others) {
        add_to(&sum->others, &one->others);
    } else if (one->has_others) {
        sum->has_others = true;
        sum->others = one->others;
    }
}

/* --- as text --- */

static void add_seconds(struct buf *out, int64_t us)
{
    uint64_t size = us < 0 ? (uint64_t)-us : (uint64_t)us;

    buf_add_str(out, us < 0 ? "-" : "");
    buf_add_u64(out, size / 1000000);
    buf_add_u8(out, '.');
    for (uint64_t unit = 100000; unit > 0; unit /= 10) {
        buf_add_u8(out, (uint8_t)('0' + size / unit % 10));
    }
}

static void add_up(struct buf *out, const struct peer_row *row)
{
    buf_add_u64(out, row->up);
}

static void add_rtt(struct buf *out, const struct peer_row *row)
{
    add_seconds(out, (int64_t)row->rtt_us);
}

static void add_clock(struct buf *out, const struct peer_row *row)
{
    add_seconds(out, row->clock_us);
}

static void add_queue(struct buf *out, const struct peer_row *row)
{
    buf_add_u64(out, row->queue);
}

static void add_items(struct buf *out, const struct peer_row *row)
{
    buf_add_u64(out, row->items);
}

static void add_bytes(struct buf *out, const struct peer_row *row)
{
    buf_add_u64(out, row->bytes);
}

static void add_dropped(struct buf *out, const struct peer_row *row)
{
    buf_add_u64(out, row->dropped);
}

struct family {
    const char *metric;
    const char *type;
    const char *help;
    void (*add)(struct buf *out, const struct peer_row *row);
    bool must_be_known;
};

/* Names of nodes are letters, digits and . _ - #: a label as they are. */
static void write_row(const struct family *family, const struct peer_row *row,
                      struct buf *out)
{
    if (family->must_be_known && !row->is_known) {
        return;
    }
    buf_add_str(out, family->metric);
    buf_add_str(out, "{peer=\"");
    buf_add_str(out, row->name);
    buf_add_str(out, "\"} ");
    family->add(out, row);
    buf_add_u8(out, '\n');
}

void peer_tally_write(const struct peer_tally *tally, struct buf *out)
{
    static const struct family families[] = {
        {"starling_link_up", "gauge", "1 when the link to that node is up",
         add_up, false},
        {"starling_link_rtt_seconds", "gauge",
         "The fastest of the last questions to that node", add_rtt, true},
        {"starling_clock_offset_seconds", "gauge",
         "Wall clock of that node less ours, as far as it can be known",
         add_clock, true},
        {"starling_link_queue_bytes", "gauge", "Bytes that wait for that node",
         add_queue, false},
        {"starling_link_peer_items_sent_total", "counter",
         "Items sent to that node", add_items, false},
        {"starling_link_peer_bytes_sent_total", "counter",
         "Bytes of batches sent to that node", add_bytes, false},
        {"starling_link_peer_items_dropped_total", "counter",
         "Items dropped in a full or old queue to that node", add_dropped,
         false},
    };

    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        buf_add_str(out, "# HELP ");
        buf_add_str(out, families[f].metric);
        buf_add_u8(out, ' ');
        buf_add_str(out, families[f].help);
        buf_add_str(out, "\n# TYPE ");
        buf_add_str(out, families[f].metric);
        buf_add_u8(out, ' ');
        buf_add_str(out, families[f].type);
        buf_add_u8(out, '\n');
        for (uint32_t i = 0; i < tally->len; i++) {
            write_row(&families[f], &tally->rows[i], out);
        }
        if (tally->has_others) {
            write_row(&families[f], &tally->others, out);
        }
    }
}
