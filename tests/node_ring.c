/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/hub/ring.h"
#include "proto/err.h"
#include "tests/fail_malloc.h"

static struct limits limits_of(uint64_t items, uint64_t len)
{
    struct limits limits = limits_default();

    limits.ring_items = items;
    limits.ring_len = len;
    return limits;
}

static int add(struct ring *ring, const struct limits *limits, uint64_t seq,
               struct bytes value)
{
    struct item item = {
        .cache = BYTES("c"),
        .topic = BYTES("t"),
        .value = value,
        .count = seq,
    };

    int rc = ring_add(ring, limits, &item, seq);
    ring_check(ring);
    return rc;
}

static void the_newest_items_are_kept_and_read_back(void **state)
{
    struct limits limits = limits_of(64, 64 << 10);
    struct ring ring = {0};
    struct item item;
    (void)state;

    for (uint64_t seq = 1; seq <= 200; seq++) {
        assert_int_equal(add(&ring, &limits, seq, BYTES("value")), 0);
    }
    assert_int_equal(ring.len, 64);
    assert_int_equal(ring.newest, 200);
    for (uint64_t seq = 137; seq <= 200; seq++) {
        assert_true(ring_item(&ring, seq, &item));
        assert_int_equal(item.count, seq);
        assert_bytes(item.value, "value");
    }
    assert_false(ring_item(&ring, 136, &item));
    assert_false(ring_item(&ring, 201, &item));
    assert_false(ring_item(&ring, 0, &item));
    ring_fini(&ring);
    assert_int_equal(ring.bytes, 0);
}

static void a_ring_covers_what_follows_a_sequence(void **state)
{
    struct limits limits = limits_of(3, 64 << 10);
    struct ring ring = {0};
    (void)state;

    assert_true(ring_covers(&ring, 0));
    assert_false(ring_covers(&ring, 1));
    for (uint64_t seq = 10; seq <= 15; seq++) {
        add(&ring, &limits, seq, BYTES(""));
    }
    assert_true(ring_covers(&ring, 15));  /* missed nothing */
    assert_true(ring_covers(&ring, 12));  /* missed 13, 14, 15 */
    assert_false(ring_covers(&ring, 11)); /* 12 is gone */
    assert_false(ring_covers(&ring, 0));
    assert_false(ring_covers(&ring, 16)); /* never was */
    assert_false(ring_covers(&ring, UINT64_MAX));
    ring_fini(&ring);
}

static void bytes_are_bounded_but_one_item_always_stays(void **state)
{
    static uint8_t value[4000];
    struct limits limits = limits_of(64, 1024);
    struct ring ring = {0};
    struct item item;
    (void)state;

    memset(value, 'x', sizeof value);
    for (uint64_t seq = 1; seq <= 20; seq++) {
        add(&ring, &limits, seq, bytes_of(value, 200));
    }
    assert_int_equal(ring.len, 4); /* 4 * (200 + some) <= 1024 */
    add(&ring, &limits, 21, bytes_of(value, sizeof value));
    assert_int_equal(ring.len, 1);
    assert_true(ring_item(&ring, 21, &item));
    assert_int_equal(item.value.len, sizeof value);
    assert_true(ring.bytes >= sizeof value);
    add(&ring, &limits, 22, BYTES("small"));
    assert_int_equal(ring.len, 1); /* both do not fit */
    assert_true(ring_covers(&ring, 21));
    assert_false(ring_covers(&ring, 20));
    ring_fini(&ring);
}

static void an_encoded_item_is_kept_as_it_is(void **state)
{
    struct limits limits = limits_of(4, 64 << 10);
    struct ring ring = {0};
    struct buf wire = {0};
    struct item item = {.cache = BYTES("c"), .topic = BYTES("t")};
    struct item back;
    (void)state;

    item_write(&item, &wire);
    item.wire = buf_bytes(&wire);
    assert_int_equal(ring_add(&ring, &limits, &item, 1), 0);
    memset(wire.p, 0, wire.len); /* it is a copy */
    assert_true(ring_item(&ring, 1, &back));
    assert_int_equal(back.wire.len, wire.len);
    assert_bytes(back.topic, "t");
    buf_fini(&wire);
    ring_fini(&ring);
}

/* A small item takes one allocation and the entries another; a large one grows
 * and shrinks. */
static void no_memory_empties_the_ring(void **state)
{
    static const uint8_t large[4096];
    static const struct {
        struct bytes value;
        long after;
    } cases[] = {
        {BYTES("x"), 0},
        {BYTES("x"), 1},
        {{large, sizeof large}, 0},
        {{large, sizeof large}, 1},
        {{large, sizeof large}, 2},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct limits limits = limits_of(64, 64 << 10);
        struct ring ring = {0};
        struct item item;
        for (uint64_t seq = 1; seq <= 4; seq++) {
            add(&ring, &limits, seq, BYTES("x"));
        }
        fail_malloc(cases[i].after);
        int rc = add(&ring, &limits, 5, cases[i].value);
        fail_malloc(-1);
        assert_int_equal(rc, ERR_NOMEM);
        assert_int_equal(ring.len, 0);
        assert_int_equal(ring.bytes, 0);
        assert_false(ring_item(&ring, 5, &item));
        assert_true(ring_covers(&ring, 5));
        assert_false(ring_covers(&ring, 4));
        assert_int_equal(add(&ring, &limits, 6, BYTES("x")), 0);
        assert_true(ring_covers(&ring, 5));
        assert_false(ring_covers(&ring, 4));
        ring_fini(&ring);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_items_are_kept_and_read_back),
        cmocka_unit_test(a_ring_covers_what_follows_a_sequence),
        cmocka_unit_test(bytes_are_bounded_but_one_item_always_stays),
        cmocka_unit_test(an_encoded_item_is_kept_as_it_is),
        cmocka_unit_test(no_memory_empties_the_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
