/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways between `starling dev` and its nodes, as node/dev.h says: how things
 * are goes out, wishes come back and are answered. One way for each worker of a
 * node.
 */
#ifndef NODE_CLI_DEV_TALK_H
#define NODE_CLI_DEV_TALK_H

#include "node/cli/dev_nodes.h"

/* Makes the ways of a node that is about to start; how things are lies in each
 * of them. `theirs` are the caller's to pass on and to close. Errors: ERR_IO,
 * ERR_NOMEM; nothing stays open. */
int dev_talk_open(struct dev_nodes *nodes, size_t i,
                  int theirs[DEV_WORKERS_MAX]);
void dev_talk_close(struct dev_node *node);

/* How things are, to all that run. */
void dev_talk_tell(const struct dev_nodes *nodes);

/* What came from a node. */
struct dev_heard {
    enum {
        DEV_HEARD_NOTHING,
        DEV_HEARD_READY, /* it takes publishes now */
        DEV_HEARD_WISH,
    } what;
    uint64_t id; /* of the wish */
    struct bytes wish;
    uint8_t memory[2048];
};
void dev_talk_hear(struct dev_node *node, unsigned worker,
                   struct dev_heard *heard);
void dev_talk_answer(const struct dev_node *node, unsigned worker, uint64_t id,
                     int err, const char *words);

#endif
