/* SPDX-License-Identifier: Apache-2.0
 *
 * The clients of tests/bench/memory. They connect to a node on this machine,
 * subscribe, and stay; what its process got larger by is printed.
 *
 *   bench_memory hold DOOR PORT PID CONNS TOPICS [same]
 *       each of CONNS connections has TOPICS subscriptions, to topics of its
 *       own or all to the same; DOOR is resp, ws or sse (one each)
 *   bench_memory stall DOOR PORT PID CONNS ITEMS one|each
 *       they do not read while a publisher goes on, ITEMS to each of them on a
 *       topic of its own, or eight times as many on one topic for all; beside
 *       them is one who reads another topic
 *
 * All figures in bytes, one line of KEY=VALUE. Blocking sockets; whatever goes
 * wrong ends the program with a sentence and exit code 1.
 */
#include "tests/bench/caller.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ANSWER_S = 20,
    QUIET_MS = 1500,      /* until the work of connecting is done */
    TOPICS_AT_ONCE = 100, /* subscribed to in one piece */
    STALLED_RCVBUF = 4096,
    VALUE_LEN = 1000,
    PIPELINED = 64,
    LOOKS_MAX = 4096, /* of the one who is not to be hurt */
};

static const char *port;
static const char *pid;

/* The number behind `key` in a file of /proc; 0: not there. */
static uint64_t proc_number(const char *path, const char *key)
{
    char text[8192];
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        die(path);
    }
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *at = strstr(text, key);
    return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 10);
}

static uint64_t resident(void)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%s/status", pid);
    return proc_number(path, "VmRSS:") * 1024;
}

/* Of all TCP sockets of the machine. */
static uint64_t kernel(void)
{
    return proc_number("/proc/net/sockstat", " mem ") * 4096;
}

/* Reads until `mark` came `times` times. A mark in two pieces is found. */
static void await(int fd, const char *mark, unsigned times)
{
    char got[8192];
    size_t mark_len = strlen(mark);
    size_t len = 0;

    while (times > 0) {
        errno = 0;
        ssize_t n = recv(fd, got + len, sizeof got - len, 0);
        if (n <= 0) {
            int error = errno;
            fprintf(stderr, "TCP of this machine has %" PRIu64 " bytes\n",
                    kernel());
            errno = error;
            die("no answer");
        }
        len += (size_t)n;
        char *at = got;
        char *found;
        while (times > 0 && (found = memmem(at, len - (size_t)(at - got), mark,
                                            mark_len)) != NULL) {
            at = found + mark_len;
            times--;
        }
        size_t rest = len - (size_t)(at - got);
        size_t kept = rest < mark_len - 1 ? rest : mark_len - 1;
        memmove(got, got + len - kept, kept);
        len = kept;
    }
}

static void say_message(int fd, const char *text)
{
    char frame[256];
    size_t len = strlen(text);

    if (len > 125) {
        die("too long a message");
    }
    frame[0] = (char)0x81;
    frame[1] = (char)(0x80 | len);
    memset(frame + 2, 0, 4); /* the mask changes nothing */
    memcpy(frame + 6, text, len);
    say(fd, frame, len + 6);
}

static void subscribe_ws(int fd, const char *topic)
{
    static const char request[] =
        "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    char text[128];

    say(fd, request, sizeof request - 1);
    await(fd, "welcome", 1);
    (void)snprintf(text, sizeof text,
                   "{\"op\":\"subscribe\",\"id\":1,\"cache\":\"default\","
                   "\"topic\":\"%s\"}",
                   topic);
    say_message(fd, text);
    await(fd, "subscribed", 1);
}

static void subscribe_sse(int fd, const char *topic)
{
    char text[256];

    (void)snprintf(text, sizeof text,
                   "GET /topics/default/%s HTTP/1.1\r\nHost: localhost\r\n"
                   "Accept: text/event-stream\r\n\r\n",
                   topic);
    say(fd, text, strlen(text));
    await(fd, "id: ", 1);
}

/* `len` topics from `first` on. */
static void subscribe_resp(int fd, const char *names, unsigned first,
                           unsigned len)
{
    static char text[TOPICS_AT_ONCE * 48];

    for (unsigned done = 0; done < len;) {
        unsigned part = len - done < TOPICS_AT_ONCE ? len - done
                                                    : TOPICS_AT_ONCE;
        size_t at = 0;
        for (unsigned i = 0; i < part; i++) {
            at += (size_t)snprintf(text + at, sizeof text - at,
                                   "SUBSCRIBE %s%u\r\n", names,
                                   first + done + i);
        }
        say(fd, text, at);
        await(fd, "subscribe\r\n", part);
        done += part;
    }
}

static void subscribe(int fd, const char *door, const char *names,
                      unsigned first, unsigned len)
{
    char topic[64];

    (void)snprintf(topic, sizeof topic, "%s%u", names, first);
    if (strcmp(door, "ws") == 0) {
        subscribe_ws(fd, topic);
    } else if (strcmp(door, "sse") == 0) {
        subscribe_sse(fd, topic);
    } else {
        subscribe_resp(fd, names, first, len);
    }
}

static void rest_ms(unsigned ms)
{
    (void)poll(NULL, 0, (int)ms);
}

/* --- hold --- */

static int hold(char **argv, int argc)
{
    unsigned conns = number(argv[4]);
    unsigned topics = number(argv[5]);
    bool same = argc > 6;
    uint64_t before = resident();
    uint64_t kernel_before = kernel();

    caller_stage("those who stay");
    for (unsigned c = 0; c < conns; c++) {
        int fd = dial(port, ANSWER_S, 0);
        subscribe(fd, argv[1], "c", same ? 0 : c * topics, topics);
    }
    rest_ms(QUIET_MS);
    uint64_t after = resident();
    printf("conns=%u topics=%u before=%" PRIu64 " after=%" PRIu64
           " kernel=%" PRId64 " each_conn=%.0f each_sub=%.1f\n",
           conns, topics, before, after, (int64_t)(kernel() - kernel_before),
           (double)(after - before) / conns,
           (double)(after - before) / conns / topics);
    return 0;
}

/* --- stall --- */

struct look {
    int sub;
    int pub;
    uint64_t us[LOOKS_MAX];
    unsigned len;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* One item of another topic, there and back: who reads is to feel nothing. */
static void look(struct look *l)
{
    static const char item[] = "PUBLISH healthy 0\r\n";
    uint64_t start = now_us();

    caller_stage("the one who reads");
    say(l->pub, item, sizeof item - 1);
    await(l->sub, "message\r\n$7\r\nhealthy\r\n$1\r\n0\r\n", 1);
    if (l->len < LOOKS_MAX) {
        l->us[l->len++] = now_us() - start;
    }
    await(l->pub, "\n", 1);
    caller_stage("the publisher");
}

static void publish(int fd, unsigned topics, uint64_t *published)
{
    static char text[PIPELINED * (VALUE_LEN + 96)];
    static char value[VALUE_LEN + 1];
    size_t len = 0;

    memset(value, 'x', VALUE_LEN);
    for (unsigned i = 0; i < PIPELINED; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "*3\r\n$7\r\nPUBLISH\r\n$9\r\nt%08u\r\n"
                                "$%d\r\n%s\r\n",
                                (unsigned)(*published % topics), VALUE_LEN,
                                value);
        ++*published;
    }
    say(fd, text, len);
    await(fd, "\n", PIPELINED);
}

static void stall_all(const char *door, unsigned conns, unsigned topics)
{
    for (unsigned c = 0; c < conns; c++) {
        char name[32];
        int fd = dial(port, ANSWER_S, STALLED_RCVBUF);
        /* Eight digits, as it is published. */
        (void)snprintf(name, sizeof name, "t%07u", c % topics / 10);
        subscribe(fd, door, name, c % topics % 10, 1);
    }
}

static int stall(char **argv)
{
    unsigned conns = number(argv[4]);
    bool each = strcmp(argv[6], "each") == 0;
    uint64_t items = (uint64_t)number(argv[5]) * (each ? conns : 8);
    unsigned topics = each ? conns : 1;
    static struct look healthy;
    uint64_t published = 0;
    uint64_t most = 0;

    caller_stage("those who stall");
    stall_all(argv[1], conns, topics);
    healthy.sub = dial(port, ANSWER_S, 0);
    say(healthy.sub, "SUBSCRIBE healthy\r\n", 19);
    await(healthy.sub, "subscribe\r\n", 1);
    healthy.pub = dial(port, ANSWER_S, 0);
    rest_ms(QUIET_MS);
    uint64_t before = resident();
    uint64_t kernel_before = kernel();
    uint64_t kernel_most = kernel_before;
    int publisher = dial(port, ANSWER_S, 0);
    while (published < items) {
        for (int i = 0; i < 4; i++) {
            publish(publisher, topics, &published);
        }
        look(&healthy);
        uint64_t now = resident();
        uint64_t in_kernel = kernel();
        most = now > most ? now : most;
        kernel_most = in_kernel > kernel_most ? in_kernel : kernel_most;
    }
    qsort(healthy.us, healthy.len, sizeof healthy.us[0], compare);
    printf("conns=%u topics=%u published=%" PRIu64 " before=%" PRIu64
           " most=%" PRIu64 " kernel_most=%" PRIu64 " healthy=%u"
           " healthy_p50_us=%" PRIu64 " healthy_p99_us=%" PRIu64
           " healthy_max_us=%" PRIu64 "\n",
           conns, topics, published, before, most, kernel_most - kernel_before,
           healthy.len, healthy.us[healthy.len / 2],
           healthy.us[healthy.len - 1 - healthy.len / 100],
           healthy.us[healthy.len - 1]);
    return 0;
}

int main(int argc, char **argv)
{
    struct rlimit files;

    if (argc < 7) {
        fputs("usage: see the top of tests/bench/memory.c\n", stderr);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    port = argv[3];
    pid = argv[4];
    return strcmp(argv[1], "hold") == 0 ? hold(argv + 1, argc - 1)
                                        : stall(argv + 1);
}
