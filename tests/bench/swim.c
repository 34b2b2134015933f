/* SPDX-License-Identifier: Apache-2.0
 *
 * Membership in virtual time: prints one tab-separated line for each size and
 * loss. Times are from the fault until each single survivor knows it, over all
 * survivors and seeds, in ms; traffic counts the envelope, UDP and IP.
 */
#include "tests/swim_world.h"

#include <stdio.h>

enum {
    TIMES_MAX = 200000,
    SETTLE_MS = 20000,
    LIMIT_MS = 30000
};

struct times {
    uint32_t ms[TIMES_MAX];
    size_t len;
};

static int u32_cmp(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(struct times *t, size_t percent)
{
    if (t->len == 0) {
        return 0;
    }
    qsort(t->ms, t->len, sizeof t->ms[0], u32_cmp);
    return t->ms[(t->len - 1) * percent / 100];
}

/* Kills a node and notes when each of the others knows. */
static void measure_crash(struct world *w, size_t victim, bool reset,
                          struct times *times)
{
    uint64_t start_ms = w->now_ms;
    bool known[WORLD_NODES_MAX] = {false};

    world_kill(w, victim);
    if (reset) {
        world_reset_links(w, victim);
    }
    for (size_t left = w->nodes_len - 1;
         left > 0 && w->now_ms - start_ms < LIMIT_MS;) {
        world_run(w, 10);
        for (size_t i = 0; i < w->nodes_len; i++) {
            if (i != victim && !known[i] &&
                world_state(w, i, victim) >= GOSSIP_DEAD) {
                known[i] = true;
                left--;
                times->ms[times->len++] = (uint32_t)(w->now_ms - start_ms);
            }
        }
    }
}

static void line(size_t n, uint32_t loss, size_t seeds)
{
    static struct times silent;
    static struct times reset;
    uint64_t join_ms = 0;
    uint64_t bytes = 0;
    uint64_t packets = 0;
    unsigned wrong = 0;

    silent.len = reset.len = 0;
    for (uint64_t seed = 1; seed <= 2 * seeds; seed++) {
        struct world *w = world_new(seed);
        w->check = false;
        world_start_many(w, n, 1);
        join_ms += world_until(w, world_agrees, NULL, 60000);
        w->loss_percent = loss;
        world_run(w, SETTLE_MS);
        uint64_t bytes_before = 0;
        uint64_t packets_before = 0;
        for (size_t i = 0; i < n; i++) {
            bytes_before += w->nodes[i].bytes_out;
            packets_before += w->nodes[i].packets_out;
        }
        world_run(w, SETTLE_MS);
        for (size_t i = 0; i < n; i++) {
            bytes += w->nodes[i].bytes_out;
            packets += w->nodes[i].packets_out;
        }
        bytes -= bytes_before;
        packets -= packets_before;
        wrong += world_events(w, SWIM_DEAD);
        measure_crash(w, seed % n, seed % 2 == 0,
                      seed % 2 == 0 ? &reset : &silent);
        world_free(w);
    }
    uint64_t node_seconds = (uint64_t)2 * seeds * n * SETTLE_MS / 1000;
    printf("%zu\t%u\t%zu\t%" PRIu64 "\t%u\t%u\t%u\t%u\t%u\t%u\t%" PRIu64
           "\t%" PRIu64 ".%" PRIu64 "\t%u\n",
           n, loss, seeds, join_ms / (2 * seeds), percentile(&silent, 50),
           percentile(&silent, 99), percentile(&silent, 100),
           percentile(&reset, 50), percentile(&reset, 99),
           percentile(&reset, 100), bytes / node_seconds,
           packets / node_seconds, packets * 10 / node_seconds % 10, wrong);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    size_t seeds = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;

    printf("nodes\tloss%%\tseeds\tjoin\tsilent50\tsilent99\tsilentmax\t"
           "reset50\treset99\tresetmax\tbytes/s\tpackets/s\tfalse_dead\n");
    for (uint32_t loss = 0; loss <= 10; loss += 10) {
        line(3, loss, seeds);
        line(10, loss, seeds);
        line(100, loss, seeds / 5 + 1);
    }
    return 0;
}
