/* SPDX-License-Identifier: Apache-2.0
 *
 * What nodes ask and say of tables that all have a part of, and the places
 * that people give back. What is read, written anew, is read as the same.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/rows.h"
#include "proto/topic.h"

static void check_place(struct bytes in)
{
    struct rows_place place;
    struct buf out = {0};
    int rc = rows_place_read(in, &place);

    assert(rc == 0 || rc == ERR_ARGUMENT);
    if (rc == 0) { /* one spelling */
        rows_place_text(&place, &out);
        assert(bytes_eq(buf_bytes(&out), in));
    }
    buf_fini(&out);
}

static void check_question(struct bytes in)
{
    struct rows_question question;
    struct rows_question again;
    struct buf out = {0};
    int rc = rows_question_read(in, &question);

    assert(rc == 0 || rc == ERR_SYNTAX);
    if (rc == 0) {
        assert(question.rows_max > 0 && question.rows_max <= ROWS_MAX);
        assert(fuzz_inside(question.what, in));
        rows_question_write(&question, &out);
        assert(rows_question_read(buf_bytes(&out), &again) == 0);
        assert(again.rows_max == question.rows_max);
        assert(again.len_max == question.len_max);
        assert(memcmp(&again.after, &question.after, sizeof again.after) == 0);
        assert(bytes_eq(again.what, question.what));
    }
    buf_fini(&out);
}

static void check_answer(struct bytes in)
{
    struct rows_answer answer;
    struct rows_answer again;
    struct row row[2];
    struct buf rows = {0};
    struct buf out = {0};
    int rc = rows_answer_read(in, &answer);

    assert(rc == 0 || rc == ERR_SYNTAX);
    if (rc != 0) {
        return;
    }
    struct rows_answer first = answer;
    size_t len = 0;
    while (row_read(&first, &row[0])) {
        assert(fuzz_inside(row[0].text, in));
        assert(topic_text_is_valid(row[0].text));
        row_write(&row[0], &rows);
        len++;
    }
    assert(!row_read(&first, &row[0]));
    rows_answer_write(answer.more, &answer.to, buf_bytes(&rows), &out);
    assert(rows_answer_read(buf_bytes(&out), &again) == 0);
    assert(again.more == answer.more);
    assert(memcmp(&again.to, &answer.to, sizeof again.to) == 0);
    for (; row_read(&answer, &row[0]); len--) {
        assert(row_read(&again, &row[1]));
        assert(row[0].key == row[1].key && row[0].id == row[1].id);
        assert(bytes_eq(row[0].text, row[1].text));
    }
    assert(len == 0 && !row_read(&again, &row[1]));
    buf_fini(&rows);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = fuzz_copy(bytes_of(data, len));
    struct bytes in = bytes_of(copy, len);

    check_place(in);
    check_question(in);
    check_answer(in);
    free(copy);
    return 0;
}
