/* SPDX-License-Identifier: Apache-2.0
 *
 * mqtt_idle PORT CONNECTIONS SECONDS PID: what `starling bench connections`
 * does, for a broker of MQTT 3.1.1 on this machine: that many connections with
 * a subscription each, then nothing. One line of JSON.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    AT_ONCE = 64, /* mosquitto's backlog is 100 */
    CONNACK_LEN = 4,
    SUBACK_LEN = 5,
    ANSWER_LEN = CONNACK_LEN + SUBACK_LEN,
    NAME_LEN = 6,
    HELLO_MAX = 64,
    QUIET_MS = 1000, /* until the work of connecting is done */
    ANSWER_MS = 10000,
    EVENTS = 256,
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void sleep_ms(int ms)
{
    (void)poll(NULL, 0, ms);
}

/* The first number of a field of /proc/PID. */
static uint64_t field_of(const char *pid, const char *file, const char *field)
{
    char path[64];
    char line[256];
    uint64_t value = 0;

    (void)snprintf(path, sizeof path, "/proc/%s/%s", pid, file);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        die(path);
    }
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0) {
            value = strtoull(line + strlen(field), NULL, 10);
            break;
        }
    }
    (void)fclose(f);
    return value;
}

static uint64_t resident_len(const char *pid)
{
    return field_of(pid, "status", "VmRSS:") * 1024;
}

/* Mosquitto is one thread. */
static uint64_t cpu_ns(const char *pid)
{
    return field_of(pid, "schedstat", "");
}

/* CONNECT and SUBSCRIBE in one go, each with a name of its own. */
static size_t make_hello(uint8_t *out, unsigned number)
{
    static const uint8_t connect_head[] = {
        0x10, 12 + NAME_LEN, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, NAME_LEN};
    static const uint8_t subscribe_head[] = {0x82, 5 + NAME_LEN, 0, 1,
                                             0,    NAME_LEN};
    char name[NAME_LEN + 1];
    uint8_t *p = out;

    (void)snprintf(name, sizeof name, "%06u", number % 1000000);
    memcpy(p, connect_head, sizeof connect_head);
    p += sizeof connect_head;
    memcpy(p, name, NAME_LEN);
    p += NAME_LEN;
    memcpy(p, subscribe_head, sizeof subscribe_head);
    p += sizeof subscribe_head;
    memcpy(p, name, NAME_LEN);
    p += NAME_LEN;
    *p++ = 0;
    return (size_t)(p - out);
}

static void dial(int epoll, const char *port, unsigned number)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int one = 1;
    uint8_t hello[HELLO_MAX];
    size_t len = make_hello(hello, number);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        die("connect");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0 ||
        write(fd, hello, len) != (ssize_t)len) {
        die("greeting");
    }
}

/* Both answers may come in pieces: true when this one completes them. */
static bool is_answered(int epoll, int fd)
{
    uint8_t answer[ANSWER_LEN];
    ssize_t n = recv(fd, answer, sizeof answer, MSG_PEEK);

    if (n <= 0) {
        die("the broker closed a connection");
    }
    if (n < ANSWER_LEN) {
        return false;
    }
    if (answer[0] != 0x20 || answer[3] != 0 || answer[CONNACK_LEN] != 0x90 ||
        answer[ANSWER_LEN - 1] != 0) {
        die("the broker refused");
    }
    (void)recv(fd, answer, sizeof answer, 0);
    (void)epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
    return true;
}

static void connect_all(const char *port, unsigned conns)
{
    struct epoll_event events[EVENTS];
    unsigned asked = 0;
    unsigned answered = 0;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    while (answered < conns) {
        while (asked < conns && asked - answered < AT_ONCE) {
            dial(epoll, port, asked++);
        }
        int n = epoll_wait(epoll, events, EVENTS, ANSWER_MS);
        if (n <= 0) {
            die("no answer");
        }
        for (int i = 0; i < n; i++) {
            answered += is_answered(epoll, events[i].data.fd);
        }
    }
    (void)close(epoll);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        (void)fputs("usage: mqtt_idle PORT CONNECTIONS SECONDS PID\n", stderr);
        return 2;
    }
    unsigned conns = (unsigned)strtoul(argv[2], NULL, 10);
    int idle_ms = (int)(strtod(argv[3], NULL) * 1000);
    const char *pid = argv[4];
    uint64_t before = resident_len(pid);
    uint64_t start = now_ns();

    connect_all(argv[1], conns); /* they end with this process */
    uint64_t took = now_ns() - start;
    sleep_ms(QUIET_MS);
    uint64_t after = resident_len(pid);
    uint64_t cpu = cpu_ns(pid);
    start = now_ns();
    sleep_ms(idle_ms);
    cpu = cpu_ns(pid) - cpu;
    printf("{\"mode\":\"connections\",\"door\":\"mqtt\",\"conns\":%u,"
           "\"connects_per_s\":%.0f,\"rss_bytes\":%" PRIu64
           ",\"rss_bytes_each\":%.0f,\"cpu_percent\":%.3f}\n",
           conns, (double)conns * 1e9 / (double)took, after,
           (double)(after - before) / (double)conns,
           (double)cpu * 100 / (double)(now_ns() - start));
    return 0;
}
