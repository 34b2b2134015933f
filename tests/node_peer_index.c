/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/mesh/peer_index.h"

/* All ids start at the same place of the table. */
static struct node_id crowded(uint16_t i)
{
    struct node_id id = {.b = {[8] = (uint8_t)(i >> 8), [9] = (uint8_t)i}};

    return id;
}

static void every_peer_is_found_and_no_other(void **state)
{
    static struct peer_index index;
    struct node_id id;
    (void)state;

    for (uint16_t slot = 0; slot < CLUSTER_PEERS_MAX; slot++) {
        id = crowded(slot);
        assert_int_equal(peer_index_find(&index, &id), CLUSTER_SLOT_NONE);
        peer_index_add(&index, &id, slot);
    }
    for (uint16_t slot = 0; slot < CLUSTER_PEERS_MAX; slot++) {
        id = crowded(slot);
        assert_int_equal(peer_index_find(&index, &id), slot);
    }
    id = crowded(CLUSTER_PEERS_MAX);
    assert_int_equal(peer_index_find(&index, &id), CLUSTER_SLOT_NONE);
    peer_index_clear(&index);
    id = crowded(0);
    assert_int_equal(peer_index_find(&index, &id), CLUSTER_SLOT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_peer_is_found_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
