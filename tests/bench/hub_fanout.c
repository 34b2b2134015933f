/* SPDX-License-Identifier: Apache-2.0
 *
 * What a delivery costs without a socket: publish, render, settle, and taking
 * the runs out of each queue. One tab-separated line for each number of
 * subscribers and of items a turn; best and middle of 15 runs, so that a busy
 * machine shows as a gap between them. Not run by ctest.
 */
#include "tests/test.h"

#include <stdio.h>
#include <time.h>

#include "tests/fake_conn.h"
#include "tests/fake_door.h"

enum {
    RUNS = 15,
    SUBS_MAX = 1000
};

static uint64_t clock_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int u64_cmp(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The flush of the loop, with a socket that takes everything. */
static uint64_t flush(struct core *core)
{
    struct bytes iov[OUTQ_IOV_MAX];
    uint64_t bytes = 0;

    hub_settle(core->hub);
    while (core->dirty != NULL) {
        struct client *client = core->dirty;
        size_t taken = 0;
        core->dirty = client->dirty_next;
        client->dirty = false;
        size_t len = outq_peek(&client->out, iov, ARRAY_LEN(iov));
        for (size_t i = 0; i < len; i++) {
            taken += iov[i].len;
        }
        outq_taken(&client->out, &core->chunks, taken);
        (void)client_check_slow(client, core->now_ms);
        bytes += taken;
    }
    return bytes;
}

static uint64_t turns(struct client *publisher, uint64_t count, size_t items)
{
    static const char value[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const struct client_item item = {
        .cache = BYTES("default"),
        .topic = BYTES("bench"),
        .value = bytes_of(value, sizeof value - 1),
    };
    struct hub_receipt receipt;
    uint64_t bytes = 0;

    for (uint64_t t = 0; t < count; t++) {
        for (size_t i = 0; i < items; i++) {
            (void)client_publish(publisher, &item, &receipt);
        }
        bytes += flush(publisher->core);
    }
    return bytes;
}

static void bench(size_t subs, size_t items)
{
    static struct fake_conn *conns[SUBS_MAX];
    const uint64_t count = 400000 / (subs * items) + 100;
    struct hub_want want = {.cache = BYTES("default"), .topic = BYTES("bench")};
    struct hub_position position;
    struct sub *sub;
    struct core core;
    uint64_t ns[RUNS];
    uint64_t bytes = 0;

    fake_core_init(&core);
    struct fake_conn *publisher = fake_conn_new(&core);
    (void)fake_conn_open(publisher, &door_plain, NULL);
    for (size_t i = 0; i < subs; i++) {
        conns[i] = fake_conn_new(&core);
        (void)fake_conn_open(conns[i], &door_plain, NULL);
        (void)client_subscribe(conns[i]->conn.client, &want, &sub, &position);
    }
    for (size_t run = 0; run < RUNS; run++) {
        uint64_t start_ns = clock_ns();
        bytes += turns(publisher->conn.client, count, items);
        ns[run] = clock_ns() - start_ns;
    }
    qsort(ns, RUNS, sizeof ns[0], u64_cmp);
    double deliveries = (double)count * (double)items * (double)subs;
    printf("hub_fanout\tsubs=%zu\titems_a_turn=%zu\tbest_ns=%.1f\t"
           "median_ns=%.1f\tbytes=%" PRIu64 "\n",
           subs, items, (double)ns[0] / deliveries,
           (double)ns[RUNS / 2] / deliveries, bytes);
    for (size_t i = 0; i < subs; i++) {
        fake_conn_free(conns[i]);
    }
    fake_conn_free(publisher);
    core_fini(&core);
}

int main(void)
{
    static const size_t subs[] = {1, 10, 100, 1000};
    static const size_t items[] = {1, 16, 64};

    for (size_t s = 0; s < ARRAY_LEN(subs); s++) {
        for (size_t i = 0; i < ARRAY_LEN(items); i++) {
            bench(subs[s], items[i]);
        }
    }
    return 0;
}
