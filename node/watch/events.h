/* SPDX-License-Identifier: Apache-2.0
 *
 * What happened to a node: the newest lines of its log that are info or worse,
 * whatever its level, for who asks afterwards (node/watch/watch.h,
 * /v1/admin/events).
 *
 *   log_line() --log->on_line--> events_take() --> ring of EVENTS_KEPT
 *
 * Text is the log's own, escaped as there, and cut at EVENT_TEXT_MAX. What no
 * memory was left for is missing; numbers then go on without a hole.
 */
#ifndef NODE_EVENTS_H
#define NODE_EVENTS_H

#include "node/log.h"
#include "proto/bytes.h"

enum {
    EVENTS_KEPT = 1000,
    EVENT_NAME_MAX = 48,
    EVENT_TEXT_MAX = 1000,
};

struct event {
    uint64_t number; /* 1, 2, 3 ... of this life of the node */
    uint64_t at_ms;  /* wall clock */
    enum log_level level;
    char name[EVENT_NAME_MAX]; /* "member-dead" */
    size_t len;
    uint8_t text[];
};

/* Zero is a valid empty one. */
struct events {
    struct event **ring; /* by number % EVENTS_KEPT; NULL before the first */
    uint64_t made;
    /* Something new is there; may be called in the middle of anything. */
    void (*on_event)(void *data);
    void *data;
};

void events_fini(struct events *events);

/* log->on_line, with the events as its data. */
void events_take(void *data, const struct log_event *from);

/* The event of that number; NULL: it is gone, or not there yet. The newest is
 * events->made. Borrowed until the next log line. */
const struct event *events_at(const struct events *events, uint64_t number);

/* Whose event it is, and how many before it were not shown. */
struct event_frame {
    struct bytes node; /* its name */
    uint64_t id;
    uint64_t suppressed;
};

/* Appends {"at":MS,"level":"info","event":"member-dead","node":"n1","id":HEX16,
 * "text":"..."}, with "suppressed" before the text unless it is 0. */
void event_write(const struct event *event, const struct event_frame *frame,
                 struct buf *out);

#endif
