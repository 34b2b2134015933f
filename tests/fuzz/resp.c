/* SPDX-License-Identifier: Apache-2.0
 *
 * RESP requests, one after another. In one piece they are read as in many, and
 * what was read, written as an array of bulk strings, is read again.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/resp.h"

static void note(struct buf *log, struct resp_request request, struct bytes in)
{
    size_t len = request.len;
    struct bytes arg;

    resp_write_array(log, len);
    while (resp_next(&request, &arg)) {
        assert(fuzz_inside(arg, in));
        resp_write_bulk(log, arg);
        len--;
    }
    assert(len == 0);
}

/* Notes all requests; returns the last outcome. */
static ptrdiff_t read_all(const struct resp_bounds *bounds, struct bytes in,
                          struct fuzz_dice *dice, struct buf *log)
{
    struct resp_reader reader = {0};
    size_t seen = dice == NULL ? in.len : 0;
    ptrdiff_t taken = 0;

    for (;;) {
        struct resp_request request;
        uint8_t *copy = fuzz_copy(bytes_of(in.p, seen));
        struct bytes part = bytes_of(copy, seen);
        taken = resp_read(&reader, bounds, part, &request);
        if (taken > 0) {
            assert((size_t)taken <= seen);
            assert(request.len <= bounds->args_max || request.is_inline);
            note(log, request, part);
        }
        free(copy);
        if (taken > 0) {
            reader = (struct resp_reader){0};
            in = bytes_skip(in, (size_t)taken);
            seen -= (size_t)taken;
        } else if (taken < 0 || seen == in.len) {
            break;
        } else {
            seen += fuzz_piece(dice, in.len - seen);
        }
    }
    if (taken < 0) {
        resp_write_fault(log, &reader);
    }
    return taken;
}

static void check(const struct resp_bounds *bounds, struct bytes in)
{
    struct fuzz_dice dice = fuzz_dice_of(in);
    struct buf whole = {0};
    struct buf pieces = {0};
    ptrdiff_t rc = read_all(bounds, in, NULL, &whole);

    assert(read_all(bounds, in, &dice, &pieces) == rc);
    assert(bytes_eq(buf_bytes(&whole), buf_bytes(&pieces)));
    if (rc == 0) {
        static const struct resp_bounds wide = {RESP_ARGS_MAX, 16 << 20};
        buf_reset(&pieces);
        assert(read_all(&wide, buf_bytes(&whole), NULL, &pieces) == 0);
        assert(bytes_eq(buf_bytes(&whole), buf_bytes(&pieces)));
    }
    buf_fini(&whole);
    buf_fini(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct resp_bounds known = {RESP_ARGS_MAX, 1 << 20};
    static const struct resp_bounds stranger = {RESP_ARGS_HELLO_MAX, 200};
    struct bytes in = bytes_of(data, len);

    check(&known, in);
    check(&stranger, in);
    return 0;
}
