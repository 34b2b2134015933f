/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the mesh share. Nobody else includes this.
 *
 *   mesh.c       open and close, whose frame it is
 *   mesh_link.c  one peer: what goes into its lanes, what comes out of them
 */
#ifndef NODE_MESH_PRIVATE_H
#define NODE_MESH_PRIVATE_H

#include <assert.h>

#include "node/mesh/lanes.h"
#include "node/mesh/link_queue.h"
#include "node/mesh/mesh.h"
#include "node/mesh/opener.h"
#include "node/mesh/peer_index.h"
#include "node/mesh/sequence.h"

struct peer_link;

/* One lane of one peer, both directions. */
struct link_lane {
    struct peer_link *link;
    enum peer_lane lane;
    struct addr addr;
    uint32_t pipe; /* of our way; 0 = it does not stand */
    struct link_queue out;
    uint64_t gap_ms; /* the last gap left */
    struct sequence in;
    uint32_t pipe_in;   /* where the peer's last frame came from */
    uint32_t pipe_late; /* cut by mind_pause(): its frames are too old */
};

struct peer_link {
    struct mesh *mesh;
    uint16_t slot;
    bool open;
    bool up;     /* both pipes stand */
    bool cut;    /* control overflowed: to be dialled anew */
    bool dirty;  /* in the list of this turn */
    bool again;  /* in the list of those that are looked at again */
    bool closed; /* the newest in our data lane is the end */
    bool ended;  /* the newest in its data lane is the end */
    bool probed; /* its data lane asked how far it is */
    bool flows;  /* its data lane has a pipe that a batch came from */
    bool tell;   /* one of them changed: not in the middle of a publish */
    struct node_id id;
    uint64_t epoch;
    uint64_t told_sent; /* CLUSTER_NUMBERS */
    uint64_t told_heard;
    uint64_t told_ms;
    struct link_lane lanes[PEER_LANES];
    struct peer_link *dirty_next;
    struct peer_link *again_next;
    struct mesh_link counts; /* up and queued are filled in when asked */
};

struct mesh {
    struct mesh_options options;
    struct lanes *lanes;
    uint64_t counter;  /* of the last nonce */
    uint64_t epoch;    /* of the last pipe that came up */
    uint64_t number;   /* above those of all links that were closed */
    uint64_t awake_ms; /* this loop last ran */
    struct opener opener;
    struct peer_link *links[CLUSTER_PEERS_MAX];
    size_t slots_len; /* no link beyond */
    struct peer_link *dirty;
    struct peer_link *again; /* once in MESH_AGAIN_MS ... */
    uint64_t again_ms;       /* ... the last time now */
    struct peer_index index;
};

static inline uint64_t mesh_now(const struct mesh *mesh)
{
    return uv_now(mesh->options.loop);
}

/* NULL: there never was one in that slot. */
static inline struct peer_link *mesh_link_of(const struct mesh *mesh,
                                             uint16_t slot)
{
    assert(slot < CLUSTER_PEERS_MAX);
    return mesh->links[slot];
}

static inline void mesh_news(struct mesh *mesh, const struct cluster_news *what)
{
    mesh->options.on_news(mesh->options.data, what);
}

/* --- mesh_link.c --- */

/* Errors: ERR_NOMEM. */
int peer_link_new(struct mesh *mesh, uint16_t slot);
void peer_link_free(struct peer_link *link);

/* Both pipes stand: a new epoch begins. */
void peer_link_up(struct peer_link *link);
/* One of them broke. */
void peer_link_down(struct peer_link *link);

/* mesh_flush() is to look at it. */
void peer_link_dirty(struct peer_link *link);
void peer_link_flush(struct peer_link *link, uint64_t now_ms);
/* Sends what waits as long as the link is up and the lane takes it. */
void peer_link_depart(struct link_lane *lane, bool open_too);

/* Its data lane has a pipe now, or has none any more. */
void peer_link_flows(struct peer_link *link);
/* A batch of the peer. */
void peer_link_take(struct link_lane *lane, const struct peer_batch *head,
                    struct bytes body);

#endif
