/* SPDX-License-Identifier: Apache-2.0
 *
 * What every decoder of ours must fulfil, as one call: whole, every cut, byte
 * by byte, and any byte changed.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include "tests/test.h"

typedef ptrdiff_t (*wire_read)(struct bytes in);

/* A copy of exactly the bytes, so that a sanitizer sees a read behind them. */
static inline ptrdiff_t wire_read_copy(wire_read read, struct bytes in)
{
    uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
    if (in.len > 0) {
        memcpy(copy, in.p, in.len);
    }
    ptrdiff_t taken = read(bytes_of(copy, in.len));
    free(copy);
    return taken;
}

/* `whole` is taken whole, also with more behind; each shorter piece of it, from
 * nothing on byte by byte, needs more. */
static inline void wire_check_cuts(wire_read read, struct bytes whole)
{
    struct buf more = {0};

    for (size_t cut = 0; cut < whole.len; cut++) {
        if (wire_read_copy(read, bytes_of(whole.p, cut)) != 0) {
            fail_msg("cut at %zu of %zu", cut, whole.len);
        }
    }
    assert_int_equal(wire_read_copy(read, whole), whole.len);
    buf_add_bytes(&more, whole);
    buf_add_str(&more, "\xc1 more");
    assert_int_equal(wire_read_copy(read, buf_bytes(&more)), whole.len);
    buf_fini(&more);
}

/* Whatever one byte becomes, the decoder stays within the input. */
static inline void wire_check_changes(wire_read read, struct bytes whole)
{
    struct buf changed = {0};

    buf_add_bytes(&changed, whole);
    for (size_t i = 0; i < whole.len; i++) {
        for (unsigned v = 0; v < 256; v++) {
            changed.p[i] = (uint8_t)v;
            ptrdiff_t taken = wire_read_copy(read, buf_bytes(&changed));
            assert_true(taken <= (ptrdiff_t)whole.len);
        }
        changed.p[i] = whole.p[i];
    }
    buf_fini(&changed);
}

#endif
