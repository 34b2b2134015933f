/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/rebalance_plan.h"

#include <assert.h>

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t sum_of(const struct plan_node *nodes, size_t len)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += nodes[i].clients;
    }
    return sum;
}

static uint64_t moving_of(const struct plan_node *nodes, size_t len)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += least(nodes[i].moving, nodes[i].clients);
    }
    return sum;
}

uint64_t plan_share(const struct plan_node *nodes, size_t len)
{
    return len == 0 ? 0 : sum_of(nodes, len) / len;
}

bool plan_is_even(const struct plan_node *nodes, size_t len)
{
    uint64_t share = plan_share(nodes, len);
    uint64_t slack = share * PLAN_TOLERANCE / 100 + 1;

    for (size_t i = 0; i < len; i++) {
        if (nodes[i].clients > share + slack ||
            nodes[i].clients + slack < share) {
            return false;
        }
    }
    return moving_of(nodes, len) == 0;
}

/* How many of a node are too many, beyond those that are on the way. */
static uint64_t excess_of(const struct plan_node *node, uint64_t level)
{
    return above(above(node->clients, node->moving), level);
}

static uint64_t room_of(const struct plan_node *nodes, size_t len,
                        uint64_t level)
{
    uint64_t room = 0;

    for (size_t i = 0; i < len; i++) {
        room += above(level, nodes[i].clients);
    }
    return room;
}

/* What nodes are filled up to: the share, rounded down; only when all have
 * that, one more, for what is left over. */
static uint64_t level_of(const struct plan_node *nodes, size_t len)
{
    uint64_t share = plan_share(nodes, len);

    return room_of(nodes, len, share) > 0 ? share : share + 1;
}

/* The one with the most room; a node of the same endpoint is not elsewhere. */
static size_t emptiest(const struct plan_node *nodes, size_t len, size_t from,
                       const uint64_t *given)
{
    size_t best = from;
    uint64_t best_clients = UINT64_MAX;

    for (size_t i = 0; i < len; i++) {
        uint64_t clients = nodes[i].clients + given[i];
        if (clients < best_clients &&
            !bytes_eq(nodes[i].endpoint, nodes[from].endpoint)) {
            best = i;
            best_clients = clients;
        }
    }
    return best;
}

struct round {
    const struct plan_node *nodes;
    size_t len;
    uint64_t level;
    uint64_t left; /* clients that this round may still move */
    struct plan_order *orders;
    size_t orders_len;
    size_t orders_max;
};

/* All that one node gives, to one or more others. */
static void give(struct round *round, size_t from, uint64_t count,
                 uint64_t *given)
{
    const struct plan_node *nodes = round->nodes;

    while (count > 0 && round->orders_len < round->orders_max) {
        size_t to = emptiest(nodes, round->len, from, given);
        uint64_t room =
            to == from ? 0 : above(round->level, nodes[to].clients + given[to]);
        uint64_t some = least(count, room);
        if (some == 0) {
            return;
        }
        round->orders[round->orders_len++] = (struct plan_order){
            .from = from, .to = to, .count = some};
        given[to] += some;
        count -= some;
        round->left -= some;
    }
}

static uint64_t all_excess(const struct plan_node *nodes, size_t len,
                           uint64_t level)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += least(excess_of(&nodes[i], level), nodes[i].movable);
    }
    return sum;
}

size_t plan_round(const struct plan_node *nodes, size_t len,
                  struct plan_order *orders, size_t most)
{
    uint64_t level = len == 0 ? 0 : level_of(nodes, len);
    uint64_t room = above(room_of(nodes, len, level), moving_of(nodes, len));
    uint64_t excess = all_excess(nodes, len, level);
    uint64_t quota = excess / PLAN_PART > PLAN_LEAST ? excess / PLAN_PART
                                                     : PLAN_LEAST;
    uint64_t given[PLAN_NODES_MAX] = {0};
    struct round round = {
        .nodes = nodes,
        .len = len,
        .level = level,
        .left = least(least(quota, PLAN_MOST), room),
        .orders = orders,
        .orders_max = most,
    };

    assert(len <= PLAN_NODES_MAX);
    for (size_t i = 0; i < len && round.left > 0; i++) {
        uint64_t some = least(excess_of(&nodes[i], level), nodes[i].movable);
        /* Its part of the round, rounded up. */
        uint64_t part = excess == 0 ? 0 : (some * quota + excess - 1) / excess;
        give(&round, i, least(least(some, part), round.left), given);
    }
    return round.orders_len;
}
