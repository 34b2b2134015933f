/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/usage.h"

#include <assert.h>
#include <stdlib.h>

#include "node/core.h"
#include "node/hub/lookup.h"
#include "node/mesh/calls.h"
#include "node/mesh/member.h"
#include "proto/err.h"

/* A node that answered something. */
struct said {
    struct node_id id;
    uint64_t since_ms;
    unsigned parts; /* that came, one after another */
    bool whole;     /* its last row was among them */
};

struct usage_ask {
    struct core *core;
    void *data;
    void (*on_report)(void *data, const struct usage_report *report);
    uint64_t number; /* of the call */
    uint64_t by_ms;
    struct usage_question question;
    unsigned parts; /* that were asked for */
    bool more;      /* someone has rows beyond this part */
    bool failed;    /* memory was short */

    struct said *said;
    size_t said_len;
    struct lookup by_name; /* struct usage_row, by cache and region */
    struct usage_row **rows;
    size_t rows_len;
    size_t rows_cap;
    struct usage_node *nodes;
    size_t nodes_len;
};

static bool answer(void *data, struct bytes body, struct buf *out);
static int ask_part(struct usage_ask *ask);
static void on_answers(void *data, const struct call_answer *answers,
                       size_t len);
static void take(struct usage_ask *ask, const struct call_answer *said);
static void add_row(struct usage_ask *ask, struct bytes cache,
                    struct bytes region, const struct usage *usage);
static void report(struct usage_ask *ask);
static void ask_free(struct usage_ask *ask);

/* --- one node --- */

void usage_serve(struct core *core)
{
    calls_serve(core->calls, CALL_USAGE, answer, core);
}

static uint64_t rows_of(const struct meters *meters)
{
    uint64_t len = 0;

    while (meters_at(meters, len) != NULL) {
        len++;
    }
    return len;
}

static bool answer(void *data, struct bytes body, struct buf *out)
{
    const struct core *core = data;
    const struct meters *meters = &core->meters;
    struct usage_question question;

    if (usage_question_read(body, &question) != 0) {
        return false;
    }
    uint64_t all = rows_of(meters);
    uint64_t left = question.from < all ? all - question.from : 0;
    const struct usage_answer head = {
        .since_ms = core->since_ms,
        .region = bytes_str(core->region),
        .rows_all = all,
        .rows_len = (uint32_t)(left < question.most ? left : question.most),
    };

    usage_answer_write(&head, out);
    for (uint32_t i = 0; i < head.rows_len; i++) {
        const struct meter *meter = meters_at(meters, question.from + i);
        usage_row_write(meter_name(meter), &meter->usage, out);
    }
    return true;
}

static void add_own(struct usage_ask *ask)
{
    const struct core *core = ask->core;
    const struct meter *meter;

    for (size_t i = 0; (meter = meters_at(&core->meters, i)) != NULL; i++) {
        add_row(ask, meter_name(meter), bytes_str(core->region), &meter->usage);
    }
}

/* --- asking --- */

int usage_start(struct usage_ask **out, struct core *core, void *data,
                void (*on_report)(void *data,
                                  const struct usage_report *report))
{
    if (core->calls == NULL) {
        return ERR_NOT_READY;
    }
    struct usage_ask *ask = calloc(1, sizeof *ask);
    if (ask == NULL) {
        return ERR_NOMEM;
    }
    ask->core = core;
    ask->data = data;
    ask->on_report = on_report;
    ask->by_ms = core->now_ms + USAGE_WAIT_MS;
    add_own(ask);
    int rc = ask->failed ? ERR_NOMEM : ask_part(ask);
    if (rc != 0) {
        ask_free(ask);
        return rc;
    }
    *out = ask;
    return 0;
}

void usage_forget(struct usage_ask *ask)
{
    calls_forget(ask->core->calls, ask->number);
    ask_free(ask);
}

static void ask_free(struct usage_ask *ask)
{
    for (size_t i = 0; i < ask->rows_len; i++) {
        free(ask->rows[i]);
    }
    free(ask->rows);
    free(ask->said);
    free(ask->nodes);
    lookup_fini(&ask->by_name);
    free(ask);
}

static size_t members_of(const struct core *core)
{
    struct cluster_member member;
    size_t len = 0;

    while (core->cluster != NULL &&
           cluster_member_at(core->cluster, len, &member)) {
        len++;
    }
    return len;
}

/* So many that the answers of all fit the call. */
static uint64_t rows_at_once(const struct core *core)
{
    size_t each = CALL_LEN_MAX / (members_of(core) + 1);

    if (each > PEER_BODY_LEN_MAX) {
        each = PEER_BODY_LEN_MAX;
    }
    return each < USAGE_HEAD_LEN_MAX + 2 * USAGE_ROW_LEN_MAX
               ? 1
               : (each - USAGE_HEAD_LEN_MAX) / USAGE_ROW_LEN_MAX;
}

static int ask_part(struct usage_ask *ask)
{
    struct core *core = ask->core;
    struct buf body = {0};

    ask->question.from += ask->question.most;
    ask->question.most = rows_at_once(core);
    ask->more = false;
    usage_question_write(&ask->question, &body);
    const struct call call = {
        .kind = CALL_USAGE,
        .body = buf_bytes(&body),
        .wait_ms = ask->by_ms > core->now_ms ? ask->by_ms - core->now_ms : 0,
        .on_done = on_answers,
        .data = ask,
    };
    int rc = body.failed ? ERR_NOMEM
                         : calls_ask(core->calls, &call, &ask->number);
    buf_fini(&body);
    ask->parts += rc == 0;
    return rc;
}

static void on_answers(void *data, const struct call_answer *answers,
                       size_t len)
{
    struct usage_ask *ask = data;

    for (size_t i = 0; i < len; i++) {
        if (answers[i].outcome == CALL_ANSWERED) {
            take(ask, &answers[i]);
        }
    }
    if (!ask->more || ask->core->now_ms >= ask->by_ms || ask_part(ask) != 0) {
        report(ask);
        ask_free(ask);
    }
}

/* --- what each said --- */

static struct said *said_find(const struct usage_ask *ask,
                              const struct node_id *id)
{
    for (size_t i = 0; i < ask->said_len; i++) {
        if (node_id_eq(&ask->said[i].id, id)) {
            return &ask->said[i];
        }
    }
    return NULL;
}

static struct said *said_of(struct usage_ask *ask, const struct node_id *id)
{
    struct said *said = said_find(ask, id);

    if (said != NULL) {
        return said;
    }
    said = realloc(ask->said, (ask->said_len + 1) * sizeof *said);
    if (said == NULL) {
        return NULL;
    }
    ask->said = said;
    said += ask->said_len++;
    *said = (struct said){.id = *id};
    return said;
}

static void take(struct usage_ask *ask, const struct call_answer *from)
{
    struct usage_answer answer;
    struct usage usage;
    struct bytes cache;
    struct said *said = said_of(ask, &from->id);

    if (said == NULL || usage_answer_read(from->body, &answer) != 0) {
        return; /* it has not answered */
    }
    uint64_t to = ask->question.from + ask->question.most;
    said->since_ms = answer.since_ms;
    said->parts += said->parts + 1 == ask->parts;
    said->whole |= said->parts == ask->parts && answer.rows_all <= to;
    ask->more |= answer.rows_all > to;
    while (usage_row_read(&answer, &cache, &usage)) {
        add_row(ask, cache, answer.region, &usage);
    }
}

/* --- rows --- */

static uint64_t row_hash(const struct usage_ask *ask, struct bytes cache,
                         struct bytes region)
{
    const struct hash_key *key = &ask->core->hash_key;

    return hash_mix(hash_bytes(key, cache)) ^ hash_bytes(key, region);
}

static struct usage_row *find_row(const struct usage_ask *ask, uint64_t hash,
                                  struct bytes cache, struct bytes region)
{
    size_t at;
    struct usage_row *row = lookup_first(&ask->by_name, hash, &at);

    while (row != NULL && !(bytes_eq(bytes_str(row->cache), cache) &&
                            bytes_eq(bytes_str(row->region), region))) {
        row = lookup_next(&ask->by_name, hash, &at);
    }
    return row;
}

static void put_text(char *to, size_t max, struct bytes text)
{
    assert(text.len < max);
    if (text.len > 0) {
        memcpy(to, text.p, text.len);
    }
    to[text.len] = '\0';
}

static bool make_room(struct usage_ask *ask)
{
    size_t cap = ask->rows_cap == 0 ? 16 : ask->rows_cap * 2;

    if (ask->rows_len < ask->rows_cap) {
        return true;
    }
    struct usage_row **rows = realloc(ask->rows,
                                      cap * sizeof(struct usage_row *));
    if (rows == NULL) {
        return false;
    }
    ask->rows = rows;
    ask->rows_cap = cap;
    return true;
}

static struct usage_row *new_row(struct usage_ask *ask, uint64_t hash,
                                 struct bytes cache, struct bytes region)
{
    struct usage_row *row = make_room(ask) ? calloc(1, sizeof *row) : NULL;

    if (row == NULL) {
        return NULL;
    }
    if (lookup_add(&ask->by_name, hash, row) != 0) {
        free(row);
        return NULL;
    }
    put_text(row->cache, sizeof row->cache, cache);
    put_text(row->region, sizeof row->region, region);
    ask->rows[ask->rows_len++] = row;
    return row;
}

static void add_row(struct usage_ask *ask, struct bytes cache,
                    struct bytes region, const struct usage *usage)
{
    static const struct usage none;
    uint64_t hash = row_hash(ask, cache, region);
    struct usage_row *row = find_row(ask, hash, cache, region);

    if (memcmp(usage, &none, sizeof none) == 0) {
        return;
    }
    if (row == NULL && cache.len > 0 && ask->rows_len >= USAGE_ROWS_MAX) {
        add_row(ask, bytes_of(NULL, 0), region, usage);
        return;
    }
    if (row == NULL) {
        row = new_row(ask, hash, cache, region);
    }
    if (row == NULL) {
        ask->failed = true;
        return;
    }
    usage_add(&row->usage, usage);
}

static int compare_rows(const void *a, const void *b)
{
    const struct usage_row *one = *(const struct usage_row *const *)a;
    const struct usage_row *other = *(const struct usage_row *const *)b;
    int order = strcmp(one->cache, other->cache);

    return order != 0 ? order : strcmp(one->region, other->region);
}

/* --- the report --- */

static bool add_node(struct usage_ask *ask, const struct usage_node *node)
{
    struct usage_node *nodes = realloc(ask->nodes,
                                       (ask->nodes_len + 1) * sizeof *nodes);

    if (nodes == NULL) {
        ask->failed = true;
        return false;
    }
    ask->nodes = nodes;
    nodes[ask->nodes_len++] = *node;
    return true;
}

static void add_self(struct usage_ask *ask)
{
    const struct core *core = ask->core;
    struct usage_node node = {
        .id = core->id,
        .self = true,
        .answered = true,
        .since_ms = core->since_ms,
    };

    put_text(node.name, sizeof node.name, bytes_str(core->name));
    put_text(node.region, sizeof node.region, bytes_str(core->region));
    (void)add_node(ask, &node);
}

static void add_others(struct usage_ask *ask)
{
    const struct cluster *cluster = ask->core->cluster;
    struct cluster_member member;

    for (size_t i = 0;
         cluster != NULL && cluster_member_at(cluster, i, &member); i++) {
        if (member.self || !member_may_run(cluster, &member)) {
            continue;
        }
        struct usage_node node = {
            .id = member.node.id,
            .dead = member.state == CLUSTER_STATE_DEAD,
        };
        const struct said *said = said_find(ask, &node.id);
        if (said != NULL) {
            node.answered = said->whole;
            node.since_ms = said->since_ms;
        }
        member_name(&member, node.name);
        put_text(node.region, sizeof node.region, member.node.region);
        if (!add_node(ask, &node)) {
            return;
        }
    }
}

static void report(struct usage_ask *ask)
{
    struct usage_report report = {.complete = true};

    add_self(ask);
    add_others(ask);
    if (ask->rows_len > 0) {
        qsort(ask->rows, ask->rows_len, sizeof ask->rows[0], compare_rows);
    }
    for (size_t i = 0; i < ask->nodes_len; i++) {
        report.complete = report.complete && ask->nodes[i].answered;
    }
    report.complete = report.complete && !ask->failed;
    report.nodes = ask->nodes;
    report.nodes_len = ask->nodes_len;
    report.rows = ask->rows;
    report.rows_len = ask->rows_len;
    ask->on_report(ask->data, &report);
}
