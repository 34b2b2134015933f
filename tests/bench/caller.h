/* SPDX-License-Identifier: Apache-2.0
 *
 * What bench_memory and bench_scaling share: blocking sockets to a node on this
 * machine. Whatever goes wrong ends the program with a sentence that names the
 * stage it was at, and exit code 1.
 */
#ifndef TESTS_BENCH_CALLER_H
#define TESTS_BENCH_CALLER_H

#include <stddef.h>
#include <stdint.h>

/* A fixed text: what the program is at. */
void caller_stage(const char *stage);
/* Says what failed, and errno, or the end of a file if that is 0. */
_Noreturn void die(const char *what);

uint64_t now_us(void);
unsigned number(const char *text); /* of an argument; at least 1 */

/* Connects; a read or a write that takes longer than answer_s fails. rcvbuf: of
 * the socket, 0 = the system's. */
int dial(const char *port, int answer_s, int rcvbuf);
void say(int fd, const char *p, size_t len);

#endif
