/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_scaling PORT PID CONNS TOPICS ORDER BATCH SECONDS: what a delivery
 * costs the node of process PID, in nanoseconds of CPU (tests/bench/scaling).
 *
 * Each of CONNS connections has TOPICS topics of its own; one publisher goes
 * round all topics, BATCH of them at once, which the node reads in one turn,
 * and waits until all have arrived: so the work of a turn is the same, however
 * fast the reader is. ORDER is
 *
 *   along    the topics of a connection, one after another
 *   across   one of each connection, then the next one of each
 *   shared   there is one topic, and all connections have it
 *
 * RESP, values of 64 bytes, names of one length: each delivery is as long.
 */
#include "tests/bench/caller.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ANSWER_S = 30,
    BATCH_MAX = 256,
    AT_ONCE = 100, /* subscribed to in one piece */
    WARM_PART = 4, /* of the time, before it counts */
};

#define VALUE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
/* "t" and seven digits in all of them. */
#define PUBLISH "*3\r\n$7\r\nPUBLISH\r\n$8\r\nt%07u\r\n$64\r\n" VALUE "\r\n"
#define MESSAGE "*3\r\n$7\r\nmessage\r\n$8\r\nt0000000\r\n$64\r\n" VALUE "\r\n"

enum order {
    ALONG,
    ACROSS,
    SHARED
};

struct run {
    const char *port;
    const char *pid;
    unsigned conns;
    unsigned topics;
    enum order order;
    unsigned batch;
    uint64_t us;
    int *fds;
    int publisher;
    uint64_t published;
};

/* Of all threads, as the scheduler counts it. */
static uint64_t cpu_ns(const char *pid)
{
    char path[300];
    uint64_t sum = 0;
    const struct dirent *entry;

    (void)snprintf(path, sizeof path, "/proc/%s/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) {
        die(path);
    }
    while ((entry = readdir(tasks)) != NULL) {
        uint64_t ns = 0;
        (void)snprintf(path, sizeof path, "/proc/%s/task/%s/schedstat", pid,
                       entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file != NULL) {
            sum += fscanf(file, "%" SCNu64, &ns) == 1 ? ns : 0;
            fclose(file);
        }
    }
    closedir(tasks);
    return sum;
}

static void hear(int fd, size_t len)
{
    static char got[256 << 10];

    while (len > 0) {
        errno = 0;
        ssize_t n = recv(fd, got, len < sizeof got ? len : sizeof got, 0);
        if (n <= 0) {
            die("no delivery");
        }
        len -= (size_t)n;
    }
}

/* `times` lines that begin with ':'; each ends what was asked. */
static void hear_replies(int fd, unsigned times)
{
    char got[8192];

    while (times > 0) {
        errno = 0;
        ssize_t n = recv(fd, got, sizeof got, 0);
        if (n <= 0) {
            die("no reply");
        }
        for (ssize_t i = 0; i < n; i++) {
            times -= got[i] == ':';
        }
    }
}

/* --- setting up --- */

static void subscribe(int fd, unsigned first, unsigned len)
{
    static char text[AT_ONCE * 32];

    while (len > 0) {
        unsigned part = len < AT_ONCE ? len : AT_ONCE;
        size_t at = 0;
        for (unsigned i = 0; i < part; i++) {
            at += (size_t)snprintf(text + at, sizeof text - at,
                                   "SUBSCRIBE t%07u\r\n", first + i);
        }
        say(fd, text, at);
        hear_replies(fd, part); /* each ends with ":1" */
        first += part;
        len -= part;
    }
}

static void open_conns(struct run *run)
{
    run->fds = calloc(run->conns, sizeof *run->fds);
    if (run->fds == NULL) {
        die("memory");
    }
    for (unsigned c = 0; c < run->conns; c++) {
        run->fds[c] = dial(run->port, ANSWER_S, 0);
        subscribe(run->fds[c], run->order == SHARED ? 0 : c * run->topics,
                  run->topics);
        char rest[4096]; /* what came behind the last ':' */
        (void)recv(run->fds[c], rest, sizeof rest, MSG_DONTWAIT);
    }
    run->publisher = dial(run->port, ANSWER_S, 0);
}

/* --- a turn --- */

static unsigned topic_of(const struct run *run, uint64_t n)
{
    uint64_t all = (uint64_t)run->conns * run->topics;

    if (run->order == SHARED) {
        return 0;
    }
    if (run->order == ALONG) {
        return (unsigned)(n % all);
    }
    return (unsigned)(n % run->conns * run->topics +
                      n / run->conns % run->topics);
}

static void turn(struct run *run)
{
    static char text[BATCH_MAX * (sizeof PUBLISH + 8)];
    unsigned topics[BATCH_MAX];
    size_t len = 0;

    for (unsigned i = 0; i < run->batch; i++) {
        topics[i] = topic_of(run, run->published++);
        len += (size_t)snprintf(text + len, sizeof text - len, PUBLISH,
                                topics[i]);
    }
    say(run->publisher, text, len);
    hear_replies(run->publisher, run->batch);
    for (unsigned i = 0; i < run->batch && run->order != SHARED; i++) {
        hear(run->fds[topics[i] / run->topics], sizeof MESSAGE - 1);
    }
    for (unsigned c = 0; c < run->conns && run->order == SHARED; c++) {
        hear(run->fds[c], run->batch * (sizeof MESSAGE - 1));
    }
}

static void turns_for(struct run *run, uint64_t us)
{
    uint64_t end = now_us() + us;

    while (now_us() < end) {
        turn(run);
    }
}

static void measure(struct run *run)
{
    turns_for(run, run->us / WARM_PART);
    uint64_t published = run->published;
    uint64_t cpu = cpu_ns(run->pid);
    turns_for(run, run->us);
    cpu = cpu_ns(run->pid) - cpu;
    published = run->published - published;
    uint64_t deliveries = published * (run->order == SHARED ? run->conns : 1);
    printf("{\"conns\":%u,\"topics\":%u,\"batch\":%u,\"published\":%" PRIu64
           ",\"delivered\":%" PRIu64 ",\"cpu_ns_per_delivery\":%.1f}\n",
           run->conns, run->topics, run->batch, published, deliveries,
           (double)cpu / (double)deliveries);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct run run = {0};

    if (argc != 8) {
        fputs("usage: see the top of tests/bench/scaling.c\n", stderr);
        return 2;
    }
    run.port = argv[1];
    run.pid = argv[2];
    run.conns = number(argv[3]);
    run.topics = number(argv[4]);
    run.order = strcmp(argv[5], "along") == 0    ? ALONG
                : strcmp(argv[5], "across") == 0 ? ACROSS
                                                 : SHARED;
    run.batch = number(argv[6]);
    run.us = (uint64_t)number(argv[7]) * 1000000;
    if (run.batch > BATCH_MAX || (run.order == SHARED && run.topics != 1) ||
        (uint64_t)run.conns * run.topics > 9999999) {
        die("too many");
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    open_conns(&run);
    measure(&run);
    return 0;
}
