/* SPDX-License-Identifier: Apache-2.0
 *
 * What is in a data lane beside items: gaps, ends, empty batches, and the pipe
 * that goes.
 */
#include "tests/test.h"

#include "node/core.h"
#include "node/mesh/mesh.h"
#include "tests/loop.h"

struct end {
    struct mesh *mesh;
    struct limits limits;
    struct stats stats;
    struct log log;
    struct peer_node node;
    struct cluster_news numbers; /* the newest */
    bool up;
    char seen[32]; /* items and gaps, in order: a number, g, G (all) */
    size_t seen_len;
};

struct world {
    uv_loop_t loop;
    struct seal_ring ring;
    struct core core; /* of the notes that a takes */
    struct limits limits;
    struct end a;
    struct end b;
    size_t want;
};

enum {
    SLOT = 3
};

static void see(struct end *end, char what)
{
    assert_true(end->seen_len < sizeof end->seen - 1);
    end->seen[end->seen_len++] = what;
}

static void on_news(void *data, const struct cluster_news *news)
{
    struct end *end = data;

    if (news->type == CLUSTER_PIPE_UP) {
        end->up = true;
    } else if (news->type == CLUSTER_NUMBERS) {
        end->numbers = *news;
    } else if (news->type == CLUSTER_LOST) {
        see(end, news->bytes.len == 0 ? 'G' : 'g');
    }
}

static void on_item(void *data, uint16_t slot, struct item *item,
                    enum peer_hop hop)
{
    (void)slot;
    (void)hop;
    see(data, (char)('0' + item->count));
}

static void start(struct world *world, struct end *end, uint8_t id)
{
    *end = (struct end){
        .limits = world->limits,
        .node = {.id = {.b = {id, 1}}, .cluster = loop_free_addr()},
    };
    end->node.data_port = (uint16_t)(end->node.cluster.port + 1);
    struct mesh_options options = {
        .loop = &world->loop,
        .ring = &world->ring,
        .limits = &end->limits,
        .stats = &end->stats,
        .log = &end->log,
        .trace = end == &world->a ? &world->core.trace : NULL,
        .self = end->node.id,
        .life = {id},
        .listen = end->node.cluster,
        .data_port = end->node.data_port,
        .data = end,
        .on_news = on_news,
        .on_item = on_item,
    };
    assert_int_equal(mesh_open(&end->mesh, &options), 0);
}

static void turn(void *data)
{
    struct world *world = data;

    mesh_flush(world->a.mesh, uv_now(&world->loop));
    mesh_flush(world->b.mesh, uv_now(&world->loop));
}

static bool is_up(void *data)
{
    return ((struct world *)data)->a.up;
}

static void world_start_within(struct world *world, const struct limits *limits)
{
    *world = (struct world){.limits = *limits};
    trace_init(&world->core.trace, &world->core);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    seal_key_from_name(&world->ring.keys[0], BYTES("k"));
    world->ring.keys_len = 1;
    world->ring.cluster_name = BYTES("test");
    start(world, &world->a, 0xa);
    start(world, &world->b, 0xb);
    assert_int_equal(mesh_peer_open(world->b.mesh, SLOT, &world->a.node), 0);
    assert_int_equal(mesh_peer_open(world->a.mesh, SLOT, &world->b.node), 0);
    loop_until(&world->loop, is_up, turn, world);
}

static void world_start(struct world *world)
{
    struct limits limits = limits_default();

    world_start_within(world, &limits);
}

static void world_end(struct world *world)
{
    mesh_close(world->a.mesh);
    mesh_close(world->b.mesh);
    trace_check(&world->core.trace);
    trace_fini(&world->core.trace);
    deadlines_fini(&world->core.deadlines);
    loop_end(&world->loop);
}

static void send_flagged(struct world *world, uint64_t count, uint8_t flags)
{
    struct item item = {.cache = BYTES("c"),
                        .topic = BYTES("t"),
                        .value = BYTES("v"),
                        .hash = 77,
                        .origin = 1,
                        .flags = flags,
                        .count = count};

    if (flags != 0) {
        trace_begin(&world->core.trace, &item, 0, TRACED_LOCAL);
    }
    mesh_send(world->a.mesh, SLOT, PEER_HOP_LAST, &item);
}

static void send_one(struct world *world, uint64_t count)
{
    send_flagged(world, count, 0);
}

static bool is_ended(void *data)
{
    const struct world *world = data;

    return world->b.numbers.ended && world->a.numbers.closed &&
           world->b.numbers.heard == world->a.numbers.sent;
}

static bool goes_on(void *data)
{
    const struct world *world = data;

    return !world->b.numbers.ended && !world->a.numbers.closed;
}

static bool is_without_way(void *data)
{
    return !((struct world *)data)->b.numbers.flows;
}

static bool has_seen(void *data)
{
    const struct world *world = data;

    return world->b.seen_len >= world->want;
}

static void gaps_and_ends_are_in_their_place(void **state)
{
    static const uint8_t hash[8] = {[7] = 77};
    struct world world;
    (void)state;

    world_start(&world);
    send_one(&world, 1);
    mesh_mark(world.a.mesh, SLOT, PEER_HOP_LAST, bytes_of(hash, sizeof hash));
    send_one(&world, 3);
    mesh_mark(world.a.mesh, SLOT, PEER_HOP_LAST, bytes_of(NULL, 0));
    mesh_mark(world.a.mesh, SLOT, PEER_HOP_LAST, bytes_of(NULL, 0));
    send_one(&world, 5);
    mesh_end(world.a.mesh, SLOT);
    loop_until(&world.loop, is_ended, turn, &world);
    assert_true(bytes_starts(bytes_str(world.b.seen), BYTES("1g3G")));
    assert_int_equal(world.b.seen[world.b.seen_len - 1], '5');
    assert_int_equal(world.b.stats.link_holes, 0);
    assert_true(world.b.numbers.flows);

    mesh_probe(world.a.mesh, SLOT); /* an end that something follows is none */
    loop_until(&world.loop, goes_on, turn, &world);
    mesh_end(world.a.mesh, SLOT);
    loop_until(&world.loop, is_ended, turn, &world);
    send_one(&world, 6);
    loop_until(&world.loop, goes_on, turn, &world);
    world_end(&world);
}

/* Nothing was in the pipe: the numbers go on, and nothing is said to be lost.
 * What is sent meanwhile is, with its topic. */
static void a_pipe_that_is_cut_loses_what_was_in_it(void **state)
{
    (void)state;

    for (int sends = 0; sends < 2; sends++) {
        struct world world;
        world_start(&world);
        send_one(&world, 1);
        world.want = 1;
        loop_until(&world.loop, has_seen, turn, &world);
        world.a.up = false;
        mesh_redial(world.a.mesh, SLOT, "a test");
        if (sends) {
            send_one(&world, 2);
        }
        loop_until(&world.loop, is_up, turn, &world);
        send_one(&world, 3);
        world.want = sends ? 3 : 2;
        loop_until(&world.loop, has_seen, turn, &world);
        assert_string_equal(world.b.seen, sends ? "1g3" : "13");
        assert_int_equal(world.b.stats.link_holes, 0);
        assert_int_equal(world.a.stats.link_redialled, 1);
        mesh_peer_close(world.a.mesh, SLOT);
        loop_until(&world.loop, is_without_way, turn, &world);
        world_end(&world);
    }
}

/* --- traced items --- */

static struct traced_send noted(const struct world *world, uint64_t count)
{
    struct traced traced;

    trace_check(&world->core.trace);
    trace_tell(&world->core.trace, 1, count, 0, &traced);
    assert_int_equal(traced.sends_len, 1);
    assert_true(traced.sends[0].to == node_id_u64(&world->b.node.id));
    return traced.sends[0];
}

static void assert_noted(const struct world *world, uint64_t count,
                         enum traced_outcome outcome, enum traced_why why)
{
    struct traced_send send = noted(world, count);

    assert_string_equal(traced_outcome_text(send.outcome),
                        traced_outcome_text((uint8_t)outcome));
    assert_string_equal(traced_why_text(send.why),
                        traced_why_text((uint8_t)why));
}

static bool is_decided(void *data)
{
    const struct world *world = data;

    return noted(world, world->want).outcome != TRACED_QUEUED;
}

static void a_traced_item_leaves_or_goes_with_its_pipe(void **state)
{
    struct world world;
    (void)state;

    world_start(&world);
    send_flagged(&world, 1, ITEM_TRACE);
    world.want = 1;
    loop_until(&world.loop, has_seen, turn, &world);
    assert_noted(&world, 1, TRACED_SENT, TRACED_WHY_NONE);

    mesh_hold(world.a.mesh, SLOT, PEER_HOP_LAST);
    send_one(&world, 2);
    send_flagged(&world, 3, ITEM_TRACE);
    turn(&world);
    assert_noted(&world, 3, TRACED_QUEUED, TRACED_WHY_NONE);
    world.a.up = false;
    mesh_redial(world.a.mesh, SLOT, "a test");
    assert_noted(&world, 3, TRACED_DROPPED, TRACED_WHY_LINK_DOWN);
    send_flagged(&world, 4, ITEM_TRACE);
    assert_noted(&world, 4, TRACED_DROPPED, TRACED_WHY_LINK_DOWN);
    assert_noted(&world, 1, TRACED_SENT, TRACED_WHY_NONE);
    loop_until(&world.loop, is_up, turn, &world);
    send_flagged(&world, 5, ITEM_TRACE);
    world.want = 3;
    loop_until(&world.loop, has_seen, turn, &world);
    assert_noted(&world, 5, TRACED_SENT, TRACED_WHY_NONE);
    assert_string_equal(world.b.seen, "1g5");
    world_end(&world);
}

static void a_traced_item_that_waits_is_too_old_or_makes_room(void **state)
{
    struct limits limits = limits_default();
    struct world world;
    (void)state;

    limits.link_queue_len = 2000;
    limits.link_queue_ms = 300;
    world_start_within(&world, &limits);
    mesh_hold(world.a.mesh, SLOT, PEER_HOP_LAST);
    send_flagged(&world, 1, ITEM_TRACE);
    for (uint64_t i = 2; i < 100; i++) {
        send_one(&world, i);
    }
    assert_noted(&world, 1, TRACED_DROPPED, TRACED_WHY_QUEUE_FULL);
    send_flagged(&world, 100, ITEM_TRACE);
    send_one(&world, 101);
    assert_noted(&world, 100, TRACED_QUEUED, TRACED_WHY_NONE);
    world.want = 100;
    loop_until(&world.loop, is_decided, turn, &world);
    assert_noted(&world, 100, TRACED_DROPPED, TRACED_WHY_TOO_OLD);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_and_ends_are_in_their_place),
        cmocka_unit_test(a_pipe_that_is_cut_loses_what_was_in_it),
        cmocka_unit_test(a_traced_item_leaves_or_goes_with_its_pipe),
        cmocka_unit_test(a_traced_item_that_waits_is_too_old_or_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
