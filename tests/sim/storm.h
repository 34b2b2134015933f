/* SPDX-License-Identifier: Apache-2.0
 *
 * One random run from one seed: rounds of faults, healing and calm until the
 * time is up.
 *
 *   faults   15-40 s   anything may happen, S1-S3, S5-S7 and B1 must hold
 *   healing  all ways are mended, all nodes started, the network behaves: L2
 *            and L1 within STORM_HEAL_MS; then what was missed is judged (S5)
 *   calm     10-40 s   subscribes and publishes go on: nothing may be missed
 *            (S4), and nobody may be thought dead
 */
#ifndef TESTS_SIM_STORM_H
#define TESTS_SIM_STORM_H

#include "tests/sim/sim.h"

enum {
    STORM_HEAL_MS = 20000
};

struct storm_options {
    uint64_t seed;
    size_t nodes;
    uint64_t ms;      /* of virtual time, at least */
    uint32_t workers; /* a process has up to so many nodes; 0: one */
    bool values;      /* registers, too, by clocks that are far apart */
    bool trace;
    void (*on_broken)(const char *name, const char *what);
};

struct sim_report storm_run(const struct storm_options *options);

/* Where the run is, on standard error: for who dies of a signal. */
void storm_explain(void);

#endif
