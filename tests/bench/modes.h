/* SPDX-License-Identifier: Apache-2.0
 *
 * The modes of resp_bench. Each takes the arguments behind its name, prints
 * one JSON line and returns the exit code.
 */
#ifndef TESTS_BENCH_MODES_H
#define TESTS_BENCH_MODES_H

int mode_fanout(char **argv);
int mode_latency(char **argv);
int mode_routable(char **argv);
int mode_storm(char **argv);
int mode_burst(char **argv);
int mode_idle(char **argv);

#endif
