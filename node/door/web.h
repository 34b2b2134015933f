/* SPDX-License-Identifier: Apache-2.0
 *
 * What the request doors share beyond node/client/request.h: whose a request
 * is, the parameters they have in common, and answers given when the request
 * itself has gone.
 *
 *   /topics/{cache}/{topic...}
 *     GET, Accept: text/event-stream   door_sse
 *     GET                              door_poll
 *     POST, PUT                        door_publish
 */
#ifndef NODE_DOOR_WEB_H
#define NODE_DOOR_WEB_H

#include <stdbool.h>

#include "cluster/cluster.h"
#include "node/client/request.h"
#include "proto/http.h"

bool web_is_get(const struct http_request *request);
/* Whether an Accept header lists text/event-stream. */
bool web_wants_events(const struct http_request *request);

/* `barrier=all` or `barrier=region`, which is also what absence means. Errors:
 * ERR_ARGUMENT, ERR_SYNTAX. */
int web_scope(const struct http_request *request, enum cluster_scope *scope);

/* `format=json`: items are messages of the native protocol. Absent: no. Errors:
 * ERR_ARGUMENT, ERR_SYNTAX. */
int web_format(const struct http_request *request, bool *json);

/* The unsigned decimal parameter `name`; absent or empty leaves *value.
 * Errors: ERR_ARGUMENT, ERR_SYNTAX. */
int web_number(const struct http_request *request, const char *name,
               uint64_t *value);

/* The same, of least .. most; absent leaves *value, all else, an empty one too,
 * is ERR_ARGUMENT. */
int web_within(const struct http_request *request, const char *name,
               uint64_t least, uint64_t most, uint64_t *value);

/* Who asks again for the same: the name of a mark (node/client/cut.h). Never 0.
 */
uint64_t web_cut_key(const struct client *client, struct bytes cache,
                     struct bytes topic);

/* The headers of an answer in memory of their own: CORS as the request deserves
 * it, and no caching. Zero is empty. */
struct web_headers {
    struct http_header list[REQUEST_CORS_HEADERS_MAX + 2];
    size_t len;
    struct buf memory;
};

/* Errors: ERR_NOMEM; the headers are then empty. */
int web_headers_init(struct web_headers *headers, const struct client *client,
                     const struct http_request *request);
void web_headers_fini(struct web_headers *headers);
/* Adds one of static texts; there is room for one. */
void web_headers_add(struct web_headers *headers, const char *name,
                     const char *value);

/* The answer of a request that has gone, with the headers kept of it. Takes the
 * body over: a failed one is a status without words. */
void web_answer(struct client *client, const struct web_headers *headers,
                unsigned status, const char *content_type, struct buf *body);

#endif
