/* SPDX-License-Identifier: Apache-2.0
 *
 * Peers that share a process, a *host*: what several of them want crosses to
 * one of them, which passes it on.
 *
 *   node ----(one copy)----> worker (hash mod workers) ----> other workers
 *                            of that host                    that want it
 *
 * Which worker receives a topic follows from its hash, and never changes while
 * the process lives: they share their fate, so there is nobody to go over to.
 * One whose link is broken is waited for, as a node of its own would be; what
 * it should have got meanwhile is noted, and told when it is linked. So what a
 * publisher says has one way to each worker, at all times, and nothing on it
 * can be overtaken.
 *
 * A peer says in its hello which host it is of, before it is linked, and thus
 * before anything is sent there.
 */
#ifndef CLUSTER_HOST_H
#define CLUSTER_HOST_H

#include "cluster/cluster.h"
#include "proto/peer.h"

struct host {
    uint64_t id;
    size_t workers;
    size_t len;      /* of these are peers */
    uint64_t missed; /* not sent what was for these, who are no peers */
    uint64_t turn;   /* the last walk that came by */
    uint16_t slots[PEER_WORKERS_MAX]; /* or CLUSTER_SLOT_NONE */
};

struct hosts {
    struct host *of[CLUSTER_PEERS_MAX]; /* by slot; NULL: of its own process */
    size_t len;                         /* slots with a host */
    uint64_t turn;
};

void hosts_fini(struct hosts *hosts);

/* A peer is of that host. Returns 1 if it was not sent what was for it, else 0.
 * A second one of the same number counts as a process of its own. Errors:
 * ERR_NOMEM. */
int hosts_join(struct hosts *hosts, uint16_t slot, const struct peer_host *of);
void hosts_leave(struct hosts *hosts, uint16_t slot);

/* Which worker receives it. */
static inline size_t host_worker(const struct host *host, uint64_t hash)
{
    return (size_t)(hash % host->workers);
}

void hosts_check(const struct hosts *hosts);

#endif
