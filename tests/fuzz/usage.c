/* SPDX-License-Identifier: Apache-2.0
 *
 * What nodes say of usage, and quotas in cache records. What is read, written
 * anew, is read as the same.
 */
#include "tests/fuzz/fuzz.h"

#include "node/client/quota.h"
#include "proto/err.h"
#include "proto/topic.h"
#include "proto/usage.h"

static void check_question(struct bytes in)
{
    struct usage_question question;
    struct usage_question again;
    struct buf out = {0};
    int rc = usage_question_read(in, &question);

    assert(rc == 0 || rc == ERR_SYNTAX);
    if (rc == 0) {
        assert(question.most > 0);
        usage_question_write(&question, &out);
        assert(usage_question_read(buf_bytes(&out), &again) == 0);
        assert(again.from == question.from && again.most == question.most);
    }
    buf_fini(&out);
}

static void check_answer(struct bytes in)
{
    struct usage_answer answer;
    struct usage_answer again;
    struct bytes cache[2];
    struct usage usage[2];
    struct buf out = {0};
    int rc = usage_answer_read(in, &answer);

    assert(rc == 0 || rc == ERR_SYNTAX);
    if (rc != 0) {
        return;
    }
    uint32_t len = answer.rows_len;
    struct usage_answer rows = answer;
    assert(fuzz_inside(answer.region, in));
    assert(len <= in.len);
    usage_answer_write(&answer, &out);
    while (usage_row_read(&rows, &cache[0], &usage[0])) {
        assert(fuzz_inside(cache[0], in) && cache[0].len <= CACHE_LEN_MAX);
        usage_row_write(cache[0], &usage[0], &out);
        len--;
    }
    assert(len == 0); /* all of them: it was read whole */
    assert(usage_answer_read(buf_bytes(&out), &again) == 0);
    assert(again.since_ms == answer.since_ms);
    assert(again.rows_all == answer.rows_all);
    rows = answer;
    while (usage_row_read(&rows, &cache[0], &usage[0])) {
        assert(usage_row_read(&again, &cache[1], &usage[1]));
        assert(bytes_eq(cache[0], cache[1]));
        assert(memcmp(&usage[0], &usage[1], sizeof usage[0]) == 0);
    }
    buf_fini(&out);
}

static void check_quota(struct bytes in)
{
    struct quota quota;
    struct quota again;
    struct buf out = {0};
    int rc = quota_read(in, &quota);

    assert(rc == 0 || rc == ERR_SYNTAX);
    if (rc == 0) {
        quota_write(&quota, &out);
        assert(out.len <= QUOTA_LEN_MAX);
        assert(quota_read(buf_bytes(&out), &again) == 0);
        assert(memcmp(&quota, &again, sizeof quota) == 0);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = fuzz_copy(bytes_of(data, len));
    struct bytes in = bytes_of(copy, len);

    check_question(in);
    check_answer(in);
    check_quota(in);
    free(copy);
    return 0;
}
