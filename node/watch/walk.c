/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/walk.h"

#include <stddef.h>

#include "node/client/client.h"
#include "node/core.h"
#include "proto/err.h"

static void on_due(struct deadline *deadline, uint64_t now_ms);
static void step(struct walk *walk);
static void finish(struct walk *walk, bool whole);

int walk_start(struct walk *walk, struct core *core)
{
    size_t len = 0;

    for (const struct walk *w = core->walks; w != NULL; w = w->next) {
        len++;
    }
    if (len >= WALKS_MAX) {
        return ERR_LIMIT;
    }
    walk->core = core;
    walk->at = core->clients;
    walk->next = core->walks;
    walk->deadline.on_due = on_due;
    core->walks = walk;
    step(walk);
    return 0;
}

static void on_due(struct deadline *deadline, uint64_t now_ms)
{
    (void)now_ms;
    step((struct walk *)(void *)((char *)deadline -
                                 offsetof(struct walk, deadline)));
}

static void step(struct walk *walk)
{
    for (size_t i = 0; i < WALK_CLIENTS && walk->at != NULL; i++) {
        struct client *client = walk->at;
        walk->at = client->next;
        if (!walk->visit(walk, client)) {
            walk->at = NULL;
        }
    }
    if (walk->at == NULL) {
        finish(walk, true);
    } else if (deadline_set(&walk->core->deadlines, &walk->deadline,
                            walk->core->now_ms) != 0) {
        finish(walk, false);
    }
}

static void finish(struct walk *walk, bool whole)
{
    struct walk **link = &walk->core->walks;

    while (*link != walk) {
        link = &(*link)->next;
    }
    *link = walk->next;
    (void)deadline_set(&walk->core->deadlines, &walk->deadline, DEADLINE_NEVER);
    walk->end(walk, whole);
}

void walks_forget(struct core *core, const struct client *client)
{
    for (struct walk *walk = core->walks; walk != NULL; walk = walk->next) {
        if (walk->at == client) {
            walk->at = client->next;
        }
    }
}

void walks_end(struct core *core)
{
    while (core->walks != NULL) {
        finish(core->walks, false);
    }
}
