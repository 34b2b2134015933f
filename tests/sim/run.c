/* SPDX-License-Identifier: Apache-2.0
 *
 * Random runs of the simulator, one process a seed, as many at a time as there
 * are cores (tests/sim/run builds this and starts it).
 *
 *   sim_run [--seeds N] [--nodes N] [--workers N] [--minutes N]
 *           [--first SEED]
 *   sim_run --seed SEED [--nodes N] [--workers N] [--minutes N] [--trace]
 *
 * Prints what the runs came to and one digest over all of them, in the order of
 * seeds. Exit 1, with the seeds, when an invariant broke in any.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/hash.h"
#include "tests/sim/storm.h"

struct args {
    uint64_t seeds;
    uint64_t nodes;
    uint64_t workers; /* at most in a process; 0 is one */
    uint64_t minutes;
    uint64_t first;
    bool one;
    bool trace;
};

struct result {
    struct sim_report report;
    bool done;
};

static struct args args = {.seeds = 10, .nodes = 10, .minutes = 1, .first = 1};

static int usage(void)
{
    fprintf(stderr,
            "usage: tests/sim/run [--seeds N] [--nodes N] [--workers N] "
            "[--minutes N] [--first SEED]\n"
            "       tests/sim/run --seed SEED [--nodes N] [--workers N] "
            "[--minutes N] [--trace]\n");
    return 2;
}

static bool read_args(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0) {
            args.trace = true;
            continue;
        }
        uint64_t *to = strcmp(argv[i], "--seeds") == 0     ? &args.seeds
                       : strcmp(argv[i], "--nodes") == 0   ? &args.nodes
                       : strcmp(argv[i], "--workers") == 0 ? &args.workers
                       : strcmp(argv[i], "--minutes") == 0 ? &args.minutes
                       : strcmp(argv[i], "--first") == 0   ? &args.first
                       : strcmp(argv[i], "--seed") == 0    ? &args.first
                                                           : NULL;
        char *end = NULL;
        if (to == NULL || i + 1 == argc) {
            return false;
        }
        if (to == &args.first) {
            args.one = strcmp(argv[i], "--seed") == 0;
        }
        *to = strtoull(argv[++i], &end, 10);
        if (*end != '\0' || end == argv[i]) {
            return false;
        }
    }
    return args.nodes >= 1 && args.nodes <= SIM_NODES_MAX && args.seeds >= 1 &&
           args.workers <= 9;
}

static void say_how_to_replay(uint64_t seed)
{
    fprintf(stderr,
            "again: tests/sim/run --nodes %" PRIu64 " --workers %" PRIu64
            " --minutes %" PRIu64 " --seed %" PRIu64 " --trace\n",
            args.nodes, args.workers, args.minutes, seed);
}

static uint64_t running; /* the seed of this process */

static void on_broken(const char *name, const char *what)
{
    (void)name;
    (void)what;
    say_how_to_replay(running);
    fflush(NULL);
    _exit(1);
}

/* An assertion of the machine itself. */
static void on_abort(int signo)
{
    (void)signo;
    storm_explain();
    on_broken("", "");
}

static struct sim_report play(uint64_t seed)
{
    running = seed;
    signal(SIGABRT, on_abort);
    return storm_run(&(struct storm_options){.seed = seed,
                                             .nodes = args.nodes,
                                             .workers = (uint32_t)args.workers,
                                             .ms = args.minutes * 60000,
                                             .values = true,
                                             .trace = args.trace,
                                             .on_broken = on_broken});
}

static void play_in_child(uint64_t seed, struct result *result)
{
    fflush(NULL);
    pid_t pid = fork();

    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid == 0) {
        result->report = play(seed);
        result->done = true;
        _exit(0);
    }
}

static void play_all(struct result *results)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long children = 0;

    for (uint64_t i = 0; i < args.seeds; i++) {
        if (children == (cores > 0 ? cores : 1)) {
            wait(NULL);
            children--;
        }
        play_in_child(args.first + i, &results[i]);
        children++;
    }
    while (children-- > 0) {
        wait(NULL);
    }
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct rusage used;

    getrusage(RUSAGE_CHILDREN, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static uint64_t print_totals(const struct result *results, double took_s)
{
    struct sim_report all = {0};
    uint64_t broken = 0;

    for (uint64_t i = 0; i < args.seeds; i++) {
        const struct sim_report *r = &results[i].report;
        broken += !results[i].done;
        all.digest = hash_mix(all.digest + r->digest);
        all.events += r->events;
        all.published += r->published;
        all.delivered += r->delivered;
        all.spurious += r->spurious;
        all.missed += r->missed;
        all.untold += r->untold;
        all.node_ms += r->node_ms;
    }
    printf("seeds %" PRIu64 "..%" PRIu64 ", %" PRIu64 " nodes, %" PRIu64
           " min: digest %016" PRIx64 "\n%" PRIu64 " published, %" PRIu64
           " delivered, %" PRIu64 " spurious, %" PRIu64 " missed, %" PRIu64
           " untold; %" PRIu64
           " events, %.1f node hours in %.1f s (%.1f s of CPU)\n",
           args.first, args.first + args.seeds - 1, args.nodes, args.minutes,
           all.digest, all.published, all.delivered, all.spurious, all.missed,
           all.untold, all.events, (double)all.node_ms / 3600000, took_s,
           cpu_s());
    return broken;
}

int main(int argc, char **argv)
{
    if (!read_args(argc, argv)) {
        return usage();
    }
    args.seeds = args.one ? 1 : args.seeds;
    size_t len = args.seeds * sizeof(struct result);
    struct result *results = mmap(NULL, len, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    double began_s = now_s();
    play_all(results);
    uint64_t broken = print_totals(results, now_s() - began_s);
    if (broken == 0) {
        printf("clean\n");
        return 0;
    }
    printf("BROKEN in %" PRIu64 ":", broken);
    for (uint64_t i = 0; i < args.seeds; i++) {
        if (!results[i].done) {
            printf(" %" PRIu64, args.first + i);
        }
    }
    printf("\n");
    return 1;
}
