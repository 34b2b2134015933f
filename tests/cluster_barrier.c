/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "cluster/barrier.h"

/* Each case is a list of moves; `>` is what the barrier must then say. */
enum move_type {
    END,
    TURN,
    HOLD,
    ALL,
    TICK,
    SAYS,
    PARTIAL,
    SAYS_ALL,
    QUIET
};

struct move {
    enum move_type type;
    uint64_t value; /* version; TICK: at ms */
};

static void expect(struct barrier *barrier, const struct move *move, size_t at)
{
    struct cluster_effect effect = {0};
    bool partial = move->type == PARTIAL;
    bool said = barrier_next(barrier, &effect);

    if (!said || effect.version != move->value || effect.partial != partial ||
        effect.scope != (move->type == SAYS_ALL ? CLUSTER_SCOPE_ALL
                                                : CLUSTER_SCOPE_REGION)) {
        fail_msg("move %zu: said %d scope %d version %" PRIu64 " partial %d",
                 at, said, effect.scope, effect.version, effect.partial);
    }
}

/* The scope ALL always holds everything unless a case says otherwise, so that
 * only the region speaks. */
static void play(const struct move *moves)
{
    struct barrier barrier = {0};
    struct cluster_effect effect;
    uint64_t now_ms = 1000;

    if (moves[0].type != ALL) {
        barrier_hold(&barrier, CLUSTER_SCOPE_ALL, 1000000, now_ms);
        assert_true(barrier_next(&barrier, &effect));
    }
    for (size_t i = 0; moves[i].type != END; i++) {
        switch (moves[i].type) {
        case TURN:
            barrier_turn(&barrier, moves[i].value, now_ms);
            break;
        case HOLD:
            barrier_hold(&barrier, CLUSTER_SCOPE_REGION, moves[i].value,
                         now_ms);
            break;
        case ALL:
            barrier_hold(&barrier, CLUSTER_SCOPE_ALL, moves[i].value, now_ms);
            break;
        case TICK:
            now_ms = 1000 + moves[i].value;
            barrier_tick(&barrier, now_ms);
            break;
        case SAYS:
        case PARTIAL:
        case SAYS_ALL:
            expect(&barrier, &moves[i], i);
            break;
        case QUIET:
            if (barrier_next(&barrier, &effect)) {
                fail_msg("move %zu: speaks", i);
            }
            break;
        case END:
            break;
        }
        barrier_check(&barrier);
    }
}

static void a_rise_is_said_at_once(void **state)
{
    (void)state;
    play((struct move[]){
        {TURN, 3}, {QUIET, 0}, {HOLD, 3}, {SAYS, 3}, {QUIET, 0}, {END, 0}});
}

static void subscribes_of_a_turn_share_one_answer(void **state)
{
    (void)state;
    play((struct move[]){{TURN, 100},
                         {TURN, 200},
                         {HOLD, 150},
                         {SAYS, 150},
                         {HOLD, 200},
                         {SAYS, 200},
                         {TICK, 1000},
                         {QUIET, 0},
                         {END, 0}});
}

static void a_slow_peer_costs_250_ms_and_a_flag(void **state)
{
    (void)state;
    play((struct move[]){{TURN, 3},
                         {TICK, 249},
                         {QUIET, 0},
                         {TICK, 250},
                         {PARTIAL, 3},
                         {QUIET, 0},
                         {END, 0}});
}

static void each_turn_has_its_own_250_ms(void **state)
{
    (void)state;
    play((struct move[]){{TURN, 1},
                         {TICK, 100},
                         {TURN, 2},
                         {TICK, 250},
                         {PARTIAL, 1},
                         {TICK, 349},
                         {QUIET, 0},
                         {TICK, 350},
                         {PARTIAL, 2},
                         {END, 0}});
}

/* Who begins to wait for an old version while the peer is still stuck gets an
 * answer within 250 ms, too. */
static void a_stuck_peer_is_said_again_and_again(void **state)
{
    (void)state;
    play((struct move[]){{TURN, 3},
                         {TICK, 250},
                         {PARTIAL, 3},
                         {TICK, 500},
                         {PARTIAL, 3},
                         {TICK, 750},
                         {PARTIAL, 3},
                         {HOLD, 3},
                         {SAYS, 3},
                         {TICK, 2000},
                         {QUIET, 0},
                         {END, 0}});
}

static void a_peer_that_leaves_is_a_rise(void **state)
{
    (void)state;
    play((struct move[]){{HOLD, 5},
                         {SAYS, 5},
                         {TURN, 6},
                         {TICK, 20},
                         {HOLD, 6},
                         {SAYS, 6},
                         {END, 0}});
}

/* A peer comes back with less than it had: nothing is said when it falls, and
 * whoever waits from then on hears of the rise, or of the cap. */
static void a_peer_that_comes_back_behind_is_waited_for(void **state)
{
    (void)state;
    play((struct move[]){{TURN, 9},
                         {HOLD, 9},
                         {SAYS, 9},
                         {HOLD, 4},
                         {QUIET, 0},
                         {HOLD, 9},
                         {SAYS, 9},
                         {HOLD, 4},
                         {TICK, 249},
                         {QUIET, 0},
                         {TICK, 250},
                         {PARTIAL, 9},
                         {END, 0}});
}

static void scopes_speak_for_themselves(void **state)
{
    (void)state;
    play((struct move[]){{ALL, 0},
                         {TURN, 2},
                         {HOLD, 2},
                         {SAYS, 2},
                         {QUIET, 0},
                         {ALL, 2},
                         {SAYS_ALL, 2},
                         {TICK, 5000},
                         {QUIET, 0},
                         {END, 0}});
}

static void wake_is_the_next_answer_that_time_gives(void **state)
{
    struct barrier barrier = {0};

    (void)state;
    assert_int_equal(barrier_wake_ms(&barrier), UINT64_MAX);
    barrier_turn(&barrier, 1, 100);
    assert_int_equal(barrier_wake_ms(&barrier), 100 + CLUSTER_BARRIER_MS);
    barrier_tick(&barrier, 350);
    assert_int_equal(barrier_wake_ms(&barrier), 350 + CLUSTER_BARRIER_MS);
    barrier_hold(&barrier, CLUSTER_SCOPE_REGION, 1, 360);
    barrier_hold(&barrier, CLUSTER_SCOPE_ALL, 1, 360);
    assert_int_equal(barrier_wake_ms(&barrier), UINT64_MAX);
}

/* A turn each millisecond, nobody answers: the ring stays bounded. */
static void a_turn_each_millisecond_fits(void **state)
{
    struct barrier barrier = {0};
    struct cluster_effect effect;
    uint64_t told = 0;

    (void)state;
    for (uint64_t ms = 1; ms <= 2000; ms++) {
        barrier_turn(&barrier, 2 * ms - 1, ms);
        barrier_turn(&barrier, 2 * ms, ms);
        barrier_tick(&barrier, ms);
        barrier_check(&barrier);
        while (barrier_next(&barrier, &effect)) {
            told = effect.version;
        }
    }
    assert_int_equal(told, 2 * (2000 - CLUSTER_BARRIER_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rise_is_said_at_once),
        cmocka_unit_test(subscribes_of_a_turn_share_one_answer),
        cmocka_unit_test(a_slow_peer_costs_250_ms_and_a_flag),
        cmocka_unit_test(each_turn_has_its_own_250_ms),
        cmocka_unit_test(a_stuck_peer_is_said_again_and_again),
        cmocka_unit_test(a_peer_that_leaves_is_a_rise),
        cmocka_unit_test(a_peer_that_comes_back_behind_is_waited_for),
        cmocka_unit_test(scopes_speak_for_themselves),
        cmocka_unit_test(wake_is_the_next_answer_that_time_gives),
        cmocka_unit_test(a_turn_each_millisecond_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
