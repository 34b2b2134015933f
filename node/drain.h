/* SPDX-License-Identifier: Apache-2.0
 *
 * How a node ends without a loss:
 *
 *   notice --drain_notice_ms--> moving --> saying --all are told--> asked
 *   --> parting
 *
 *   notice   /readyz says 503 and peers choose this node for nothing any more;
 *            clients are served and taken as before, for load balancers to see
 *   moving   the port is closed. Clients that can go on elsewhere are asked to:
 *            each connects there, subscribes, and leaves then, so it misses
 *            nothing however much is published. Until they are gone, or do not
 *            go, for half of the time at most
 *   saying   the others are sent away in portions: quickly
 *            when they are few, else spread, so that no herd comes back at once
 *   asked    nobody is here; those who went elsewhere may want to know what
 *            they missed (3 s)
 *   parting  the lanes to all peers are ended, until they have all of it
 *
 * limits.drain_ms after the notice it ends, whoever is left. A second wish ends
 * it at once. Nothing leads back: there is no drain without an end.
 */
#ifndef NODE_DRAIN_H
#define NODE_DRAIN_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct node;

struct drain {
    uv_timer_t timer;
    uint64_t say_ms;      /* the end of the notice */
    uint64_t moved_by_ms; /* those that were asked to move */
    uint64_t said_by_ms;  /* all are told by then */
    uint64_t stop_by_ms;
    uint64_t empty_ms;   /* without clients since, 0 not yet */
    uint64_t part_by_ms; /* all lanes are ended, leaves then; 0 not yet */
};

void drain_init(struct node *node);
void drain_begin(struct node *node);

/* How many of `len` clients hear it now, for all to hear it in the time that is
 * left: at least DRAIN_LEAST. */
enum {
    DRAIN_EVERY_MS = 50,
    DRAIN_LEAST = 100,
};
size_t drain_portion(size_t len, uint64_t left_ms);

/* Of limits.drain_ms, what clients are told within: the rest is for their last
 * bytes, their questions and the peers. */
uint64_t drain_saying_ms(uint64_t drain_ms);

#endif
