/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/trace_ask.h"

#include <assert.h>
#include <stdlib.h>

#include "node/core.h"
#include "node/mesh/calls.h"
#include "proto/err.h"

enum {
    ROUNDS_KEPT = 3, /* answers of older ones are not waited for */
    ROUNDS_MIN = 3,  /* the best of them compares the clocks */
};

/* When all are asked, after the publish. */
static const uint16_t rounds_ms[] = {0, 5, 20, 60, 150, 300, 500, 800, 1100};

struct round {
    struct trace_ask *ask;
    uint64_t number; /* of the call; 0 none */
    uint64_t asked_us;
};

/* What a peer said last, and the best comparison of clocks. */
struct said {
    struct node_id id;
    uint64_t error_us;
    int64_t offset_us; /* its monotonic clock less ours */
    int64_t clock_us;  /* the same of the wall */
    bool speaks;       /* it has said something */
    bool older;        /* that it knows no traces */
    struct buf body;
};

struct names {
    char (*list)[MEMBER_NAME_MAX];
    size_t len;
};

struct trace_ask {
    struct core *core;
    void *data;
    void (*on_report)(void *data, const struct trace_report *report);
    struct traced_question question;
    struct buf names; /* of the question */
    uint64_t start_ms;
    uint64_t start_us; /* when this node took it */
    size_t rounds_made;
    struct round rounds[ROUNDS_KEPT];
    struct deadline deadline;
    struct said *said;
    size_t said_len;

    struct trace_node *nodes;
    size_t nodes_len;
    struct names silent;
    struct names older;
};

static bool answer(void *data, struct bytes body, struct buf *out);
static void on_due(struct deadline *deadline, uint64_t now_ms);
static void next_round(struct trace_ask *ask);
static void on_answer(void *data, const struct call_answer *answer);
static void on_done(void *data, const struct call_answer *answers, size_t len);
static bool is_complete(const struct trace_ask *ask);
static void finish(struct trace_ask *ask);
static void build(struct trace_ask *ask);

/* --- one node --- */

void trace_serve(struct core *core)
{
    calls_serve(core->calls, CALL_TRACE, answer, core);
}

static bool answer(void *data, struct bytes body, struct buf *out)
{
    const struct core *core = data;
    struct traced_question question;
    struct traced traced;

    if (traced_question_read(body, &question) != 0) {
        return false;
    }
    trace_tell(
        &core->trace, question.origin, question.count,
        hub_told_ms(core->hub, question.hash, question.cache, question.topic),
        &traced);
    traced_write(&traced, out);
    return true;
}

/* --- life --- */

static bool may_begin(struct trace *trace, uint64_t now_ms)
{
    if (now_ms - trace->asks_ms >= 1000) {
        trace->asks_ms = now_ms;
        trace->asks_made = 0;
    }
    return trace->asks_len < TRACE_ASKS_MAX &&
           trace->asks_made < TRACE_ASKS_RATE;
}

int trace_ask_open(struct trace_ask **out, struct core *core, void *data,
                   void (*on_report)(void *data,
                                     const struct trace_report *report))
{
    if (core->calls == NULL) {
        return ERR_NOT_READY;
    }
    if (!may_begin(&core->trace, core->now_ms)) {
        return ERR_LIMIT;
    }
    struct trace_ask *ask = calloc(1, sizeof *ask);
    if (ask == NULL) {
        return ERR_NOMEM;
    }
    ask->core = core;
    ask->data = data;
    ask->on_report = on_report;
    ask->deadline.on_due = on_due;
    for (size_t i = 0; i < ROUNDS_KEPT; i++) {
        ask->rounds[i].ask = ask;
    }
    core->trace.asks_len++;
    core->trace.asks_made++;
    *out = ask;
    return 0;
}

void trace_ask_forget(struct trace_ask *ask)
{
    for (size_t i = 0; i < ROUNDS_KEPT; i++) {
        if (ask->rounds[i].number != 0) {
            calls_forget(ask->core->calls, ask->rounds[i].number);
        }
    }
    (void)deadline_set(&ask->core->deadlines, &ask->deadline, DEADLINE_NEVER);
    for (size_t i = 0; i < ask->said_len; i++) {
        buf_fini(&ask->said[i].body);
    }
    ask->core->trace.asks_len--;
    buf_fini(&ask->names);
    free(ask->said);
    free(ask->nodes);
    free(ask->silent.list);
    free(ask->older.list);
    free(ask);
}

/* --- asking --- */

int trace_ask_start(struct trace_ask *ask, struct bytes cache,
                    struct bytes topic, uint64_t count)
{
    struct core *core = ask->core;
    const struct trace_item *noted = trace_find(&core->trace, core->node_u64,
                                                count);

    buf_add_bytes(&ask->names, cache);
    buf_add_bytes(&ask->names, topic);
    if (noted == NULL || ask->names.failed) {
        return ERR_NOMEM;
    }
    ask->question = (struct traced_question){
        .origin = core->node_u64,
        .count = count,
        .hash = hash_topic(&core->hash_key, cache, topic),
        .cache = bytes_of(ask->names.p, cache.len),
        .topic = bytes_of(ask->names.p + cache.len, topic.len),
    };
    ask->start_us = noted->notes.at_us;
    ask->start_ms = core->now_ms;
    if (deadline_set(&core->deadlines, &ask->deadline,
                     core->now_ms + TRACE_WAIT_MS) != 0) {
        return ERR_NOMEM;
    }
    next_round(ask);
    return 0;
}

static void on_due(struct deadline *deadline, uint64_t now_ms)
{
    struct trace_ask *ask =
        (struct trace_ask *)(void *)((char *)deadline -
                                     offsetof(struct trace_ask, deadline));

    if (now_ms >= ask->start_ms + TRACE_WAIT_MS) {
        finish(ask);
    } else {
        next_round(ask);
    }
}

/* One that cannot be asked now is left out: another follows, or the end. */
static void ask_all(struct trace_ask *ask, struct round *round)
{
    struct core *core = ask->core;
    struct buf body = {0};

    traced_question_write(&ask->question, &body);
    const struct call call = {
        .kind = CALL_TRACE,
        .body = buf_bytes(&body),
        .wait_ms = ask->start_ms + TRACE_WAIT_MS - core->now_ms,
        .on_done = on_done,
        .on_answer = on_answer,
        .data = round,
    };
    round->asked_us = trace_now_us(&core->trace);
    if (body.failed || calls_ask(core->calls, &call, &round->number) != 0) {
        round->number = 0;
    }
    buf_fini(&body);
}

static void next_round(struct trace_ask *ask)
{
    struct round *round = &ask->rounds[ask->rounds_made % ROUNDS_KEPT];
    uint64_t next_ms = TRACE_WAIT_MS;

    if (round->number != 0) {
        calls_forget(ask->core->calls, round->number);
        round->number = 0;
    }
    ask_all(ask, round);
    ask->rounds_made++;
    if (ask->rounds_made < ARRAY_LEN(rounds_ms)) {
        next_ms = rounds_ms[ask->rounds_made];
    }
    /* It is set or was a moment ago: there is room. */
    if (deadline_set(&ask->core->deadlines, &ask->deadline,
                     ask->start_ms + next_ms) != 0) {
        finish(ask);
    }
}

static struct said *said_find(const struct trace_ask *ask, uint64_t id)
{
    for (size_t i = 0; i < ask->said_len; i++) {
        if (node_id_u64(&ask->said[i].id) == id) {
            return &ask->said[i];
        }
    }
    return NULL;
}

static struct said *said_of(struct trace_ask *ask, const struct node_id *id)
{
    struct said *said = said_find(ask, node_id_u64(id));

    if (said != NULL) {
        return said;
    }
    said = realloc(ask->said, (ask->said_len + 1) * sizeof *said);
    if (said == NULL) {
        return NULL;
    }
    ask->said = said;
    said += ask->said_len++;
    *said = (struct said){.id = *id, .error_us = UINT64_MAX};
    return said;
}

static void compare_clocks(struct said *said, const struct trace *trace,
                           uint64_t asked_us, const struct traced *traced)
{
    uint64_t came_us = trace_now_us(trace);
    uint64_t half_us = (came_us - asked_us) / 2;

    if (half_us < said->error_us) {
        uint64_t wall_us = trace_wall_us(trace) - half_us;
        said->error_us = half_us;
        said->offset_us = (int64_t)(traced->now_us - (asked_us + half_us));
        said->clock_us = (int64_t)(traced->wall_us - wall_us);
    }
}

static void note_older(struct trace_ask *ask, const struct node_id *id)
{
    struct said *said = said_of(ask, id);

    if (said != NULL) {
        said->older = true;
    }
}

/* What makes no sense is no answer. */
static void on_answer(void *data, const struct call_answer *answer)
{
    const struct round *round = data;
    struct trace_ask *ask = round->ask;
    struct traced traced;

    if (answer->outcome == CALL_UNKNOWN) {
        note_older(ask, &answer->id);
        return;
    }
    if (answer->outcome != CALL_ANSWERED ||
        traced_read(answer->body, &traced) != 0) {
        return;
    }
    struct said *said = said_of(ask, &answer->id);
    if (said == NULL) {
        return;
    }
    compare_clocks(said, &ask->core->trace, round->asked_us, &traced);
    buf_reset(&said->body);
    buf_add_bytes(&said->body, answer->body);
    said->speaks = !said->body.failed;
}

static void on_done(void *data, const struct call_answer *answers, size_t len)
{
    struct round *round = data;

    (void)answers;
    (void)len;
    round->number = 0;
    if (round->ask->rounds_made >= ROUNDS_MIN && is_complete(round->ask)) {
        finish(round->ask);
    }
}

/* --- is all of it known? --- */

static bool read_said(const struct said *said, struct traced *traced)
{
    return said != NULL && said->speaks &&
           traced_read(buf_bytes(&said->body), traced) == 0;
}

/* It has the item, or will never say. */
static bool has_told(const struct trace_ask *ask, uint64_t id)
{
    const struct said *said = said_find(ask, id);
    struct traced traced;

    return said != NULL &&
           (said->older || (read_said(said, &traced) && traced.seen));
}

/* What a node says of the item will not change, and who it was sent to has it.
 */
static bool is_settled(const struct trace_ask *ask, const struct traced *traced)
{

    if (traced->waiting > 0) {
        return false;
    }
    for (size_t i = 0; i < traced->sends_len; i++) {
        const struct traced_send *send = &traced->sends[i];
        if (send->outcome == TRACED_QUEUED ||
            (send->outcome == TRACED_SENT && !has_told(ask, send->to))) {
            return false;
        }
    }
    return true;
}

static bool is_complete(const struct trace_ask *ask)
{
    struct traced traced;

    trace_tell(&ask->core->trace, ask->question.origin, ask->question.count, 0,
               &traced);
    if (!is_settled(ask, &traced)) {
        return false;
    }
    for (size_t i = 0; i < ask->said_len; i++) {
        if (read_said(&ask->said[i], &traced) && traced.seen &&
            !is_settled(ask, &traced)) {
            return false;
        }
    }
    return true;
}

/* --- the report --- */

static void finish(struct trace_ask *ask)
{
    build(ask);
    const struct trace_report report = {
        .origin = ask->question.origin,
        .count = ask->question.count,
        .cache = ask->question.cache,
        .topic = ask->question.topic,
        .nodes = ask->nodes,
        .nodes_len = ask->nodes_len,
        .silent = (const char(*)[MEMBER_NAME_MAX])ask->silent.list,
        .silent_len = ask->silent.len,
        .older = (const char(*)[MEMBER_NAME_MAX])ask->older.list,
        .older_len = ask->older.len,
    };
    ask->on_report(ask->data, &report);
    trace_ask_forget(ask);
}

static bool member_of(const struct core *core, uint64_t id,
                      struct cluster_member *member)
{
    for (size_t i = 0;
         core->cluster != NULL && cluster_member_at(core->cluster, i, member);
         i++) {
        if (node_id_u64(&member->node.id) == id) {
            return true;
        }
    }
    return false;
}

void trace_name(const struct core *core, uint64_t id,
                char name[MEMBER_NAME_MAX])
{
    static const char digits[] = "0123456789abcdef";
    struct cluster_member member;

    if (member_of(core, id, &member)) {
        member_name(&member, name);
        return;
    }
    for (size_t i = 0; i < 16; i++) {
        name[i] = digits[id >> (60 - 4 * i) & 15];
    }
    name[16] = '\0';
}

static void copy_text(char *to, size_t cap, struct bytes from)
{
    assert(from.len < cap);
    if (from.len > 0) {
        memcpy(to, from.p, from.len);
    }
    to[from.len] = '\0';
}

static struct trace_node *node_find(const struct trace_ask *ask, uint64_t id)
{
    for (size_t i = 0; i < ask->nodes_len; i++) {
        if (ask->nodes[i].id == id) {
            return &ask->nodes[i];
        }
    }
    return NULL;
}

static void add_self(struct trace_ask *ask)
{
    const struct core *core = ask->core;
    struct trace_node *node = &ask->nodes[ask->nodes_len++];

    *node = (struct trace_node){.id = core->node_u64,
                                .shift_us = -(int64_t)ask->start_us};
    trace_name(core, node->id, node->name);
    copy_text(node->region, sizeof node->region, bytes_str(core->region));
    trace_tell(&core->trace, ask->question.origin, ask->question.count,
               hub_told_ms(core->hub, ask->question.hash, ask->question.cache,
                           ask->question.topic),
               &node->traced);
}

static void add_node(struct trace_ask *ask, const struct said *said)
{
    struct trace_node *node = &ask->nodes[ask->nodes_len];
    struct cluster_member member;

    *node = (struct trace_node){
        .id = node_id_u64(&said->id),
        .shift_us = -said->offset_us - (int64_t)ask->start_us,
        .error_us = said->error_us,
        .clock_us = said->clock_us,
    };
    if (!read_said(said, &node->traced) || !node->traced.seen) {
        return;
    }
    trace_name(ask->core, node->id, node->name);
    if (member_of(ask->core, node->id, &member)) {
        copy_text(node->region, sizeof node->region, member.node.region);
    }
    ask->nodes_len++;
}

/* Where a node's item went: what was sent and did not arrive is lost; what
 * arrived did so afterwards, and follows in the list. */
static void follow(struct trace_ask *ask, size_t at)
{
    struct traced *traced = &ask->nodes[at].traced;
    struct traced next;

    for (size_t i = 0; i < traced->sends_len; i++) {
        struct traced_send *send = &traced->sends[i];
        const struct said *said = said_find(ask, send->to);
        if (send->outcome != TRACED_SENT || !read_said(said, &next)) {
            continue;
        }
        if (!next.seen) {
            send->outcome = TRACED_DROPPED;
            send->why = TRACED_WHY_LOST;
            continue;
        }
        if (node_find(ask, send->to) != NULL) {
            continue;
        }
        add_node(ask, said);
        struct trace_node *node = &ask->nodes[ask->nodes_len - 1];
        int64_t sent_us = (int64_t)send->at_us + ask->nodes[at].shift_us;
        int64_t came_us = (int64_t)node->traced.at_us + node->shift_us;
        node->shift_us += came_us < sent_us ? sent_us - came_us : 0;
    }
}

/* Also those of which no sender told. */
static void add_nodes(struct trace_ask *ask)
{
    size_t at = 0;

    add_self(ask);
    for (size_t i = 0; i <= ask->said_len; i++) {
        for (; at < ask->nodes_len; at++) {
            follow(ask, at);
        }
        if (i < ask->said_len &&
            node_find(ask, node_id_u64(&ask->said[i].id)) == NULL) {
            add_node(ask, &ask->said[i]);
        }
    }
}

static void add_name(struct names *names, const struct cluster_member *member)
{
    char(*list)[MEMBER_NAME_MAX] = realloc(names->list,
                                           (names->len + 1) * sizeof *list);

    if (list != NULL) {
        names->list = list;
        member_name(member, list[names->len++]);
    }
}

/* Who says nothing of it. */
static void add_others(struct trace_ask *ask)
{
    const struct cluster *cluster = ask->core->cluster;
    struct cluster_member member;

    for (size_t i = 0;
         cluster != NULL && cluster_member_at(cluster, i, &member); i++) {
        const struct said *said = said_find(ask, node_id_u64(&member.node.id));
        if (member.self || !member_may_run(cluster, &member) ||
            (said != NULL && said->speaks)) {
            continue;
        }
        add_name(said != NULL && said->older ? &ask->older : &ask->silent,
                 &member);
    }
}

/* Where memory is short it is what there was memory for. */
static void build(struct trace_ask *ask)
{
    ask->nodes = calloc(ask->said_len + 1, sizeof *ask->nodes);
    if (ask->nodes != NULL) {
        add_nodes(ask);
    }
    add_others(ask);
}
