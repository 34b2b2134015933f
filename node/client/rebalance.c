/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/rebalance.h"

#include <assert.h>
#include <stdlib.h>

#include "node/client/mover.h"
#include "node/core.h"
#include "node/mesh/member.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/topic.h"

enum state {
    IDLE,
    RUNNING,
    DONE,
    STOPPED,
};

/* A node of the region, as far as it is known. */
struct part {
    struct node_id id;
    char name[MEMBER_NAME_MAX];
    uint8_t endpoint[ENDPOINT_LEN_MAX];
    size_t endpoint_len;
    bool here;     /* in the member list of this round */
    bool answered; /* the last round */
    bool old;      /* does not know the call: left alone */
    struct rebalance_answer said;
};

struct rebalance {
    struct core *core;
    struct deadline tick;
    uint64_t call; /* 0: none is under way */

    enum state state;
    uint64_t run;
    char region[REGION_LEN_MAX + 1];
    struct buf why;
    uint64_t began_ms; /* monotonic */
    uint64_t began_at; /* wall clock */
    uint64_t ended_ms;
    uint64_t rounds;
    uint64_t asked; /* clients */
    unsigned still; /* rounds without an order */

    struct part *parts;
    size_t len;
    struct plan_order orders[REBALANCE_ORDERS_MAX];
};

static void on_tick(struct deadline *deadline, uint64_t now_ms);
static int find_parts(struct rebalance *rebalance);
static bool check_parts(struct rebalance *rebalance);
static bool plan(struct rebalance *rebalance, struct buf *body);
static void ask(struct rebalance *rebalance, struct bytes body);
static void on_answers(void *data, const struct call_answer *answers,
                       size_t len);
static void end(struct rebalance *rebalance, enum state state, const char *who,
                const char *why);

/* --- life --- */

struct rebalance *rebalance_new(struct core *core)
{
    struct rebalance *rebalance = calloc(1, sizeof *rebalance);

    if (rebalance != NULL) {
        rebalance->core = core;
        rebalance->tick.on_due = on_tick;
        rebalance->why.max = REBALANCE_WHY_MAX;
        core->rebalance = rebalance;
    }
    return rebalance;
}

static void forget_call(struct rebalance *rebalance)
{
    if (rebalance->call != 0) {
        calls_forget(rebalance->core->calls, rebalance->call);
        rebalance->call = 0;
    }
}

void rebalance_free(struct rebalance *rebalance)
{
    if (rebalance == NULL) {
        return;
    }
    forget_call(rebalance);
    (void)deadline_set(&rebalance->core->deadlines, &rebalance->tick,
                       DEADLINE_NEVER);
    rebalance->core->rebalance = NULL;
    buf_fini(&rebalance->why);
    free(rebalance->parts);
    free(rebalance);
}

int rebalance_start(struct rebalance *rebalance, struct bytes region)
{
    struct core *core = rebalance->core;

    if (rebalance->state == RUNNING) {
        return ERR_CONFLICT;
    }
    if (core->calls == NULL || core->cluster == NULL) {
        return ERR_NOT_READY;
    }
    if (region.len == 0) {
        region = bytes_str(core->region);
    }
    if (region.len > REGION_LEN_MAX) {
        return ERR_NOT_FOUND;
    }
    memcpy(rebalance->region, region.p, region.len);
    rebalance->region[region.len] = '\0';
    int rc = find_parts(rebalance);
    if (rc == 0) {
        rc = deadline_set(&core->deadlines, &rebalance->tick, core->now_ms);
    }
    if (rc != 0) {
        rebalance->state = IDLE;
        return rc;
    }
    rebalance->state = RUNNING;
    rebalance->run = (core->wall_ms ^ core->node_u64) | 1;
    rebalance->began_ms = core->now_ms;
    rebalance->began_at = core->wall_ms;
    rebalance->rounds = 0;
    rebalance->asked = 0;
    rebalance->still = 0;
    buf_reset(&rebalance->why);
    log_line(core->log, LOG_INFO, "rebalance-started", "region=%s nodes=%zu",
             rebalance->region, rebalance->len);
    return 0;
}

void rebalance_stop(struct rebalance *rebalance)
{
    if (rebalance->state == RUNNING) {
        end(rebalance, STOPPED, "", "somebody asked for it");
    }
}

static void end(struct rebalance *rebalance, enum state state, const char *who,
                const char *why)
{
    struct core *core = rebalance->core;

    forget_call(rebalance);
    (void)deadline_set(&core->deadlines, &rebalance->tick, DEADLINE_NEVER);
    rebalance->state = state;
    rebalance->ended_ms = core->now_ms;
    buf_reset(&rebalance->why);
    buf_add_str(&rebalance->why, who);
    buf_add_str(&rebalance->why, why);
    log_line(core->log, state == DONE ? LOG_INFO : LOG_WARN, "rebalance-ended",
             "region=%s even=%d asked=%llu why=%.*s", rebalance->region,
             state == DONE, (unsigned long long)rebalance->asked,
             (int)rebalance->why.len, (const char *)rebalance->why.p);
}

/* --- the nodes of the region --- */

static bool takes_clients(const struct rebalance *rebalance,
                          const struct cluster_member *member)
{
    return bytes_eq(member->node.region, bytes_str(rebalance->region)) &&
           member->state == CLUSTER_ALIVE && member->ready &&
           !member->draining && (member->self || member->linked) &&
           member->node.endpoint.len > 0;
}

static struct part *part_of(const struct rebalance *rebalance,
                            const struct node_id *id)
{
    for (size_t i = 0; i < rebalance->len; i++) {
        if (node_id_eq(&rebalance->parts[i].id, id)) {
            return &rebalance->parts[i];
        }
    }
    return NULL;
}

static int add_part(struct rebalance *rebalance,
                    const struct cluster_member *member)
{
    if (rebalance->len == PLAN_NODES_MAX) {
        return ERR_LIMIT;
    }
    struct part *more = realloc(rebalance->parts,
                                (rebalance->len + 1) * sizeof *more);
    if (more == NULL) {
        return ERR_NOMEM;
    }
    rebalance->parts = more;
    struct part *part = &more[rebalance->len++];
    struct bytes endpoint = member->node.endpoint;
    *part = (struct part){.id = member->node.id, .here = true};
    member_name(member, part->name);
    assert(endpoint.len <= sizeof part->endpoint);
    memcpy(part->endpoint, endpoint.p, endpoint.len);
    part->endpoint_len = endpoint.len;
    return 0;
}

/* Marks who is here, and adds who came. */
static int meet(struct rebalance *rebalance)
{
    struct cluster_member member;

    for (size_t i = 0; i < rebalance->len; i++) {
        rebalance->parts[i].here = false;
    }
    for (size_t i = 0; cluster_member_at(rebalance->core->cluster, i, &member);
         i++) {
        if (!takes_clients(rebalance, &member)) {
            continue;
        }
        struct part *part = part_of(rebalance, &member.node.id);
        int rc = 0;
        if (part != NULL) {
            part->here = true;
        } else {
            rc = add_part(rebalance, &member);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int find_parts(struct rebalance *rebalance)
{
    free(rebalance->parts);
    rebalance->parts = NULL;
    rebalance->len = 0;
    int rc = meet(rebalance);
    return rc == 0 && rebalance->len == 0 ? ERR_NOT_FOUND : rc;
}

/* Ends it when somebody who took part goes, and says who. */
static bool check_parts(struct rebalance *rebalance)
{
    if (meet(rebalance) != 0) {
        end(rebalance, STOPPED, "", "more nodes than can be planned for");
        return false;
    }
    for (size_t i = 0; i < rebalance->len; i++) {
        const struct part *part = &rebalance->parts[i];
        if (!part->here) {
            end(rebalance, STOPPED, part->name, " drains, or is gone");
            return false;
        }
    }
    return true;
}

/* --- a round --- */

static void on_tick(struct deadline *deadline, uint64_t now_ms)
{
    struct rebalance *rebalance =
        (struct rebalance *)(void *)((char *)deadline -
                                     offsetof(struct rebalance, tick));
    struct buf body = {.max = PEER_BODY_LEN_MAX};

    if (now_ms - rebalance->began_ms > REBALANCE_MS) {
        end(rebalance, STOPPED, "", "took too long");
    } else if (check_parts(rebalance) && plan(rebalance, &body)) {
        ask(rebalance, buf_bytes(&body));
    }
    buf_fini(&body);
}

static size_t list_nodes(const struct rebalance *rebalance,
                         struct plan_node *nodes, size_t *index)
{
    size_t len = 0;

    for (size_t i = 0; i < rebalance->len; i++) {
        const struct part *part = &rebalance->parts[i];
        if (!part->answered || part->old) {
            continue;
        }
        index[len] = i;
        nodes[len++] = (struct plan_node){
            .clients = part->said.clients,
            .movable = part->said.movable,
            .moving = part->said.moving,
            .endpoint = bytes_of(part->endpoint, part->endpoint_len),
        };
    }
    return len;
}

static void write_orders(struct rebalance *rebalance, const size_t *index,
                         size_t len, struct buf *body)
{
    rebalance_question_write(rebalance->run, (uint32_t)len, body);
    for (size_t i = 0; i < len; i++) {
        const struct plan_order *order = &rebalance->orders[i];
        const struct part *to = &rebalance->parts[index[order->to]];
        rebalance_order_write(
            &(struct rebalance_order){
                .from = rebalance->parts[index[order->from]].id,
                .endpoint = bytes_of(to->endpoint, to->endpoint_len),
                .count = order->count},
            body);
        rebalance->asked += order->count;
    }
}

/* Writes the question with the orders of this round; false: it is over. The
 * first round only asks. */
static bool plan(struct rebalance *rebalance, struct buf *body)
{
    struct plan_node nodes[PLAN_NODES_MAX];
    size_t index[PLAN_NODES_MAX];
    size_t orders = 0;

    if (rebalance->rounds++ > 0) {
        size_t len = list_nodes(rebalance, nodes, index);
        if (plan_is_even(nodes, len)) {
            end(rebalance, DONE, "", "");
            return false;
        }
        orders = plan_round(nodes, len, rebalance->orders,
                            ARRAY_LEN(rebalance->orders));
        rebalance->still = orders > 0 ? 0 : rebalance->still + 1;
    }
    if (rebalance->still > REBALANCE_STILL) {
        end(rebalance, STOPPED, "", "the other clients cannot be moved");
        return false;
    }
    write_orders(rebalance, index, orders, body);
    return true;
}

static void take(struct rebalance *rebalance, const struct node_id *id,
                 const struct rebalance_answer *said)
{
    struct part *part = part_of(rebalance, id);

    if (part != NULL) {
        part->answered = true;
        part->said = *said;
    }
}

static void ask_here(struct rebalance *rebalance, struct bytes body)
{
    struct rebalance_question question;
    struct rebalance_answer said;

    int rc = rebalance_question_read(body, &question);
    assert(rc == 0); /* our own */
    mover_answer(rebalance->core, &question, &said);
    if (said.run != rebalance->run) {
        end(rebalance, STOPPED, rebalance->core->name,
            " obeys another rebalance");
        return;
    }
    take(rebalance, &rebalance->core->id, &said);
}

static void ask(struct rebalance *rebalance, struct bytes body)
{
    struct core *core = rebalance->core;
    const struct call call = {
        .kind = CALL_MOVE,
        .body = body,
        .wait_ms = REBALANCE_WAIT_MS,
        .on_done = on_answers,
        .data = rebalance,
    };

    ask_here(rebalance, body);
    if (rebalance->state != RUNNING) {
        return;
    }
    if (calls_ask(core->calls, &call, &rebalance->call) != 0 ||
        deadline_set(&core->deadlines, &rebalance->tick,
                     core->now_ms + REBALANCE_ROUND_MS) != 0) {
        end(rebalance, STOPPED, "", "this node has too much to do");
    }
}

/* --- answers --- */

static void take_answer(struct rebalance *rebalance,
                        const struct call_answer *answer)
{
    struct part *part = part_of(rebalance, &answer->id);
    struct rebalance_answer said;

    if (part == NULL) {
        return; /* of another region */
    }
    part->old = answer->outcome == CALL_UNKNOWN;
    if (part->old) {
        return;
    }
    if (answer->outcome != CALL_ANSWERED ||
        rebalance_answer_read(answer->body, &said) != 0) {
        end(rebalance, STOPPED, part->name, " does not answer");
    } else if (said.run != rebalance->run) {
        end(rebalance, STOPPED, part->name, " obeys another rebalance");
    } else {
        take(rebalance, &answer->id, &said);
    }
}

static void on_answers(void *data, const struct call_answer *answers,
                       size_t len)
{
    struct rebalance *rebalance = data;

    rebalance->call = 0;
    for (size_t i = 0; i < len && rebalance->state == RUNNING; i++) {
        take_answer(rebalance, &answers[i]);
    }
}

/* --- where it stands --- */

static void add_number(struct buf *out, const char *name, uint64_t number)
{
    json_add_name(out, true, name);
    buf_add_u64(out, number);
}

static void add_text(struct buf *out, const char *name, struct bytes text)
{
    json_add_name(out, true, name);
    json_add_string(out, topic_text_is_valid(text) ? text : BYTES("?"));
}

static void add_part_json(struct buf *out, const struct part *part)
{
    json_add_name(out, false, "name");
    json_add_string(out, topic_text_is_valid(bytes_str(part->name))
                             ? bytes_str(part->name)
                             : BYTES("?"));
    json_add_name(out, true, "answered");
    buf_add_str(out, part->answered ? "true" : "false");
    add_number(out, "clients", part->said.clients);
    add_number(out, "movable", part->said.movable);
    add_number(out, "moving", part->said.moving);
}

void rebalance_add(const struct rebalance *rebalance, struct buf *out)
{
    static const char *const states[] = {
        [IDLE] = "idle",
        [RUNNING] = "running",
        [DONE] = "done",
        [STOPPED] = "stopped",
    };
    uint64_t until = rebalance->state == RUNNING ? rebalance->core->now_ms
                                                 : rebalance->ended_ms;

    buf_add_str(out, "{\"state\":");
    json_add_string(out, bytes_str(states[rebalance->state]));
    add_text(out, "region", bytes_str(rebalance->region));
    add_text(out, "why", buf_bytes(&rebalance->why));
    add_number(out, "began_at", rebalance->began_at);
    add_number(out, "took_ms", until - rebalance->began_ms);
    add_number(out, "rounds", rebalance->rounds);
    add_number(out, "asked", rebalance->asked);
    buf_add_str(out, ",\"nodes\":[");
    for (size_t i = 0; i < rebalance->len; i++) {
        buf_add_str(out, i > 0 ? ",{" : "{");
        add_part_json(out, &rebalance->parts[i]);
        buf_add_u8(out, '}');
    }
    buf_add_str(out, "]}\n");
}
