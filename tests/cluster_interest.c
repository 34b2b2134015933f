/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "cluster/interest.h"
#include "cluster/replog.h"
#include "cluster/rng.h"
#include "proto/err.h"
#include "tests/fail_malloc.h"

/* A log and what a peer, in slot SLOT, holds of it. */
enum {
    SLOT = 5
};

struct pair {
    struct replog log;
    struct interest interest;
    struct buf records;
};

static int setup(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);

    replog_init(&pair->log, 0);
    assert_int_equal(interest_init(&pair->interest, 0, 1), 0);
    assert_int_equal(interest_open(&pair->interest, SLOT), 0);
    *state = pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;

    interest_check(&pair->interest);
    interest_fini(&pair->interest);
    replog_fini(&pair->log);
    buf_fini(&pair->records);
    free(pair);
    return 0;
}

static uint64_t hash_of(uint64_t i)
{
    return hash_mix(i + 1);
}

static uint64_t want_pattern(struct replog *log, uint64_t i, bool wanted)
{
    struct peer_record record = {.type = PEER_PATTERN,
                                 .removed = !wanted,
                                 .dialect = TOPIC_GLOB,
                                 .hash = hash_of(i),
                                 .cache = BYTES("default"),
                                 .pattern = BYTES("news.*")};

    return replog_want_record(log, &record);
}

static const struct interest_peer *held(struct pair *pair)
{
    return interest_peer(&pair->interest, SLOT);
}

static bool wants(struct pair *pair, uint64_t i)
{
    const uint64_t *slots = interest_find(&pair->interest, hash_of(i));

    return slots != NULL && (slots[0] >> SLOT & 1) != 0;
}

static int take_delta(struct pair *pair, uint64_t from)
{
    struct peer_message m;

    assert_int_equal(replog_delta(&pair->log, from, &pair->records, &m), 0);
    return interest_delta(&pair->interest, SLOT, &m);
}

static int take_part(struct pair *pair, struct replog_walk *walk)
{
    struct peer_message m;

    assert_int_equal(replog_snapshot(&pair->log, walk, &pair->records, &m), 0);
    return interest_snapshot(&pair->interest, SLOT, &m);
}

static void assert_equal(struct pair *pair)
{
    assert_true(held(pair)->whole);
    assert_int_equal(held(pair)->version, pair->log.version);
    assert_int_equal(held(pair)->digest, pair->log.digest);
    assert_int_equal(held(pair)->count, pair->log.wanted.len);
    interest_check(&pair->interest);
}

static void delta_is_taken_when_it_follows_on(void **state)
{
    struct pair *pair = *state;

    replog_want(&pair->log, hash_of(1), true);
    replog_want(&pair->log, hash_of(2), true);
    assert_int_equal(take_delta(pair, 0), 0);
    assert_true(wants(pair, 1));
    replog_want(&pair->log, hash_of(1), false);
    want_pattern(&pair->log, 3, true);
    assert_int_equal(take_delta(pair, 2), 0);
    assert_false(wants(pair, 1));
    assert_true(wants(pair, 2));
    assert_equal(pair);
}

static void delta_with_a_hole_before_it_changes_nothing(void **state)
{
    struct pair *pair = *state;

    for (uint64_t i = 0; i < 4; i++) {
        replog_want(&pair->log, hash_of(i), true);
    }
    assert_int_equal(take_delta(pair, 2), ERR_STALE);
    assert_int_equal(held(pair)->version, 0);
    assert_int_equal(held(pair)->count, 0);
    assert_int_equal(take_delta(pair, 0), 0);
    assert_equal(pair);
}

/* A pull's answer and the turn's delta may both bring a change. */
static void delta_skips_what_is_already_held(void **state)
{
    struct pair *pair = *state;

    replog_want(&pair->log, hash_of(1), true);
    assert_int_equal(take_delta(pair, 0), 0);
    assert_int_equal(take_delta(pair, 0), 0);
    replog_want(&pair->log, hash_of(1), false);
    replog_want(&pair->log, hash_of(2), true);
    assert_int_equal(take_delta(pair, 0), 0);
    assert_equal(pair);
}

static void delta_of_another_digest_is_a_conflict(void **state)
{
    struct pair *pair = *state;
    struct peer_message m;

    replog_want(&pair->log, hash_of(1), true);
    assert_int_equal(take_delta(pair, 0), 0);
    assert_int_equal(
        interest_compare(&pair->interest, SLOT, 1, pair->log.digest), 0);
    replog_want(&pair->log, hash_of(2), true);
    replog_delta(&pair->log, 1, &pair->records, &m);
    m.digest++;
    assert_int_equal(interest_delta(&pair->interest, SLOT, &m), ERR_CONFLICT);
    assert_int_equal(interest_compare(&pair->interest, SLOT, 2, m.digest),
                     ERR_CONFLICT);
}

static void delta_that_counts_wrongly_is_refused(void **state)
{
    struct pair *pair = *state;
    struct peer_message m;

    replog_want(&pair->log, hash_of(1), true);
    replog_delta(&pair->log, 0, &pair->records, &m);
    m.records_len = 2;
    assert_int_equal(interest_delta(&pair->interest, SLOT, &m), ERR_SYNTAX);
    m.version = 2; /* one record for two versions */
    assert_int_equal(interest_delta(&pair->interest, SLOT, &m), ERR_SYNTAX);
    assert_int_equal(held(pair)->version, 1); /* what came before holds */
    m.from = 9;
    m.version = 8;
    assert_int_equal(interest_delta(&pair->interest, SLOT, &m), ERR_SYNTAX);
}

static void snapshot_replaces_what_was_held(void **state)
{
    struct pair *pair = *state;
    struct replog_walk walk = {0};

    for (uint64_t i = 0; i < 100; i++) {
        replog_want(&pair->log, hash_of(i), true);
        want_pattern(&pair->log, 1000 + i, true);
    }
    assert_int_equal(take_delta(pair, 0), 0);
    for (uint64_t i = 0; i < 50; i++) {
        replog_want(&pair->log, hash_of(i), false);
        want_pattern(&pair->log, 1000 + i, false);
        replog_want(&pair->log, hash_of(200 + i), true);
    }
    assert_int_equal(take_part(pair, &walk), 1);
    assert_true(held(pair)->exact);
    assert_equal(pair);
    assert_false(wants(pair, 7));
    assert_true(wants(pair, 70));
    assert_true(wants(pair, 207));
}

/* What was wanted before and is wanted now is there after every part. */
static void snapshot_never_lets_go_of_what_stays(void **state)
{
    struct pair *pair = *state;
    struct replog_walk walk = {0};
    const uint64_t len = 3 * PEER_RECORDS_MAX;
    int rc;

    for (uint64_t i = 0; i < len; i++) {
        replog_want(&pair->log, hash_of(i), true);
    }
    while (held(pair)->version < pair->log.version) {
        assert_int_equal(take_delta(pair, held(pair)->version), 0);
    }
    for (uint64_t i = 0; i < len; i += 2) {
        replog_want(&pair->log, hash_of(i), false);
    }
    do {
        rc = take_part(pair, &walk);
        assert_true(rc >= 0);
        for (uint64_t i = 1; i < len; i += 100) {
            assert_true(wants(pair, i | 1));
        }
    } while (rc == 0);
    assert_equal(pair);
}

/* The log goes on while it is walked; the delta after it makes them equal. */
static void snapshot_and_the_delta_after_it_meet(void **state)
{
    struct pair *pair = *state;
    struct rng rng;

    rng_init(&rng, 3);
    for (size_t round = 0; round < 5; round++) {
        struct replog_walk walk = {0};
        for (uint64_t i = 0; i < 12000; i++) {
            replog_want(&pair->log, hash_of(rng_below(&rng, 20000)),
                        rng_below(&rng, 3) > 0);
        }
        while (take_part(pair, &walk) == 0) {
            for (uint64_t i = 0; i < 1000; i++) {
                uint64_t which = rng_below(&rng, 20000);
                replog_want(&pair->log, hash_of(which), which % 2 == 0);
                want_pattern(&pair->log, which % 50, which % 3 == 0);
            }
        }
        while (held(pair)->version < pair->log.version) {
            assert_int_equal(take_delta(pair, held(pair)->version), 0);
        }
        assert_equal(pair);
    }
}

static void snapshot_parts_must_come_in_order(void **state)
{
    struct pair *pair = *state;
    struct replog_walk walk = {0};
    struct replog_walk before;

    for (uint64_t i = 0; i < 3 * PEER_RECORDS_MAX; i++) {
        replog_want(&pair->log, hash_of(i), true);
    }
    assert_int_equal(take_part(pair, &walk), 0);
    before = walk;
    assert_int_equal(take_part(pair, &walk), 0);
    assert_int_equal(take_part(pair, &before), ERR_STALE); /* again */
    assert_false(held(pair)->whole);
    assert_int_equal(take_delta(pair, 0), ERR_STALE); /* not in between */
    assert_int_equal(take_part(pair, &walk), 1);
    assert_equal(pair);
}

/* Broken off in the middle, then begun anew after the set has shrunk. */
static void snapshot_can_begin_anew(void **state)
{
    struct pair *pair = *state;
    struct replog_walk first = {0};
    struct replog_walk second = {0};

    for (uint64_t i = 0; i < 2 * PEER_RECORDS_MAX; i++) {
        replog_want(&pair->log, hash_of(i), true);
    }
    assert_int_equal(take_part(pair, &first), 0);
    for (uint64_t i = 10; i < 2 * PEER_RECORDS_MAX; i++) {
        replog_want(&pair->log, hash_of(i), false);
    }
    assert_int_equal(take_part(pair, &second), 1);
    assert_equal(pair);
}

static void snapshot_of_a_liar_is_refused(void **state)
{
    static const uint64_t unsorted[] = {9, 5};
    static const uint64_t twice[] = {5, 5};
    const uint64_t *const lies[] = {unsorted, twice};
    struct pair *pair = *state;

    for (size_t lie = 0; lie < ARRAY_LEN(lies); lie++) {
        struct peer_message m = {
            .type = PEER_SNAPSHOT, .version = 1, .parts = 1, .records_len = 2};
        buf_reset(&pair->records);
        for (size_t i = 0; i < 2; i++) {
            struct peer_record record = {.type = PEER_INTEREST,
                                         .hash = lies[lie][i]};
            peer_record_write(&record, &pair->records);
        }
        m.records = buf_bytes(&pair->records);
        assert_int_equal(interest_snapshot(&pair->interest, SLOT, &m),
                         ERR_SYNTAX);
        assert_false(held(pair)->whole);
        interest_check(&pair->interest);
    }
}

static void last_hash_of_all_ends_a_snapshot_well(void **state)
{
    struct pair *pair = *state;
    struct replog_walk walk = {0};

    replog_want(&pair->log, UINT64_MAX, true);
    replog_want(&pair->log, 0, true);
    assert_int_equal(take_delta(pair, 0), 0);
    assert_int_equal(take_part(pair, &walk), 1);
    assert_equal(pair);
    assert_non_null(interest_find(&pair->interest, UINT64_MAX));
    assert_non_null(interest_find(&pair->interest, 0));
}

static void peers_do_not_touch_each_other(void **state)
{
    struct pair *pair = *state;
    static const uint16_t slots[] = {0, 63, 64, 200};
    struct peer_message m;

    replog_want(&pair->log, hash_of(1), true);
    replog_delta(&pair->log, 0, &pair->records, &m);
    for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
        assert_int_equal(interest_open(&pair->interest, slots[i]), 0);
        assert_int_equal(interest_delta(&pair->interest, slots[i], &m), 0);
        interest_check(&pair->interest);
    }
    assert_int_equal(interest_words(&pair->interest), 4);
    interest_close(&pair->interest, 64);
    interest_check(&pair->interest);
    const uint64_t *words = interest_find(&pair->interest, hash_of(1));
    assert_int_equal(words[0], 1ull << 0 | 1ull << 63);
    assert_int_equal(words[1], 0);
    assert_int_equal(words[3], 1ull << (200 - 192));
    interest_close(&pair->interest, 0);
    interest_close(&pair->interest, 63);
    interest_close(&pair->interest, 200);
    assert_null(interest_find(&pair->interest, hash_of(1)));
}

/* By delta, by snapshot, and when the peer goes. */
static void patterns_come_and_go_with_their_records(void **state)
{
    struct pair *pair = *state;
    const struct patterns *patterns = &pair->interest.patterns;
    struct replog_walk walk = {0};
    uint64_t room[PATTERNS_WORDS];
    struct item item = {.cache = BYTES("default"),
                        .topic = BYTES("news.eu"),
                        .hash = hash_of(7)};

    assert_null(interest_match(&pair->interest, &item, room));
    want_pattern(&pair->log, 1, true);
    want_pattern(&pair->log, 2, true);
    assert_int_equal(take_delta(pair, 0), 0);
    assert_int_equal(interest_match(&pair->interest, &item, room)[0],
                     1 << SLOT);
    item.topic = BYTES("weather");
    assert_int_equal(interest_match(&pair->interest, &item, room)[0], 0);
    replog_want(&pair->log, hash_of(7), true);
    assert_int_equal(take_delta(pair, 2), 0);
    assert_int_equal(interest_match(&pair->interest, &item, room)[0],
                     1 << SLOT);
    want_pattern(&pair->log, 1, false);
    assert_int_equal(take_delta(pair, 3), 0);
    assert_int_equal(patterns->wishes, 1);
    want_pattern(&pair->log, 2, false);
    want_pattern(&pair->log, 3, true);
    assert_int_equal(take_part(pair, &walk), 1);
    assert_int_equal(patterns->wishes, 1);
    assert_equal(pair);
    assert_int_equal(interest_open(&pair->interest, 200), 0);
    interest_close(&pair->interest, SLOT);
    assert_int_equal(patterns->wishes, 0);
    assert_null(interest_match(&pair->interest, &item, room));
    interest_close(&pair->interest, 200);
    assert_int_equal(interest_open(&pair->interest, SLOT), 0);
}

static void topics_beyond_the_bound_leave_the_peer_without_version(void **state)
{
    struct pair *pair = *state;
    struct interest small;
    struct peer_message m;
    struct replog_walk walk = {0};

    assert_int_equal(interest_init(&small, 3, 1), 0);
    assert_int_equal(interest_open(&small, 0), 0);
    for (uint64_t i = 0; i < 5; i++) {
        replog_want(&pair->log, hash_of(i), true);
    }
    replog_delta(&pair->log, 0, &pair->records, &m);
    assert_int_equal(interest_delta(&small, 0, &m), ERR_LIMIT);
    assert_int_equal(interest_peer(&small, 0)->version, 3);
    replog_snapshot(&pair->log, &walk, &pair->records, &m);
    assert_int_equal(interest_snapshot(&small, 0, &m), ERR_LIMIT);
    assert_false(interest_peer(&small, 0)->whole);
    interest_check(&small);
    interest_fini(&small);
}

/* What failed half way is repaired by pulling again. */
static void interest_survives_each_failing_allocation(void **state)
{
    struct pair *pair = *state;

    for (uint64_t i = 0; i < 300; i++) {
        replog_want(&pair->log, hash_of(i), true);
        want_pattern(&pair->log, i, i % 4 == 0);
    }
    for (long n = 0; n < 120; n++) {
        struct interest small;
        struct peer_message m;
        struct replog_walk walk = {0};

        fail_malloc(n);
        if (interest_init(&small, 0, 1) != 0) {
            interest_fini(&small);
            continue;
        }
        int rc = interest_open(&small, 70);
        fail_malloc(-1);
        if (rc != 0) {
            assert_int_equal(interest_open(&small, 70), 0);
        }
        replog_delta(&pair->log, 0, &pair->records, &m);
        fail_malloc(n);
        rc = interest_delta(&small, 70, &m);
        fail_malloc(-1);
        assert_true(rc == 0 || rc == ERR_NOMEM);
        interest_check(&small);
        replog_snapshot(&pair->log, &walk, &pair->records, &m);
        fail_malloc(n);
        rc = interest_snapshot(&small, 70, &m);
        fail_malloc(-1);
        assert_true(rc == 1 || rc == ERR_NOMEM);
        assert_int_equal(interest_snapshot(&small, 70, &m), 1);
        assert_int_equal(interest_peer(&small, 70)->digest, pair->log.digest);
        interest_check(&small);
        interest_fini(&small);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(delta_is_taken_when_it_follows_on),
        T(delta_with_a_hole_before_it_changes_nothing),
        T(delta_skips_what_is_already_held),
        T(delta_of_another_digest_is_a_conflict),
        T(delta_that_counts_wrongly_is_refused),
        T(snapshot_replaces_what_was_held),
        T(snapshot_never_lets_go_of_what_stays),
        T(snapshot_and_the_delta_after_it_meet),
        T(snapshot_parts_must_come_in_order),
        T(snapshot_can_begin_anew),
        T(snapshot_of_a_liar_is_refused),
        T(last_hash_of_all_ends_a_snapshot_well),
        T(peers_do_not_touch_each_other),
        T(patterns_come_and_go_with_their_records),
        T(topics_beyond_the_bound_leave_the_peer_without_version),
        T(interest_survives_each_failing_allocation),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
