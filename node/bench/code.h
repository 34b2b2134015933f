/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of fixed width in what `starling bench` publishes: eight letters, `@`
 * and A to O, four bits each. They are text that no format escapes, at home in
 * a topic, a URL and a value, and are written and read in a few instructions.
 *
 *   topic   bench + code(topic)
 *   value   code(stream) code(sequence) xxxx...
 *
 * A stream is what one publisher publishes to one topic, numbered from 0.
 */
#ifndef NODE_BENCH_CODE_H
#define NODE_BENCH_CODE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    BENCH_CODE_LEN = 8,
    BENCH_MARK_LEN = 2 * BENCH_CODE_LEN, /* what a value begins with */
    BENCH_TOPIC_LEN = 5 + BENCH_CODE_LEN
};

static inline uint64_t bench_code(uint32_t number)
{
    uint64_t x = number;

    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return x | UINT64_C(0x4040404040404040);
}

static inline bool bench_code_is(uint64_t code)
{
    return (code & UINT64_C(0xf0f0f0f0f0f0f0f0)) ==
           UINT64_C(0x4040404040404040);
}

static inline uint32_t bench_code_number(uint64_t code)
{
    uint64_t x = code & UINT64_C(0x0f0f0f0f0f0f0f0f);

    x = (x | x >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(x | x >> 16);
}

static inline void bench_code_put(void *to, uint32_t number)
{
    uint64_t code = bench_code(number);

    memcpy(to, &code, sizeof code);
}

static inline uint64_t bench_code_get(const void *from)
{
    uint64_t code;

    memcpy(&code, from, sizeof code);
    return code;
}

#endif
