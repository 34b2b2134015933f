/* SPDX-License-Identifier: Apache-2.0
 *
 * Membership on its own, in virtual time: real swim machines of one region,
 * packets that take 1 to 2 ms. Times are from the fault until each single
 * survivor knows, and each is one sample. Traffic is what a node sends: gossip
 * with the envelope, UDP and IP.
 */
#include "tests/swim_world.h"

#include "tests/sim/card.h"

enum {
    JOIN_MS = 60000, /* until all know all, at the latest */
    SETTLE_MS = 20000,
    LIMIT_MS = CARD_BINS - 1,
    STEADY_MS = 60000,
    SPLIT_MS = 10 * 60 * 1000,
    PAUSE_MS = 5000,
    NEWCOMERS = 10,
};

/* What a scene listens for: news of one kind about one node. */
struct ear {
    struct world *w;
    struct card_tally *tally;
    enum swim_out_type type;
    size_t about;
    uint64_t since_ms; /* 0: from when the first one hears it */
    size_t heard;
};

static struct world *settled(const struct card_run *run, uint64_t seed)
{
    struct world *w = world_new(seed);

    w->check = false;
    w->dead_max = 32;
    world_start_many(w, run->n, 1);
    world_until(w, world_agrees, NULL, JOIN_MS);
    w->loss_percent = run->loss;
    world_run(w, SETTLE_MS + rng_below(&w->rng, 1000));
    return w;
}

static void on_news(void *data, size_t node, const struct swim_out *out)
{
    struct ear *ear = data;

    if (out->type != ear->type || node == ear->about || out->member == NULL ||
        world_index(ear->w, &out->member->node.cluster) != ear->about) {
        return;
    }
    if (ear->since_ms == 0) {
        ear->since_ms = ear->w->now_ms;
    }
    card_add(ear->tally, ear->w->now_ms - ear->since_ms);
    ear->heard++;
}

/* Until `wanted` have heard it; who has not by then counts with the limit. */
static void listen(struct world *w, struct ear *ear, size_t wanted)
{
    uint64_t start_ms = w->now_ms;

    w->on_event = on_news;
    w->data = ear;
    while (ear->heard < wanted && w->now_ms - start_ms < LIMIT_MS) {
        world_run(w, 10);
    }
    for (; ear->heard < wanted; ear->heard++) {
        card_add(ear->tally, LIMIT_MS);
    }
    w->on_event = NULL;
}

static void crash(const struct card_run *run, uint64_t seed,
                  struct card_tally *tally, bool reset)
{
    struct world *w = settled(run, seed);
    size_t victims = run->n / 250 + 1; /* where it costs most to come so far */

    for (size_t i = 0; i < victims; i++) {
        size_t victim = (seed + i * run->n / victims) % run->n;
        struct ear ear = {.w = w,
                          .tally = tally,
                          .type = SWIM_DEAD,
                          .about = victim,
                          .since_ms = w->now_ms};
        world_kill(w, victim);
        if (reset) {
            world_reset_links(w, victim);
        }
        listen(w, &ear, run->n - 1 - i);
        world_run(w, SETTLE_MS / 2 + rng_below(&w->rng, 1000));
    }
    world_free(w);
}

static void play_silent(const struct card_run *run, uint64_t seed,
                        struct card_tally *tally)
{
    crash(run, seed, tally, false);
}

static void play_kill(const struct card_run *run, uint64_t seed,
                      struct card_tally *tally)
{
    crash(run, seed, tally, true);
}

/* A newcomer is welcomed by one member: when do the others know of it? */
static void play_rumour(const struct card_run *run, uint64_t seed,
                        struct card_tally *tally)
{
    struct world *w = settled(run, seed);

    for (size_t i = 0; i < NEWCOMERS; i++) {
        uint16_t place = (uint16_t)(run->n + 1 + i);
        char name[] = {'l', 'a', 't', 'e', (char)('0' + i), '\0'};
        struct ear ear = {
            .w = w, .tally = tally, .type = SWIM_JOINED, .about = w->nodes_len};
        w->on_event = on_news; /* what hears of it at once counts too */
        w->data = &ear;
        world_start(w, place, name, "r0", (uint16_t)(1 + (seed + i) % run->n));
        listen(w, &ear, run->n + i);
        world_run(w, SETTLE_MS / 4);
    }
    world_free(w);
}

static uint64_t bytes_out(const struct world *w)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < w->nodes_len; i++) {
        sum += w->nodes[i].bytes_out;
    }
    return sum;
}

static void play_steady(const struct card_run *run, uint64_t seed,
                        struct card_tally *tally)
{
    struct world *w = settled(run, seed);
    uint64_t before = bytes_out(w);

    world_run(w, STEADY_MS);
    card_add_rate(tally, bytes_out(w) - before,
                  (uint64_t)run->n * STEADY_MS / 1000);
    world_free(w);
}

/* --- deaths of the living ------------------------------------------------ */

/* Every tenth node is slow in a scene with pauses; the others are healthy. */
static bool is_slow(size_t node)
{
    return node % 10 == 3;
}

struct deaths {
    struct world *w;
    bool pauses;
    uint64_t wrong;
};

static void on_death(void *data, size_t node, const struct swim_out *out)
{
    struct deaths *d = data;
    (void)node;

    if (out->type == SWIM_DEAD &&
        !(d->pauses &&
          is_slow(world_index(d->w, &out->member->node.cluster)))) {
        d->wrong++; /* each node that believes it counts */
    }
}

static void play_alive(const struct card_run *run, uint64_t seed,
                       struct card_tally *tally)
{
    struct world *w = settled(run, seed);
    struct deaths d = {.w = w};

    w->on_event = on_death;
    w->data = &d;
    world_run(w, (uint64_t)run->minutes * 60 * 1000);
    card_add_rate(tally, d.wrong, (uint64_t)run->n * run->minutes * 60);
    world_free(w);
}

static void flip(struct world *w, size_t node, bool together,
                 uint64_t next_ms[WORLD_NODES_MAX])
{
    bool paused = !w->nodes[node].paused;
    uint32_t wait_ms = together ? 15000 : 10000 + rng_below(&w->rng, 10000);

    world_pause(w, node, paused);
    next_ms[node] = w->now_ms + (paused ? PAUSE_MS : wait_ms);
}

/* The slow ones stand still for 5 s again and again: all at once with odd
 * seeds, each in its own time with even ones. */
static void play_pauses(const struct card_run *run, uint64_t seed,
                        struct card_tally *tally)
{
    struct world *w = settled(run, seed);
    struct deaths d = {.w = w, .pauses = true};
    uint64_t next_ms[WORLD_NODES_MAX] = {0};
    uint64_t end_ms = w->now_ms + (uint64_t)run->minutes * 60 * 1000;

    w->on_event = on_death;
    w->data = &d;
    for (size_t i = 0; i < run->n; i++) {
        next_ms[i] = w->now_ms +
                     (seed % 2 == 1 ? 0 : rng_below(&w->rng, 20000));
    }
    while (w->now_ms < end_ms) {
        for (size_t i = 0; i < run->n; i++) {
            if (is_slow(i) && w->now_ms >= next_ms[i]) {
                flip(w, i, seed % 2 == 1, next_ms);
            }
        }
        world_run(w, 50);
    }
    card_add_rate(tally, d.wrong, (uint64_t)run->n * run->minutes * 60);
    world_free(w);
}

/* --- a split ------------------------------------------------------------- */

static void play_heal(const struct card_run *run, uint64_t seed,
                      struct card_tally *tally)
{
    struct world *w = settled(run, seed);

    for (size_t i = 0; i < run->n / 2; i++) {
        w->nodes[i].side = 1;
    }
    world_run(w, SPLIT_MS + rng_below(&w->rng, 1000));
    for (size_t i = 0; i < run->n; i++) {
        w->nodes[i].side = 0;
    }
    card_add(tally, world_until(w, world_agrees, NULL, LIMIT_MS));
    world_free(w);
}

/* --- the table ----------------------------------------------------------- */

#define SILENT(p50, p99)                                     \
    .play = play_silent,                                     \
    .lines = {{"detect_silent_p50_ms", CARD_P50, "ms", p50}, \
              {"detect_silent_p99_ms", CARD_P99, "ms", p99}, \
              {"detect_silent_max_ms", CARD_MAX, "ms", CARD_NO_GOAL}}
#define KILL(p99)                                                   \
    .play = play_kill,                                              \
    .lines = {{"detect_kill_p50_ms", CARD_P50, "ms", CARD_NO_GOAL}, \
              {"detect_kill_p99_ms", CARD_P99, "ms", p99}}
#define RUMOUR(t99)                                            \
    .play = play_rumour,                                       \
    .lines = {{"rumour_t50_ms", CARD_P50, "ms", CARD_NO_GOAL}, \
              {"rumour_t99_ms", CARD_P99, "ms", t99},          \
              {"rumour_t100_ms", CARD_MAX, "ms", CARD_NO_GOAL}}
#define STEADY(goal)     \
    .play = play_steady, \
    .lines = {{"bytes_per_node_per_s", CARD_RATE, "B/s", goal}}
#define ALIVE(goal)     \
    .play = play_alive, \
    .lines = {{"false_dead", CARD_PER_HOUR, "1/node-hour", goal}}
#define PAUSES(goal)     \
    .play = play_pauses, \
    .lines = {{"false_dead_pauses", CARD_PER_HOUR, "1/node-hour", goal}}
#define HEAL(goal) \
    .play = play_heal, .lines = {{"heal_ms", CARD_MAX, "ms", goal}}

/* clang-format off */
const struct card_run card_swim_runs[] = {
    {.n = 10, .seeds = 1000, .quick_seeds = 20, KILL(CARD_NO_GOAL)},
    {.n = 100, .seeds = 100, .quick_seeds = 4, KILL(1000)},
    {.n = 1000, .seeds = 3, KILL(CARD_NO_GOAL)},
    {.n = 100, .loss = 10, .seeds = 100, .quick_seeds = 4, KILL(1000)},
    {.n = 3, .seeds = 1000, SILENT(CARD_NO_GOAL, CARD_NO_GOAL)},
    {.n = 10, .seeds = 1000, .quick_seeds = 100, SILENT(2500, 4000)},
    {.n = 100, .seeds = 200, .quick_seeds = 10, SILENT(4000, 6000)},
    {.n = 1000, .seeds = 6, SILENT(6000, 9000)},
    {.n = 10, .loss = 10, .seeds = 1000, .quick_seeds = 100,
     SILENT(2500, 4000)},
    {.n = 100, .loss = 10, .seeds = 200, SILENT(4000, 6000)},
    {.n = 1000, .loss = 10, .seeds = 4, SILENT(6000, 9000)},
    {.n = 100, .seeds = 20, .quick_seeds = 2, RUMOUR(CARD_NO_GOAL)},
    {.n = 1000, .seeds = 4, RUMOUR(500)},
    {.n = 1000, .loss = 30, .seeds = 4, RUMOUR(800)},
    {.n = 3, .seeds = 10, .quick_seeds = 2, STEADY(CARD_NO_GOAL)},
    {.n = 10, .seeds = 10, .quick_seeds = 2, STEADY(CARD_NO_GOAL)},
    {.n = 100, .seeds = 4, .quick_seeds = 1, STEADY(CARD_NO_GOAL)},
    {.n = 1000, .seeds = 2, STEADY(1000)},
    {.n = 10, .loss = 10, .seeds = 10, .quick_seeds = 2, STEADY(CARD_NO_GOAL)},
    {.n = 100, .loss = 10, .seeds = 4, STEADY(CARD_NO_GOAL)},
    {.n = 1000, .loss = 10, .seeds = 2, STEADY(CARD_NO_GOAL)},
    {.n = 20, .quick_seeds = 2, HEAL(5000)},
    {.n = 100, .seeds = 20, HEAL(5000)},
    {.n = 1000, .seeds = 2, HEAL(5000)},
    {.n = 100, .loss = 10, .seeds = 100, .minutes = 60, ALIVE(0)},
    {.n = 100, .loss = 20, .seeds = 100, .minutes = 60, ALIVE(0.01)},
    {.n = 100, .seeds = 20, .minutes = 60, PAUSES(0)},
    {.n = 50, .loss = 10, .quick_seeds = 2, .minutes = 2, ALIVE(0)},
    {.n = 50, .quick_seeds = 2, .minutes = 2, PAUSES(0)},
};
/* clang-format on */
const size_t card_swim_runs_len = ARRAY_LEN(card_swim_runs);
