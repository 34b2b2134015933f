/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/sim/sim.h"

static void nodes_join_and_become_whole(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 10};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct sim *sim = sim_new(
            &(struct sim_options){.seed = 1, .nodes = sizes[i]});
        sim_start_all(sim);
        for (size_t n = 0; n < sizes[i]; n++) {
            sim_want(sim, n, n, true);
        }
        uint64_t took = sim_until(sim, sim_is_whole, 5000);
        print_message("%zu whole in %u ms\n", sizes[i], (unsigned)took);
        sim_run(sim, 5000);
        assert_true(sim_is_whole(sim));
        sim_report(sim, "join");
        sim_free(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_join_and_become_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
