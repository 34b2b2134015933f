/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/mesh/framing.h"
#include "proto/err.h"

enum {
    FRAME_MAX = 1 << 20
};

static const struct bytes greeting = BYTES("\0SP\0\0\x50\0\0");

static void add_frame(struct buf *out, size_t len, int with)
{
    uint8_t head[FRAMING_HEAD_LEN];

    bytes_put_u64be(head, len);
    buf_add(out, head, sizeof head);
    memset(buf_reserve(out, len), with, len);
    out->len += len;
}

/* Takes all of `in`; returns the last result that was not a frame. */
static int take_all(struct framing *framing, struct bytes in, struct buf *out)
{
    struct bytes frame;
    int rc;

    while ((rc = framing_next(framing, &in, &frame)) > 0) {
        buf_add_u64(out, frame.len);
        buf_add(out, frame.p, 1);
        assert_int_equal(frame.p[frame.len - 1], frame.p[0]);
    }
    assert_true(rc < 0 || in.len == 0);
    return rc;
}

static void frames_are_whole_wherever_the_bytes_are_cut(void **state)
{
    struct buf stream = {0};
    (void)state;

    buf_add_bytes(&stream, greeting);
    add_frame(&stream, 1, 'a');
    add_frame(&stream, 300, 'b');
    add_frame(&stream, 2, 'c');
    for (size_t first = 0; first <= stream.len; first++) {
        for (size_t step = 1; step <= stream.len; step += step < 20 ? 1 : 97) {
            struct framing framing = {.frame_max = FRAME_MAX};
            struct buf found = {0};
            size_t n = first;
            for (size_t at = 0; at < stream.len; at += n, n = step) {
                n = n < stream.len - at ? n : stream.len - at;
                struct bytes in = bytes_of(stream.p + at, n);
                assert_int_equal(take_all(&framing, in, &found), 0);
            }
            assert_bytes(buf_bytes(&found), "1a300b2c");
            assert_false(framing_is_within(&framing));
            framing_fini(&framing);
            buf_fini(&found);
        }
    }
    buf_fini(&stream);
}

static void what_is_wrong_ends_it(void **state)
{
    static const struct {
        struct bytes in;
        bool trusted;
        int rc;
    } cases[] = {
        {BYTES("GET / HT"), false, ERR_SYNTAX},
        {BYTES("\0SP\0\0\x51\0\0"), false, ERR_SYNTAX},
        {BYTES("\0SP\0\0\x50\0\0\0\0\0\0\0\0\0\0"), true, ERR_TOO_BIG},
        {BYTES("\0SP\0\0\x50\0\0\0\0\0\0\0\x02\0\0"), false, 0},
        {BYTES("\0SP\0\0\x50\0\0\0\0\0\0\0\x02\0\1"), false, ERR_TOO_BIG},
        {BYTES("\0SP\0\0\x50\0\0\0\0\0\0\0\x10\0\0"), true, 0},
        {BYTES("\0SP\0\0\x50\0\0\0\0\0\0\0\x10\0\1"), true, ERR_TOO_BIG},
        {BYTES("\0SP\0\0\x50\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), true,
         ERR_TOO_BIG},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct framing framing = {.frame_max = FRAME_MAX,
                                  .trusted = cases[i].trusted};
        struct buf found = {0};
        assert_int_equal(take_all(&framing, cases[i].in, &found), cases[i].rc);
        assert_true(cases[i].rc != 0 || framing_is_within(&framing));
        framing_fini(&framing);
        buf_fini(&found);
    }
}

/* A mebibyte is announced, one byte comes. */
static void memory_grows_with_what_came(void **state)
{
    struct framing framing = {.frame_max = FRAME_MAX, .trusted = true};
    struct buf found = {0};
    (void)state;

    assert_int_equal(take_all(&framing, greeting, &found), 0);
    assert_int_equal(take_all(&framing,
                              BYTES("\0\0\0\0\0\x10\0\0"
                                    "x"),
                              &found),
                     0);
    assert_true(framing_is_within(&framing));
    assert_true(framing.body.cap <= 4096);
    framing_fini(&framing);
    buf_fini(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_whole_wherever_the_bytes_are_cut),
        cmocka_unit_test(what_is_wrong_ends_it),
        cmocka_unit_test(memory_grows_with_what_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
