/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/generator.h"
#include "tests/bench/modes.h"

enum {
    SUBS_MAX = 4096,
    WINDOW = 256, /* items on their way */
    BATCH = 16,   /* publishes of one write */
    WARM_UP_MS = 300,
    DRAIN_MS = 3000, /* then what is missing is lost */
};

struct fanout {
    int epoll;
    int publisher;
    int subs[SUBS_MAX];
    size_t subs_len;
    size_t frame_len;
    size_t publish_len;
    uint64_t sent;
    uint64_t received; /* bytes, of all subscribers */
    char in[READ_LEN];
    char out[BATCH * (ITEM_LEN_MAX + 128)];
};

static void read_ready(struct fanout *f, int wait_ms)
{
    struct epoll_event events[256];
    int n = epoll_wait(f->epoll, events, 256, wait_ms);

    for (int i = 0; i < n; i++) {
        uint32_t who = events[i].data.u32;
        int fd = who == SUBS_MAX ? f->publisher : f->subs[who];
        ssize_t len = read(fd, f->in, sizeof f->in);
        if (len <= 0) {
            die(who == SUBS_MAX ? "publisher lost" : "subscriber lost");
        }
        if (who < SUBS_MAX) {
            f->received += (uint64_t)len;
        }
    }
}

static void watch(struct fanout *f, int fd, uint32_t who)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = who};

    if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void open_all(struct fanout *f, char **argv)
{
    size_t size = number(argv[3]);

    f->subs_len = number(argv[2]);
    if (f->subs_len > SUBS_MAX || size > ITEM_LEN_MAX) {
        die("too many subscribers, or too long an item");
    }
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->publisher = dial(argv[1]);
    watch(f, f->publisher, SUBS_MAX);
    for (size_t i = 0; i < f->subs_len; i++) {
        f->subs[i] = subscribe(argv[0], "bench");
        watch(f, f->subs[i], (uint32_t)i);
    }
    f->frame_len = delivery_len("bench", size);
    f->publish_len = make_publish(f->out, "bench", size);
    for (size_t i = 1; i < BATCH; i++) {
        memcpy(f->out + i * f->publish_len, f->out, f->publish_len);
    }
}

/* Publishes for a time, then waits until all of it has come. Returns how long
 * that took. */
static uint64_t run_for(struct fanout *f, uint64_t run_ns)
{
    uint64_t start = now_ns();

    f->sent = 0;
    f->received = 0;
    while (now_ns() - start < run_ns) {
        uint64_t done = f->received / f->frame_len / f->subs_len;
        if (f->sent - done + BATCH <= WINDOW) {
            send_all(f->publisher, f->out, f->publish_len * BATCH);
            f->sent += BATCH;
            read_ready(f, 0);
        } else {
            read_ready(f, 100);
        }
    }
    uint64_t wanted = f->sent * f->subs_len * f->frame_len;
    uint64_t give_up = now_ns() + DRAIN_MS * UINT64_C(1000000);
    while (f->received < wanted && now_ns() < give_up) {
        read_ready(f, 100);
    }
    return now_ns() - start;
}

int mode_fanout(char **argv)
{
    static struct fanout f;
    const char *pids = argv[5];

    open_all(&f, argv);
    sleep_ms(SETTLE_MS);
    (void)run_for(&f, WARM_UP_MS * UINT64_C(1000000));
    uint64_t cpu = cpu_ns(pids);
    uint64_t took = run_for(&f, number(argv[4]) * UINT64_C(1000000000));
    cpu = cpu_ns(pids) - cpu;
    uint64_t deliveries = f.received / f.frame_len;
    printf("{\"mode\":\"fanout\",\"subs\":%zu,\"size\":%lu,"
           "\"published\":%" PRIu64 ",\"deliveries\":%" PRIu64
           ",\"lost\":%" PRIu64 ",\"deliveries_per_s\":%.0f,"
           "\"cpu_ns_per_delivery\":%.1f}\n",
           f.subs_len, number(argv[3]), f.sent, deliveries,
           f.sent * f.subs_len - deliveries,
           (double)deliveries * 1e9 / (double)took,
           (double)cpu / (double)deliveries);
    return 0;
}
