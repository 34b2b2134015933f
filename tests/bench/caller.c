/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static const char *at = "start";

void caller_stage(const char *stage)
{
    at = stage;
}

_Noreturn void die(const char *what)
{
    fprintf(stderr, "%s: %s: %s: %s\n", program_invocation_short_name, at, what,
            errno != 0 ? strerror(errno) : "end of file");
    exit(1);
}

uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

unsigned number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end != '\0' || n == 0 || n > 100000000) {
        die("a number is expected");
    }
    return (unsigned)n;
}

int dial(const char *port, int answer_s, int rcvbuf)
{
    const struct timeval wait = {.tv_sec = answer_s};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)number(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0) {
        die("socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (rcvbuf > 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf);
    }
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        die("connect");
    }
    return fd;
}

void say(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0) {
            die("send");
        }
        p += n;
        len -= (size_t)n;
    }
}
