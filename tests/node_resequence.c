/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>

#include "node/resequence.h"
#include "proto/err.h"

/* What came out, as text: "1 2 ! 4" with ! for a hole, "e2" for an epoch. */
struct seen {
    struct resequence r;
    char text[1024];
    uint64_t epoch;
    uint64_t reset_at; /* reset from the callback at this number */
    size_t body_len;   /* of the last batch */
};

static void add(struct seen *seen, const char *word)
{
    if (seen->text[0] != '\0') {
        strcat(seen->text, " ");
    }
    strcat(seen->text, word);
    assert_true(strlen(seen->text) < sizeof seen->text - 32);
}

static void on_batch(void *data, const struct peer_batch *head,
                     struct bytes body)
{
    struct seen *seen = data;
    char word[32];

    if (seen->epoch != 0 && head->epoch != seen->epoch) {
        snprintf(word, sizeof word, "e%" PRIu64, head->epoch);
        add(seen, word);
    }
    seen->epoch = head->epoch;
    seen->body_len = body.len;
    snprintf(word, sizeof word, "%" PRIu64, head->seq);
    add(seen, word);
    if (body.len == sizeof head->seq) { /* held or not: the same bytes */
        assert_memory_equal(body.p, &head->seq, body.len);
    }
    if (head->seq == seen->reset_at) {
        resequence_reset(&seen->r);
        add(seen, "reset");
    }
}

static void on_hole(void *data)
{
    add(data, "!");
}

static void start(struct seen *seen)
{
    *seen = (struct seen){0};
    resequence_init(&seen->r, &(struct resequence_to){
                                  .data = seen,
                                  .on_batch = on_batch,
                                  .on_hole = on_hole,
                              });
}

static int put_at(struct seen *seen, uint64_t epoch, uint64_t seq,
                  uint64_t now_ms)
{
    struct peer_batch head = {.epoch = epoch, .seq = seq};
    int rc = resequence_put(&seen->r, &head,
                            bytes_of(&head.seq, sizeof head.seq), now_ms);

    resequence_check(&seen->r);
    return rc;
}

static void put(struct seen *seen, uint64_t epoch, uint64_t seq)
{
    assert_int_equal(put_at(seen, epoch, seq, 0), 0);
}

static void batches_come_out_in_order(void **state)
{
    static const struct {
        uint64_t in[8];
        const char *out;
    } cases[] = {
        {{1, 2, 3}, "1 2 3"},
        {{2, 1, 3}, "1 2 3"},
        {{3, 2, 1}, "1 2 3"},
        {{1, 4, 3, 2, 6, 5}, "1 2 3 4 5 6"},
        {{1, 64, 63}, "1"},
        {{1, 66}, "1 ! 66"},   /* beyond the window: what is missing is lost */
        {{1, 3, 66}, "1 ! 3"}, /* room again for 66 */
        {{1, 3, 5, 67, 4}, "1 ! 3 4 5"},
        {{1, 1ull << 40, (1ull << 40) + 1}, "1 ! 1099511627776 1099511627777"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen seen;
        start(&seen);
        for (size_t k = 0; cases[i].in[k] != 0; k++) {
            put(&seen, 7, cases[i].in[k]);
        }
        assert_string_equal(seen.text, cases[i].out);
        resequence_fini(&seen.r);
    }
}

static void a_hole_is_given_up_after_the_wait(void **state)
{
    struct seen seen;
    (void)state;

    start(&seen);
    assert_int_equal(resequence_wake_ms(&seen.r), UINT64_MAX);
    assert_int_equal(put_at(&seen, 1, 1, 100), 0);
    assert_int_equal(put_at(&seen, 1, 3, 100), 0);
    assert_int_equal(put_at(&seen, 1, 6, 110), 0);
    assert_int_equal(resequence_wake_ms(&seen.r), 100 + RESEQUENCE_WAIT_MS);
    resequence_tick(&seen.r, 100 + RESEQUENCE_WAIT_MS - 1);
    assert_string_equal(seen.text, "1");
    resequence_tick(&seen.r, 100 + RESEQUENCE_WAIT_MS);
    assert_string_equal(seen.text, "1 ! 3"); /* 6 has waited less */
    assert_int_equal(put_at(&seen, 1, 2, 125), ERR_STALE);
    assert_int_equal(put_at(&seen, 1, 4, 125), 0);
    resequence_tick(&seen.r, 110 + RESEQUENCE_WAIT_MS);
    assert_string_equal(seen.text, "1 ! 3 4 ! 6");
    assert_int_equal(resequence_wake_ms(&seen.r), UINT64_MAX);
    resequence_fini(&seen.r);
}

static void a_new_epoch_ends_the_old_one_with_a_hole(void **state)
{
    struct seen seen;
    (void)state;

    start(&seen);
    put(&seen, 4, 1);
    put(&seen, 4, 3);
    put(&seen, 9, 2); /* what was held comes first, then the new life */
    put(&seen, 9, 1);
    assert_string_equal(seen.text, "1 ! 3 ! e9 1 2");
    assert_int_equal(put_at(&seen, 4, 4, 0), ERR_STALE);
    assert_int_equal(put_at(&seen, 9, 2, 0), ERR_STALE);
    assert_int_equal(put_at(&seen, 8, 1, 0), ERR_STALE);
    resequence_fini(&seen.r);
}

static void the_first_number_ever_may_be_any(void **state)
{
    struct seen seen;
    (void)state;

    start(&seen);
    assert_int_equal(put_at(&seen, 3, 12, 50), 0);
    assert_int_equal(put_at(&seen, 3, 11, 51), 0); /* swapped by callbacks */
    assert_string_equal(seen.text, "");
    resequence_tick(&seen.r, 51 + RESEQUENCE_WAIT_MS);
    assert_string_equal(seen.text, "11 12");
    put(&seen, 3, 13);
    assert_string_equal(seen.text, "11 12 13");
    resequence_reset(&seen.r);
    put(&seen, 3, 500);
    put(&seen, 3, 499);
    resequence_tick(&seen.r, RESEQUENCE_WAIT_MS);
    assert_string_equal(seen.text, "11 12 13 499 500");
    resequence_fini(&seen.r);
}

static void repeats_and_nonsense_are_refused(void **state)
{
    struct seen seen;
    (void)state;

    start(&seen);
    assert_int_equal(put_at(&seen, 0, 1, 0), ERR_SYNTAX);
    assert_int_equal(put_at(&seen, 1, 0, 0), ERR_SYNTAX);
    put(&seen, 1, 1);
    put(&seen, 1, 3);
    assert_int_equal(put_at(&seen, 1, 1, 0), ERR_STALE);
    assert_int_equal(put_at(&seen, 1, 3, 0), ERR_STALE); /* held already */
    put(&seen, 1, 2);
    assert_string_equal(seen.text, "1 2 3");
    resequence_fini(&seen.r);
}

static void held_bytes_are_bounded(void **state)
{
    static uint8_t big[RESEQUENCE_LEN_MAX / 2];
    struct peer_batch head = {.epoch = 1};
    struct seen seen;
    (void)state;

    start(&seen);
    put(&seen, 1, 1);
    for (head.seq = 3; head.seq <= 5; head.seq++) {
        assert_int_equal(
            resequence_put(&seen.r, &head, bytes_of(big, sizeof big), 0), 0);
        resequence_check(&seen.r);
    }
    assert_string_equal(seen.text, "1 ! 3 4 5"); /* 5 had no room: give up 2 */
    assert_int_equal(seen.body_len, sizeof big);
    resequence_fini(&seen.r);
}

static void an_empty_batch_keeps_its_place(void **state)
{
    struct peer_batch head = {.epoch = 1, .seq = 2};
    struct seen seen;
    (void)state;

    start(&seen);
    assert_int_equal(resequence_put(&seen.r, &head, (struct bytes){0}, 0), 0);
    resequence_check(&seen.r);
    put(&seen, 1, 1);
    assert_string_equal(seen.text, "1 2");
    assert_int_equal(seen.body_len, 0);
    resequence_fini(&seen.r);
}

/* The cluster may close a peer because of what this peer said. */
static void a_callback_may_reset(void **state)
{
    struct seen seen;
    (void)state;

    start(&seen);
    seen.reset_at = 2;
    put(&seen, 5, 2);
    put(&seen, 5, 3);
    put(&seen, 5, 1);
    assert_string_equal(seen.text, "1 2 reset"); /* 3 is forgotten */
    seen.reset_at = 0;
    seen.epoch = 0;
    put(&seen, 2, 1); /* any epoch is new again */
    assert_string_equal(seen.text, "1 2 reset 1");
    resequence_fini(&seen.r);
}

/* Whatever the order inside the window, all come out once, in order. */
static void any_shuffle_inside_the_window_is_undone(void **state)
{
    uint64_t random = 42;
    (void)state;

    for (int round = 0; round < 200; round++) {
        struct seen seen;
        uint64_t order[40];
        char want[1024] = "1";

        start(&seen);
        put(&seen, 1, 1);
        for (size_t i = 0; i < ARRAY_LEN(order); i++) {
            char word[8];
            order[i] = i + 2;
            snprintf(word, sizeof word, " %zu", i + 2);
            strcat(want, word);
        }
        for (size_t i = ARRAY_LEN(order) - 1; i > 0; i--) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t k = (random >> 33) % (i + 1);
            uint64_t swap = order[i];
            order[i] = order[k];
            order[k] = swap;
        }
        for (size_t i = 0; i < ARRAY_LEN(order); i++) {
            put(&seen, 1, order[i]);
        }
        assert_string_equal(seen.text, want);
        resequence_fini(&seen.r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_out_in_order),
        cmocka_unit_test(a_hole_is_given_up_after_the_wait),
        cmocka_unit_test(a_new_epoch_ends_the_old_one_with_a_hole),
        cmocka_unit_test(the_first_number_ever_may_be_any),
        cmocka_unit_test(repeats_and_nonsense_are_refused),
        cmocka_unit_test(held_bytes_are_bounded),
        cmocka_unit_test(an_empty_batch_keeps_its_place),
        cmocka_unit_test(a_callback_may_reset),
        cmocka_unit_test(any_shuffle_inside_the_window_is_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
