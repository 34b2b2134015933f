/* SPDX-License-Identifier: Apache-2.0
 *
 * A walk over all clients of a core, newest first, some in each turn: whoever
 * asks after a hundred thousand clients must not make them wait. A client that
 * comes meanwhile is not visited, one that goes is skipped.
 *
 * At most WALKS_MAX at a time. The owner embeds it and frees it in end().
 */
#ifndef NODE_WALK_H
#define NODE_WALK_H

#include <stdbool.h>

#include "node/deadline.h"

struct client;
struct core;

enum {
    WALKS_MAX = 16,
    WALK_CLIENTS = 2048, /* in a turn; some 0.1 ms */
};

struct walk {
    struct core *core;
    struct client *at; /* the next to visit */
    struct walk *next; /* of the core */
    struct deadline deadline;
    /* false: enough. May close the client. */
    bool (*visit)(struct walk *walk, struct client *client);
    /* The last call. `whole`: all were visited, or enough; else the core ends,
     * or memory is short. */
    void (*end)(struct walk *walk, bool whole);
};

/* Visits the first ones now: end() may be called from inside. Errors: ERR_LIMIT
 * (too many walk); end() is then not called. */
int walk_start(struct walk *walk, struct core *core);
/* A client goes: client_free(). */
void walks_forget(struct core *core, const struct client *client);
/* Ends all of them: core_fini(). */
void walks_end(struct core *core);

#endif
