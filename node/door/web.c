/* SPDX-License-Identifier: Apache-2.0 */
#include "node/door/web.h"

#include <assert.h>

#include "node/conn/conn.h"
#include "node/core.h"
#include "proto/err.h"

static bool lists_events(struct bytes accept);
static void keep(struct buf *memory, struct bytes *slice);

bool web_is_get(const struct http_request *request)
{
    return bytes_eq(request->method, BYTES("GET"));
}

bool web_wants_events(const struct http_request *request)
{
    for (size_t i = 0; i < request->headers_len; i++) {
        const struct http_header *header = &request->headers[i];
        if (bytes_eq_nocase(header->name, BYTES("accept")) &&
            lists_events(header->value)) {
            return true;
        }
    }
    return false;
}

int web_scope(const struct http_request *request, enum cluster_scope *scope)
{
    struct buf text = {0};
    int found = http_query(request->query, "barrier", &text);
    struct bytes value = buf_bytes(&text);
    int err = found < 0 ? found : 0;
    *scope = CLUSTER_SCOPE_REGION;
    if (found > 0 && bytes_eq(value, BYTES("all"))) {
        *scope = CLUSTER_SCOPE_ALL;
    } else if (found > 0 && !bytes_eq(value, BYTES("region"))) {
        err = ERR_ARGUMENT;
    }
    buf_fini(&text);
    return err;
}

int web_format(const struct http_request *request, bool *json)
{
    struct buf text = {0};
    int found = http_query(request->query, "format", &text);
    int err = found < 0 ? found : 0;
    *json = found > 0 && bytes_eq(buf_bytes(&text), BYTES("json"));
    if (found > 0 && !*json) {
        err = ERR_ARGUMENT;
    }
    buf_fini(&text);
    return err;
}

int web_number(const struct http_request *request, const char *name,
               uint64_t *value)
{
    struct buf text = {0};
    int err = http_query(request->query, name, &text);
    if (err > 0) {
        err = 0;
        if (text.len > 0 && bytes_u64(buf_bytes(&text), value) < 0) {
            err = ERR_ARGUMENT;
        }
    }
    buf_fini(&text);
    return err;
}

int web_within(const struct http_request *request, const char *name,
               uint64_t least, uint64_t most, uint64_t *value)
{
    struct buf text = {0};
    uint64_t number = *value;
    int err = http_query(request->query, name, &text);

    if (err > 0) {
        err = bytes_u64(buf_bytes(&text), &number) < 0 || number < least ||
                      number > most
                  ? ERR_ARGUMENT
                  : 0;
    }
    if (err == 0) {
        *value = number;
    }
    buf_fini(&text);
    return err;
}

uint64_t web_cut_key(const struct client *client, struct bytes cache,
                     struct bytes topic)
{
    const struct core *core = client->core;
    const struct token *token = &client->who->token;
    const struct bytes parts[] = {
        token->subject,
        token->id,
        bytes_of(client->conn->remote.ip, sizeof client->conn->remote.ip),
        cache,
        topic,
    };
    uint64_t hashes[ARRAY_LEN(parts)];

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        hashes[i] = hash_bytes(&core->hash_key, parts[i]);
    }
    uint64_t key = hash_bytes(&core->hash_key, bytes_of(hashes, sizeof hashes));
    return key == 0 ? 1 : key;
}

int web_headers_init(struct web_headers *headers, const struct client *client,
                     const struct http_request *request)
{
    *headers = (struct web_headers){0};
    headers->len = request_cors(client, request, headers->list);

    /* Reserved at once: the slices must not move while they are kept. */
    size_t need = 1;
    for (size_t i = 0; i < headers->len; i++) {
        need += headers->list[i].name.len + headers->list[i].value.len;
    }
    if (buf_reserve(&headers->memory, need) == NULL) {
        web_headers_fini(headers);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < headers->len; i++) {
        keep(&headers->memory, &headers->list[i].name);
        keep(&headers->memory, &headers->list[i].value);
    }
    headers->list[headers->len].name = BYTES("Cache-Control");
    headers->list[headers->len].value = BYTES("no-cache, no-store");
    headers->len++;
    return 0;
}

void web_headers_fini(struct web_headers *headers)
{
    buf_fini(&headers->memory);
    *headers = (struct web_headers){0};
}

void web_headers_add(struct web_headers *headers, const char *name,
                     const char *value)
{
    assert(headers->len < ARRAY_LEN(headers->list));
    headers->list[headers->len].name = bytes_str(name);
    headers->list[headers->len].value = bytes_str(value);
    headers->len++;
}

void web_answer(struct client *client, const struct web_headers *headers,
                unsigned status, const char *content_type, struct buf *body)
{
    const struct http_response response = {
        .status = body->failed ? err_status(ERR_NOMEM) : status,
        .content_type = bytes_str(content_type),
        .body = body->failed ? bytes_of(NULL, 0) : buf_bytes(body),
        .headers = headers->list,
        .headers_len = headers->len,
    };
    client_respond(client, &response);
    buf_fini(body);
}

/* Media ranges may carry parameters: "text/event-stream;q=0.9". */
static bool lists_events(struct bytes accept)
{
    for (;;) {
        ptrdiff_t comma = bytes_find(accept, ',');
        size_t len = comma < 0 ? accept.len : (size_t)comma;
        struct bytes range = bytes_of(accept.p, len);
        ptrdiff_t semicolon = bytes_find(range, ';');
        if (semicolon >= 0) {
            range.len = (size_t)semicolon;
        }
        if (bytes_eq_nocase(bytes_trim(range), BYTES("text/event-stream"))) {
            return true;
        }
        if (comma < 0) {
            return false;
        }
        accept = bytes_skip(accept, len + 1);
    }
}

static void keep(struct buf *memory, struct bytes *slice)
{
    size_t at = memory->len;
    buf_add_bytes(memory, *slice);
    assert(!memory->failed);
    slice->p = memory->p + at;
}
