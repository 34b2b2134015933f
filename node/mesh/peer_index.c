/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/peer_index.h"

#include <assert.h>

static_assert((PEER_INDEX_LEN & (PEER_INDEX_LEN - 1)) == 0, "found by mask");

/* Where the id is, or belongs. */
static size_t place_of(const struct peer_index *index, const struct node_id *id)
{
    size_t at = (size_t)node_id_u64(id) & (PEER_INDEX_LEN - 1);

    while (index->places[at] != 0 &&
           !node_id_eq(&index->ids[index->places[at] - 1], id)) {
        at = (at + 1) & (PEER_INDEX_LEN - 1);
    }
    return at;
}

void peer_index_clear(struct peer_index *index)
{
    memset(index->places, 0, sizeof index->places);
    index->len = 0;
}

void peer_index_add(struct peer_index *index, const struct node_id *id,
                    uint16_t slot)
{
    uint16_t *place = &index->places[place_of(index, id)];

    assert(slot < CLUSTER_PEERS_MAX);
    assert(*place == 0 && index->len < CLUSTER_PEERS_MAX);
    index->len++;
    index->ids[slot] = *id;
    *place = (uint16_t)(slot + 1);
}

uint16_t peer_index_find(const struct peer_index *index,
                         const struct node_id *id)
{
    uint16_t place = index->places[place_of(index, id)];

    return place != 0 ? (uint16_t)(place - 1) : (uint16_t)CLUSTER_SLOT_NONE;
}
