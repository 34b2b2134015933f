/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "node/door/documents.h"
#include "node/door/door.h"
#include "proto/err.h"

enum {
    PATH_MAX_LEN = 128
};

/* --- what is the same everywhere --- */

static json_t *error_schema(bool *failed)
{
    json_t *names = json_array();

    for (int i = 0; i < ERR_COUNT; i++) {
        document_add(failed, names, json_string(err_name(-1 - i)));
    }
    return json_pack(
        "{s:s, s:[s,s,s], s:{s:{s:s,s:s}, s:{s:s,s:o}, s:{s:s,s:s}}}", "type",
        "object", "required", "code", "error", "message", "properties", "code",
        "type", "integer", "description",
        "stable; its first three digits are the status", "error", "type",
        "string", "enum", names, "message", "type", "string", "description",
        "for people");
}

static json_t *components(bool *failed)
{
    return json_pack(
        "{s:{s:o}, s:{s:{s:s, s:{s:{s:{s:s}}}}}, s:{s:{s:s, s:s}, s:{s:s, s:s, "
        "s:s}}}",
        "schemas", "Error", error_schema(failed), "responses", "Error",
        "description", "refused: starling explain CODE says why", "content",
        "application/json", "schema", "$ref", "#/components/schemas/Error",
        "securitySchemes", "bearer", "type", "http", "scheme", "bearer",
        "query", "type", "apiKey", "in", "query", "name", "token");
}

/* --- parameters --- */

static const char *meaning_of(const char *name, size_t len)
{
    static const char *const known[][2] = {
        {"cache", "a cache: 1 to 64 characters of A-Za-z0-9._-"},
        {"topic", "a topic: all the rest of the path, slashes included"},
        {"client", "a client, as /v1/admin/clients names it"},
        {"prefix", "what topics begin with: all the rest of the path"},
        {"file", "a file of the console"},
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strlen(known[i][0]) == len && memcmp(known[i][0], name, len) == 0) {
            return known[i][1];
        }
    }
    return "";
}

static void add_parameter(bool *failed, json_t *operation, json_t *parameter)
{
    json_t *list = json_object_get(operation, "parameters");
    json_t *known;
    size_t i;

    json_array_foreach(list, i, known)
    {
        if (json_equal(json_object_get(known, "name"),
                       json_object_get(parameter, "name")) &&
            json_equal(json_object_get(known, "in"),
                       json_object_get(parameter, "in"))) {
            json_decref(parameter);
            return;
        }
    }
    document_add(failed, list, parameter);
}

/* Those of the path; its form without dots goes to `path`. */
static void add_path_parameters(bool *failed, json_t *operation,
                                const char *template, char path[PATH_MAX_LEN])
{
    size_t len = 0;

    for (const char *t = template; *t != '\0' && len + 1 < PATH_MAX_LEN; t++) {
        if (*t != '.' || t[1] != '.' || t[2] != '.') {
            path[len++] = *t;
        } else {
            t += 2;
        }
        if (*t == '{') {
            size_t name_len = strcspn(t + 1, ".}");
            add_parameter(failed, operation,
                          json_pack("{s:s%, s:s, s:b, s:s, s:{s:s}}", "name",
                                    t + 1, name_len, "in", "path", "required",
                                    1, "description",
                                    meaning_of(t + 1, name_len), "schema",
                                    "type", "string"));
        }
    }
    path[len] = '\0';
}

static void add_fields(bool *failed, json_t *operation,
                       const struct route *route)
{
    const struct route_field *f = route->fields;

    for (; f != NULL && f->name != NULL; f++) {
        add_parameter(failed, operation,
                      json_pack("{s:s, s:s, s:s, s:{s:s}}", "name", f->name,
                                "in", f->in == ROUTE_QUERY ? "query" : "header",
                                "description", f->what, "schema", "type",
                                f->type));
    }
}

/* --- operations --- */

static void add_answer(bool *failed, json_t *responses,
                       const struct route_answer *answer)
{
    char status[8];
    json_t *response;

    status[0] = (char)('0' + answer->status / 100 % 10);
    status[1] = (char)('0' + answer->status / 10 % 10);
    status[2] = (char)('0' + answer->status % 10);
    status[3] = '\0';
    response = json_object_get(responses, status);
    if (response == NULL) {
        document_set(failed, responses, status,
                     json_pack("{s:s}", "description", answer->what));
        response = json_object_get(responses, status);
    }
    if (answer->content_type == NULL) {
        return;
    }
    if (json_object_get(response, "content") == NULL) {
        document_set(failed, response, "content", json_object());
    }
    bool is_json = strcmp(answer->content_type, "application/json") == 0;
    document_set(
        failed, json_object_get(response, "content"), answer->content_type,
        json_pack("{s:{s:s, s:s}}", "schema", "type",
                  is_json ? "object" : "string", "description", answer->what));
}

static json_t *security_of(const struct route *route)
{
    const char *scope = route->scope;

    if (scope == NULL) {
        return json_array();
    }
    if (strcmp(scope, "token") == 0) {
        return json_pack("[{s:[]}, {s:[]}]", "bearer", "query");
    }
    return json_pack("[{s:[s]}, {s:[s]}]", "bearer", scope, "query", scope);
}

/* "post_topics_cache_topic" */
static json_t *id_of(const struct route *route)
{
    struct buf id = {0};
    bool cut = false;

    for (const char *c = route->method; *c != '\0'; c++) {
        buf_add_u8(&id, (uint8_t)(*c | 0x20));
    }
    for (const char *c = route->path; *c != '\0'; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        if (plain && cut) {
            buf_add_u8(&id, '_');
        }
        cut = !plain;
        if (plain) {
            buf_add_u8(&id, (uint8_t)*c);
        }
    }
    json_t *text = id.failed ? NULL : json_stringn((const char *)id.p, id.len);
    buf_fini(&id);
    return text;
}

static json_t *begin_operation(const struct door *door,
                               const struct route *route)
{
    return json_pack("{s:o, s:s, s:[s], s:o, s:[], s:{s:{s:s}}}", "operationId",
                     id_of(route), "summary", route->summary, "tags",
                     door->name, "security", security_of(route), "parameters",
                     "responses", "default", "$ref",
                     "#/components/responses/Error");
}

/* Doors may share a path and a method: then it is one operation. */
static void add_route(bool *failed, json_t *paths, const struct door *door,
                      const struct route *route)
{
    char method[8] = "";
    char path[PATH_MAX_LEN];
    json_t *operation = begin_operation(door, route);

    for (size_t i = 0; route->method[i] != '\0' && i + 1 < sizeof method; i++) {
        method[i] = (char)(route->method[i] | 0x20);
        method[i + 1] = '\0';
    }
    add_path_parameters(failed, operation, route->path, path);
    if (json_object_get(paths, path) == NULL) {
        document_set(failed, paths, path, json_object());
    }
    json_t *item = json_object_get(paths, path);
    json_t *there = json_object_get(item, method);
    if (there == NULL) {
        document_set(failed, item, method, operation);
        there = operation;
    } else {
        json_decref(operation);
    }
    add_fields(failed, there, route);
    if (route->body != NULL) {
        document_set(failed, there, "requestBody",
                     json_pack("{s:{s:{}}}", "content", route->body));
    }
    for (const struct route_answer *a = route->answers; a->status != 0; a++) {
        add_answer(failed, json_object_get(there, "responses"), a);
    }
}

static void add_door(bool *failed, json_t *paths, const struct door *door)
{
    static const struct route_answer switched[] = {
        {101, "WebSocket; what is said there: /asyncapi.json", NULL}, {0}};
    static const struct route_field offers[] = {
        {"moves", ROUTE_QUERY, "string",
         "true: it may be asked to go on at another node"},
        {0}};
    const struct route upgrade = {.method = "GET",
                                  .path = door->path,
                                  .scope = "token",
                                  .summary = "The native protocol",
                                  .fields = offers,
                                  .answers = switched};

    if (door->shape == DOOR_MESSAGE) {
        add_route(failed, paths, door, &upgrade);
    }
    for (const struct route *r = door->routes; r != NULL && r->method != NULL;
         r++) {
        add_route(failed, paths, door, r);
    }
}

json_t *openapi_document(void)
{
    json_t *paths = json_object();
    bool failed = false;
    const struct door *door;

    for (size_t i = 0; (door = door_at(i)) != NULL; i++) {
        add_door(&failed, paths, door);
    }
    json_t *root = json_pack(
        "{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:o, s:o}",
        "openapi", "3.1.0", "info", "title", "Starling", "version",
        STARLING_VERSION, "description",
        "Topics over HTTP, on every node the same. A node without keys takes "
        "everyone. gRPC at the same port speaks Momento's protocol.",
        "license", "name", "Apache-2.0", "identifier", "Apache-2.0", "servers",
        "url", "/", "paths", paths, "components", components(&failed));
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return root;
}
