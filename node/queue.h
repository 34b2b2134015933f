/* SPDX-License-Identifier: Apache-2.0
 *
 * A first-in first-out list through its members: nothing to allocate, and a
 * member in the middle leaves in one step. A member knows whether it is in.
 */
#ifndef NODE_QUEUE_H
#define NODE_QUEUE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct queued {
    struct queued *next;
    struct queued *prev;
    bool in;
};

struct queue {
    struct queued *first; /* the oldest */
    struct queued *last;
    size_t len;
};

/* The struct that holds this member. */
#define QUEUE_OWNER(queued, type, member) \
    ((type *)(void *)((char *)(queued)-offsetof(type, member)))

static inline void queue_add(struct queue *queue, struct queued *member)
{
    assert(!member->in);
    *member = (struct queued){.prev = queue->last, .in = true};
    if (queue->last != NULL) {
        queue->last->next = member;
    } else {
        queue->first = member;
    }
    queue->last = member;
    queue->len++;
}

/* Does nothing when it is not in. */
static inline void queue_remove(struct queue *queue, struct queued *member)
{
    if (!member->in) {
        return;
    }
    if (member->prev != NULL) {
        member->prev->next = member->next;
    } else {
        queue->first = member->next;
    }
    if (member->next != NULL) {
        member->next->prev = member->prev;
    } else {
        queue->last = member->prev;
    }
    *member = (struct queued){0};
    queue->len--;
}

#endif
