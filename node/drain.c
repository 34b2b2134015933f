/* SPDX-License-Identifier: Apache-2.0 */
#include "node/drain.h"

#include "node/board.h"
#include "node/client/mover.h"
#include "node/conn/conns.h"
#include "node/mesh/membership.h"
#include "node/node.h"

enum {
    ASKED_MS = 3000, /* after the last client: it may come back elsewhere */
    MOVE_MS = 2000,  /* to connect elsewhere, and leave */
    PART_MS = 1000,  /* for the others to have all that was sent */
    REST_MS = 6000,  /* both, and 2 s for clients to take their last bytes */
    /* With another node to go to: the portions spread them already. Without,
     * this much after the last one was told: then it may have been started
     * again. */
    RETRY_SOON_MS = 500,
    RETRY_ALONE_MS = 2000,
};

static void on_tick(uv_timer_t *timer);
static bool are_moving(struct node *node, uint64_t now_ms);
static bool ask(struct node *node, uint64_t most);
static uint64_t heirs_of(const struct node *node, bool near);
static bool is_heir(const struct node *node,
                    const struct cluster_member *member, bool near);
static void say(struct node *node, uint64_t now_ms);
static void part(struct node *node);
static bool may_be_asked(const struct node *node);

void drain_init(struct node *node)
{
    uv_timer_init(node->loop, &node->drain.timer);
    node->drain.timer.data = node;
}

void drain_begin(struct node *node)
{
    const struct limits *limits = &node->core.limits;
    struct drain *drain = &node->drain;

    node->core.draining = true;
    drain->say_ms = uv_now(node->loop) + limits->drain_notice_ms;
    drain->said_by_ms = drain->say_ms + drain_saying_ms(limits->drain_ms);
    drain->stop_by_ms = drain->say_ms + limits->drain_ms;
    log_line(&node->log, LOG_INFO, "node-draining",
             "connections=%zu notice_ms=%llu", conns_len(node->conns),
             (unsigned long long)limits->drain_notice_ms);
    membership_drain(node);
    uv_timer_start(&drain->timer, on_tick, limits->drain_notice_ms,
                   DRAIN_EVERY_MS);
}

static void on_tick(uv_timer_t *timer)
{
    struct node *node = timer->data;
    uint64_t now_ms = uv_now(node->loop);
    bool is_late = now_ms >= node->drain.stop_by_ms;

    if (node->closed) {
        return;
    }
    node_stop_listening(node);
    if (are_moving(node, now_ms)) {
        return;
    }
    say(node, now_ms);
    if (is_late || (node->drain.empty_ms != 0 && !may_be_asked(node))) {
        part(node);
    }
}

/* In portions as those that are told, and no longer than half of the time. */
static bool are_moving(struct node *node, uint64_t now_ms)
{
    struct drain *drain = &node->drain;
    uint64_t half_ms = (drain->say_ms + drain->said_by_ms) / 2;
    struct rebalance_answer here;

    if (now_ms >= half_ms) {
        return false;
    }
    conns_enter(node->conns);
    if (ask(node, drain_portion(conns_len(node->conns), half_ms - now_ms))) {
        drain->moved_by_ms = now_ms + MOVE_MS;
    }
    mover_count(&node->core, &here);
    return here.moving > 0 && now_ms < drain->moved_by_ms;
}

/* Evenly to all that take clients: of this region, or else of the others.
 * Returns whether somebody was asked. */
static bool ask(struct node *node, uint64_t most)
{
    bool near = heirs_of(node, true) > 0;
    uint64_t heirs = heirs_of(node, near);
    struct cluster_member member;
    struct rebalance_answer here;

    mover_count(&node->core, &here);
    uint64_t left = here.movable < most ? here.movable : most;
    bool asked = left > 0 && heirs > 0;
    for (size_t i = 0;
         heirs > 0 && cluster_member_at(node->cluster, i, &member); i++) {
        if (is_heir(node, &member, near)) {
            left -= mover_send(&node->core, member.node.endpoint,
                               (left + heirs - 1) / heirs);
            heirs--;
        }
    }
    return asked;
}

static uint64_t heirs_of(const struct node *node, bool near)
{
    struct cluster_member member;
    uint64_t heirs = 0;

    for (size_t i = 0; cluster_member_at(node->cluster, i, &member); i++) {
        heirs += is_heir(node, &member, near);
    }
    return heirs;
}

static bool is_heir(const struct node *node,
                    const struct cluster_member *member, bool near)
{
    struct bytes region = bytes_str(node->core.region);

    return member->state == CLUSTER_ALIVE && member->linked && member->ready &&
           !member->draining && member->node.endpoint.len > 0 &&
           !bytes_eq(member->node.endpoint, bytes_str(node->core.endpoint)) &&
           bytes_eq(member->node.region, region) == near;
}

/* Who comes back to this address finds nobody before the end. */
static void say(struct node *node, uint64_t now_ms)
{
    struct drain *drain = &node->drain;
    size_t len = conns_len(node->conns);
    uint64_t left_ms = drain->said_by_ms > now_ms ? drain->said_by_ms - now_ms
                                                  : 0;
    size_t portion = drain_portion(len, left_ms);

    conns_enter(node->conns);
    node->core.retry_within_ms = cluster_has_heir(node->cluster)
                                     ? RETRY_SOON_MS
                                     : len / portion * DRAIN_EVERY_MS +
                                           RETRY_ALONE_MS;
    if (conns_drain(node->conns, portion) > 0) {
        drain->empty_ms = 0;
    } else if (drain->empty_ms == 0) {
        drain->empty_ms = now_ms;
    }
}

size_t drain_portion(size_t len, uint64_t left_ms)
{
    size_t even = len / (size_t)(left_ms / DRAIN_EVERY_MS + 1) + 1;

    return even > DRAIN_LEAST ? even : DRAIN_LEAST;
}

uint64_t drain_saying_ms(uint64_t drain_ms)
{
    return drain_ms > 2 * REST_MS ? drain_ms - REST_MS : drain_ms / 2;
}

/* Ends all lanes and leaves when everybody has the ends: then nothing is lost
 * with this node. */
static void part(struct node *node)
{
    struct drain *drain = &node->drain;
    uint64_t now_ms = uv_now(node->loop);

    if (drain->part_by_ms == 0) {
        drain->part_by_ms = now_ms + PART_MS;
        membership_drained(node);
        if (node->core.board != NULL) {
            board_drain(node->core.board, node->config.worker);
        }
    } else if (!board_is_drained(node->core.board) &&
               now_ms < drain->stop_by_ms) {
        drain->part_by_ms = now_ms + PART_MS; /* others of this process */
    } else if (now_ms >= drain->part_by_ms || membership_has_parted(node)) {
        node_leave(node);
    }
}

/* Whether those who were sent away may want to know elsewhere what they missed
 * since. */
static bool may_be_asked(const struct node *node)
{
    return hub_lingers(node->core.hub) && cluster_has_heir(node->cluster) &&
           uv_now(node->loop) - node->drain.empty_ms < ASKED_MS;
}
