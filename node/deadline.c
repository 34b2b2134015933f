/* SPDX-License-Identifier: Apache-2.0 */
#include "node/deadline.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

enum {
    HEAP_CAP_MIN = 64
};

static int heap_grow(struct deadlines *all);
static void heap_shrink(struct deadlines *all);
static void heap_put(struct deadlines *all, size_t at, struct due due);
static void heap_up(struct deadlines *all, size_t at);
static void heap_down(struct deadlines *all, size_t at);
static void heap_remove(struct deadlines *all, struct deadline *deadline);

void deadlines_fini(struct deadlines *all)
{
    for (size_t i = 0; i < all->len; i++) {
        all->heap[i].deadline->slot = 0;
    }
    free(all->heap);
    *all = (struct deadlines){0};
}

int deadline_set(struct deadlines *all, struct deadline *deadline,
                 uint64_t at_ms)
{
    assert(deadline->on_due != NULL);
    assert(deadline->slot <= all->len);

    if (at_ms == DEADLINE_NEVER) {
        heap_remove(all, deadline);
        return 0;
    }
    if (at_ms < all->not_before_ms) {
        at_ms = all->not_before_ms;
    }
    if (deadline->slot == 0) {
        if (all->len == all->cap && heap_grow(all) != 0) {
            return ERR_NOMEM;
        }
        deadline->slot = ++all->len;
    }
    all->heap[deadline->slot - 1] = (struct due){at_ms, deadline};
    heap_up(all, deadline->slot - 1);
    heap_down(all, deadline->slot - 1);
    return 0;
}

void deadlines_run(struct deadlines *all, uint64_t now_ms)
{
    assert(all->not_before_ms == 0); /* not from inside on_due */
    assert(now_ms < DEADLINE_NEVER - 1);

    all->not_before_ms = now_ms + 1;
    while (all->len > 0 && all->heap[0].at_ms <= now_ms) {
        struct deadline *due = all->heap[0].deadline;
        heap_remove(all, due);
        due->on_due(due, now_ms); /* may free it, and set or remove others */
    }
    all->not_before_ms = 0;
}

uint64_t deadlines_next(const struct deadlines *all)
{
    return all->len == 0 ? DEADLINE_NEVER : all->heap[0].at_ms;
}

void deadlines_check(const struct deadlines *all)
{
    assert(all->len <= all->cap);
    for (size_t i = 0; i < all->len; i++) {
        assert(all->heap[i].deadline->slot == i + 1);
        assert(all->heap[i].at_ms != DEADLINE_NEVER);
        assert(i == 0 || all->heap[(i - 1) / 2].at_ms <= all->heap[i].at_ms);
    }
}

static int resize(struct deadlines *all, size_t cap)
{
    struct due *heap = realloc(all->heap, cap * sizeof *heap);

    if (heap == NULL) {
        return ERR_NOMEM;
    }
    all->heap = heap;
    all->cap = cap;
    return 0;
}

static int heap_grow(struct deadlines *all)
{
    return resize(all, all->cap == 0 ? HEAP_CAP_MIN : all->cap * 2);
}

/* Ten thousand that came at once have one each until they said who they are. */
static void heap_shrink(struct deadlines *all)
{
    if (all->cap > HEAP_CAP_MIN && all->len < all->cap / 4) {
        (void)resize(all, all->cap / 2); /* short memory: stays large */
    }
}

static void heap_put(struct deadlines *all, size_t at, struct due due)
{
    all->heap[at] = due;
    due.deadline->slot = at + 1;
}

static void heap_up(struct deadlines *all, size_t at)
{
    struct due due = all->heap[at];

    while (at > 0 && all->heap[(at - 1) / 2].at_ms > due.at_ms) {
        heap_put(all, at, all->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(all, at, due);
}

static void heap_down(struct deadlines *all, size_t at)
{
    struct due due = all->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < all->len &&
            all->heap[child + 1].at_ms < all->heap[child].at_ms) {
            child++;
        }
        if (child >= all->len || all->heap[child].at_ms >= due.at_ms) {
            break;
        }
        heap_put(all, at, all->heap[child]);
        at = child;
    }
    heap_put(all, at, due);
}

static void heap_remove(struct deadlines *all, struct deadline *deadline)
{
    size_t at = deadline->slot - 1;

    if (deadline->slot == 0) {
        return;
    }
    assert(all->heap[at].deadline == deadline);
    deadline->slot = 0;
    struct due last = all->heap[--all->len];
    if (last.deadline != deadline) {
        heap_put(all, at, last);
        heap_up(all, at);
        heap_down(all, last.deadline->slot - 1);
    }
    heap_shrink(all);
}
