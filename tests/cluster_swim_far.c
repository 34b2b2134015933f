/* SPDX-License-Identifier: Apache-2.0
 *
 * Membership between regions whose distance changes.
 */
#include "tests/test.h"

#include "tests/swim_world.h"

enum {
    JOIN_LIMIT_MS = 3000
};

/* Whose answers come later than they are awaited are asked again, and then none
 * of them says how long it took. */
static void a_way_that_becomes_longer_is_learned_anew(void **state)
{
    static const uint32_t ways_ms[] = {80, 100, 120};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(ways_ms); i++) {
        struct world *w = world_new(12);
        w->far_delay_ms = 1;
        world_start_many(w, 4, 2);
        world_until(w, world_agrees, NULL, JOIN_LIMIT_MS);
        world_run(w, 20000);
        w->far_delay_ms = ways_ms[i];
        world_run(w, 20000);
        const struct member *m = swim_find(w->nodes[0].swim, &w->nodes[1].id);
        assert_in_range(m->rtt_us, 2000 * ways_ms[i], 4000 * ways_ms[i]);
        unsigned suspected = world_events(w, SWIM_SUSPECT);
        world_run(w, 60000);
        assert_int_equal(world_events(w, SWIM_SUSPECT), suspected);
        assert_int_equal(world_events(w, SWIM_DEAD), 0);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_way_that_becomes_longer_is_learned_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
