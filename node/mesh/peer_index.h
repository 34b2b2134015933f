/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the slot of a peer by its id, for every batch that comes. Ids are
 * random, so their own bytes are the hash; the table is at most half full and
 * is built anew when a peer goes. It is small: each look-up is a cache miss.
 */
#ifndef NODE_PEER_INDEX_H
#define NODE_PEER_INDEX_H

#include "cluster/cluster.h"

enum {
    PEER_INDEX_LEN = 2 * CLUSTER_PEERS_MAX
}; /* a power of two */

struct peer_index {
    uint16_t places[PEER_INDEX_LEN]; /* slot + 1; 0 = free */
    struct node_id ids[CLUSTER_PEERS_MAX];
    size_t len;
};

void peer_index_clear(struct peer_index *index);
/* An id or a slot that is not there yet; slots are below CLUSTER_PEERS_MAX. */
void peer_index_add(struct peer_index *index, const struct node_id *id,
                    uint16_t slot);
/* CLUSTER_SLOT_NONE when it is not there. */
uint16_t peer_index_find(const struct peer_index *index,
                         const struct node_id *id);

#endif
