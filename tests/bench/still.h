/* SPDX-License-Identifier: Apache-2.0
 *
 * A world that is the same each time, for what is counted and not timed: linked
 * into a program, it replaces
 *
 *   the clocks          they stand until still_wait_ms()
 *   uv_random()         the same bytes in the same order, so the same node ids
 *   what the CPU can    libsodium takes its portable code, the same on each
 *                       machine
 *
 * What waits for the kernel must not wait long: a loop is run without waiting.
 */
#ifndef TESTS_BENCH_STILL_H
#define TESTS_BENCH_STILL_H

#include <stdint.h>

void still_wait_ms(uint64_t ms);

#endif
