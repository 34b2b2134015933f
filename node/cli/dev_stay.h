/* SPDX-License-Identifier: Apache-2.0
 *
 * A `starling dev` that stays: lines from the terminal, wishes from its nodes,
 * processes that end.
 */
#ifndef NODE_CLI_DEV_STAY_H
#define NODE_CLI_DEV_STAY_H

#include "node/cli/dev_nodes.h"

/* Until a signal, `q`, or all nodes have ended by themselves. An exit code. */
int dev_stay(struct dev_nodes *nodes);

#endif
