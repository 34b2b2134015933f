/* SPDX-License-Identifier: Apache-2.0
 *
 * The checker of the promises: publishes on every node through every way of
 * publishing and subscribes on every node through every way of subscribing,
 * then says what was delivered, what was missing and whether it was told
 * (node/cli/judge.h), what was doubled or out of order.
 *
 * First unnumbered warm-up items until every subscriber has heard every
 * publisher of its topic, then numbered ones. Order is judged for each
 * publisher connection. `starling dev --check` counts items; `starling verify`
 * runs for a time, comes back when a connection is lost, and asks all the while
 * whether a subscribe that was acknowledged holds on another node
 * (node/cli/asking.h).
 */
#ifndef NODE_CLI_CHECKER_H
#define NODE_CLI_CHECKER_H

#include "node/cli/ages.h"
#include "node/cli/way.h"

enum {
    CHECKER_NODES_MAX = 64,
    CHECKER_TOPICS_MAX = 1000
};

/* What went from the publishers of one node to the subscribers of one. */
struct checker_pair {
    uint64_t delivered;
    uint64_t missing;
    uint64_t untold; /* of the missing: where it could have been told */
    struct ages ages;
    /* The longest time in which nothing came, since counting began. */
    uint64_t silent_from_ms;
    uint64_t silent_to_ms;
    uint64_t last_ms; /* something came */
};

struct checker_options {
    const struct link_url *nodes;
    const uint8_t *regions; /* number of each node's region; NULL: one */
    size_t nodes_len;
    size_t topics;        /* each with all publishers and subscribers; 0 = 1 */
    const char *token;    /* NULL = none */
    uint64_t items;       /* from each publisher, as fast as answered; or 0: */
    unsigned seconds;     /* so long ... */
    unsigned rate;        /* ... so many a second from each publisher */
    unsigned deadline_ms; /* for everything but `seconds` */
    /* Warm-up is over; may be NULL. */
    void (*on_counting)(const struct checker_options *options);
    struct checker_pair *pairs; /* nodes_len * nodes_len zeroes, or NULL */
};

struct checker_way {
    uint64_t delivered;
    uint64_t told;
    uint64_t untold;
};

struct checker_report {
    size_t subscribers;
    size_t publishers;
    uint64_t items;                /* published and counted */
    struct checker_way ways[WAYS]; /* by the way of the subscriber */
    uint64_t missing;              /* told and untold of all ways */
    uint64_t duplicate;
    uint64_t disordered;
    uint64_t strange; /* items of another topic, or that nobody published */
    uint64_t refused; /* publishes answered with an error */
    uint64_t reconnects;
    uint64_t asked;    /* subscribes that were acknowledged and then tried */
    uint64_t lost;     /* of those: the item did not come */
    uint64_t cut;      /* tries between nodes that were cut off */
    const char *wrong; /* why it could not be done, NULL when it was */
};

void checker_run(const struct checker_options *options,
                 struct checker_report *report);

#endif
