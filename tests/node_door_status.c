/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node says about itself, and to whom.
 */
#include "tests/test.h"

#include <stdio.h>

#include "cluster/cluster.h"
#include "node/board.h"
#include "tests/ask.h"
#include "tests/no_registers.h"

/* --- stands in for cluster/cluster.c ----------------------------------------
 */

struct cluster {
    struct cluster_member members[8];
    size_t len;
    bool alone;
};

bool cluster_member_at(const struct cluster *cluster, size_t index,
                       struct cluster_member *member)
{
    if (index >= cluster->len) {
        return false;
    }
    *member = cluster->members[index];
    return true;
}

size_t cluster_late(const struct cluster *cluster)
{
    return cluster->len > 1;
}

bool cluster_is_alone(const struct cluster *cluster)
{
    return cluster->alone;
}

const char *cluster_why_not_ready(const struct cluster *cluster)
{
    (void)cluster;
    return "no snapshot of n2";
}

static struct cluster_member *add_member(struct cluster *cluster,
                                         const char *name, const char *region,
                                         const char *endpoint)
{
    struct cluster_member *member = &cluster->members[cluster->len++];
    member->node.name = bytes_str(name);
    member->node.region = bytes_str(region);
    member->node.endpoint = bytes_str(endpoint);
    member->node.version = BYTES("0.1.0");
    memset(member->node.id.b, (int)cluster->len, sizeof member->node.id.b);
    member->linked = true;
    member->ready = true;
    assert_int_equal(
        addr_read(BYTES("10.0.0.1:7401"), 0, &member->node.cluster), 0);
    return member;
}

/* --- questions
 * ------------------------------------------------------------------ */

static json_t *get(struct core *core, const char *target, unsigned status)
{
    struct fake_conn *fake = ask_new(core, &(struct ask){.target = target});
    assert_int_equal(fake->status, status);
    assert_true(ask_head_has(fake, "content-type: application/json\n"));
    json_t *root = ask_json(fake);
    fake_conn_free(fake);
    return root;
}

static const char *text(json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    assert_non_null(value);
    return value;
}

static void a_node_that_answers_is_live(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    core.ready = false;

    json_t *root = get(&core, "/livez", 200);
    assert_true(json_is_true(json_object_get(root, "live")));
    json_decref(root);
    core_fini(&core);
}

static void readiness_follows_the_gate_and_says_why_not(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);

    json_t *root = get(&core, "/readyz", 200);
    assert_true(json_is_true(json_object_get(root, "ready")));
    assert_string_equal(text(root, "why"), "");
    json_decref(root);

    core.draining = true;
    root = get(&core, "/readyz", 503);
    assert_true(json_is_false(json_object_get(root, "ready")));
    assert_true(json_is_true(json_object_get(root, "draining")));
    assert_string_equal(text(root, "why"), "shutting down");
    json_decref(root);

    core.draining = false;
    core.ready = false;
    root = get(&core, "/readyz", 503);
    assert_string_equal(text(root, "why"), "starting");
    json_decref(root);
    core_fini(&core);
}

static void a_lone_node_lists_itself(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);

    json_t *root = get(&core, "/v1/cluster", 200);
    json_t *members = json_object_get(root, "members");
    json_t *self = json_array_get(members, 0);
    assert_int_equal(json_array_size(members), 1);
    assert_string_equal(text(root, "self"), "0102030405060708");
    assert_string_equal(text(self, "id"), text(root, "self"));
    assert_string_equal(text(self, "name"), "n1");
    assert_string_equal(text(self, "region"), "eu");
    assert_string_equal(text(self, "state"), "alive");
    assert_string_equal(text(self, "version"), STARLING_VERSION);
    assert_true(json_is_true(json_object_get(self, "self")));
    assert_true(json_is_true(json_object_get(root, "insecure")));
    assert_true(json_is_false(json_object_get(root, "dev")));
    assert_int_equal(json_integer_value(
                         json_object_get(json_object_get(root, "links"), "of")),
                     0);
    json_decref(root);
    core_fini(&core);
}

static void a_region_lists_the_endpoints_of_its_nodes(void **state)
{
    struct core core;
    (void)state;
    struct core_options options = fake_core_options();
    options.endpoint = "http://127.0.0.1:7400";
    assert_int_equal(core_init(&core, &options), 0);
    core_turn(&core, 1000, 1795305600000);

    json_t *root = get(&core, "/v1/regions", 200);
    json_t *regions = json_object_get(root, "regions");
    json_t *region = json_array_get(regions, 0);
    assert_string_equal(json_string_value(json_object_get(root, "node")),
                        core.name);
    assert_true(json_is_boolean(json_object_get(root, "ready")));
    assert_int_equal(json_array_size(regions), 1);
    assert_string_equal(text(root, "self"), "eu");
    assert_string_equal(text(region, "name"), "eu");
    assert_int_equal(json_integer_value(json_object_get(region, "nodes")), 1);
    json_t *endpoints = json_object_get(region, "endpoints");
    assert_int_equal(json_array_size(endpoints), 1);
    assert_string_equal(json_string_value(json_array_get(endpoints, 0)),
                        "http://127.0.0.1:7400");
    json_decref(root);
    core_fini(&core);
}

static void the_members_are_shown_as_the_cluster_knows_them(void **state)
{
    struct cluster cluster = {0};
    struct core core;
    (void)state;
    fake_core_init(&core);
    core.cluster = &cluster;
    add_member(&cluster, "n1", "eu", "")->self = true;
    add_member(&cluster, "n2", "eu", "")->duplicate = true;
    add_member(&cluster, "n2", "us", "")->duplicate = true;
    add_member(&cluster, "n4", "us", "")->linked = false;
    add_member(&cluster, "n5", "us", "")->state = CLUSTER_STATE_DEAD;
    cluster.members[3].state = CLUSTER_SUSPECTED;
    cluster.members[3].rtt_us = 812;

    json_t *root = get(&core, "/v1/cluster", 200);
    json_t *members = json_object_get(root, "members");
    assert_int_equal(json_array_size(members), 5);
    static const char *const names[] = {"n1", "n2#0202", "n2#0303", "n4", "n5"};
    static const char *const states[] = {"alive", "alive", "alive", "suspect",
                                         "dead"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        json_t *member = json_array_get(members, i);
        assert_string_equal(text(member, "name"), names[i]);
        assert_string_equal(text(member, "state"), states[i]);
        assert_string_equal(text(member, "address"), "10.0.0.1:7401");
    }
    json_t *links = json_object_get(root, "links");
    assert_int_equal(json_integer_value(json_object_get(links, "up")), 2);
    assert_int_equal(json_integer_value(json_object_get(links, "of")), 3);
    json_decref(root);
    core_fini(&core);
}

static void the_regions_are_those_of_living_nodes(void **state)
{
    struct cluster cluster = {0};
    struct core core;
    (void)state;
    fake_core_init(&core);
    core.cluster = &cluster;
    add_member(&cluster, "n1", "eu", "http://a:1");
    add_member(&cluster, "n2", "us", "http://b:1");
    add_member(&cluster, "n3", "eu", "http://c:1");
    add_member(&cluster, "n4", "eu", "http://d:1")->draining = true;
    add_member(&cluster, "n4.2", "eu", "http://c:1"); /* of one process */
    add_member(&cluster, "n5", "eu", "");
    add_member(&cluster, "n6", "us", "http://\xff");
    add_member(&cluster, "n7", "ap", "http://e:1")->state = CLUSTER_STATE_LEFT;

    json_t *root = get(&core, "/v1/regions", 200);
    json_t *regions = json_object_get(root, "regions");
    assert_int_equal(json_array_size(regions), 2);
    json_t *eu = json_array_get(regions, 0);
    json_t *us = json_array_get(regions, 1);
    assert_string_equal(text(eu, "name"), "eu");
    assert_string_equal(text(us, "name"), "us");
    assert_int_equal(json_integer_value(json_object_get(eu, "nodes")), 5);
    assert_int_equal(json_array_size(json_object_get(eu, "endpoints")), 2);
    assert_int_equal(json_array_size(json_object_get(us, "endpoints")), 1);
    assert_true(json_is_true(json_object_get(eu, "self")));
    assert_true(json_is_false(json_object_get(us, "self")));
    json_decref(root);
    core_fini(&core);
}

static void a_joining_node_says_what_it_waits_for(void **state)
{
    struct cluster cluster = {.alone = true};
    struct core core;
    (void)state;
    fake_core_init(&core);
    core.cluster = &cluster;
    core.ready = false;

    json_t *root = get(&core, "/readyz", 503);
    assert_string_equal(text(root, "why"), "no snapshot of n2");
    assert_true(json_is_true(json_object_get(root, "alone")));
    json_decref(root);
    core_fini(&core);
}

static void the_numbers_have_the_form_of_prometheus(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    ask_say(&core, "/topics/demo/secret-topic", "secret-value");
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/metrics"});

    assert_int_equal(fake->status, 200);
    assert_true(ask_head_has(
        fake, "content-type: text/plain; version=0.0.4; charset=utf-8\n"));
    assert_true(ask_out_has(fake, "\nstarling_messages_published_total 1\n"));
    assert_true(ask_out_has(
        fake, "\nstarling_build_info{version=\"" STARLING_VERSION "\"} 1\n"));
    assert_false(ask_out_has(fake, "secret"));
    struct bytes out = fake_conn_out(fake);
    assert_int_equal(out.p[out.len - 1], '\n');
    fake_conn_free(fake);
    core_fini(&core);
}

static void only_get_is_answered(void **state)
{
    static const char *const targets[] = {"/livez", "/readyz", "/metrics",
                                          "/v1/cluster", "/v1/regions"};
    struct core core;
    (void)state;
    fake_core_init(&core);

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct fake_conn *fake = ask_new(
            &core, &(struct ask){"POST", targets[i], NULL, NULL, "x"});
        assert_int_equal(fake->status, 405);
        assert_true(ask_head_has(fake, "Allow: GET, OPTIONS\n"));
        fake_conn_free(fake);
    }
    core_fini(&core);
}

/* One spelling, one page (ADVERSARIAL K3). */
static void other_spellings_of_a_path_have_no_door(void **state)
{
    static const char *const targets[] = {
        "/v1/clust%65r",
        "//v1/cluster",
        "/v1//cluster",
        "/v1/./cluster",
        "/V1/cluster",
        "/v1/cluster/",
        "/metrics;x",
        "/livez.",
        "/topics",
        "/Topics/a/b",
        "//topics/a/b",
        "/./topics/a/b",
        "/",
        "*",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct http_request request = ask_request(
            &(struct ask){.target = targets[i]});
        assert_null(door_for_request(&request));
    }
}

/* --- workers --- */

enum {
    OTHER = 1
};

static unsigned woken;

static void wake(void *data)
{
    (void)data;
    woken++;
}

/* The first of two workers; the test is the other. */
static void two_workers_init(struct core *core, struct board **board)
{
    struct view none = {.name = "n1.2"};

    fake_core_init(core);
    *board = board_new(2);
    assert_non_null(*board);
    core->board = *board;
    core->workers = 2;
    woken = 0;
    for (size_t i = 0; i < 2; i++) {
        board_join(*board, i, wake, NULL);
    }
    board_say(*board, OTHER, &none);
}

static void other_shows(struct core *core, bool ready)
{
    struct view view = {.name = "n1.2", .ready = ready, .node_u64 = 7};

    strcpy(view.why, ready ? "" : "starting");
    view.stats.conns = 40;
    view.stats.published = 400;
    view.tally.len = 1;
    view.tally.rows[0] = (struct tally_row){
        .usage.in.items = 30, .len = 3, .name = "red"};
    board_show(core->board, OTHER, board_wanted(core->board, OTHER), &view);
    status_on_board(core);
    fake_flush(core);
}

static void a_worker_answers_for_all_when_all_have_shown(void **state)
{
    struct board *board;
    struct core core;
    (void)state;
    two_workers_init(&core, &board);
    core.stats.conns = 2;
    meters_of(&core.meters, BYTES("red"))->usage.in.items = 4;

    struct fake_conn *ready = ask_new(&core,
                                      &(struct ask){.target = "/readyz"});
    struct fake_conn *metrics = ask_new(&core,
                                        &(struct ask){.target = "/metrics"});
    struct fake_conn *cluster = ask_new(&core,
                                        &(struct ask){.target = "/v1/cluster"});
    struct fake_conn *live = ask_new(&core, &(struct ask){.target = "/livez"});
    assert_int_equal(live->status, 200); /* at once */
    assert_int_equal(ready->status, 0);
    assert_int_equal(woken, 3);
    other_shows(&core, true);
    assert_int_equal(ready->status, 200);
    assert_int_equal(metrics->status, 200);
    assert_true(ask_out_has(metrics, "\nstarling_connections 42\n"));
    assert_true(ask_out_has(metrics, "\nstarling_usage_items_total{cache="
                                     "\"red\",direction=\"in\"} 34\n"));
    assert_true(ask_out_has(metrics, "\nstarling_worker_up{worker=\"2\"} 1\n"));
    assert_true(ask_out_has(metrics,
                            "\nstarling_worker_connections{worker=\"1\"} 2\n"));
    json_t *root = ask_json(cluster);
    json_t *workers = json_object_get(root, "workers");
    assert_int_equal(json_integer_value(json_object_get(root, "clients")), 42);
    assert_int_equal(json_array_size(workers), 2);
    assert_string_equal(text(json_array_get(workers, OTHER), "name"), "n1.2");
    assert_string_equal(text(json_array_get(workers, OTHER), "id"),
                        "0000000000000007");
    json_decref(root);
    struct fake_conn *all[] = {ready, metrics, cluster, live};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        fake_conn_free(all[i]);
    }
    core_fini(&core);
    board_free(board);
}

static void one_that_is_not_ready_is_named(void **state)
{
    struct board *board;
    struct core core;
    (void)state;
    two_workers_init(&core, &board);

    struct fake_conn *fake = ask_new(&core, &(struct ask){.target = "/readyz"});
    other_shows(&core, false);
    assert_int_equal(fake->status, 503);
    assert_true(ask_out_has(fake, "\"why\":\"worker 2: starting\""));
    fake_conn_free(fake);
    core_fini(&core);
    board_free(board);
}

/* Its loop is held up: the others say so, with what it said before. */
static void one_that_does_not_answer_is_named(void **state)
{
    struct board *board;
    struct core core;
    (void)state;
    two_workers_init(&core, &board);

    struct fake_conn *ready = ask_new(&core,
                                      &(struct ask){.target = "/readyz"});
    other_shows(&core, true);
    ask_again(ready, &(struct ask){.target = "/readyz"});
    struct fake_conn *metrics = ask_new(&core,
                                        &(struct ask){.target = "/metrics"});
    fake_wait(&core, 999);
    assert_int_equal(ready->status, 0);
    fake_wait(&core, 1);
    assert_int_equal(ready->status, 503);
    assert_true(ask_out_has(ready, "\"why\":\"worker 2: does not answer\""));
    assert_true(ask_out_has(metrics, "\nstarling_worker_up{worker=\"2\"} 0\n"));
    assert_true(
        ask_out_has(metrics, "\nstarling_messages_published_total 400\n"));
    fake_conn_free(ready);
    fake_conn_free(metrics);
    core_fini(&core);
    board_free(board);
}

static void the_admin_port_speaks_for_its_worker_alone(void **state)
{
    struct board *board;
    struct core core;
    (void)state;
    two_workers_init(&core, &board);
    core.stats.conns = 2;

    struct fake_conn *fake = fake_conn_new(&core);
    fake->conn.admin = true;
    ask_again(fake, &(struct ask){.target = "/metrics"});
    assert_int_equal(fake->status, 200);
    assert_true(ask_out_has(fake, "\nstarling_connections 2\n"));
    assert_false(ask_out_has(fake, "worker="));
    assert_int_equal(woken, 0);
    fake_conn_free(fake);
    core_fini(&core);
    board_free(board);
}

static void who_asked_may_go_or_be_sent_away(void **state)
{
    struct board *board;
    struct core core;
    (void)state;
    two_workers_init(&core, &board);

    struct fake_conn *gone = ask_new(&core, &(struct ask){.target = "/readyz"});
    struct fake_conn *sent = ask_new(&core, &(struct ask){.target = "/readyz"});
    fake_conn_free(gone);
    core.draining = true;
    client_close(sent->conn.client, ERR_CLOSING);
    fake_flush(&core);
    assert_int_equal(sent->status, 503);
    fake_conn_free(sent);
    woken = 0;
    other_shows(&core, true);
    assert_int_equal(woken, 0); /* nobody waits */
    core_fini(&core);
    board_free(board);
}

/* ADVERSARIAL K6: whatever names clients invent. */
static void a_scrape_stays_small(void **state)
{
    struct core core;
    char name[CACHE_LEN_MAX + 1];
    (void)state;
    fake_core_init(&core);

    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof name, "%064u", i);
        meters_of(&core.meters, bytes_str(name))->usage.in.items++;
    }
    memset(&core.stats, 0xff, sizeof core.stats);
    core.stats.ring_len = 0; /* of memory, which is there */
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/metrics"});
    assert_int_equal(fake->status, 200);
    assert_true(fake_conn_out(fake).len < 256 << 10);
    assert_true(ask_out_has(fake, "starling_usage_items_total{cache=\"(others)"
                                  "\",direction=\"in\"} 99900\n"));
    fake_conn_free(fake);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_answers_is_live),
        cmocka_unit_test(readiness_follows_the_gate_and_says_why_not),
        cmocka_unit_test(a_lone_node_lists_itself),
        cmocka_unit_test(a_region_lists_the_endpoints_of_its_nodes),
        cmocka_unit_test(the_members_are_shown_as_the_cluster_knows_them),
        cmocka_unit_test(the_regions_are_those_of_living_nodes),
        cmocka_unit_test(a_joining_node_says_what_it_waits_for),
        cmocka_unit_test(the_numbers_have_the_form_of_prometheus),
        cmocka_unit_test(a_worker_answers_for_all_when_all_have_shown),
        cmocka_unit_test(one_that_is_not_ready_is_named),
        cmocka_unit_test(one_that_does_not_answer_is_named),
        cmocka_unit_test(the_admin_port_speaks_for_its_worker_alone),
        cmocka_unit_test(who_asked_may_go_or_be_sent_away),
        cmocka_unit_test(only_get_is_answered),
        cmocka_unit_test(other_spellings_of_a_path_have_no_door),
        cmocka_unit_test(a_scrape_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
