/* SPDX-License-Identifier: Apache-2.0
 *
 * Cluster keys of all nodes at once, for an operator (node/door/keys.c): what
 * the others have is asked for, and wished, over the links (node/mesh/calls.h).
 *
 *   list      asks everyone
 *   install   here first, then everywhere
 *   use       list, refused unless everyone has the key; then everywhere
 *   remove    list, refused if anyone seals with it; then everywhere
 *
 * Everyone is each member that is not known to have left, also one that is
 * believed dead: it may only be cut off, and come back as it was. Who does not
 * answer may miss the key, or seal with it: that refuses `use` and `remove`
 * unless the wish has `force`. Each node refuses for itself what would harm it
 * (node/mesh/keyring.h), whatever the one that asks believed. All of it may be
 * repeated, and a repeat repairs who missed it.
 *
 * Loop thread only.
 */
#ifndef NODE_ROTATION_H
#define NODE_ROTATION_H

#include "node/mesh/member.h"
#include "proto/keys.h"
#include "proto/token.h"

struct core;
struct rotation;

enum {
    ROTATION_WAIT_MS = 2000, /* for the answers of all, each time */
};

struct rotation_node {
    struct node_id id;
    char name[MEMBER_NAME_MAX];
    char region[REGION_LEN_MAX + 1];
    bool self;
    bool dead;         /* believed so */
    bool answered;     /* `state` is what it said */
    const char *fault; /* a fixed text; NULL: as it should be */
    struct keys_state state;
};

enum rotation_result {
    ROTATION_DONE,    /* list: all nodes have the same keys */
    ROTATION_PARTIAL, /* list: they differ, or not all answer */
    ROTATION_REFUSED, /* nothing was changed */
};

/* "done", "partial", "refused". */
const char *rotation_result_name(enum rotation_result result);

struct rotation_report {
    enum rotation_result result;
    const char *why;                   /* a fixed sentence */
    const struct rotation_node *nodes; /* by name; self among them */
    size_t len;
};

struct rotation_options {
    struct keys_wish wish; /* KEYS_LIST, too */
    struct bytes by;       /* subject of who wishes it, for the log */
    void *data;
    /* Once, unless cancelled, never from inside rotation_start(). The report is
     * borrowed; the rotation is gone afterwards. */
    void (*on_report)(void *data, const struct rotation_report *report);
};

/* Answers the others from now on. */
void rotation_serve(struct core *core);

/* Errors: ERR_STATE (this node has no keys), ERR_NOT_FOUND (the key to install
 * is not here and was not sent along), ERR_FORGED (the envelope does not open),
 * ERR_ARGUMENT (what is in it is not that key), ERR_LIMIT (no room for it here,
 * or too much is under way), ERR_NOMEM; on_report() is then not called. */
int rotation_start(struct rotation **out, struct core *core,
                   const struct rotation_options *options);
/* Nobody listens any more. What is under way happens all the same. */
void rotation_cancel(struct rotation *rotation);

#endif
