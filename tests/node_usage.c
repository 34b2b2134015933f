/* SPDX-License-Identifier: Apache-2.0
 *
 * Four nodes in two regions that ask each other for their meters.
 */
#include "tests/test.h"

#include <stdio.h>

#include "node/client/usage.h"
#include "proto/err.h"
#include "tests/ends.h"
#include "tests/fail_malloc.h"

struct world {
    struct ends ends;
    size_t reports; /* the last of them: */
    bool complete;
    struct usage_node nodes[8];
    size_t nodes_len;
    struct usage_row rows[600];
    size_t rows_len;
};

static const char *const regions[ENDS] = {"eu", "us", "eu", "us"};

static int setup(void **state)
{
    static struct world w;

    w.reports = 0;
    ends_init(&w.ends);
    for (size_t i = 0; i < ENDS; i++) {
        struct core *core = &w.ends.at[i].core;
        strcpy(core->region, regions[i]);
        (void)snprintf(core->name, sizeof core->name, "n%zu", i);
        core->id = end_id(i);
        core->since_ms = 1000 + i;
        for (size_t j = 0; j < ENDS; j++) {
            w.ends.at[j].cluster.members[i].node.region = bytes_str(regions[i]);
        }
        usage_serve(core);
    }
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    ends_fini(&w->ends);
    return 0;
}

static struct meter *meter_at(struct world *w, size_t i, const char *cache)
{
    return meters_of(&w->ends.at[i].core.meters, bytes_str(cache));
}

/* Each field another one, so that none is taken for another. */
static void use(struct world *w, size_t i, const char *cache, uint64_t n)
{
    usage_add(&meter_at(w, i, cache)->usage,
              &(struct usage){.in = {n, 2 * n, 3 * n},
                              .out = {4 * n, 5 * n, 6 * n},
                              .refused = 7 * n});
}

static void on_report(void *data, const struct usage_report *report)
{
    struct world *w = data;

    w->reports++;
    w->complete = report->complete;
    assert_in_range(report->nodes_len, 1, ARRAY_LEN(w->nodes));
    memcpy(w->nodes, report->nodes, report->nodes_len * sizeof w->nodes[0]);
    w->nodes_len = report->nodes_len;
    assert_in_range(report->rows_len, 0, ARRAY_LEN(w->rows));
    for (size_t i = 0; i < report->rows_len; i++) {
        w->rows[i] = *report->rows[i];
    }
    w->rows_len = report->rows_len;
}

static struct usage_ask *start(struct world *w)
{
    struct usage_ask *ask = NULL;

    assert_int_equal(usage_start(&ask, &w->ends.at[0].core, w, on_report), 0);
    assert_int_equal(w->reports, 0);
    return ask;
}

/* All that can answer does. Returns the milliseconds that it took. */
static uint64_t finish(struct world *w)
{
    struct core *core = &w->ends.at[0].core;
    uint64_t from_ms = core->now_ms;

    while (w->reports == 0) {
        assert_in_range(core->now_ms - from_ms, 0, 2 * USAGE_WAIT_MS);
        ends_settle(&w->ends);
        if (w->reports == 0) {
            fake_wait(core, 100);
        }
    }
    assert_int_equal(w->reports, 1);
    return core->now_ms - from_ms;
}

static void assert_row(const struct world *w, size_t i, const char *cache,
                       const char *region, uint64_t n)
{
    const struct usage usage = {.in = {n, 2 * n, 3 * n},
                                .out = {4 * n, 5 * n, 6 * n},
                                .refused = 7 * n};

    assert_in_range(i, 0, w->rows_len - 1);
    assert_string_equal(w->rows[i].cache, cache);
    assert_string_equal(w->rows[i].region, region);
    assert_memory_equal(&w->rows[i].usage, &usage, sizeof usage);
}

static const struct usage_node *node(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->nodes_len; i++) {
        if (strcmp(w->nodes[i].name, name) == 0) {
            return &w->nodes[i];
        }
    }
    fail_msg("no %s in the report", name);
    return &w->nodes[0];
}

/* --- tests --- */

static void counts_are_added_up_by_cache_and_region(void **state)
{
    struct world *w = *state;

    use(w, 0, "red", 1);
    use(w, 1, "red", 10);
    use(w, 2, "red", 100);
    use(w, 3, "red", 1000);
    use(w, 3, "blue", 5);
    use(w, 0, "green", 7);
    use(w, 1, "violet", 3);
    use(w, 2, "violet", 4); /* answers later */
    (void)meter_at(w, 2, "unused");
    start(w);
    assert_int_equal(finish(w), 0);
    assert_true(w->complete);
    assert_int_equal(w->rows_len, 6);
    assert_row(w, 0, "blue", "us", 5);
    assert_row(w, 1, "green", "eu", 7);
    assert_row(w, 2, "red", "eu", 101);
    assert_row(w, 3, "red", "us", 1010);
    assert_row(w, 4, "violet", "eu", 4);
    assert_row(w, 5, "violet", "us", 3);
    assert_int_equal(w->nodes_len, ENDS);
    for (size_t i = 0; i < ENDS; i++) {
        assert_int_equal(w->nodes[i].self, i == 0);
        assert_string_equal(w->nodes[i].region, regions[i]);
        assert_true(w->nodes[i].answered);
        assert_false(w->nodes[i].dead);
        assert_int_equal(w->nodes[i].since_ms, 1000 + i);
    }
}

static void what_has_no_name_comes_first(void **state)
{
    struct world *w = *state;

    use(w, 0, "red", 1);
    w->ends.at[1].core.meters.rest.usage.in.items = 9;
    start(w);
    finish(w);
    assert_int_equal(w->rows_len, 2);
    assert_string_equal(w->rows[0].cache, "");
    assert_string_equal(w->rows[0].region, "us");
    assert_int_equal(w->rows[0].usage.in.items, 9);
}

static void who_is_silent_is_named_and_the_others_count(void **state)
{
    struct world *w = *state;

    use(w, 1, "red", 1);
    use(w, 2, "red", 2);
    w->ends.at[2].deaf = true;
    start(w);
    assert_in_range(finish(w), USAGE_WAIT_MS, USAGE_WAIT_MS + 100);
    assert_false(w->complete);
    assert_false(node(w, "n2")->answered);
    assert_true(node(w, "n1")->answered);
    assert_true(node(w, "n3")->answered);
    assert_int_equal(w->rows_len, 1);
    assert_row(w, 0, "red", "us", 1);
}

static void who_may_still_run_is_missed(void **state)
{
    struct world *w = *state;
    struct cluster *cluster = &w->ends.at[0].cluster;

    cluster->members[3].state = CLUSTER_STATE_DEAD;
    start(w);
    finish(w);
    assert_false(w->complete);
    assert_true(node(w, "n3")->dead);
    assert_false(node(w, "n3")->answered);
    w->reports = 0;
    cluster->members[3].node.cluster = cluster->members[1].node.cluster;
    start(w);
    finish(w);
    assert_true(w->complete); /* it is another life, and counts anew */
    assert_int_equal(w->nodes_len, 3);
    w->reports = 0;
    cluster->members[1].state = CLUSTER_STATE_LEFT;
    cluster->members[3].state = CLUSTER_STATE_LEFT;
    start(w);
    finish(w);
    assert_true(w->complete);
    assert_int_equal(w->nodes_len, 2);
}

/* --- in parts --- */

/* Members that left make the parts smaller: 14 rows of each node. */
static void make_parts_small(struct world *w)
{
    struct cluster *cluster = &w->ends.at[0].cluster;

    for (size_t i = ENDS; i < ENDS_MEMBERS_MAX; i++) {
        cluster->members[i] = end_member(0);
        cluster->members[i].state = CLUSTER_STATE_LEFT;
    }
    cluster->len = ENDS_MEMBERS_MAX;
}

static void use_many(struct world *w, size_t i, unsigned len)
{
    char name[16];

    for (unsigned n = 0; n < len; n++) {
        (void)snprintf(name, sizeof name, "c%04u", n);
        use(w, i, name, n + 1);
    }
}

static void many_caches_come_in_parts(void **state)
{
    static const unsigned lens[] = {12, 13, 14, 15, 27, 28, 200};
    struct world *w = *state;

    make_parts_small(w);
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        for (size_t at = 0; at < ENDS; at++) {
            meters_fini(&w->ends.at[at].core.meters);
            w->ends.at[at].core.meters.key = &w->ends.at[at].core.hash_key;
        }
        use_many(w, 0, 3);
        use_many(w, 1, lens[i]);
        use_many(w, 2, lens[i] / 2);
        use_many(w, 3, lens[i]);
        w->reports = 0;
        start(w);
        assert_int_equal(finish(w), 0);
        assert_true(w->complete);
        uint64_t eu = lens[i] / 2 > 3 ? lens[i] / 2 : 3;
        assert_int_equal(w->rows_len, lens[i] + eu);
        assert_row(w, 0, "c0000", "eu", 2);
        assert_row(w, 1, "c0000", "us", 2);
        char last[16];
        (void)snprintf(last, sizeof last, "c%04u", lens[i] - 1);
        assert_row(w, w->rows_len - 1, last, "us", 2ull * lens[i]);
    }
}

static void who_misses_a_part_has_not_answered(void **state)
{
    struct world *w = *state;

    make_parts_small(w);
    use_many(w, 1, 30);
    use_many(w, 2, 30);
    use_many(w, 3, 5);
    start(w);
    ends_deliver(&w->ends); /* asked */
    ends_deliver(&w->ends); /* answered, asked for more */
    w->ends.at[2].deaf = true;
    w->ends.at[3].deaf = true; /* it has no more */
    assert_in_range(finish(w), USAGE_WAIT_MS, USAGE_WAIT_MS + 100);
    assert_false(w->complete);
    assert_false(node(w, "n2")->answered);
    assert_true(node(w, "n3")->answered);
    /* Time is up: nobody is asked for the third part. */
    assert_false(node(w, "n1")->answered);
    assert_int_equal(w->ends.letters_len, 0);
}

static void who_comes_between_two_parts_has_not_answered(void **state)
{
    struct world *w = *state;
    struct cluster *cluster = &w->ends.at[0].cluster;

    make_parts_small(w);
    use_many(w, 1, 20);
    use_many(w, 2, 20);
    cluster->members[2].state = CLUSTER_SUSPECTED; /* not linked */
    start(w);
    ends_deliver(&w->ends);
    cluster->members[2].state = CLUSTER_ALIVE;
    finish(w);
    assert_false(w->complete);
    assert_true(node(w, "n1")->answered);
    assert_false(node(w, "n2")->answered);
}

/* --- at its edges --- */

static void nonsense_is_no_answer(void **state)
{
    static const struct bytes wrong[] = {BYTES(""), BYTES("\x91\x01"),
                                         BYTES("\x94\x01\xa1/\x00\x90")};
    struct world *w = *state;

    w->ends.at[1].deaf = w->ends.at[2].deaf = w->ends.at[3].deaf = true;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        w->reports = 0;
        start(w);
        for (uint16_t from = 1; from < ENDS; from++) {
            const struct peer_message reply = {
                .type = PEER_REPLY,
                .number = i + 1,
                .kind = CALL_USAGE,
                .status = PEER_REPLY_DONE,
                .body = wrong[i],
            };
            calls_take(w->ends.at[0].calls, from, &reply);
        }
        assert_int_equal(finish(w), 0);
        assert_false(w->complete);
        assert_false(node(w, "n1")->answered);
    }
}

static void a_question_that_makes_no_sense_fails(void **state)
{
    struct world *w = *state;
    const struct peer_message question = {
        .type = PEER_CALL,
        .number = 9,
        .kind = CALL_USAGE,
        .body = BYTES("\x91\x01"),
    };

    calls_take(w->ends.at[1].calls, 0, &question);
    assert_int_equal(w->ends.letters_len, 1);
    assert_int_equal(w->ends.letters[0].message.status, PEER_REPLY_FAILED);
    ends_settle(&w->ends);
}

static void who_goes_is_not_told(void **state)
{
    struct world *w = *state;

    struct usage_ask *ask = start(w);
    ends_deliver(&w->ends);
    usage_forget(ask);
    ends_settle(&w->ends);
    fake_wait(&w->ends.at[0].core, 2 * USAGE_WAIT_MS);
    assert_int_equal(w->reports, 0);
}

static void a_core_without_calls_is_not_ready(void **state)
{
    struct world *w = *state;
    struct usage_ask *ask;

    w->ends.at[0].core.calls = NULL;
    assert_int_equal(usage_start(&ask, &w->ends.at[0].core, w, on_report),
                     ERR_NOT_READY);
    w->ends.at[0].core.calls = w->ends.at[0].calls;
}

/* Either it says that there is no memory, or it reports, and what is missing
 * then is not called complete. */
static void short_memory_is_never_called_complete(void **state)
{
    struct world *w = *state;

    use_many(w, 0, 20);
    use_many(w, 1, 20);
    use_many(w, 2, 20);
    for (long n = 0;; n++) {
        struct usage_ask *ask;
        w->reports = 0;
        fail_malloc(n);
        int rc = usage_start(&ask, &w->ends.at[0].core, w, on_report);
        if (rc == 0) {
            finish(w);
        }
        bool hit = fail_malloc_hit;
        fail_malloc(-1);
        assert_true(rc == 0 || (rc == ERR_NOMEM && hit));
        ends_settle(&w->ends);
        if (rc == 0 && w->complete) {
            assert_int_equal(w->rows_len, 40);
            assert_row(w, 39, "c0019", "us", 20);
        }
        if (!hit) {
            assert_true(n > 30);
            return;
        }
    }
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(counts_are_added_up_by_cache_and_region),
        T(what_has_no_name_comes_first),
        T(who_is_silent_is_named_and_the_others_count),
        T(who_may_still_run_is_missed),
        T(many_caches_come_in_parts),
        T(who_misses_a_part_has_not_answered),
        T(who_comes_between_two_parts_has_not_answered),
        T(nonsense_is_no_answer),
        T(a_question_that_makes_no_sense_fails),
        T(who_goes_is_not_told),
        T(a_core_without_calls_is_not_ready),
        T(short_memory_is_never_called_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
