/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>

#include "node/watch/hot.h"
#include "node/watch/report.h"
#include "proto/hash.h"

static struct hot *hot;
static const struct hash_key key = {.b = {7}};

static int setup(void **state)
{
    (void)state;
    hot = hot_new();
    assert_non_null(hot);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hot_free(hot);
    return 0;
}

static void add(const char *cache, const char *topic, uint64_t in, uint64_t out)
{
    const struct item item = {
        .cache = bytes_str(cache),
        .topic = bytes_str(topic),
        .hash = hash_topic(&key, bytes_str(cache), bytes_str(topic)),
    };

    hot_add(hot, &item, in, out);
}

static void assert_row(const struct report_hot *row, const char *topic,
                       uint64_t in, uint64_t out)
{
    assert_bytes(bytes_of(row->topic, row->topic_len), topic);
    assert_int_equal(row->in, in);
    assert_int_equal(row->out, out);
}

static void the_heaviest_come_first(void **state)
{
    struct report_hot rows[3];
    (void)state;

    add("c", "light", 1, 0);
    add("c", "heavy", 10, 100);
    add("c", "middle", 5, 0);
    add("c", "heavy", 1, 10);
    add("c", "none", 0, 0);
    assert_int_equal(hot_take(hot, rows, 3), 3);
    assert_row(&rows[0], "heavy", 11, 110);
    assert_row(&rows[1], "middle", 5, 0);
    assert_row(&rows[2], "light", 1, 0);
    assert_bytes(bytes_of(rows[0].cache, rows[0].cache_len), "c");
    assert_int_equal(hot_take(hot, rows, 3), 0);
}

static void caches_are_told_apart(void **state)
{
    struct report_hot rows[3];
    (void)state;

    add("a", "t", 2, 0);
    add("b", "t", 1, 0);
    assert_int_equal(hot_take(hot, rows, 3), 2);
    assert_int_equal(rows[0].in, 2);
    assert_int_equal(rows[1].in, 1);
}

/* The one that was counted for last may have lost its row meanwhile. */
static void the_latest_is_who_it_was(void **state)
{
    struct report_hot rows[3];
    char topic[2] = "a";
    (void)state;

    for (uint64_t i = 0; i <= HOT_WAYS; i++, topic[0]++) {
        const struct item item = {.cache = BYTES("c"),
                                  .topic = bytes_str(topic),
                                  .hash = 5 + i * HOT_SETS};
        hot_add(hot, &item, 1, 0);
        hot_add(hot, &item, i, 0);
    }
    assert_int_equal(hot_take(hot, rows, 3), 3);
    assert_row(&rows[0], "e", HOT_WAYS + 1, 0);
    assert_row(&rows[1], "d", HOT_WAYS, 0);
    add("c", "later", 1, 0);
    assert_int_equal(hot_take(hot, rows, 3), 1);
}

/* Half of all that comes by is of one topic, between topics that come once: it
 * gets a row that it keeps, although each newcomer is as light as it was. */
static void what_is_hot_gets_a_row(void **state)
{
    struct report_hot rows[1];
    struct item item = {.cache = BYTES("c"), .topic = BYTES("known")};
    (void)state;

    for (uint64_t i = 1; i < HOT_WAYS; i++) {
        item.hash = i * HOT_SETS;
        hot_add(hot, &item, 2, 0);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        item.topic = BYTES("hot");
        item.hash = HOT_WAYS * HOT_SETS;
        hot_add(hot, &item, 1, 0);
        item.topic = BYTES("once");
        item.hash = (HOT_WAYS + 1 + i) * HOT_SETS;
        hot_add(hot, &item, 1, 0);
    }
    assert_int_equal(hot_take(hot, rows, 1), 1);
    assert_bytes(bytes_of(rows[0].topic, rows[0].topic_len), "hot");
    assert_in_range(rows[0].in, 900, 1000);
}

/* A hundred thousand topics come by, and ten of them more than others: those
 * are found, and nothing is shown that was not there. */
static void what_is_hot_stays_in_a_crowd(void **state)
{
    struct report_hot rows[10];
    char topic[32];
    (void)state;

    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(topic, sizeof topic, "crowd-%u", i);
        add("c", topic, 1, 0);
        if (i % 10 == 0) {
            (void)snprintf(topic, sizeof topic, "hot-%u", i / 10 % 10);
            add("c", topic, 1, 9);
        }
    }
    assert_int_equal(hot_take(hot, rows, 10), 10);
    for (size_t i = 0; i < 10; i++) {
        assert_memory_equal(rows[i].topic, "hot-", 4);
        assert_in_range(rows[i].in, 900, 1000);
        assert_in_range(rows[i].out, 8100, 9000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(the_heaviest_come_first),      TEST(caches_are_told_apart),
        TEST(the_latest_is_who_it_was),     TEST(what_is_hot_gets_a_row),
        TEST(what_is_hot_stays_in_a_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
