/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "cluster/replog.h"
#include "proto/err.h"
#include "tests/fail_malloc.h"

static int setup(void **state)
{
    struct replog *log = calloc(1, sizeof *log);

    replog_init(log, 0);
    *state = log;
    return 0;
}

static int teardown(void **state)
{
    replog_check(*state);
    replog_fini(*state);
    free(*state);
    return 0;
}

static uint64_t hash_of(uint64_t i)
{
    return hash_mix(i + 1);
}

static struct peer_record pattern_of(uint64_t i, bool removed)
{
    return (struct peer_record){.type = PEER_PATTERN,
                                .removed = removed,
                                .dialect = TOPIC_GLOB,
                                .hash = hash_of(i),
                                .cache = BYTES("default"),
                                .pattern = BYTES("news.*")};
}

static uint64_t want_pattern(struct replog *log, uint64_t i, bool wanted)
{
    struct peer_record record = pattern_of(i, !wanted);

    return replog_want_record(log, &record);
}

static void log_steps_only_for_the_first_and_the_last_wish(void **state)
{
    static const struct {
        bool wanted;
        uint64_t version;
    } rows[] = {{true, 1},  {true, 1}, {false, 1}, {false, 2},
                {false, 2}, {true, 3}, {false, 4}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(replog_want(*state, hash_of(7), rows[i].wanted),
                         rows[i].version);
    }
}

static void log_counts_patterns_alike(void **state)
{
    assert_int_equal(want_pattern(*state, 1, false), 0);
    assert_int_equal(want_pattern(*state, 1, true), 1);
    assert_int_equal(want_pattern(*state, 1, true), 1);
    assert_int_equal(want_pattern(*state, 1, false), 1);
    assert_int_equal(want_pattern(*state, 1, false), 2);
}

static void log_digest_is_that_of_the_set_not_of_its_history(void **state)
{
    struct replog *log = *state;
    uint64_t empty = log->digest;

    replog_want(log, hash_of(1), true);
    uint64_t one = log->digest;
    want_pattern(log, 1, true); /* the same hash, another type */
    replog_want(log, hash_of(2), true);
    replog_want(log, hash_of(2), false);
    assert_int_not_equal(log->digest, one);
    want_pattern(log, 1, false);
    assert_int_equal(log->digest, one);
    replog_want(log, hash_of(1), false);
    assert_int_equal(log->digest, empty);
}

static void log_refuses_more_than_its_maximum(void **state)
{
    struct replog log;

    (void)state;
    replog_init(&log, 2);
    assert_int_equal(replog_want(&log, hash_of(1), true), 1);
    assert_int_equal(replog_want(&log, hash_of(2), true), 2);
    assert_int_equal(replog_want(&log, hash_of(3), true), 0);
    assert_int_equal(replog_want(&log, hash_of(2), true), 2);
    assert_int_equal(log.version, 2);
    replog_check(&log);
    replog_fini(&log);
}

static void delta_says_each_change_in_order(void **state)
{
    struct replog *log = *state;
    struct buf records = {0};
    struct peer_message m;
    struct peer_record record;

    replog_want(log, hash_of(1), true);
    want_pattern(log, 2, true);
    replog_want(log, hash_of(1), false);
    want_pattern(log, 2, false);
    assert_int_equal(replog_delta(log, 1, &records, &m), 0);
    assert_int_equal(m.from, 1);
    assert_int_equal(m.version, 4);
    assert_int_equal(m.records_len, 3);
    assert_int_equal(m.digest, log->digest);

    /* The pattern is gone from the set, and still said whole. */
    ptrdiff_t len = peer_record_read(m.records, &record);
    assert_true(len > 0);
    assert_int_equal(record.type, PEER_PATTERN);
    assert_false(record.removed);
    assert_bytes(record.pattern, "news.*");
    m.records = bytes_skip(m.records, (size_t)len);
    len = peer_record_read(m.records, &record);
    assert_int_equal(record.type, PEER_INTEREST);
    assert_int_equal(record.hash, hash_of(1));
    assert_true(record.removed);
    buf_fini(&records);
}

static void delta_stops_at_what_one_message_may_carry(void **state)
{
    struct replog *log = *state;
    struct buf records = {0};
    struct peer_message m;

    for (uint64_t i = 0; i < PEER_RECORDS_MAX + 10; i++) {
        replog_want(log, hash_of(i), true);
    }
    uint64_t digest = 0;
    for (uint64_t i = 0; i < PEER_RECORDS_MAX; i++) {
        digest += record_digest(PEER_INTEREST, hash_of(i));
    }
    assert_int_equal(replog_delta(log, 0, &records, &m), 0);
    assert_int_equal(m.records_len, PEER_RECORDS_MAX);
    assert_int_equal(m.version, PEER_RECORDS_MAX);
    assert_int_equal(m.digest, digest); /* of that version, not of the end */
    assert_int_equal(replog_delta(log, m.version, &records, &m), 0);
    assert_int_equal(m.records_len, 10);
    buf_fini(&records);
}

static void delta_of_long_patterns_stops_at_its_bytes(void **state)
{
    struct replog *log = *state;
    struct buf records = {0};
    struct peer_message m;
    uint8_t text[PATTERN_LEN_MAX];

    memset(text, 'x', sizeof text);
    for (uint64_t i = 0; i < 1000; i++) {
        struct peer_record record = pattern_of(i, false);
        record.pattern = bytes_of(text, sizeof text);
        replog_want_record(log, &record);
    }
    assert_int_equal(replog_delta(log, 0, &records, &m), 0);
    assert_in_range(m.records.len, REPLOG_PART_LEN, REPLOG_PART_LEN + 700);
    buf_fini(&records);
}

static void ring_forgets_what_is_older_than_its_bound(void **state)
{
    struct replog *log = *state;

    for (uint64_t i = 0; i < REPLOG_RING_MAX; i++) {
        replog_want(log, hash_of(i / 2), i % 2 == 0);
    }
    assert_true(replog_has_since(log, 0));
    replog_want(log, hash_of(1), true);
    assert_false(replog_has_since(log, 0));
    assert_true(replog_has_since(log, 1));
    assert_true(replog_has_since(log, log->version));
    assert_false(replog_has_since(log, log->version + 1));
}

/* Everything the set holds, in order, patterns first. */
static void snapshot_says_the_whole_set_once(void **state)
{
    struct replog *log = *state;
    struct replog_walk walk = {0};
    struct buf records = {0};
    struct peer_message m;
    uint64_t last = 0;
    size_t seen = 0;

    for (uint64_t i = 0; i < 3 * PEER_RECORDS_MAX; i++) {
        replog_want(log, hash_of(i), true);
    }
    want_pattern(log, 9, true);
    want_pattern(log, 8, true);
    for (uint32_t part = 0; !walk.done; part++) {
        assert_int_equal(replog_snapshot(log, &walk, &records, &m), 0);
        assert_int_equal(m.part, part);
        assert_int_equal(m.version, log->version);
        assert_int_equal(m.parts == part + 1, walk.done);
        for (uint32_t i = 0; i < m.records_len; i++, seen++) {
            struct peer_record record;
            ptrdiff_t len = peer_record_read(m.records, &record);
            assert_true(len > 0);
            assert_int_equal(record.type,
                             seen < 2 ? PEER_PATTERN : PEER_INTEREST);
            assert_true(seen == 2 || record.hash > last);
            last = record.hash;
            m.records = bytes_skip(m.records, (size_t)len);
        }
    }
    assert_int_equal(seen, 3 * PEER_RECORDS_MAX + 2);
    assert_int_equal(m.digest, log->digest);
    buf_fini(&records);
}

static void snapshot_of_nothing_is_one_empty_part(void **state)
{
    struct replog_walk walk = {0};
    struct buf records = {0};
    struct peer_message m;

    assert_int_equal(replog_snapshot(*state, &walk, &records, &m), 0);
    assert_true(walk.done);
    assert_int_equal(m.parts, 1);
    assert_int_equal(m.records_len, 0);
    buf_fini(&records);
}

/* No memory: a wish is refused whole, taking one back always works, and the
 * log stays right. */
static void log_survives_each_failing_allocation(void **state)
{
    (void)state;
    for (long n = 0; n < 40; n++) {
        struct replog log;
        uint64_t wanted = 0;

        replog_init(&log, 0);
        fail_malloc(n);
        for (uint64_t i = 0; i < 200; i++) {
            wanted += replog_want(&log, hash_of(i), true) != 0;
            wanted += want_pattern(&log, i, true) != 0;
        }
        fail_malloc(-1);
        assert_true(wanted >= 399);
        assert_int_equal(log.wanted.len + log.records.len, wanted);
        replog_check(&log);
        for (uint64_t i = 0; i < 200; i++) {
            assert_true(replog_want(&log, hash_of(i), false) != 0);
            want_pattern(&log, i, false);
        }
        assert_int_equal(log.digest, 0);
        replog_check(&log);
        replog_fini(&log);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(log_steps_only_for_the_first_and_the_last_wish),
        T(log_counts_patterns_alike),
        T(log_digest_is_that_of_the_set_not_of_its_history),
        T(log_refuses_more_than_its_maximum),
        T(delta_says_each_change_in_order),
        T(delta_stops_at_what_one_message_may_carry),
        T(delta_of_long_patterns_stops_at_its_bytes),
        T(ring_forgets_what_is_older_than_its_bound),
        T(snapshot_says_the_whole_set_once),
        T(snapshot_of_nothing_is_one_empty_part),
        T(log_survives_each_failing_allocation),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
