/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "node/conn/tls.h"
#include "proto/err.h"

enum {
    READ_LEN = 64 << 10
};

uint64_t link_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t link_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static char why[TLS_WHY_MAX]; /* see link_why() */

const char *link_why(void)
{
    return why;
}

int link_url_read(const char *text, struct link_url *url)
{
    bool tls = strncmp(text, "https://", 8) == 0;
    struct link_url u = {.tls = tls};

    if (!tls && strncmp(text, "http://", 7) != 0) {
        return ERR_ARGUMENT;
    }
    strcpy(u.port, tls ? "443" : "80");
    text += tls ? 8 : 7;
    size_t len = strcspn(text, "/?#");
    if (len == 0 || len >= LINK_HOST_MAX || strchr(text, '@') != NULL) {
        return ERR_ARGUMENT;
    }
    memcpy(u.authority, text, len);
    struct bytes rest = bytes_of(text, len);
    bool bracket = rest.p[0] == '[';
    ptrdiff_t host_len = bytes_find(rest, bracket ? ']' : ':');
    size_t host_at = bracket ? 1 : 0;
    size_t host_end = host_len < 0 ? len : (size_t)host_len;
    if (host_end <= host_at || (bracket && host_len < 0)) {
        return ERR_ARGUMENT;
    }
    memcpy(u.host, text + host_at, host_end - host_at);
    rest = bytes_skip(rest, host_end + (bracket ? 1 : 0));
    if (rest.len > 0) {
        uint64_t port;
        if (rest.p[0] != ':' || rest.len > 6 ||
            bytes_u64(bytes_skip(rest, 1), &port) != 0 || port > UINT16_MAX) {
            return ERR_ARGUMENT;
        }
        memset(u.port, 0, sizeof u.port);
        memcpy(u.port, rest.p + 1, rest.len - 1);
    }
    *url = u;
    return 0;
}

/* Waits until fd is ready for `events`. */
static int wait_for(int fd, short events, unsigned wait_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;

    do {
        n = poll(&p, 1, (int)wait_ms);
    } while (n < 0 && errno == EINTR);
    return n == 0 ? ERR_TIMEOUT : n < 0 ? ERR_IO : 0;
}

static int shake(struct link *link, unsigned wait_ms);

/* 0 = connected, 1 = under way. */
static int begin_connect(int *fd, const struct sockaddr *to, socklen_t len)
{
    int one = 1;

    *fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) {
        return ERR_IO;
    }
    (void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(*fd, to, len) == 0) {
        return 0;
    }
    if (errno == EINPROGRESS) {
        return 1;
    }
    close(*fd);
    *fd = -1;
    return ERR_IO;
}

static int end_connect(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0
               ? ERR_IO
               : 0;
}

static int connect_one(const struct addrinfo *to, unsigned wait_ms)
{
    int fd;
    int rc = begin_connect(&fd, to->ai_addr, to->ai_addrlen);

    if (rc > 0) {
        rc = wait_for(fd, POLLOUT, wait_ms);
        if (rc == 0) {
            rc = end_connect(fd);
        }
        if (rc != 0) {
            close(fd);
        }
    }
    return rc == 0 ? fd : rc;
}

/* The authorities: one reading of them for all links of the process. */
static int trust(struct tls_context **context)
{
    static struct tls_context *all;
    const char *ca = getenv("STARLING_CA");
    int rc = 0;

    if (all == NULL) {
        rc = tls_trust(&all, ca != NULL && ca[0] != '\0' ? ca : NULL, why);
    }
    *context = all;
    return rc;
}

static int link_init(struct link *link, const struct link_url *url)
{
    struct tls_context *context;

    *link = (struct link){.fd = -1, .in = {.max = LINK_IN_MAX}};
    if (!url->tls) {
        return 0;
    }
    int rc = trust(&context);
    if (rc == 0) {
        link->tls = tls_new(context, url->host);
    }
    return rc != 0 ? rc : link->tls == NULL ? ERR_NOMEM : 0;
}

int link_open(struct link *link, const struct link_url *url, unsigned wait_ms)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *all = NULL;
    int fd = ERR_IO;
    int rc = link_init(link, url);

    if (rc != 0) {
        return rc;
    }
    if (getaddrinfo(url->host, url->port, &hints, &all) == 0) {
        for (struct addrinfo *a = all; a != NULL && fd < 0; a = a->ai_next) {
            fd = connect_one(a, wait_ms);
        }
        freeaddrinfo(all);
    }
    if (fd >= 0) {
        link->fd = fd;
        rc = link->tls == NULL ? 0 : shake(link, wait_ms);
    }
    if (fd < 0 || rc != 0) {
        link_close(link);
    }
    return fd < 0 ? fd : rc;
}

int link_url_find(struct link_url *url, unsigned wait_ms)
{
    struct link link;
    int rc = link_open(&link, url, wait_ms);

    if (rc == 0) {
        url->address_len = sizeof url->address;
        if (getpeername(link.fd, (struct sockaddr *)&url->address,
                        &url->address_len) != 0) {
            rc = ERR_IO;
        }
        link_close(&link);
    }
    return rc;
}

int link_begin(struct link *link, const struct link_url *url)
{
    int rc = link_init(link, url);

    if (rc == 0) {
        rc = begin_connect(&link->fd, (const struct sockaddr *)&url->address,
                           url->address_len);
    }
    if (rc < 0) {
        link_close(link);
    }
    return rc < 0 ? rc : 0;
}

short link_waits_for(const struct link *link)
{
    return link->connected ? POLLIN : POLLOUT;
}

int link_connected(struct link *link)
{
    if (!link->connected) {
        int rc = wait_for(link->fd, POLLOUT, 0);
        if (rc == ERR_TIMEOUT) {
            return 0;
        }
        if (rc != 0 || end_connect(link->fd) != 0) {
            return ERR_IO;
        }
        link->connected = true;
    }
    if (link->tls == NULL) {
        return 1;
    }
    int rc = shake(link, 0);
    return rc == ERR_TIMEOUT ? 0 : rc == 0 ? 1 : rc;
}

void link_close(struct link *link)
{
    struct buf out = {0};

    if (link->fd >= 0) {
        if (link->tls != NULL) { /* politely, if it can be said at once */
            tls_end(link->tls, &out);
            (void)send(link->fd, out.p, out.len, MSG_NOSIGNAL);
        }
        close(link->fd);
    }
    link->fd = -1;
    tls_free(link->tls);
    link->tls = NULL;
    buf_fini(&out);
    buf_fini(&link->in);
}

static int send_all(const struct link *link, struct bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(link->fd, bytes.p, bytes.len, MSG_NOSIGNAL);
        if (n >= 0) {
            bytes = bytes_skip(bytes, (size_t)n);
        } else if (errno == EAGAIN) {
            int rc = wait_for(link->fd, POLLOUT, LINK_WAIT_MS);
            if (rc != 0) {
                return rc;
            }
        } else if (errno != EINTR) {
            return ERR_IO;
        }
    }
    return 0;
}

int link_write(struct link *link, struct bytes bytes)
{
    struct buf out = {0};

    if (link->tls == NULL) {
        return send_all(link, bytes);
    }
    int rc = tls_write(link->tls, bytes, &out);
    if (rc == 0) {
        rc = send_all(link, buf_bytes(&out));
    }
    buf_fini(&out);
    return rc;
}

/* As recv(), within wait_ms. */
static ptrdiff_t receive(const struct link *link, uint8_t *to, unsigned wait_ms)
{
    for (;;) {
        ssize_t n = recv(link->fd, to, READ_LEN, 0);
        if (n >= 0) {
            return n;
        }
        if (errno == EAGAIN) {
            int rc = wait_for(link->fd, POLLIN, wait_ms);
            if (rc != 0) {
                return rc;
            }
        } else if (errno != EINTR) {
            return ERR_IO;
        }
    }
}

/* Opens what came into link->in and sends what TLS has to say. Returns how many
 * plain bytes. */
static ptrdiff_t open_bytes(struct link *link, struct bytes sealed)
{
    size_t before = link->in.len;
    struct buf out = {0};
    ptrdiff_t n;

    do {
        uint8_t *to = buf_reserve(&link->in, READ_LEN);
        if (to == NULL) {
            buf_fini(&out);
            return ERR_TOO_BIG;
        }
        n = tls_read(link->tls, &sealed, to, READ_LEN, &out);
        link->in.len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    int rc = send_all(link, buf_bytes(&out));
    buf_fini(&out);
    if (n < 0) {
        (void)snprintf(why, sizeof why, "%s", tls_why(link->tls));
        return n;
    }
    return rc != 0 ? rc : (ptrdiff_t)(link->in.len - before);
}

/* The rest of the handshake. */
static int shake(struct link *link, unsigned wait_ms)
{
    uint8_t sealed[READ_LEN];
    ptrdiff_t n = open_bytes(link, (struct bytes){0});

    link->connected = true;
    while (n >= 0 && !tls_is_shaken(link->tls)) {
        n = receive(link, sealed, wait_ms);
        if (n == 0) {
            return ERR_IO;
        }
        if (n > 0) {
            n = open_bytes(link, bytes_of(sealed, (size_t)n));
        }
    }
    return n < 0 ? (int)n : 0;
}

ptrdiff_t link_read(struct link *link, unsigned wait_ms)
{
    uint8_t sealed[READ_LEN];
    ptrdiff_t n;

    if (link->tls == NULL) {
        uint8_t *to = buf_reserve(&link->in, READ_LEN);
        n = to == NULL ? ERR_TOO_BIG : receive(link, to, wait_ms);
        link->in.len += n > 0 ? (size_t)n : 0;
        return n;
    }
    do { /* until there is something but words of TLS's own */
        n = receive(link, sealed, wait_ms);
        if (n <= 0) {
            return n;
        }
        n = open_bytes(link, bytes_of(sealed, (size_t)n));
    } while (n == 0 && !tls_has_ended(link->tls));
    return n;
}
