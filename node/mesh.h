/* SPDX-License-Identifier: Apache-2.0
 *
 * The links to all peers, over nng: the only file that knows nng.
 *
 *   ours ---- push0 control --> pull0 control ---- theirs    (cluster port)
 *        ---- push0 data -----> pull0 data                   (data port)
 *
 * One push socket for each peer slot and lane, one pull listener for each lane.
 * nng's callbacks run on nng's threads; they only hand a message over and wake
 * the loop (one uv_async). Everything else here is on the loop thread.
 *
 * Sending    items are appended to the peer's open batch, encoded once. A batch
 *            leaves at once while fewer than two are in flight on that lane,
 *            else when one completes: no timer. Our queue is bounded in bytes
 *            and age (limits: link_queue_len, link_queue_ms); the oldest
 *            batches are dropped, counted and reported (CLUSTER_DROPPED). The
 *            control lane is never dropped, only bounded: then the link is cut.
 * Receiving  the sender is who the seal and the header say, never the address;
 *            batches are put back in order (nng completes several receives out
 *            of order) within a window of 64; a hole is reported
 *            (CLUSTER_HOLE). Batches for another life of this node, of unknown
 *            nodes, or of an older epoch are refused and counted.
 *
 * Traps of nng 1.5.2 that this file works around: CLUSTER 5.2, 5.4.
 */
#ifndef NODE_MESH_H
#define NODE_MESH_H

#include <uv.h>

#include "cluster/cluster.h"
#include "node/limits.h"
#include "node/log.h"
#include "node/stats.h"
#include "proto/item.h"
#include "proto/seal.h"

struct mesh;

struct mesh_options {
    uv_loop_t *loop;
    const struct seal_ring *ring; /* borrowed; may change its keys */
    const struct limits *limits;
    struct stats *stats;
    struct log *log;
    struct node_id self;
    uint8_t life[16];   /* random bytes of this life, for nonces */
    struct addr listen; /* control lane */
    uint16_t data_port; /* data lane, same address */

    /* Called on the loop thread. */
    void *data;
    void (*on_news)(void *data, const struct cluster_news *news);
    void (*on_item)(void *data, struct item *item, enum peer_hop hop);
};

/* Listens on both lanes. Errors: ERR_IO (address taken: say so), ERR_NOMEM. */
int mesh_open(struct mesh **mesh, const struct mesh_options *options);

/* Stops all lanes and frees; blocks until nng's threads let go (bounded). */
void mesh_close(struct mesh *mesh);

/* Follows CLUSTER_PEER_OPEN and CLUSTER_PEER_CLOSE. Errors: ERR_NOMEM, ERR_IO;
 * the peer then stays unlinked and is retried by the cluster. */
int mesh_peer_open(struct mesh *mesh, uint16_t slot,
                   const struct peer_node *peer);
void mesh_peer_close(struct mesh *mesh, uint16_t slot);

/* Control lane: one message, as the cluster encoded it. */
void mesh_tell(struct mesh *mesh, uint16_t slot, struct bytes message);

/* Data lane: appends the item to the open batch of the peer. */
void mesh_send(struct mesh *mesh, uint16_t slot, enum peer_hop hop,
               const struct item *item);

/* Ends a turn: open batches leave where fewer than two are in flight; drops
 * what is too old. */
void mesh_flush(struct mesh *mesh, uint64_t now_ms);

struct mesh_link {
    bool up;         /* both lanes connected */
    uint64_t queued; /* bytes waiting in our queue */
    uint64_t items_out;
    uint64_t items_in;
    uint64_t dropped;
};
bool mesh_link_at(const struct mesh *mesh, uint16_t slot,
                  struct mesh_link *link);

#endif
