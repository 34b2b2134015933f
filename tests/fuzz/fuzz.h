/* SPDX-License-Identifier: Apache-2.0
 *
 * What the harnesses share. Each harness is one file that defines
 * LLVMFuzzerTestOneInput(): clang links it with libFuzzer (tests/fuzz/run),
 * every other compiler with replay.c, which ctest runs over corpus/NAME.
 *
 * A property that does not hold is a failed assert.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <assert.h>
#include <stdlib.h>

#include "proto/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A heap copy of exactly the bytes: a sanitizer sees a read behind them. */
static inline uint8_t *fuzz_copy(struct bytes s)
{
    uint8_t *copy = malloc(s.len + (s.len == 0));

    assert(copy != NULL);
    if (s.len > 0) {
        memcpy(copy, s.p, s.len);
    }
    return copy;
}

/* Whether a borrowed slice is where it may be; an empty one may be anywhere. */
static inline bool fuzz_inside(struct bytes part, struct bytes whole)
{
    return part.len == 0 || (part.p >= whole.p && part.len <= whole.len &&
                             part.p + part.len <= whole.p + whole.len);
}

/* Small numbers that depend on the input alone. */
struct fuzz_dice {
    uint64_t state;
};

static inline struct fuzz_dice fuzz_dice_of(struct bytes in)
{
    struct fuzz_dice dice = {.state = 0xcbf29ce484222325u};

    for (size_t i = 0; i < in.len; i++) {
        dice.state = (dice.state ^ in.p[i]) * 0x100000001b3u;
    }
    return dice;
}

/* 0 .. below - 1. */
static inline size_t fuzz_roll(struct fuzz_dice *dice, size_t below)
{
    dice->state = dice->state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(dice->state >> 33) % below;
}

/* A length for the next piece: mostly small, sometimes all. */
static inline size_t fuzz_piece(struct fuzz_dice *dice, size_t left)
{
    size_t max = fuzz_roll(dice, 4) == 0 ? left : 16;
    size_t n = 1 + fuzz_roll(dice, max == 0 ? 1 : max);

    return n < left ? n : left;
}

/* A decoder: > 0 taken, 0 more needed, < 0 wrong. */
typedef ptrdiff_t (*fuzz_read)(struct bytes in);

static inline ptrdiff_t fuzz_read_copy(fuzz_read read, struct bytes in)
{
    uint8_t *copy = fuzz_copy(in);
    ptrdiff_t taken = read(bytes_of(copy, in.len));

    assert(taken <= (ptrdiff_t)in.len);
    free(copy);
    return taken;
}

/* What a decoder says of the whole it never contradicts earlier: pieces of what
 * is taken need more, pieces of what is wrong are wrong or need more. */
static inline ptrdiff_t fuzz_check_cuts(fuzz_read read, struct bytes in)
{
    struct fuzz_dice dice = fuzz_dice_of(in);
    ptrdiff_t whole = fuzz_read_copy(read, in);
    size_t len = whole > 0 ? (size_t)whole : in.len;

    for (int i = 0; i < 4 && len > 0; i++) {
        struct bytes cut = bytes_of(in.p, fuzz_roll(&dice, len));
        ptrdiff_t taken = fuzz_read_copy(read, cut);
        assert(taken == 0 || (whole < 0 && taken < 0));
    }
    if (whole > 0) {
        assert(fuzz_read_copy(read, bytes_of(in.p, len)) == whole);
    }
    return whole;
}

#endif
