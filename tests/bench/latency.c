/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/generator.h"
#include "tests/bench/modes.h"

enum {
    HEX_LEN = 16, /* the value: the time it was due */
    WARM_UP_MS = 500,
    DRAIN_MS = 3000,
};

struct latency {
    int sub;
    int pub;
    size_t frame_len;
    uint64_t start;
    uint64_t every_ns;
    uint64_t count_from; /* what was due before is warm-up */
    uint64_t total;
    uint64_t sent;
    uint64_t received;
    size_t len; /* of what lies in `in` */
    char in[READ_LEN];
};

static uint64_t due(const struct latency *l)
{
    return l->start + l->sent * l->every_ns;
}

static void publish_due(struct latency *l)
{
    char out[256];

    while (l->sent < l->total && now_ns() >= due(l)) {
        char hex[HEX_LEN + 1];
        size_t len = make_publish(out, "latency", HEX_LEN);
        (void)snprintf(hex, sizeof hex, "%016" PRIx64, due(l));
        memcpy(out + len - 2 - HEX_LEN, hex, HEX_LEN);
        send_all(l->pub, out, len);
        l->sent++;
    }
}

static void take_deliveries(struct latency *l)
{
    size_t at = 0;

    l->len += read_some(l->sub, l->in + l->len, sizeof l->in - l->len);
    for (uint64_t now = now_ns(); at + l->frame_len <= l->len;
         at += l->frame_len) {
        char hex[HEX_LEN + 1] = "";
        memcpy(hex, l->in + at + l->frame_len - 2 - HEX_LEN, HEX_LEN);
        uint64_t was_due = strtoull(hex, NULL, 16);
        if (was_due >= l->count_from) {
            sample(now - was_due);
        }
        l->received++;
    }
    memmove(l->in, l->in + at, l->len - at);
    l->len -= at;
}

/* Sleeps until something comes or the next item is due: a generator that spins
 * takes the core from what it measures. */
static void turn(struct latency *l)
{
    struct pollfd fds[] = {{l->sub, POLLIN, 0}, {l->pub, POLLIN, 0}};
    uint64_t now = now_ns();
    uint64_t until = l->sent < l->total ? due(l) : now + 100000000u;
    uint64_t wait = until > now ? until - now : 0;
    struct timespec t = {.tv_sec = (time_t)(wait / 1000000000u),
                         .tv_nsec = (long)(wait % 1000000000u)};

    if (ppoll(fds, 2, &t, NULL) < 0) {
        die("ppoll");
    }
    if ((fds[1].revents & POLLIN) != 0) {
        char ignored[4096];
        (void)read_some(l->pub, ignored, sizeof ignored);
    }
    if ((fds[0].revents & POLLIN) != 0) {
        take_deliveries(l);
    }
    publish_due(l);
}

int mode_latency(char **argv)
{
    static struct latency l;
    uint64_t rate = number(argv[2]);
    uint64_t warm_up = rate * WARM_UP_MS / 1000;

    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    l.sub = subscribe(argv[0], "latency");
    l.pub = dial(argv[1]);
    l.frame_len = delivery_len("latency", HEX_LEN);
    l.every_ns = 1000000000u / rate;
    l.total = warm_up + rate * number(argv[3]);
    sleep_ms(SETTLE_MS);
    (void)fcntl(l.pub, F_SETFL, O_NONBLOCK);
    l.start = now_ns();
    l.count_from = l.start + warm_up * l.every_ns;
    uint64_t give_up = l.start + l.total * l.every_ns +
                       DRAIN_MS * UINT64_C(1000000);
    while (l.received < l.total && now_ns() < give_up) {
        turn(&l);
    }
    printf("{\"mode\":\"latency\",\"rate\":%" PRIu64 ",\"lost\":%" PRIu64 ",",
           rate, l.total - l.received);
    samples_print();
    printf("}\n");
    return 0;
}
