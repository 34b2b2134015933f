/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/rows.h"

static void places_have_one_order(void **state)
{
    static const struct rows_place places[] = {
        {0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {1, 0, 0}, {UINT64_MAX, 0, 0},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        assert_true(rows_is_before(&places[i], &ROWS_END));
        for (size_t j = 0; j < ARRAY_LEN(places); j++) {
            assert_int_equal(rows_is_before(&places[i], &places[j]), i < j);
        }
    }
}

static void a_place_is_read_as_it_is_written_and_nothing_else(void **state)
{
    static const char *const wrong[] = {
        "",
        "0",
        "00000000000000010000000000000002000000000000000",
        "0000000000000001000000000000000200000000000000033",
        "000000000000000100000000000000020000000000000G03",
        "000000000000000100000000000000020000000000000A03",
        "-00000000000000100000000000000020000000000000003",
        "00000000000000010000000000000002000000000000000/",
        "00000000000000010000000000000002000000000000000:",
    };
    const struct rows_place place = {1, 0xa0b1c2d3e4f50617, UINT64_MAX};
    struct rows_place read;
    struct buf out = {0};
    (void)state;

    rows_place_text(&place, &out);
    assert_bytes(buf_bytes(&out),
                 "0000000000000001a0b1c2d3e4f50617ffffffffffffffff");
    assert_int_equal(rows_place_read(buf_bytes(&out), &read), 0);
    assert_memory_equal(&read, &place, sizeof read);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(rows_place_read(bytes_str(wrong[i]), &read),
                         ERR_ARGUMENT);
    }
    buf_fini(&out);
}

static void a_question_is_read_whole_or_not_at_all(void **state)
{
    const struct rows_question question = {
        .rows_max = 7,
        .len_max = 70000,
        .after = {1, 2, UINT64_MAX},
        .what = BYTES("what"),
    };
    struct rows_question read;
    struct buf out = {0};
    (void)state;

    rows_question_write(&question, &out);
    for (size_t cut = 0; cut < out.len; cut++) {
        assert_int_equal(rows_question_read(bytes_of(out.p, cut), &read),
                         ERR_SYNTAX);
    }
    assert_int_equal(rows_question_read(buf_bytes(&out), &read), 0);
    assert_int_equal(read.rows_max, 7);
    assert_int_equal(read.len_max, 70000);
    assert_true(read.after.id == UINT64_MAX);
    assert_bytes(read.what, "what");
    buf_add_u8(&out, 0);
    assert_int_equal(rows_question_read(buf_bytes(&out), &read), ERR_SYNTAX);
    buf_fini(&out);
}

static void questions_for_nothing_or_too_much_are_refused(void **state)
{
    static const uint64_t rows[] = {0, ROWS_MAX + 1, UINT64_MAX};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct rows_question question = {.rows_max = rows[i]};
        struct rows_question read;
        struct buf out = {0};
        rows_question_write(&question, &out);
        assert_int_equal(rows_question_read(buf_bytes(&out), &read),
                         ERR_SYNTAX);
        buf_fini(&out);
    }
}

static void write_answer(struct buf *out)
{
    const struct rows_place to = {9, 8, 7};
    struct buf rows = {0};

    row_write(&(struct row){3, 4, BYTES("{}")}, &rows);
    row_write(&(struct row){5, 6, BYTES("{\"a\":1}")}, &rows);
    rows_answer_write(true, &to, buf_bytes(&rows), out);
    buf_fini(&rows);
}

static void an_answer_has_its_rows_and_how_far_it_goes(void **state)
{
    struct rows_answer answer;
    struct row row;
    struct buf out = {0};
    (void)state;

    write_answer(&out);
    assert_int_equal(rows_answer_read(buf_bytes(&out), &answer), 0);
    assert_true(answer.more);
    assert_int_equal(answer.to.key, 9);
    assert_true(row_read(&answer, &row));
    assert_int_equal(row.key, 3);
    assert_bytes(row.text, "{}");
    assert_true(row_read(&answer, &row));
    assert_int_equal(row.id, 6);
    assert_bytes(row.text, "{\"a\":1}");
    assert_false(row_read(&answer, &row));
    assert_false(row_read(&answer, &row));
    buf_fini(&out);
}

static void a_cut_answer_gives_what_is_whole(void **state)
{
    struct rows_answer answer;
    struct row row;
    struct buf out = {0};
    (void)state;

    write_answer(&out);
    for (size_t cut = 0; cut < out.len; cut++) {
        size_t rows = 0;
        if (rows_answer_read(bytes_of(out.p, cut), &answer) == 0) {
            while (row_read(&answer, &row)) {
                rows++;
            }
        }
        assert_true(rows < 2);
    }
    buf_fini(&out);
}

static void all_that_there_is_goes_to_the_end(void **state)
{
    const struct rows_place to = {1, 1, 1};
    struct rows_answer answer;
    struct buf out = {0};
    (void)state;

    rows_answer_write(false, &to, (struct bytes){0}, &out);
    assert_int_equal(rows_answer_read(buf_bytes(&out), &answer), 0);
    assert_memory_equal(&answer.to, &ROWS_END, sizeof answer.to);
    buf_fini(&out);
}

static void text_that_is_none_ends_the_rows(void **state)
{
    struct rows_answer answer;
    struct row row;
    struct buf rows = {0};
    struct buf out = {0};
    (void)state;

    row_write(&(struct row){1, 1, BYTES("\"\xff\"")}, &rows);
    rows_answer_write(false, &ROWS_END, buf_bytes(&rows), &out);
    assert_int_equal(rows_answer_read(buf_bytes(&out), &answer), 0);
    assert_false(row_read(&answer, &row));
    buf_fini(&rows);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_have_one_order),
        cmocka_unit_test(a_place_is_read_as_it_is_written_and_nothing_else),
        cmocka_unit_test(a_question_is_read_whole_or_not_at_all),
        cmocka_unit_test(questions_for_nothing_or_too_much_are_refused),
        cmocka_unit_test(an_answer_has_its_rows_and_how_far_it_goes),
        cmocka_unit_test(a_cut_answer_gives_what_is_whole),
        cmocka_unit_test(all_that_there_is_goes_to_the_end),
        cmocka_unit_test(text_that_is_none_ends_the_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
