/* SPDX-License-Identifier: Apache-2.0
 *
 * Looks at every delivery of every subscriber: is it an item that this one was
 * owed, whole and unchanged, and the next of its stream? No sockets, no clock.
 *
 * All deliveries of one run look alike but for a few numbers of known width, so
 * a frame is not parsed but compared with a layout:
 *
 *   head ... topic ... head | gap | tail ... stream sequence ... tail
 *
 * What differs from it is left to the door (bench_door.h).
 */
#ifndef NODE_BENCH_SCAN_H
#define NODE_BENCH_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/bench/latency.h"
#include "proto/bytes.h"

enum {
    BENCH_HOLES_MAX = 4096,
    BENCH_GAP_MAX = 1024 /* bytes between head and tail */
};

enum bench_gap {
    BENCH_GAP_NONE,
    BENCH_GAP_LINE,     /* up to a line feed, which belongs to it */
    BENCH_GAP_GRPC,     /* a message of gRPC: its own head says how long it is;
                           the gap ends where the number of the item does, and
                           more may follow the tail */
    BENCH_GAP_WEBSOCKET /* a WebSocket frame: its own head says how long the gap
                           is; the first byte of its message is skipped, for
                           msgpack counts there what is in it */
};

struct bench_layout {
    struct buf head;
    size_t topic_at;  /* in the head, the code of the topic */
    size_t topic_len; /* what differs between topics, from there: nothing, the
                         code, or the code, a space and the code */
    enum bench_gap gap;
    struct buf tail;
    size_t mark_at; /* in the tail, the codes of stream and sequence */
};

/* When the items of an open loop were due: number i of the phase, all streams
 * in turn, at start_ns + i / rate. */
struct bench_schedule {
    uint64_t start_ns;
    uint64_t first; /* what was published before, of all streams */
    uint64_t rate;
    uint32_t streams;
};

/* One subscriber: the streams that it is owed, and where what it must get next
 * of each is kept. */
struct bench_reader {
    uint32_t first;
    uint32_t streams;
    uint32_t *next;
};

struct bench_hole {
    uint32_t *next; /* whose */
    uint32_t from;
    uint32_t to; /* not included */
};

struct bench_scan {
    struct bench_layout layout;
    uint32_t topic_base; /* topic i is code(topic_base + i) */
    bool one_topic;      /* of all streams; else stream i is topic i */
    uint64_t delivered;  /* doubles too */
    uint64_t disorder;   /* came after a later one */
    uint64_t duplicates;
    uint64_t strange; /* owed to nobody here */
    struct bench_hole holes[BENCH_HOLES_MAX];
    size_t holes_len;

    struct bench_schedule schedule; /* rate 0: a closed loop */
    uint64_t now_ns;                /* of what is scanned */
    struct bench_latency latency;
};

void bench_scan_fini(struct bench_scan *scan);

/* Takes deliveries from the front of `in`. Returns how many bytes; what is left
 * is not whole, or, with *other, begins with no delivery. */
size_t bench_scan_take(struct bench_scan *scan,
                       const struct bench_reader *reader, struct bytes in,
                       bool *other);

/* The head of a frame that a WebSocket server sends: how long it is, 0: not
 * whole, and how long what follows is. */
size_t bench_websocket_head(struct bytes in, uint64_t *len);

#endif
