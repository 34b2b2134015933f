/* SPDX-License-Identifier: Apache-2.0
 *
 * Who checks the checkers? Each row is a bug, put in the place of a function by
 * the linker (CMakeLists.txt: --wrap); within a few seeds the simulator must
 * find it and call it by the right name. Without any, the same seeds are clean.
 */
#include "tests/test.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/inside.h"
#include "node/mesh/link_queue.h"
#include "proto/hash.h"
#include "tests/sim/storm.h"

enum {
    NODES = 6,
    HOSTS_NODES = 9,
    WORKERS = 3,
    SEEDS = 12,
    CLEAN_SEEDS = 4,
    MINUTES = 2,
    LONG_MINUTES = 20, /* until the dead should be forgotten */
    CRASHED = 99,
};

static enum mutant {
    NONE,
    NO_DESTINATION,
    RELAY_ANYWHERE,
    GAPS_FORGOTTEN,
    ACK_AT_ONCE,
    DELTA_DROPPED,
    INGRESS_AT_RANDOM,
    DEAD_FOR_EVER,
    QUEUE_FOR_EVER,
    FENCES_FORGOTTEN,
    NOTHING_HELD,
    NEVER_SETTLED,
    VALUES_MISSED,
    GREATEST_WINS,
    FORGOTTEN_FOR_A_PEER,
    ANY_WORKER,
    HALF_THROUGH,
} mutant;

#define WRAP(type, name, ...)        \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

/* --- skip the destination check (seal and header) --- */

static struct node_id reader;

WRAP(bool, lanes_opens_for, const uint8_t *dst, const struct node_id *self)
{
    reader = *self;
    return __real_lanes_opens_for(dst, self) || mutant == NO_DESTINATION;
}

WRAP(ptrdiff_t, peer_batch_read, struct bytes in, struct peer_batch *batch)
{
    ptrdiff_t n = __real_peer_batch_read(in, batch);

    if (mutant == NO_DESTINATION && n > 0) {
        batch->dst = reader;
    }
    return n;
}

/* --- an ingress that passes on to other regions, too --- */

WRAP(size_t, cluster_relay, struct cluster *cluster, const struct item *item,
     enum peer_hop hop, struct cluster_target *targets, size_t max)
{
    bool partial;

    return mutant == RELAY_ANYWHERE
               ? cluster_route(cluster, item, targets, max, &partial)
               : __real_cluster_relay(cluster, item, hop, targets, max);
}

/* --- forget a gap record --- */

WRAP(void, loss_lost, struct cluster *cluster, uint16_t slot,
     struct bytes hashes)
{
    if (mutant != GAPS_FORGOTTEN) {
        __real_loss_lost(cluster, slot, hashes);
    }
}

/* --- acknowledge before the barrier --- */

WRAP(void, barrier_hold, struct barrier *barrier, enum cluster_scope scope,
     uint64_t held, uint64_t now_ms)
{
    __real_barrier_hold(barrier, scope,
                        mutant == ACK_AT_ONCE ? barrier->version : held,
                        now_ms);
}

/* --- say that a delta was taken, and drop it --- */

WRAP(int, interest_delta, struct interest *interest, uint16_t slot,
     const struct peer_message *m)
{
    if (mutant == DELTA_DROPPED && m->version % 7 == 0 &&
        interest->peers[slot]->version == m->from) {
        interest->peers[slot]->version = m->version;
        return 0;
    }
    return __real_interest_delta(interest, slot, m);
}

/* --- another worker for each item --- */

static void turn_workers(struct route *route)
{
    for (size_t slot = 0; slot < CLUSTER_PEERS_MAX; slot++) {
        struct host *host = route->hosts.of[slot];
        if (host != NULL) {
            uint16_t first = host->slots[0];
            memmove(host->slots, host->slots + 1,
                    (host->workers - 1) * sizeof first);
            host->slots[host->workers - 1] = first;
        }
    }
}

/* --- another ingress for each item --- */

WRAP(size_t, route_targets, struct route *route, const struct route_want *want,
     uint64_t now_ms, struct cluster_target *targets, size_t max, bool *partial)
{
    for (size_t i = 0; mutant == INGRESS_AT_RANDOM && i < CLUSTER_REGIONS_MAX;
         i++) {
        if (route->regions[i] != NULL) {
            memset(route->regions[i]->ingress, 0xff,
                   sizeof route->regions[i]->ingress);
        }
    }
    for (size_t i = 0; mutant == INGRESS_AT_RANDOM && i < CLUSTER_PEERS_MAX;
         i++) {
        route->weight_of[i] = hash_mix(route->weight_of[i] + 1);
    }
    if (mutant == ANY_WORKER) {
        turn_workers(route);
    }
    return __real_route_targets(route, want, now_ms, targets, max, partial);
}

/* --- remember the dead for ever --- */

WRAP(void, swim_forget, struct swim *s, struct member *m)
{
    if (mutant != DEAD_FOR_EVER) {
        __real_swim_forget(s, m);
    }
}

/* --- keep what is too old --- */

WRAP(uint64_t, link_queue_expire, struct link_queue *q, uint64_t now_ms)
{
    return mutant == QUEUE_FOR_EVER ? 0 : __real_link_queue_expire(q, now_ms);
}

/* --- do not note a fence: what comes late is taken --- */

WRAP(void, moves_fenced, struct cluster *cluster, uint16_t slot,
     struct bytes pairs)
{
    __real_moves_fenced(cluster, slot, pairs);
    if (mutant == FENCES_FORGOTTEN) {
        fences_fini(&cluster->fences);
    }
}

/* --- let go what takes the place of an ingress that drains --- */

WRAP(void, link_queue_hold, struct link_queue *q, enum peer_hop hop)
{
    if (mutant != NOTHING_HELD) {
        __real_link_queue_hold(q, hop);
    }
}

/* --- take it that whatever an ingress has has arrived --- */

WRAP(bool, route_take_ask, struct route *route, uint16_t *slot)
{
    bool asked = __real_route_take_ask(route, slot);

    if (asked && mutant == NEVER_SETTLED) {
        route_settle(route, *slot, UINT64_MAX);
    }
    return asked;
}

/* --- miss a register, or keep the greatest value instead of the newest --- */

WRAP(int, registers_take, struct registers *registers,
     const struct peer_record *record)
{
    struct cluster_register old;
    bool known = registers_get(registers, record->kind, record->key, &old);

    if (mutant == VALUES_MISSED && record->hash % 8 == 0) {
        return 0;
    }
    if (mutant == GREATEST_WINS && known &&
        bytes_cmp(old.value, record->value) > 0) {
        return 0;
    }
    return __real_registers_take(registers, record);
}

/* --- forget all registers as a peer comes --- */

static void forget_all(struct registers *registers)
{
    for (size_t kind = 0; kind < REGISTERS_KINDS; kind++) {
        struct registers_set *set = &registers->sets[kind];
        for (size_t i = 0; i < set->len; i++) {
            struct peer_record view = record_view(set->entries[i].record, true);
            (void)replog_want_record(registers->log, &view);
            record_unref(set->entries[i].record);
        }
        set->len = 0;
    }
    registers->due_len = 0;
}

WRAP(void, slots_open, struct cluster *cluster, const struct member *member)
{
    __real_slots_open(cluster, member);
    if (mutant == FORGOTTEN_FOR_A_PEER) {
        forget_all(&cluster->registers);
    }
}

/* --- take it that what a worker has is with all of its process --- */

WRAP(void, through_acked, struct cluster *cluster, uint16_t slot,
     uint64_t through)
{
    __real_through_acked(
        cluster, slot,
        mutant == HALF_THROUGH ? cluster->peers[slot]->sent_acked : through);
}

/* --- the runs --- */

static const char *const names[] = {"none", "S1", "S2", "S3", "S4",
                                    "S5",   "S6", "S7", "L1", "L2",
                                    "L3",   "B1", "R1", "R2", "test"};

static void on_broken(const char *name, const char *what)
{
    (void)what;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            _exit((int)i);
        }
    }
    _exit(CRASHED);
}

static void on_abort(int signo)
{
    (void)signo;
    _exit(CRASHED);
}

static void random_run(uint64_t seed)
{
    storm_run(&(struct storm_options){.seed = seed,
                                      .nodes = NODES,
                                      .ms = MINUTES * 60000,
                                      .on_broken = on_broken});
}

static void value_run(uint64_t seed)
{
    storm_run(&(struct storm_options){.seed = seed,
                                      .nodes = NODES,
                                      .ms = 3 * MINUTES * 60000,
                                      .values = true,
                                      .on_broken = on_broken});
}

static void hosts_run(uint64_t seed)
{
    storm_run(&(struct storm_options){.seed = seed,
                                      .nodes = HOSTS_NODES,
                                      .workers = WORKERS,
                                      .ms = MINUTES * 60000,
                                      .on_broken = on_broken});
}

static void publish_all(struct sim *sim, size_t times)
{
    for (size_t n = 0; n < times * SIM_TOPICS; n++) {
        (void)sim_publish(sim, 0, n % SIM_TOPICS);
        sim_run(sim, 2);
    }
}

/* What an ingress relayed to a process is still on its way within that, as the
 * ingress drains. */
static void drain_run(uint64_t seed)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = seed,
                                                    .nodes = 8,
                                                    .regions = 2,
                                                    .hosts = "13",
                                                    .on_broken = on_broken});

    sim_start_all(sim);
    sim_until(sim, sim_is_whole, 5000);
    for (size_t n = 0; n < 8 * SIM_TOPICS; n++) {
        sim_want(sim, n % 8, n / 8, true);
    }
    publish_all(sim, 3);
    for (size_t n = 0; n < 9; n++) { /* 3, 5 and 7 are one process */
        sim_clog(sim, 3 + n / 3 * 2, 3 + n % 3 * 2);
    }
    publish_all(sim, 1);
    sim_say(sim, 1, CLUSTER_DRAIN);
    publish_all(sim, 10);
    sim_heal(sim);
    publish_all(sim, 3);
    sim_run(sim, 3000);
    (void)sim_count(sim);
    sim_free(sim);
}

/* One dies, and the others live long enough to forget it. */
static void long_run(uint64_t seed)
{
    struct sim *sim = sim_new(&(struct sim_options){
        .seed = seed, .nodes = 3, .on_broken = on_broken});

    sim_start_all(sim);
    sim_until(sim, sim_is_whole, 5000);
    sim_kill(sim, 2, true);
    sim_run(sim, LONG_MINUTES * 60000);
    sim_free(sim);
}

/* The name of what broke, "none" or "crashed". */
static const char *play(uint64_t seed, void (*run)(uint64_t seed))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        FILE *silent = freopen("/dev/null", "w", stderr);
        signal(SIGABRT, on_abort);
        run(seed);
        _exit(silent == NULL ? CRASHED : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    size_t at = WIFEXITED(status) ? (size_t)WEXITSTATUS(status)
                                  : (size_t)CRASHED;
    return at < ARRAY_LEN(names) ? names[at] : "crashed";
}

static const struct row {
    enum mutant mutant;
    const char *what;
    const char *named; /* one of these */
    void (*run)(uint64_t seed);
} rows[] = {
    {NO_DESTINATION, "skips the destination check", "S1 L1", random_run},
    {RELAY_ANYWHERE, "relays to other regions", "S6 S7", random_run},
    {GAPS_FORGOTTEN, "forgets gap records", "S5", random_run},
    {ACK_AT_ONCE, "acknowledges before the barrier", "S4 S5", random_run},
    {DELTA_DROPPED, "drops a delta", "L1", random_run},
    {INGRESS_AT_RANDOM, "takes any ingress for each item", "S3 S5", random_run},
    {DEAD_FOR_EVER, "remembers the dead for ever", "B1", long_run},
    {QUEUE_FOR_EVER, "keeps what is too old", "B1", random_run},
    {FENCES_FORGOTTEN, "forgets fences", "S3", random_run},
    {NOTHING_HELD, "lets a draining ingress be overtaken", "S3 S5", random_run},
    {NEVER_SETTLED, "moves what may be on its way", "S3", random_run},
    {VALUES_MISSED, "misses a register", "L3", value_run},
    {GREATEST_WINS, "keeps the greatest value", "L3 R1", value_run},
    {FORGOTTEN_FOR_A_PEER, "forgets registers as a peer comes", "L3 R2",
     value_run},
    {ANY_WORKER, "takes any worker for each item", "S3 S5", hosts_run},
    {HALF_THROUGH, "does not wait within a process", "S3 S5", drain_run},
};

static void each_seeded_bug_is_found_by_its_name(void **state)
{
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *found = "none";
        uint64_t seed = 0;
        mutant = rows[i].mutant;
        while (strcmp(found, "none") == 0 && seed < SEEDS) {
            found = play(++seed, rows[i].run);
        }
        print_message("%-34s %s, seed %" PRIu64 "\n", rows[i].what, found,
                      seed);
        wrong += strstr(rows[i].named, found) == NULL;
    }
    mutant = NONE;
    assert_int_equal(wrong, 0);
}

static void without_a_bug_the_same_seeds_are_clean(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CLEAN_SEEDS; seed++) {
        assert_string_equal(play(seed, random_run), "none");
        assert_string_equal(play(seed, value_run), "none");
        assert_string_equal(play(seed, hosts_run), "none");
        assert_string_equal(play(seed, drain_run), "none");
    }
}

/* Same seed, same run; another seed, another one. */
static void a_seed_is_a_run(void **state)
{
    struct storm_options options = {.seed = 5, .nodes = NODES, .ms = 60000};
    uint64_t digest = storm_run(&options).digest;

    (void)state;
    assert_int_equal(storm_run(&options).digest, digest);
    options.seed++;
    assert_int_not_equal(storm_run(&options).digest, digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_is_a_run),
        cmocka_unit_test(without_a_bug_the_same_seeds_are_clean),
        cmocka_unit_test(each_seeded_bug_is_found_by_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
