/* SPDX-License-Identifier: Apache-2.0
 *
 * What /metrics says of the links to other nodes, one by one: of
 * PEER_TALLY_MAX by name, and of all others together. For one node, or for all
 * workers of a process (node/watch/view.h).
 */
#ifndef NODE_PEER_TALLY_H
#define NODE_PEER_TALLY_H

#include "node/watch/report.h"

struct core;

enum {
    PEER_TALLY_MAX = 64 /* as many as a scrape should carry */
};

struct peer_row {
    char name[REPORT_NAME_MAX];
    bool up;          /* of several: all are */
    bool is_known;    /* how far it is, and its clock */
    uint64_t rtt_us;  /* the greatest */
    int64_t clock_us; /* the one furthest from ours */
    uint64_t queue;
    uint64_t items; /* these three since the link was opened */
    uint64_t bytes;
    uint64_t dropped;
};

struct peer_tally {
    uint32_t len;
    bool has_others;
    struct peer_row others;
    struct peer_row rows[PEER_TALLY_MAX];
};

void peer_tally_of(const struct core *core, struct peer_tally *tally);
/* Adds that of another worker. */
void peer_tally_add(struct peer_tally *sum, const struct peer_tally *one);

/* Appends the Prometheus text exposition: families with the label peer. The
 * others are peer "(others)", which is no name of a node. */
void peer_tally_write(const struct peer_tally *tally, struct buf *out);

#endif
