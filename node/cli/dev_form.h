/* SPDX-License-Identifier: Apache-2.0
 *
 * The start of a `starling dev`: until its nodes are one cluster, and an item
 * has crossed it.
 */
#ifndef NODE_CLI_DEV_FORM_H
#define NODE_CLI_DEV_FORM_H

#include "node/cli/dev_nodes.h"

/* Waits until all nodes are ready and linked. 0, or an exit code after a
 * sentence on standard error. */
int dev_form(struct dev_nodes *nodes, const char *token);

/* One item from the first node to the next one, which is of another region if
 * there is one. Errors: ERR_TIMEOUT. */
struct dev_crossing {
    size_t from;
    size_t to;
    uint64_t us;
};
int dev_cross(const struct dev_nodes *nodes, const char *token,
              struct dev_crossing *crossing);

#endif
