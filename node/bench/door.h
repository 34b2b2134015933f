/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling bench` must know of a protocol: how it is greeted, how an item
 * is published and what its delivery looks like. One file each,
 * bench_door_*.c; none of them touches a socket.
 *
 *   connected -- greet --> take ... greeted --> subscribe --> take ... acks
 */
#ifndef NODE_BENCH_DOOR_H
#define NODE_BENCH_DOOR_H

#include "node/bench/scan.h"
#include "node/cli/link.h"

enum {
    BENCH_WHY_LEN = 160
};

/* One connection, as its door sees it. */
struct bench_talk {
    const struct link_url *url;
    const char *token;       /* NULL = none */
    bool greeted;            /* may be asked for something from now on */
    uint32_t acks;           /* subscriptions that hold */
    uint64_t answers;        /* to publishes */
    uint64_t strange;        /* items that are no delivery of this run */
    uint32_t left;           /* of a frame that unwrap() takes apart */
    uint32_t unpaid;         /* bytes since more of them were allowed */
    struct buf *out;         /* what is to be said */
    char why[BENCH_WHY_LEN]; /* what the server said before it went wrong */
};

/* The request that publishes one item, topic and mark zero. */
struct bench_request {
    struct buf bytes;
    size_t topic_at;
    size_t mark_at;
};

struct bench_door {
    const char *name;
    bool topic_a_conn; /* a connection subscribes to one topic, for ever */
    bool answers;      /* each publish is answered */
    const struct bench_door *publisher; /* of publishers; NULL: this one */

    /* What is said first; a door that is not answered sets talk->greeted. */
    void (*greet)(struct bench_talk *talk);
    void (*subscribe)(struct bench_talk *talk, uint32_t topic);
    void (*unsubscribe)(struct bench_talk *talk, uint32_t topic);
    void (*publish)(const struct bench_talk *talk, size_t value_len,
                    struct bench_request *request);
    void (*layout)(size_t value_len, struct bench_layout *layout);
    /* Takes what carries the rest from the front of `in`, and copies that to
     * `to`, which may be where `in` is. > 0 the bytes taken, 0 more needed, < 0
     * as take(). NULL: nothing carries it. */
    ptrdiff_t (*unwrap)(struct bench_talk *talk, struct bytes in, uint8_t *to,
                        size_t *to_len);
    /* Takes one thing that is no delivery from the front. > 0 the bytes taken,
     * 0 more needed, < 0 the end: ERR_UNAUTH, ERR_DENIED, ERR_SYNTAX (another
     * protocol), or what else the server refuses. */
    ptrdiff_t (*take)(struct bench_talk *talk, struct bytes in);
};

extern const struct bench_door bench_door_grpc;
extern const struct bench_door bench_door_nats;
extern const struct bench_door bench_door_resp;
extern const struct bench_door bench_door_sse;
extern const struct bench_door bench_door_ws;

/* By its name; NULL when there is none. */
const struct bench_door *bench_door_find(const char *name);
const char *bench_door_name(size_t i); /* of all, then NULL */

/* For doors: the name of a topic, a value with an empty mark, and keeping what
 * the server said (its first line). */
void bench_add_topic(struct buf *out, uint32_t topic);
void bench_add_value(struct buf *out, size_t value_len);
int bench_refused(struct bench_talk *talk, struct bytes said, int err);

#endif
