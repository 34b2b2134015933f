/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/mp.h"

static const uint64_t edges[] = {
    0,     1,     127,     128,         255,          256,
    65535, 65536, 1 << 20, 0xffffffffu, 0x100000000u, UINT64_MAX};

static void every_kind(struct buf *out)
{
    buf_reset(out);
    mp_put_array(out, 3);
    mp_put_array(out, 70000);
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        mp_put_u64(out, edges[i]);
    }
    mp_put_bool(out, true);
    mp_put_bool(out, false);
    mp_put_bin(out, BYTES("\0\1"));
    mp_put_str(out, BYTES("text"));
    mp_put_str(out, BYTES("a text of more than thirty-one bytes"));
    mp_put_bin(out, BYTES("12345678"));
}

static void read_back(struct mp *mp)
{
    uint8_t fixed[8];

    assert_int_equal(mp_take_array(mp), 3);
    assert_int_equal(mp_take_array(mp), 70000);
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        assert_int_equal(mp_take_u64(mp), edges[i]);
    }
    assert_true(mp_take_bool(mp));
    assert_false(mp_take_bool(mp));
    assert_memory_equal(mp_take_bin(mp, 2).p, "\0\1", 2);
    assert_bytes(mp_take_str(mp, 4), "text");
    assert_bytes(mp_take_str(mp, 40), "a text of more than thirty-one bytes");
    mp_take_fixed(mp, fixed, 8);
    assert_memory_equal(fixed, "12345678", 8);
}

static void what_is_put_is_taken(void **state)
{
    struct buf out = {0};
    (void)state;

    every_kind(&out);
    struct mp mp = mp_of(buf_bytes(&out));
    read_back(&mp);
    assert_int_equal(mp_outcome(&mp), out.len);
    buf_fini(&out);
}

/* Takes everything whatever comes: only the outcome matters. */
static ptrdiff_t outcome_of(struct bytes in)
{
    struct mp mp = mp_of(in);
    uint8_t fixed[8];

    mp_take_array(&mp);
    mp_take_array(&mp);
    for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
        mp_take_u64(&mp);
    }
    mp_take_bool(&mp);
    mp_take_bool(&mp);
    mp_take_bin(&mp, 2);
    mp_take_str(&mp, 4);
    mp_take_str(&mp, 40);
    mp_take_fixed(&mp, fixed, sizeof fixed);
    return mp_outcome(&mp);
}

static void a_cut_asks_for_more(void **state)
{
    struct buf out = {0};
    (void)state;

    every_kind(&out);
    for (size_t cut = 0; cut < out.len; cut++) {
        assert_int_equal(outcome_of(bytes_of(out.p, cut)), 0);
    }
    assert_int_equal(outcome_of(buf_bytes(&out)), out.len);
    buf_fini(&out);
}

enum kind {
    ARRAY,
    NUMBER,
    SMALL,
    BOOL,
    BIN,
    STR,
    FIXED
};

static void another_type_or_length_is_wrong(void **state)
{
    static const struct {
        enum kind kind;
        struct bytes in;
    } cases[] = {
        {ARRAY, BYTES("\x01")},
        {ARRAY, BYTES("\x81\1\1")},
        {NUMBER, BYTES("\xff")},
        {NUMBER, BYTES("\xd0\1")},
        {NUMBER, BYTES("\xa1"
                       "1")},
        {SMALL, BYTES("\x0b")},
        {BOOL, BYTES("\x01")},
        {BOOL, BYTES("\xc0")},
        {BIN, BYTES("\xa1"
                    "1")},
        {BIN, BYTES("\xc6\xff\xff\xff\xff")},
        {STR, BYTES("\xc4\1"
                    "1")},
        {STR, BYTES("\xdb\xff\xff\xff\xff")},
        {STR, BYTES("\xa5"
                    "12345")},
        {FIXED, BYTES("\xc4\3"
                      "123")},
        {FIXED, BYTES("\xc4\5"
                      "12345")},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mp mp = mp_of(cases[i].in);
        uint8_t fixed[4];
        switch (cases[i].kind) {
        case ARRAY:
            mp_take_array(&mp);
            break;
        case NUMBER:
            mp_take_u64(&mp);
            break;
        case SMALL:
            mp_take_u64_max(&mp, 10);
            break;
        case BOOL:
            mp_take_bool(&mp);
            break;
        case BIN:
            mp_take_bin(&mp, 4);
            break;
        case STR:
            mp_take_str(&mp, 4);
            break;
        case FIXED:
            mp_take_fixed(&mp, fixed, 4);
            break;
        }
        assert_int_equal(mp_outcome(&mp), ERR_SYNTAX);
    }
}

static void a_failed_reader_stays_failed(void **state)
{
    struct mp mp = mp_of(BYTES("\xc0\x05"));
    (void)state;

    assert_int_equal(mp_take_u64(&mp), 0);
    assert_int_equal(mp_take_u64(&mp), 0);
    assert_int_equal(mp_outcome(&mp), ERR_SYNTAX);
}

static const struct {
    struct bytes value;
    bool wrong;
} values[] = {
    {BYTES("\x00"), false},
    {BYTES("\x7f"), false},
    {BYTES("\xe0"), false},
    {BYTES("\x80"), false},
    {BYTES("\x82\1\2\3\xa1x"), false},
    {BYTES("\x92\x91\x90\x80"), false},
    {BYTES("\xa3"
           "abc"),
     false},
    {BYTES("\xc0"), false},
    {BYTES("\xc1"), true},
    {BYTES("\xc2"), false},
    {BYTES("\xc3"), false},
    {BYTES("\xc4\1x"), false},
    {BYTES("\xc5\0\1x"), false},
    {BYTES("\xc6\0\0\0\1x"), false},
    {BYTES("\xc7\1tx"), false},
    {BYTES("\xc8\0\1tx"), false},
    {BYTES("\xc9\0\0\0\1tx"), false},
    {BYTES("\xca"
           "4444"),
     false},
    {BYTES("\xcb"
           "88888888"),
     false},
    {BYTES("\xcc"
           "1"),
     false},
    {BYTES("\xcf"
           "88888888"),
     false},
    {BYTES("\xd0"
           "1"),
     false},
    {BYTES("\xd1"
           "22"),
     false},
    {BYTES("\xd3"
           "88888888"),
     false},
    {BYTES("\xd4t1"), false},
    {BYTES("\xd5t22"), false},
    {BYTES("\xd6t4444"), false},
    {BYTES("\xd7t88888888"), false},
    {BYTES("\xd8t16.16.16.16.16.1"), false},
    {BYTES("\xd9\1x"), false},
    {BYTES("\xda\0\1x"), false},
    {BYTES("\xdb\0\0\0\1x"), false},
    {BYTES("\xdc\0\2\1\2"), false},
    {BYTES("\xdd\0\0\0\2\1\2"), false},
    {BYTES("\xde\0\1\1\2"), false},
    {BYTES("\xdf\0\0\0\1\1\2"), false},
    {BYTES("\x91\xc1"), true},
};

static void one_value_of_any_type_is_skipped(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct bytes value = values[i].value;
        for (size_t cut = 0; cut <= value.len; cut++) {
            struct mp mp = mp_of(bytes_of(value.p, cut));
            mp_skip(&mp);
            ptrdiff_t want = cut < value.len   ? 0
                             : values[i].wrong ? ERR_SYNTAX
                                               : (ptrdiff_t)cut;
            if (mp_outcome(&mp) != want) {
                fail_msg("case %zu, cut at %zu", i, cut);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_taken),
        cmocka_unit_test(a_cut_asks_for_more),
        cmocka_unit_test(another_type_or_length_is_wrong),
        cmocka_unit_test(a_failed_reader_stays_failed),
        cmocka_unit_test(one_value_of_any_type_is_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
