/* SPDX-License-Identifier: Apache-2.0
 *
 * Deadlines: one binary heap for all connections, clients and topics of a node,
 * served by one loop timer. No timer a connection (PERFORMANCE 4).
 */
#ifndef NODE_DEADLINE_H
#define NODE_DEADLINE_H

#include <stddef.h>
#include <stdint.h>

#define DEADLINE_NEVER UINT64_MAX

struct deadline {
    size_t slot; /* place in the heap + 1; 0 = not in it */
    void (*on_due)(struct deadline *deadline, uint64_t now_ms);
};

struct due {
    uint64_t at_ms;
    struct deadline *deadline;
};

struct deadlines {
    struct due *heap;
    size_t len;
    size_t cap;
    uint64_t not_before_ms; /* inside deadlines_run(): its now_ms + 1 */
};

void deadlines_fini(struct deadlines *all);

/* Sets, moves or (DEADLINE_NEVER) removes. on_due must be set. Errors:
 * ERR_NOMEM when it was not in the heap; removing and moving cannot fail. */
int deadline_set(struct deadlines *all, struct deadline *deadline,
                 uint64_t at_ms);

/* Calls on_due of each that is due, earliest first, each removed before its
 * call. A deadline set inside a call to at_ms <= now_ms is set to now_ms + 1:
 * it waits for a later run, so this ends and no turn spins. A call may free its
 * own deadline and set or remove any other. */
void deadlines_run(struct deadlines *all, uint64_t now_ms);

/* The earliest at_ms, DEADLINE_NEVER when empty. */
uint64_t deadlines_next(const struct deadlines *all);

void deadlines_check(const struct deadlines *all);

#endif
