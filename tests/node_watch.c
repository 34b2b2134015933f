/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node says of itself, to whom, and when it says nothing.
 */
#include "tests/test.h"

#include "node/watch/watch.h"
#include "tests/ask.h"
#include "tests/ends.h"

static struct ends ends;
static struct core *core;
static struct watch *watch;
static struct log events_log;

/* What is around it. */
static bool wanted_elsewhere;
static struct watch_link link_now;
static uint64_t cpu_now;
static size_t asked;

static bool fake_wanted(void *data, const struct item *item)
{
    (void)data;
    assert_bytes(item->cache, "_sys");
    asked++;
    return wanted_elsewhere;
}

static bool fake_link_at(void *data, uint16_t slot, struct watch_link *link)
{
    (void)data;
    *link = link_now;
    return slot == 1;
}

static uint64_t fake_cpu_us(void *data)
{
    (void)data;
    return cpu_now;
}

static uint64_t fake_rss(void *data)
{
    (void)data;
    return 4096;
}

static const struct watch_world around = {.wanted = fake_wanted,
                                          .link_at = fake_link_at,
                                          .cpu_us = fake_cpu_us,
                                          .rss = fake_rss};

static int setup(void **state)
{
    (void)state;
    ends_init(&ends);
    core = &ends.at[0].core;
    wanted_elsewhere = false;
    link_now = (struct watch_link){0};
    cpu_now = 0;
    for (size_t i = 0; i < ENDS; i++) {
        struct core *one = &ends.at[i].core;
        (void)snprintf(one->name, sizeof one->name, "n%zu", i);
        strcpy(one->region, i < 2 ? "eu" : "us");
        for (size_t j = 0; j < ENDS; j++) {
            ends.at[i].cluster.members[j].linked = true;
            ends.at[i].cluster.members[j].slot = (uint16_t)j;
        }
        assert_non_null(watch_new(one, &around));
    }
    watch = core->watch;
    asked = 0;
    events_log = (struct log){
        .level = LOG_ERROR, .on_line = events_take, .data = &core->events};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENDS; i++) {
        watch_free(ends.at[i].core.watch);
    }
    ends_fini(&ends);
    return 0;
}

static struct fake_conn *subscribe(const char *topic)
{
    char target[64];

    (void)snprintf(target, sizeof target, "/topics/_sys/%s", topic);
    struct fake_conn *fake = ask_new(
        core,
        &(struct ask){.target = target, .header = "Accept: text/event-stream"});
    assert_int_equal(fake->status, 200);
    return fake;
}

/* The values of all `data:` lines that came since the last call. */
static size_t heard(struct fake_conn *fake, json_t **last)
{
    struct buf text = {0};
    char *save = NULL;
    size_t len = 0;

    buf_add_bytes(&text, fake_conn_out(fake));
    buf_add_u8(&text, '\0');
    for (char *line = strtok_r((char *)text.p, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "data: ", 6) == 0) {
            if (last != NULL) {
                json_decref(*last);
                *last = json_loads(line + 6, 0, NULL);
                assert_non_null(*last);
            }
            len++;
        }
    }
    buf_fini(&text);
    buf_reset(&fake->out);
    return len;
}

static json_int_t at(json_t *root, const char *one, const char *two)
{
    json_t *value = json_object_get(root, one);

    value = two == NULL ? value : json_object_get(value, two);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void a_report_comes_each_second_to_who_subscribes(void **state)
{
    struct fake_conn *fake = subscribe("stats");
    json_t *report = NULL;
    (void)state;

    fake_wait(core, 1000);
    assert_int_equal(heard(fake, &report), 1);
    ask_say(core, "/topics/demo/t", "one");
    core->stats.bytes_in += 70;
    cpu_now = 250000;
    fake_wait(core, 400);
    assert_int_equal(heard(fake, NULL), 0);
    fake_wait(core, 600);
    assert_int_equal(heard(fake, &report), 1);
    assert_int_equal(at(report, "every_ms", NULL), 1000);
    assert_int_equal(at(report, "in", "items"), 1);
    assert_int_equal(at(report, "in", "bytes"), 70);
    assert_int_equal(at(report, "out", "items"), 0); /* not of itself */
    assert_int_equal(at(report, "cpu_permille", NULL), 250);
    assert_int_equal(at(report, "rss", NULL), 4096);
    assert_int_equal(at(report, "doors", "sse"), 1);
    assert_int_equal(at(report, "clients", NULL), 1);
    fake_wait(core, 1000);
    assert_int_equal(heard(fake, &report), 1);
    assert_int_equal(at(report, "in", "items"), 0);
    json_decref(report);
    fake_conn_free(fake);
}

static void nothing_is_said_to_nobody(void **state)
{
    (void)state;

    fake_wait(core, 1000);
    assert_int_equal(core->items_made, 0);
    assert_true(asked > 0);
    wanted_elsewhere = true;
    fake_wait(core, 1000);
    assert_int_equal(core->items_made, 1);
    wanted_elsewhere = false;
    fake_wait(core, 1000);
    assert_int_equal(core->items_made, 1);
}

static void items_are_looked_at_while_somebody_watches(void **state)
{
    struct fake_conn *fake = subscribe("stats");
    struct fake_conn *other = ask_new(
        core, &(struct ask){.target = "/topics/demo/t",
                            .header = "Accept: text/event-stream"});
    json_t *report = NULL;
    (void)state;

    assert_null(core->lens);
    fake_wait(core, 1000);
    assert_non_null(core->lens);
    ask_say(core, "/topics/demo/t", "one");
    ask_say(core, "/topics/demo/u", "two");
    fake_wait(core, 1000);
    (void)heard(fake, &report);
    json_t *hot = json_object_get(report, "hot");
    assert_int_equal(json_array_size(hot), 2);
    json_t *most = json_array_get(hot, 0);
    assert_string_equal(json_string_value(json_object_get(most, "topic")), "t");
    assert_int_equal(at(most, "in", NULL), 1);
    assert_int_equal(at(most, "out", NULL), 1);
    assert_int_equal(at(most, "subs", NULL), 1);
    fake_wait(core, 1000);
    (void)heard(fake, &report);
    assert_int_equal(json_array_size(json_object_get(report, "hot")), 0);
    fake_conn_free(fake);
    fake_wait(core, 1000);
    assert_null(core->lens);
    json_decref(report);
    fake_conn_free(other);
}

static void who_asked_once_is_looked_at_for_a_while(void **state)
{
    struct buf out = {0};
    (void)state;

    fake_wait(core, 1000);
    watch_report(watch, &out);
    for (int s = 0; s < WATCH_ASKED_MS / 1000 - 1; s++) {
        fake_wait(core, 1000);
        assert_non_null(core->lens);
    }
    fake_wait(core, 1000);
    assert_null(core->lens);
    buf_fini(&out);
}

/* What the cluster says of itself is in nobody's bill. */
static void it_is_in_no_usage(void **state)
{
    struct fake_conn *fake = subscribe("stats");
    (void)state;

    fake_wait(core, 1000);
    assert_int_equal(heard(fake, NULL), 1);
    assert_null(meters_find(&core->meters, BYTES("_sys")));
    assert_null(meters_at(&core->meters, 1));
    assert_int_equal(core->meters.rest.usage.out.items, 0);
    assert_int_equal(core->stats.published, 0);
    fake_conn_free(fake);
}

static json_t *link_of(json_t *report, size_t i)
{
    json_t *link = json_array_get(json_object_get(report, "links"), i);

    assert_non_null(link);
    return link;
}

static void links_are_those_of_members_that_may_run(void **state)
{
    struct cluster *cluster = &ends.at[0].cluster;
    struct buf out = {0};
    (void)state;

    cluster->members[2].state = CLUSTER_STATE_DEAD;
    cluster->members[2].linked = false;
    cluster->members[3].state = CLUSTER_STATE_LEFT;
    watch_report(watch, &out); /* somebody looks from now on */
    buf_reset(&out);
    link_now = (struct watch_link){10, 1000, 1, 0};
    fake_wait(core, 1000);
    link_now = (struct watch_link){13, 1300, 2, 55};
    fake_wait(core, 1000);
    watch_report(watch, &out);
    json_t *report = json_loadb((char *)out.p, out.len, 0, NULL);
    assert_int_equal(at(report, "links_len", NULL), 2);
    json_t *dead = link_of(report, 0); /* what needs a look comes first */
    json_t *link = link_of(report, 1);
    assert_string_equal(json_string_value(json_object_get(dead, "state")),
                        "dead");
    assert_true(json_is_false(json_object_get(dead, "up")));
    assert_string_equal(json_string_value(json_object_get(link, "name")), "n1");
    assert_true(json_is_true(json_object_get(link, "up")));
    assert_int_equal(at(link, "items", NULL), 3);
    assert_int_equal(at(link, "bytes", NULL), 300);
    assert_int_equal(at(link, "dropped", NULL), 1);
    assert_int_equal(at(link, "queue", NULL), 55);
    json_decref(report);
    buf_fini(&out);
}

static void slow_clients_are_listed_by_what_waits_for_them(void **state)
{
    struct fake_conn *all[12];
    struct buf out = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        all[i] = fake_conn_new(core);
        assert_int_equal(fake_conn_open(all[i], &door_resp, NULL), 0);
        all[i]->window = i == 5 ? SIZE_MAX : 0;
        uint8_t bytes[100] = {0};
        client_write(all[i]->conn.client, bytes_of(bytes, 10 + i));
    }
    fake_flush(core);
    watch_report(watch, &out);
    json_t *report = json_loadb((char *)out.p, out.len, 0, NULL);
    json_t *slow = json_object_get(report, "slow");
    assert_int_equal(json_array_size(slow), 10);
    for (size_t i = 0; i < 10; i++) {
        size_t which = 11 - i - (i > 5);
        assert_int_equal(at(json_array_get(slow, i), "queue", NULL),
                         10 + which);
    }
    json_decref(report);
    buf_fini(&out);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        fake_conn_free(all[i]);
    }
}

static void events_come_at_once(void **state)
{
    struct fake_conn *fake = subscribe("events");
    json_t *event = NULL;
    (void)state;

    log_line(&events_log, LOG_WARN, "member-dead", "peer=%s", "n2");
    fake_wait(core, 1);
    assert_int_equal(heard(fake, &event), 1);
    assert_string_equal(json_string_value(json_object_get(event, "event")),
                        "member-dead");
    assert_string_equal(json_string_value(json_object_get(event, "node")),
                        "n0");
    assert_null(json_object_get(event, "suppressed"));
    json_decref(event);
    fake_conn_free(fake);
}

static void a_flood_of_events_is_cut_and_counted(void **state)
{
    struct fake_conn *fake = subscribe("events");
    json_t *event = NULL;
    (void)state;

    for (int i = 0; i < WATCH_EVENTS_MAX + 20; i++) {
        log_line(&events_log, LOG_INFO, "one-more", "i=%d", i);
    }
    fake_wait(core, 1);
    assert_int_equal(heard(fake, NULL), WATCH_EVENTS_MAX);
    fake_wait(core, 1000);
    log_line(&events_log, LOG_INFO, "one-more", "");
    fake_wait(core, 1);
    assert_int_equal(heard(fake, &event), 1);
    assert_int_equal(at(event, "suppressed", NULL), 20);
    json_decref(event);
    fake_conn_free(fake);
}

/* --- asked of all --- */

static void settle(struct fake_conn *fake)
{
    for (int i = 0; i < 100 && fake->status == 0; i++) {
        ends_settle(&ends);
        fake_wait(core, 100);
    }
}

static void all_are_asked_and_the_silent_are_named(void **state)
{
    (void)state;

    ends.at[2].deaf = true;
    ends.at[0].cluster.members[3].state = CLUSTER_STATE_LEFT;
    struct fake_conn *fake = ask_new(
        core, &(struct ask){.target = "/v1/admin/report"});
    settle(fake);
    assert_int_equal(fake->status, 200);
    json_t *root = ask_json(fake);
    json_t *nodes = json_object_get(root, "nodes");
    assert_int_equal(json_array_size(nodes), 2);
    for (size_t i = 0; i < 2; i++) {
        json_t *name = json_object_get(json_array_get(nodes, i), "name");
        assert_string_equal(json_string_value(name), i == 0 ? "n0" : "n1");
    }
    char *silent = json_dumps(json_object_get(root, "silent"), JSON_COMPACT);
    assert_string_equal(silent, "[\"n2\"]");
    free(silent);
    json_decref(root);
    fake_conn_free(fake);
}

static bool lies(void *data, struct bytes body, struct buf *out)
{
    (void)body;
    buf_add_str(out, data);
    return true;
}

static void what_is_no_object_is_not_passed_on(void **state)
{
    static char broken[] = "{\"v\":1}]";
    (void)state;

    calls_serve(ends.at[1].calls, CALL_REPORT, lies, broken);
    struct fake_conn *fake = ask_new(
        core, &(struct ask){.target = "/v1/admin/report"});
    settle(fake);
    json_t *root = ask_json(fake);
    assert_int_equal(json_array_size(json_object_get(root, "nodes")), 3);
    assert_int_equal(json_array_size(json_object_get(root, "silent")), 1);
    json_decref(root);
    fake_conn_free(fake);
}

static void an_asker_may_go(void **state)
{
    (void)state;

    struct fake_conn *fake = ask_new(
        core, &(struct ask){.target = "/v1/admin/report"});
    assert_int_equal(fake->status, 0);
    fake_conn_free(fake);
    ends_settle(&ends);
    fake_wait(core, 2000);
}

static unsigned status_with(const char *header)
{
    struct fake_conn *fake = ask_new(
        core, &(struct ask){.target = "/v1/admin/report", .header = header});
    settle(fake);
    unsigned status = fake->status;
    fake_conn_free(fake);
    return status;
}

static void only_who_may_look_is_told(void **state)
{
    (void)state;

    fake_core_ask_tokens(core);
    assert_int_equal(status_with(NULL), 401);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_report_comes_each_second_to_who_subscribes),
        TEST(nothing_is_said_to_nobody),
        TEST(items_are_looked_at_while_somebody_watches),
        TEST(who_asked_once_is_looked_at_for_a_while),
        TEST(it_is_in_no_usage),
        TEST(links_are_those_of_members_that_may_run),
        TEST(slow_clients_are_listed_by_what_waits_for_them),
        TEST(events_come_at_once),
        TEST(a_flood_of_events_is_cut_and_counted),
        TEST(all_are_asked_and_the_silent_are_named),
        TEST(what_is_no_object_is_not_passed_on),
        TEST(an_asker_may_go),
        TEST(only_who_may_look_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
