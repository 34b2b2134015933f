/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>

#include "cluster/registers.h"
#include "proto/err.h"
#include "tests/fail_malloc.h"

static const uint64_t NOW_MS = 1700000000000;
static const uint64_t NOW_S = 1700000000;

/* A node's part: its log and its registers. */
struct side {
    struct replog log;
    struct registers registers;
    uint64_t told; /* version of the log that the other sides have */
};

static void side_init(struct side *side)
{
    *side = (struct side){0};
    replog_init(&side->log, 0);
    registers_init(&side->registers, &side->log, 77);
    side->registers.wall_ms = NOW_MS;
}

static void side_fini(struct side *side)
{
    registers_check(&side->registers);
    replog_check(&side->log);
    registers_fini(&side->registers);
    replog_fini(&side->log);
}

static int setup(void **state)
{
    struct side *sides = calloc(3, sizeof *sides);

    for (size_t i = 0; i < 3; i++) {
        side_init(&sides[i]);
    }
    *state = sides;
    return 0;
}

static int teardown(void **state)
{
    struct side *sides = *state;

    for (size_t i = 0; i < 3; i++) {
        side_fini(&sides[i]);
    }
    free(sides);
    return 0;
}

static int set_until(struct side *side, uint8_t kind, const char *key,
                     const char *value, uint64_t until_s)
{
    return registers_set(&side->registers,
                         &(struct cluster_register){.kind = kind,
                                                    .key = bytes_str(key),
                                                    .value = bytes_str(value),
                                                    .until_s = until_s});
}

static int set(struct side *side, const char *key, const char *value)
{
    return set_until(side, CLUSTER_REGISTER_CACHE, key, value, 0);
}

/* All that `from` has said since, as another node hears it. */
static void tell(struct side *from, uint64_t since, struct side *to)
{
    struct buf records = {0};

    while (since < from->log.version) {
        struct peer_message m;
        assert_int_equal(replog_delta(&from->log, since, &records, &m), 0);
        struct bytes in = m.records;
        for (uint32_t i = 0; i < m.records_len; i++) {
            struct peer_record record;
            ptrdiff_t len = peer_record_read(in, &record);
            assert_true(len > 0);
            if (!record.removed) {
                assert_int_equal(registers_take(&to->registers, &record), 0);
            }
            in = bytes_skip(in, (size_t)len);
        }
        since = m.version;
    }
    buf_fini(&records);
}

/* Until nobody has anything new for anybody. */
static void tell_all(struct side *sides, size_t len)
{
    bool more = true;

    while (more) {
        more = false;
        for (size_t i = 0; i < len; i++) {
            uint64_t since = sides[i].told;
            sides[i].told = sides[i].log.version;
            more = more || since < sides[i].told;
            for (size_t k = 0; k < len; k++) {
                tell(&sides[i], since, &sides[k]);
            }
        }
    }
}

static void check_value(const struct side *side, const char *key,
                        const char *value)
{
    struct cluster_register reg;

    if (value == NULL) {
        assert_false(registers_get(&side->registers, CLUSTER_REGISTER_CACHE,
                                   bytes_str(key), &reg));
        return;
    }
    assert_true(registers_get(&side->registers, CLUSTER_REGISTER_CACHE,
                              bytes_str(key), &reg));
    assert_true(bytes_eq(reg.value, bytes_str(value)));
}

static void a_value_is_known_where_it_is_set_and_where_it_is_told(void **state)
{
    struct side *sides = *state;

    assert_int_equal(set(&sides[0], "a", "1"), 0);
    check_value(&sides[0], "a", "1");
    check_value(&sides[1], "a", NULL);
    tell_all(sides, 2);
    check_value(&sides[1], "a", "1");
}

static void a_value_outlives_its_writer(void **state)
{
    struct side *sides = *state;

    assert_int_equal(set(&sides[0], "a", "1"), 0);
    tell(&sides[0], 0, &sides[1]);
    tell(&sides[1], 0, &sides[2]); /* never heard of the first one */
    check_value(&sides[2], "a", "1");
}

static void a_change_adds_one_record_and_removes_one(void **state)
{
    struct side *side = *state;
    uint64_t digest = side->log.digest;

    assert_int_equal(set(side, "a", "1"), 0);
    assert_int_equal(side->log.version, 1);
    assert_int_equal(set(side, "a", "2"), 0);
    assert_int_equal(side->log.version, 3);
    assert_int_equal(side->log.records.len, 1);
    assert_int_not_equal(side->log.digest, digest);
}

static void the_same_values_make_the_same_digest_everywhere(void **state)
{
    struct side *sides = *state;

    assert_int_equal(set(&sides[0], "a", "1"), 0);
    assert_int_equal(set(&sides[1], "b", "2"), 0);
    assert_int_equal(set(&sides[2], "a", "3"), 0);
    tell_all(sides, 3);
    assert_true(sides[0].log.digest == sides[1].log.digest);
    assert_true(sides[0].log.digest == sides[2].log.digest);
}

/* Whatever the clock says of who has seen the value before. */
static void the_last_writer_wins_by_a_slow_clock(void **state)
{
    struct side *sides = *state;

    sides[1].registers.wall_ms -= 600000;
    assert_int_equal(set(&sides[0], "a", "1"), 0);
    tell_all(sides, 2);
    assert_int_equal(set(&sides[1], "a", "2"), 0);
    tell_all(sides, 2);
    check_value(&sides[0], "a", "2");
    check_value(&sides[1], "a", "2");
}

static void the_newer_of_two_sides_wins(void **state)
{
    struct side *sides = *state;

    sides[1].registers.wall_ms++;
    assert_int_equal(set(&sides[0], "a", "old"), 0);
    assert_int_equal(set(&sides[1], "a", "new"), 0);
    tell_all(sides, 3);
    for (size_t i = 0; i < 3; i++) {
        check_value(&sides[i], "a", "new");
    }
}

static void equal_stamps_have_one_winner(void **state)
{
    static const struct {
        const char *value;
        uint64_t until_s;
    } rows[][2] = {
        {{"1", 0}, {"2", 0}},
        {{"", 0}, {"2", 0}},
        {{"22", 0}, {"2", 0}},
        {{"2", NOW_S + 10}, {"2", 0}},
        {{"2", NOW_S + 10}, {"3", NOW_S + 20}},
    };
    struct side *sides = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char key[2] = {(char)('a' + i), 0};
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(set_until(&sides[k], CLUSTER_REGISTER_CACHE, key,
                                       rows[i][k].value, rows[i][k].until_s),
                             0);
        }
    }
    tell_all(sides, 3);
    assert_true(sides[0].log.digest == sides[1].log.digest);
    assert_true(sides[0].log.digest == sides[2].log.digest);
}

static void wrong_registers_are_refused(void **state)
{
    static uint8_t bytes[200];
    const struct cluster_register rows[] = {
        {.kind = 0, .key = BYTES("a")},
        {.kind = REGISTERS_KINDS + 1, .key = BYTES("a")},
        {.kind = 1},
        {.kind = 1, .key = bytes_of(bytes, PEER_KEY_LEN_MAX + 1)},
        {.kind = 1,
         .key = BYTES("a"),
         .value = bytes_of(bytes, PEER_VALUE_LEN_MAX + 1)},
        {.kind = 1, .key = BYTES("a"), .until_s = 1},
        {.kind = 1, .key = BYTES("a"), .until_s = PEER_TIME_MAX + 1},
    };
    struct side *side = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(registers_set(&side->registers, &rows[i]),
                         ERR_ARGUMENT);
    }
    assert_int_equal(side->log.version, 0);
}

static struct peer_record record_of(const char *key, uint64_t stamp)
{
    return (struct peer_record){.type = PEER_REGISTER,
                                .kind = CLUSTER_REGISTER_CACHE,
                                .key = bytes_str(key),
                                .value = BYTES("x"),
                                .stamp = stamp};
}

/* Who has the key of the cluster can spoil one register, and no more. */
static void a_stamp_from_the_end_of_time_spoils_its_own_key_only(void **state)
{
    struct side *side = *state;
    struct peer_record record = record_of("a", PEER_TIME_MAX);
    struct peer_record near_end = record_of("b", PEER_TIME_MAX - 1);

    assert_int_equal(registers_take(&side->registers, &record), 0);
    assert_int_equal(registers_take(&side->registers, &near_end), 0);
    assert_int_equal(set(side, "a", "1"), ERR_LIMIT);
    assert_int_equal(set(side, "b", "1"), 0);
    assert_int_equal(set(side, "c", "1"), 0);
    check_value(side, "a", "x");
    check_value(side, "c", "1");
}

static void kinds_of_a_newer_version_are_left_alone(void **state)
{
    struct side *side = *state;
    struct peer_record record = record_of("a", 5);

    record.kind = REGISTERS_KINDS + 1;
    assert_int_equal(registers_take(&side->registers, &record), 0);
    assert_int_equal(side->log.version, 0);
}

static size_t count_of(const struct side *side, enum cluster_register_kind kind)
{
    struct cluster_register reg;
    size_t len = 0;

    while (registers_at(&side->registers, (uint8_t)kind, len, &reg)) {
        len++;
    }
    return len;
}

static void what_is_over_is_forgotten_after_the_slack(void **state)
{
    struct side *side = *state;

    assert_int_equal(
        set_until(side, CLUSTER_REGISTER_REVOKED, "t", "", NOW_S + 10), 0);
    assert_int_equal(
        set_until(side, CLUSTER_REGISTER_REVOKED, "u", "", NOW_S + 11), 0);
    assert_int_equal(set(side, "a", "1"), 0);
    side->registers.wall_ms = (NOW_S + 10 + REGISTERS_SLACK_S) * 1000 - 1;
    registers_forget(&side->registers, SIZE_MAX);
    assert_int_equal(count_of(side, CLUSTER_REGISTER_REVOKED), 2);
    side->registers.wall_ms++;
    registers_forget(&side->registers, SIZE_MAX);
    assert_int_equal(count_of(side, CLUSTER_REGISTER_REVOKED), 1);
    side->registers.wall_ms += 1000;
    registers_forget(&side->registers, SIZE_MAX);
    assert_int_equal(count_of(side, CLUSTER_REGISTER_REVOKED), 0);
    check_value(side, "a", "1");
}

static void forgetting_goes_in_portions(void **state)
{
    struct side *side = *state;

    for (char key[3] = "aa"; key[1] <= 'j'; key[1]++) {
        assert_int_equal(
            set_until(side, CLUSTER_REGISTER_REVOKED, key, "", NOW_S + 10), 0);
    }
    side->registers.wall_ms = (NOW_S + 10 + REGISTERS_SLACK_S) * 1000;
    registers_forget(&side->registers, 4);
    assert_int_equal(count_of(side, CLUSTER_REGISTER_REVOKED), 6);
    registers_forget(&side->registers, 4);
    registers_forget(&side->registers, 4);
    assert_int_equal(count_of(side, CLUSTER_REGISTER_REVOKED), 0);
}

static void what_is_over_is_not_brought_back(void **state)
{
    struct side *sides = *state;

    assert_int_equal(
        set_until(&sides[0], CLUSTER_REGISTER_REVOKED, "t", "", NOW_S + 10), 0);
    sides[1].registers.wall_ms = (NOW_S + 10 + REGISTERS_SLACK_S) * 1000;
    tell_all(sides, 2);
    assert_int_equal(count_of(&sides[1], CLUSTER_REGISTER_REVOKED), 0);
}

static void name(char key[8], char first, size_t i)
{
    (void)snprintf(key, 8, "%c%zu", first, i);
}

static void fill(struct side *side, uint8_t kind, char first, uint64_t until_s,
                 size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char key[8];
        name(key, first, i);
        assert_int_equal(set_until(side, kind, key, "1", until_s), 0);
        side->registers.wall_ms++;
    }
}

static void a_full_kind_takes_no_more_here(void **state)
{
    struct side *side = *state;

    fill(side, CLUSTER_REGISTER_CACHE, 'a', 0, CLUSTER_CACHES_MAX);
    assert_int_equal(set(side, "b", "1"), ERR_LIMIT);
    assert_int_equal(set(side, "a0", "2"), 0); /* it is there */
    fill(side, CLUSTER_REGISTER_REVOKED, 'r', NOW_S + 1000,
         CLUSTER_REVOKED_MAX);
    assert_int_equal(
        set_until(side, CLUSTER_REGISTER_REVOKED, "s", "", NOW_S + 2000),
        ERR_LIMIT);
}

static void deleted_caches_give_way_to_new_ones(void **state)
{
    struct side *side = *state;

    fill(side, CLUSTER_REGISTER_CACHE, 'a', 0, CLUSTER_CACHES_MAX - 2);
    fill(side, CLUSTER_REGISTER_CACHE, 'd', NOW_S + 100, 2);
    assert_int_equal(set(side, "b", "1"), 0);
    check_value(side, "d0", NULL); /* the older one */
    check_value(side, "d1", "1");
    check_value(side, "b", "1");
    assert_int_equal(set(side, "c", "1"), 0);
    assert_int_equal(set(side, "e", "1"), ERR_LIMIT);
}

/* Both were full: each takes the newest of both, and they are the same. */
static void two_full_sides_keep_the_same_ones(void **state)
{
    struct side *sides = *state;

    fill(&sides[0], CLUSTER_REGISTER_CACHE, 'a', 0, CLUSTER_CACHES_MAX - 1);
    fill(&sides[0], CLUSTER_REGISTER_CACHE, 'x', NOW_S + 100, 1);
    sides[1].registers.wall_ms += 10;
    fill(&sides[1], CLUSTER_REGISTER_CACHE, 'b', 0, CLUSTER_CACHES_MAX);
    tell_all(sides, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(count_of(&sides[i], CLUSTER_REGISTER_CACHE),
                         CLUSTER_CACHES_MAX);
        assert_true(sides[i].log.digest == sides[0].log.digest);
        check_value(&sides[i], "x0", NULL);
        check_value(&sides[i], "a0", NULL);
        check_value(&sides[i], "b1023", "1");
        registers_check(&sides[i].registers);
    }
    assert_true(sides[0].registers.dropped > 0);
}

static void each_newer_value_is_told_once(void **state)
{
    struct side *sides = *state;
    const struct cluster_register *reg;

    assert_null(registers_next(&sides[0].registers));
    assert_int_equal(set(&sides[0], "b", "1"), 0);
    assert_int_equal(set(&sides[0], "a", "1"), 0);
    assert_int_equal(set(&sides[0], "a", "2"), 0); /* the last one counts */
    tell_all(sides, 2);
    for (size_t i = 0; i < 2; i++) {
        reg = registers_next(&sides[i].registers);
        assert_true(bytes_eq(reg->key, BYTES("a")));
        assert_true(bytes_eq(reg->value, BYTES("2")));
        reg = registers_next(&sides[i].registers);
        assert_true(bytes_eq(reg->key, BYTES("b")));
        assert_null(registers_next(&sides[i].registers));
    }
}

static void a_peers_record_shares_the_memory_of_the_own_one(void **state)
{
    struct side *side = *state;

    assert_int_equal(set(side, "a", "1"), 0);
    struct record *own = side->log.records.entries[0].record;
    struct record *shared = registers_share(&side->registers, own->hash);
    struct record *other = registers_share(&side->registers, own->hash + 1);
    assert_ptr_equal(shared, own);
    assert_ptr_not_equal(other, own);
    assert_int_equal(other->cache_len, 0);
    record_unref(shared);
    record_unref(other);
}

static void patterns_leave_room_for_registers(void **state)
{
    struct side *side = *state;
    struct peer_record pattern = {
        .type = PEER_PATTERN, .cache = BYTES("c"), .pattern = BYTES("p*")};

    for (pattern.hash = 1; pattern.hash <= REPLOG_PATTERNS_MAX;
         pattern.hash++) {
        assert_int_not_equal(replog_want_record(&side->log, &pattern), 0);
    }
    assert_int_equal(replog_want_record(&side->log, &pattern), 0);
    static_assert(REPLOG_PATTERNS_MAX + CLUSTER_CACHES_MAX +
                          CLUSTER_REVOKED_MAX + 1 <=
                      RECORDS_MAX,
                  "one more while it takes the place of another");
    assert_int_equal(set(side, "a", "1"), 0);
}

static void short_memory_changes_nothing(void **state)
{
    struct side *sides = *state;
    struct peer_record record = record_of("b", NOW_MS);

    for (long n = 0;; n++) {
        fail_malloc(n);
        int rc = set(&sides[0], "a", "1");
        fail_malloc(-1);
        registers_check(&sides[0].registers);
        if (rc == 0) {
            assert_true(n > 0);
            break;
        }
        assert_int_equal(rc, ERR_NOMEM);
        check_value(&sides[0], "a", NULL);
    }
    for (long n = 0;; n++) {
        fail_malloc(n);
        int rc = registers_take(&sides[1].registers, &record);
        fail_malloc(-1);
        registers_check(&sides[1].registers);
        if (rc == 0) {
            break;
        }
        assert_int_equal(rc, ERR_NOMEM);
        check_value(&sides[1], "b", NULL);
    }
    check_value(&sides[1], "b", "x");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    static const struct CMUnitTest tests[] = {
        T(a_value_is_known_where_it_is_set_and_where_it_is_told),
        T(a_value_outlives_its_writer),
        T(a_change_adds_one_record_and_removes_one),
        T(the_same_values_make_the_same_digest_everywhere),
        T(the_last_writer_wins_by_a_slow_clock),
        T(the_newer_of_two_sides_wins),
        T(equal_stamps_have_one_winner),
        T(wrong_registers_are_refused),
        T(a_stamp_from_the_end_of_time_spoils_its_own_key_only),
        T(kinds_of_a_newer_version_are_left_alone),
        T(what_is_over_is_forgotten_after_the_slack),
        T(forgetting_goes_in_portions),
        T(what_is_over_is_not_brought_back),
        T(a_full_kind_takes_no_more_here),
        T(deleted_caches_give_way_to_new_ones),
        T(two_full_sides_keep_the_same_ones),
        T(each_newer_value_is_told_once),
        T(a_peers_record_shares_the_memory_of_the_own_one),
        T(patterns_leave_room_for_registers),
        T(short_memory_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
