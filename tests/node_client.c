/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/client/client_private.h"
#include "tests/fake_world.h"

/* --- life --- */

static void a_door_comes_and_goes_with_its_state(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    assert_non_null(a->state);
    assert_int_equal(a->id, 1);
    subscribe(a, want_topic("t"));
    client_leave_door(a); /* a request on a kept connection chooses anew */
    assert_null(a->state);
    assert_null(a->subs);
    assert_int_equal(fake_door_seen.closed, 1);
    assert_int_equal(client_open(a, &door_plain, NULL, 0), 0);
    assert_null(a->state);
    world_fini(&w);
    assert_int_equal(fake_door_seen.closed, 2);
}

static void trailers_reach_a_carrier_that_has_them(void **state)
{
    static const struct http_header trailers[] = {
        {BYTES("grpc-status"), BYTES("0")},
        {BYTES("err"), BYTES("none")},
    };
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    client_write(a, BYTES("body"));
    client_end_with(a, trailers, ARRAY_LEN(trailers));
    assert_true(w.conns[0]->ended);
    assert_bytes(buf_bytes(&w.conns[0]->trailers),
                 "grpc-status: 0\nerr: none\n");
    client_end(a);
    assert_int_equal(w.conns[0]->trailers.len, 0);
    world_fini(&w);
}

static int finished;
static int aborted;

static void note_finish(struct client *client)
{
    assert_true(client->closing);
    finished++;
}

static void note_abort(struct client *client)
{
    assert_true(client->closing);
    aborted++;
}

/* Other clients of its conn go on. */
static void a_carrier_of_many_ends_one_client_alone(void **state)
{
    struct carrier carrier = carrier_fake;
    struct world w;
    (void)state;

    carrier.finish = note_finish;
    carrier.abort = note_abort;
    world_init(&w);
    for (size_t i = 0; i < 2; i++) {
        (void)world_open(&w, i, &door_lines);
        w.conns[i]->conn.carrier = &carrier;
    }
    client_close(w.conns[0]->conn.client, 0);
    client_abort(w.conns[1]->conn.client);
    assert_int_equal(finished, 1);
    assert_int_equal(aborted, 1);
    assert_false(w.conns[0]->finishing || w.conns[1]->closed);
    world_fini(&w);
}

static int open_refuses(struct client *client,
                        const struct http_request *request, size_t version)
{
    (void)request;
    assert_int_equal(version, 3);
    subscribe(client, want_topic("t"));
    return ERR_ORIGIN;
}

static void a_door_that_refuses_leaves_the_client_without_one(void **state)
{
    struct world w;
    struct door door = door_lines;
    (void)state;

    world_init(&w);
    door.open = open_refuses;
    w.conns[0] = fake_conn_new(&w.core);
    struct client *a = w.conns[0]->conn.client;
    assert_int_equal(client_open(a, &door, NULL, 3), ERR_ORIGIN);
    assert_null(a->door);
    assert_null(a->state);
    assert_null(a->subs);
    assert_int_equal(fake_door_seen.closed, 0);
    world_fini(&w);
}

static void a_closing_client_takes_every_call_and_does_nothing(void **state)
{
    struct world w;
    struct hub_receipt receipt;
    struct hub_position position;
    struct sub *sub;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct hub_want want = want_topic("t");
    struct sub *old = subscribe(a, want_topic("u"));
    client_close(a, ERR_SYNTAX);
    client_close(a, ERR_LIMIT);
    client_write(a, BYTES("x"));
    client_send(a, BYTES("x"));
    client_deadline(a, 5);
    const struct client_item item = {
        .cache = BYTES("c"), .topic = BYTES("u"), .value = BYTES("v")};
    assert_int_equal(client_publish(a, &item, &receipt), 0);
    assert_int_equal(client_subscribe(a, &want, &sub, &position), ERR_CLOSING);
    client_unsubscribe(a, old);
    assert_int_equal(client_await(a, CLUSTER_SCOPE_REGION, 9, 9), 0);
    expect(&w, 0, "bye SYNTAX\n");
    assert_int_equal(w.conns[0]->said_close, ERR_SYNTAX);
    assert_true(w.conns[0]->closed);
    world_fini(&w);
}

static void deadlines_reach_the_door(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    client_deadline(a, w.core.now_ms + 10);
    fake_wait(&w.core, 9);
    assert_int_equal(fake_door_seen.due, 0);
    fake_wait(&w.core, 1);
    assert_int_equal(fake_door_seen.due, 1);
    client_deadline(a, w.core.now_ms + 10);
    client_deadline(a, DEADLINE_NEVER);
    fake_wait(&w.core, 20);
    assert_int_equal(fake_door_seen.due, 1);
    world_fini(&w);
}

/* --- what is refused --- */

static void a_publish_is_checked_in_a_fixed_order(void **state)
{
    static char large[(1 << 20) + 1];
    static const struct {
        bool ready;
        const char *cache;
        const char *topic;
        struct bytes value;
        struct bytes attrs;
        uint8_t flags;
        int err;
    } cases[] = {
        {false, "", "", {NULL, 0}, {NULL, 0}, 0, ERR_NOT_READY},
        {true, "c c", "t", {NULL, 0}, {NULL, 0}, 0, ERR_NAME},
        {true, "c", "", {NULL, 0}, {NULL, 0}, 0, ERR_NAME},
        {true,
         "c",
         "t",
         {(uint8_t *)large, sizeof large},
         {NULL, 0},
         0,
         ERR_TOO_BIG},
        {true, "c", "t", {(uint8_t *)large, sizeof large - 1}, {NULL, 0}, 0, 0},
        {true, "c", "t", {(const uint8_t *)"\xff", 1}, {NULL, 0}, 0, ERR_UTF8},
        {true,
         "c",
         "t",
         {(const uint8_t *)"\xff", 1},
         {NULL, 0},
         ITEM_BINARY,
         0},
        {true, "c", "t", {NULL, 0}, {(uint8_t *)large, 5000}, 0, ERR_TOO_BIG},
        {true,
         "c",
         "t",
         {NULL, 0},
         {(const uint8_t *)"\xc1", 1},
         0,
         ERR_SYNTAX},
        {true, "c", "t", {NULL, 0}, {NULL, 0}, 0, 0},
    };
    struct world w;
    uint64_t refused = 0;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct client_item item = {.cache = bytes_str(cases[i].cache),
                                         .topic = bytes_str(cases[i].topic),
                                         .value = cases[i].value,
                                         .attrs = cases[i].attrs,
                                         .flags = cases[i].flags};
        struct hub_receipt receipt;
        w.core.ready = cases[i].ready;
        int rc = client_publish(a, &item, &receipt);
        if (rc != cases[i].err) {
            fail_msg("case %zu: %s", i, err_name(rc));
        }
        refused += rc != 0;
    }
    assert_int_equal(w.core.stats.published, ARRAY_LEN(cases) - refused);
    assert_int_equal(w.core.stats.refused, 0); /* who answers counts */
    world_fini(&w);
}

static void subscriptions_are_bounded(void **state)
{
    struct core_options options = fake_core_options();
    struct world w = {0};
    struct hub_position position;
    struct sub *sub;
    (void)state;

    options.limits.subs_per_client = 3;
    options.limits.patterns_per_client = 1;
    assert_int_equal(core_init(&w.core, &options), 0);
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("t"));
    subscribe(a, want_glob("t*"));
    struct hub_want want = want_glob("u*");
    assert_int_equal(client_may_subscribe(a, &want), ERR_LIMIT);
    subscribe(a, want_topic("u"));
    want = want_topic("v");
    assert_int_equal(client_subscribe(a, &want, &sub, &position), ERR_LIMIT);
    subscribe(a, want_topic("t")); /* it has that one */
    subscribe(a, want_glob("t*"));
    world_fini(&w);
}

static void names_of_subscriptions_are_checked(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct hub_want want = want_topic("a\nb");
    assert_int_equal(client_may_subscribe(a, &want), ERR_NAME);
    want = want_topic("t");
    want.cache = BYTES("c/d");
    assert_int_equal(client_may_subscribe(a, &want), ERR_NAME);
    want = want_glob("\n*");
    assert_int_equal(client_may_subscribe(a, &want), ERR_NAME);
    want.dialect = TOPIC_FILTER;
    assert_int_equal(client_may_subscribe(a, &want), ERR_UNSUPPORTED);
    world_fini(&w);
}

/* --- barrier --- */

struct outside {
    uint64_t held[2];
};

static uint64_t on_held(void *data, enum cluster_scope scope)
{
    return ((const struct outside *)data)->held[scope];
}

static void corked_world(struct world *w, struct outside *outside)
{
    struct core_options options = fake_core_options();

    *w = (struct world){0};
    *outside = (struct outside){0};
    options.outside = (struct hub_outside){.data = outside, .held = on_held};
    assert_int_equal(core_init(&w->core, &options), 0);
    core_turn(&w->core, 1000, 1795305600000);
    w->core.ready = true;
}

static void await(struct client *client, uint64_t version, uint64_t tag)
{
    assert_int_equal(client_await(client, CLUSTER_SCOPE_REGION, version, tag),
                     0);
}

static void without_peers_an_acknowledgement_leaves_at_once(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    await(a, 7, 1);
    expect(&w, 0, "ack 1\n");
    world_fini(&w);
}

static void what_follows_a_cork_waits_with_it(void **state)
{
    struct outside outside;
    struct world w;
    (void)state;

    corked_world(&w, &outside);
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("t"));
    publish(a, "t", "one");
    await(a, 5, 1);
    publish(a, "t", "two");
    client_write(a, BYTES("pong\n"));
    expect(&w, 0, "c/t 1 one\n");
    clients_release(&w.core, CLUSTER_SCOPE_REGION, 4, false);
    expect(&w, 0, "");
    clients_release(&w.core, CLUSTER_SCOPE_REGION, 5, false);
    expect(&w, 0, "ack 1\nc/t 2 two\npong\n");
    world_fini(&w);
}

static void corks_are_taken_out_in_order(void **state)
{
    struct outside outside;
    struct world w;
    (void)state;

    corked_world(&w, &outside);
    struct client *a = world_open(&w, 0, &door_lines);
    await(a, 9, 1);
    await(a, 5, 2);
    outside.held[CLUSTER_SCOPE_REGION] = 5;
    await(a, 5, 3); /* held already, but its place is behind the others */
    clients_release(&w.core, CLUSTER_SCOPE_REGION, 5, false);
    expect(&w, 0, "");
    clients_release(&w.core, CLUSTER_SCOPE_REGION, 9, true);
    expect(&w, 0, "ack 1 partial\nack 2\nack 3\n");
    assert_int_equal(w.core.stats.barrier_partial, 1);
    world_fini(&w);
}

static void a_scope_that_gave_up_does_not_answer_for_the_other(void **state)
{
    struct outside outside;
    struct world w;
    (void)state;

    corked_world(&w, &outside);
    struct client *a = world_open(&w, 0, &door_lines);
    await(a, 5, 1);
    assert_int_equal(client_await(a, CLUSTER_SCOPE_ALL, 5, 2), 0);
    clients_release(&w.core, CLUSTER_SCOPE_ALL, 5, true);
    expect(&w, 0, "");
    clients_release(&w.core, CLUSTER_SCOPE_REGION, 5, false);
    expect(&w, 0, "ack 1\nack 2 partial\n");
    await(a, 6, 3);
    clients_release(&w.core, CLUSTER_SCOPE_ALL, 6, false); /* more than asked */
    expect(&w, 0, "ack 3\n");
    world_fini(&w);
}

/* RESP: the answer is written behind the cork, one for a whole turn. */
static void a_door_without_on_barrier_needs_one_cork_a_turn(void **state)
{
    struct outside outside;
    struct world w;
    (void)state;

    corked_world(&w, &outside);
    struct client *a = world_open(&w, 0, &door_plain);
    for (uint64_t i = 1; i <= 100; i++) {
        await(a, i, 0);
        client_write(a, BYTES("+"));
    }
    assert_int_equal(corks_len(a), 1);
    clients_release(&w.core, CLUSTER_SCOPE_REGION, 99, false);
    expect(&w, 0, "");
    fake_wait(&w.core, 1);
    await(a, 101, 0);
    client_write(a, BYTES("!"));
    assert_int_equal(corks_len(a), 2);
    clients_release(&w.core, CLUSTER_SCOPE_REGION, 100, false);
    fake_flush(&w.core);
    assert_int_equal(fake_conn_out(w.conns[0]).len, 100);
    fake_conn_reset(w.conns[0]);
    clients_release(&w.core, CLUSTER_SCOPE_REGION, 101, true);
    expect(&w, 0, "!");
    world_fini(&w);
}

/* PUBSUB: the answer comes when other nodes have spoken, not with a barrier. */
static void a_held_place_waits_for_its_own_answer(void **state)
{
    struct outside outside;
    struct world w;
    (void)state;

    corked_world(&w, &outside);
    struct client *a = world_open(&w, 0, &door_plain);
    assert_int_equal(client_hold(a, 7), 0);
    client_write(a, BYTES("A"));
    await(a, 5, 0); /* a cork of its own */
    client_write(a, BYTES("B"));
    assert_int_equal(client_hold(a, 8), 0);
    client_write(a, BYTES("C"));
    assert_int_equal(corks_len(a), 3);
    clients_release(&w.core, CLUSTER_SCOPE_ALL, UINT64_MAX, false);
    client_fill(a, 8, BYTES("eight"));
    client_fill(a, 8, BYTES("twice"));
    client_fill(a, 9, BYTES("nobody's"));
    client_check(a);
    expect(&w, 0, "");
    client_fill(a, 7, BYTES("seven"));
    expect(&w, 0, "sevenABeightC");

    assert_int_equal(client_hold(a, 1), 0);
    client_write(a, BYTES("D"));
    client_close(a, 0);
    client_fill(a, 1, BYTES("too late"));
    expect(&w, 0, "D");
    assert_int_equal(w.core.stats.barrier_partial, 0);
    world_fini(&w);
}

static void an_acknowledgement_of_a_message_door_is_framed(void **state)
{
    struct outside outside;
    struct world w;
    struct bytes message;
    (void)state;

    corked_world(&w, &outside);
    struct client *a = world_open(&w, 0, &door_frames);
    outside.held[CLUSTER_SCOPE_REGION] = 1;
    await(a, 1, 1);
    await(a, 2, 2);
    client_send(a, BYTES("pong\n"));
    clients_release(&w.core, CLUSTER_SCOPE_REGION, 2, false);
    fake_flush(&w.core);
    assert_true(fake_conn_message(w.conns[0], &message));
    assert_bytes(message, "ack 1\n");
    assert_true(fake_conn_message(w.conns[0], &message));
    assert_bytes(message, "ack 2\n");
    assert_true(fake_conn_message(w.conns[0], &message));
    assert_bytes(message, "pong\n");
    world_fini(&w);
}

static void who_closes_waits_for_no_barrier(void **state)
{
    struct outside outside;
    struct world w;
    (void)state;

    corked_world(&w, &outside);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    await(a, 5, 1);
    await(b, 5, 1);
    client_close(a, ERR_SYNTAX);
    expect(&w, 0, "ack 1 partial\nbye SYNTAX\n");
    world_leave(&w, 1); /* gone with its cork */
    clients_release(&w.core, CLUSTER_SCOPE_REGION, 5, false);
    world_fini(&w);
}

static void on_ended_close(struct client *client, struct sub *sub, int err)
{
    (void)sub;
    client_close(client, err);
}

/* It reads nothing any more, so nothing is put into its subscriptions. */
static void who_closes_is_no_longer_subscribed(void **state)
{
    struct door closes = door_lines;
    struct world w;
    (void)state;

    closes.on_ended = on_ended_close;
    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_plain);
    struct client *c = world_open(&w, 2, &closes);
    subscribe(a, want_topic("t"));
    subscribe(c, want_topic("t"));
    subscribe(c, want_topic("u"));
    assert_int_equal(publish(b, "t", "one"), 2);
    client_close(a, 0);
    assert_int_equal(publish(b, "t", "two"), 1);
    expect(&w, 0, "c/t 1 one\n");
    fake_core_ask_tokens(&w.core);
    client_recheck(c);
    assert_int_equal(w.core.stats.subs, 0);
    expect(&w, 2, "c/t 1 one\nc/t 2 two\nbye UNAUTH\n");
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_door_comes_and_goes_with_its_state),
        cmocka_unit_test(trailers_reach_a_carrier_that_has_them),
        cmocka_unit_test(a_carrier_of_many_ends_one_client_alone),
        cmocka_unit_test(a_door_that_refuses_leaves_the_client_without_one),
        cmocka_unit_test(a_closing_client_takes_every_call_and_does_nothing),
        cmocka_unit_test(deadlines_reach_the_door),
        cmocka_unit_test(a_publish_is_checked_in_a_fixed_order),
        cmocka_unit_test(subscriptions_are_bounded),
        cmocka_unit_test(names_of_subscriptions_are_checked),
        cmocka_unit_test(without_peers_an_acknowledgement_leaves_at_once),
        cmocka_unit_test(what_follows_a_cork_waits_with_it),
        cmocka_unit_test(corks_are_taken_out_in_order),
        cmocka_unit_test(a_scope_that_gave_up_does_not_answer_for_the_other),
        cmocka_unit_test(a_door_without_on_barrier_needs_one_cork_a_turn),
        cmocka_unit_test(a_held_place_waits_for_its_own_answer),
        cmocka_unit_test(an_acknowledgement_of_a_message_door_is_framed),
        cmocka_unit_test(who_closes_waits_for_no_barrier),
        cmocka_unit_test(who_closes_is_no_longer_subscribed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
