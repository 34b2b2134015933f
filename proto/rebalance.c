/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/rebalance.h"

#include "proto/err.h"

enum {
    QUESTION_FIELDS = 2,
    ORDER_FIELDS = 3,
    ANSWER_FIELDS = 4,
};

/* What a newer node adds behind the fields that are known here. */
static void skip_more(struct mp *mp, uint32_t fields, uint32_t known)
{
    for (uint32_t i = known; i < fields && mp->state == 0; i++) {
        mp_skip(mp);
    }
}

static void spoil_unless(struct mp *mp, bool good)
{
    if (!good && mp->state == 0) {
        mp->state = ERR_SYNTAX;
    }
}

/* --- the question --- */

void rebalance_question_write(uint64_t run, uint32_t orders_len,
                              struct buf *out)
{
    mp_put_array(out, QUESTION_FIELDS);
    mp_put_u64(out, run);
    mp_put_array(out, orders_len);
}

void rebalance_order_write(const struct rebalance_order *order, struct buf *out)
{
    mp_put_array(out, ORDER_FIELDS);
    mp_put_bin(out, bytes_of(order->from.b, sizeof order->from.b));
    mp_put_str(out, order->endpoint);
    mp_put_u64(out, order->count);
}

static void take_order(struct mp *mp, struct rebalance_order *order)
{
    uint32_t fields = mp_take_array(mp);

    mp_take_fixed(mp, order->from.b, sizeof order->from.b);
    order->endpoint = mp_take_str(mp, ENDPOINT_LEN_MAX);
    order->count = mp_take_u64_max(mp, REBALANCE_COUNT_MAX);
    skip_more(mp, fields, ORDER_FIELDS);
    spoil_unless(mp, fields >= ORDER_FIELDS && order->count > 0 &&
                         order->endpoint.len > 0);
}

int rebalance_question_read(struct bytes in,
                            struct rebalance_question *question)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);
    struct rebalance_order order;

    question->run = mp_take_u64(&mp);
    question->orders_len = mp_take_array(&mp);
    question->orders = mp;
    spoil_unless(&mp, question->orders_len <= REBALANCE_ORDERS_MAX &&
                          question->run > 0);
    for (uint32_t i = 0; i < question->orders_len && mp.state == 0; i++) {
        take_order(&mp, &order);
    }
    skip_more(&mp, fields, QUESTION_FIELDS);
    return mp.state == 0 && fields >= QUESTION_FIELDS && mp.in.len == 0
               ? 0
               : ERR_SYNTAX;
}

bool rebalance_order_read(struct rebalance_question *question,
                          struct rebalance_order *order)
{
    if (question->orders_len == 0) {
        return false;
    }
    question->orders_len--;
    take_order(&question->orders, order);
    return question->orders.state == 0;
}

/* --- the answer --- */

void rebalance_answer_write(const struct rebalance_answer *answer,
                            struct buf *out)
{
    mp_put_array(out, ANSWER_FIELDS);
    mp_put_u64(out, answer->run);
    mp_put_u64(out, answer->clients);
    mp_put_u64(out, answer->movable);
    mp_put_u64(out, answer->moving);
}

int rebalance_answer_read(struct bytes in, struct rebalance_answer *answer)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    answer->run = mp_take_u64(&mp);
    answer->clients = mp_take_u64_max(&mp, UINT32_MAX);
    answer->movable = mp_take_u64_max(&mp, UINT32_MAX);
    answer->moving = mp_take_u64_max(&mp, UINT32_MAX);
    skip_more(&mp, fields, ANSWER_FIELDS);
    return mp.state == 0 && fields >= ANSWER_FIELDS && mp.in.len == 0
               ? 0
               : ERR_SYNTAX;
}
