/* SPDX-License-Identifier: Apache-2.0
 *
 * What a mesh refuses: frames by hand, said to its data lane by anybody.
 */
#include "tests/test.h"

#include "node/hub/replay.h"
#include "node/mesh/mesh.h"
#include "tests/loop.h"

enum {
    SLOT = 5,
    DEADLINE_S = 10,
    GREETING_LEN = 8,
};

static const struct node_id them = {.b = {0xa, 1}};
static const struct node_id us = {.b = {0xb, 1}};

struct world {
    uv_loop_t loop;
    struct mesh *mesh;
    struct seal_ring ring;
    struct limits limits;
    struct stats stats;
    struct log log;
    struct addr data;
    uint64_t items;
    uint64_t holes;
    uint64_t want;
};

static void on_news(void *data, const struct cluster_news *news)
{
    struct world *world = data;

    world->holes += news->type == CLUSTER_LOST;
}

static void on_item(void *data, uint16_t slot, struct item *item,
                    enum peer_hop hop)
{
    (void)slot;
    struct world *world = data;

    assert_bytes(item->topic, "topic");
    assert_int_equal(hop, PEER_HOP_LAST);
    world->items++;
}

static void world_start(struct world *world)
{
    struct mesh_options options = {
        .loop = &world->loop,
        .ring = &world->ring,
        .limits = &world->limits,
        .stats = &world->stats,
        .log = &world->log,
        .self = us,
        .life = {0xb},
        .listen = loop_free_addr(),
        .data = world,
        .on_news = on_news,
        .on_item = on_item,
    };

    *world = (struct world){.limits = limits_default()};
    assert_int_equal(uv_loop_init(&world->loop), 0);
    seal_key_from_name(&world->ring.keys[0], BYTES("k"));
    world->ring.keys_len = 1;
    world->ring.cluster_name = BYTES("test");
    world->data = options.listen;
    world->data.port++;
    options.data_port = world->data.port;
    assert_int_equal(mesh_open(&world->mesh, &options), 0);
}

static void world_end(struct world *world)
{
    mesh_close(world->mesh);
    loop_end(&world->loop);
}

/* They are a member from now on; nobody listens there. */
static void know(struct world *world)
{
    struct peer_node node = {.id = them, .cluster = loop_free_addr()};

    node.data_port = (uint16_t)(node.cluster.port + 1);
    assert_int_equal(mesh_peer_open(world->mesh, SLOT, &node), 0);
}

static void turn(void *data)
{
    struct world *world = data;

    mesh_flush(world->mesh, uv_now(&world->loop));
}

static bool has_items(void *data)
{
    const struct world *world = data;

    return world->items >= world->want;
}

static bool has_refused(void *data)
{
    const struct world *world = data;

    return world->stats.link_replayed >= world->want;
}

/* A batch of theirs with one item, as it is on the wire. */
static void write_batch(const struct world *world, uint64_t epoch, uint64_t seq,
                        struct buf *frame)
{
    struct peer_batch head = {.src = them,
                              .dst = us,
                              .epoch = epoch,
                              .seq = seq,
                              .version = PEER_VERSION,
                              .least = PEER_VERSION_MIN,
                              .lane = PEER_DATA};
    struct item item = {.cache = BYTES("c"),
                        .topic = BYTES("topic"),
                        .value = BYTES("v"),
                        .origin = 1,
                        .count = seq};
    uint8_t nonce[SEAL_NONCE_LEN] = {0xa, 1};
    struct buf plain = {0};

    bytes_put_u64be(nonce + REPLAY_LIFE_LEN, epoch * 1000 + seq);
    peer_batch_write(&head, &plain);
    item_write(&item, &plain);
    seal_write(&world->ring, SEAL_LINK, &us, nonce, buf_bytes(&plain), frame);
    assert_false(frame->failed);
    buf_fini(&plain);
}

/* Says it as any process could; returns the connection. */
static int say(const struct world *world, struct bytes frame)
{
    struct timeval deadline = {.tv_sec = DEADLINE_S};
    struct sockaddr_storage where;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    uint8_t head[8];

    bytes_put_u64be(head, frame.len);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    sockaddr_write(&world->data, &where);
    assert_int_equal(
        connect(fd, (struct sockaddr *)&where, sizeof(struct sockaddr_in)), 0);
    assert_int_equal(write(fd, "\0SP\0\0\x50\0\0", GREETING_LEN), GREETING_LEN);
    assert_int_equal(write(fd, head, sizeof head), sizeof head);
    assert_int_equal(write(fd, frame.p, frame.len), frame.len);
    return fd;
}

/* Its greeting came, then the end. */
static void is_cut_off(int fd)
{
    char in[GREETING_LEN];

    assert_int_equal(recv(fd, in, sizeof in, MSG_WAITALL), sizeof in);
    assert_int_equal(recv(fd, in, 1, 0), 0);
    close(fd);
}

/* What was said once is not heard again: not on a pipe beside the first, not
 * after the peer was closed and opened anew, not as a stranger. */
static void a_recorded_batch_is_heard_once(void **state)
{
    struct world world;
    struct buf frame = {0};
    (void)state;

    world_start(&world);
    know(&world);
    write_batch(&world, 7, 3, &frame);
    int first = say(&world, buf_bytes(&frame));
    world.want = 1;
    loop_until(&world.loop, has_items, turn, &world);
    for (uint64_t round = 1; round <= 3; round++) {
        if (round == 2) {
            mesh_peer_close(world.mesh, SLOT);
            know(&world);
        } else if (round == 3) {
            mesh_peer_close(world.mesh, SLOT);
        }
        int again = say(&world, buf_bytes(&frame));
        world.want = round;
        loop_until(&world.loop, has_refused, turn, &world);
        is_cut_off(again);
    }
    assert_int_equal(world.items, 1);
    close(first);
    buf_fini(&frame);
    world_end(&world);
}

static bool has_stale(void *data)
{
    const struct world *world = data;

    return world->stats.link_stale > 0;
}

/* The process stood still: what it finds is too old to be passed on. What comes
 * after it, on another pipe, shows the hole. */
static void what_came_in_a_pause_is_refused(void **state)
{
    struct world world;
    struct buf frame = {0};
    uint8_t head[8];
    (void)state;

    world_start(&world);
    world.limits.link_queue_ms = 100;
    know(&world);
    write_batch(&world, 1, 1, &frame);
    int first = say(&world, buf_bytes(&frame));
    world.want = 1;
    loop_until(&world.loop, has_items, turn, &world);
    buf_reset(&frame);
    write_batch(&world, 1, 2, &frame);
    bytes_put_u64be(head, frame.len);
    assert_int_equal(write(first, head, sizeof head), sizeof head);
    assert_int_equal(write(first, frame.p, frame.len), frame.len);
    usleep(200 * 1000); /* the pause, not a wait */
    loop_until(&world.loop, has_stale, turn, &world);
    is_cut_off(first);
    buf_reset(&frame);
    write_batch(&world, 2, 3, &frame);
    int second = say(&world, buf_bytes(&frame));
    world.want = 2;
    loop_until(&world.loop, has_items, turn, &world);
    assert_int_equal(world.items, 2);
    assert_int_equal(world.holes, 1);
    close(second);
    buf_fini(&frame);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_batch_is_heard_once),
        cmocka_unit_test(what_came_in_a_pause_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
