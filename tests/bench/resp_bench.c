/* SPDX-License-Identifier: Apache-2.0
 *
 * Measures a broker that speaks RESP, ours or redis-server, from outside. The
 * modes, each in a file of its name:
 *
 * fanout    one publisher, SUBS subscribers of one topic, a window of 256 items
 *           that not everyone has; CPU of the PIDs as the scheduler counts it.
 * latency   open loop: each item carries the time at which it was due.
 * routable  subscribes to a new topic COUNT times; the moment the
 *           acknowledgement is there, publishes on the other port: the item
 *           must come. Reports the time to the acknowledgement.
 * storm     the same on CONNS connections at once, RATE times a second (open
 *           loop) or, with 0, as fast as acknowledged.
 * burst     the same with SUBSCRIBES topics asked for all at once (storm.c).
 * idle      CONNS connections with a subscription each: memory and idle CPU.
 *
 * One JSON line on standard output. Loopback only.
 */
#include <stdio.h>
#include <string.h>

#include "tests/bench/modes.h"

static const struct {
    const char *name;
    int (*run)(char **argv);
    int args_len;
    const char *args;
} modes[] = {
    {"fanout", mode_fanout, 6, "SUB_PORT PUB_PORT SUBS SIZE SECONDS PID[,PID]"},
    {"latency", mode_latency, 4, "SUB_PORT PUB_PORT RATE SECONDS"},
    {"routable", mode_routable, 3, "SUB_PORT PUB_PORT COUNT"},
    {"storm", mode_storm, 6, "SUB_PORT PUB_PORT CONNS RATE SECONDS PID[,PID]"},
    {"burst", mode_burst, 3, "SUB_PORT PUB_PORT SUBSCRIBES"},
    {"idle", mode_idle, 4, "PORT CONNS SECONDS PID"},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (argc == 2 + modes[i].args_len &&
            strcmp(argv[1], modes[i].name) == 0) {
            return modes[i].run(argv + 2);
        }
    }
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        fprintf(stderr, "usage: resp_bench %s %s\n", modes[i].name,
                modes[i].args);
    }
    return 2;
}
