/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/asking.h"

#include <stdio.h>

#include "proto/err.h"

enum {
    EVERY_MS = 50,     /* between subscribes that are tried */
    AGAIN_MS = 200,    /* between items of one of them */
    GIVE_UP_MS = 10000 /* the nodes are cut off from each other */
};

/* --- where --- */

static bool are_neighbours(const struct asking *a, size_t one, size_t other)
{
    return a->regions == NULL || a->regions[one] == a->regions[other];
}

/* Another node of the region of `from`, another one each time; `from` itself
 * when it has no neighbour. */
static size_t neighbour_of(const struct asking *a, size_t from, uint64_t turn)
{
    for (size_t i = 0; i < a->nodes_len; i++) {
        size_t to = (from + 1 + (turn + i) % a->nodes_len) % a->nodes_len;
        if (to != from && are_neighbours(a, from, to)) {
            return to;
        }
    }
    return from;
}

/* --- one question --- */

static void end(struct asking *a)
{
    way_close(&a->in);
    way_close(&a->out);
    a->next_ms = link_now_ms() + EVERY_MS;
}

static void begin(struct asking *a)
{
    size_t from = a->turn % a->nodes_len;
    size_t to = neighbour_of(a, from, a->turn / a->nodes_len);

    a->turn++;
    a->said = a->answered = a->accepted = a->came = 0;
    a->acknowledged = a->partial = a->told = false;
    a->say_ms = 0;
    a->give_up_ms = link_now_ms() + GIVE_UP_MS;
    (void)snprintf(a->topic, sizeof a->topic, "%s-%llu", a->prefix,
                   (unsigned long long)a->turn);
    if (way_open(&a->out, WAY_WEBSOCKET, &a->nodes[to], a->token) != 0 ||
        way_open(&a->in, WAY_RESP, &a->nodes[from], a->token) != 0 ||
        way_subscribe(&a->out, a->topic) != 0) {
        end(a);
    }
}

/* The value is "a N". */
static void on_value(void *data, struct bytes value)
{
    struct asking *a = data;
    uint64_t number;

    if (a->came == 0 && value.len > 2 &&
        bytes_u64(bytes_skip(value, 2), &number) == 0) {
        a->came = number;
    }
}

static void on_gap(void *data)
{
    struct asking *a = data;
    a->told = a->told || a->came == 0;
}

static void on_subscribed(void *data, bool partial)
{
    struct asking *a = data;
    a->acknowledged = true;
    a->partial = partial;
}

/* Only what a node has accepted may be called lost. */
static void on_answer(void *data, bool accepted)
{
    struct asking *a = data;

    a->answered++;
    if (accepted && a->accepted == 0) {
        a->accepted = a->answered;
    }
}

static int say(struct asking *a)
{
    struct buf value = {0};

    a->say_ms = link_now_ms() + AGAIN_MS;
    a->said++;
    buf_add_str(&value, "a ");
    buf_add_u64(&value, a->said);
    int rc = value.failed ? ERR_NOMEM
                          : way_publish(&a->in, a->topic, buf_bytes(&value));
    buf_fini(&value);
    return rc;
}

/* What was accepted first has to come first, or be told. An item may come
 * before its answer: then the answer is waited for. */
static bool is_known(const struct asking *a)
{
    return a->came > 0 && a->answered >= a->came;
}

static void count(struct asking *a)
{
    if (a->partial) {
        return;
    }
    a->asked++;
    a->lost += a->accepted < a->came && a->accepted > 0 && !a->told;
}

static int take(struct asking *a)
{
    const struct way_reader reader = {.data = a,
                                      .on_value = on_value,
                                      .on_gap = on_gap,
                                      .on_subscribed = on_subscribed};
    int rc = way_take(&a->out, &reader);

    return rc == 0 ? way_take_answers(&a->in, on_answer, a) : rc;
}

void asking_step(struct asking *asking)
{
    uint64_t now_ms = link_now_ms();

    if (asking->out.state == WAY_CLOSED) {
        if (now_ms >= asking->next_ms) {
            begin(asking);
        }
        return;
    }
    int rc = take(asking);
    if (rc == 0 && asking->acknowledged && asking->in.state == WAY_READY &&
        asking->came == 0 && now_ms >= asking->say_ms) {
        rc = say(asking);
    }
    if (is_known(asking)) {
        count(asking);
        end(asking);
    } else if (rc != 0) {
        end(asking); /* nothing is learned */
    } else if (now_ms >= asking->give_up_ms) {
        asking->cut++;
        end(asking);
    }
}

void asking_fini(struct asking *asking)
{
    way_close(&asking->in);
    way_close(&asking->out);
}
