/* SPDX-License-Identifier: Apache-2.0 */
#include "node/notify.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/bytes.h"

enum {
    EVERY_MS = 1000, /* without a watchdog, or with a patient one */
    LINE_MAX_LEN = 256,
};

struct beat {
    uint64_t at_ms; /* 0: none yet */
    struct notify_state state;
};

struct notify {
    int fd;
    struct sockaddr_un to;
    socklen_t to_len;
    uint64_t watchdog_ms; /* 0: none */
    pthread_mutex_t lock; /* all below */
    bool ready;           /* said */
    bool stopping;
    bool reloading;
    char status[LINE_MAX_LEN]; /* said last */
    size_t len;
    struct beat beats[];
};

static bool read_address(struct notify *notify, const char *name);
static uint64_t read_watchdog_ms(void);
static void send_line(const struct notify *notify, const char *line);
static void say_all(struct notify *notify, uint64_t now_ms);
static struct notify_state sum_of(const struct notify *notify);
static bool all_beat(const struct notify *notify, uint64_t now_ms);

struct notify *notify_open(size_t workers)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct notify *notify = calloc(1, sizeof *notify +
                                          workers * sizeof(struct beat));

    if (name == NULL || notify == NULL || !read_address(notify, name)) {
        free(notify);
        return NULL;
    }
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notify->fd < 0 || pthread_mutex_init(&notify->lock, NULL) != 0) {
        (void)close(notify->fd);
        free(notify);
        return NULL;
    }
    notify->len = workers;
    notify->watchdog_ms = read_watchdog_ms();
    return notify;
}

void notify_close(struct notify *notify)
{
    if (notify != NULL) {
        (void)close(notify->fd);
        pthread_mutex_destroy(&notify->lock);
        free(notify);
    }
}

/* "/run/systemd/notify", or "@name" without a file. */
static bool read_address(struct notify *notify, const char *name)
{
    size_t len = strlen(name);

    if (len < 2 || len >= sizeof notify->to.sun_path ||
        (name[0] != '/' && name[0] != '@')) {
        return false;
    }
    notify->to.sun_family = AF_UNIX;
    memcpy(notify->to.sun_path, name, len);
    notify->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (name[0] == '@') {
        notify->to.sun_path[0] = '\0';
    }
    return true;
}

/* Of this process, not of one that started it. */
static uint64_t read_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    uint64_t number = 0;

    if (pid != NULL && (bytes_u64(bytes_str(pid), &number) != 0 ||
                        number != (uint64_t)getpid())) {
        return 0;
    }
    if (usec == NULL || bytes_u64(bytes_str(usec), &number) != 0) {
        return 0;
    }
    return number < 4000 ? number > 0 : number / 1000;
}

uint64_t notify_every_ms(const struct notify *notify)
{
    if (notify == NULL) {
        return 0;
    }
    uint64_t third = notify->watchdog_ms / 3 + 1;
    return notify->watchdog_ms > 0 && third < EVERY_MS ? third : EVERY_MS;
}

/* Nothing is done about a manager that does not take it. */
static void send_line(const struct notify *notify, const char *line)
{
    (void)sendto(notify->fd, line, strlen(line), MSG_NOSIGNAL,
                 (const struct sockaddr *)&notify->to, notify->to_len);
}

static void lock(struct notify *notify)
{
    int rc = pthread_mutex_lock(&notify->lock);
    assert(rc == 0);
}

static void unlock(struct notify *notify)
{
    int rc = pthread_mutex_unlock(&notify->lock);
    assert(rc == 0);
}

void notify_beat(struct notify *notify, size_t worker,
                 const struct notify_state *state, uint64_t now_ms)
{
    if (notify == NULL) {
        return;
    }
    lock(notify);
    assert(worker < notify->len);
    notify->beats[worker] = (struct beat){.at_ms = now_ms, .state = *state};
    if (worker == 0) {
        say_all(notify, now_ms);
    }
    unlock(notify);
}

static void say_all(struct notify *notify, uint64_t now_ms)
{
    struct notify_state sum = sum_of(notify);
    char status[LINE_MAX_LEN];

    if (sum.ready && !notify->ready && !notify->stopping) {
        notify->ready = true;
        send_line(notify, "READY=1");
    }
    (void)snprintf(status, sizeof status,
                   "STATUS=%s, %" PRIu64 " nodes, %" PRIu64 " connections",
                   sum.draining ? "draining"
                   : sum.ready  ? "ready"
                                : "joining",
                   sum.nodes, sum.conns);
    if (strcmp(status, notify->status) != 0) {
        memcpy(notify->status, status, sizeof status);
        send_line(notify, status);
    }
    if (notify->watchdog_ms > 0 && all_beat(notify, now_ms)) {
        send_line(notify, "WATCHDOG=1");
    }
}

static struct notify_state sum_of(const struct notify *notify)
{
    struct notify_state sum = {.ready = true};

    for (size_t i = 0; i < notify->len; i++) {
        const struct notify_state *one = &notify->beats[i].state;
        sum.ready = sum.ready && one->ready;
        sum.draining = sum.draining || one->draining;
        sum.conns += one->conns;
        sum.nodes = one->nodes > sum.nodes ? one->nodes : sum.nodes;
    }
    return sum;
}

/* Who has not begun is not late; who has ended beats no more, which is right
 * once the process drains. */
static bool all_beat(const struct notify *notify, uint64_t now_ms)
{
    for (size_t i = 0; i < notify->len && !notify->stopping; i++) {
        uint64_t at_ms = notify->beats[i].at_ms;
        if (at_ms != 0 && at_ms + notify->watchdog_ms < now_ms) {
            return false;
        }
    }
    return true;
}

void notify_reloading(struct notify *notify)
{
    char line[LINE_MAX_LEN];
    struct timespec now;

    if (notify == NULL) {
        return;
    }
    lock(notify);
    if (notify->ready && !notify->stopping) {
        notify->reloading = true;
        clock_gettime(CLOCK_MONOTONIC, &now);
        (void)snprintf(
            line, sizeof line, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
            (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
        send_line(notify, line);
    }
    unlock(notify);
}

void notify_reloaded(struct notify *notify)
{
    if (notify == NULL) {
        return;
    }
    lock(notify);
    if (notify->reloading && !notify->stopping) {
        send_line(notify, "READY=1");
    }
    notify->reloading = false;
    unlock(notify);
}

void notify_stopping(struct notify *notify)
{
    if (notify == NULL) {
        return;
    }
    lock(notify);
    if (!notify->stopping) {
        notify->stopping = true;
        send_line(notify, "STOPPING=1");
    }
    unlock(notify);
}
