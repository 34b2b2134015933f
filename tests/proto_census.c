/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/census.h"
#include "proto/err.h"

static void a_question_comes_back_as_it_went(void **state)
{
    struct buf out = {0};
    struct census census;
    struct bytes name;
    (void)state;

    census_write(CENSUS_COUNTS, BYTES("demo"), 2, &out);
    mp_put_bin(&out, BYTES("a"));
    mp_put_bin(&out, BYTES("\xff\0"));
    assert_int_equal(census_read(buf_bytes(&out), &census), 0);
    assert_int_equal(census.what, CENSUS_COUNTS);
    assert_bytes(census.cache, "demo");
    assert_int_equal(census.names_len, 2);
    assert_true(census_name(&census, &name));
    assert_bytes(name, "a");
    assert_true(census_name(&census, &name));
    assert_int_equal(name.len, 2);
    assert_false(census_name(&census, &name));
    for (size_t len = 0; len < out.len; len++) {
        assert_int_equal(census_read(bytes_of(out.p, len), &census),
                         ERR_SYNTAX);
    }
    buf_fini(&out);
}

static void wrong_questions_are_refused(void **state)
{
    static const struct {
        struct bytes in;
        int rc;
    } cases[] = {
        {BYTES("\x93\x01\xa1x\xc4\1*"), 0},
        {BYTES("\x92\x02\xa1x"), 0}, /* counts of nothing */
        {BYTES("\x92\x03\xa1x"), 0},
        {BYTES("\x92\x01\xa1x"), ERR_SYNTAX},        /* no glob */
        {BYTES("\x93\x03\xa1x\xc4\1*"), ERR_SYNTAX}, /* a name too many */
        {BYTES("\x92\x00\xa1x"), ERR_SYNTAX},        /* nothing is asked */
        {BYTES("\x92\x04\xa1x"), ERR_SYNTAX},        /* nor this */
        {BYTES("\x92\x03\xa1/"), ERR_SYNTAX},        /* no cache */
        {BYTES("\x91\x03"), ERR_SYNTAX},             /* too few */
        {BYTES("\x92\x03\xa1x."), ERR_SYNTAX},       /* more behind */
        {BYTES("\x93\x02\xa1x\xa1y"), ERR_SYNTAX},   /* text for a name */
        {BYTES("\xdd\xff\xff\xff\xff\x02\xa1x"), ERR_SYNTAX}, /* huge */
        {BYTES(""), ERR_SYNTAX},
    };
    struct census census;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (census_read(cases[i].in, &census) != cases[i].rc) {
            fail_msg("case %zu", i);
        }
    }
}

static void an_answer_ends_where_it_is_wrong(void **state)
{
    struct mp topics = mp_of(BYTES("\xc4\1a\xc4\1b\xa1"
                                   "c\xc4\1"
                                   "d"));
    struct mp numbers = mp_of(BYTES("\x07\xcc\xff\xc0\x01"));
    struct bytes topic;
    uint64_t number;
    (void)state;

    assert_true(census_next_topic(&topics, &topic));
    assert_true(census_next_topic(&topics, &topic));
    assert_bytes(topic, "b");
    assert_false(census_next_topic(&topics, &topic));
    assert_false(census_next_topic(&topics, &topic));
    assert_true(census_next_number(&numbers, &number));
    assert_int_equal(number, 7);
    assert_true(census_next_number(&numbers, &number));
    assert_int_equal(number, 255);
    assert_false(census_next_number(&numbers, &number));
    assert_false(census_next_number(&numbers, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_comes_back_as_it_went),
        cmocka_unit_test(wrong_questions_are_refused),
        cmocka_unit_test(an_answer_ends_where_it_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
