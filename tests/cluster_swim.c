/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/swim_world.h"

static void nodes_find_each_other_by_one_seed(void **state)
{
    struct world *w = world_new(1);
    (void)state;

    world_start_many(w, 3, 1);
    uint64_t took = world_until(w, world_agrees, NULL, 3000);
    print_message("joined in %u ms\n", (unsigned)took);
    assert_int_equal(world_events(w, SWIM_JOINED), 6);
    world_run(w, 5000);
    assert_int_equal(world_events(w, SWIM_SUSPECT), 0);
    world_free(w);
}

static void a_silent_crash_is_seen_by_all(void **state)
{
    struct world *w = world_new(2);
    size_t victim = 4;
    (void)state;

    world_start_many(w, 10, 1);
    world_until(w, world_agrees, NULL, 3000);
    world_run(w, 5000);
    world_kill(w, victim);
    uint64_t took = world_until(w, world_buried, &victim, 8000);
    print_message("crash seen in %u ms\n", (unsigned)took);
    assert_true(world_agrees(w, NULL));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_find_each_other_by_one_seed),
        cmocka_unit_test(a_silent_crash_is_seen_by_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
