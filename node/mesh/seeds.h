/* SPDX-License-Identifier: Apache-2.0
 *
 * Where to join, by name: resolves every HOST:PORT of the configuration again
 * and again, because the addresses behind a name change (a headless service of
 * Kubernetes lists what runs at this moment).
 */
#ifndef NODE_SEEDS_H
#define NODE_SEEDS_H

#include <uv.h>

#include "cluster/cluster.h"
#include "node/config/config.h"
#include "node/log.h"

enum {
    SEEDS_EVERY_MS = 10000,
    SEEDS_SOON_MS = 1000, /* while nothing is known of a name */
};

struct seeds;

/* Resolves at once and then every SEEDS_EVERY_MS, beside the loop. on_found is
 * called on the loop thread with all addresses known, at most
 * CLUSTER_SEEDS_MAX, each time all names were asked; a name that does not
 * resolve keeps what it had, and is in the log once. Nothing to resolve: *seeds
 * is NULL. `config` is borrowed. Errors: ERR_NOMEM. */
int seeds_open(struct seeds **seeds, uv_loop_t *loop,
               const struct config *config, struct log *log,
               void (*on_found)(void *data, const struct addr *found,
                                size_t len),
               void *data);
/* Frees itself after the loop has run. NULL is fine. */
void seeds_close(struct seeds *seeds);

#endif
