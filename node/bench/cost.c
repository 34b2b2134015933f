/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/cost.h"

#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "node/bench/net.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"

static uint64_t read_ran(FILE *file)
{
    uint64_t ran = 0;

    return fscanf(file, "%" SCNu64, &ran) == 1 ? ran : 0;
}

static uint64_t read_resident(FILE *file)
{
    uint64_t pages = 0;

    return fscanf(file, "%*u %" SCNu64, &pages) == 1
               ? pages * (uint64_t)sysconf(_SC_PAGESIZE)
               : 0;
}

/* Adds up what is read from the files that `pattern` names below a process. */
static int add_files(unsigned pid, const char *pattern,
                     uint64_t (*read_file)(FILE *file), uint64_t *sum)
{
    char path[64];
    glob_t found;

    (void)snprintf(path, sizeof path, "/proc/%u/%s", pid, pattern);
    if (glob(path, 0, NULL, &found) != 0) {
        return bench_fail(CLI_REFUSED, "there is no process %u to measure",
                          pid);
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *file = fopen(found.gl_pathv[i], "re");
        if (file != NULL) { /* a task may have ended */
            *sum += read_file(file);
            fclose(file);
        }
    }
    globfree(&found);
    return CLI_OK;
}

/* Without a right to /metrics there is no number. */
static void read_counter(const struct bench_options *options,
                         struct bench_cost *cost)
{
    static const char name[] = "\nstarling_messages_delivered_total ";
    struct buf body = {0};

    if (options->at.ours &&
        fetch(&options->at.url, "GET", "/metrics", options->token,
              (struct bytes){0}, &body) == 200) {
        buf_add_u8(&body, '\0');
        const char *at = body.failed ? NULL
                                     : strstr((const char *)body.p, name);
        cost->counted = at != NULL && sscanf(at + sizeof name - 1, "%" SCNu64,
                                             &cost->delivered) == 1;
    }
    buf_fini(&body);
}

int bench_cost_read(const struct bench_options *options,
                    struct bench_cost *cost)
{
    struct timespec t;
    int exit_code = CLI_OK;

    *cost = (struct bench_cost){0};
    read_counter(options, cost);
    for (size_t i = 0; i < options->pids_len && exit_code == CLI_OK; i++) {
        exit_code = add_files(options->pids[i], "statm", read_resident,
                              &cost->rss_bytes);
        if (exit_code == CLI_OK) {
            exit_code = add_files(options->pids[i], "task/*/schedstat",
                                  read_ran, &cost->cpu_ns);
        }
    }
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    cost->own_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    return exit_code;
}
