/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/usage.h"

static const struct usage large = {
    .in = {UINT64_MAX, UINT64_MAX, UINT64_MAX},
    .out = {UINT64_MAX, UINT64_MAX, UINT64_MAX},
    .refused = UINT64_MAX,
};
static const struct usage small = {
    .in = {1, 2, 3}, .out = {4, 5, 6}, .refused = 7};

static void an_operation_is_a_kilobyte_begun(void **state)
{
    static const struct {
        uint64_t len;
        uint64_t operations;
    } cases[] = {{0, 1},
                 {1, 1},
                 {1023, 1},
                 {1024, 1},
                 {1025, 2},
                 {2048, 2},
                 {2049, 3},
                 {4096, 4},
                 {4097, 5},
                 {1 << 20, 1024},
                 {(1 << 20) + 1, 1025}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(usage_operations(cases[i].len), cases[i].operations);
    }
}

static void usages_add_up(void **state)
{
    struct usage sum = small;
    (void)state;

    usage_add(&sum, &small);
    usage_count(&sum.out, &(struct usage_count){1, 10, 100}, 3);
    assert_int_equal(sum.in.items, 2);
    assert_int_equal(sum.in.bytes, 4);
    assert_int_equal(sum.in.operations, 6);
    assert_int_equal(sum.out.items, 8 + 3);
    assert_int_equal(sum.out.bytes, 10 + 30);
    assert_int_equal(sum.out.operations, 12 + 300);
    assert_int_equal(sum.refused, 14);
}

static void a_question_is_read_whole_or_not_at_all(void **state)
{
    const struct usage_question question = {.from = 70000, .most = 8};
    struct usage_question read;
    struct buf out = {0};
    (void)state;

    usage_question_write(&question, &out);
    for (size_t cut = 0; cut < out.len; cut++) {
        assert_int_equal(usage_question_read(bytes_of(out.p, cut), &read),
                         ERR_SYNTAX);
    }
    assert_int_equal(usage_question_read(buf_bytes(&out), &read), 0);
    assert_int_equal(read.from, 70000);
    assert_int_equal(read.most, 8);
    buf_add_u8(&out, 0);
    assert_int_equal(usage_question_read(buf_bytes(&out), &read), ERR_SYNTAX);
    buf_fini(&out);
}

static void wrong_questions_are_refused(void **state)
{
    static const struct bytes wrong[] = {
        BYTES("\x91\x01"),         /* one field */
        BYTES("\x92\x01\x00"),     /* no rows */
        BYTES("\x92\xa1x\x01"),    /* a name */
        BYTES("\x80"),             /* a map */
        BYTES("\x93\x01\x01\xc1"), /* what is no value */
    };
    static const struct bytes newer = BYTES("\x93\x01\x02\x92\x01\x02");
    struct usage_question read;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(usage_question_read(wrong[i], &read), ERR_SYNTAX);
    }
    assert_int_equal(usage_question_read(newer, &read), 0);
    assert_int_equal(read.most, 2);
}

static void write_two(struct buf *out)
{
    const struct usage_answer answer = {
        .since_ms = 1795305600000,
        .region = BYTES("eu"),
        .rows_all = 9,
        .rows_len = 2,
    };

    usage_answer_write(&answer, out);
    usage_row_write(BYTES(""), &small, out);
    usage_row_write(BYTES("chat"), &large, out);
    assert_false(out->failed);
}

static void an_answer_is_read_whole_or_not_at_all(void **state)
{
    struct usage_answer read;
    struct usage usage;
    struct bytes cache;
    struct buf out = {0};
    (void)state;

    write_two(&out);
    for (size_t cut = 0; cut < out.len; cut++) {
        assert_int_equal(usage_answer_read(bytes_of(out.p, cut), &read),
                         ERR_SYNTAX);
    }
    assert_int_equal(usage_answer_read(buf_bytes(&out), &read), 0);
    assert_int_equal(read.since_ms, 1795305600000);
    assert_bytes(read.region, "eu");
    assert_int_equal(read.rows_all, 9);
    assert_true(usage_row_read(&read, &cache, &usage));
    assert_bytes(cache, "");
    assert_memory_equal(&usage, &small, sizeof usage);
    assert_true(usage_row_read(&read, &cache, &usage));
    assert_bytes(cache, "chat");
    assert_memory_equal(&usage, &large, sizeof usage);
    assert_false(usage_row_read(&read, &cache, &usage));
    buf_add_u8(&out, 0);
    assert_int_equal(usage_answer_read(buf_bytes(&out), &read), ERR_SYNTAX);
    buf_fini(&out);
}

/* What the asker reckons with. */
static void the_longest_row_is_as_long_as_it_is_said_to_be(void **state)
{
    static const char name[] = "0123456789012345678901234567890123456789"
                               "012345678901234567890123";
    struct usage_answer answer = {
        .since_ms = UINT64_MAX,
        .region = bytes_str(name),
        .rows_all = UINT64_MAX,
        .rows_len = UINT32_MAX,
    };
    struct buf out = {0};
    (void)state;

    usage_row_write(bytes_str(name), &large, &out);
    assert_in_range(out.len, 1, USAGE_ROW_LEN_MAX);
    buf_reset(&out);
    usage_answer_write(&answer, &out);
    assert_in_range(out.len, 1, USAGE_HEAD_LEN_MAX);
    buf_fini(&out);
}

static void wrong_answers_are_refused(void **state)
{
#define ROW "\x01\x02\x03\x04\x05\x06\x07"
    static const struct bytes wrong[] = {
        BYTES("\x93\x01\xa1r\x00"),     /* no rows at all */
        BYTES("\x94\x01\xa1/\x00\x90"), /* not a region */
        BYTES("\x94\x01\xa0\x00\x90"),  /* no region */
        BYTES("\x94\x01\xa1r\x01\x91\x97\xa1"
              "c\x01\x02\x03\x04\x05\x06"),
        BYTES("\x94\x01\xa1r\x01\x91\x97\xa1"
              "c" ROW),                              /* declares 7, has 8 */
        BYTES("\x94\x01\xa1r\x01\x91\x98\xa1/" ROW), /* not a cache */
        BYTES("\x94\x01\xa1r\x01\x92\x98\xa1"
              "c" ROW),                                 /* one too few */
        BYTES("\x94\x01\xa1r\x01\xdd\xff\xff\xff\xff"), /* many declared */
    };
    static const struct bytes newer = BYTES("\x95\x01\xa1r\x01\x91\x99\xa1"
                                            "c" ROW "\xc3\x81\x01\x02");
    struct usage_answer read;
    struct usage usage;
    struct bytes cache;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(usage_answer_read(wrong[i], &read), ERR_SYNTAX);
    }
    assert_int_equal(usage_answer_read(newer, &read), 0);
    assert_true(usage_row_read(&read, &cache, &usage));
    assert_memory_equal(&usage, &small, sizeof usage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_is_a_kilobyte_begun),
        cmocka_unit_test(usages_add_up),
        cmocka_unit_test(a_question_is_read_whole_or_not_at_all),
        cmocka_unit_test(wrong_questions_are_refused),
        cmocka_unit_test(an_answer_is_read_whole_or_not_at_all),
        cmocka_unit_test(the_longest_row_is_as_long_as_it_is_said_to_be),
        cmocka_unit_test(wrong_answers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
