/* SPDX-License-Identifier: Apache-2.0
 *
 * Who was refused lately, from where, what and why: the last DENIED_MAX
 * refusals of this node, for the operator (/v1/admin/denied, CALL_DENIED).
 *
 *   any door --verb of client.h, request.h--> denied() --> ring, event
 *
 * Every refusal for want of rights, credentials or an allowed origin passes
 * denied(), whatever the door, and nothing else does. A note has names only,
 * cut where they are long: no token, no value; in the log no Host or Origin
 * either. One that is like the newest only counts, and of the events
 * `auth-denied` and `admin-refused` one a second is written: a flood costs a
 * comparison or a copy each, and no memory.
 */
#ifndef NODE_DENIED_H
#define NODE_DENIED_H

#include "proto/bytes.h"

struct client;
struct core;
struct denials;

enum {
    DENIED_MAX = 256,
    DENIED_EVENT_MS = 1000, /* between two lines of one event */
};

/* What was asked for. */
struct denied_what {
    const char *verb;   /* "publish", "login" */
    struct bytes cache; /* or empty */
    struct bytes name;  /* a topic, pattern, scope or origin, or empty */
    bool admin;         /* an operator's: event admin-refused */
};

/* Notes a refusal if err is one, and returns err. */
int denied(const struct client *client, const struct denied_what *what,
           int err);

/* Answers CALL_DENIED from now on. */
void denied_serve(struct core *core);
/* NULL is fine. */
void denials_free(struct denials *denials);

#endif
