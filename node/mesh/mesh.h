/* SPDX-License-Identifier: Apache-2.0
 *
 * The links to all peers. The sockets are node/mesh/lanes.
 *
 *   ours ---- push, control --> pull, control ---- theirs    (cluster port)
 *        ---- push, data -----> pull, data                   (data port)
 *
 * Sending    items are appended to the peer's open batch, encoded once. A batch
 *            leaves at once while fewer than two are in flight on that lane,
 *            else when one completes: no timer. What waits is bounded in bytes
 *            and age (limits: link_queue_len, link_queue_ms); the oldest
 *            batches are dropped, counted, and a gap takes their place
 *            (node/mesh/link_queue.h). The control lane is never dropped from,
 * only bounded: then the link is dialled anew. Epoch      one pipe of our way
 * to a peer, both lanes; grows over the life of this node. What waits when a
 * pipe breaks is dropped into a gap. Receiving  the sender is who the seal and
 * the header say, never the address; gaps and holes in their numbers
 * (node/mesh/sequence.h) are reported (CLUSTER_LOST) between the right items.
 * Batches of unknown nodes, of an older epoch or with a number that was passed
 * are refused and counted, as is what this process finds after it stood still
 * for longer than link_queue_ms: it is as old as that. The pipe of what does
 * not open, or was heard before (node/hub/replay.h), is closed.
 *
 * Loop thread. on_news and on_item may call everything here but mesh_close().
 */
#ifndef NODE_MESH_H
#define NODE_MESH_H

#include <uv.h>

#include "cluster/cluster.h"
#include "node/config/limits.h"
#include "node/log.h"
#include "node/watch/stats.h"
#include "node/watch/trace.h"
#include "proto/item.h"
#include "proto/seal.h"

enum {
    MESH_CONTROL_LEN_MAX = 64 << 20, /* a whole snapshot waits at once */
    MESH_NUMBERS_MS = 100,           /* between two CLUSTER_NUMBERS */
    MESH_AGAIN_MS = 20,              /* between two looks at what waits */
    MESH_GAP_MS = 100, /* between two gaps, if nothing is between them */
};

struct mesh;

struct mesh_options {
    uv_loop_t *loop;
    const struct seal_ring *ring; /* borrowed; may change its keys */
    const struct limits *limits;
    struct stats *stats;
    struct log *log;
    struct trace *trace; /* where traced items are noted; NULL: nowhere */
    struct node_id self;
    uint8_t life[16];    /* random bytes of this life, for nonces */
    struct addr listen;  /* control lane */
    uint16_t data_port;  /* data lane, same address */
    struct fault *fault; /* of the network; NULL: none; outlives the mesh */

    /* Called on the loop thread. */
    void *data;
    void (*on_news)(void *data, const struct cluster_news *news);
    void (*on_item)(void *data, uint16_t slot, struct item *item,
                    enum peer_hop hop);
};

/* Listens on both lanes. Errors: ERR_CONFLICT (address taken), ERR_IO,
 * ERR_NOMEM. */
int mesh_open(struct mesh **mesh, const struct mesh_options *options);

/* Stops all lanes and frees; blocks until nng's threads let go, at most
 * LANES_CLOSE_MS. Nothing is called back afterwards. */
void mesh_close(struct mesh *mesh);

/* Follows CLUSTER_PEER_OPEN and CLUSTER_PEER_CLOSE. Errors: ERR_NOMEM, ERR_IO;
 * the peer then stays unlinked and is retried by the cluster. */
int mesh_peer_open(struct mesh *mesh, uint16_t slot,
                   const struct peer_node *peer);
void mesh_peer_close(struct mesh *mesh, uint16_t slot);

/* Control lane: messages, as the cluster encoded them. Lost while the link is
 * down: the cluster starts anew at CLUSTER_PIPE_UP. */
void mesh_tell(struct mesh *mesh, uint16_t slot, struct bytes message);

/* Data lane: appends the item to the open batch of the peer. */
void mesh_send(struct mesh *mesh, uint16_t slot, enum peer_hop hop,
               const struct item *item);
/* CLUSTER_MARK, _FENCE, _END, _PROBE: the same for what is no item. */
void mesh_mark(struct mesh *mesh, uint16_t slot, enum peer_hop hop,
               struct bytes hashes);
void mesh_fence(struct mesh *mesh, uint16_t slot, enum peer_hop hop,
                struct bytes pairs);
void mesh_end(struct mesh *mesh, uint16_t slot);
void mesh_probe(struct mesh *mesh, uint16_t slot);

/* CLUSTER_HOLD, CLUSTER_FREE. */
void mesh_hold(struct mesh *mesh, uint16_t slot, enum peer_hop hop);
void mesh_let_go(struct mesh *mesh, uint16_t slot, struct bytes pairs);

/* CLUSTER_REDIAL: cuts both lanes and dials anew; CLUSTER_PIPE_DOWN follows at
 * once. `why` is a fixed text for the log. */
void mesh_redial(struct mesh *mesh, uint16_t slot, const char *why);

/* All of these, as the cluster wants them. */
void mesh_carry_out(struct mesh *mesh, const struct cluster_effect *effect);

/* Ends a turn: open batches leave where fewer than two are in flight; what is
 * too old is dropped. Call it every second at least. */
void mesh_flush(struct mesh *mesh, uint64_t now_ms);
/* Brings what its threads counted into the stats. */
void mesh_count(const struct mesh *mesh);

struct mesh_link {
    bool up;         /* both lanes connected */
    uint64_t queued; /* bytes waiting in our queue */
    uint64_t items_out;
    uint64_t items_in;
    uint64_t bytes_out; /* of batches, in both lanes */
    uint64_t dropped;
};
bool mesh_link_at(const struct mesh *mesh, uint16_t slot,
                  struct mesh_link *link);

#endif
