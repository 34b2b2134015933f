/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/mover.h"

#include "node/client/client.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/mesh/calls.h"

static bool answer(void *data, struct bytes body, struct buf *out);
static bool obeys(struct core *core, uint64_t run);
static bool is_moving(const struct core *core, const struct client *client);
static bool can_move(const struct core *core, const struct client *client);

void mover_serve(struct core *core)
{
    calls_serve(core->calls, CALL_MOVE, answer, core);
}

static bool answer(void *data, struct bytes body, struct buf *out)
{
    struct rebalance_question question;
    struct rebalance_answer said;

    if (rebalance_question_read(body, &question) != 0) {
        return false;
    }
    mover_answer(data, &question, &said);
    rebalance_answer_write(&said, out);
    return true;
}

void mover_answer(struct core *core, const struct rebalance_question *question,
                  struct rebalance_answer *answer)
{
    struct rebalance_question rest = *question;
    struct rebalance_order order;
    bool does = obeys(core, question->run);

    while (rebalance_order_read(&rest, &order)) {
        if (does && node_id_eq(&order.from, &core->id)) {
            (void)mover_send(core, order.endpoint, order.count);
        }
    }
    answer->run = core->mover.run;
    mover_count(core, answer);
}

/* The first one that came, until it falls silent. */
static bool obeys(struct core *core, uint64_t run)
{
    struct mover *mover = &core->mover;

    if (mover->run != run && mover->run != 0 &&
        core->now_ms - mover->heard_ms < MOVER_RUN_MS) {
        return false;
    }
    mover->run = run;
    mover->heard_ms = core->now_ms;
    return !core->draining;
}

static uint64_t second_of(const struct core *core)
{
    return core->now_ms / 1000 + 1;
}

static bool is_moving(const struct core *core, const struct client *client)
{
    return client->move_s != 0 &&
           second_of(core) - client->move_s < MOVER_GONE_S;
}

static bool can_move(const struct core *core, const struct client *client)
{
    return client->movable && !client->closing && client->door != NULL &&
           client->door->move != NULL &&
           (client->move_s == 0 ||
            second_of(core) - client->move_s >= MOVER_AGAIN_S);
}

void mover_count(const struct core *core, struct rebalance_answer *answer)
{
    answer->clients = 0;
    answer->movable = 0;
    answer->moving = 0;
    for (const struct client *c = core->clients; c != NULL; c = c->next) {
        answer->clients += c->door != NULL && !c->closing;
        answer->movable += can_move(core, c);
        answer->moving += !c->closing && is_moving(core, c);
    }
}

/* The i-th goes when i * count / all reaches another whole number: evenly, so
 * that neither the newest nor the oldest are always meant. */
uint64_t mover_send(struct core *core, struct bytes endpoint, uint64_t most)
{
    struct rebalance_answer here;
    uint64_t met = 0;
    uint64_t asked = 0;
    uint64_t wanted;

    mover_count(core, &here);
    wanted = most < here.movable ? most : here.movable;
    for (struct client *c = core->clients; c != NULL && asked < wanted;
         c = c->next) {
        if (!can_move(core, c)) {
            continue;
        }
        met++;
        if (met * wanted / here.movable > asked) {
            c->move_s = (uint32_t)second_of(core);
            c->door->move(c, endpoint);
            asked++;
        }
    }
    return asked;
}
