/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "cluster/outbox.h"
#include "tests/fail_malloc.h"

static int setup(void **state)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);

    outbox_init(outbox);
    *state = outbox;
    return 0;
}

static int teardown(void **state)
{
    outbox_fini(*state);
    free(*state);
    return 0;
}

static bool tell(struct outbox *outbox, uint16_t slot, struct bytes bytes)
{
    struct cluster_effect effect = {.type = CLUSTER_TELL, .slot = slot};
    struct outbox_span span;

    return outbox_bytes(outbox, bytes, &span) &&
           outbox_put(outbox, &effect, span);
}

static void assert_next(struct outbox *outbox, uint16_t slot, const char *text)
{
    struct cluster_effect effect;

    assert_true(outbox_next(outbox, &effect));
    assert_int_equal(effect.slot, slot);
    assert_bytes(effect.bytes, text);
}

static void effects_come_out_in_order_with_their_bytes(void **state)
{
    struct cluster_effect effect;

    assert_true(tell(*state, 1, BYTES("one")));
    assert_true(tell(*state, 2, BYTES("")));
    assert_next(*state, 1, "one");
    assert_true(tell(*state, 3, BYTES("three")));
    assert_next(*state, 2, "");
    assert_next(*state, 3, "three");
    assert_false(outbox_next(*state, &effect));
}

static void effects_may_share_bytes(void **state)
{
    struct cluster_effect effect = {.type = CLUSTER_TELL};
    struct outbox_span span;

    assert_true(outbox_bytes(*state, BYTES("delta"), &span));
    for (effect.slot = 0; effect.slot < 100; effect.slot++) {
        assert_true(outbox_put(*state, &effect, span));
    }
    for (uint16_t slot = 0; slot < 100; slot++) {
        assert_next(*state, slot, "delta");
    }
}

/* The slot may be another peer's before the box is empty. */
static void what_waits_for_a_slot_can_be_forgotten(void **state)
{
    struct cluster_effect effect;

    tell(*state, 1, BYTES("a"));
    tell(*state, 2, BYTES("b"));
    tell(*state, 1, BYTES("c"));
    tell(*state, 3, BYTES("d"));
    assert_next(*state, 1, "a");
    outbox_forget(*state, 1);
    assert_next(*state, 2, "b");
    assert_next(*state, 3, "d");
    assert_false(outbox_next(*state, &effect));
}

static void a_box_is_bounded_in_effects_and_bytes(void **state)
{
    static uint8_t bytes[1 << 20];
    struct outbox *outbox = *state;
    struct cluster_effect effect = {.type = CLUSTER_EVENT};
    size_t mebibytes = 0;
    size_t effects = 0;

    while (tell(outbox, 1, bytes_of(bytes, sizeof bytes))) {
        mebibytes++;
    }
    assert_in_range(mebibytes, (OUTBOX_LEN_MAX >> 20) / 2,
                    OUTBOX_LEN_MAX >> 20);
    while (outbox_put(outbox, &effect, (struct outbox_span){0})) {
        effects++;
    }
    assert_int_equal(effects + mebibytes, OUTBOX_EFFECTS_MAX);
    assert_int_equal(outbox->lost, 2);
    while (outbox_next(outbox, &effect)) {
        effects--;
    }
    assert_true(tell(outbox, 1, BYTES("room again")));
}

static void a_lost_effect_leaves_the_others_whole(void **state)
{
    (void)state;
    for (long n = 0; n < 8; n++) {
        struct outbox outbox;
        struct cluster_effect effect;
        size_t put = 0;
        size_t taken = 0;

        outbox_init(&outbox);
        fail_malloc(n);
        for (uint16_t slot = 0; slot < 300; slot++) {
            put += tell(&outbox, slot, BYTES("some bytes"));
        }
        fail_malloc(-1);
        while (outbox_next(&outbox, &effect)) {
            assert_bytes(effect.bytes, "some bytes");
            taken++;
        }
        assert_int_equal(taken, put);
        assert_int_equal(put + outbox.lost, 300);
        outbox_fini(&outbox);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(effects_come_out_in_order_with_their_bytes),
        T(effects_may_share_bytes),
        T(what_waits_for_a_slot_can_be_forgotten),
        T(a_box_is_bounded_in_effects_and_bytes),
        T(a_lost_effect_leaves_the_others_whole),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
