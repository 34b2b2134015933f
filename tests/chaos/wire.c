/* SPDX-License-Identifier: Apache-2.0
 *
 * A network that can be broken: `wire NODES SEED`.
 *
 * Makes NODES network namespaces beside its own, a TUN device in each, and
 * carries IP packets between them: place 0 is the namespace it was started in
 * (10.77.0.100), place i has 10.77.0.i. It needs to be root there; root of a
 * user namespace is enough (tests/chaos/run).
 *
 * Prints `ready FD...`: a process enters place i by /proc/PID/fd/FD, PID being
 * the wire's. Then takes commands on standard input, and answers each with one
 * line. It ends when the input does.
 *
 *   set FROM TO [delay MS] [jitter MS] [loss PERCENT] [rate BYTES] [queue
 * BYTES] [cut]        what happens to packets of that direction from now on;
 *                    nothing named: they pass. `*` is every place.
 *   count            packets carried and dropped so far, one direction a word:
 *                    FROM>TO:CARRIED,DROPPED
 *
 * A direction keeps its order, jitter or not: reordering would look like loss
 * to TCP. What waits in it is bounded by `queue` bytes; the rest is dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    PLACES_MAX = 64,
    MTU = 1500,
    BURST = 64, /* packets of one place before the others get a turn */
    LINE_MAX_LEN = 256,
    CLIENTS_HOST = 100, /* last byte of the address of place 0 */
    QUEUE_LEN = 1 << 20
};

#define MS 1000000ull /* in ns */

struct packet {
    struct packet *next;
    uint64_t due_ns;
    size_t len;
    uint8_t bytes[];
};

struct direction {
    uint64_t delay_ns;
    uint64_t jitter_ns;
    uint64_t loss; /* of 10000 */
    uint64_t rate; /* bytes a second; 0 = no bound */
    uint64_t queue;
    bool cut;

    uint64_t free_ns; /* when the last byte has left, at `rate` */
    uint64_t last_ns; /* when the newest packet is due */
    size_t waiting;   /* bytes */
    struct packet *head;
    struct packet *tail;

    uint64_t carried;
    uint64_t dropped;
};

struct wire {
    size_t len; /* places */
    int tun[PLACES_MAX];
    struct direction way[PLACES_MAX][PLACES_MAX];
    uint64_t rng;
    char line[LINE_MAX_LEN]; /* a command that is not whole yet */
    size_t line_len;
};

static void fail(const char *what)
{
    fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* splitmix64 */
static uint64_t next_random(struct wire *w)
{
    uint64_t x = w->rng += 0x9e3779b97f4a7c15;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/* --- the places --- */

static void bring_up(int fd, const char *name)
{
    struct ifreq r = {0};

    (void)snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    r.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &r) != 0) {
        fail(name);
    }
}

static void set_address(int fd, unsigned long request, const char *name,
                        uint32_t address)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(address)};
    struct ifreq r = {0};

    (void)snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    memcpy(&r.ifr_addr, &to, sizeof to);
    if (ioctl(fd, request, &r) != 0) {
        fail("address");
    }
}

/* A device in the namespace this process is in now. */
static int open_tun(size_t place)
{
    uint32_t host = place == 0 ? CLIENTS_HOST : (uint32_t)place;
    struct ifreq r = {.ifr_name = "wire"};
    int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    r.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (tun < 0 || fd < 0 || ioctl(tun, TUNSETIFF, &r) != 0) {
        fail("/dev/net/tun");
    }
    set_address(fd, SIOCSIFADDR, "wire", 0x0a4d0000 | host);
    set_address(fd, SIOCSIFNETMASK, "wire", 0xffffff00);
    r.ifr_mtu = MTU;
    if (ioctl(fd, SIOCSIFMTU, &r) != 0) {
        fail("mtu");
    }
    bring_up(fd, "wire");
    bring_up(fd, "lo");
    close(fd);
    return tun;
}

static int open_own_namespace(void)
{
    int fd = open("/proc/self/ns/net", O_RDONLY);

    if (fd < 0) {
        fail("/proc/self/ns/net");
    }
    return fd;
}

static void make_places(struct wire *w)
{
    int home = open_own_namespace();

    w->tun[0] = open_tun(0);
    printf("ready");
    for (size_t i = 1; i < w->len; i++) {
        if (unshare(CLONE_NEWNET) != 0) {
            fail("a network namespace");
        }
        w->tun[i] = open_tun(i);
        printf(" %d", open_own_namespace());
    }
    printf("\n");
    if (setns(home, CLONE_NEWNET) != 0) {
        fail("back home");
    }
    close(home);
}

/* --- packets --- */

static void deliver(struct wire *w, struct direction *d, size_t to,
                    const uint8_t *bytes, size_t len)
{
    d->carried++;
    if (write(w->tun[to], bytes, len) < 0) {
        d->dropped++; /* its namespace has no memory for it */
    }
}

/* When a packet that comes now has to leave. */
static uint64_t due_ns(struct wire *w, struct direction *d, size_t len)
{
    uint64_t at = now_ns();

    if (d->rate > 0) {
        at = d->free_ns > at ? d->free_ns : at;
        d->free_ns = at += len * 1000000000 / d->rate;
    }
    at += d->delay_ns;
    at += d->jitter_ns > 0 ? next_random(w) % d->jitter_ns : 0;
    d->last_ns = at > d->last_ns ? at : d->last_ns;
    return d->last_ns;
}

static void wait_in(struct wire *w, struct direction *d, const uint8_t *bytes,
                    size_t len)
{
    struct packet *p = NULL;

    if (d->waiting + len <= d->queue) {
        p = malloc(sizeof *p + len);
    }
    if (p == NULL) {
        d->dropped++;
        return;
    }
    *p = (struct packet){.due_ns = due_ns(w, d, len), .len = len};
    memcpy(p->bytes, bytes, len);
    *(d->head == NULL ? &d->head : &d->tail->next) = p;
    d->tail = p;
    d->waiting += len;
}

static void carry(struct wire *w, size_t from, const uint8_t *bytes, size_t len)
{
    if (len < 20 || bytes[0] >> 4 != 4 || bytes[16] != 10 || bytes[17] != 77) {
        return; /* IPv6 neighbour talk and the like */
    }
    size_t to = bytes[19] == CLIENTS_HOST ? 0 : bytes[19];
    if (to >= w->len) {
        return;
    }
    struct direction *d = &w->way[from][to];
    if (d->cut || (d->loss > 0 && next_random(w) % 10000 < d->loss)) {
        d->dropped++;
    } else if (d->head != NULL || d->delay_ns > 0 || d->jitter_ns > 0 ||
               d->rate > 0) {
        wait_in(w, d, bytes, len);
    } else {
        deliver(w, d, to, bytes, len);
    }
}

static void read_place(struct wire *w, size_t place)
{
    uint8_t bytes[MTU];

    for (int i = 0; i < BURST; i++) {
        ssize_t n = read(w->tun[place], bytes, sizeof bytes);
        if (n <= 0) {
            return;
        }
        carry(w, place, bytes, (size_t)n);
    }
}

static void drop_first(struct direction *d)
{
    struct packet *p = d->head;

    d->waiting -= p->len;
    d->head = p->next;
    free(p);
}

/* Sends what is due. Returns how long until the next, in ns. */
static uint64_t send_due(struct wire *w)
{
    uint64_t now = now_ns();
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < w->len * w->len; i++) {
        size_t to = i % w->len;
        struct direction *d = &w->way[i / w->len][to];
        while (d->head != NULL && d->head->due_ns <= now) {
            deliver(w, d, to, d->head->bytes, d->head->len);
            drop_first(d);
        }
        if (d->head != NULL && d->head->due_ns - now < next) {
            next = d->head->due_ns - now;
        }
    }
    return next;
}

/* --- commands --- */

/* The places that a word names: [*first, *last]. */
static bool read_places(const struct wire *w, const char *word, size_t *first,
                        size_t *last)
{
    if (word == NULL) {
        return false;
    }
    if (strcmp(word, "*") == 0) {
        *first = 0;
        *last = w->len - 1;
        return true;
    }
    *first = *last = strtoul(word, NULL, 10);
    return *first < w->len;
}

static bool read_rule(struct direction *rule)
{
    const struct {
        const char *name;
        uint64_t unit;
        uint64_t *to;
    } values[] = {{"delay", MS, &rule->delay_ns},
                  {"jitter", MS, &rule->jitter_ns},
                  {"loss", 100, &rule->loss},
                  {"rate", 1, &rule->rate},
                  {"queue", 1, &rule->queue}};
    const size_t len = sizeof values / sizeof values[0];
    const char *word;

    while ((word = strtok(NULL, " ")) != NULL) {
        size_t i = 0;
        while (i < len && strcmp(word, values[i].name) != 0) {
            i++;
        }
        const char *value = i < len ? strtok(NULL, " ") : NULL;
        if (value != NULL) {
            *values[i].to = strtoull(value, NULL, 10) * values[i].unit;
        } else if (strcmp(word, "cut") == 0) {
            rule->cut = true;
        } else {
            return false;
        }
    }
    return true;
}

/* What waits stays, and leaves by the rule it came under; a cut takes it. */
static void apply(struct direction *d, const struct direction *rule)
{
    d->delay_ns = rule->delay_ns;
    d->jitter_ns = rule->jitter_ns;
    d->loss = rule->loss;
    d->rate = rule->rate;
    d->queue = rule->queue;
    d->cut = rule->cut;
    while (d->cut && d->head != NULL) {
        drop_first(d);
        d->dropped++;
    }
}

static bool set_rule(struct wire *w)
{
    struct direction rule = {.queue = QUEUE_LEN};
    size_t first;
    size_t last;
    size_t to_first;
    size_t to_last;

    if (!read_places(w, strtok(NULL, " "), &first, &last) ||
        !read_places(w, strtok(NULL, " "), &to_first, &to_last) ||
        !read_rule(&rule)) {
        return false;
    }
    for (size_t from = first; from <= last; from++) {
        for (size_t to = to_first; to <= to_last; to++) {
            apply(&w->way[from][to], &rule);
        }
    }
    return true;
}

static void print_counts(const struct wire *w)
{
    for (size_t from = 0; from < w->len; from++) {
        for (size_t to = 0; to < w->len; to++) {
            const struct direction *d = &w->way[from][to];
            if (d->carried + d->dropped > 0) {
                printf("%zu>%zu:%llu,%llu ", from, to,
                       (unsigned long long)d->carried,
                       (unsigned long long)d->dropped);
            }
        }
    }
    printf("\n");
}

static void command(struct wire *w, char *line)
{
    const char *word = strtok(line, " ");

    if (word != NULL && strcmp(word, "set") == 0) {
        printf(set_rule(w) ? "ok\n" : "wrong\n");
    } else if (word != NULL && strcmp(word, "count") == 0) {
        print_counts(w);
    } else {
        printf("wrong\n");
    }
}

/* False at the end of the input. */
static bool read_commands(struct wire *w)
{
    ssize_t n = read(STDIN_FILENO, w->line + w->line_len,
                     sizeof w->line - w->line_len);
    char *end;

    if (n <= 0) {
        return n < 0 && errno == EINTR;
    }
    w->line_len += (size_t)n;
    while ((end = memchr(w->line, '\n', w->line_len)) != NULL) {
        size_t len = (size_t)(end - w->line) + 1;
        *end = '\0';
        command(w, w->line);
        w->line_len -= len;
        memmove(w->line, end + 1, w->line_len);
    }
    return w->line_len < sizeof w->line;
}

/* --- the loop --- */

static void run(struct wire *w)
{
    struct pollfd fds[PLACES_MAX + 1];
    uint64_t next_ns;

    for (size_t i = 0; i < w->len; i++) {
        fds[i] = (struct pollfd){.fd = w->tun[i], .events = POLLIN};
    }
    fds[w->len] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    do {
        next_ns = send_due(w);
        const struct timespec wait = {.tv_sec = (time_t)(next_ns / 1000000000),
                                      .tv_nsec = (long)(next_ns % 1000000000)};
        if (ppoll(fds, w->len + 1, next_ns == UINT64_MAX ? NULL : &wait, NULL) <
            0) {
            continue;
        }
        for (size_t i = 0; i < w->len; i++) {
            if (fds[i].revents != 0) {
                read_place(w, i);
            }
        }
    } while (fds[w->len].revents == 0 || read_commands(w));
}

int main(int argc, char **argv)
{
    static struct wire w;
    struct direction pass = {.queue = QUEUE_LEN};
    size_t nodes = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;

    if (nodes == 0 || nodes >= PLACES_MAX) {
        fputs("usage: wire NODES SEED\n", stderr);
        return 2;
    }
    w.len = nodes + 1;
    w.rng = strtoull(argv[2], NULL, 10);
    for (size_t i = 0; i < w.len * w.len; i++) {
        apply(&w.way[i / w.len][i % w.len], &pass);
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    make_places(&w);
    run(&w);
    return 0;
}
