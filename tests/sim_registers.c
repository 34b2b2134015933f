/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers on whole nodes in virtual time: partitions, clocks that disagree,
 * writers that die, newcomers; and whether all this would find a bug, put in
 * the place of registers_take() by the linker (CMakeLists.txt: --wrap).
 */
#include "tests/test.h"

#include "proto/err.h"
#include "tests/sim/inside.h"

enum {
    TEN_MINUTES_MS = 600000
};

static enum mutant {
    NONE,
    DEAF,     /* one in four is not taken */
    GREATEST, /* the greatest value wins, not the newest */
} mutant;

int __real_registers_take(struct registers *registers,
                          const struct peer_record *record);
int __wrap_registers_take(struct registers *registers,
                          const struct peer_record *record);

int __wrap_registers_take(struct registers *registers,
                          const struct peer_record *record)
{
    struct cluster_register old;

    if (mutant == DEAF && record->hash % 4 == 0) {
        return 0;
    }
    if (mutant == GREATEST &&
        registers_get(registers, record->kind, record->key, &old) &&
        bytes_cmp(old.value, record->value) > 0) {
        return 0;
    }
    return __real_registers_take(registers, record);
}

/* --- verbs --- */

static int set(struct sim *sim, size_t i, const char *key, const char *value)
{
    int rc = cluster_set(
        sim_cluster(sim, i),
        &(struct cluster_register){.kind = CLUSTER_REGISTER_CACHE,
                                   .key = bytes_str(key),
                                   .value = bytes_str(value)},
        sim_wall_ms(sim, i));

    sim_end_turn(sim, i);
    return rc;
}

static bool has(struct sim *sim, size_t i, const char *key, const char *value)
{
    struct cluster_register reg;

    return cluster_get(sim_cluster(sim, i), CLUSTER_REGISTER_CACHE,
                       bytes_str(key), &reg) &&
           bytes_eq(reg.value, bytes_str(value));
}

static bool all_have(struct sim *sim, const char *key, const char *value)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (sim_is_up(sim, i) && !has(sim, i, key, value)) {
            return false;
        }
    }
    return true;
}

/* Of all registers of a node; equal on equal ones. */
static uint64_t print_of(struct sim *sim, size_t i)
{
    const struct replog *log = &sim_cluster(sim, i)->log;
    uint64_t print = 0;

    for (size_t at = records_seek(&log->records, PEER_REGISTER, 0);
         at < log->records.len; at++) {
        print = hash_mix(print ^ log->records.entries[at].record->hash);
    }
    return print;
}

static bool are_same(struct sim *sim)
{
    size_t first = SIZE_MAX;

    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (!sim_is_up(sim, i)) {
            continue;
        }
        first = first == SIZE_MAX ? i : first;
        if (print_of(sim, i) != print_of(sim, first)) {
            return false;
        }
    }
    return sim_is_whole(sim);
}

/* What a client that sets something waits for. */
static uint64_t until_held(struct sim *sim, size_t i)
{
    uint64_t version = cluster_version(sim_cluster(sim, i));
    uint64_t began_ms = sim_now_ms(sim);

    while (cluster_held(sim_cluster(sim, i), CLUSTER_SCOPE_ALL) < version) {
        sim_run(sim, 1);
        assert_true(sim_now_ms(sim) < began_ms + CLUSTER_BARRIER_MS);
    }
    return sim_now_ms(sim) - began_ms;
}

/* --- scenarios --- */

static void what_is_acknowledged_is_known_everywhere(void **state)
{
    struct sim *sim = sim_whole(6, 2);

    (void)state;
    assert_int_equal(set(sim, 0, "a", "1"), 0);
    uint64_t ms = until_held(sim, 0);
    assert_true(all_have(sim, "a", "1"));
    print_message("known in two regions of 40 ms after %" PRIu64 " ms\n", ms);
    sim_until(sim, are_same, 1000);
    sim_free(sim);
}

static void both_sides_of_a_partition_write_and_the_newest_wins(void **state)
{
    struct sim *sim = sim_whole(6, 2);

    (void)state;
    sim->options.faulty = true;
    assert_int_equal(set(sim, 0, "before", "1"), 0);
    sim_run(sim, 200);
    sim_partition(sim, 3);
    sim_run(sim, 10000); /* each side thinks the other one dead */
    assert_int_equal(set(sim, 4, "a", "z"), 0);
    sim_run(sim, 5);
    assert_int_equal(set(sim, 0, "a", "b"), 0); /* the newer one */
    assert_int_equal(set(sim, 1, "left", "1"), 0);
    assert_int_equal(set(sim, 5, "right", "1"), 0);
    assert_int_equal(set(sim, 5, "before", "2"), 0);
    sim_run(sim, 200);
    assert_true(has(sim, 1, "a", "b"));
    assert_true(has(sim, 5, "a", "z"));
    sim_heal(sim);
    sim_until(sim, are_same, 30000);
    assert_true(all_have(sim, "a", "b"));
    assert_true(all_have(sim, "left", "1"));
    assert_true(all_have(sim, "right", "1"));
    assert_true(all_have(sim, "before", "2"));
    sim_free(sim);
}

static void who_has_seen_a_value_replaces_it_by_any_clock(void **state)
{
    struct sim *sim = sim_whole(4, 2);

    (void)state;
    sim_set_wall(sim, 1, -TEN_MINUTES_MS);
    sim_set_wall(sim, 2, TEN_MINUTES_MS);
    assert_int_equal(set(sim, 2, "a", "1"), 0);
    (void)until_held(sim, 2);
    assert_int_equal(set(sim, 1, "a", "2"), 0);
    (void)until_held(sim, 1);
    assert_true(all_have(sim, "a", "2"));
    assert_int_equal(set(sim, 0, "a", "0"), 0);
    sim_until(sim, are_same, 1000);
    assert_true(all_have(sim, "a", "0"));
    sim_free(sim);
}

static void the_writer_dies_right_after_the_acknowledgement(void **state)
{
    struct sim *sim = sim_whole(4, 2);

    (void)state;
    assert_int_equal(set(sim, 0, "a", "1"), 0);
    (void)until_held(sim, 0);
    sim_kill(sim, 0, true);
    sim_run(sim, 20000); /* forgotten: only the others can know it */
    assert_true(all_have(sim, "a", "1"));
    sim_start(sim, 0);
    sim_until(sim, are_same, 10000);
    assert_true(has(sim, 0, "a", "1"));
    sim_free(sim);
}

static void all_are_replaced_one_by_one_and_nothing_is_forgotten(void **state)
{
    struct sim *sim = sim_whole(3, 1);

    (void)state;
    assert_int_equal(set(sim, 1, "a", "1"), 0);
    (void)until_held(sim, 1);
    for (size_t i = 0; i < 3; i++) {
        sim_kill(sim, i, true);
        sim_run(sim, 5000);
        sim_start(sim, i);
        sim_until(sim, are_same, 10000);
    }
    assert_true(all_have(sim, "a", "1"));
    sim_free(sim);
}

/* --- would they find a bug? --- */

static bool stays_apart(struct sim *sim)
{
    for (size_t ms = 0; ms < 10000; ms += 100) {
        sim_run(sim, 100);
        if (are_same(sim)) {
            return false;
        }
    }
    return true;
}

static void a_node_that_does_not_listen_is_found(void **state)
{
    struct sim *sim = sim_whole(3, 1);

    (void)state;
    mutant = DEAF;
    for (char key[2] = "a"; key[0] <= 'p'; key[0]++) {
        assert_int_equal(set(sim, 0, key, "1"), 0);
    }
    assert_true(stays_apart(sim));
    mutant = NONE;
    sim_free(sim);
}

static void a_node_that_keeps_the_greatest_value_is_found(void **state)
{
    struct sim *sim = sim_whole(3, 1);

    (void)state;
    mutant = GREATEST;
    assert_int_equal(set(sim, 0, "a", "2"), 0);
    (void)until_held(sim, 0);
    assert_int_equal(set(sim, 1, "a", "1"), 0);
    assert_true(stays_apart(sim));
    mutant = NONE;
    sim_free(sim);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_acknowledged_is_known_everywhere),
        cmocka_unit_test(both_sides_of_a_partition_write_and_the_newest_wins),
        cmocka_unit_test(who_has_seen_a_value_replaces_it_by_any_clock),
        cmocka_unit_test(the_writer_dies_right_after_the_acknowledgement),
        cmocka_unit_test(all_are_replaced_one_by_one_and_nothing_is_forgotten),
        cmocka_unit_test(a_node_that_does_not_listen_is_found),
        cmocka_unit_test(a_node_that_keeps_the_greatest_value_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
