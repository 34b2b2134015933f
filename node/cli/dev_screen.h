/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling dev` shows: the first screen, how things are, which keys there
 * are. All of it is true as it stands, and can be pasted.
 */
#ifndef NODE_CLI_DEV_SCREEN_H
#define NODE_CLI_DEV_SCREEN_H

#include "node/cli/dev_form.h"
#include "node/cli/dev_lan.h"

/* Nodes, distance and cuts. */
void dev_screen_nodes(const struct dev_nodes *nodes);
void dev_screen_ready(const struct dev_nodes *nodes,
                      const struct dev_crossing *crossing, uint64_t took_ms);
/* What to try next; `program` is how this one was called, `lan` NULL without
 * it. */
void dev_screen_try(const struct dev_nodes *nodes, const struct dev_lan *lan,
                    const char *program);
/* The lines that may be typed. */
void dev_screen_keys(const struct dev_nodes *nodes);

#endif
