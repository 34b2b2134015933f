/* SPDX-License-Identifier: Apache-2.0
 *
 * One link between two meshes, each on a thread and loop of its own. No test.
 *
 *   mesh_link flow [items a turn] [value bytes] [seconds]
 *     items/s, CPU a delivered item over all threads of the process (both ends,
 *     nng's threads included), and what was lost.
 *   mesh_link delay [items] [value bytes] [us between]
 *     one item at a time: from before mesh_send() on one loop until on_item()
 *     on the other, sealing and opening included.
 *   mesh_link wake [wake-ups] [us between]
 *     the same for a bare uv_async_send(): what one change of thread costs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "node/client/auth.h"
#include "node/mesh/mesh.h"
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

enum {
    DELAYS_MAX = 1000000
};

static struct end ends[2];
static uint64_t delays[DELAYS_MAX]; /* of the receiving thread */
static uint64_t delays_len;
static uint8_t value[1 << 20];

static void on_news(void *data, const struct cluster_news *news)
{
    struct end *end = data;

    end->up = news->type == CLUSTER_PIPE_UP ||
              (end->up && news->type != CLUSTER_PIPE_DOWN);
}

static void on_item(void *data, uint16_t slot, struct item *item,
                    enum peer_hop hop)
{
    (void)slot;
    struct end *end = data;

    (void)hop;
    if (delays_len < DELAYS_MAX && item->value.len >= sizeof(uint64_t)) {
        delays[delays_len++] = uv_hrtime() - bytes_u64be(item->value.p);
    }
    __atomic_fetch_add(&end->items, 1, __ATOMIC_RELEASE);
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
    end->ring.aead = aead_new();
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

static uint64_t items_of(const struct end *end)
{
    return __atomic_load_n(&end->items, __ATOMIC_ACQUIRE);
}

static void send_one(struct end *a, size_t value_len, uint64_t count)
{
    struct item item = {.cache = BYTES("default"),
                        .topic = BYTES("bench/topic"),
                        .value = bytes_of(value, value_len),
                        .flags = ITEM_BINARY,
                        .origin = 1,
                        .count = count};

    bytes_put_u64be(value, uv_hrtime());
    mesh_send(a->mesh, 0, PEER_HOP_LAST, &item);
}

/* As fast as the link takes it, never so fast that something is dropped. */
static void send_turn(struct end *a, uint64_t per_turn, size_t value_len)
{
    struct mesh_link link;

    uv_run(&a->loop, UV_RUN_NOWAIT);
    mesh_link_at(a->mesh, 0, &link);
    if (link.queued > 2 << 20) {
        uv_run(&a->loop, UV_RUN_ONCE);
    } else {
        for (uint64_t i = 0; i < per_turn; i++) {
            send_one(a, value_len, i);
        }
    }
    mesh_flush(a->mesh, uv_now(&a->loop));
}

static void flow(uint64_t per_turn, size_t value_len, double seconds)
{
    struct end *a = &ends[0];
    struct end *b = &ends[1];
    double cpu = cpu_s();
    uint64_t from = uv_hrtime();
    uint64_t first = items_of(b);

    while ((double)(uv_hrtime() - from) < seconds * 1e9) {
        send_turn(a, per_turn, value_len);
    }
    double items = (double)(items_of(b) - first);
    double wall = (double)(uv_hrtime() - from) / 1e9;
    cpu = cpu_s() - cpu;
    printf("{\"mode\":\"flow\",\"items_per_turn\":%" PRIu64 ",\"value\":%zu,"
           "\"items_per_s\":%.0f,\"cpu_ns_per_item\":%.0f,"
           "\"MB_per_s\":%.0f,\"dropped\":%" PRIu64 ",\"holes\":%" PRIu64
           ",\"stale\":%" PRIu64 "}\n",
           per_turn, value_len, items / wall, cpu / items * 1e9,
           items / wall * (double)value_len / 1e6, a->stats.link_dropped,
           b->stats.link_holes, b->stats.link_stale);
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

static void print_delays(const char *mode)
{
    if (delays_len == 0) {
        return;
    }
    qsort(delays, delays_len, sizeof delays[0], by_value);
    printf("{\"mode\":\"%s\",\"samples\":%" PRIu64
           ",\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
           mode, delays_len, (double)delays[delays_len / 2] / 1e3,
           (double)delays[delays_len * 99 / 100] / 1e3);
}

static void delay(uint64_t count, size_t value_len, unsigned every_us)
{
    struct end *a = &ends[0];
    struct end *b = &ends[1];

    for (uint64_t i = 0; i < count; i++) {
        usleep(every_us);
        send_one(a, value_len, i);
        mesh_flush(a->mesh, uv_now(&a->loop));
        while (items_of(b) <= i) {
            usleep(every_us);
            uv_run(&a->loop, UV_RUN_NOWAIT);
        }
    }
}

static void link_up(void)
{
    struct end *a = &ends[0];
    struct end *b = &ends[1];

    start(a, 1);
    start(b, 2);
    mesh_peer_open(b->mesh, 0, &a->node);
    mesh_peer_open(a->mesh, 0, &b->node);
}

/* --- wake --- */

static uint64_t woken_ns; /* when it was sent; 0 = taken */

static void on_woken(uv_async_t *async)
{
    (void)async;
    delays[delays_len++] = uv_hrtime() -
                           __atomic_load_n(&woken_ns, __ATOMIC_ACQUIRE);
    __atomic_store_n(&woken_ns, 0, __ATOMIC_RELEASE);
}

static void run_loop(void *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
}

static void wake(uint64_t count, unsigned every_us)
{
    uv_thread_t thread;
    uv_async_t async;
    uv_loop_t loop;

    uv_loop_init(&loop);
    uv_async_init(&loop, &async, on_woken);
    uv_thread_create(&thread, run_loop, &loop);
    for (uint64_t i = 0; i < count && i < DELAYS_MAX; i++) {
        usleep(every_us);
        __atomic_store_n(&woken_ns, uv_hrtime(), __ATOMIC_RELEASE);
        uv_async_send(&async);
        while (__atomic_load_n(&woken_ns, __ATOMIC_ACQUIRE) != 0) {
            usleep(every_us);
        }
    }
    print_delays("wake"); /* the thread sleeps: it ends with the process */
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
    return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct end *a = &ends[0];
    struct end *b = &ends[1];
    const char *mode = argc > 1 ? argv[1] : "flow";
    uv_thread_t thread;
    struct auth auth;

    auth_init(&auth, NULL); /* as a node does: picks the fast ciphers */
    if (strcmp(mode, "wake") == 0) {
        wake(argument(argc, argv, 2, 5000),
             (unsigned)argument(argc, argv, 3, 200));
        return 0;
    }
    link_up();
    uv_thread_create(&thread, receive, b);
    while (!a->up) {
        uv_run(&a->loop, UV_RUN_ONCE);
    }
    if (strcmp(mode, "flow") == 0) {
        flow(argument(argc, argv, 2, 256), argument(argc, argv, 3, 100),
             (double)argument(argc, argv, 4, 3));
    } else {
        delay(argument(argc, argv, 2, 5000), argument(argc, argv, 3, 64),
              (unsigned)argument(argc, argv, 4, 200));
    }
    __atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
    uv_thread_join(&thread);
    if (strcmp(mode, "delay") == 0) {
        print_delays(mode);
    }
    return 0;
}
