/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers on whole nodes in virtual time: partitions, clocks that disagree,
 * writers that die, newcomers; and whether all this would find a bug, put in
 * the place of registers_take() by the linker (CMakeLists.txt: --wrap).
 */
#include "tests/test.h"

#include <time.h>

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
    sim_until(sim, sim_is_whole, 1000);
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
    sim_until(sim, sim_is_whole, 30000);
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
    sim_until(sim, sim_is_whole, 1000);
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
    sim_until(sim, sim_is_whole, 10000);
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
        sim_until(sim, sim_is_whole, 10000);
    }
    assert_true(all_have(sim, "a", "1"));
    sim_free(sim);
}

/* Ahead it forgets what is not over elsewhere, and takes nothing of it. */
static void a_clock_that_was_wrong_is_set_back(void **state)
{
    const int64_t year_ms = 365ll * 24 * 3600 * 1000;
    struct sim *sim = sim_whole(3, 1);
    struct cluster_register reg = {.kind = CLUSTER_REGISTER_REVOKED,
                                   .key = BYTES("token")};

    (void)state;
    sim_set_wall(sim, 2, year_ms);
    reg.until_s = sim_wall_ms(sim, 0) / 1000 + 3600;
    assert_int_equal(
        cluster_set(sim_cluster(sim, 0), &reg, sim_wall_ms(sim, 0)), 0);
    sim_end_turn(sim, 0);
    sim_set_wall(sim, 1, year_ms); /* it has it for a moment */
    sim_run(sim, 1000);
    for (size_t i = 1; i < 3; i++) {
        assert_false(cluster_get(sim_cluster(sim, i), CLUSTER_REGISTER_REVOKED,
                                 BYTES("token"), &reg));
        sim_set_wall(sim, i, 0);
    }
    sim_until(sim, sim_is_whole, 1000);
    assert_true(cluster_get(sim_cluster(sim, 2), CLUSTER_REGISTER_REVOKED,
                            BYTES("token"), &reg));
    sim_free(sim);
}

/* --- as many as there may be --- */

enum {
    REVOKED_EACH = 64 /* written in one turn */
};

static void fill(struct sim *sim, size_t i, uint8_t kind, size_t max)
{
    uint8_t id[21] = "0123456789abcdefghijk"; /* of a token, say */

    for (uint32_t n = 0; n < max; n++) {
        bytes_put_u64be(id, n);
        const struct cluster_register reg = {
            .kind = kind,
            .key = bytes_of(id, sizeof id),
            .value = BYTES("\x93\0\0\0"),
            .until_s = kind == CLUSTER_REGISTER_REVOKED
                           ? sim_wall_ms(sim, i) / 1000 + 3600
                           : 0};
        assert_int_equal(
            cluster_set(sim_cluster(sim, i), &reg, sim_wall_ms(sim, i)), 0);
        if (n % REVOKED_EACH == 0) {
            sim_end_turn(sim, i);
            sim_run(sim, 1);
        }
    }
    sim_end_turn(sim, i);
}

static double cpu_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What a newcomer costs when each of the others tells it all of them. */
static void all_there_may_be_are_learned_by_who_joins(void **state)
{
    static const size_t sizes[] = {2, 5, 10};

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
        size_t last = sizes[s];
        struct sim *sim = sim_new(
            &(struct sim_options){.seed = 1, .nodes = last + 1});
        for (size_t i = 0; i < last; i++) {
            sim_start(sim, i);
        }
        sim_until(sim, sim_is_whole, 5000);
        fill(sim, 0, CLUSTER_REGISTER_CACHE, CLUSTER_CACHES_MAX);
        fill(sim, 1, CLUSTER_REGISTER_REVOKED, CLUSTER_REVOKED_MAX);
        sim_until(sim, sim_is_whole, 10000);
        uint64_t bytes = sim_count(sim).control_bytes;
        double began_s = cpu_s();
        sim_start(sim, last);
        uint64_t ms = sim_until(sim, sim_is_whole, 10000);
        print_message("%zu nodes: joined in %" PRIu64 " ms, %" PRIu64
                      " KiB of control messages, %.0f ms of CPU in all\n",
                      last + 1, ms,
                      (sim_count(sim).control_bytes - bytes) >> 10,
                      1000 * (cpu_s() - began_s));
        assert_int_equal(sim_cluster(sim, last)->registers.sets[0].len,
                         CLUSTER_CACHES_MAX);
        assert_int_equal(sim_cluster(sim, last)->registers.sets[1].len,
                         CLUSTER_REVOKED_MAX);
        sim_free(sim);
    }
}

/* --- would they find a bug? --- */

static bool stays_apart(struct sim *sim)
{
    for (size_t ms = 0; ms < 10000; ms += 100) {
        sim_run(sim, 100);
        if (sim_is_whole(sim)) {
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
        cmocka_unit_test(a_clock_that_was_wrong_is_set_back),
        cmocka_unit_test(all_there_may_be_are_learned_by_who_joins),
        cmocka_unit_test(a_node_that_does_not_listen_is_found),
        cmocka_unit_test(a_node_that_keeps_the_greatest_value_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
