/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>

#include "node/watch/peer_tally.h"
#include "node/watch/watch.h"
#include "tests/ends.h"

static struct ends ends;
static struct core *core;
static struct peer_tally tally;
static struct buf out;

static bool fake_wanted(void *data, const struct item *item)
{
    (void)data;
    (void)item;
    return false;
}

static bool fake_link_at(void *data, uint16_t slot, struct watch_link *link)
{
    (void)data;
    *link = (struct watch_link){10, 1000, 2, 30};
    return slot == 1;
}

static uint64_t fake_cost(void *data)
{
    (void)data;
    return 0;
}

static int setup(void **state)
{
    const struct watch_world around = {.wanted = fake_wanted,
                                       .link_at = fake_link_at,
                                       .cpu_us = fake_cost,
                                       .rss = fake_cost};
    (void)state;

    ends_init(&ends);
    core = &ends.at[0].core;
    for (size_t i = 0; i < ENDS; i++) {
        ends.at[0].cluster.members[i].slot = (uint16_t)i;
    }
    ends.at[0].cluster.members[1].linked = true;
    assert_non_null(watch_new(core, &around));
    out = (struct buf){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    watch_free(core->watch);
    ends_fini(&ends);
    buf_fini(&out);
    return 0;
}

static const char *written(void)
{
    buf_reset(&out);
    peer_tally_write(&tally, &out);
    buf_add_u8(&out, '\0');
    assert_false(out.failed);
    return (const char *)out.p;
}

static void each_peer_that_may_run_has_a_row(void **state)
{
    (void)state;

    ends.at[0].cluster.members[3].state = CLUSTER_STATE_LEFT;
    peer_tally_of(core, &tally);
    const char *text = written();
    assert_non_null(strstr(text, "# TYPE starling_link_up gauge\n"
                                 "starling_link_up{peer=\"n1\"} 1\n"
                                 "starling_link_up{peer=\"n2\"} 0\n# HELP"));
    assert_non_null(strstr(text, "\nstarling_link_queue_bytes{peer=\"n1\"} 30\n"
                                 "starling_link_queue_bytes{peer=\"n2\"} 0\n"));
    assert_non_null(strstr(
        text, "\nstarling_link_peer_items_dropped_total{peer=\"n1\"} 2\n"));
    /* Nothing is known of their clocks. */
    assert_null(strstr(text, "rtt_seconds{"));
}

static void seconds_have_a_sign_and_six_digits(void **state)
{
    (void)state;

    tally = (struct peer_tally){.len = 1};
    tally.rows[0] = (struct peer_row){
        .name = "n", .is_known = true, .rtt_us = 1500, .clock_us = -2000042};
    const char *text = written();
    assert_non_null(strstr(text, "_rtt_seconds{peer=\"n\"} 0.001500\n"));
    assert_non_null(strstr(text, "_offset_seconds{peer=\"n\"} -2.000042\n"));
}

static void what_workers_say_is_added(void **state)
{
    struct peer_tally one = {.len = 2};
    (void)state;

    tally = (struct peer_tally){.len = 1};
    tally.rows[0] = (struct peer_row){
        .name = "n1", .up = true, .rtt_us = 5, .clock_us = 1, .items = 3};
    one.rows[0] = (struct peer_row){.name = "n1",
                                    .is_known = true,
                                    .rtt_us = 4,
                                    .clock_us = -2,
                                    .items = 4};
    one.rows[1] = (struct peer_row){.name = "n2", .up = true};
    peer_tally_add(&tally, &one);
    assert_int_equal(tally.len, 2);
    assert_false(tally.rows[0].up);
    assert_int_equal(tally.rows[0].rtt_us, 5);
    assert_int_equal(tally.rows[0].clock_us, -2);
    assert_int_equal(tally.rows[0].items, 7);
    assert_true(tally.rows[1].up);
}

static void many_are_together(void **state)
{
    static char names[ENDS_MEMBERS_MAX][8];
    struct cluster *cluster = &ends.at[0].cluster;
    (void)state;

    for (size_t i = ENDS; i < 200; i++) {
        cluster->members[i] = end_member(1);
        cluster->members[i].node.id = end_id(i % 256);
        cluster->members[i].slot = 1;
        (void)snprintf(names[i], sizeof names[i], "m%zu", i);
        cluster->members[i].node.name = bytes_str(names[i]);
    }
    cluster->len = 200;
    peer_tally_of(core, &tally);
    assert_int_equal(tally.len, PEER_TALLY_MAX);
    assert_non_null(strstr(written(),
                           "\nstarling_link_peer_items_sent_total{peer="
                           "\"(others)\"} 1350\n"));
    struct peer_tally sum = {0};
    peer_tally_add(&sum, &tally);
    peer_tally_add(&sum, &tally);
    assert_int_equal(sum.others.items, 2700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(each_peer_that_may_run_has_a_row),
        TEST(seconds_have_a_sign_and_six_digits),
        TEST(what_workers_say_is_added),
        TEST(many_are_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
