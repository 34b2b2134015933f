/* SPDX-License-Identifier: Apache-2.0
 *
 * Where subscriptions began whose time ran out before anything came.
 *
 * Momento's SDK for Node puts a time of 5 s on each new Subscribe, which cuts
 * the stream, and asks again 0.5 s later. Who had received an item names its
 * number then; who had not asks for what comes next, and would lose what was
 * published meanwhile. But such a client has seen nothing of its first stream,
 * so to go on where that began is exact: nothing lost, nothing twice.
 *
 * A long-poll that was answered without items is such a cut, too.
 *
 *   cut --leave--> mark, CUT_FOR_MS --find, any number of times--> forgotten
 *
 * A mark is found by who asks again for the same: identity, address, cache and
 * topic, as a keyed hash. It is not used up, so several subscriptions of one
 * client to one topic all find it; they began at the same place, or have seen
 * what came between. Bounded: in a full set the oldest mark goes, and that
 * client begins afresh. Memory is taken with the first mark.
 */
#ifndef NODE_CUT_H
#define NODE_CUT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CUT_FOR_MS = 2000,
    CUTS_MAX = 16384,
};

struct cut {
    uint64_t key;  /* 0: none */
    uint64_t page; /* what follows this has not been seen */
    uint64_t seq;
    uint64_t at_ms;
};

struct cuts {
    struct cut *marks; /* NULL: no mark yet */
};

void cuts_fini(struct cuts *cuts);

/* Remembers where `key` (not 0) began; a newer mark of one key replaces the
 * older. Short of memory it is not remembered. */
void cuts_leave(struct cuts *cuts, uint64_t key, uint64_t page, uint64_t seq,
                uint64_t now_ms);
bool cuts_find(const struct cuts *cuts, uint64_t key, uint64_t now_ms,
               struct cut *out);

#endif
