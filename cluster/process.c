/* SPDX-License-Identifier: Apache-2.0
 *
 * The other nodes of our process, who receive for us (cluster/host.h).
 *
 * Nobody is promised anything here before all of them are known everywhere,
 * which is when they are ready. One of them that is thought dead is not, since
 * we live: it stands still, and what it should receive for us does not come. So
 * as long as that lasts it is as with a node that cannot be linked: subscribers
 * are told, and each subscribe is partial.
 */
#include "cluster/inside.h"

static size_t missing(const struct cluster *cluster, bool ready)
{
    size_t found = 1; /* ourselves */

    for (size_t i = 0; i < cluster->slots; i++) {
        const struct peer *peer = peer_at(cluster, i);
        found += peer != NULL &&
                 route_is_sibling(&cluster->route, (uint16_t)i) &&
                 (!ready || (peer->linked && peer->ready));
    }
    return found < cluster->host.workers ? cluster->host.workers - found : 0;
}

void process_look(struct cluster *cluster)
{
    if (!cluster->host_whole && missing(cluster, true) == 0) {
        cluster->host_whole = true;
        cluster->hold_due = true;
    }
}

bool process_is_here(const struct cluster *cluster)
{
    return cluster->draining || !cluster->host_whole ||
           missing(cluster, false) == 0;
}

void process_tick(struct cluster *cluster)
{
    if (cluster->host.workers < 2 || process_is_here(cluster)) {
        cluster->host_here_ms = cluster->now_ms;
        cluster->host_late = 0;
        return;
    }
    if (cluster->now_ms < cluster->host_here_ms + LINK_LATE_MS) {
        return;
    }
    if (cluster->host_late == 0 || cluster->now_ms >= cluster->host_gap_ms) {
        cluster->host_gap_ms = cluster->now_ms + LATE_GAP_MS;
        loss_tell_host(cluster);
    }
    cluster->host_late = missing(cluster, false);
}
