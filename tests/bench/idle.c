/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/generator.h"
#include "tests/bench/modes.h"

enum {
    QUIET_MS = 1000
}; /* until the work of connecting is done */

int mode_idle(char **argv)
{
    size_t conns = number(argv[1]);
    uint64_t idle_ns = number(argv[2]) * UINT64_C(1000000000);
    const char *pids = argv[3];
    uint64_t before = resident_len(pids);
    uint64_t start = now_ns();

    for (size_t i = 0; i < conns; i++) { /* they end with this process */
        char topic[32];
        (void)snprintf(topic, sizeof topic, "idle-%zu", i);
        (void)subscribe(argv[0], topic);
    }
    uint64_t took = now_ns() - start;
    sleep_ms(QUIET_MS);
    uint64_t after = resident_len(pids);
    uint64_t cpu = cpu_ns(pids);
    start = now_ns();
    sleep_ms((unsigned)(idle_ns / 1000000));
    cpu = cpu_ns(pids) - cpu;
    printf("{\"mode\":\"idle\",\"conns\":%zu,\"resident_before\":%" PRIu64
           ",\"resident\":%" PRIu64 ",\"bytes_per_conn\":%.0f,"
           "\"connects_per_s\":%.0f,\"idle_cpu_percent\":%.3f}\n",
           conns, before, after, (double)(after - before) / (double)conns,
           (double)conns * 1e9 / (double)took,
           (double)cpu * 100 / (double)(now_ns() - start));
    return 0;
}
