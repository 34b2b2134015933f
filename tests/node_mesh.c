/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/mesh/keyring.h"
#include "node/mesh/mesh.h"
#include "tests/loop.h"

enum {
    ITEMS = 20000,
    VALUE_LEN = 100
};

/* One mesh and what it told: a node without the rest. */
struct end {
    struct mesh *mesh;
    struct keyring keyring;
    struct limits limits;
    struct stats stats;
    struct log log;
    struct peer_node node;
    struct addr data;
    uint64_t life; /* of the process; changes on restart */

    uint64_t items;
    uint64_t bytes;
    uint64_t newest;   /* count of the last item */
    uint64_t disorder; /* items whose count was not above the last one */
    uint64_t missing;  /* counts that were skipped */
    uint64_t untold;   /* of these, without a hole told before */
    bool hole_told;
    uint64_t holes; /* of all topics */
    uint64_t gaps;  /* of some */
    uint64_t sent;  /* numbers of both data lanes, as told */
    uint64_t heard;
    bool closed;
    bool ended;
    uint64_t controls;
    uint64_t control_bytes;
    uint64_t ups;
    uint64_t downs;
    uint64_t epoch;
    enum peer_hop hop;
    bool close_on_control; /* the cluster closes the peer in its callback */
};

struct world {
    uv_loop_t loop;
    uv_loop_t still; /* of b, where it is to stand still */
    struct end a;
    struct end b;
    uint64_t sent;
    uint64_t limit;
    uint64_t want;
};

static void on_news(void *data, const struct cluster_news *news)
{
    struct end *end = data;

    switch (news->type) {
    case CLUSTER_PIPE_UP:
        assert_true(news->epoch > end->epoch);
        end->epoch = news->epoch;
        end->ups++;
        break;
    case CLUSTER_PIPE_DOWN:
        end->downs++;
        break;
    case CLUSTER_LOST:
        end->holes += news->bytes.len == 0;
        end->gaps += news->bytes.len > 0;
        end->hole_told = true;
        break;
    case CLUSTER_NUMBERS:
        end->sent = news->sent;
        end->heard = news->heard;
        end->closed = news->closed;
        end->ended = news->ended;
        break;
    case CLUSTER_CONTROL:
        end->controls++;
        end->control_bytes += news->bytes.len;
        if (end->close_on_control) {
            mesh_peer_close(end->mesh, news->slot);
        }
        break;
    case CLUSTER_TICK:
    case CLUSTER_PACKET:
    case CLUSTER_LAG:
    case CLUSTER_FENCED:
    case CLUSTER_SEEDS:
    case CLUSTER_DRAIN:
    case CLUSTER_DRAINED:
    case CLUSTER_LEAVE:
        fail();
    }
}

static void on_item(void *data, uint16_t slot, struct item *item,
                    enum peer_hop hop)
{
    (void)slot;
    struct end *end = data;

    assert_bytes(item->topic, "topic");
    end->disorder += item->count <= end->newest;
    if (item->count > end->newest + 1) {
        end->missing += item->count - end->newest - 1;
        end->untold += !end->hole_told;
    }
    end->hole_told = false;
    end->newest = item->count;
    end->items++;
    end->bytes += item->value.len;
    end->hop = hop;
}

static void place(struct end *end, uint8_t id)
{
    *end = (struct end){.limits = limits_default(), .life = 1};
    end->node = (struct peer_node){.id = {.b = {id, 1}},
                                   .cluster = loop_free_addr()};
    end->data = loop_free_addr();
    end->node.data_port = end->data.port;
    keyring_init(&end->keyring, &(struct seal_ring){0}, BYTES("test"));
}

static void start(struct end *end, uv_loop_t *loop)
{
    struct mesh_options options = {
        .loop = loop,
        .ring = &end->keyring.ring,
        .limits = &end->limits,
        .stats = &end->stats,
        .log = &end->log,
        .self = end->node.id,
        .life = {end->node.id.b[0], end->node.id.b[1]},
        .listen = end->node.cluster,
        .data_port = end->node.data_port,
        .data = end,
        .on_news = on_news,
        .on_item = on_item,
    };

    assert_int_equal(mesh_open(&end->mesh, &options), 0);
}

static void world_start(struct world *world)
{
    *world = (struct world){0};
    assert_int_equal(uv_loop_init(&world->loop), 0);
    place(&world->a, 0xa);
    place(&world->b, 0xb);
    start(&world->a, &world->loop);
    start(&world->b, &world->loop);
}

static void world_end(struct world *world)
{
    mesh_close(world->a.mesh);
    if (world->b.mesh != NULL) {
        mesh_close(world->b.mesh);
    }
    loop_end(&world->loop);
}

static void know(struct end *end, uint16_t slot, const struct end *peer)
{
    assert_int_equal(mesh_peer_open(end->mesh, slot, &peer->node), 0);
}

static void turn(void *data)
{
    struct world *world = data;
    uint64_t now_ms = uv_now(&world->loop);

    mesh_flush(world->a.mesh, now_ms);
    if (world->b.mesh != NULL) {
        mesh_flush(world->b.mesh, now_ms);
    }
}

/* On a loop of its own; turn() does not run it. */
static struct mesh *b_apart(struct world *world)
{
    mesh_close(world->b.mesh);
    uv_run(&world->loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_init(&world->still), 0);
    start(&world->b, &world->still);
    struct mesh *b = world->b.mesh;
    know(&world->b, 5, &world->a);
    world->b.mesh = NULL;
    return b;
}

/* Nor does it stand still: to take the pipes. */
static void turn_both(void *data)
{
    struct world *world = data;

    uv_run(&world->still, UV_RUN_NOWAIT);
    turn(world);
}

static void send_one(struct end *from, uint16_t slot, uint64_t count,
                     size_t len)
{
    static uint8_t value[64 << 10];
    struct item item = {.cache = BYTES("c"),
                        .topic = BYTES("topic"),
                        .value = bytes_of(value, len),
                        .flags = ITEM_BINARY,
                        .hash = 77,
                        .origin = 1,
                        .count = count};

    mesh_send(from->mesh, slot, PEER_HOP_INGRESS, &item);
}

static bool a_up(void *data)
{
    struct world *world = data;
    struct mesh_link link;

    return mesh_link_at(world->a.mesh, 3, &link) && link.up;
}

static bool b_has_items(void *data)
{
    const struct world *world = data;

    return world->b.items >= world->want;
}

static bool b_has_control(void *data)
{
    const struct world *world = data;

    return world->b.controls >= world->want;
}

static bool b_refused(void *data)
{
    const struct world *world = data;

    return world->b.stats.link_unknown + world->b.stats.link_forged > 0;
}

/* 500 items a turn. */
static void send_turn(void *data)
{
    struct world *world = data;

    for (int i = 0; i < 500 && world->sent < world->limit; i++) {
        send_one(&world->a, 3, ++world->sent, VALUE_LEN);
    }
    turn(world);
}

static void items_arrive_once_and_in_order(void **state)
{
    struct world world;
    struct mesh_link link;
    (void)state;

    world_start(&world);
    know(&world.b, 5, &world.a);
    know(&world.a, 3, &world.b);
    loop_until(&world.loop, a_up, turn, &world);
    world.limit = world.want = ITEMS;
    loop_until(&world.loop, b_has_items, send_turn, &world);
    assert_int_equal(world.b.items, ITEMS);
    assert_int_equal(world.b.bytes, ITEMS * VALUE_LEN);
    assert_int_equal(world.b.disorder + world.b.missing + world.b.holes, 0);
    assert_int_equal(world.b.hop, PEER_HOP_INGRESS);
    assert_true(mesh_link_at(world.a.mesh, 3, &link));
    assert_int_equal(link.items_out, ITEMS);
    assert_int_equal(world.b.stats.link_items_in, ITEMS);
    assert_false(mesh_link_at(world.a.mesh, 4, &link));
    world_end(&world);
}

/* All three steps at both ends, while frames under the old key are on their
 * way. */
static void change_keys(struct world *world)
{
    struct end *const ends[] = {&world->a, &world->b};
    uint8_t secret[SEAL_KEY_LEN] = {1};
    uint64_t now_ms = uv_now(&world->loop);

    bytes_put_u64be(secret + 8, world->sent);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct keyring *keyring = &ends[i]->keyring;
        uint64_t old = keyring->ring.keys[0].print;
        uint64_t new;
        assert_int_equal(keyring_install(keyring, secret, &new), 0);
        assert_int_equal(keyring_use(keyring, new), 0);
        assert_int_equal(keyring_remove(keyring, old, now_ms), 0);
        keyring_check(keyring);
    }
}

static void send_and_change(void *data)
{
    struct world *world = data;

    send_turn(world);
    if (world->sent / 500 % 4 == 0 && world->sent < world->limit) {
        change_keys(world);
    }
}

static void keys_change_under_way_and_nothing_is_lost(void **state)
{
    struct world world;
    (void)state;

    world_start(&world);
    know(&world.b, 5, &world.a);
    know(&world.a, 3, &world.b);
    loop_until(&world.loop, a_up, turn, &world);
    uint64_t first = world.b.keyring.ring.keys[0].print;
    world.limit = world.want = ITEMS;
    loop_until(&world.loop, b_has_items, send_and_change, &world);
    assert_true(world.b.keyring.ring.keys[0].print != first);
    assert_int_equal(world.b.items, ITEMS);
    assert_int_equal(world.b.disorder + world.b.missing + world.b.holes, 0);
    assert_int_equal(world.a.downs + world.b.downs, 0);
    assert_int_equal(world.b.stats.link_forged, 0);
    world_end(&world);
}

static void control_messages_arrive_whole(void **state)
{
    struct world world;
    uint8_t *big = calloc(1, PEER_RECORDS_LEN_MAX);
    (void)state;

    world_start(&world);
    know(&world.b, 5, &world.a);
    know(&world.a, 3, &world.b);
    loop_until(&world.loop, a_up, turn, &world);
    mesh_tell(world.a.mesh, 3, BYTES("hello "));
    mesh_tell(world.a.mesh, 3, BYTES("there"));
    mesh_tell(world.a.mesh, 3, bytes_of(big, PEER_RECORDS_LEN_MAX));
    world.want = 2; /* two batches */
    loop_until(&world.loop, b_has_control, turn, &world);
    assert_int_equal(world.b.control_bytes, 11 + PEER_RECORDS_LEN_MAX);
    assert_int_equal(world.b.items, 0);
    free(big);
    world_end(&world);
}

/* The peer may know us before we know it: what it says then is refused, and
 * what it says later is no hole. */
static void a_node_that_is_not_known_yet_is_refused(void **state)
{
    struct world world;
    (void)state;

    world_start(&world);
    know(&world.a, 3, &world.b);
    loop_until(&world.loop, a_up, turn, &world);
    for (int i = 0; i < 3; i++) {
        send_one(&world.a, 3, ++world.sent, VALUE_LEN);
        turn(&world);
    }
    loop_until(&world.loop, b_refused, turn, &world);
    assert_int_equal(world.b.items, 0);
    know(&world.b, 5, &world.a);
    world.limit = 1000;
    world.want = 900;
    loop_until(&world.loop, b_has_items, send_turn, &world);
    assert_int_equal(world.b.holes, 0);
    assert_int_equal(world.b.disorder, 0);
    world_end(&world);
}

static bool a_went_down(void *data)
{
    const struct world *world = data;

    return world->a.downs > 0;
}

/* A restart at the same address is another node: nothing that was meant for
 * the old one is taken by the new one. */
static void a_restarted_peer_gets_nothing_stale(void **state)
{
    struct world world;
    (void)state;

    world_start(&world);
    know(&world.b, 5, &world.a);
    know(&world.a, 3, &world.b);
    loop_until(&world.loop, a_up, turn, &world);
    world.limit = UINT64_MAX;
    world.want = 5000;
    loop_until(&world.loop, b_has_items, send_turn, &world);
    mesh_close(world.b.mesh); /* in the middle of it */
    world.b.mesh = NULL;
    loop_until(&world.loop, a_went_down, send_turn, &world);
    struct addr at = world.b.node.cluster;
    struct addr data_at = world.b.data;
    place(&world.b, 0xbb);
    world.b.node.cluster = at;
    world.b.node.data_port = data_at.port;
    start(&world.b, &world.loop);
    know(&world.b, 5, &world.a);
    /* a does not know yet that it is another one, and sends on. */
    loop_until(&world.loop, a_up, send_turn, &world);
    loop_until(&world.loop, b_refused, send_turn, &world);
    assert_int_equal(world.b.items, 0);
    mesh_peer_close(world.a.mesh, 3);
    know(&world.a, 3, &world.b);
    world.want = 5000;
    loop_until(&world.loop, b_has_items, send_turn, &world);
    assert_int_equal(world.b.disorder + world.b.holes, 0);
    world_end(&world);
}

/* The same node, another pipe: a hole is told where items may be lost. */
static void a_broken_pipe_is_a_hole(void **state)
{
    struct world world;
    (void)state;

    world_start(&world);
    know(&world.b, 5, &world.a);
    know(&world.a, 3, &world.b);
    loop_until(&world.loop, a_up, turn, &world);
    world.limit = UINT64_MAX;
    for (uint64_t round = 1; round <= 5; round++) {
        world.want = world.b.items + 3000;
        loop_until(&world.loop, b_has_items, send_turn, &world);
        mesh_peer_close(world.a.mesh, 3);
        know(&world.a, 3, &world.b);
        send_turn(&world); /* lost for certain: the loop saw no pipe yet */
        loop_until(&world.loop, a_up, send_turn, &world);
    }
    world.want = world.b.items + 3000;
    loop_until(&world.loop, b_has_items, send_turn, &world);
    assert_int_equal(world.b.disorder, 0);
    assert_int_equal(world.b.untold, 0);
    assert_true(world.b.missing >= 5 * 500);
    assert_true(world.b.holes >= 5);
    world_end(&world);
}

/* b's loop stands still: a's queue keeps its bounds in bytes and age, drops the
 * oldest, says so; b then learns of the hole in its place. */
static void a_peer_that_stands_still_costs_a_bounded_queue(void **state)
{
    struct world world;
    struct mesh_link link;
    (void)state;

    world_start(&world);
    struct mesh *b = b_apart(&world);
    world.a.limits.link_queue_len = 1 << 20;
    know(&world.a, 3, &world.b);
    loop_until(&world.loop, a_up, turn_both, &world);
    uint64_t most = 0;
    while (world.a.stats.link_dropped == 0 || world.sent < 2000) {
        assert_true(world.sent < 100000);
        for (int i = 0; i < 20; i++) {
            send_one(&world.a, 3, ++world.sent, 8000);
        }
        turn(&world);
        uv_run(&world.loop, UV_RUN_NOWAIT);
        assert_true(mesh_link_at(world.a.mesh, 3, &link));
        most = link.queued > most ? link.queued : most;
    }
    assert_in_range(most, 1 << 19, (1 << 20) + PEER_BATCH_LEN);
    assert_true(link.dropped > 0);

    /* Now by age: time passes for the queue. */
    mesh_flush(world.a.mesh, uv_now(&world.loop) + 60000);
    assert_true(mesh_link_at(world.a.mesh, 3, &link));
    assert_true(link.queued < PEER_HEADER_LEN_MAX);

    world.b.mesh = b;
    send_one(&world.a, 3, ++world.sent, 100);
    for (int i = 0; world.b.newest != world.sent; i++) {
        assert_true(i < 10000);
        uv_run(&world.loop, UV_RUN_NOWAIT);
        turn_both(&world);
        usleep(100);
    }
    assert_int_equal(world.b.disorder + world.b.untold, 0);
    assert_int_equal(world.b.items + world.b.missing, world.sent);
    assert_int_equal(world.b.missing, world.a.stats.link_dropped);
    assert_int_equal(world.b.holes, 0); /* each with its topic */
    assert_true(world.b.gaps > 0);
    mesh_close(b);
    loop_end(&world.still);
    world.b.mesh = NULL;
    world_end(&world);
}

/* Control is never dropped: a peer that does not take it is dialled anew. */
static void control_that_is_not_taken_cuts_the_link(void **state)
{
    static uint8_t message[1 << 20];
    struct world world;
    (void)state;

    world_start(&world);
    struct mesh *b = b_apart(&world);
    know(&world.a, 3, &world.b);
    loop_until(&world.loop, a_up, turn_both, &world);
    for (int i = 0; world.a.downs == 0; i++) {
        assert_true(i < 200);
        mesh_tell(world.a.mesh, 3, bytes_of(message, sizeof message));
        turn(&world);
        uv_run(&world.loop, UV_RUN_NOWAIT);
    }
    loop_until(&world.loop, a_up, turn_both, &world);
    assert_int_equal(world.a.ups, 2);
    mesh_close(b);
    loop_end(&world.still);
    world_end(&world);
}

/* Well framed, but not sealed by a member: counted, the pipe is closed, and
 * the others go on. */
static void what_a_stranger_says_harms_nobody(void **state)
{
    struct world world;
    struct end c;
    (void)state;

    world_start(&world);
    place(&c, 0xc);
    c.keyring.ring.cluster_name = BYTES("another");
    start(&c, &world.loop);
    know(&world.b, 5, &world.a);
    know(&world.b, 6, &c);
    know(&world.a, 3, &world.b);
    know(&c, 1, &world.b);
    loop_until(&world.loop, a_up, turn, &world);
    world.limit = ITEMS;
    world.want = ITEMS;
    for (int i = 0; c.downs < 2; i++) {
        assert_true(i < 100000);
        mesh_tell(c.mesh, 1, BYTES("let me in"));
        send_one(&c, 1, 1, 100);
        mesh_flush(c.mesh, uv_now(&world.loop));
        send_turn(&world);
        uv_run(&world.loop, UV_RUN_ONCE);
    }
    loop_until(&world.loop, b_has_items, send_turn, &world);
    assert_true(world.b.stats.link_forged > 0);
    assert_int_equal(world.b.items, ITEMS);
    assert_int_equal(world.b.disorder + world.b.holes, 0);
    mesh_close(c.mesh);
    world_end(&world);
}

static void the_cluster_may_close_a_peer_in_its_callback(void **state)
{
    struct world world;
    (void)state;

    world_start(&world);
    know(&world.b, 5, &world.a);
    know(&world.a, 3, &world.b);
    loop_until(&world.loop, a_up, turn, &world);
    world.b.close_on_control = true;
    for (int i = 0; i < 100; i++) {
        mesh_tell(world.a.mesh, 3, BYTES("bye"));
        turn(&world);
    }
    world.want = 1;
    loop_until(&world.loop, b_has_control, turn, &world);
    for (int i = 0; i < 20; i++) {
        uv_run(&world.loop, UV_RUN_NOWAIT);
        turn(&world);
    }
    assert_int_equal(world.b.controls, 1);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_arrive_once_and_in_order),
        cmocka_unit_test(keys_change_under_way_and_nothing_is_lost),
        cmocka_unit_test(control_messages_arrive_whole),
        cmocka_unit_test(a_node_that_is_not_known_yet_is_refused),
        cmocka_unit_test(a_restarted_peer_gets_nothing_stale),
        cmocka_unit_test(a_broken_pipe_is_a_hole),
        cmocka_unit_test(a_peer_that_stands_still_costs_a_bounded_queue),
        cmocka_unit_test(control_that_is_not_taken_cuts_the_link),
        cmocka_unit_test(what_a_stranger_says_harms_nobody),
        cmocka_unit_test(the_cluster_may_close_a_peer_in_its_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
