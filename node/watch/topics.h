/* SPDX-License-Identifier: Apache-2.0
 *
 * The topics that have subscribers here as rows of those of the whole cluster
 * (CALL_TOPICS, node/watch/gather.h).
 *
 * All nodes have them in one order, that of the keyed hash by which they find
 * them (lookup_scan()), so the rows of one topic come together, and a page goes
 * on where the last one ended without a list or a walk over all. What one page
 * looks at is bounded: among many topics of other caches it may come back with
 * little, and how far it came.
 *
 * A row: key its place, id how many are subscribed, text `"cache":"a","topic":
 * "b"`, members of an object.
 */
#ifndef NODE_TOPICS_H
#define NODE_TOPICS_H

#include <stdbool.h>

#include "proto/bytes.h"

struct core;

enum {
    TOPICS_WORK_MAX = 4096, /* buckets and topics that a page looks at */
};

/* What is asked: for gather_ask.what. The cache is empty: all; the name is a
 * prefix, or of one topic. */
struct topics_ask {
    struct bytes cache;
    struct bytes name;
    bool exact;
};

void topics_ask_write(const struct topics_ask *ask, struct buf *out);

/* Answers from now on. */
void topics_serve(struct core *core);

#endif
