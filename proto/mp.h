/* SPDX-License-Identifier: Apache-2.0
 *
 * Msgpack of fixed shape: what a message of ours consists of, one after
 * another. Writing is msgpack-c's. Reading is done here by hand: msgpack-c
 * allocates what an array merely declares, this never allocates, and borrows
 * strings from the input.
 *
 * A reader fails once and stays so: read everything, then ask mp_outcome().
 */
#ifndef PROTO_MP_H
#define PROTO_MP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/bytes.h"

void mp_put_array(struct buf *out, uint32_t len);
void mp_put_map(struct buf *out,
                uint32_t len);                /* len names and values follow */
void mp_put_u64(struct buf *out, uint64_t v); /* the shortest form */
void mp_put_bool(struct buf *out, bool v);
void mp_put_bin(struct buf *out, struct bytes s);
void mp_put_str(struct buf *out, struct bytes s);

struct mp {
    struct bytes in; /* what is left */
    size_t taken;
    int state; /* 0 well; > 0 the input ends too early; < 0 ERR_SYNTAX */
};

static inline struct mp mp_of(struct bytes in)
{
    return (struct mp){.in = in};
}

enum mp_type {
    MP_U64,
    MP_BOOL,
    MP_BIN,
    MP_STR,
    MP_OTHER
};

/* The type of the next value, without taking it; MP_OTHER also at the end. */
enum mp_type mp_next_type(const struct mp *mp);

/* Each takes one value of that type, or fails and returns zero. */
uint32_t mp_take_array(struct mp *mp);
uint32_t mp_take_map(struct mp *mp); /* so many names and values follow */
uint64_t mp_take_u64(struct mp *mp);
/* The same; larger than max is wrong. */
uint64_t mp_take_u64_max(struct mp *mp, uint64_t max);
bool mp_take_bool(struct mp *mp);
struct bytes mp_take_bin(struct mp *mp, size_t len_max);
struct bytes mp_take_str(struct mp *mp, size_t len_max);
/* Binary of exactly len bytes, copied to `to`. */
void mp_take_fixed(struct mp *mp, void *to, size_t len);
/* Takes one value of any type, whatever it contains: what a newer node added.
 * Without recursion; time is linear in the bytes taken. */
void mp_skip(struct mp *mp);
/* > 0 the bytes taken, 0 more needed, < 0 ERR_SYNTAX. */
ptrdiff_t mp_outcome(const struct mp *mp);

#endif
