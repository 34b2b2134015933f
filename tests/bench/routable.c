/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/generator.h"
#include "tests/bench/modes.h"

enum {
    ARRIVE_MS = 500, /* then the item is lost */
    WARM_UP = 100,   /* subscriptions */
};

struct routable {
    int sub;
    int pub;
    uint64_t lost;
};

/* One subscription of a topic that nobody had: acknowledged, tried, ended. */
static void try_one(struct routable *r, uint64_t i)
{
    char out[512];
    char topic[64];
    char mark[96];
    struct pollfd fd = {.fd = r->sub, .events = POLLIN};

    (void)snprintf(topic, sizeof topic, "routable-%d-%" PRIu64, (int)getpid(),
                   i);
    int len = snprintf(out, sizeof out, "SUBSCRIBE %s\r\n", topic);
    uint64_t start = now_ns();
    send_all(r->sub, out, (size_t)len);
    await(r->sub, ":1\r\n");
    if (i >= WARM_UP) {
        sample(now_ns() - start);
    }
    send_all(r->pub, out, make_publish(out, topic, 1));
    await(r->pub, ":");
    if (poll(&fd, 1, ARRIVE_MS) == 1) {
        (void)snprintf(mark, sizeof mark, "%s\r\n$1\r\nx\r\n", topic);
        await(r->sub, mark);
    } else {
        r->lost++;
    }
    len = snprintf(out, sizeof out, "UNSUBSCRIBE %s\r\n", topic);
    send_all(r->sub, out, (size_t)len);
    await(r->sub, ":0\r\n");
}

int mode_routable(char **argv)
{
    struct routable r = {.sub = dial(argv[0]), .pub = dial(argv[1])};
    uint64_t count = WARM_UP + number(argv[2]);

    for (uint64_t i = 0; i < count; i++) {
        try_one(&r, i);
    }
    printf("{\"mode\":\"routable\",\"lost\":%" PRIu64 ",", r.lost);
    samples_print();
    printf("}\n");
    return 0;
}
