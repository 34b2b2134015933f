/* SPDX-License-Identifier: Apache-2.0
 *
 * Every bound of a node in one table, with its default, unit and what happens
 * when it is hit. Configuration may change them; limits_check() refuses sets
 * that contradict each other, once, at start. README prints this table.
 */
#ifndef NODE_LIMITS_H
#define NODE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(field, default, least, most, unit, what happens) */
#define LIMITS_TABLE(X)                                                        \
    X(item_len, 1 << 20, 1024, 16 << 20, "bytes",                              \
      "largest value; a larger one is refused")                                \
    X(conns, 65536, 1, 1 << 20, "connections",                                 \
      "further ones are closed at accept")                                     \
    X(conns_per_ip, 16384, 1, 1 << 20, "connections",                          \
      "further ones from that address are closed at accept")                   \
    X(streams_per_conn, 256, 100, 4096, "streams",                             \
      "requests at a time on one HTTP/2 connection; further ones are refused") \
    X(streams, 1 << 18, 100, 1 << 24, "streams",                               \
      "the same of all connections of a node")                                 \
    X(hello_ms, 5000, 100, 60000, "ms",                                        \
      "from accept to an accepted login or first request; then closed")        \
    X(hello_in_len, 16 << 10, 8192, 1 << 20, "bytes",                          \
      "read before login; then closed")                                        \
    X(hello_out_len, 4096, 512, 1 << 20, "bytes",                              \
      "unread answers before login; then closed")                              \
    X(idle_ms, 75000, 1000, 3600000, "ms",                                     \
      "an HTTP connection without a request, or no pong; then closed")         \
    X(ping_ms, 25000, 100, 600000, "ms",                                       \
      "between heartbeats, and the idle answer of a long-poll")                \
    X(out_soft_len, 256 << 10, 4096, 1 << 30, "bytes",                         \
      "waiting output for out_soft_ms: the reader is slow")                    \
    X(out_soft_ms, 10000, 100, 600000, "ms", "see out_soft_len")               \
    X(out_hard_len, 1 << 20, 4096, 1 << 30, "bytes",                           \
      "waiting output, at least item_len + 64 KiB: the reader is slow")        \
    X(subs_per_client, 10000, 1, 1 << 20, "subscriptions",                     \
      "further ones are refused")                                              \
    X(patterns_per_client, 100, 1, 100000, "patterns",                         \
      "further ones are refused")                                              \
    X(patterns, 10000, 1, 1 << 20, "patterns", "a node; further ones refused") \
    X(topics, 2 << 20, 16, 64 << 20, "topics",                                 \
      "with a subscription or lingering; further ones are refused")            \
    X(ring_items, 64, 1, 4096, "items", "kept of a topic for resume")          \
    X(ring_len, 64 << 10, 1024, 16 << 20, "bytes",                             \
      "kept of a topic for resume; at least one item")                         \
    X(rings_len, 64 << 20, 1 << 16, 1LL << 40, "bytes",                        \
      "kept of all topics; the oldest topic is forgotten")                     \
    X(linger_topics, 65536, 1, 16 << 20, "topics",                             \
      "without a subscriber in the resume window")                             \
    X(linger_ms, 30000, 0, 600000, "ms", "the resume window")                  \
    X(memory_len, 4LL << 30, 16 << 20, 1LL << 50, "bytes",                     \
      "output and rings: at 80 % new connections are refused, at 90 % the "    \
      "largest queues are cut")                                                \
    X(link_queue_len, 8 << 20, 64 << 10, 1LL << 32, "bytes",                   \
      "waiting for one peer; then the oldest items are dropped, and told")     \
    X(link_queue_ms, 2000, 100, 60000, "ms", "age of the same")                \
    X(drain_notice_ms, 0, 0, 600000, "ms",                                     \
      "from SIGTERM, and 503 at /readyz, until the port is closed")            \
    X(drain_ms, 20000, 0, 600000, "ms", "from then to the end")

struct limits {
#define X(field, value, least, most, unit, what) uint64_t field;
    LIMITS_TABLE(X)
#undef X
};

struct limits limits_default(void);

/* 0, or ERR_CONFIG with *why a fixed sentence naming the two fields. */
int limits_check(const struct limits *limits, const char **why);

bool limits_same(const struct limits *a, const struct limits *b);

/* What a running node takes of a new configuration: all but item_len, which the
 * links were opened with, and so many say to each other. Returns whether that
 * is the same. */
bool limits_take(struct limits *limits, const struct limits *from);

/* Sets one field by its name ("item_len"). Errors: ERR_NOT_FOUND, ERR_ARGUMENT
 * when outside [least, most]. */
int limits_set(struct limits *limits, const char *field, uint64_t value);

/* Sets one field as people write it, "item_len=2m": 64k, 2m, 1g are bytes,
 * 500ms, 10s, 2min times, a plain number is the field's own unit. Returns NULL,
 * or what is wrong. */
const char *limits_read(struct limits *limits, const char *text);

/* A row of the table, for those that show it. */
struct limits_row {
    const char *name;
    const char *outside; /* the sentence when the value is not permitted */
    const char *unit;
    const char *what;
    size_t offset; /* in struct limits */
    uint64_t value;
    uint64_t least;
    uint64_t most;
};

/* By index 0..; NULL past the end. */
const struct limits_row *limits_at(size_t i);
uint64_t limits_get(const struct limits *limits, const struct limits_row *row);

/* The i-th field name, NULL past the end: for "nearest name". */
const char *limits_name(size_t i);

/* max(out_hard_len, item_len + 64 KiB): the bound in force. */
uint64_t limits_out_hard(const struct limits *limits);

/* Of the body of an HTTP request: the largest item with its names in a frame,
 * all of it in base64 (gRPC-web's text). */
uint64_t limits_body(const struct limits *limits);

#endif
