/* SPDX-License-Identifier: Apache-2.0
 *
 * card [--quick] [--jobs N] [--seeds N] [metric...]: plays the scenes of the
 * named metrics (none named: all) and prints one JSON line for each, then a
 * table on stderr. Exits 1 if a goal is missed.
 */
#include "tests/sim/card.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LINES_MAX = 128,
    JOBS_MAX = 64
};

struct result {
    const struct card_run *run;
    const struct card_line *line;
    double value;
    size_t seeds;
};

struct card {
    bool quick;
    long jobs;
    size_t seeds; /* at most so many of each scene; 0: as it says */
    char **metrics;
    size_t metrics_len;
    struct card_tally *tally;
    _Atomic uint64_t *next_seed; /* shared too */
    struct result results[LINES_MAX];
    size_t results_len;
};

static void *shared(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert(p != MAP_FAILED);
    return p;
}

static bool is_wanted(const struct card *card, const struct card_line *line)
{
    if (line->value == CARD_NONE) {
        return false;
    }
    for (size_t i = 0; i < card->metrics_len; i++) {
        if (strcmp(card->metrics[i], line->metric) == 0) {
            return true;
        }
    }
    return card->metrics_len == 0;
}

/* --- playing ---------------------------------------------------------------
 */

static void work(struct card *card, const struct card_run *run, size_t seeds)
{
    for (uint64_t seed; (seed = ++*card->next_seed) <= seeds;) {
        run->play(run, seed, card->tally);
    }
}

/* False when a player fell over: then its tally is worth nothing. */
static bool play(struct card *card, const struct card_run *run, size_t seeds)
{
    pid_t players[JOBS_MAX];
    long jobs = card->jobs < (long)seeds ? card->jobs : (long)seeds;
    bool well = true;

    memset(card->tally, 0, sizeof *card->tally);
    *card->next_seed = 0;
    for (long i = 0; i < jobs; i++) {
        players[i] = fork();
        assert(players[i] >= 0);
        if (players[i] == 0) {
            if (freopen("/dev/null", "w", stdout) == NULL) {
                _exit(1); /* a player's own words are no lines */
            }
            work(card, run, seeds);
            _exit(0);
        }
    }
    for (long i = 0; i < jobs; i++) {
        int status = 0;
        waitpid(players[i], &status, 0);
        well = well && status == 0;
    }
    return well;
}

/* --- reading the tally -----------------------------------------------------
 */

static uint64_t samples(const struct card_tally *tally)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < CARD_BINS; i++) {
        sum += tally->bins[i];
    }
    return sum;
}

/* The smallest value that at least so many thousandths do not exceed. */
static double percentile(const struct card_tally *tally, uint64_t thousandths)
{
    uint64_t wanted = (samples(tally) * thousandths + 999) / 1000;
    uint64_t seen = 0;

    for (size_t i = 0; i < CARD_BINS; i++) {
        seen += tally->bins[i];
        if (seen >= wanted) {
            return (double)i;
        }
    }
    return CARD_BINS;
}

static double value_of(const struct card_tally *tally, enum card_value what)
{
    double rate = tally->per == 0 ? 0 : (double)tally->sum / (double)tally->per;

    switch (what) {
    case CARD_P50:
        return percentile(tally, 500);
    case CARD_P99:
        return percentile(tally, 990);
    case CARD_MAX:
        return percentile(tally, 1000);
    case CARD_RATE:
        return rate;
    case CARD_PER_HOUR:
        return rate * 3600;
    case CARD_NONE:
        break;
    }
    return 0;
}

/* --- telling ---------------------------------------------------------------
 */

static bool is_met(const struct result *r)
{
    return r->line->goal < 0 || r->value <= r->line->goal;
}

static void print_json(const struct result *r)
{
    printf("{\"metric\":\"%s\",\"n\":%zu,\"loss\":%.2f,\"value\":%.6g,"
           "\"unit\":\"%s\",\"seeds\":%zu",
           r->line->metric, r->run->n, r->run->loss / 100.0, r->value,
           r->line->unit, r->seeds);
    if (r->line->goal >= 0) {
        printf(",\"goal\":%g,\"met\":%s", r->line->goal,
               is_met(r) ? "true" : "false");
    }
    printf("}\n");
    fflush(stdout);
}

static void keep(struct card *card, const struct card_run *run, size_t seeds)
{
    for (size_t i = 0; i < CARD_LINES_MAX; i++) {
        if (!is_wanted(card, &run->lines[i])) {
            continue;
        }
        assert(card->results_len < LINES_MAX);
        struct result *r = &card->results[card->results_len++];
        *r = (struct result){
            .run = run,
            .line = &run->lines[i],
            .value = value_of(card->tally, run->lines[i].value),
            .seeds = seeds,
        };
        print_json(r);
    }
}

static bool take(struct card *card, const struct card_run *runs, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t seeds = card->quick ? runs[i].quick_seeds : runs[i].seeds;
        bool wanted = false;
        if (card->seeds > 0 && seeds > card->seeds) {
            seeds = card->seeds;
        }
        for (size_t j = 0; j < CARD_LINES_MAX; j++) {
            wanted = wanted || is_wanted(card, &runs[i].lines[j]);
        }
        if (!wanted || seeds == 0) {
            continue;
        }
        if (!play(card, &runs[i], seeds)) {
            fprintf(stderr, "card: %s did not end well\n",
                    runs[i].lines[0].metric);
            return false;
        }
        keep(card, &runs[i], seeds);
    }
    return true;
}

/* Returns how many goals are missed. */
static size_t print_table(const struct card *card)
{
    size_t missed = 0;

    fprintf(stderr, "\n%-28s %5s %5s %12s %10s  %s\n", "metric", "n", "loss",
            "value", "goal", "");
    for (size_t i = 0; i < card->results_len; i++) {
        const struct result *r = &card->results[i];
        char goal[16] = "-";
        if (r->line->goal >= 0) {
            (void)snprintf(goal, sizeof goal, "%g", r->line->goal);
        }
        fprintf(stderr, "%-28s %5zu %5.2f %12.6g %10s  %s\n", r->line->metric,
                r->run->n, r->run->loss / 100.0, r->value, goal,
                r->line->goal < 0 ? ""
                : is_met(r)       ? "met"
                                  : "MISSED");
        missed += !is_met(r);
    }
    return missed;
}

static long number_after(char ***argv)
{
    long v = (*argv)[1] == NULL ? 0 : strtol((*argv)[1], NULL, 10);

    if (v < 1) {
        fprintf(stderr, "card: a number has to follow %s\n", (*argv)[0]);
        exit(2);
    }
    (*argv)++;
    return v;
}

static void read_options(struct card *card, char **argv)
{
    card->jobs = sysconf(_SC_NPROCESSORS_ONLN);
    for (argv++; *argv != NULL && (*argv)[0] == '-'; argv++) {
        if (strcmp(*argv, "--quick") == 0) {
            card->quick = true;
        } else if (strcmp(*argv, "--jobs") == 0) {
            card->jobs = number_after(&argv);
        } else if (strcmp(*argv, "--seeds") == 0) {
            card->seeds = (size_t)number_after(&argv);
        } else {
            fprintf(stderr, "usage: card [--quick] [--jobs N] [--seeds N] "
                            "[metric...]\n");
            exit(2);
        }
    }
    card->jobs = card->jobs < 1          ? 1
                 : card->jobs > JOBS_MAX ? JOBS_MAX
                                         : card->jobs;
    card->metrics = argv;
    while (*argv != NULL) {
        argv++;
        card->metrics_len++;
    }
}

int main(int argc, char **argv)
{
    static struct card card;
    (void)argc;

    read_options(&card, argv);
    card.tally = shared(sizeof *card.tally);
    card.next_seed = shared(sizeof *card.next_seed);
    if (!take(&card, card_maps_runs, card_maps_runs_len) ||
        !take(&card, card_swim_runs, card_swim_runs_len)) {
        return 2;
    }
    return print_table(&card) == 0 ? 0 : 1;
}
