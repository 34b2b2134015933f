/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator asks of the whole cluster at any of its nodes: the pages
 * below /v1/admin/ that are answered from rows of all nodes
 * (node/watch/gather.h). Specified in docs/PROTOCOLS.md.
 *
 *   request --page->ask()--> gather --page->answer()--> answered
 *
 * A page is a row of routes (node/door/route.h) and, in the same place of the
 * list beside it, what answers it. Everything needs the scope of its row.
 */
#ifndef NODE_DOOR_ADMIN_H
#define NODE_DOOR_ADMIN_H

#include "node/door/web.h"
#include "node/watch/gather.h"

enum {
    ADMIN_LIMIT = 100,          /* rows of a page when nobody says */
    ADMIN_BODY_LEN = 192 << 10, /* the row that passes it is the last */
    ADMIN_PREFIX_LEN_MAX = 512,
};

/* Of a client of this door. */
struct admin {
    const struct admin_page *page;
    struct gather *gather; /* NULL: nothing is under way */
    struct web_headers headers;
    uint64_t limit;
    uint64_t owner; /* kick: the node that has the client */
};

struct admin_page {
    enum call_kind kind;
    /* Reads the request: what is asked, into ask->what by way of `what`, and
     * admin->limit. `segment`: the parameter of the
     * path. NULL: a page of rows is all that is asked. */
    int (*ask)(struct client *client, const struct http_request *request,
               struct bytes segment, struct gather_ask *ask, struct buf *what);
    /* Answers by admin_respond() or admin_refuse(). NULL: with the rows, as a
     * member of the name `rows`. */
    void (*answer)(struct client *client, struct gathered *all);
    const char *rows;
};

extern const struct admin_page admin_clients;
extern const struct admin_page admin_kick;
extern const struct admin_page admin_topics;

/* The parameters `limit` and `after`. Errors: ERR_ARGUMENT, ERR_SYNTAX. */
int admin_read_page(struct client *client, const struct http_request *request,
                    struct gather_ask *ask);
/* Appends the rows as they are, as a member of that name, then where the next
 * page begins and who was silent:  "name":[ROW,...],"next":"...","silent":[] */
void admin_add_rows(struct client *client, struct gathered *all,
                    const char *name, struct buf *out);
/* The last two of those alone. */
void admin_add_rest(const struct gathered *all, struct buf *out);

/* Takes the body over. */
void admin_respond(struct client *client, unsigned status, struct buf *body);
/* `message` NULL: in the words of all. */
void admin_refuse(struct client *client, int err, const char *message);

#endif
