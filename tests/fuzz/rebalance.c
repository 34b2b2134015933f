/* SPDX-License-Identifier: Apache-2.0
 *
 * What nodes say while they rebalance. What is read, written anew, is read as
 * the same.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/rebalance.h"

static void check_question(struct bytes in)
{
    struct rebalance_question question;
    struct rebalance_question again;
    struct rebalance_order order[2];
    struct buf out = {0};
    int rc = rebalance_question_read(in, &question);

    assert(rc == 0 || rc == ERR_SYNTAX);
    if (rc != 0) {
        return;
    }
    struct rebalance_question rest = question;
    rebalance_question_write(question.run, question.orders_len, &out);
    while (rebalance_order_read(&rest, &order[0])) {
        assert(fuzz_inside(order[0].endpoint, in));
        assert(order[0].count > 0 && order[0].count <= REBALANCE_COUNT_MAX);
        rebalance_order_write(&order[0], &out);
    }
    assert(rest.orders_len == 0 && rest.orders.state == 0);
    assert(out.len <= PEER_BODY_LEN_MAX);
    assert(rebalance_question_read(buf_bytes(&out), &again) == 0);
    assert(again.run == question.run);
    rest = question;
    while (rebalance_order_read(&rest, &order[0])) {
        assert(rebalance_order_read(&again, &order[1]));
        assert(node_id_eq(&order[0].from, &order[1].from));
        assert(bytes_eq(order[0].endpoint, order[1].endpoint));
        assert(order[0].count == order[1].count);
    }
    buf_fini(&out);
}

static void check_answer(struct bytes in)
{
    struct rebalance_answer answer;
    struct rebalance_answer again;
    struct buf out = {0};
    int rc = rebalance_answer_read(in, &answer);

    assert(rc == 0 || rc == ERR_SYNTAX);
    if (rc == 0) {
        rebalance_answer_write(&answer, &out);
        assert(rebalance_answer_read(buf_bytes(&out), &again) == 0);
        assert(memcmp(&answer, &again, sizeof answer) == 0);
    }
    buf_fini(&out);
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
