/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls, with peers that are names and slots: what is told to them is kept, and
 * what they say is given by the test.
 */
#include "tests/test.h"

#include "node/mesh/calls.h"
#include "proto/err.h"
#include "tests/fake_conn.h"

#define KIND CALL_PUBSUB

enum {
    PEERS_MAX = 1024,
    WAIT_MS = 200,
};

struct told {
    uint16_t slot;
    struct peer_message message; /* without its body */
    struct buf body;
};

struct world {
    struct core core;
    struct calls *calls;
    struct peer_node peers[PEERS_MAX]; /* by slot; no name: not linked */
    size_t slots;
    uint16_t deaf; /* of this slot nothing can be told */
    struct told told[4];
    size_t told_len; /* also of those that were not kept */
    size_t handled;

    /* What on_done() was given. */
    size_t done;
    size_t answers_len;
    enum call_outcome outcomes[PEERS_MAX];
    struct buf bodies; /* "slot:body " of each answer */
    char names[4][NODE_NAME_LEN_MAX + 1];
    bool asks_again;
};

static const struct peer_node *fake_linked(void *data, uint16_t *slot)
{
    struct world *w = data;

    for (; *slot < w->slots; (*slot)++) {
        if (w->peers[*slot].name.len > 0) {
            return &w->peers[*slot];
        }
    }
    return NULL;
}

static bool fake_tell(void *data, uint16_t slot,
                      const struct peer_message *message)
{
    struct world *w = data;

    if (slot == w->deaf) {
        return false;
    }
    if (w->told_len < ARRAY_LEN(w->told)) {
        struct told *told = &w->told[w->told_len];
        told->slot = slot;
        told->message = *message;
        buf_reset(&told->body);
        buf_add_bytes(&told->body, message->body);
    }
    w->told_len++;
    return true;
}

static void link_peer(struct world *w, uint16_t slot)
{
    w->peers[slot] = (struct peer_node){
        .id.b = {(uint8_t)(slot >> 8), (uint8_t)slot, 7},
        .name = BYTES("peer"),
    };
    w->slots = slot >= w->slots ? (size_t)slot + 1 : w->slots;
}

static int setup(void **state)
{
    static struct world w;
    const struct calls_world around = {
        .data = &w, .linked = fake_linked, .tell = fake_tell};

    w = (struct world){.deaf = UINT16_MAX};
    fake_core_init(&w.core);
    w.calls = calls_new(&w.core, &around);
    assert_non_null(w.calls);
    link_peer(&w, 0);
    link_peer(&w, 2); /* slot 1 is free */
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    calls_free(w->calls);
    core_fini(&w->core);
    for (size_t i = 0; i < ARRAY_LEN(w->told); i++) {
        buf_fini(&w->told[i].body);
    }
    buf_fini(&w->bodies);
    return 0;
}

static uint64_t ask(struct world *w);

static void on_done(void *data, const struct call_answer *answers, size_t len)
{
    struct world *w = data;

    w->done++;
    w->answers_len = len;
    buf_reset(&w->bodies);
    for (size_t i = 0; i < len; i++) {
        w->outcomes[i] = answers[i].outcome;
        if (i < ARRAY_LEN(w->names)) {
            memcpy(w->names[i], answers[i].name, sizeof w->names[i]);
        }
        if (answers[i].outcome == CALL_ANSWERED) {
            buf_add_u64(&w->bodies, answers[i].id.b[1]);
            buf_add_str(&w->bodies, ":");
            buf_add_bytes(&w->bodies, answers[i].body);
            buf_add_str(&w->bodies, " ");
        }
    }
    if (w->asks_again) {
        w->asks_again = false;
        (void)ask(w);
    }
}

static int try_ask(struct world *w, struct bytes body, uint64_t *number)
{
    const struct call call = {
        .kind = KIND,
        .body = body,
        .wait_ms = WAIT_MS,
        .on_done = on_done,
        .data = w,
    };
    return calls_ask(w->calls, &call, number);
}

static uint64_t ask(struct world *w)
{
    uint64_t number = 0;

    assert_int_equal(try_ask(w, BYTES("what"), &number), 0);
    assert_true(number != 0);
    return number;
}

static void reply_as(struct world *w, uint16_t slot, uint64_t number,
                     uint8_t status, struct bytes body)
{
    calls_take(w->calls, slot,
               &(struct peer_message){.type = PEER_REPLY,
                                      .number = number,
                                      .kind = KIND,
                                      .status = status,
                                      .body = body});
}

static void reply(struct world *w, uint16_t slot, uint64_t number,
                  struct bytes body)
{
    reply_as(w, slot, number, PEER_REPLY_DONE, body);
}

/* --- asking --- */

static void every_linked_peer_is_asked_and_the_last_answer_ends_it(void **state)
{
    struct world *w = *state;
    uint64_t number = ask(w);

    assert_int_equal(w->told_len, 2);
    assert_int_equal(w->told[0].slot, 0);
    assert_int_equal(w->told[1].slot, 2);
    assert_int_equal(w->told[1].message.type, PEER_CALL);
    assert_int_equal(w->told[1].message.kind, KIND);
    assert_true(w->told[1].message.number == number);
    assert_bytes(buf_bytes(&w->told[1].body), "what");

    reply(w, 2, number, BYTES("two"));
    assert_int_equal(w->done, 0);
    reply(w, 0, number, BYTES("zero"));
    assert_int_equal(w->done, 1);
    assert_int_equal(w->answers_len, 2);
    assert_bytes(buf_bytes(&w->bodies), "0:zero 2:two ");
    assert_string_equal(w->names[1], "peer");
    assert_int_equal(w->core.stats.calls_unanswered, 0);
    fake_wait(&w->core, 2 * WAIT_MS);
    assert_int_equal(w->done, 1);
}

static void who_is_late_is_named_and_counted(void **state)
{
    struct world *w = *state;
    uint64_t number = ask(w);

    reply(w, 2, number, BYTES("two"));
    fake_wait(&w->core, WAIT_MS - 1);
    assert_int_equal(w->done, 0);
    fake_wait(&w->core, 1);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->outcomes[0], CALL_LATE);
    assert_int_equal(w->outcomes[1], CALL_ANSWERED);
    assert_int_equal(w->core.stats.calls_unanswered, 1);
    reply(w, 0, number, BYTES("too late"));
    assert_int_equal(w->done, 1);
}

static void with_nobody_to_ask_it_ends_at_once_but_not_inside(void **state)
{
    struct world *w = *state;

    w->slots = 0;
    (void)ask(w);
    assert_int_equal(w->done, 0);
    fake_wait(&w->core, 1);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->answers_len, 0);
}

static void what_a_peer_cannot_say_is_an_outcome(void **state)
{
    struct world *w = *state;
    uint64_t number = ask(w);

    reply_as(w, 0, number, PEER_REPLY_UNKNOWN, BYTES("x"));
    reply_as(w, 2, number, 99, BYTES("x"));
    assert_int_equal(w->done, 1);
    assert_int_equal(w->outcomes[0], CALL_UNKNOWN);
    assert_int_equal(w->outcomes[1], CALL_FAILED);
    assert_int_equal(w->bodies.len, 0);
    assert_int_equal(w->core.stats.calls_unanswered, 2);
}

static void a_peer_that_goes_is_no_longer_waited_for(void **state)
{
    struct world *w = *state;
    uint64_t number = ask(w);

    reply(w, 2, number, BYTES("two"));
    calls_peer_down(w->calls, 1); /* nobody's */
    calls_peer_down(w->calls, 0);
    calls_peer_down(w->calls, 0);
    calls_peer_down(w->calls, 2); /* it has answered */
    assert_int_equal(w->done, 0);
    reply(w, 0, number, BYTES("who has the slot now"));
    fake_wait(&w->core, 1);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->outcomes[0], CALL_DOWN);
    assert_bytes(buf_bytes(&w->bodies), "2:two ");
}

static void a_peer_that_cannot_be_told_is_not_waited_for(void **state)
{
    struct world *w = *state;

    w->deaf = 0;
    uint64_t number = ask(w);
    reply(w, 2, number, BYTES("two"));
    assert_int_equal(w->done, 1);
    assert_int_equal(w->outcomes[0], CALL_DOWN);
}

static void replies_that_nobody_asked_for_are_dropped(void **state)
{
    struct world *w = *state;
    uint64_t number = ask(w);

    reply(w, 0, number + 1, BYTES("another number"));
    reply(w, 1, number, BYTES("a peer that was not asked"));
    reply(w, UINT16_MAX, number, BYTES("nor this one"));
    calls_take(w->calls, 0,
               &(struct peer_message){.type = PEER_REPLY,
                                      .number = number,
                                      .kind = CALL_KINDS_MAX});
    reply(w, 2, number, BYTES("two"));
    reply(w, 2, number, BYTES("twice"));
    assert_int_equal(w->done, 0);
    reply(w, 0, number, BYTES("zero"));
    assert_bytes(buf_bytes(&w->bodies), "0:zero 2:two ");
}

/* --- bounds --- */

static void calls_under_way_are_bounded(void **state)
{
    struct world *w = *state;
    uint64_t numbers[CALLS_MAX];
    uint64_t refused = 0;

    for (size_t i = 0; i < CALLS_MAX; i++) {
        numbers[i] = ask(w);
    }
    assert_int_equal(try_ask(w, BYTES(""), &refused), ERR_LIMIT);
    reply(w, 0, numbers[7], BYTES(""));
    reply(w, 2, numbers[7], BYTES(""));
    assert_int_equal(w->done, 1);
    (void)ask(w);
    fake_wait(&w->core, WAIT_MS);
    assert_int_equal(w->done, CALLS_MAX + 1);
}

static void what_is_gathered_is_bounded(void **state)
{
    static const uint8_t body[PEER_BODY_LEN_MAX + 1];
    struct world *w = *state;
    uint64_t number = 0;

    assert_int_equal(try_ask(w, bytes_of(body, sizeof body), &number),
                     ERR_TOO_BIG);
    for (uint16_t slot = 0; slot < 8; slot++) {
        link_peer(w, slot);
    }
    number = ask(w);
    for (uint16_t slot = 0; slot < 7; slot++) {
        reply(w, slot, number, bytes_of(body, PEER_BODY_LEN_MAX - 1));
    }
    reply(w, 7, number, BYTES("fits"));
    assert_int_equal(w->done, 1);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(w->outcomes[i],
                         i < 4 || i == 7 ? CALL_ANSWERED : CALL_FAILED);
    }
}

static void a_thousand_peers_answer(void **state)
{
    struct world *w = *state;

    for (uint16_t slot = 0; slot < PEERS_MAX; slot++) {
        link_peer(w, slot);
    }
    uint64_t number = ask(w);
    assert_int_equal(w->told_len, PEERS_MAX);
    for (uint16_t slot = PEERS_MAX; slot-- > 0;) {
        assert_int_equal(w->done, 0);
        reply(w, slot, number, BYTES("yes"));
    }
    assert_int_equal(w->done, 1);
    assert_int_equal(w->answers_len, PEERS_MAX);
}

/* --- askers --- */

static void a_forgotten_call_is_not_called_back(void **state)
{
    struct world *w = *state;
    uint64_t number = ask(w);

    calls_forget(w->calls, number);
    calls_forget(w->calls, number);
    calls_forget(w->calls, 0);
    reply(w, 0, number, BYTES("zero"));
    fake_wait(&w->core, WAIT_MS);
    assert_int_equal(w->done, 0);
    assert_int_equal(w->core.stats.calls_unanswered, 0);
    (void)ask(w); /* what is under way at the end is freed */
}

static void the_end_of_a_call_may_ask_again(void **state)
{
    struct world *w = *state;
    uint64_t number = ask(w);

    w->asks_again = true;
    reply(w, 0, number, BYTES("zero"));
    reply(w, 2, number, BYTES("two"));
    assert_int_equal(w->done, 1);
    assert_int_equal(w->told_len, 4);
    fake_wait(&w->core, WAIT_MS);
    assert_int_equal(w->done, 2);
    assert_int_equal(w->outcomes[0], CALL_LATE);
}

/* --- answering --- */

static bool handle(void *data, struct bytes body, struct buf *out)
{
    struct world *w = data;
    static const uint8_t much[PEER_BODY_LEN_MAX];

    w->handled++;
    buf_add_str(out, "you said ");
    buf_add_bytes(out, body);
    if (bytes_eq(body, BYTES("too much"))) {
        buf_add(out, much, sizeof much);
    }
    return !bytes_eq(body, BYTES("nonsense"));
}

static const struct told *be_asked(struct world *w, uint8_t kind,
                                   struct bytes body)
{
    w->told_len = 0;
    calls_take(
        w->calls, 2,
        &(struct peer_message){
            .type = PEER_CALL, .number = 77, .kind = kind, .body = body});
    assert_int_equal(w->told_len, 1);
    assert_int_equal(w->told[0].slot, 2);
    assert_int_equal(w->told[0].message.type, PEER_REPLY);
    assert_true(w->told[0].message.number == 77);
    assert_int_equal(w->told[0].message.kind, kind);
    return &w->told[0];
}

static void a_question_is_answered_at_once_or_refused(void **state)
{
    struct world *w = *state;
    const struct told *told;

    told = be_asked(w, KIND, BYTES("hello"));
    assert_int_equal(told->message.status, PEER_REPLY_UNKNOWN);
    calls_serve(w->calls, KIND, handle, w);
    told = be_asked(w, KIND, BYTES("hello"));
    assert_int_equal(told->message.status, PEER_REPLY_DONE);
    assert_bytes(buf_bytes(&told->body), "you said hello");
    told = be_asked(w, KIND, BYTES("nonsense"));
    assert_int_equal(told->message.status, PEER_REPLY_FAILED);
    assert_int_equal(told->body.len, 0);
    told = be_asked(w, KIND, BYTES("too much"));
    assert_int_equal(told->message.status, PEER_REPLY_FAILED);
    told = be_asked(w, CALL_KINDS_MAX - 1, BYTES("hello"));
    assert_int_equal(told->message.status, PEER_REPLY_UNKNOWN);
    told = be_asked(w, CALL_KINDS_MAX + 1, BYTES("hello"));
    assert_int_equal(told->message.status, PEER_REPLY_UNKNOWN);
    assert_int_equal(w->handled, 3);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- the own node, and answers that take a while --- */

static struct call_ticket kept;

static void take_later(void *data, struct bytes body,
                       const struct call_ticket *ticket)
{
    struct world *w = data;

    (void)body;
    w->handled++;
    kept = *ticket;
}

static void say_later(struct world *w, const char *text)
{
    struct buf out = {0};

    buf_add_str(&out, text);
    calls_reply(w->calls, &kept, &out);
    buf_fini(&out);
}

static uint64_t ask_own(struct world *w)
{
    const struct call call = {
        .kind = KIND,
        .own = true,
        .body = BYTES("own"),
        .wait_ms = WAIT_MS,
        .on_done = on_done,
        .data = w,
    };
    uint64_t number = 0;

    assert_int_equal(calls_ask(w->calls, &call, &number), 0);
    return number;
}

static void the_own_node_is_asked_like_any_other(void **state)
{
    struct world *w = *state;

    calls_serve(w->calls, KIND, handle, w);
    uint64_t number = ask_own(w);
    assert_int_equal(w->handled, 0); /* never inside */
    reply(w, 0, number, BYTES("zero"));
    reply(w, 2, number, BYTES("two"));
    assert_int_equal(w->done, 0);
    fake_wait(&w->core, 1);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->answers_len, 3);
    assert_bytes(buf_bytes(&w->bodies), "0:zero 2:two 2:you said own ");
}

static void alone_the_own_answer_is_all(void **state)
{
    struct world *w = *state;

    w->slots = 0;
    calls_serve(w->calls, KIND, handle, w);
    (void)ask_own(w);
    fake_wait(&w->core, 1);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->answers_len, 1);
}

static void the_own_answer_may_be_late_too(void **state)
{
    struct world *w = *state;

    calls_serve_later(w->calls, KIND, take_later, w);
    uint64_t number = ask_own(w);
    fake_wait(&w->core, 1);
    reply(w, 0, number, BYTES("zero"));
    reply(w, 2, number, BYTES("two"));
    assert_int_equal(w->done, 0);
    fake_wait(&w->core, WAIT_MS);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->outcomes[2], CALL_LATE);
    say_later(w, "too late");
    assert_int_equal(w->done, 1);
}

static void a_call_may_be_forgotten_before_the_own_node_is_asked(void **state)
{
    struct world *w = *state;

    calls_serve(w->calls, KIND, handle, w);
    calls_forget(w->calls, ask_own(w));
    fake_wait(&w->core, 1);
    assert_int_equal(w->handled, 0);
    assert_int_equal(w->done, 0);
}

static void an_answer_may_be_given_later(void **state)
{
    struct world *w = *state;

    calls_serve_later(w->calls, KIND, take_later, w);
    w->told_len = 0;
    calls_take(
        w->calls, 2,
        &(struct peer_message){.type = PEER_CALL, .number = 77, .kind = KIND});
    assert_int_equal(w->told_len, 0);
    say_later(w, "at last");
    assert_int_equal(w->told_len, 1);
    assert_int_equal(w->told[0].slot, 2);
    assert_true(w->told[0].message.number == 77);
    assert_int_equal(w->told[0].message.status, PEER_REPLY_DONE);
    assert_bytes(buf_bytes(&w->told[0].body), "at last");
}

static void nobody_gets_the_answer_to_another_ones_question(void **state)
{
    struct world *w = *state;

    calls_serve_later(w->calls, KIND, take_later, w);
    calls_take(
        w->calls, 2,
        &(struct peer_message){.type = PEER_CALL, .number = 77, .kind = KIND});
    w->told_len = 0;
    w->peers[2].id.b[5] = 1; /* another has the slot */
    say_later(w, "at last");
    w->peers[2].name = (struct bytes){0}; /* nobody has it */
    say_later(w, "at last");
    assert_int_equal(w->told_len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(every_linked_peer_is_asked_and_the_last_answer_ends_it),
        test(who_is_late_is_named_and_counted),
        test(with_nobody_to_ask_it_ends_at_once_but_not_inside),
        test(what_a_peer_cannot_say_is_an_outcome),
        test(a_peer_that_goes_is_no_longer_waited_for),
        test(a_peer_that_cannot_be_told_is_not_waited_for),
        test(replies_that_nobody_asked_for_are_dropped),
        test(calls_under_way_are_bounded),
        test(what_is_gathered_is_bounded),
        test(a_thousand_peers_answer),
        test(a_forgotten_call_is_not_called_back),
        test(the_end_of_a_call_may_ask_again),
        test(a_question_is_answered_at_once_or_refused),
        test(the_own_node_is_asked_like_any_other),
        test(alone_the_own_answer_is_all),
        test(the_own_answer_may_be_late_too),
        test(a_call_may_be_forgotten_before_the_own_node_is_asked),
        test(an_answer_may_be_given_later),
        test(nobody_gets_the_answer_to_another_ones_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
