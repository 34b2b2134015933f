/* SPDX-License-Identifier: Apache-2.0
 *
 * /openapi.json and /asyncapi.json, for everyone: they say what there is, not
 * what goes on. Each is made once, when it is first asked for, and kept.
 */
#include "node/door/documents.h"

#include <stdlib.h>

#include "node/client/request.h"
#include "node/door/door.h"

static int on_request(struct client *client,
                      const struct http_request *request);

static const struct route_answer answers[] = {
    {200, "the document", "application/json"}, {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/openapi.json",
     .summary = "This document: HTTP, in OpenAPI 3.1",
     .answers = answers},
    {.method = "GET",
     .path = "/asyncapi.json",
     .summary = "The native WebSocket and the cache _sys, in AsyncAPI 3.0",
     .answers = answers},
    {0},
};

const struct door door_documents = {
    .name = "documents",
    .shape = DOOR_REQUEST,
    .routes = routes,
    .on_request = on_request,
};

void document_set(bool *failed, json_t *object, const char *name, json_t *value)
{
    *failed = json_object_set_new(object, name, value) != 0 || *failed;
}

void document_add(bool *failed, json_t *array, json_t *value)
{
    *failed = json_array_append_new(array, value) != 0 || *failed;
}

static int make(bool openapi, struct buf *out)
{
    json_t *document = openapi ? openapi_document() : asyncapi_document();
    char *text = document == NULL ? NULL : json_dumps(document, JSON_COMPACT);

    json_decref(document);
    if (text == NULL) {
        return ERR_NOMEM;
    }
    buf_add_str(out, text);
    free(text);
    if (out->failed) {
        buf_fini(out);
        return ERR_NOMEM;
    }
    return 0;
}

static int on_request(struct client *client, const struct http_request *request)
{
    bool openapi = route_find(routes, request) == &routes[0];
    struct buf *kept = &client->core->documents[openapi ? 0 : 1];
    int err = kept->len > 0 ? 0 : make(openapi, kept);

    if (err == 0) {
        request_answer(client, request, 200, "application/json",
                       buf_bytes(kept));
    }
    return err;
}
