/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/rotation.h"

#include <assert.h>
#include <stdlib.h>

#include "node/core.h"
#include "node/mesh/calls.h"
#include "node/mesh/keyring.h"
#include "node/mesh/member.h"
#include "proto/err.h"

struct rotation {
    struct core *core;
    struct rotation_options options;
    char by[TOKEN_SUBJECT_LEN_MAX + 1];
    struct keys_call call; /* what everyone is asked now */
    struct keys_state own; /* what became of it here */
    uint64_t number;
    struct rotation_node *nodes;
    size_t len;
    size_t cap;
};

static int ask(struct rotation *rotation);
static void on_answers(void *data, const struct call_answer *answers,
                       size_t len);
static bool answer(void *data, struct bytes body, struct buf *out);
static int secret_of(const struct rotation *rotation, uint8_t *secret);
static void report(struct rotation *rotation, enum rotation_result result,
                   const char *why);

/* --- one node --- */

static void look(const struct core *core, struct keys_state *state)
{
    const struct seal_ring *ring = &core->keyring->ring;

    state->len = ring->keys_len;
    for (size_t i = 0; i < ring->keys_len; i++) {
        state->prints[i] = ring->keys[i].print;
    }
}

static int change(struct core *core, const struct keys_call *call)
{
    struct keyring *keyring = core->keyring;
    uint64_t print;

    if (keyring->insecure) {
        return ERR_STATE;
    }
    switch (call->op) {
    case KEYS_LIST:
        return 0;
    case KEYS_INSTALL:
        return keyring_install(keyring, call->secret, &print);
    case KEYS_USE:
        return keyring_use(keyring, call->print);
    case KEYS_REMOVE:
        return keyring_remove(keyring, call->print, core->now_ms);
    }
    return ERR_ARGUMENT;
}

/* Says what changed, and nothing of what was so already. */
static void log_change(const struct core *core, const struct keys_state *was,
                       const struct keys_state *is)
{
    for (size_t i = 0; i < is->len; i++) {
        if (!keys_state_has(was, is->prints[i])) {
            log_line(core->log, LOG_INFO, "key-installed", "key=%016llx",
                     (unsigned long long)is->prints[i]);
        }
    }
    for (size_t i = 0; i < was->len; i++) {
        if (!keys_state_has(is, was->prints[i])) {
            log_line(core->log, LOG_INFO, "key-removed", "key=%016llx",
                     (unsigned long long)was->prints[i]);
        }
    }
    if (is->prints[0] != was->prints[0]) {
        log_line(core->log, LOG_INFO, "key-sealing", "key=%016llx",
                 (unsigned long long)is->prints[0]);
    }
}

static void apply(struct core *core, const struct keys_call *call,
                  struct keys_state *state)
{
    struct keys_state was = {0};

    *state = (struct keys_state){0};
    look(core, &was);
    state->err = change(core, call);
    look(core, state);
    log_change(core, &was, state);
}

void rotation_serve(struct core *core)
{
    calls_serve(core->calls, CALL_KEYS, answer, core);
}

static bool answer(void *data, struct bytes body, struct buf *out)
{
    struct core *core = data;
    struct keys_call call;
    struct keys_state state;

    if (keys_call_read(body, &call) < 0) {
        return false;
    }
    apply(core, &call, &state);
    explicit_bzero(&call, sizeof call);
    keys_state_write(&state, out);
    return true;
}

/* --- all nodes --- */

static void rotation_free(struct rotation *rotation)
{
    free(rotation->nodes);
    explicit_bzero(rotation, sizeof *rotation);
    free(rotation);
}

int rotation_start(struct rotation **out, struct core *core,
                   const struct rotation_options *options)
{
    const struct keys_wish *wish = &options->wish;

    if (core->keyring == NULL || core->keyring->insecure) {
        return ERR_STATE;
    }
    struct rotation *rotation = calloc(1, sizeof *rotation);
    if (rotation == NULL) {
        return ERR_NOMEM;
    }
    rotation->core = core;
    rotation->options = *options;
    assert(options->by.len < sizeof rotation->by);
    if (options->by.len > 0) {
        memcpy(rotation->by, options->by.p, options->by.len);
    }
    rotation->call.op = wish->op == KEYS_INSTALL ? KEYS_INSTALL : KEYS_LIST;
    rotation->call.print = wish->print;
    int rc = 0;
    if (wish->op == KEYS_INSTALL) {
        rc = secret_of(rotation, rotation->call.secret);
    }
    if (rc == 0) {
        rc = ask(rotation);
    }
    if (rc != 0) {
        rotation_free(rotation);
        return rc;
    }
    *out = rotation;
    return 0;
}

void rotation_cancel(struct rotation *rotation)
{
    calls_forget(rotation->core->calls, rotation->number);
    rotation_free(rotation);
}

/* From the envelope, or this node's own. */
static int secret_of(const struct rotation *rotation, uint8_t *secret)
{
    const struct seal_ring *ring = &rotation->core->keyring->ring;
    const struct keys_wish *wish = &rotation->options.wish;
    ptrdiff_t at = seal_ring_find(ring, wish->print);
    struct buf plain = {0};
    struct seal_key key;
    uint64_t counter;

    if (wish->sealed_len == 0 && at < 0) {
        return ERR_NOT_FOUND;
    }
    if (wish->sealed_len == 0) {
        memcpy(secret, ring->keys[at].secret, SEAL_KEY_LEN);
        return 0;
    }
    int rc = seal_read(ring, SEAL_INSTALL, NULL,
                       bytes_of(wish->sealed, wish->sealed_len), &plain,
                       &counter);
    if (rc == 0) {
        assert(plain.len == SEAL_KEY_LEN); /* as long as the envelope says */
        rc = seal_key_init(&key, plain.p);
        if (rc == 0 && key.print != wish->print) {
            rc = ERR_ARGUMENT;
        }
        memcpy(secret, plain.p, SEAL_KEY_LEN);
        explicit_bzero(&key, sizeof key);
        explicit_bzero(plain.p, plain.cap);
    }
    buf_fini(&plain);
    return rc;
}

/* This node first: what it refuses is not asked of the others. */
static int ask(struct rotation *rotation)
{
    struct buf body = {0};

    apply(rotation->core, &rotation->call, &rotation->own);
    if (rotation->own.err != 0) {
        return rotation->own.err;
    }
    keys_call_write(&rotation->call, &body);
    const struct call call = {
        .kind = CALL_KEYS,
        .body = buf_bytes(&body),
        .wait_ms = ROTATION_WAIT_MS,
        .on_done = on_answers,
        .data = rotation,
    };
    int rc = body.failed
                 ? ERR_NOMEM
                 : calls_ask(rotation->core->calls, &call, &rotation->number);
    if (body.p != NULL) {
        explicit_bzero(body.p, body.cap);
    }
    buf_fini(&body);
    return rc;
}

/* --- who there is, and what each said --- */

static const struct call_answer *answer_of(const struct call_answer *answers,
                                           size_t len, const struct node_id *id)
{
    for (size_t i = 0; i < len; i++) {
        if (node_id_eq(&answers[i].id, id)) {
            return &answers[i];
        }
    }
    return NULL;
}

static const char *fault_of_state(const struct rotation *rotation,
                                  const struct keys_state *state)
{
    uint64_t print = rotation->call.print;

    switch (state->err) {
    case 0:
        break;
    case ERR_NOT_FOUND:
        return "does not have it";
    case ERR_CONFLICT:
        return "seals with it";
    case ERR_LIMIT:
        return "has 8 keys already";
    case ERR_STATE:
        return "runs without keys";
    default:
        return err_text(state->err);
    }
    if (rotation->options.wish.op == KEYS_USE &&
        !keys_state_has(state, print)) {
        return "does not have it";
    }
    if (rotation->options.wish.op == KEYS_REMOVE && state->len > 0 &&
        state->prints[0] == print) {
        return "seals with it";
    }
    return NULL;
}

static void take_answer(const struct rotation *rotation,
                        struct rotation_node *node,
                        const struct call_answer *said)
{
    if (node->self) {
        node->answered = true;
        node->state = rotation->own;
    } else if (said != NULL && said->outcome == CALL_ANSWERED) {
        node->answered = keys_state_read(said->body, &node->state) > 0;
    }
    if (node->answered) {
        node->fault = fault_of_state(rotation, &node->state);
    } else if (said != NULL && said->outcome == CALL_UNKNOWN) {
        node->fault = "too old to change its keys";
    } else {
        node->fault = node->dead ? "dead, or cut off" : "no answer";
    }
}

static void put_text(char *to, size_t max, struct bytes text)
{
    assert(text.len < max);
    if (text.len > 0) {
        memcpy(to, text.p, text.len);
    }
    to[text.len] = '\0';
}

/* NULL: memory is short. */
static struct rotation_node *add_node(struct rotation *rotation)
{
    if (rotation->len == rotation->cap) {
        size_t cap = rotation->cap == 0 ? 16 : rotation->cap * 2;
        struct rotation_node *nodes = realloc(rotation->nodes,
                                              cap * sizeof *nodes);
        if (nodes == NULL) {
            return NULL;
        }
        rotation->nodes = nodes;
        rotation->cap = cap;
    }
    struct rotation_node *node = &rotation->nodes[rotation->len++];
    *node = (struct rotation_node){0};
    return node;
}

static int by_name(const void *left, const void *right)
{
    const struct rotation_node *a = left;
    const struct rotation_node *b = right;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : memcmp(&a->id, &b->id, sizeof a->id);
}

static int gather(struct rotation *rotation, const struct call_answer *answers,
                  size_t len)
{
    const struct core *core = rotation->core;
    struct cluster_member member;

    rotation->len = 0;
    for (size_t i = 0; cluster_member_at(core->cluster, i, &member); i++) {
        if (!member_may_run(core->cluster, &member)) {
            continue;
        }
        struct rotation_node *node = add_node(rotation);
        if (node == NULL) {
            return ERR_NOMEM;
        }
        node->id = member.node.id;
        node->self = member.self;
        node->dead = member.state == CLUSTER_STATE_DEAD;
        member_name(&member, node->name);
        put_text(node->region, sizeof node->region, member.node.region);
        take_answer(rotation, node, answer_of(answers, len, &node->id));
    }
    qsort(rotation->nodes, rotation->len, sizeof rotation->nodes[0], by_name);
    return 0;
}

/* --- what follows from it --- */

static bool all_follow(const struct rotation *rotation)
{
    bool force = rotation->options.wish.force;

    for (size_t i = 0; i < rotation->len; i++) {
        const struct rotation_node *node = &rotation->nodes[i];
        if (node->fault != NULL && (node->answered || !force)) {
            return false;
        }
    }
    return true;
}

static bool are_equal(const struct keys_state *a, const struct keys_state *b)
{
    if (a->len != b->len || a->prints[0] != b->prints[0]) {
        return false;
    }
    for (size_t i = 0; i < a->len; i++) {
        if (!keys_state_has(b, a->prints[i])) {
            return false;
        }
    }
    return true;
}

static void report_list(struct rotation *rotation)
{
    bool equal = true;

    for (size_t i = 0; i < rotation->len; i++) {
        const struct rotation_node *node = &rotation->nodes[i];
        equal = equal &&
                (!node->answered || are_equal(&node->state, &rotation->own));
    }
    if (!equal) {
        report(rotation, ROTATION_PARTIAL, "the nodes have different keys");
    } else if (!all_follow(rotation)) {
        report(rotation, ROTATION_PARTIAL, "not every node answers");
    } else {
        report(rotation, ROTATION_DONE, "all nodes have the same keys");
    }
}

static bool all_answer(const struct rotation *rotation)
{
    for (size_t i = 0; i < rotation->len; i++) {
        if (!rotation->nodes[i].answered) {
            return false;
        }
    }
    return true;
}

static void report_change(struct rotation *rotation)
{
    static const char *const done[] = {
        [KEYS_INSTALL] = "every node opens with it",
        [KEYS_USE] = "every node seals with it",
        [KEYS_REMOVE] = "no node has it any more",
    };

    if (!all_follow(rotation)) {
        report(rotation, ROTATION_PARTIAL, "not every node did it: repeat it");
    } else if (!all_answer(rotation)) {
        report(rotation, ROTATION_DONE,
               "every node that answers did it; the others may have to be "
               "started anew, with the new key file");
    } else {
        report(rotation, ROTATION_DONE, done[rotation->call.op]);
    }
}

/* After the list: asks everyone to do it, or refuses. */
static void go_on(struct rotation *rotation)
{
    bool use = rotation->options.wish.op == KEYS_USE;

    if (!all_follow(rotation)) {
        report(rotation, ROTATION_REFUSED,
               use ? "every node must have it, and answer, before it is used"
                   : "a node seals with it, or may: it does not answer");
        return;
    }
    rotation->call.op = rotation->options.wish.op;
    if (ask(rotation) != 0) {
        report(rotation, ROTATION_PARTIAL,
               "this node cannot ask the others now: repeat it");
    }
}

static void on_answers(void *data, const struct call_answer *answers,
                       size_t len)
{
    struct rotation *rotation = data;

    if (gather(rotation, answers, len) != 0) {
        rotation->len = 0;
        report(rotation, ROTATION_PARTIAL, err_text(ERR_NOMEM));
    } else if (rotation->options.wish.op == KEYS_LIST) {
        report_list(rotation);
    } else if (rotation->call.op == KEYS_LIST) {
        go_on(rotation);
    } else {
        report_change(rotation);
    }
}

const char *rotation_result_name(enum rotation_result result)
{
    static const char *const names[] = {"done", "partial", "refused"};

    return names[result];
}

static void report(struct rotation *rotation, enum rotation_result result,
                   const char *why)
{
    const struct rotation_options *options = &rotation->options;
    const struct rotation_report report = {
        .result = result,
        .why = why,
        .nodes = rotation->nodes,
        .len = rotation->len,
    };

    if (options->wish.op != KEYS_LIST) {
        log_line(rotation->core->log, LOG_INFO, "keys-changed",
                 "op=%s key=%016llx by=%s result=%s why=%s",
                 keys_op_name(options->wish.op),
                 (unsigned long long)options->wish.print, rotation->by,
                 rotation_result_name(result), why);
    }
    options->on_report(options->data, &report);
    rotation_free(rotation);
}
