/* SPDX-License-Identifier: Apache-2.0
 *
 * A route: one method of one path, as the row of a request door says it. Which
 * door a request is for, the 405 with the methods that there are, and
 * /openapi.json come from the rows (node/door/door.c, openapi.c).
 *
 * It is decided once, by the bytes of the path as they were sent: no other
 * spelling of a path is an alias. A parameter is one segment that is not empty;
 * "{topic...}" is all that is left. Percent-encoding is undone by the door,
 * once, in what a parameter is.
 *
 * A new path: a row in its door's `routes`, described here in full; nothing
 * else says what it takes.
 */
#ifndef NODE_DOOR_ROUTE_H
#define NODE_DOOR_ROUTE_H

#include <stdbool.h>

#include "proto/http.h"

enum route_in {
    ROUTE_QUERY,
    ROUTE_HEADER
};

/* A parameter beside those of the path. */
struct route_field {
    const char *name; /* NULL ends the rows */
    enum route_in in;
    const char *type; /* of JSON Schema: "integer", "string" */
    const char *what;
};

struct route_answer {
    unsigned status; /* 0 ends the rows */
    const char *what;
    const char *content_type; /* NULL: it has no body */
};

struct route {
    const char *method; /* NULL ends the rows */
    const char *path;   /* "/v1/caches/{cache}" */
    /* Not NULL: it takes every path that begins so, also one whose names are
     * wrong, which the door then says. */
    const char *below;
    /* What a token must have for it: a scope ("admin:read"), a grant
     * ("publish", "subscribe"), "token" for any valid one; NULL: it needs none.
     * For the documents: doors check it. */
    const char *scope;
    const char *summary;              /* one line, no full stop */
    const struct route_field *fields; /* NULL: none */
    const char *body;                 /* its content type; NULL: none is read */
    const struct route_answer *answers; /* errors are the same everywhere */
};

/* Whether the row has this path, whatever the method. */
bool route_has_path(const struct route *route, struct bytes path);
/* What the first parameter of a path is that the row has. */
struct bytes route_segment(const struct route *route, struct bytes path);
/* The row of those that the request is for; NULL: none. */
const struct route *route_find(const struct route *routes,
                               const struct http_request *request);

#endif
