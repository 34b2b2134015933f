/* SPDX-License-Identifier: Apache-2.0
 *
 * Caches over HTTP: /v1/caches and /v1/caches/{cache}. Specified in
 * docs/PROTOCOLS.md.
 *
 *   PUT, DELETE --caches_put()--> waits until all nodes have it --> answered
 *
 * Who may look may not change. A change is answered when every node that is
 * linked knows it, or after CLUSTER_BARRIER_MS: so that its client may go on at
 * any other node.
 */
#include "node/client/caches.h"

#include <jansson.h>

#include "node/client/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"
#include "proto/json.h"
#include "proto/topic.h"

static const struct bytes root = BYTES("/v1/caches");

enum {
    TAG_CHANGE = 1,
    BODY_LEN_MAX = 4096,
};

struct change {
    unsigned status; /* of the answer that is owed; 0: none */
    struct web_headers headers;
    uint8_t name[CACHE_LEN_MAX];
    uint8_t len;
};

static int on_request(struct client *client,
                      const struct http_request *request);
static int name_of(const struct http_request *request, struct bytes *name);
static int list(struct client *client, const struct http_request *request);
static int show(struct client *client, const struct http_request *request,
                struct bytes name);
static int change(struct client *client, const struct http_request *request,
                  struct bytes name);
static int put(struct client *client, const struct http_request *request,
               struct bytes name, unsigned *status);
static int read_quota(struct bytes body, struct quota *quota);
static void on_barrier(struct client *client, uint64_t tag, bool partial,
                       struct buf *ack);
static void on_deadline(struct client *client);
static void add_entry(struct buf *out, const struct caches_entry *entry);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);

static const struct route_answer listed[] = {
    {200, "the caches that the token reaches", "application/json"}, {0}};
static const struct route_answer shown[] = {
    {200, "the cache and its quota", "application/json"}, {0}};
static const struct route_answer put_answers[] = {
    {200, "it was there", "application/json"},
    {201, "created", "application/json"},
    {0}};
static const struct route_answer deleted[] = {{204, "deleted", NULL}, {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/v1/caches",
     .scope = "token",
     .summary = "The caches",
     .answers = listed},
    {.method = "GET",
     .path = "/v1/caches/{cache}",
     .below = "/v1/caches/",
     .scope = "token",
     .summary = "One cache",
     .answers = shown},
    {.method = "PUT",
     .path = "/v1/caches/{cache}",
     .below = "/v1/caches/",
     .scope = "admin:caches",
     .summary = "Create a cache, or change its quota",
     .body = "application/json",
     .answers = put_answers},
    {.method = "DELETE",
     .path = "/v1/caches/{cache}",
     .below = "/v1/caches/",
     .scope = "admin:caches",
     .summary = "Delete a cache; its subscriptions end",
     .answers = deleted},
    {0},
};

const struct door door_caches = {
    .name = "caches",
    .shape = DOOR_REQUEST,
    .state_len = sizeof(struct change),
    .routes = routes,
    .on_request = on_request,
    .on_barrier = on_barrier,
    .on_deadline = on_deadline,
    .say_error = say_error,
    .on_close = on_close,
};

static int on_request(struct client *client, const struct http_request *request)
{
    bool get = web_is_get(request);
    bool all = request->path.len == root.len;
    struct bytes name = {0};
    int err = client_is_known(client);

    if (err == 0 && !all) {
        err = name_of(request, &name);
    }
    if (err < 0) {
        return err;
    }
    if (all) {
        return list(client, request);
    }
    return get ? show(client, request, name) : change(client, request, name);
}

/* No name has a character that URLs escape. */
static int name_of(const struct http_request *request, struct bytes *name)
{
    *name = bytes_skip(request->path, root.len + 1);
    return topic_cache_is_valid(*name) ? 0 : ERR_NAME;
}

/* --- questions --- */

static void answer(struct client *client, const struct http_request *request,
                   struct buf *body)
{
    if (body->failed) {
        request_error(client, request, ERR_NOMEM);
    } else {
        request_answer(client, request, 200, "application/json",
                       buf_bytes(body));
    }
    buf_fini(body);
}

static int list(struct client *client, const struct http_request *request)
{
    const struct core *core = client->core;
    struct caches_entry entry;
    struct buf body = {0};
    size_t len = 0;

    buf_add_str(&body, "{\"auto_create_caches\":");
    buf_add_str(&body, core->caches.only_known ? "false" : "true");
    buf_add_str(&body, ",\"caches\":[");
    for (size_t at = 0; caches_next(core, &at, &entry);) {
        if (caches_shows(client->who, entry.name)) {
            buf_add_str(&body, len++ == 0 ? "" : ",");
            add_entry(&body, &entry);
        }
    }
    buf_add_str(&body, "]}\n");
    answer(client, request, &body);
    return 0;
}

/* Whether there is one that it may not see is nobody's business. */
static int show(struct client *client, const struct http_request *request,
                struct bytes name)
{
    struct caches_entry entry;
    struct buf body = {0};

    if (!caches_shows(client->who, name) ||
        !caches_find(client->core, name, &entry)) {
        return ERR_NO_CACHE;
    }
    add_entry(&body, &entry);
    buf_add_u8(&body, '\n');
    answer(client, request, &body);
    return 0;
}

static void add_number(struct buf *out, bool comma, const char *name,
                       uint64_t number)
{
    json_add_name(out, comma, name);
    buf_add_u64(out, number);
}

static void add_entry(struct buf *out, const struct caches_entry *entry)
{
    buf_add_u8(out, '{');
    json_add_name(out, false, "name");
    json_add_string(out, entry->name);
    add_number(out, true, "changed_at", entry->changed_ms);
    buf_add_str(out, ",\"quota\":{");
    add_number(out, false, "publish_rate", entry->quota.publish_rate);
    add_number(out, true, "item_len", entry->quota.item_len);
    add_number(out, true, "subs", entry->quota.subs);
    buf_add_str(out, "}}");
}

/* --- changes --- */

static int change(struct client *client, const struct http_request *request,
                  struct bytes name)
{
    struct core *core = client->core;
    struct change *change = client->state;
    unsigned status = 204;
    int err = client_may_admin(client, "admin:caches");

    if (err == 0) {
        err = web_headers_init(&change->headers, client, request);
    }
    if (err < 0) {
        return err;
    }
    err = bytes_eq(request->method, BYTES("PUT"))
              ? put(client, request, name, &status)
              : caches_delete(core, name, client->who);
    if (err == 0) {
        memcpy(change->name, name.p, name.len);
        change->len = (uint8_t)name.len;
        change->status = status;
        err = client_await(client, CLUSTER_SCOPE_ALL, caches_version(core),
                           TAG_CHANGE);
    }
    return err;
}

/* Without a body nothing changes of one that is there. */
static int put(struct client *client, const struct http_request *request,
               struct bytes name, unsigned *status)
{
    struct caches_entry entry;
    struct quota quota = {0};
    bool created = false;
    int err = read_quota(request->body, &quota);

    if (err == 0 &&
        (request->body.len > 0 || !caches_find(client->core, name, &entry))) {
        err = caches_put(client->core, name, &quota, client->who, &created);
    }
    *status = created ? 201 : 200;
    return err;
}

/* {"publish_rate": 100, ...}: what is not named is unbounded. */
static int read_quota(struct bytes body, struct quota *quota)
{
    const char *name;
    json_t *value;
    int err = 0;

    if (body.len == 0) {
        return 0;
    }
    if (body.len > BODY_LEN_MAX) {
        return ERR_TOO_BIG;
    }
    json_t *json = json_loadb((const char *)body.p, body.len,
                              JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json)) {
        err = ERR_SYNTAX;
    }
    json_object_foreach(json, name, value)
    {
        json_int_t number = json_integer_value(value);
        if (!json_is_integer(value) || number < 0 ||
            quota_set(quota, name, (uint64_t)number) != 0) {
            err = ERR_ARGUMENT;
        }
    }
    json_decref(json);
    return err;
}

/* Inside the output of the client: the answer follows at once. */
static void on_barrier(struct client *client, uint64_t tag, bool partial,
                       struct buf *ack)
{
    (void)tag;
    (void)partial;
    (void)ack;
    client_deadline(client, client->core->now_ms);
}

static void on_deadline(struct client *client)
{
    struct change *change = client->state;
    struct caches_entry entry;
    struct buf body = {0};
    struct http_response response = {
        .status = change->status,
        .headers = change->headers.list,
        .headers_len = change->headers.len,
    };

    if (change->status != 204) {
        struct bytes name = bytes_of(change->name, change->len);
        if (!caches_find(client->core, name, &entry)) {
            entry = (struct caches_entry){.name = name}; /* gone already */
        }
        add_entry(&body, &entry);
        buf_add_u8(&body, '\n');
        response.content_type = BYTES("application/json");
        response.body = body.failed ? (struct bytes){0} : buf_bytes(&body);
    }
    change->status = 0;
    client_respond(client, &response);
    buf_fini(&body);
}

/* What was done is done, whoever waits for others to know. */
static void say_error(struct client *client, int err)
{
    const struct change *change = client->state;

    (void)err;
    if (change->status != 0) {
        on_deadline(client);
    }
}

static void on_close(struct client *client)
{
    struct change *change = client->state;

    web_headers_fini(&change->headers);
}
