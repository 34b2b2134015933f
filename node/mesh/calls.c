/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/calls.h"

#include <assert.h>
#include <stdlib.h>

#include "node/core.h"
#include "proto/err.h"

enum {
    OWN_SLOT = UINT16_MAX, /* this node itself */
};
static_assert((int)OWN_SLOT == (int)CLUSTER_SLOT_NONE, "no peer's");

/* Of one peer, beside its answer. */
struct wait {
    uint16_t slot;
    bool waiting;
    size_t at; /* where its body starts */
};

struct asked {
    struct asked *next;
    struct calls *calls;
    struct deadline deadline;
    struct call call;
    uint64_t number;
    uint64_t by_ms;
    uint64_t asked_us;
    size_t waiting_len;
    struct buf question; /* of this node, until it was asked */
    bool asks_own;
    struct buf bodies;
    struct call_answer *answers;
    size_t len;
    struct wait waits[];
};

struct calls {
    struct core *core;
    struct calls_world world;
    struct {
        call_handler handler;
        call_taker taker; /* instead */
        void *data;
    } kinds[CALL_KINDS_MAX];
    struct asked *first;
    size_t len;
    uint64_t made;
};

static struct asked *asked_new(struct calls *calls, const struct call *call);
static void asked_free(struct asked *asked);
static void on_due(struct deadline *deadline, uint64_t now_ms);
static void ask_own(struct asked *asked);
static void finish(struct asked *asked);
static void answer_call(struct calls *calls, const struct call_ticket *ticket,
                        struct bytes body);
static void take_call(struct calls *calls, uint16_t slot,
                      const struct peer_message *message);
static void take_reply(struct calls *calls, uint16_t slot,
                       const struct peer_message *message);

/* --- life --- */

struct calls *calls_new(struct core *core, const struct calls_world *world)
{
    struct calls *calls = calloc(1, sizeof *calls);

    if (calls != NULL) {
        calls->core = core;
        calls->world = *world;
    }
    return calls;
}

void calls_free(struct calls *calls)
{
    if (calls == NULL) {
        return;
    }
    while (calls->first != NULL) {
        calls_forget(calls, calls->first->number);
    }
    free(calls);
}

void calls_serve(struct calls *calls, enum call_kind kind, call_handler handler,
                 void *data)
{
    assert((size_t)kind < CALL_KINDS_MAX);
    calls->kinds[kind].handler = handler;
    calls->kinds[kind].data = data;
}

void calls_serve_later(struct calls *calls, enum call_kind kind,
                       call_taker taker, void *data)
{
    assert((size_t)kind < CALL_KINDS_MAX);
    calls->kinds[kind].taker = taker;
    calls->kinds[kind].data = data;
}

static size_t linked_len(const struct calls *calls)
{
    size_t len = 0;

    for (uint16_t slot = 0;
         calls->world.linked(calls->world.data, &slot) != NULL; slot++) {
        len++;
    }
    return len;
}

size_t calls_room(const struct calls *calls)
{
    size_t room = CALL_LEN_MAX / (linked_len(calls) + 1);

    return room < PEER_BODY_LEN_MAX ? room : PEER_BODY_LEN_MAX;
}

static void name_own(struct asked *asked)
{
    struct core *core = asked->calls->core;
    struct call_answer *answer = &asked->answers[asked->len];

    answer->id = core->id;
    memcpy(answer->name, core->name, sizeof answer->name);
    asked->waits[asked->len] = (struct wait){.slot = OWN_SLOT, .waiting = true};
    asked->waiting_len++;
    asked->asks_own = true;
    asked->len++;
}

static void name_peer(struct call_answer *answer, const struct peer_node *peer)
{
    assert(peer->name.len <= NODE_NAME_LEN_MAX);
    answer->id = peer->id;
    if (peer->name.len > 0) {
        memcpy(answer->name, peer->name.p, peer->name.len);
    }
    answer->name[peer->name.len] = '\0';
}

static struct asked *asked_new(struct calls *calls, const struct call *call)
{
    size_t len = linked_len(calls);
    struct asked *asked = calloc(1, sizeof *asked +
                                        (len + 1) * sizeof(struct wait));
    const struct peer_node *peer;
    uint16_t slot = 0;

    if (asked == NULL) {
        return NULL;
    }
    asked->answers = calloc(len + 1, sizeof *asked->answers);
    if (asked->answers == NULL) {
        free(asked);
        return NULL;
    }
    asked->calls = calls;
    asked->call = *call;
    asked->number = ++calls->made;
    asked->by_ms = calls->core->now_ms + call->wait_ms;
    asked->deadline.on_due = on_due;
    asked->bodies.max = CALL_LEN_MAX;
    asked->len = len;
    for (size_t i = 0; i < len; i++, slot++) {
        peer = calls->world.linked(calls->world.data, &slot);
        name_peer(&asked->answers[i], peer);
        asked->waits[i].slot = slot;
    }
    if (call->own) {
        buf_add_bytes(&asked->question, call->body);
        if (asked->question.failed) {
            asked_free(asked);
            return NULL;
        }
    }
    return asked;
}

static void asked_free(struct asked *asked)
{
    buf_fini(&asked->bodies);
    buf_fini(&asked->question);
    free(asked->answers);
    free(asked);
}

/* --- asking --- */

static uint64_t clock_us(const struct calls *calls)
{
    const struct calls_world *world = &calls->world;

    return world->clock_us == NULL ? 0 : world->clock_us(world->data);
}

static void tell_all(struct asked *asked)
{
    const struct calls_world *world = &asked->calls->world;
    const struct peer_message message = {
        .type = PEER_CALL,
        .number = asked->number,
        .kind = asked->call.kind,
        .body = asked->call.body,
    };

    for (size_t i = 0; i < asked->len; i++) {
        if (world->tell(world->data, asked->waits[i].slot, &message)) {
            asked->waits[i].waiting = true;
            asked->waiting_len++;
        } else {
            asked->answers[i].outcome = CALL_DOWN;
        }
    }
    asked->call.body = (struct bytes){0}; /* the caller's */
}

int calls_ask(struct calls *calls, const struct call *call, uint64_t *number)
{
    struct core *core = calls->core;
    struct asked *asked;

    if (call->body.len > PEER_BODY_LEN_MAX) {
        return ERR_TOO_BIG;
    }
    if (calls->len >= CALLS_MAX) {
        return ERR_LIMIT;
    }
    asked = asked_new(calls, call);
    if (asked == NULL) {
        return ERR_NOMEM;
    }
    asked->asked_us = clock_us(calls);
    tell_all(asked);
    bool waits = asked->waiting_len > 0;
    if (call->own) {
        name_own(asked);
    }
    if (deadline_set(&core->deadlines, &asked->deadline,
                     waits && !call->own ? asked->by_ms : core->now_ms) != 0) {
        asked_free(asked); /* what they answer is dropped */
        return ERR_NOMEM;
    }
    asked->next = calls->first;
    calls->first = asked;
    calls->len++;
    *number = asked->number;
    return 0;
}

static void unlist(struct asked *asked)
{
    struct calls *calls = asked->calls;
    struct asked **at = &calls->first;

    while (*at != asked) {
        at = &(*at)->next;
    }
    *at = asked->next;
    calls->len--;
    (void)deadline_set(&calls->core->deadlines, &asked->deadline,
                       DEADLINE_NEVER);
}

static struct asked *find(const struct calls *calls, uint64_t number)
{
    struct asked *asked = calls->first;

    while (asked != NULL && asked->number != number) {
        asked = asked->next;
    }
    return asked;
}

void calls_forget(struct calls *calls, uint64_t number)
{
    struct asked *asked = find(calls, number);

    if (asked != NULL) {
        unlist(asked);
        asked_free(asked);
    }
}

static void on_due(struct deadline *deadline, uint64_t now_ms)
{
    struct asked *asked = (struct asked *)(void *)((char *)deadline -
                                                   offsetof(struct asked,
                                                            deadline));

    (void)now_ms;
    if (asked->asks_own) {
        ask_own(asked);
    } else {
        finish(asked);
    }
}

/* The answer may end the call, and whoever asked may forget it meanwhile. */
static void ask_own(struct asked *asked)
{
    struct calls *calls = asked->calls;
    const struct call_ticket ticket = {
        .from = calls->core->id,
        .number = asked->number,
        .slot = OWN_SLOT,
        .kind = asked->call.kind,
    };
    struct buf question = asked->question;

    asked->question = (struct buf){0};
    asked->asks_own = false;
    if (deadline_set(&calls->core->deadlines, &asked->deadline, asked->by_ms) !=
        0) {
        finish(asked); /* memory is short: with what there is */
    } else {
        answer_call(calls, &ticket, buf_bytes(&question));
    }
    buf_fini(&question);
}

static void finish(struct asked *asked)
{
    unlist(asked);
    for (size_t i = 0; i < asked->len; i++) {
        struct call_answer *answer = &asked->answers[i];
        if (answer->outcome != CALL_ANSWERED) {
            asked->calls->core->stats.calls_unanswered += !asked->call.is_quiet;
        } else if (answer->body.len > 0) {
            answer->body.p = asked->bodies.p + asked->waits[i].at;
        }
    }
    asked->call.on_done(asked->call.data, asked->answers, asked->len);
    asked_free(asked);
}

/* --- what peers say --- */

void calls_take(struct calls *calls, uint16_t slot,
                const struct peer_message *message)
{
    if (message->type == PEER_CALL) {
        take_call(calls, slot, message);
    } else if (message->type == PEER_REPLY) {
        take_reply(calls, slot, message);
    }
}

/* Lost for want of memory or room: the asker waits no longer than it said. */
static void say(struct calls *calls, const struct call_ticket *ticket,
                uint8_t status, struct bytes body)
{
    const struct peer_message reply = {
        .type = PEER_REPLY,
        .number = ticket->number,
        .kind = ticket->kind,
        .status = status,
        .body = body,
    };

    if (ticket->slot == OWN_SLOT) {
        take_reply(calls, OWN_SLOT, &reply);
    } else {
        (void)calls->world.tell(calls->world.data, ticket->slot, &reply);
    }
}

static void say_done(struct calls *calls, const struct call_ticket *ticket,
                     const struct buf *body)
{
    bool done = body != NULL && !body->failed && body->len <= PEER_BODY_LEN_MAX;

    say(calls, ticket, done ? PEER_REPLY_DONE : PEER_REPLY_FAILED,
        done ? buf_bytes(body) : (struct bytes){0});
}

static void answer_call(struct calls *calls, const struct call_ticket *ticket,
                        struct bytes body)
{
    size_t kind = ticket->kind;
    struct buf out = {.max = PEER_BODY_LEN_MAX};

    if (kind < CALL_KINDS_MAX && calls->kinds[kind].taker != NULL) {
        calls->kinds[kind].taker(calls->kinds[kind].data, body, ticket);
    } else if (kind < CALL_KINDS_MAX && calls->kinds[kind].handler != NULL) {
        bool done = calls->kinds[kind].handler(calls->kinds[kind].data, body,
                                               &out);
        say_done(calls, ticket, done ? &out : NULL);
    } else {
        say(calls, ticket, PEER_REPLY_UNKNOWN, (struct bytes){0});
    }
    buf_fini(&out);
}

static const struct peer_node *linked_at(const struct calls *calls,
                                         uint16_t slot)
{
    uint16_t at = slot;
    const struct peer_node *peer = calls->world.linked(calls->world.data, &at);

    return at == slot ? peer : NULL;
}

static void take_call(struct calls *calls, uint16_t slot,
                      const struct peer_message *message)
{
    struct call_ticket ticket = {
        .number = message->number,
        .slot = slot,
        .kind = message->kind,
    };
    const struct peer_node *peer = linked_at(calls, slot);

    if (peer != NULL) {
        ticket.from = peer->id;
    }
    answer_call(calls, &ticket, message->body);
}

/* Whether the one who asked still has that slot. */
static bool is_there(const struct calls *calls,
                     const struct call_ticket *ticket)
{
    const struct peer_node *peer = ticket->slot == OWN_SLOT
                                       ? NULL
                                       : linked_at(calls, ticket->slot);

    return ticket->slot == OWN_SLOT ||
           (peer != NULL && node_id_eq(&peer->id, &ticket->from));
}

void calls_reply(struct calls *calls, const struct call_ticket *ticket,
                 const struct buf *body)
{
    if (is_there(calls, ticket)) {
        say_done(calls, ticket, body);
    }
}

static void stop_waiting(struct asked *asked, struct wait *wait,
                         enum call_outcome outcome)
{
    wait->waiting = false;
    asked->answers[wait - asked->waits].outcome = outcome;
    asked->waiting_len--;
}

static struct wait *wait_of(struct asked *asked, uint16_t slot)
{
    for (size_t i = 0; i < asked->len; i++) {
        if (asked->waits[i].slot == slot) {
            return asked->waits[i].waiting ? &asked->waits[i] : NULL;
        }
    }
    return NULL;
}

/* Keeps the body if there is room for it. */
static enum call_outcome keep(struct asked *asked, struct wait *wait,
                              const struct peer_message *message)
{
    if (message->status == PEER_REPLY_UNKNOWN) {
        return CALL_UNKNOWN;
    }
    if (message->status != PEER_REPLY_DONE) {
        return CALL_FAILED;
    }
    wait->at = asked->bodies.len;
    buf_add_bytes(&asked->bodies, message->body);
    if (asked->bodies.failed) {
        asked->bodies.failed = false; /* a smaller one may still fit */
        return CALL_FAILED;
    }
    struct call_answer *answer = &asked->answers[wait - asked->waits];
    answer->body.len = message->body.len;
    answer->took_us = clock_us(asked->calls) - asked->asked_us;
    return CALL_ANSWERED;
}

/* false: the asker has forgotten the call. */
static bool tell_answer(struct asked *asked, const struct wait *wait)
{
    struct calls *calls = asked->calls;
    uint64_t number = asked->number;
    struct call_answer answer = asked->answers[wait - asked->waits];

    if (asked->call.on_answer == NULL) {
        return true;
    }
    if (answer.body.len > 0) {
        answer.body.p = asked->bodies.p + wait->at;
    }
    asked->call.on_answer(asked->call.data, &answer);
    return find(calls, number) != NULL;
}

static void take_reply(struct calls *calls, uint16_t slot,
                       const struct peer_message *message)
{
    struct asked *asked = find(calls, message->number);
    struct wait *wait = asked == NULL ? NULL : wait_of(asked, slot);

    if (wait == NULL || message->kind != asked->call.kind) {
        return; /* late, or never asked */
    }
    stop_waiting(asked, wait, keep(asked, wait, message));
    if (tell_answer(asked, wait) && asked->waiting_len == 0) {
        finish(asked);
    }
}

/* Those that have nobody left to wait for end in the next turn: the news of a
 * broken link may come in the middle of anything. */
void calls_peer_down(struct calls *calls, uint16_t slot)
{
    struct core *core = calls->core;

    for (struct asked *asked = calls->first; asked != NULL;
         asked = asked->next) {
        struct wait *wait = wait_of(asked, slot);
        if (wait == NULL) {
            continue;
        }
        stop_waiting(asked, wait, CALL_DOWN);
        if (asked->waiting_len == 0) { /* moving cannot fail */
            (void)deadline_set(&core->deadlines, &asked->deadline,
                               core->now_ms);
        }
    }
}
