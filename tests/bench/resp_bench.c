/* SPDX-License-Identifier: Apache-2.0
 *
 * Measures a broker that speaks RESP, ours or redis-server, from outside:
 *
 *   resp_bench fanout   SUB_PORT PUB_PORT SUBS SIZE SECONDS PID[,PID]
 *   resp_bench latency  SUB_PORT PUB_PORT RATE SECONDS
 *   resp_bench routable SUB_PORT PUB_PORT COUNT
 *
 * fanout    one publisher, SUBS subscribers of one topic, a window of 256 items
 *           that not everyone has; CPU of the PIDs as the scheduler counts it.
 * latency   open loop: each item carries the time at which it was due.
 * routable  subscribes to a new topic COUNT times; the moment the
 *           acknowledgement is there, publishes on the other port: the item
 *           must come. Reports the time to the acknowledgement.
 *
 * One JSON line on standard output. Loopback only.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SUBS_MAX = 4096,
    SIZE_MAX_ = 1 << 16,
    WINDOW = 256, /* items on their way */
    BATCH = 16,   /* publishes of one write, at most */
    READ_LEN = 1 << 18,
    WAIT_MS = 10000,
    SAMPLES_MAX = 1 << 22,
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "resp_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int dial(unsigned port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        die("connect");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void send_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            die("write");
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

/* Reads at least one byte within WAIT_MS. */
static size_t read_some(int fd, char *p, size_t cap)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    if (poll(&poll_fd, 1, WAIT_MS) <= 0) {
        die("no answer in time");
    }
    ssize_t n = read(fd, p, cap);
    if (n <= 0) {
        die("connection lost");
    }
    return (size_t)n;
}

/* Reads until `mark` is there. */
static void await(int fd, const char *mark)
{
    char in[8192];
    size_t len = 0;

    while (len == 0 || memmem(in, len, mark, strlen(mark)) == NULL) {
        if (len == sizeof in) {
            die("an answer longer than expected");
        }
        len += read_some(fd, in + len, sizeof in - len);
    }
}

static int subscribe(unsigned port, const char *topic)
{
    char out[256];
    int fd = dial(port);
    int len = snprintf(out, sizeof out,
                       "*2\r\n$9\r\nSUBSCRIBE\r\n$%zu\r\n%s\r\n", strlen(topic),
                       topic);

    send_all(fd, out, (size_t)len);
    await(fd, ":1\r\n");
    return fd;
}

/* The request that publishes `size` bytes, and how long its delivery is. */
static size_t make_publish(char *out, const char *topic, size_t size)
{
    size_t len = (size_t)sprintf(
        out, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(topic),
        topic, size);

    memset(out + len, 'x', size);
    memcpy(out + len + size, "\r\n", 2);
    return len + size + 2;
}

static size_t delivery_len(const char *topic, size_t size)
{
    return (size_t)snprintf(NULL, 0,
                            "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n",
                            strlen(topic), topic, size) +
           size + 2;
}

/* Nanoseconds that the tasks of these processes ran, by the scheduler. */
static uint64_t cpu_ns(const char *pids)
{
    uint64_t sum = 0;
    char list[256];
    char *rest = list;

    snprintf(list, sizeof list, "%s", pids);
    for (char *pid = strsep(&rest, ","); pid != NULL;
         pid = strsep(&rest, ",")) {
        char pattern[64];
        glob_t found;
        snprintf(pattern, sizeof pattern, "/proc/%s/task/*/schedstat", pid);
        if (glob(pattern, 0, NULL, &found) != 0) {
            die("no such process");
        }
        for (size_t i = 0; i < found.gl_pathc; i++) {
            FILE *file = fopen(found.gl_pathv[i], "re");
            uint64_t ran = 0;
            if (file != NULL) {
                sum += fscanf(file, "%" SCNu64, &ran) == 1 ? ran : 0;
                fclose(file);
            }
        }
        globfree(&found);
    }
    return sum;
}

/* --- fanout --- */

struct fanout {
    int epoll;
    int publisher;
    int subs[SUBS_MAX];
    uint64_t received[SUBS_MAX]; /* bytes */
    size_t subs_len;
    size_t frame_len;
    uint64_t received_all; /* bytes */
    char *in;
};

static void fanout_read(struct fanout *f, int wait_ms)
{
    struct epoll_event events[256];
    int n = epoll_wait(f->epoll, events, 256, wait_ms);

    for (int i = 0; i < n; i++) {
        uint32_t who = events[i].data.u32;
        int fd = who == SUBS_MAX ? f->publisher : f->subs[who];
        ssize_t len = read(fd, f->in, READ_LEN);
        if (len <= 0) {
            die(who == SUBS_MAX ? "publisher lost" : "subscriber lost");
        }
        if (who < SUBS_MAX) {
            f->received[who] += (uint64_t)len;
            f->received_all += (uint64_t)len;
        }
    }
}

static void fanout_open(struct fanout *f, unsigned sub_port, unsigned pub_port,
                        const char *topic)
{
    struct epoll_event event = {.events = EPOLLIN};

    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->publisher = dial(pub_port);
    event.data.u32 = SUBS_MAX;
    (void)epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->publisher, &event);
    for (size_t i = 0; i < f->subs_len; i++) {
        f->subs[i] = subscribe(sub_port, topic);
        event.data.u32 = (uint32_t)i;
        (void)epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->subs[i], &event);
    }
}

static int fanout(char **argv)
{
    static struct fanout f;
    static char out[BATCH * (SIZE_MAX_ + 128)];
    size_t size = strtoul(argv[3], NULL, 10);
    uint64_t run_ns = strtoull(argv[4], NULL, 10) * 1000000000u;
    const char *pids = argv[5];
    uint64_t sent = 0;

    f.subs_len = strtoul(argv[2], NULL, 10);
    f.in = malloc(READ_LEN);
    if (f.in == NULL || f.subs_len == 0 || f.subs_len > SUBS_MAX ||
        size > SIZE_MAX_) {
        die("arguments");
    }
    fanout_open(&f, (unsigned)atoi(argv[0]), (unsigned)atoi(argv[1]), "bench");
    f.frame_len = delivery_len("bench", size);
    size_t one_len = make_publish(out, "bench", size);
    for (size_t i = 1; i < BATCH; i++) {
        memcpy(out + i * one_len, out, one_len);
    }
    usleep(300000); /* another node has to learn of the topic */
    uint64_t cpu = cpu_ns(pids);
    uint64_t start = now_ns();
    while (now_ns() - start < run_ns) {
        uint64_t done = f.received_all / f.frame_len / f.subs_len;
        if (sent - done + BATCH <= WINDOW) {
            send_all(f.publisher, out, one_len * BATCH);
            sent += BATCH;
            fanout_read(&f, 0);
        } else {
            fanout_read(&f, 100);
        }
    }
    uint64_t took = now_ns() - start;
    uint64_t give_up = now_ns() + 3000000000u;
    uint64_t wanted = sent * f.subs_len * f.frame_len;
    while (f.received_all < wanted && now_ns() < give_up) {
        fanout_read(&f, 100);
    }
    cpu = cpu_ns(pids) - cpu;
    uint64_t deliveries = f.received_all / f.frame_len;
    printf("{\"mode\":\"fanout\",\"subs\":%zu,\"size\":%zu,"
           "\"published\":%" PRIu64 ",\"deliveries\":%" PRIu64
           ",\"lost\":%" PRIu64 ",\"deliveries_per_s\":%.0f,"
           "\"cpu_ns_per_delivery\":%.1f}\n",
           f.subs_len, size, sent, deliveries, sent * f.subs_len - deliveries,
           (double)deliveries * 1e9 / (double)took,
           (double)cpu / (double)deliveries);
    free(f.in);
    return 0;
}

/* --- samples --- */

static uint64_t samples[SAMPLES_MAX];
static size_t samples_len;

static void sample(uint64_t ns)
{
    if (samples_len < SAMPLES_MAX) {
        samples[samples_len++] = ns;
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static double percentile_us(double p)
{
    return (double)samples[(size_t)((double)(samples_len - 1) * p)] / 1000;
}

static void print_samples(const char *mode, uint64_t lost)
{
    qsort(samples, samples_len, sizeof samples[0], by_value);
    printf("{\"mode\":\"%s\",\"samples\":%zu,\"lost\":%" PRIu64
           ",\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,"
           "\"max_us\":%.1f}\n",
           mode, samples_len, lost, percentile_us(0.5), percentile_us(0.99),
           percentile_us(0.999), percentile_us(1));
}

/* --- latency --- */

/* Takes the values of whole deliveries: 16 hex digits, the time they were due.
 */
static size_t take_due(const char *in, size_t len, size_t frame_len)
{
    size_t at = 0;
    uint64_t now = now_ns();

    while (at + frame_len <= len) {
        char hex[17] = "";
        memcpy(hex, in + at + frame_len - 18, 16);
        sample(now - strtoull(hex, NULL, 16));
        at += frame_len;
    }
    return at;
}

static int latency(char **argv)
{
    static char in[READ_LEN];
    char out[256];
    size_t len = 0;
    uint64_t every_ns = 1000000000u / strtoull(argv[2], NULL, 10);
    uint64_t total = strtoull(argv[2], NULL, 10) * strtoull(argv[3], NULL, 10);
    int sub = subscribe((unsigned)atoi(argv[0]), "latency");
    int pub = dial((unsigned)atoi(argv[1]));
    size_t frame_len = delivery_len("latency", 16);
    uint64_t sent = 0;

    usleep(300000);
    (void)fcntl(pub, F_SETFL, O_NONBLOCK);
    uint64_t start = now_ns();
    uint64_t give_up = start + total * every_ns + 3000000000u;
    while (samples_len < total && now_ns() < give_up) {
        struct pollfd fds[] = {{sub, POLLIN, 0}, {pub, POLLIN, 0}};
        while (sent < total && now_ns() >= start + sent * every_ns) {
            char hex[17];
            snprintf(hex, sizeof hex, "%016" PRIx64, start + sent * every_ns);
            size_t n = make_publish(out, "latency", 16);
            memcpy(out + n - 18, hex, 16);
            send_all(pub, out, n);
            sent++;
        }
        (void)poll(fds, 2, 0); /* spins: the clock is part of the measure */
        if ((fds[1].revents & POLLIN) != 0) {
            char ignored[4096];
            (void)!read(pub, ignored, sizeof ignored);
        }
        if ((fds[0].revents & POLLIN) != 0) {
            len += read_some(sub, in + len, sizeof in - len);
            size_t taken = take_due(in, len, frame_len);
            memmove(in, in + taken, len - taken);
            len -= taken;
        }
    }
    print_samples("latency", total - samples_len);
    return 0;
}

/* --- routable --- */

static int routable(char **argv)
{
    unsigned sub_port = (unsigned)atoi(argv[0]);
    uint64_t count = strtoull(argv[2], NULL, 10);
    int sub = dial(sub_port);
    int pub = dial((unsigned)atoi(argv[1]));
    uint64_t lost = 0;
    char out[512];

    for (uint64_t i = 0; i < count; i++) {
        char topic[64];
        char mark[96];
        struct pollfd fd = {.fd = sub, .events = POLLIN};
        snprintf(topic, sizeof topic, "routable-%d-%" PRIu64, (int)getpid(), i);
        int n = snprintf(out, sizeof out, "SUBSCRIBE %s\r\n", topic);
        uint64_t start = now_ns();
        send_all(sub, out, (size_t)n);
        await(sub, ":1\r\n");
        sample(now_ns() - start);
        size_t len = make_publish(out, topic, 1);
        send_all(pub, out, len);
        await(pub, ":");
        if (poll(&fd, 1, 500) == 1) {
            snprintf(mark, sizeof mark, "%s\r\n$1\r\nx\r\n", topic);
            await(sub, mark);
        } else {
            lost++;
        }
        n = snprintf(out, sizeof out, "UNSUBSCRIBE %s\r\n", topic);
        send_all(sub, out, (size_t)n);
        await(sub, ":0\r\n");
    }
    print_samples("routable", lost);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 8 && strcmp(argv[1], "fanout") == 0) {
        return fanout(argv + 2);
    }
    if (argc == 6 && strcmp(argv[1], "latency") == 0) {
        return latency(argv + 2);
    }
    if (argc == 5 && strcmp(argv[1], "routable") == 0) {
        return routable(argv + 2);
    }
    fputs("usage: resp_bench fanout SUB_PORT PUB_PORT SUBS SIZE SECONDS PIDS\n"
          "       resp_bench latency SUB_PORT PUB_PORT RATE SECONDS\n"
          "       resp_bench routable SUB_PORT PUB_PORT COUNT\n",
          stderr);
    return 2;
}
