/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/generator.h"
#include "tests/bench/modes.h"

enum {
    CONNS_MAX = 1024,
    CONN_SUBS_MAX = 9000, /* a node takes 10000 of a connection */
    IN_LEN = 16384,
    PUBLISH_LEN_MAX = 256,
    UNDER_WAY_MAX = 1000, /* items of a burst: it is about subscribes */
    WARM_UP_MS = 300,
    DRAIN_MS = 3000,
};

/* In a storm each waits for one acknowledgement, always or when its turn came,
 * in a burst for all; and items come in between. */
struct conn {
    int fd;
    uint64_t asked_ns; /* the last one, or all */
    unsigned subs;
    unsigned acknowledged;
    unsigned published;
    size_t len;
    char in[IN_LEN];
};

struct storm {
    int epoll;
    int pub;
    struct conn conns[CONNS_MAX];
    size_t conns_len;
    bool burst;        /* all are asked for at once */
    uint64_t every_ns; /* a subscribe is due; 0: as fast as acknowledged */
    uint64_t due_ns;
    struct conn *idle[CONNS_MAX];
    size_t idle_len;
    uint64_t count_from;
    uint64_t stop_at;
    uint64_t acknowledged;
    uint64_t waiting; /* asked, not acknowledged */
    uint64_t published;
    uint64_t arrived;
    size_t out_len;
    char out[CONNS_MAX * PUBLISH_LEN_MAX]; /* publishes of this turn */
};

static void topic_of(const struct storm *s, const struct conn *c,
                     unsigned number, char out[64])
{
    (void)snprintf(out, 64, "storm-%d-%td-%u", (int)getpid(), c - s->conns,
                   number);
}

static void ask(struct storm *s, struct conn *c, uint64_t due_ns)
{
    char topic[64];
    char out[128];

    if (now_ns() >= s->stop_at || c->subs == CONN_SUBS_MAX) {
        return;
    }
    topic_of(s, c, c->subs++, topic);
    int len = snprintf(out, sizeof out, "SUBSCRIBE %s\r\n", topic);
    c->asked_ns = due_ns;
    s->waiting++;
    send_all(c->fd, out, (size_t)len);
}

static void next(struct storm *s, struct conn *c)
{
    if (s->every_ns == 0) {
        ask(s, c, now_ns());
    } else {
        s->idle[s->idle_len++] = c;
    }
}

/* From when one was due it waits, even if no connection was free then. */
static void ask_all_due(struct storm *s)
{
    uint64_t now = now_ns();

    while (s->every_ns > 0 && s->due_ns <= now && s->idle_len > 0) {
        ask(s, s->idle[--s->idle_len], s->due_ns);
        s->due_ns += s->every_ns;
    }
}

static void publish(struct storm *s, struct conn *c)
{
    char topic[64];

    topic_of(s, c, c->published++, topic);
    s->published++;
    s->out_len += make_publish(s->out + s->out_len, topic, 1);
}

/* What is acknowledged, as many as may be under way. */
static void publish_some(struct storm *s)
{
    for (size_t i = 0; i < s->conns_len; i++) {
        struct conn *c = &s->conns[i];
        while (c->published < c->acknowledged &&
               s->published - s->arrived < UNDER_WAY_MAX &&
               s->out_len + PUBLISH_LEN_MAX <= sizeof s->out) {
            publish(s, c);
        }
    }
}

static void on_acknowledged(struct storm *s, struct conn *c)
{
    uint64_t now = now_ns();

    if (c->asked_ns >= s->count_from) {
        sample(now - c->asked_ns);
    }
    s->acknowledged++;
    s->waiting--;
    c->acknowledged++;
    if (!s->burst) {
        publish(s, c);
        next(s, c);
    }
}

/* The end of the first frame: three elements, a bulk has two lines. NULL when
 * it is not whole. */
static const char *frame_end(const char *p, const char *end)
{
    for (int lines = strncmp(p, "*3\r\n$7", 6) == 0 ? 7 : 6; lines > 0;
         lines--) {
        const char *feed = memchr(p, '\n', (size_t)(end - p));
        if (feed == NULL) {
            return NULL;
        }
        p = feed + 1;
    }
    return p;
}

static void take_frames(struct storm *s, struct conn *c)
{
    const char *end = c->in + c->len;
    const char *p = c->in;
    const char *next;

    while (end - p > 6 && (next = frame_end(p, end)) != NULL) {
        if (p[5] == '7') { /* "message", else "subscribe" */
            s->arrived++;
        } else {
            on_acknowledged(s, c);
        }
        p = next;
    }
    c->len = (size_t)(end - p);
    memmove(c->in, p, c->len);
}

static void turn(struct storm *s)
{
    struct epoll_event events[256];
    const struct timespec wait = {.tv_nsec = s->every_ns > 0 ? 500000
                                                             : 100000000};
    int n = epoll_pwait2(s->epoll, events, 256, &wait, NULL);

    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        if (c == NULL) {
            char ignored[16384];
            (void)read_some(s->pub, ignored, sizeof ignored);
            continue;
        }
        c->len += read_some(c->fd, c->in + c->len, sizeof c->in - c->len);
        take_frames(s, c);
        if (c->len == sizeof c->in) {
            die("an answer longer than expected");
        }
    }
    if (s->burst) {
        publish_some(s);
    }
    send_all(s->pub, s->out, s->out_len);
    s->out_len = 0;
    ask_all_due(s);
}

static void watch(struct storm *s, int fd, struct conn *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void drain(struct storm *s)
{
    uint64_t give_up = now_ns() + DRAIN_MS * UINT64_C(1000000);

    while (s->arrived < s->acknowledged && now_ns() < give_up) {
        turn(s);
    }
}

/* All subscribes of one connection in one piece. */
static void ask_all(struct storm *s, struct conn *c, unsigned count)
{
    static char out[CONN_SUBS_MAX * 96];
    char topic[64];
    size_t len = 0;

    while (c->subs < count) {
        topic_of(s, c, c->subs++, topic);
        len += (size_t)snprintf(out + len, 96, "SUBSCRIBE %s\r\n", topic);
    }
    s->waiting += count;
    c->asked_ns = now_ns();
    send_all(c->fd, out, len);
}

int mode_burst(char **argv)
{
    static struct storm s = {.burst = true};
    uint64_t count = number(argv[2]);

    if (count > (uint64_t)CONNS_MAX * CONN_SUBS_MAX) {
        die("too many subscribes");
    }
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    s.pub = dial(argv[1]);
    watch(&s, s.pub, NULL);
    for (uint64_t left = count; left > 0; s.conns_len++) {
        struct conn *c = &s.conns[s.conns_len];
        unsigned part = left < CONN_SUBS_MAX ? (unsigned)left : CONN_SUBS_MAX;
        c->fd = dial(argv[0]);
        watch(&s, c->fd, c);
        ask_all(&s, c, part);
        left -= part;
    }
    uint64_t began = now_ns();
    while (s.waiting > 0) {
        turn(&s);
    }
    uint64_t took = now_ns() - began;
    drain(&s);
    printf("{\"mode\":\"burst\",\"conns\":%zu,\"subscribes\":%" PRIu64
           ",\"all_ms\":%.0f,\"lost\":%" PRIu64 ",",
           s.conns_len, count, (double)took / 1e6, s.acknowledged - s.arrived);
    samples_print();
    printf("}\n");
    return 0;
}

int mode_storm(char **argv)
{
    static struct storm s;
    uint64_t rate = number(argv[3]);
    uint64_t run_ns = number(argv[4]) * UINT64_C(1000000000);

    s.conns_len = number(argv[2]);
    if (s.conns_len > CONNS_MAX) {
        die("too many connections");
    }
    s.epoll = epoll_create1(EPOLL_CLOEXEC);
    s.pub = dial(argv[1]);
    watch(&s, s.pub, NULL);
    s.every_ns = rate == 0 ? 0 : UINT64_C(1000000000) / rate;
    s.count_from = now_ns() + WARM_UP_MS * UINT64_C(1000000);
    s.stop_at = s.count_from + run_ns;
    for (size_t i = 0; i < s.conns_len; i++) {
        s.conns[i].fd = dial(argv[0]);
        watch(&s, s.conns[i].fd, &s.conns[i]);
        next(&s, &s.conns[i]);
    }
    s.due_ns = now_ns();
    uint64_t cpu = 0;
    while (s.waiting > 0 || now_ns() < s.stop_at) {
        turn(&s);
        cpu = cpu == 0 && now_ns() >= s.count_from ? cpu_ns(argv[5]) : cpu;
    }
    uint64_t took = now_ns() - s.count_from;
    cpu = cpu_ns(argv[5]) - cpu;
    drain(&s);
    printf("{\"mode\":\"storm\",\"conns\":%zu,\"subscribes_per_s\":%.0f,"
           "\"cpu_ns_per_subscribe\":%.0f,\"lost\":%" PRIu64 ",",
           s.conns_len, (double)samples_len() * 1e9 / (double)took,
           (double)cpu / (double)samples_len(), s.acknowledged - s.arrived);
    samples_print();
    printf("}\n");
    return 0;
}
