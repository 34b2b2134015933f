/* SPDX-License-Identifier: Apache-2.0
 *
 * The workers of a process, `--workers N`: N nodes that share the client port,
 * each with a loop on a thread of its own (node/workers.h). To their cluster
 * they are members like any others. One rule gives each its place:
 *
 *   worker 1, 2, ...   name     cluster   data lane   admin port
 *   i from 0           NAME.i+1 C + 3 i   C + 3 i + 1 C + 3 i + 2
 *
 * C is the cluster port: what the user named, else the client port + 1. The
 * admin port is a client port of that worker alone, on the cluster's address if
 * that is of loopback, else on 127.0.0.1. A lone node has its own name and no
 * admin port.
 */
#ifndef NODE_WORKER_H
#define NODE_WORKER_H

#include "node/config/config.h"

enum {
    WORKER_PORTS = 3, /* of each: cluster, data lane, admin */
};

struct worker_ports {
    struct addr cluster; /* gossip and control lane; data is port + 1 */
    struct addr admin;   /* none for a lone node */
};

/* The ports of config->worker when clients are served at `client`. A cluster
 * port that was not named is on the client's address; without keys (`insecure`)
 * on config->cluster, which never leaves this host. Errors: ERR_CONFLICT: there
 * are no such ports, they end at 65535. */
int worker_ports(const struct config *config, bool insecure,
                 const struct addr *client, struct worker_ports *ports);

/* What worker `index` of a process is told: its name, and its share of
 * limits.memory_len. The other limits hold for each worker. */
void worker_config(const struct config *all, unsigned index,
                   struct config *own);

/* Adds the first worker to the seeds of another: in front, because the last
 * ones may find no room. `bound` is its cluster address. */
void worker_join(struct config *config, const struct addr *bound);

/* Whether so many workers can be: the length of the name, the named ports, the
 * share of the limits. Errors: ERR_CONFIG with a sentence. */
int worker_check(const struct config *config, const char **wrong);

#endif
