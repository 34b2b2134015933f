/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/swim_world.h"

enum {
    JOIN_LIMIT_MS = 3000,
    SETTLE_MS = 5000
};

/* n nodes in one region that know each other and have settled. */
static struct world *settled(uint64_t seed, size_t n)
{
    struct world *w = world_new(seed);

    world_start_many(w, n, 1);
    world_until(w, world_agrees, NULL, JOIN_LIMIT_MS);
    world_run(w, SETTLE_MS);
    assert_int_equal(world_events(w, SWIM_SUSPECT), 0);
    return w;
}

static void nodes_find_each_other_by_one_seed(void **state)
{
    (void)state;

    for (size_t n = 1; n <= 10; n++) {
        struct world *w = settled(n, n);
        assert_int_equal(world_events(w, SWIM_JOINED), n * (n - 1));
        world_free(w);
    }
}

static void all_digests_are_equal_when_all_know_all(void **state)
{
    struct world *w = settled(3, 6);
    (void)state;

    for (size_t i = 1; i < 6; i++) {
        assert_int_equal(swim_digest(w->nodes[i].swim),
                         swim_digest(w->nodes[0].swim));
    }
    world_free(w);
}

static void a_silent_crash_is_seen_by_all(void **state)
{
    (void)state;

    for (size_t victim = 0; victim < 10; victim++) {
        struct world *w = settled(10 + victim, 10);
        world_kill(w, victim);
        world_until(w, world_buried, &victim, 4000);
        assert_int_equal(world_events(w, SWIM_DEAD), 9);
        assert_true(world_agrees(w, NULL));
        world_free(w);
    }
}

static void a_crash_with_broken_links_is_seen_within_a_second(void **state)
{
    (void)state;

    for (size_t n = 2; n <= 10; n++) {
        size_t victim = n - 1;
        struct world *w = settled(n, n);
        w->loss_percent = 5;
        world_kill(w, victim);
        world_reset_links(w, victim);
        world_until(w, world_buried, &victim, 1000);
        world_free(w);
    }
}

static void a_broken_link_alone_kills_nobody(void **state)
{
    struct world *w = settled(4, 5);
    (void)state;

    w->loss_percent = 10;
    for (int i = 0; i < 20; i++) {
        world_reset_links(w, 2);
        world_run(w, 1000);
    }
    assert_int_equal(world_events(w, SWIM_DEAD), 0);
    world_free(w);
}

static void a_paused_node_refutes_when_it_goes_on(void **state)
{
    static const uint64_t pauses_ms[] = {1000, 2000, 5000, 30000};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(pauses_ms); i++) {
        struct world *w = settled(20 + i, 6);
        world_pause(w, 3, true);
        world_run(w, pauses_ms[i]);
        world_pause(w, 3, false);
        world_until(w, world_agrees, NULL, 3000);
        assert_true(swim_incarnation(w->nodes[3].swim) > 0);
        world_run(w, 10000);
        assert_true(world_agrees(w, NULL));
        /* It was deaf itself, so it blames nobody. */
        for (size_t j = 0; j < 6; j++) {
            assert_int_equal(swim_incarnation(w->nodes[j].swim) > 0, j == 3);
        }
        assert_int_equal(w->nodes[3].events[SWIM_DEAD], 0);
        world_free(w);
    }
}

static void
a_restart_at_the_same_address_ends_the_old_life_at_once(void **state)
{
    struct world *w = settled(5, 8);
    size_t old = 5;
    (void)state;

    world_kill(w, old);
    world_start(w, 6, "n0006", "r0", 1);
    world_until(w, world_buried, &old, 600);
    world_until(w, world_agrees, NULL, 1000);
    assert_string_equal(w->nodes[0].text,
                        "replaced by a new life at its address");
    world_run(w, SETTLE_MS);
    for (size_t i = 0; i < w->nodes_len; i++) {
        const struct member *m =
            i == old ? NULL : swim_find(w->nodes[i].swim, &w->nodes[old].id);
        assert_true(i == old || i == 8 || m != NULL);
    }
    world_free(w);
}

/* Its seed is itself, so the others have to find it again. */
static void a_seed_that_restarts_is_found_again(void **state)
{
    struct world *w = settled(22, 4);
    (void)state;

    world_kill(w, 0);
    world_start(w, 1, "n0001", "r0", 1);
    world_until(w, world_agrees, NULL, 6000);
    world_free(w);
}

static void split(struct world *w, size_t from)
{
    for (size_t i = 0; i < w->nodes_len; i++) {
        w->nodes[i].side = i >= from;
    }
}

static void a_partition_heals(void **state)
{
    static const uint64_t lasts_ms[] = {5000, 60000, 600000, 1200000};
    static const size_t cuts[] = {1, 4, 7};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(lasts_ms) * ARRAY_LEN(cuts); i++) {
        struct world *w = settled(30 + i, 8);
        w->check = i % 4 == 0;
        split(w, cuts[i % ARRAY_LEN(cuts)]);
        world_run(w, lasts_ms[i / ARRAY_LEN(cuts)]);
        int seen = world_state(w, 7, 0); /* from a minute on, surely */
        assert_true(i < ARRAY_LEN(cuts) || seen >= GOSSIP_DEAD || seen == -1);
        split(w, 0);
        unsigned deaths = world_events(w, SWIM_DEAD);
        world_until(w, world_agrees, NULL, 5000);
        world_run(w, SETTLE_MS);
        assert_true(world_agrees(w, NULL));
        if (i >= ARRAY_LEN(cuts)) { /* all were dead already */
            assert_int_equal(world_events(w, SWIM_DEAD), deaths);
        }
        world_free(w);
    }
}

/* Found by seed 30: the rumour of the suspicion was told to nobody within the
 * partition, and the suspect died of it when all was well again. */
static void a_suspicion_spent_in_a_partition_kills_nobody_later(void **state)
{
    struct world *w = settled(30, 8);
    (void)state;

    split(w, 1);
    world_run(w, 5000);
    split(w, 0);
    unsigned deaths = world_events(w, SWIM_DEAD);
    world_run(w, 15000);
    assert_int_equal(world_events(w, SWIM_DEAD), deaths);
    world_free(w);
}

static void even_a_forgotten_side_is_found_without_seeds(void **state)
{
    struct world *w = settled(23, 6);
    (void)state;

    w->check = false;
    for (size_t i = 0; i < 6; i++) {
        world_news(w, i, &(struct swim_news){.type = SWIM_SEEDS});
    }
    split(w, 3);
    world_run(w, SWIM_FORGET_MS + 60000);
    assert_int_equal(world_state(w, 0, 5), -1);
    split(w, 0);
    world_until(w, world_agrees, NULL, 5000);
    world_free(w);
}

static void two_that_cannot_reach_each_other_ask_others(void **state)
{
    struct world *w = settled(24, 5);
    (void)state;

    w->torn[0] = 1;
    w->torn[1] = 3;
    world_run(w, 60000);
    assert_int_equal(world_events(w, SWIM_SUSPECT), 0);
    world_free(w);
}

/* Helpers that answer "I hear you, but not it" prove that it is not us. */
static void a_crash_is_not_taken_for_bad_health_of_our_own(void **state)
{
    struct world *w = settled(25, 6);
    size_t victim = 4;
    (void)state;

    world_kill(w, victim);
    while (!world_buried(w, &victim)) {
        world_run(w, 50);
        for (size_t i = 0; i < 6; i++) {
            assert_true(i == victim || swim_health(w->nodes[i].swim) == 0);
        }
    }
    world_free(w);
}

static void one_broken_link_does_not_hasten_a_death(void **state)
{
    struct world *w = settled(26, 6);
    (void)state;

    world_pause(w, 2, true);
    world_news(
        w, 0,
        &(struct swim_news){.type = SWIM_LINK_DOWN, .member = w->nodes[2].id});
    world_run(w, 1200);
    assert_int_equal(world_state(w, 0, 2), GOSSIP_SUSPECT);
    world_pause(w, 2, false);
    world_until(w, world_agrees, NULL, 1000);
    assert_int_equal(world_events(w, SWIM_DEAD), 0);
    world_free(w);
}

/* Nothing waits in its socket when it wakes up: the answers of the others are
 * still to come, and it condemns nobody before. */
static void who_stood_still_asks_again_before_it_suspects(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = settled(seed, 4);
        w->nodes[0].side = 1;
        world_run(w, 100);
        world_pause(w, 0, true);
        world_run(w, 1000);
        w->nodes[0].side = 0;
        world_pause(w, 0, false);
        world_run(w, 10000);
        assert_int_equal(w->nodes[0].events[SWIM_SUSPECT], 0);
        world_free(w);
    }
}

static void a_newcomer_knows_all_at_once(void **state)
{
    struct world *w = settled(27, 60);
    (void)state;

    size_t index = world_start(w, 61, "late", "r0", 1);
    world_run(w, 100); /* several slices, a round trip each */
    assert_int_equal(swim_living(w->nodes[index].swim), 60);
    world_free(w);
}

static void nobody_dies_of_a_tenth_of_the_packets_lost(void **state)
{
    struct world *w = settled(6, 10);
    (void)state;

    w->check = false;
    w->loss_percent = 10;
    world_run(w, 10 * 60 * 1000);
    assert_int_equal(world_events(w, SWIM_DEAD), 0);
    w->loss_percent = 0;
    world_until(w, world_agrees, NULL, 5000);
    world_free(w);
}

static void joining_survives_loss(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *w = world_new(seed);
        w->loss_percent = 30;
        world_start_many(w, 8, 2);
        world_run(w, 5000);
        w->loss_percent = 0;
        world_until(w, world_agrees, NULL, 3000);
        world_free(w);
    }
}

static void who_leaves_is_neither_dead_nor_missed(void **state)
{
    struct world *w = settled(7, 6);
    size_t leaver = 2;
    (void)state;

    world_news(w, leaver, &(struct swim_news){.type = SWIM_LEAVE});
    world_until(w, world_buried, &leaver, 300);
    assert_int_equal(world_events(w, SWIM_SAID_LEFT), 5);
    world_run(w, SWIM_LEAVE_MS);
    assert_int_equal(swim_wake_ms(w->nodes[leaver].swim), UINT64_MAX);
    uint64_t packets = w->nodes[leaver].packets_out;
    world_run(w, 20000);
    assert_int_equal(w->nodes[leaver].packets_out, packets);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(w->nodes[i].events[SWIM_DEAD], 0);
        if (i != leaver) {
            assert_int_equal(world_state(w, i, leaver), GOSSIP_LEFT);
        }
    }
    world_free(w);
}

static void the_same_name_elsewhere_stays_and_is_told_once(void **state)
{
    struct world *w = settled(8, 3);
    (void)state;

    world_start(w, 9, "n0002", "r0", 1);
    world_until(w, world_agrees, NULL, 2000);
    world_run(w, SETTLE_MS);
    /* n1 and n3 see the pair, n2 sees its own name, the newcomer as well. */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(w->nodes[i].events[SWIM_DUPLICATE], 1);
        assert_int_equal(swim_self_is_duplicate(w->nodes[i].swim),
                         i == 1 || i == 3);
    }
    assert_true(swim_find(w->nodes[0].swim, &w->nodes[1].id)->duplicate);
    assert_true(swim_find(w->nodes[0].swim, &w->nodes[3].id)->duplicate);
    size_t gone = 3;
    world_kill(w, gone);
    world_until(w, world_buried, &gone, 8000);
    assert_false(swim_find(w->nodes[0].swim, &w->nodes[1].id)->duplicate);
    assert_false(swim_self_is_duplicate(w->nodes[1].swim));
    world_free(w);
}

/* At another address too: its host died, and it was started on the next. */
static void a_plain_restart_is_no_duplicate(void **state)
{
    static const uint16_t places[] = {5, 30};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct world *w = settled(30 + i, 20);
        world_kill(w, 4);
        size_t life = world_start(w, places[i], "n0005", "r0", 1);
        world_run(w, 60000);
        assert_int_equal(world_state(w, 0, life), GOSSIP_ALIVE);
        assert_int_equal(world_events(w, SWIM_DUPLICATE), 0);
        world_free(w);
    }
}

/* It hears nothing that is sent there, so it dies and comes back for ever. */
static void who_says_it_is_where_another_is_is_named_once(void **state)
{
    struct world *w = settled(32, 5);
    (void)state;

    w->says_place = 3;
    world_start(w, 9, "liar", "r0", 1);
    world_run(w, 120000);
    assert_true(world_events(w, SWIM_DEAD) > 20); /* it flaps */
    for (size_t i = 0; i < 5; i++) {
        if (i != 2) { /* who is there has nothing against it */
            assert_int_equal(w->nodes[i].events[SWIM_DUPLICATE], 1);
            assert_string_equal(
                w->nodes[i].text,
                "another living node says it is at its address");
        }
    }
    world_free(w);
}

static void another_hash_key_is_refused_with_a_sentence(void **state)
{
    struct world *w = settled(9, 2);
    (void)state;

    w->print = 8;
    world_start(w, 5, "other", "r0", 1);
    world_run(w, SETTLE_MS);
    assert_int_equal(world_state(w, 0, 2), -1);
    assert_int_equal(swim_living(w->nodes[2].swim), 0);
    for (size_t i = 0; i < 3; i += 2) { /* the seed and the stranger */
        assert_in_range(w->nodes[i].events[SWIM_REFUSED], 1, 2);
        assert_string_equal(
            w->nodes[i].text,
            "its hash key is another: it belongs to another cluster");
    }
    world_free(w);
}

static void a_silent_seed_is_told_once(void **state)
{
    struct world *w = world_new(11);
    (void)state;

    world_start(w, 5, "early", "r0", 1);
    world_run(w, 2500);
    assert_int_equal(world_events(w, SWIM_SEED_SILENT), 0);
    world_run(w, 60000);
    assert_int_equal(world_events(w, SWIM_SEED_SILENT), 1);
    world_start(w, 1, "seed", "r0", 0);
    world_until(w, world_agrees, NULL, 1500);
    world_free(w);
}

static void regions_meet_and_see_a_crash_on_the_other_side(void **state)
{
    struct world *w = world_new(12);
    size_t victim = 5;
    (void)state;

    world_start_many(w, 6, 2);
    world_until(w, world_agrees, NULL, JOIN_LIMIT_MS);
    world_run(w, SETTLE_MS);
    const struct member *m = swim_find(w->nodes[0].swim, &w->nodes[1].id);
    assert_true(m->far);
    world_run(w, 20000);
    assert_in_range(swim_find(w->nodes[0].swim, &w->nodes[1].id)->rtt_us, 80000,
                    160000);
    world_kill(w, victim);
    world_until(w, world_buried, &victim, 5000);
    world_free(w);
}

/* Eight nodes that are all of one region, or each of its own. */
static uint64_t packets_of_8(size_t regions)
{
    struct world *w = world_new(15);
    uint64_t packets = 0;

    world_start_many(w, 8, regions);
    world_until(w, world_agrees, NULL, JOIN_LIMIT_MS);
    world_run(w, SETTLE_MS);
    for (size_t i = 0; i < 8; i++) {
        packets -= w->nodes[i].packets_out;
    }
    world_run(w, 60000);
    for (size_t i = 0; i < 8; i++) {
        packets += w->nodes[i].packets_out;
    }
    assert_int_equal(world_events(w, SWIM_SUSPECT), 0);
    world_free(w);
    return packets;
}

/* One probe in 2 s to other regions, and one in 500 ms inside. */
static void other_regions_are_probed_four_times_less(void **state)
{
    uint64_t inside = packets_of_8(1);
    uint64_t across = packets_of_8(8);
    (void)state;

    assert_in_range(inside, 8 * 60 * 2 * 2 - 40, 8 * 60 * 2 * 2 + 400);
    assert_in_range(across, 8 * 60 / 2 * 2 - 40, 8 * 60 / 2 * 2 + 200);
}

/* Where the seed was is nobody now, and its name says where it is. */
static void a_seed_that_moved_is_joined_at_its_new_address(void **state)
{
    struct world *w = world_new(16);
    struct addr moved[2] = {world_addr(2), world_addr(3)};
    (void)state;

    world_start(w, 3, "seed", "r0", 0);
    size_t late = world_start(w, 1, "late", "r0", 9);
    world_run(w, 5000);
    assert_false(world_agrees(w, NULL));
    world_news(w, late,
               &(struct swim_news){
                   .type = SWIM_SEEDS, .seeds = moved, .seeds_len = 2});
    world_until(w, world_agrees, NULL, 3000);
    world_free(w);
}

static void the_state_of_a_log_travels_in_probes(void **state)
{
    struct world *w = settled(13, 3);
    (void)state;

    swim_set_log(w->nodes[1].swim, 77, 0xfeedface);
    world_run(w, 3000);
    const struct member *m = swim_find(w->nodes[0].swim, &w->nodes[1].id);
    assert_int_equal(m->log.version, 77);
    assert_int_equal(m->log.digest, 0xfeedface);
    assert_true(w->nodes[0].events[SWIM_HEARD] > 5);
    world_free(w);
}

static void a_lagging_loop_blames_itself(void **state)
{
    struct world *w = settled(14, 4);
    (void)state;

    unsigned before = swim_health(w->nodes[0].swim);
    world_news(w, 0, &(struct swim_news){.type = SWIM_LAG, .ms = 400});
    assert_int_equal(swim_health(w->nodes[0].swim), before + 1);
    world_run(w, 10000);
    assert_int_equal(swim_health(w->nodes[0].swim), 0);
    world_free(w);
}

static uint64_t digest_of_a_story(uint64_t seed)
{
    struct world *w = world_new(seed);
    uint64_t digest;

    w->loss_percent = 10;
    world_start_many(w, 8, 2);
    world_run(w, 5000);
    world_kill(w, 3);
    world_run(w, 5000);
    split(w, 4);
    world_run(w, 10000);
    split(w, 0);
    world_run(w, 10000);
    digest = w->digest;
    world_free(w);
    return digest;
}

static void the_same_seed_tells_the_same_story(void **state)
{
    (void)state;

    assert_int_equal(digest_of_a_story(1), digest_of_a_story(1));
    assert_int_not_equal(digest_of_a_story(1), digest_of_a_story(2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_find_each_other_by_one_seed),
        cmocka_unit_test(all_digests_are_equal_when_all_know_all),
        cmocka_unit_test(a_silent_crash_is_seen_by_all),
        cmocka_unit_test(a_crash_with_broken_links_is_seen_within_a_second),
        cmocka_unit_test(a_broken_link_alone_kills_nobody),
        cmocka_unit_test(a_paused_node_refutes_when_it_goes_on),
        cmocka_unit_test(
            a_restart_at_the_same_address_ends_the_old_life_at_once),
        cmocka_unit_test(a_seed_that_restarts_is_found_again),
        cmocka_unit_test(a_partition_heals),
        cmocka_unit_test(a_suspicion_spent_in_a_partition_kills_nobody_later),
        cmocka_unit_test(even_a_forgotten_side_is_found_without_seeds),
        cmocka_unit_test(two_that_cannot_reach_each_other_ask_others),
        cmocka_unit_test(a_crash_is_not_taken_for_bad_health_of_our_own),
        cmocka_unit_test(one_broken_link_does_not_hasten_a_death),
        cmocka_unit_test(who_stood_still_asks_again_before_it_suspects),
        cmocka_unit_test(a_newcomer_knows_all_at_once),
        cmocka_unit_test(nobody_dies_of_a_tenth_of_the_packets_lost),
        cmocka_unit_test(joining_survives_loss),
        cmocka_unit_test(who_leaves_is_neither_dead_nor_missed),
        cmocka_unit_test(the_same_name_elsewhere_stays_and_is_told_once),
        cmocka_unit_test(a_plain_restart_is_no_duplicate),
        cmocka_unit_test(who_says_it_is_where_another_is_is_named_once),
        cmocka_unit_test(another_hash_key_is_refused_with_a_sentence),
        cmocka_unit_test(a_silent_seed_is_told_once),
        cmocka_unit_test(regions_meet_and_see_a_crash_on_the_other_side),
        cmocka_unit_test(other_regions_are_probed_four_times_less),
        cmocka_unit_test(a_seed_that_moved_is_joined_at_its_new_address),
        cmocka_unit_test(the_state_of_a_log_travels_in_probes),
        cmocka_unit_test(a_lagging_loop_blames_itself),
        cmocka_unit_test(the_same_seed_tells_the_same_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
