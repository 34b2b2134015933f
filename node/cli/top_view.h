/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling top` shows: the newest report of each node
 * (node/watch/report.h), as tables of text. Nothing of a terminal but its size,
 * no clock, no connection.
 */
#ifndef NODE_CLI_TOP_VIEW_H
#define NODE_CLI_TOP_VIEW_H

#include <jansson.h>
#include <stdint.h>

#include "node/cli/sheet.h"

enum {
    TOP_NODES_MAX = 256,
    TOP_OLD_MS = 3000, /* a node that is silent for so long is shown so ... */
    TOP_FORGET_MS = 30000, /* ... and for so long, no more */
};

struct top_node {
    json_t *report;
    uint64_t heard_ms;
};

struct top_view {
    struct top_node nodes[TOP_NODES_MAX]; /* by region, then name */
    size_t len;
    uint64_t now_ms;
    const char *trouble; /* said in the first line; NULL: all is well */
};

void top_view_fini(struct top_view *view);

/* Takes a report over; what is none is dropped. */
void top_view_take(struct top_view *view, json_t *report, uint64_t now_ms);
/* Time has passed: forgets who went. */
void top_view_pass(struct top_view *view, uint64_t now_ms);

/* Draws all tables onto the sheet: nodes, links, topics, slow clients. Each has
 * its share of the lines that are left, the last one what the others leave. */
void top_view_draw(const struct top_view *view, struct sheet *sheet);

#endif
