/* SPDX-License-Identifier: Apache-2.0
 *
 * One link between two meshes, each on a thread and loop of its own:
 *   mesh_link [items a turn] [value bytes] [seconds]
 * prints items/s, CPU a delivered item over all threads of the process (both
 * ends, nng's threads included), and what was lost. Not a test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "node/auth.h"
#include "node/mesh.h"
#include "tests/loop.h"

struct end {
    uv_loop_t loop;
    struct mesh *mesh;
    struct seal_ring ring;
    struct limits limits;
    struct stats stats;
    struct log log;
    struct peer_node node;
    uint64_t items;
    bool up;
    bool stop;
};

static struct end ends[2];
static uint64_t per_turn = 256;
static size_t value_len = 100;

static void on_news(void *data, const struct cluster_news *news)
{
    struct end *end = data;

    end->up = news->type == CLUSTER_PIPE_UP ||
              (end->up && news->type != CLUSTER_PIPE_DOWN);
}

static void on_item(void *data, struct item *item, enum peer_hop hop)
{
    (void)item;
    (void)hop;
    __atomic_fetch_add(&((struct end *)data)->items, 1, __ATOMIC_RELAXED);
}

static void start(struct end *end, uint8_t id)
{
    struct addr data = loop_free_addr();

    uv_loop_init(&end->loop);
    end->limits = limits_default();
    end->node = (struct peer_node){
        .id = {.b = {id}}, .cluster = loop_free_addr(), .data_port = data.port};
    seal_key_from_name(&end->ring.keys[0], BYTES("k"));
    end->ring.keys_len = 1;
    struct mesh_options options = {
        .loop = &end->loop,
        .ring = &end->ring,
        .limits = &end->limits,
        .stats = &end->stats,
        .log = &end->log,
        .self = end->node.id,
        .life = {id},
        .listen = end->node.cluster,
        .data_port = data.port,
        .data = end,
        .on_news = on_news,
        .on_item = on_item,
    };
    if (mesh_open(&end->mesh, &options) != 0) {
        abort();
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct end *end = timer->data;

    if (__atomic_load_n(&end->stop, __ATOMIC_RELAXED)) {
        uv_stop(timer->loop);
    }
    mesh_flush(end->mesh, uv_now(timer->loop));
}

static void receive(void *arg)
{
    struct end *end = arg;
    uv_timer_t timer;

    uv_timer_init(&end->loop, &timer);
    timer.data = end;
    uv_timer_start(&timer, on_tick, 10, 10);
    uv_run(&end->loop, UV_RUN_DEFAULT);
}

static double cpu_s(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* As fast as the link takes it, never so fast that something is dropped. */
static void send_turn(struct end *a)
{
    static uint8_t value[1 << 20];
    struct mesh_link link;

    uv_run(&a->loop, UV_RUN_NOWAIT);
    mesh_link_at(a->mesh, 0, &link);
    if (link.queued > 2 << 20) {
        uv_run(&a->loop, UV_RUN_ONCE);
    } else {
        for (uint64_t i = 0; i < per_turn; i++) {
            struct item item = {.cache = BYTES("default"),
                                .topic = BYTES("bench/topic"),
                                .value = bytes_of(value, value_len),
                                .flags = ITEM_BINARY,
                                .origin = 1,
                                .count = i};
            mesh_send(a->mesh, 0, PEER_HOP_LAST, &item);
        }
    }
    mesh_flush(a->mesh, uv_now(&a->loop));
}

int main(int argc, char **argv)
{
    struct end *a = &ends[0];
    struct end *b = &ends[1];
    struct auth auth;
    double seconds = argc > 3 ? atof(argv[3]) : 3;
    uv_thread_t thread;

    auth_init(&auth, NULL); /* as a node does: picks the fast ciphers */
    per_turn = argc > 1 ? strtoull(argv[1], NULL, 10) : per_turn;
    value_len = argc > 2 ? strtoull(argv[2], NULL, 10) : value_len;
    start(a, 1);
    start(b, 2);
    mesh_peer_open(b->mesh, 0, &a->node);
    mesh_peer_open(a->mesh, 0, &b->node);
    uv_thread_create(&thread, receive, b);
    while (!a->up) {
        uv_run(&a->loop, UV_RUN_ONCE);
    }
    double cpu = cpu_s();
    uint64_t from = uv_hrtime();
    uint64_t first = __atomic_load_n(&b->items, __ATOMIC_RELAXED);
    while ((double)(uv_hrtime() - from) < seconds * 1e9) {
        send_turn(a);
    }
    double items = (double)(__atomic_load_n(&b->items, __ATOMIC_RELAXED) -
                            first);
    double wall = (double)(uv_hrtime() - from) / 1e9;
    cpu = cpu_s() - cpu;
    printf("{\"items_per_turn\":%llu,\"value\":%zu,\"items_per_s\":%.0f,"
           "\"cpu_ns_per_item\":%.0f,\"MB_per_s\":%.0f,\"dropped\":%llu,"
           "\"holes\":%llu,\"refused\":%llu}\n",
           (unsigned long long)per_turn, value_len, items / wall,
           cpu / items * 1e9, items / wall * (double)value_len / 1e6,
           (unsigned long long)a->stats.link_dropped,
           (unsigned long long)b->stats.link_holes,
           (unsigned long long)b->stats.link_refused);
    __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
    uv_thread_join(&thread);
    return 0;
}
