/* SPDX-License-Identifier: Apache-2.0 */
#include "node/peer_index.h"

#include <assert.h>

static_assert((PEER_INDEX_LEN & (PEER_INDEX_LEN - 1)) == 0, "found by mask");

/* Where the id is, or belongs. */
static size_t place(const struct peer_index *index, const struct node_id *id)
{
    size_t at = (size_t)node_id_u64(id) & (PEER_INDEX_LEN - 1);

    while (index->entries[at].used && !node_id_eq(&index->entries[at].id, id)) {
        at = (at + 1) & (PEER_INDEX_LEN - 1);
    }
    return at;
}

void peer_index_clear(struct peer_index *index)
{
    memset(index, 0, sizeof *index);
}

void peer_index_add(struct peer_index *index, const struct node_id *id,
                    uint16_t slot)
{
    struct peer_index_entry *entry = &index->entries[place(index, id)];

    index->len += !entry->used;
    assert(index->len <= CLUSTER_PEERS_MAX);
    *entry = (struct peer_index_entry){.id = *id, .slot = slot, .used = true};
}

uint16_t peer_index_find(const struct peer_index *index,
                         const struct node_id *id)
{
    const struct peer_index_entry *entry = &index->entries[place(index, id)];

    return entry->used ? entry->slot : (uint16_t)CLUSTER_SLOT_NONE;
}
