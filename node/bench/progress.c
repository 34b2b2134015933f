/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/cli/link.h"

enum {
    WIDTH = 30,
    EVERY_MS = 100
};

/* There is one terminal. */
static bool drawn;
static uint64_t drawn_ms;

void bench_progress(double done, const char *what, double per_s)
{
    char bar[WIDTH + 1];
    uint64_t now_ms = link_now_ms();

    if (now_ms - drawn_ms < EVERY_MS) {
        return;
    }
    drawn_ms = now_ms;
    if (isatty(STDERR_FILENO) == 0) {
        return;
    }
    done = done > 1 ? 1 : done;
    size_t full = (size_t)(done * WIDTH);
    memset(bar, '.', WIDTH);
    memset(bar, '#', full);
    bar[WIDTH] = '\0';
    fprintf(stderr, "\r\033[K[%s] %3.0f %% %s", bar, done * 100, what);
    if (per_s > 0) {
        fprintf(stderr, ", %.2f M deliveries/s", per_s / 1e6);
    }
    (void)fflush(stderr);
    drawn = true;
}

void bench_progress_end(void)
{
    if (drawn) {
        fputs("\r\033[K", stderr);
        (void)fflush(stderr);
    }
    drawn = false;
}
