/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/generator.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SAMPLES_MAX = 1 << 22
};

uint64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void sleep_ms(unsigned ms)
{
    (void)poll(NULL, 0, (int)ms);
}

void die(const char *what)
{
    fprintf(stderr, "resp_bench: %s (%s)\n", what, strerror(errno));
    exit(1);
}

unsigned long number(const char *text)
{
    unsigned long n = strtoul(text, NULL, 10);

    if (n == 0) {
        die("an argument is no number above 0");
    }
    return n;
}

int dial(const char *port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)number(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        die("cannot connect");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

void send_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            die("cannot write");
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

size_t read_some(int fd, char *p, size_t cap)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    if (poll(&poll_fd, 1, ANSWER_MS) <= 0) {
        die("no answer in time");
    }
    ssize_t n = read(fd, p, cap);
    if (n <= 0) {
        die("connection lost");
    }
    return (size_t)n;
}

void await(int fd, const char *mark)
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

int subscribe(const char *port, const char *topic)
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

size_t make_publish(char *out, const char *topic, size_t size)
{
    int head = sprintf(out, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n",
                       strlen(topic), topic, size);
    size_t len = (size_t)head;

    memset(out + len, 'x', size);
    memcpy(out + len + size, "\r\n", 2);
    return len + size + 2;
}

size_t delivery_len(const char *topic, size_t size)
{
    int head = snprintf(NULL, 0,
                        "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n",
                        strlen(topic), topic, size);

    return (size_t)head + size + 2;
}

/* Adds up what is read from the files that `pattern` names below each of the
 * processes. */
static uint64_t sum_of(const char *pids, const char *pattern,
                       uint64_t (*read_file)(FILE *file))
{
    uint64_t sum = 0;
    char list[4096];
    char *rest = list;

    (void)snprintf(list, sizeof list, "%s", pids);
    for (char *pid = strsep(&rest, ","); pid != NULL;
         pid = strsep(&rest, ",")) {
        char path[512];
        glob_t found;
        (void)snprintf(path, sizeof path, "/proc/%s/%s", pid, pattern);
        if (glob(path, 0, NULL, &found) != 0) {
            die("no such process");
        }
        for (size_t i = 0; i < found.gl_pathc; i++) {
            FILE *file = fopen(found.gl_pathv[i], "re");
            if (file != NULL) {
                sum += read_file(file);
                fclose(file);
            }
        }
        globfree(&found);
    }
    return sum;
}

static uint64_t read_ran(FILE *file)
{
    uint64_t ran = 0;

    return fscanf(file, "%" SCNu64, &ran) == 1 ? ran : 0;
}

static uint64_t read_resident(FILE *file)
{
    uint64_t pages = 0;

    return fscanf(file, "%*u %" SCNu64, &pages) == 1
               ? pages * (uint64_t)sysconf(_SC_PAGESIZE)
               : 0;
}

uint64_t cpu_ns(const char *pids)
{
    return sum_of(pids, "task/*/schedstat", read_ran);
}

uint64_t resident_len(const char *pids)
{
    return sum_of(pids, "statm", read_resident);
}

static uint64_t samples[SAMPLES_MAX];
static size_t taken;

void sample(uint64_t ns)
{
    if (taken < SAMPLES_MAX) {
        samples[taken++] = ns;
    }
}

size_t samples_len(void)
{
    return taken;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return (*x > *y) - (*x < *y);
}

static double percentile_us(double p)
{
    if (taken == 0) {
        return 0;
    }
    return (double)samples[(size_t)((double)(taken - 1) * p)] / 1000;
}

void samples_print(void)
{
    qsort(samples, taken, sizeof samples[0], by_value);
    printf("\"samples\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,"
           "\"p999_us\":%.1f,\"max_us\":%.1f",
           taken, percentile_us(0.5), percentile_us(0.99), percentile_us(0.999),
           percentile_us(1));
}
