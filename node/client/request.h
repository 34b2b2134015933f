/* SPDX-License-Identifier: Apache-2.0
 *
 * What every HTTP request passes before its door sees it, whatever carried it:
 * host, origin, credentials. And the small answers that all doors share.
 *
 * - Host: exactly one for HTTP/1.1, well formed; on a loopback listener it must
 *   be an address, name loopback, the configured endpoint or a name under it,
 *   or the host of an origin on the list (DNS rebinding, D11).
 * - Origin: absent, the same host, a page of loopback on a loopback listener,
 *   the endpoint of a node of this cluster, or on the list; else 403 for
 *   upgrades, state changes and all below /v1/admin/, and no CORS headers (D9,
 *   D10). Below that also when a page of elsewhere embeds it without saying
 *   which it is.
 * - Token: `Authorization: TOKEN` or `Bearer TOKEN`, or `?token=`; two of them
 *   is 400 (Momento HTTP API).
 */
#ifndef NODE_REQUEST_H
#define NODE_REQUEST_H

#include "node/client/client.h"
#include "proto/http.h"

enum {
    REQUEST_CORS_HEADERS_MAX = 4
};

/* 0 when the door may see it; otherwise the error to answer with. Logs the
 * client in when there are credentials. */
int request_admit(struct client *client, const struct http_request *request);

/* Gives an admitted request to its door, or answers it: a preflight, or the
 * error of who would not take it. */
void request_serve(struct client *client, const struct http_request *request);

/* CORS headers for an answer to an allowed origin; returns how many. Slices
 * borrow from the request and from static text. */
size_t request_cors(const struct client *client,
                    const struct http_request *request,
                    struct http_header out[REQUEST_CORS_HEADERS_MAX]);

/* Appends {"code":4030,"error":"DENIED","message":"..."}; right after the
 * refusal (auth_add_text()). */
void request_add_error(const struct client *client, struct buf *out, int err);
/* The same in a door's own words. */
void request_add_error_as(struct buf *out, int err, struct bytes message);

/* Answers with that and err's status, counted. */
void request_error(struct client *client, const struct http_request *request,
                   int err);

/* A whole answer with CORS headers as the request deserves. */
void request_answer(struct client *client, const struct http_request *request,
                    unsigned status, const char *content_type,
                    struct bytes body);

/* Splits and decodes /topics/{cache}/{topic...}; both into out, which the
 * caller owns. Errors: ERR_NAME, ERR_SYNTAX. */
struct request_topic {
    struct bytes cache;
    struct bytes topic;
    struct buf memory;
};
int request_topic(const struct http_request *request,
                  struct request_topic *out);
/* The same of a path below another one than /topics/. */
int request_topic_under(const struct http_request *request, struct bytes prefix,
                        struct request_topic *out);

#endif
