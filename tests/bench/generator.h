/* SPDX-License-Identifier: Apache-2.0
 *
 * What the modes of resp_bench share: blocking sockets to a broker of RESP on
 * this machine, the cost of its processes, samples of time. Whatever goes
 * wrong ends the program with a sentence and exit code 1.
 */
#ifndef TESTS_BENCH_GENERATOR_H
#define TESTS_BENCH_GENERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    READ_LEN = 1 << 18,
    ANSWER_MS = 10000, /* a broker that is silent for so long is dead */
    SETTLE_MS = 300,   /* until another node has surely heard of a topic */
    ITEM_LEN_MAX = 1 << 16,
};

uint64_t now_ns(void);
void sleep_ms(unsigned ms);
_Noreturn void die(const char *what);
unsigned long number(const char *text); /* of an argument; at least 1 */

int dial(const char *port);
void send_all(int fd, const char *p, size_t len);
/* Reads at least one byte. */
size_t read_some(int fd, char *p, size_t cap);
/* Reads until `mark` is there. */
void await(int fd, const char *mark);
/* Dials, subscribes, reads the acknowledgement. */
int subscribe(const char *port, const char *topic);

/* Writes the request that publishes `size` bytes of x. */
size_t make_publish(char *out, const char *topic, size_t size);
size_t delivery_len(const char *topic, size_t size);

/* Of all tasks of these processes ("PID,PID"): nanoseconds that they ran, as
 * the scheduler counts them; and resident bytes. */
uint64_t cpu_ns(const char *pids);
uint64_t resident_len(const char *pids);

void sample(uint64_t ns);
size_t samples_len(void);
/* Prints `"samples":N,"p50_us":...` up to the maximum. */
void samples_print(void);

#endif
