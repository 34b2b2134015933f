/* SPDX-License-Identifier: Apache-2.0
 *
 * The connections of `starling bench`: raw sockets and one epoll, one thread,
 * which sleeps until something is to be done: on few cores a generator that
 * spins takes its core from what it measures.
 *
 *   bench_net_open: connecting -> (shaking) -> greeting -> (subscribing)
 *                   -> ready
 *
 * Deliveries go to the scan, everything else to the door.
 *
 * Errors, here and in what uses it: an exit code, after a sentence on standard
 * error.
 */
#ifndef NODE_BENCH_NET_H
#define NODE_BENCH_NET_H

#include "node/bench/options.h"

enum bench_state {
    BENCH_CONNECTING,
    BENCH_SHAKING, /* TLS */
    BENCH_GREETING,
    BENCH_SUBSCRIBING,
    BENCH_READY
};

struct bench_conn {
    int fd;
    enum bench_state state;
    bool waits_to_write;
    uint32_t number; /* of its kind, from 0 */
    uint32_t topic;  /* the first that it subscribes to */
    uint32_t topics; /* how many; 0 = none */
    bool subscriber; /* or publisher */
    struct bench_reader reader;
    struct bench_talk talk;
    struct buf rest; /* read, and no whole frame yet */
    struct buf raw;  /* the same of what carries frames */
    struct buf out;  /* to be written, at once or when that is possible again */
    struct tls *tls; /* NULL: plain */
    struct buf sealed; /* by TLS; goes before `out` */
};

struct bench_net {
    const struct bench_options *options;
    int epoll;
    uint8_t *in;     /* what one read may take, and a rest before it */
    uint8_t *sealed; /* what one read of TLS takes; NULL: none speaks it */
    size_t in_len;
    struct bench_scan scan;
    size_t ready;   /* of those that are being opened */
    uint64_t heard; /* bytes */
    void (*on_read)(void *data, struct bench_conn *conn); /* may be NULL */
    void *data;
};

uint64_t bench_now_ns(void); /* monotonic */

/* How publishers speak. */
static inline const struct bench_door *
bench_publisher_door(const struct bench_options *options)
{
    const struct bench_door *door = options->door;

    return door->publisher != NULL ? door->publisher : door;
}

/* Prints "starling bench: ..." and returns the exit code. */
int bench_fail(int exit_code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* files: how many descriptors will be needed; raises the limit to it. */
int bench_net_init(struct bench_net *net, const struct bench_options *options,
                   size_t files);
void bench_net_fini(struct bench_net *net);

/* Makes `conns` ready, some at a time. number, subscriber, topic, topics and
 * reader are set; connections with topics subscribe to them. */
int bench_net_open(struct bench_net *net, struct bench_place *place,
                   struct bench_conn *conns, size_t len);
void bench_net_close(struct bench_conn *conns, size_t len);

/* Writes; keeps what cannot be written now, and goes on with it by itself. */
int bench_net_send(struct bench_net *net, struct bench_conn *conn,
                   struct bytes bytes);

/* Writes what a door wanted to say (conn->out), as far as that is possible. */
int bench_net_flush(struct bench_net *net, struct bench_conn *conn);

/* Waits, up to wait_ns, and does what can be done then. */
int bench_net_turn(struct bench_net *net, uint64_t wait_ns);

#endif
