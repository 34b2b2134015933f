/* SPDX-License-Identifier: Apache-2.0
 *
 * What strangers and broken members can do to a swim machine.
 */
#include "tests/swim_world.h"

static struct peer_node stranger(uint8_t number)
{
    return (struct peer_node){.id = {{number, 1, 2, 3}},
                              .cluster = world_addr(200),
                              .data_port = 7402,
                              .name = BYTES("stranger"),
                              .region = BYTES("r0")};
}

static struct gossip_packet join_of(const struct peer_node *node)
{
    return (struct gossip_packet){.version = GOSSIP_VERSION,
                                  .type = GOSSIP_JOIN,
                                  .source = node->id,
                                  .seq = 99,
                                  .print = 7,
                                  .node = *node};
}

/* Gives node 0 a packet and reads its one answer; false if it says nothing. */
static bool ask(struct world *w, const struct gossip_packet *p, bool for_me,
                const struct addr *from, struct gossip_packet *answer)
{
    struct buf out = {0};
    struct swim_out sent;
    bool answered = false;

    gossip_packet_write(p, &out);
    struct swim_news news = {.type = SWIM_PACKET,
                             .from = *from,
                             .bytes = buf_bytes(&out),
                             .sealed_for_me = for_me};
    swim_step(w->nodes[0].swim, &news, w->now_ms);
    while (swim_next(w->nodes[0].swim, &sent)) {
        struct gossip_packet said = {0};
        if (sent.type == SWIM_SEND) {
            assert_int_equal(gossip_packet_read(sent.bytes, &said), 0);
        }
        /* Once a member, it may be probed in the same step. */
        if (addr_eq(&sent.to, from) && said.type != 0 &&
            said.type <= GOSSIP_UNKNOWN) {
            assert_false(answered);
            answered = true;
            *answer = said;
            assert_true(p->type != GOSSIP_JOIN || for_me ||
                        sent.bytes.len <= out.len);
            assert_memory_equal(sent.dst.b, p->source.b, NODE_ID_LEN);
        }
    }
    swim_check(w->nodes[0].swim);
    buf_fini(&out);
    return answered;
}

static void a_join_costs_nothing_until_its_cookie_is_back(void **state)
{
    struct world *w = world_new(15);
    struct gossip_packet answer;
    struct addr there = world_addr(200);
    struct addr elsewhere = world_addr(201);
    (void)state;

    world_start(w, 1, "n1", "r0", 0);
    world_run(w, 1000);
    struct peer_node node = stranger(1);
    struct gossip_packet join = join_of(&node);
    assert_true(ask(w, &join, false, &there, &answer));
    assert_int_equal(answer.type, GOSSIP_COOKIE);
    assert_int_equal(answer.seq, 99);
    assert_null(swim_member_at(w->nodes[0].swim, 0));

    /* Forged, of another address, of another id, in a replayed envelope. */
    join.cookie = answer.cookie + 1;
    assert_true(ask(w, &join, true, &there, &answer));
    assert_int_equal(answer.type, GOSSIP_COOKIE);
    join.cookie = answer.cookie;
    assert_true(ask(w, &join, true, &elsewhere, &answer));
    assert_true(ask(w, &join, false, &there, &answer));
    struct peer_node other = stranger(2);
    struct gossip_packet forged = join_of(&other);
    forged.cookie = join.cookie;
    assert_true(ask(w, &forged, true, &there, &answer));
    assert_int_equal(answer.type, GOSSIP_COOKIE);
    assert_null(swim_member_at(w->nodes[0].swim, 0));

    assert_true(ask(w, &join, true, &there, &answer));
    assert_int_equal(answer.type, GOSSIP_WELCOME);
    assert_int_equal(swim_living(w->nodes[0].swim), 1);
    world_free(w);
}

static void an_old_cookie_is_stale(void **state)
{
    struct world *w = world_new(16);
    struct gossip_packet answer;
    struct addr there = world_addr(200);
    (void)state;

    world_start(w, 1, "n1", "r0", 0);
    struct peer_node node = stranger(1);
    struct gossip_packet join = join_of(&node);
    assert_true(ask(w, &join, false, &there, &answer));
    join.cookie = answer.cookie;
    world_run(w, 30000);
    assert_true(ask(w, &join, true, &there, &answer));
    assert_int_equal(answer.type, GOSSIP_COOKIE);
    assert_int_equal(swim_living(w->nodes[0].swim), 0);
    world_free(w);
}

static void only_members_are_heard(void **state)
{
    struct world *w = world_new(17);
    struct gossip_packet answer;
    struct addr there = world_addr(200);
    (void)state;

    world_start(w, 1, "n1", "r0", 0);
    for (uint8_t type = GOSSIP_JOIN; type <= GOSSIP_RUMOUR; type++) {
        struct peer_node node = stranger(1);
        struct gossip_packet p = join_of(&node);
        p.type = type;
        bool speaks = type != GOSSIP_JOIN && type != GOSSIP_COOKIE &&
                      type != GOSSIP_WELCOME && type != GOSSIP_REFUSE &&
                      type != GOSSIP_UNKNOWN;
        assert_int_equal(ask(w, &p, true, &there, &answer),
                         speaks || type == GOSSIP_JOIN);
        if (speaks) {
            assert_int_equal(answer.type, GOSSIP_UNKNOWN);
            assert_false(ask(w, &p, false, &there, &answer));
        }
    }
    assert_null(swim_member_at(w->nodes[0].swim, 0));
    world_free(w);
}

static void another_version_is_refused(void **state)
{
    struct world *w = world_new(18);
    struct gossip_packet answer;
    struct addr there = world_addr(200);
    (void)state;

    world_start(w, 1, "n1", "r0", 0);
    struct peer_node node = stranger(1);
    struct gossip_packet join = join_of(&node);
    join.version = GOSSIP_VERSION + 2;
    join.least = GOSSIP_VERSION + 1;
    assert_true(ask(w, &join, false, &there, &answer));
    assert_int_equal(answer.type, GOSSIP_REFUSE);
    assert_int_equal(answer.reason, GOSSIP_OTHER_VERSION);
    assert_null(swim_member_at(w->nodes[0].swim, 0));
    world_free(w);
}

/* Lets a stranger of this number and place join node 0. */
static uint8_t join_fully(struct world *w, uint8_t number, uint16_t place)
{
    struct gossip_packet answer = {0};
    struct addr there = world_addr(place);
    struct peer_node node = stranger(number);
    node.cluster = there;
    struct gossip_packet join = join_of(&node);

    assert_true(ask(w, &join, false, &there, &answer));
    join.cookie = answer.cookie;
    assert_true(ask(w, &join, true, &there, &answer));
    return answer.type;
}

static void no_more_than_peers_max_live_here(void **state)
{
    struct world *w = world_new(19);
    (void)state;

    w->peers_max = 4;
    world_start(w, 1, "n1", "r0", 0);
    for (uint8_t i = 1; i <= 4; i++) {
        assert_int_equal(join_fully(w, i, 100 + i), GOSSIP_WELCOME);
    }
    assert_int_equal(join_fully(w, 5, 105), GOSSIP_REFUSE);
    assert_int_equal(swim_living(w->nodes[0].swim), 4);
    world_free(w);
}

static void
the_dead_are_remembered_within_bounds_and_then_forgotten(void **state)
{
    struct world *w = world_new(20);
    size_t known = 0;
    (void)state;

    w->dead_max = 64;
    world_start(w, 1, "n1", "r0", 0);
    /* Always the same address: each new life ends the one before. */
    for (uint8_t i = 1; i <= 200; i++) {
        assert_int_equal(join_fully(w, i, 100), GOSSIP_WELCOME);
    }
    while (swim_member_at(w->nodes[0].swim, known) != NULL) {
        known++;
    }
    assert_int_equal(known, 64 + 1);
    world_run(w, SWIM_FORGET_MS + 60000);
    assert_null(swim_member_at(w->nodes[0].swim, 0));
    world_free(w);
}

static void the_word_of_a_dead_member_does_not_count(void **state)
{
    struct world *w = world_new(22);
    struct gossip_packet answer;
    struct node_id other = stranger(2).id;
    struct addr there = world_addr(101);
    struct buf out = {0};
    (void)state;

    world_start(w, 1, "n1", "r0", 0);
    join_fully(w, 1, 101);
    join_fully(w, 2, 102);
    join_fully(w, 3, 101); /* ends 1 */
    struct peer_node dead = stranger(1);
    assert_int_equal(swim_find(w->nodes[0].swim, &dead.id)->state, GOSSIP_DEAD);
    struct gossip_packet p = join_of(&dead);
    p.type = GOSSIP_RUMOUR;
    struct gossip_record r = {.state = GOSSIP_DEAD, .node = {.id = other}};
    gossip_packet_write(&p, &out);
    gossip_record_write(&r, &out);
    world_inject(w, 0, &there, buf_bytes(&out), true);
    assert_true(swim_find(w->nodes[0].swim, &other)->state <= GOSSIP_SUSPECT);

    p.incarnation = 1; /* it refutes */
    ask(w, &p, true, &there, &answer);
    assert_int_equal(swim_find(w->nodes[0].swim, &dead.id)->state,
                     GOSSIP_ALIVE);
    buf_fini(&out);
    world_free(w);
}

/* From number `first` on, `len` records as node 1 would tell them. */
static void tell(struct world *w, unsigned first, unsigned len, bool dead)
{
    struct buf out = {0};

    for (unsigned i = first; i < first + len; i++) {
        struct gossip_packet p = join_of(
            &(struct peer_node){.id = w->nodes[1].id});
        struct gossip_record r = {.state = dead ? GOSSIP_DEAD : GOSSIP_ALIVE,
                                  .whole = !dead,
                                  .node = stranger((uint8_t)i)};
        r.node.cluster = world_addr((uint16_t)(300 + i));
        p.type = GOSSIP_RUMOUR;
        buf_reset(&out);
        gossip_packet_write(&p, &out);
        gossip_record_write(&r, &out);
        world_inject(w, 0, &w->nodes[1].addr, buf_bytes(&out), true);
    }
    buf_fini(&out);
}

static void each_class_of_rumours_has_its_share_of_a_packet(void **state)
{
    struct world *w = world_new(23);
    struct gossip_packet p = {0};
    struct gossip_record r;
    struct swim_out out;
    unsigned counts[2] = {0};
    (void)state;

    world_start_many(w, 2, 1);
    world_until(w, world_agrees, NULL, 3000);
    tell(w, 10, 100, false);
    world_run(w, 8000); /* and these rumours are spent */
    tell(w, 10, 80, true);
    tell(w, 150, 20, false);
    for (uint64_t ms = 1; p.type != GOSSIP_RUMOUR; ms++) {
        swim_step(w->nodes[0].swim, &(struct swim_news){.type = SWIM_TICK},
                  w->now_ms + ms);
        while (swim_next(w->nodes[0].swim, &out)) {
            struct gossip_packet said;
            if (out.type != SWIM_SEND ||
                gossip_packet_read(out.bytes, &said) != 0 ||
                said.type != GOSSIP_RUMOUR || p.type == GOSSIP_RUMOUR) {
                continue;
            }
            p = said;
            while (gossip_record_read(&said.records, &r) == 1) {
                counts[r.whole]++;
            }
        }
    }
    assert_in_range(counts[0], 15, 40);
    assert_in_range(counts[1], 3, 12);
    world_free(w);
}

/* A member may be broken: whatever it says, all invariants hold. */
static void nonsense_of_a_member_breaks_nothing(void **state)
{
    struct world *w = world_new(21);
    struct buf out = {0};
    (void)state;

    world_start_many(w, 3, 1);
    world_until(w, world_agrees, NULL, 3000);
    for (unsigned i = 0; i < 20000; i++) {
        struct gossip_packet p = {
            .version = GOSSIP_VERSION,
            .type = (uint8_t)(1 + rng_below(&w->rng, GOSSIP_RUMOUR)),
            .source = w->nodes[1].id,
            .incarnation = rng_below(&w->rng, 4),
            .seq = rng_below(&w->rng, 64),
            .node = stranger(3),
            .target = w->nodes[rng_below(&w->rng, 3)].id,
        };
        buf_reset(&out);
        gossip_packet_write(&p, &out);
        for (uint32_t n = rng_below(&w->rng, 5); n > 0; n--) {
            struct gossip_record r = {
                .state = (uint8_t)rng_below(&w->rng, GOSSIP_DEAD + 1),
                .incarnation = rng_below(&w->rng, 1000) == 0
                                   ? GOSSIP_INCARNATION_MAX
                                   : rng_below(&w->rng, 8),
                .by = rng_u64(&w->rng),
                .node = stranger((uint8_t)rng_below(&w->rng, 8)),
            };
            r.whole = r.state == GOSSIP_ALIVE && rng_below(&w->rng, 2) == 0;
            if (rng_below(&w->rng, 2) == 0) {
                r.node.id = w->nodes[rng_below(&w->rng, 3)].id;
            }
            gossip_record_write(&r, &out);
        }
        if (rng_below(&w->rng, 4) == 0) {
            out.p[rng_below(&w->rng, (uint32_t)out.len)] ^=
                (uint8_t)(1 + rng_below(&w->rng, 255));
        }
        world_inject(w, 0, &w->nodes[1].addr, buf_bytes(&out), true);
        world_run(w, rng_below(&w->rng, 10));
    }
    buf_fini(&out);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_join_costs_nothing_until_its_cookie_is_back),
        cmocka_unit_test(an_old_cookie_is_stale),
        cmocka_unit_test(only_members_are_heard),
        cmocka_unit_test(another_version_is_refused),
        cmocka_unit_test(no_more_than_peers_max_live_here),
        cmocka_unit_test(
            the_dead_are_remembered_within_bounds_and_then_forgotten),
        cmocka_unit_test(the_word_of_a_dead_member_does_not_count),
        cmocka_unit_test(each_class_of_rumours_has_its_share_of_a_packet),
        cmocka_unit_test(nonsense_of_a_member_breaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
