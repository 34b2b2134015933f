/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of one item, drawn: the answer of POST /v1/admin/trace/... as a tree,
 * each node below the one that it got the item from.
 *
 *   n1 (eu)  published here
 *   ├─ 3 subscriptions: native 2, resp 1; written after 0.04 ms
 *   ├─ n2 (us)  after 0.21 ms (±0.07), for its region
 *   │  └─ 1 subscription: sse 1; DROPPED for 1: slow
 *   └─ n3 (eu)  DROPPED after 0.02 ms: link down
 *
 *   2 nodes, 4 subscriptions, last written after 0.04 ms; dropped: slow 1, n3
 */
#ifndef NODE_CLI_TRACE_TREE_H
#define NODE_CLI_TRACE_TREE_H

#include <jansson.h>
#include <stdbool.h>

#include "proto/bytes.h"

/* Whatever is missing in it reads as none. */
void trace_tree(const json_t *root, struct buf *out);

/* Nothing of it was dropped, and nobody is silent. */
bool trace_is_whole(const json_t *root);

#endif
