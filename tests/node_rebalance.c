/* SPDX-License-Identifier: Apache-2.0
 *
 * Four nodes of which one spreads the clients over those of a region. Clients
 * that are asked go at once, or stay, as the test says.
 */
#include "tests/test.h"

#include <jansson.h>
#include <stdio.h>

#include "node/client/rebalance.h"
#include "proto/err.h"
#include "tests/ends.h"

enum {
    CLIENTS_MAX = 400
};

struct world {
    struct ends ends;
    struct fake_conn *conns[ENDS][CLIENTS_MAX];
    size_t len[ENDS];
    bool stay; /* whoever is asked */
};

static struct world w;

static void on_move(struct client *client, struct bytes endpoint);

static const struct door door_movable = {
    .name = "movable",
    .shape = DOOR_BYTE,
    .move = on_move,
};

static void add(size_t at, bool movable)
{
    struct fake_conn *conn = fake_conn_new(&w.ends.at[at].core);

    assert_true(w.len[at] < CLIENTS_MAX);
    conn->conn.client->door = &door_movable;
    conn->conn.client->movable = movable;
    w.conns[at][w.len[at]++] = conn;
}

static void add_many(size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        add(at, true);
    }
}

/* Those that were asked are gone after a turn. */
static bool gone[ENDS][CLIENTS_MAX];
static size_t coming[ENDS];

static void on_move(struct client *client, struct bytes endpoint)
{
    assert_true(client->movable);
    if (w.stay) {
        return;
    }
    for (size_t i = 0; i < ENDS; i++) {
        coming[i] += bytes_eq(endpoint,
                              w.ends.at[0].cluster.members[i].node.endpoint);
        for (size_t j = 0; j < w.len[i]; j++) {
            if (w.conns[i][j]->conn.client == client) {
                assert_false(gone[i][j]);
                gone[i][j] = true;
            }
        }
    }
}

static void let_go(void)
{
    for (size_t i = 0; i < ENDS; i++) {
        size_t kept = 0;
        for (size_t j = 0; j < w.len[i]; j++) {
            if (gone[i][j]) {
                fake_conn_free(w.conns[i][j]);
            } else {
                w.conns[i][kept++] = w.conns[i][j];
            }
            gone[i][j] = false;
        }
        w.len[i] = kept;
    }
    for (size_t i = 0; i < ENDS; i++) {
        add_many(i, coming[i]);
        coming[i] = 0;
    }
}

static int setup(void **state)
{
    static const char *const endpoints[ENDS] = {"http://n0", "http://n1",
                                                "http://n2", "http://n3"};
    (void)state;
    w = (struct world){0};
    ends_init(&w.ends);
    for (size_t i = 0; i < ENDS; i++) {
        struct core *core = &w.ends.at[i].core;
        strcpy(core->region, "eu");
        (void)snprintf(core->name, sizeof core->name, "n%zu", i);
        core->id = end_id(i);
        assert_non_null(rebalance_new(core));
        mover_serve(core);
        for (size_t j = 0; j < ENDS; j++) {
            struct cluster_member *m = &w.ends.at[j].cluster.members[i];
            m->node.endpoint = bytes_str(endpoints[i]);
            m->node.region = bytes_str(i == 3 ? "us" : "eu");
            m->ready = true;
            m->linked = true;
        }
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENDS; i++) {
        for (size_t j = 0; j < w.len[i]; j++) {
            fake_conn_free(w.conns[i][j]);
        }
        rebalance_free(w.ends.at[i].core.rebalance);
    }
    ends_fini(&w.ends);
    return 0;
}

static json_t *look(size_t at)
{
    struct buf out = {0};

    rebalance_add(w.ends.at[at].core.rebalance, &out);
    json_t *root = json_loadb((const char *)out.p, out.len, 0, NULL);
    assert_non_null(root);
    buf_fini(&out);
    return root;
}

static bool is(size_t at, const char *state, const char *why)
{
    json_t *root = look(at);
    bool same =
        strcmp(json_string_value(json_object_get(root, "state")), state) == 0 &&
        strstr(json_string_value(json_object_get(root, "why")), why) != NULL;

    json_decref(root);
    return same;
}

static void pass_second(void)
{
    ends_settle(&w.ends);
    for (size_t i = 0; i < ENDS; i++) {
        fake_wait(&w.ends.at[i].core, 1000);
    }
    ends_settle(&w.ends);
    let_go();
}

/* Returns the seconds that it took. */
static size_t finish(size_t at)
{
    size_t seconds = 0;

    while (is(at, "running", "")) {
        pass_second();
        assert_true(++seconds < 200);
    }
    return seconds;
}

static int start(size_t at, const char *region)
{
    return rebalance_start(w.ends.at[at].core.rebalance, bytes_str(region));
}

static void a_region_is_spread_evenly_and_others_are_left_alone(void **state)
{
    (void)state;
    add_many(0, 150);
    add_many(1, 150);
    add_many(3, 40);
    assert_int_equal(start(0, ""), 0);
    assert_in_range(finish(0), 1, 60);
    assert_true(is(0, "done", ""));
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(w.len[i], 94, 106);
    }
    assert_int_equal(w.len[3], 40);
    assert_int_equal(w.len[0] + w.len[1] + w.len[2], 300);
}

static void another_region_can_be_named(void **state)
{
    (void)state;
    add_many(0, 60);
    assert_int_equal(start(3, "eu"), 0);
    assert_in_range(finish(3), 1, 60);
    assert_in_range(w.len[2], 18, 22);
    assert_int_equal(start(0, "mars"), ERR_NOT_FOUND);
    assert_true(is(0, "idle", ""));
}

static void only_one_runs_at_a_time(void **state)
{
    (void)state;
    add_many(0, 100);
    assert_int_equal(start(0, ""), 0);
    assert_int_equal(start(0, ""), ERR_CONFLICT);
    pass_second();
    pass_second();
    w.ends.at[1].core.wall_ms += 7; /* another moment, so another run */
    assert_int_equal(start(1, ""), 0);
    pass_second();
    assert_true(is(1, "stopped", "obeys another"));
    assert_true(is(0, "running", ""));
    finish(0);
    assert_true(is(0, "done", ""));
}

static void who_cannot_move_is_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        add(0, false);
    }
    assert_int_equal(start(0, ""), 0);
    finish(0);
    assert_true(is(0, "stopped", "cannot be moved"));
    assert_int_equal(w.len[0], 50);
}

/* Nobody is asked twice within a minute. */
static void who_stays_is_not_asked_again_and_again(void **state)
{
    (void)state;
    w.stay = true;
    add_many(0, 6);
    assert_int_equal(start(0, ""), 0);
    finish(0);
    assert_true(is(0, "stopped", "cannot be moved"));
    json_t *root = look(0);
    assert_in_range(json_integer_value(json_object_get(root, "asked")), 1, 6);
    json_decref(root);
}

static void it_stops_when_a_node_drains_goes_or_is_silent(void **state)
{
    static const char *const whys[] = {
        "n2 drains, or is gone", "n2 drains, or is gone", "n2 does not answer"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(whys); i++) {
        struct cluster_member *m = &w.ends.at[0].cluster.members[2];
        add_many(0, 100);
        w.ends.at[0].core.wall_ms += 10000;
        assert_int_equal(start(0, ""), 0);
        pass_second();
        m->draining = i == 0;
        m->state = i == 1 ? CLUSTER_STATE_DEAD : CLUSTER_ALIVE;
        w.ends.at[2].deaf = i == 2;
        assert_in_range(finish(0), 1, 4);
        assert_true(is(0, "stopped", whys[i]));
        m->draining = false;
        m->state = CLUSTER_ALIVE;
        for (size_t s = 0; s < 6; s++) {
            pass_second(); /* the others forget the run */
        }
    }
}

static void it_can_be_stopped(void **state)
{
    (void)state;
    add_many(0, 100);
    assert_int_equal(start(0, ""), 0);
    pass_second();
    rebalance_stop(w.ends.at[0].core.rebalance);
    assert_true(is(0, "stopped", "asked for it"));
    rebalance_stop(w.ends.at[0].core.rebalance);
    size_t before = w.len[0];
    pass_second();
    pass_second();
    assert_int_equal(w.len[0], before);
}

static void a_node_that_drains_sends_nobody(void **state)
{
    struct buf body = {0};
    struct rebalance_question question;
    struct rebalance_answer said;
    struct core *core = &w.ends.at[0].core;
    (void)state;

    add_many(0, 10);
    rebalance_question_write(7, 1, &body);
    rebalance_order_write(&(struct rebalance_order){.from = core->id,
                                                    .endpoint = BYTES("x"),
                                                    .count = 4},
                          &body);
    assert_int_equal(rebalance_question_read(buf_bytes(&body), &question), 0);
    core->draining = true;
    mover_answer(core, &question, &said);
    assert_int_equal(said.moving, 0);
    core->draining = false;
    mover_answer(core, &question, &said);
    assert_int_equal(said.clients, 10);
    assert_int_equal(said.moving, 4);
    assert_int_equal(said.movable, 6);
    buf_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_region_is_spread_evenly_and_others_are_left_alone, setup,
            teardown),
        cmocka_unit_test_setup_teardown(another_region_can_be_named, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(only_one_runs_at_a_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_cannot_move_is_left_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_stays_is_not_asked_again_and_again,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            it_stops_when_a_node_drains_goes_or_is_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(it_can_be_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_that_drains_sends_nobody, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
