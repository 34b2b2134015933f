/* SPDX-License-Identifier: Apache-2.0
 *
 * What nodes ask and say of traced items. What is read, written anew, is read
 * as the same.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/traced.h"

static void check_question(struct bytes in)
{
    struct traced_question question;
    struct traced_question again;
    struct buf out = {0};
    int rc = traced_question_read(in, &question);

    assert(rc == 0 || rc == ERR_SYNTAX);
    if (rc == 0) {
        assert(fuzz_inside(question.cache, in));
        assert(fuzz_inside(question.topic, in));
        traced_question_write(&question, &out);
        assert(traced_question_read(buf_bytes(&out), &again) == 0);
        assert(again.origin == question.origin);
        assert(again.count == question.count && again.hash == question.hash);
        assert(bytes_eq(again.cache, question.cache));
        assert(bytes_eq(again.topic, question.topic));
    }
    buf_fini(&out);
}

static void check_answer(struct bytes in)
{
    struct traced traced;
    struct traced again;
    struct buf out = {0};
    struct buf twice = {0};
    int rc = traced_read(in, &traced);

    assert(rc == 0 || rc == ERR_SYNTAX);
    if (rc == 0) {
        assert(traced.doors_len <= TRACED_DOORS_MAX);
        assert(traced.sends_len <= TRACED_SENT_MAX);
        assert(traced.drops_len <= TRACED_DROPS_MAX);
        for (size_t i = 0; i < traced.doors_len; i++) {
            assert(fuzz_inside(traced.doors[i].name, in));
        }
        traced_write(&traced, &out);
        assert(traced_read(buf_bytes(&out), &again) == 0);
        traced_write(&again, &twice);
        assert(bytes_eq(buf_bytes(&out), buf_bytes(&twice)));
    }
    buf_fini(&out);
    buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = fuzz_copy(bytes_of(data, len));
    struct bytes in = bytes_of(copy, len);

    check_question(in);
    check_answer(in);
    free(copy);
    return 0;
}
