/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "cluster/rng.h"
#include "cluster/route.h"
#include "proto/err.h"
#include "tests/fail_malloc.h"

enum {
    SLOTS = 6
};

/* Slots 0 and 1 are near (eu), 2 to 4 in us, 5 in ap. */
static const char *const region_of[SLOTS] = {"eu", "eu", "us",
                                             "us", "us", "ap"};

static struct peer_node node_of(uint16_t slot, const char *region)
{
    struct peer_node node = {.region = bytes_str(region)};

    memset(node.id.b, slot + 1, sizeof node.id.b);
    return node;
}

static int setup(void **state)
{
    struct route *route = calloc(1, sizeof *route);

    assert_int_equal(route_init(route, BYTES("eu")), 0);
    for (uint16_t slot = 0; slot < SLOTS; slot++) {
        struct peer_node node = node_of(slot, region_of[slot]);
        assert_int_equal(route_open(route, slot, &node), 0);
        route_mark(route, slot, true, true);
    }
    *state = route;
    return 0;
}

static int teardown(void **state)
{
    struct route *route = *state;

    route_check(route);
    route_fini(route);
    free(route);
    return 0;
}

struct answer {
    size_t len;
    struct cluster_target targets[CLUSTER_PEERS_MAX];
    bool partial;
};

static struct answer ask(struct route *route, uint64_t slots, uint64_t hash,
                         uint64_t now_ms)
{
    struct answer answer;
    struct route_want want = {.slots = &slots, .words = 1, .hash = hash};

    answer.len = route_targets(route, &want, now_ms, answer.targets,
                               ARRAY_LEN(answer.targets), &answer.partial);
    return answer;
}

/* The one ingress for an item that only slot 2 wants. */
static uint16_t ingress_of(struct route *route, uint64_t hash, uint64_t now_ms)
{
    struct answer answer = ask(route, 1 << 2, hash, now_ms);

    assert_int_equal(answer.len, 1);
    assert_int_equal(answer.targets[0].hop, PEER_HOP_INGRESS);
    return answer.targets[0].slot;
}

static void route_sends_one_copy_to_each_interested_near_peer(void **state)
{
    struct answer answer = ask(*state, 1 << 0 | 1 << 1, 7, 0);

    assert_int_equal(answer.len, 2);
    assert_int_equal(answer.targets[0].slot, 0);
    assert_int_equal(answer.targets[0].hop, PEER_HOP_LAST);
    assert_int_equal(answer.targets[1].slot, 1);
    assert_false(answer.partial);
}

static void route_sends_nothing_where_nobody_wants_it(void **state)
{
    struct route_want want = {.hash = 7};
    struct cluster_target target;
    bool partial = true;

    assert_int_equal(ask(*state, 0, 7, 0).len, 0);
    assert_int_equal(route_targets(*state, &want, 0, &target, 1, &partial), 0);
    assert_false(partial);
}

static void route_sends_one_copy_to_a_region_whoever_wants_it(void **state)
{
    struct answer answer = ask(*state, 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5, 7, 0);

    assert_int_equal(answer.len, 2);
    assert_int_equal(answer.targets[0].hop, PEER_HOP_INGRESS);
    assert_in_range(answer.targets[0].slot, 2, 4);
    assert_int_equal(answer.targets[1].slot, 5);
}

static void route_near_never_leaves_the_region(void **state)
{
    uint64_t slots = 0x3f;
    struct route_want want = {.slots = &slots, .words = 1, .hash = 7};
    struct cluster_target targets[SLOTS];
    bool partial;

    assert_int_equal(route_near(*state, &want, targets, SLOTS, &partial), 2);
    assert_int_equal(targets[0].hop, PEER_HOP_LAST);
    assert_int_equal(targets[1].hop, PEER_HOP_LAST);
}

static void route_spreads_buckets_over_the_region(void **state)
{
    unsigned count[SLOTS] = {0};

    for (uint64_t hash = 0; hash < ROUTE_BUCKETS; hash++) {
        count[ingress_of(*state, hash, 0)]++;
    }
    assert_in_range(count[2], 50, 130);
    assert_in_range(count[3], 50, 130);
    assert_in_range(count[4], 50, 130);
}

/* A bucket that is in use stays, even when a better node appears or its
 * readiness changes elsewhere; each row breaks or keeps the ingress. */
static void route_keeps_the_ingress_until_it_ends(void **state)
{
    static const struct {
        bool linked, choice, leaves, moves;
    } rows[] = {{true, true, false, false},
                {true, false, false, false},
                {true, false, true, true},
                {false, false, false, true}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint16_t before = ingress_of(*state, 9, 100);
        route_mark(*state, before, rows[i].linked, rows[i].choice);
        if (rows[i].leaves) {
            route_leave(*state, before);
        }
        uint16_t after = ingress_of(*state, 9, 200);
        assert_int_equal(after != before, rows[i].moves);
        route_mark(*state, before, false, false);
        route_mark(*state, before, true, true);
        /* Back again, but the bucket is in use: it stays where it went. */
        if (after != before) {
            assert_int_equal(ingress_of(*state, 9, 300), after);
        }
        route_settle(*state, after, 300 + ROUTE_IDLE_MS);
        /* Idle for long enough it may come home. */
        assert_int_equal(ingress_of(*state, 9, 300 + ROUTE_IDLE_MS), before);
        route_settle(*state, after, 0);
    }
}

/* Idle is not enough: what went there may still be on its way. */
static void route_moves_only_what_is_settled(void **state)
{
    struct route *route = *state;
    uint16_t home = ingress_of(route, 9, 1);
    uint16_t asked;

    route_mark(route, home, false, false);
    uint16_t other = ingress_of(route, 9, 2);
    route_mark(route, home, true, true);
    assert_int_equal(ingress_of(route, 9, 3), other);
    assert_false(route_take_ask(route, &asked)); /* not idle */
    assert_int_equal(ingress_of(route, 9, 5000), other);
    assert_true(route_take_ask(route, &asked));
    assert_int_equal(asked, other);
    assert_false(route_take_ask(route, &asked));

    assert_true(route_is_unsettled(route, other));
    route_settle(route, other, 5000); /* that one may have been behind */
    assert_true(route_is_unsettled(route, other));
    route_settle(route, other, 5001);
    assert_false(route_is_unsettled(route, other));
    assert_int_equal(ingress_of(route, 9, 5002), other); /* in use */
    route_settle(route, other, 5003);
    assert_int_equal(ingress_of(route, 9, 9000), home);
    assert_false(route_take_ask(route, &asked));
}

/* It may be the same nodes that come back. */
static void route_keeps_the_fence_of_a_region_that_is_no_more(void **state)
{
    struct route *route = *state;

    assert_true(route_fence(route, 5) == 0);
    route_raise_fence(route, 5, 7);
    route_raise_fence(route, 5, 6);
    assert_true(route_fence(route, 5) == 7);
    assert_true(route_fence(route, 3) == 0);
    route_close(route, 5);
    struct peer_node node = node_of(5, "ap");
    assert_int_equal(route_open(route, 5, &node), 0);
    assert_true(route_fence(route, 5) == 7);
}

static void route_moves_only_the_buckets_of_the_one_that_died(void **state)
{
    uint16_t before[ROUTE_BUCKETS];

    for (uint64_t hash = 0; hash < ROUTE_BUCKETS; hash++) {
        before[hash] = ingress_of(*state, hash, 0);
    }
    route_close(*state, 3);
    for (uint64_t hash = 0; hash < ROUTE_BUCKETS; hash++) {
        uint16_t after = ingress_of(*state, hash, ROUTE_IDLE_MS * 2);
        assert_true(before[hash] == 3 ? after != 3 : after == before[hash]);
    }
}

/* Another peer may get the slot of one that has gone; it must not inherit. */
static void route_forgets_a_slot_that_is_used_again(void **state)
{
    struct route *route = *state;
    uint64_t hash = 0;

    while (ingress_of(route, hash, 0) != 3) {
        hash++;
    }
    route_close(route, 3);
    struct peer_node node = node_of(3, "ap");
    assert_int_equal(route_open(route, 3, &node), 0);
    route_mark(route, 3, true, true);
    assert_int_not_equal(ingress_of(route, hash, 0), 3);
}

static void route_is_partial_when_a_near_peer_has_no_link(void **state)
{
    route_mark(*state, 1, false, false);
    struct answer answer = ask(*state, 1 << 0 | 1 << 1, 7, 0);

    assert_int_equal(answer.len, 1);
    assert_true(answer.partial);
}

static void route_is_partial_when_a_region_has_no_link(void **state)
{
    route_mark(*state, 5, false, false);
    struct answer answer = ask(*state, 1 << 0 | 1 << 5, 7, 0);

    assert_int_equal(answer.len, 1);
    assert_true(answer.partial);
}

/* The interest of a node that we cannot reach still counts for its region. */
static void route_reaches_an_unlinked_member_through_its_region(void **state)
{
    route_mark(*state, 2, false, false);
    struct answer answer = ask(*state, 1 << 2, 7, 0);

    assert_int_equal(answer.len, 1);
    assert_in_range(answer.targets[0].slot, 3, 4);
    assert_false(answer.partial);
}

static void
route_takes_a_node_that_is_not_ready_when_there_is_no_other(void **state)
{
    for (uint16_t slot = 2; slot <= 4; slot++) {
        route_mark(*state, slot, slot == 4, false);
    }
    assert_int_equal(ingress_of(*state, 7, 0), 4);
    route_mark(*state, 3, true, true);
    assert_int_equal(ingress_of(*state, 7, 1), 4); /* it goes on */
    assert_int_equal(ingress_of(*state, 8, 1), 3);
    /* All leave: who leaves, too. */
    route_mark(*state, 3, false, false);
    route_leave(*state, 4);
    assert_int_equal(ingress_of(*state, 7, 2), 4);
    assert_false(route_leaves(*state, 4));
}

/* One that reaches all of its region, if there is one, and drains not. */
static void route_prefers_who_reaches_all(void **state)
{
    struct route *route = *state;

    route_mark_lacking(route, 2, true);
    route_mark_lacking(route, 3, true);
    for (uint64_t hash = 0; hash < ROUTE_BUCKETS; hash++) {
        assert_int_equal(ingress_of(route, hash, 0), 4);
    }
    assert_true(route_has_better(route, 2));
    assert_false(route_has_better(route, 4));
    route_mark(route, 4, true, false);
    assert_true(route_has_better(route, 4)); /* it drains */
    assert_false(route_has_better(route, 2));
    route_leave(route, 4);
    assert_in_range(ingress_of(route, 7, 0), 2, 3);
    route_mark_lacking(route, 4, true);
    route_mark(route, 4, true, true);
    assert_false(route_has_better(route, 4)); /* all lack some */
    route_stay(route, 4);
    assert_int_equal(ingress_of(route, 8, 0), 4);
}

static void route_says_when_there_was_no_room(void **state)
{
    uint64_t slots = 0x3f;
    struct route_want want = {.slots = &slots, .words = 1, .hash = 7};
    struct cluster_target targets[3];
    bool partial;

    assert_int_equal(route_targets(*state, &want, 0, targets, 3, &partial), 3);
    assert_true(partial);
    assert_int_equal(route_targets(*state, &want, 0, targets, 1, &partial), 1);
    assert_true(partial);
}

/* Two origins with the same view choose alike, whatever slots they gave. */
static void route_chooses_alike_on_every_origin(void **state)
{
    struct route other;

    assert_int_equal(route_init(&other, BYTES("eu")), 0);
    for (uint16_t slot = 2; slot <= 4; slot++) {
        struct peer_node node = node_of(slot, "us");
        assert_int_equal(route_open(&other, (uint16_t)(100 - slot), &node), 0);
        route_mark(&other, (uint16_t)(100 - slot), true, true);
    }
    for (uint64_t hash = 0; hash < ROUTE_BUCKETS; hash++) {
        uint64_t slots[2] = {0, 1ull << (100 - 2 - 64)};
        struct route_want want = {slots, 2, hash};
        struct cluster_target target;
        bool partial;
        assert_int_equal(route_targets(&other, &want, 0, &target, 1, &partial),
                         1);
        assert_int_equal(100 - target.slot, ingress_of(*state, hash, 0));
    }
    route_check(&other);
    route_fini(&other);
}

static void route_refuses_a_region_too_many(void **state)
{
    struct route *route = *state;
    uint16_t slot = SLOTS;

    for (int i = 3; i < CLUSTER_REGIONS_MAX; i++, slot++) {
        char name[] = {'r', (char)('0' + i), '\0'};
        struct peer_node node = node_of(slot, name);
        assert_int_equal(route_open(route, slot, &node), 0);
    }
    struct peer_node node = node_of(slot, "straw");
    assert_int_equal(route_open(route, slot, &node), ERR_LIMIT);
    route_close(route, 5); /* the last of ap: its place is free again */
    assert_int_equal(route_open(route, slot, &node), 0);
}

static void route_survives_each_failing_allocation(void **state)
{
    struct route *route = *state;
    struct route fresh;
    struct peer_node node = node_of(SLOTS, "new");
    struct peer_host host = {.id = 5, .worker = 0, .workers = 2};

    fail_malloc(0);
    assert_int_equal(route_join(route, 0, &host, false), ERR_NOMEM);
    fail_malloc(-1);
    assert_int_equal(route_join(route, 0, &host, false), 0);
    fail_malloc(0);
    assert_int_equal(route_init(&fresh, BYTES("eu")), ERR_NOMEM);
    fail_malloc(0);
    assert_int_equal(route_open(route, SLOTS, &node), ERR_NOMEM);
    fail_malloc(-1);
    assert_int_equal(route_open(route, SLOTS, &node), 0);
}

/* Of slots 0 and 1, and two that are new, one process of four. */
static void join(struct route *route)
{
    for (uint16_t slot = SLOTS; slot < SLOTS + 2; slot++) {
        struct peer_node node = node_of(slot, "eu");
        assert_int_equal(route_open(route, slot, &node), 0);
        route_mark(route, slot, true, true);
    }
    for (uint8_t worker = 0; worker < 3; worker++) {
        struct peer_host host = {.id = 5, .worker = worker, .workers = 4};
        uint16_t slot = worker == 2 ? SLOTS : worker;
        assert_int_equal(route_join(route, slot, &host, false), 0);
        assert_int_equal(route_hop(route, slot), PEER_HOP_HOST);
    }
    route_check(route);
}

static void route_sends_one_copy_to_a_process_whoever_wants_it(void **state)
{
    struct route *route = *state;

    join(route);
    for (uint64_t hash = 0; hash < 3; hash++) {
        for (uint64_t slots = 1; slots < 4; slots++) {
            struct answer answer = ask(route, slots, hash, 0);
            assert_int_equal(answer.len, 1);
            assert_int_equal(answer.targets[0].slot, hash == 2 ? SLOTS : hash);
            assert_int_equal(answer.targets[0].hop, PEER_HOP_HOST);
            assert_false(answer.partial);
        }
    }
    /* Beside those that have their own. */
    struct answer answer = ask(route, 3 | 1 << 2 | 3 << SLOTS, 0, 0);
    assert_int_equal(answer.len, 3);
    assert_int_equal(answer.targets[0].slot, SLOTS + 1);
    assert_int_equal(answer.targets[0].hop, PEER_HOP_LAST);
    assert_int_equal(answer.targets[1].slot, 0);
    assert_int_equal(answer.targets[2].hop, PEER_HOP_INGRESS);
}

/* Neither known nor linked: nobody else receives it, and it is noted. */
static void route_waits_for_the_worker_that_receives(void **state)
{
    struct route *route = *state;
    struct peer_host last = {.id = 5, .worker = 3, .workers = 4};

    join(route);
    assert_false(route_host_missed(route));
    struct answer answer = ask(route, 1, 3, 0);
    assert_int_equal(answer.len, 0);
    assert_true(answer.partial);
    assert_true(route_host_missed(route));
    assert_false(route_take_missed(route, 0));
    assert_int_equal(route_join(route, SLOTS + 1, &last, false), 0);
    assert_false(route_host_missed(route));
    assert_true(route_take_missed(route, SLOTS + 1));
    assert_int_equal(ask(route, 1, 3, 0).targets[0].slot, SLOTS + 1);

    route_mark(route, 1, false, false);
    answer = ask(route, 1, 1, 0);
    assert_int_equal(answer.len, 0);
    assert_true(answer.partial);
    assert_true(route_take_missed(route, 1));
    assert_false(route_take_missed(route, 0));
}

static void route_passes_on_to_siblings_only(void **state)
{
    struct route *route = *state;
    struct peer_host own = {.id = 6, .worker = 1, .workers = 2};
    struct cluster_target targets[SLOTS];
    uint64_t slots = 0x3f;
    struct route_want want = {.slots = &slots, .words = 1, .hash = 7};

    assert_int_equal(route_siblings(route, &want, targets, SLOTS), 0);
    assert_int_equal(route_join(route, 1, &own, true), 0);
    assert_int_equal(route_join(route, 2, &own, true), 0); /* not of here */
    assert_int_equal(route_siblings(route, &want, targets, SLOTS), 1);
    assert_int_equal(targets[0].slot, 1);
    assert_int_equal(targets[0].hop, PEER_HOP_LAST);
    assert_int_equal(ask(route, 3, 7, 0).len, 2); /* both directly */
}

/* Nobody takes the number of another; who says so has its own way. */
static void route_gives_each_number_of_a_process_once(void **state)
{
    struct route *route = *state;
    struct peer_host host = {.id = 5, .worker = 0, .workers = 4};

    join(route);
    assert_int_equal(route_join(route, SLOTS + 1, &host, false), 0);
    assert_int_equal(route_hop(route, SLOTS + 1), PEER_HOP_LAST);
    assert_int_equal(ask(route, 1 << (SLOTS + 1), 0, 0).targets[0].slot,
                     SLOTS + 1);
    route_close(route, 0);
    assert_int_equal(ask(route, 2, 0, 0).len, 0);
    route_close(route, 1);
    route_close(route, SLOTS);
    route_check(route);
    assert_false(route_host_missed(route)); /* it is forgotten */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(route_sends_one_copy_to_each_interested_near_peer),
        T(route_sends_nothing_where_nobody_wants_it),
        T(route_sends_one_copy_to_a_region_whoever_wants_it),
        T(route_near_never_leaves_the_region),
        T(route_spreads_buckets_over_the_region),
        T(route_keeps_the_ingress_until_it_ends),
        T(route_moves_only_what_is_settled),
        T(route_keeps_the_fence_of_a_region_that_is_no_more),
        T(route_moves_only_the_buckets_of_the_one_that_died),
        T(route_forgets_a_slot_that_is_used_again),
        T(route_is_partial_when_a_near_peer_has_no_link),
        T(route_is_partial_when_a_region_has_no_link),
        T(route_reaches_an_unlinked_member_through_its_region),
        T(route_takes_a_node_that_is_not_ready_when_there_is_no_other),
        T(route_prefers_who_reaches_all),
        T(route_says_when_there_was_no_room),
        T(route_chooses_alike_on_every_origin),
        T(route_refuses_a_region_too_many),
        T(route_survives_each_failing_allocation),
        T(route_sends_one_copy_to_a_process_whoever_wants_it),
        T(route_waits_for_the_worker_that_receives),
        T(route_passes_on_to_siblings_only),
        T(route_gives_each_number_of_a_process_once),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
