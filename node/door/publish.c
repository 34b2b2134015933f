/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishing by HTTP: POST or PUT /topics/{cache}/{topic...}, the body is the
 * value. 204 when the item is on its way. With `format=json` the body is a
 * `publish` of the native protocol, and so is the answer if it asks for a
 * receipt. Specified in docs/PROTOCOLS.md.
 */
#include "node/door/door.h"
#include "node/door/web.h"
#include "proto/native.h"
#include "proto/topic.h"

static const char *const content_types_dull[] = {
    "text/plain", "application/octet-stream",
    "application/x-www-form-urlencoded", /* what curl -d says of anything */
};

static int on_request(struct client *client,
                      const struct http_request *request);
static int publish(struct client *client, const struct http_request *request,
                   struct buf *answer);
static int read_message(const struct http_request *request,
                        struct native_command *command, struct buf *memory);
static int read_value(const struct http_request *request,
                      struct native_command *command);
static int send_on(struct client *client, const struct request_topic *name,
                   const struct native_command *command, struct buf *answer);
static int read_attrs(const struct http_request *request,
                      struct item_attrs *attrs);
static int read_attr(const struct http_request *request, const char *name,
                     struct bytes *value);
static struct bytes media_type(const struct http_request *request);
static bool is_dull(struct bytes type);

static const struct route_field fields[] = {
    {"format", ROUTE_QUERY, "string",
     "json: the body is a native publish, for what headers cannot say"},
    {"Starling-Event", ROUTE_HEADER, "string", "name of the event"},
    {"Starling-Id", ROUTE_HEADER, "string", "the publisher's own id"},
    {"Starling-Reply-To", ROUTE_HEADER, "string", "topic for an answer"},
    {"Starling-Correlation", ROUTE_HEADER, "string", "which answer it is"},
    {0},
};

static const struct route_answer answers[] = {
    {204, "on its way to whoever is subscribed now", NULL},
    {200, "the receipt, if format=json asked for one", "application/json"},
    {0},
};

static const struct route routes[] = {
    {.method = "POST",
     .path = "/topics/{cache}/{topic...}",
     .below = "/topics/",
     .scope = "publish",
     .summary = "Publish the body as an item",
     .fields = fields,
     .body = "*/*",
     .answers = answers},
    {.method = "PUT",
     .path = "/topics/{cache}/{topic...}",
     .below = "/topics/",
     .scope = "publish",
     .summary = "Publish the body as an item, the same as POST",
     .fields = fields,
     .body = "*/*",
     .answers = answers},
    {0},
};

const struct door door_publish = {
    .name = "publish",
    .shape = DOOR_REQUEST,
    .routes = routes,
    .on_request = on_request,
};

static int on_request(struct client *client, const struct http_request *request)
{
    struct buf answer = {0};
    int err = publish(client, request, &answer);
    if (err == 0 && answer.len > 0) {
        request_answer(client, request, 200, "application/json",
                       buf_bytes(&answer));
    } else if (err == 0) {
        request_answer(client, request, 204, NULL, bytes_of(NULL, 0));
    }
    buf_fini(&answer);
    return err;
}

static int publish(struct client *client, const struct http_request *request,
                   struct buf *answer)
{
    struct request_topic name = {0};
    struct native_command command = {0};
    struct buf memory = {0};
    bool json = false;
    int err = web_format(request, &json);
    if (err == 0) {
        err = request_topic(request, &name);
    }
    if (err == 0) {
        err = json ? read_message(request, &command, &memory)
                   : read_value(request, &command);
    }
    if (err == 0) {
        err = send_on(client, &name, &command, answer);
    }
    buf_fini(&memory);
    buf_fini(&name.memory);
    return err;
}

/* The names are those of the path, whatever the message says. */
static int read_message(const struct http_request *request,
                        struct native_command *command, struct buf *memory)
{
    int err = native_read(NATIVE_JSON, request->body, command, memory);
    if (err == 0 && command->op != NATIVE_PUBLISH) {
        err = ERR_ARGUMENT;
    }
    return err;
}

static int read_value(const struct http_request *request,
                      struct native_command *command)
{
    command->value = request->body;
    command->binary = bytes_eq_nocase(media_type(request),
                                      BYTES("application/octet-stream"));
    return read_attrs(request, &command->attrs);
}

static int send_on(struct client *client, const struct request_topic *name,
                   const struct native_command *command, struct buf *answer)
{
    struct hub_receipt receipt;
    struct buf block = {.max = (size_t)2 * ITEM_ATTRS_LEN_MAX};
    int err = item_attrs_write(&command->attrs, &block);
    if (err == 0) {
        const struct client_item item = {
            .cache = name->cache,
            .topic = name->topic,
            .value = command->value,
            .attrs = buf_bytes(&block),
            .flags = command->binary ? ITEM_BINARY : 0,
        };
        err = client_publish(client, &item, &receipt);
    }
    buf_fini(&block);
    if (err == 0 && command->receipt) {
        native_write_published(NATIVE_JSON, command->id, receipt.subs,
                               receipt.nodes, receipt.partial, answer);
        if (answer->failed) { /* it is on its way all the same */
            buf_reset(answer);
        }
    }
    return err;
}

static int read_attrs(const struct http_request *request,
                      struct item_attrs *attrs)
{
    const struct {
        const char *header;
        struct bytes *value;
    } all[] = {
        {"Starling-Event", &attrs->event},
        {"Starling-Id", &attrs->id},
        {"Starling-Reply-To", &attrs->reply_to},
        {"Starling-Correlation", &attrs->correlation},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        int err = read_attr(request, all[i].header, all[i].value);
        if (err < 0) {
            return err;
        }
    }
    if (!is_dull(media_type(request))) {
        return read_attr(request, "Content-Type", &attrs->content_type);
    }
    return 0;
}

/* Other doors put attributes into lines and frames of theirs, so they are held
 * to what a topic name may be. */
static int read_attr(const struct http_request *request, const char *name,
                     struct bytes *value)
{
    *value = http_header(request, name);
    if (value->len > 0 && !topic_is_valid(*value)) {
        return ERR_ARGUMENT;
    }
    return http_header_count(request, name) > 1 ? ERR_ARGUMENT : 0;
}

/* The type without its parameters; empty when there is none. */
static struct bytes media_type(const struct http_request *request)
{
    struct bytes type = http_header(request, "Content-Type");
    ptrdiff_t semicolon = bytes_find(type, ';');
    if (semicolon >= 0) {
        type.len = (size_t)semicolon;
    }
    return bytes_trim(type);
}

/* Says nothing of the value that an item does not say already. */
static bool is_dull(struct bytes type)
{
    for (size_t i = 0; i < ARRAY_LEN(content_types_dull); i++) {
        if (bytes_eq_nocase(type, bytes_str(content_types_dull[i]))) {
            return true;
        }
    }
    return type.len == 0;
}
