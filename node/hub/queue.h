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
    struct queued *prev; /* the first one's is itself; NULL: it is in none */
};

struct queue {
    struct queued *first; /* the oldest */
    struct queued *last;
    size_t len;
};

/* The struct that holds this member. */
#define QUEUE_OWNER(queued, type, member) \
    ((type *)(void *)((char *)(queued)-offsetof(type, member)))

static inline bool queued_is_in(const struct queued *member)
{
    return member->prev != NULL;
}

static inline void queue_add(struct queue *queue, struct queued *member)
{
    assert(!queued_is_in(member));
    *member = (struct queued){.prev = member};
    if (queue->last != NULL) {
        member->prev = queue->last;
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
    bool first = queue->first == member;

    if (!queued_is_in(member)) {
        return;
    }
    if (first) {
        queue->first = member->next;
    } else {
        member->prev->next = member->next;
    }
    if (member->next != NULL) {
        member->next->prev = first ? member->next : member->prev;
    } else {
        queue->last = first ? NULL : member->prev;
    }
    *member = (struct queued){0};
    queue->len--;
}

#endif
