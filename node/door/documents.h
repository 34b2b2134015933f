/* SPDX-License-Identifier: Apache-2.0
 *
 * What this node says of itself to tools: /openapi.json from the rows of routes
 * (node/door/route.h), /asyncapi.json from the table of native messages and
 * those of the cache `_sys` (node/door/asyncapi.c).
 */
#ifndef NODE_DOOR_DOCUMENTS_H
#define NODE_DOOR_DOCUMENTS_H

#include <jansson.h>
#include <stdbool.h>

/* OpenAPI 3.1 and AsyncAPI 3.0. The caller's; NULL: memory is short. */
json_t *openapi_document(void);
json_t *asyncapi_document(void);

/* For these two: sets a member, or appends one, and notes if that failed. Takes
 * the value over, which may be NULL: then that failed before. */
void document_set(bool *failed, json_t *object, const char *name,
                  json_t *value);
void document_add(bool *failed, json_t *array, json_t *value);

#endif
