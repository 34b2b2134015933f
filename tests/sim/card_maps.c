/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole clusters of one region, with a million topics: how long a newcomer
 * takes to know what all want, how long maps take to be equal after a split,
 * what they cost in memory, and what links cost that have nothing to carry.
 *
 * A time is the virtual one (packets and frames of 0.3 ms), and on top what the
 * virtual clock does not know: CPU time of the steps by this machine's clock,
 * and the bytes at 1 Gb/s.
 */
#include "tests/test.h"

#include <time.h>

#include "cluster/interest.h"
#include "cluster/rng.h"
#include "proto/seal.h"
#include "tests/sim/card.h"
#include "tests/sim/sim.h"

enum {
    TOPICS = 1000 * 1000,
    CHANGES = 10 * 1000,
    LIMIT_MS = CARD_BINS - 1,
    SPLIT_MS = 10 * 60 * 1000,
    STEADY_MS = 20 * 1000,
    WIRE_BYTES_MS = 125000, /* 1 Gb/s */
    PEERS = 64,
    BARRIER_MS = 5000,
    HELLO_LINKS = 10, /* so many hear one a second: cluster/link.c */
    /* Around each control message: nng's length, TCP and IP with a time stamp,
     * and the acknowledgement that comes back. */
    FRAME_LEN = 8 + 52 + 52,
};

/* The simulator checks its nodes all the time, and of a million topics each
 * check takes 20 ms: here nothing is checked (--wrap), the tests do that. */
void __wrap_cluster_check(const struct cluster *cluster);
void __wrap_cluster_check(const struct cluster *cluster)
{
    (void)cluster;
}

static uint64_t cpu_since_ns; /* of the step that runs */
static uint64_t cpu_ns;

static uint64_t cpu_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void around(bool inside)
{
    if (inside) {
        cpu_since_ns = cpu_now_ns();
    } else {
        cpu_ns += cpu_now_ns() - cpu_since_ns;
    }
}

static uint64_t control_bytes(struct sim *sim)
{
    return sim_report(sim, "card").control_bytes;
}

/* `len` nodes that know each other, the first `wishers` of which want a million
 * topics between them. */
static struct sim *wishing(uint64_t seed, size_t len, size_t up)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = seed, .nodes = len, .around = around});

    for (size_t i = 0; i < up; i++) {
        sim_start(sim, i);
    }
    sim_until(sim, sim_is_whole, LIMIT_MS);
    for (size_t i = 0; i < up; i++) {
        sim_want_many(sim, i, i * TOPICS / up, (i + 1) * TOPICS / up, true);
    }
    sim_until(sim, sim_is_whole, LIMIT_MS);
    sim_run(sim, 2000);
    return sim;
}

static void play_join(const struct card_run *run, uint64_t seed,
                      struct card_tally *tally)
{
    struct sim *sim = wishing(seed, run->n, run->n - 1);
    uint64_t bytes = control_bytes(sim);

    cpu_ns = 0;
    sim_start(sim, run->n - 1);
    uint64_t ms = sim_until(sim, sim_is_whole, LIMIT_MS);
    /* All of it as if it came through the wire and the CPU of the newcomer. */
    card_add(tally, ms + cpu_ns / 1000000 +
                        (control_bytes(sim) - bytes) / WIRE_BYTES_MS);
    sim_free(sim);
}

static void change(struct sim *sim, size_t nodes)
{
    for (size_t i = 0; i < nodes; i++) {
        size_t each = CHANGES / nodes / 2;
        size_t first = i * TOPICS / nodes;
        size_t fresh = TOPICS + i * each;
        sim_want_many(sim, i, first, first + each, false);
        sim_want_many(sim, i, fresh, fresh + each, true);
    }
}

static struct sim *healed(const struct card_run *run, uint64_t seed)
{
    struct sim *sim = wishing(seed, run->n, run->n);

    sim_partition(sim, run->n / 2);
    sim_run(sim, SPLIT_MS / 2);
    change(sim, run->n);
    sim_run(sim, SPLIT_MS / 2);
    sim_heal(sim);
    return sim;
}

/* From when all know all again. What came before that has cost CPU time and
 * wire too, of which the virtual clock knows nothing: it is counted here. */
static void play_maps(const struct card_run *run, uint64_t seed,
                      struct card_tally *tally)
{
    struct sim *sim = healed(run, seed);
    uint64_t bytes = control_bytes(sim);

    cpu_ns = 0;
    sim_until(sim, sim_is_agreed, LIMIT_MS);
    uint64_t ms = sim_until(sim, sim_is_whole, LIMIT_MS);
    bytes = control_bytes(sim) - bytes;
    /* Each node has its own CPU and wire, and a like share of the work. */
    card_add(tally,
             ms + cpu_ns / 1000000 / run->n + bytes / run->n / WIRE_BYTES_MS);
    sim_free(sim);
}

static void play_heal(const struct card_run *run, uint64_t seed,
                      struct card_tally *tally)
{
    struct sim *sim = healed(run, seed);

    card_add(tally, sim_until(sim, sim_is_agreed, LIMIT_MS));
    sim_free(sim);
}

/* Ten subscribes in each millisecond at one node: until all others hold it. To
 * a millisecond above, CPU time not counted: what the protocol alone takes. */
static void play_barrier(const struct card_run *run, uint64_t seed,
                         struct card_tally *tally)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = seed, .nodes = run->n});
    uint64_t versions[BARRIER_MS];
    size_t held = 0;

    sim_start_all(sim);
    sim_until(sim, sim_is_whole, LIMIT_MS);
    for (size_t ms = 0; held < BARRIER_MS; ms++) {
        if (ms < BARRIER_MS) {
            sim_want_many(sim, 1, 10 * ms, 10 * (ms + 1), true);
            versions[ms] = cluster_version(sim_cluster(sim, 1));
        }
        sim_run(sim, 1);
        while (held < BARRIER_MS && held <= ms &&
               cluster_held(sim_cluster(sim, 1), CLUSTER_SCOPE_REGION) >=
                   versions[held]) {
            card_add(tally, ms + 1 - held++);
        }
    }
    sim_free(sim);
}

static size_t header_len(void)
{
    struct peer_batch batch = {.epoch = UINT32_MAX, .seq = UINT32_MAX};
    struct buf out = {0};

    peer_batch_write(&batch, &out);
    size_t len = out.len;
    buf_fini(&out);
    return len;
}

static void play_hellos(const struct card_run *run, uint64_t seed,
                        struct card_tally *tally)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = seed, .nodes = run->n});

    sim_start_all(sim);
    sim_until(sim, sim_is_whole, LIMIT_MS);
    sim_run(sim, STEADY_MS);
    uint64_t before = control_bytes(sim);
    sim_run(sim, STEADY_MS);
    uint64_t links = run->n - 1;
    uint64_t again_s = links < HELLO_LINKS ? 1 : links / HELLO_LINKS;
    uint64_t hellos = links * run->n * STEADY_MS / 1000 / again_s;
    card_add_rate(tally,
                  control_bytes(sim) - before +
                      hellos * (SEAL_OVERHEAD + header_len() + FRAME_LEN),
                  run->n * STEADY_MS / 1000);
    sim_free(sim);
}

struct wisher {
    uint64_t version;
    uint64_t digest;
};

static void wish(struct interest *interest, uint16_t slot, struct wisher *by,
                 uint64_t hash)
{
    struct peer_record record = {.type = PEER_INTEREST, .hash = hash};
    struct buf out = {0};

    peer_record_write(&record, &out);
    struct peer_message m = {.type = PEER_DELTA,
                             .from = by->version,
                             .version = by->version + 1,
                             .digest = by->digest +
                                       record_digest(PEER_INTEREST, hash),
                             .records_len = 1,
                             .records = buf_bytes(&out)};
    by->version = m.version;
    by->digest = m.digest;
    assert_int_equal(interest_delta(interest, slot, &m), 0);
    buf_fini(&out);
}

/* A million topics in one map, each wanted by one to three of 64 peers. */
static void play_memory(const struct card_run *run, uint64_t seed,
                        struct card_tally *tally)
{
    struct wisher wishers[PEERS] = {{0}};
    struct interest interest;
    struct rng rng;

    rng_init(&rng, seed);
    assert_int_equal(interest_init(&interest, 0, seed), 0);
    for (uint16_t slot = 0; slot < PEERS; slot++) {
        assert_int_equal(interest_open(&interest, slot), 0);
    }
    for (size_t i = 0; i < TOPICS; i++) {
        uint64_t hash = rng_u64(&rng);
        uint32_t first = rng_below(&rng, PEERS);
        for (uint32_t more = 0; more <= rng_below(&rng, 3); more++) {
            uint16_t slot = (uint16_t)((first + more) % PEERS);
            wish(&interest, slot, &wishers[slot], hash);
        }
    }
    (void)run;
    card_add_rate(tally, interest_bytes(&interest), TOPICS);
    interest_fini(&interest);
}

#define ONE(scene, ...) .play = scene, .lines = {{__VA_ARGS__}}

#define HELLO_RATE "hello_bytes_per_node_per_s", CARD_RATE, "B/s", CARD_NO_GOAL

/* clang-format off */
const struct card_run card_maps_runs[] = {
    {.n = 12, .seeds = 4, .quick_seeds = 1,
     ONE(play_barrier, "barrier_virtual_p99_ms", CARD_P99, "ms", 5)},
    {.n = 12, .seeds = 2, ONE(play_heal, "heal_ms", CARD_MAX, "ms", 5000)},
    {.n = 12, .seeds = 2,
     ONE(play_maps, "maps_equal_ms", CARD_MAX, "ms", 2000)},
    {.n = PEERS, .seeds = 1,
     ONE(play_memory, "map_bytes_per_topic", CARD_RATE, "B", 32)},
    {.n = 2, .seeds = 3,
     ONE(play_join, "join_1m_topics_ms", CARD_MAX, "ms", 1000)},
    {.n = 12, .seeds = 3,
     ONE(play_join, "join_1m_topics_ms", CARD_MAX, "ms", 1000)},
    {.n = 3, .seeds = 2, .quick_seeds = 1, ONE(play_hellos, HELLO_RATE)},
    {.n = 10, .seeds = 2, ONE(play_hellos, HELLO_RATE)},
    {.n = 100, .seeds = 1, ONE(play_hellos, HELLO_RATE)},
};
/* clang-format on */
const size_t card_maps_runs_len = ARRAY_LEN(card_maps_runs);
