/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishing by HTTP: POST or PUT /topics/{cache}/{topic...}, the body is the
 * value. 204 when the item is on its way. Specified in docs/PROTOCOLS.md.
 */
#include "node/door/door.h"
#include "node/door/web.h"
#include "proto/topic.h"

static const char *const content_types_dull[] = {
    "text/plain", "application/octet-stream",
    "application/x-www-form-urlencoded", /* what curl -d says of anything */
};

static bool takes(const struct http_request *request);
static int on_request(struct client *client,
                      const struct http_request *request);
static bool method_publishes(const struct http_request *request);
static int publish(struct client *client, const struct http_request *request);
static int read_attrs(const struct http_request *request,
                      struct item_attrs *attrs);
static int read_attr(const struct http_request *request, const char *name,
                     struct bytes *value);
static struct bytes media_type(const struct http_request *request);
static bool is_dull(struct bytes type);

const struct door door_publish = {
    .name = "publish",
    .shape = DOOR_REQUEST,
    .takes = takes,
    .on_request = on_request,
};

static bool takes(const struct http_request *request)
{
    return web_is_topics(request);
}

static int on_request(struct client *client, const struct http_request *request)
{
    if (!method_publishes(request)) {
        web_refuse_method(client, request, "GET, POST, PUT, OPTIONS");
        return 0;
    }
    int err = publish(client, request);
    if (err < 0) {
        return err;
    }
    request_answer(client, request, 204, NULL, bytes_of(NULL, 0));
    return 0;
}

static bool method_publishes(const struct http_request *request)
{
    return bytes_eq(request->method, BYTES("POST")) ||
           bytes_eq(request->method, BYTES("PUT"));
}

static int publish(struct client *client, const struct http_request *request)
{
    struct request_topic name = {0};
    struct item_attrs attrs = {0};
    struct buf block = {0};
    int err = request_topic(request, &name);
    if (err == 0) {
        err = read_attrs(request, &attrs);
    }
    if (err == 0) {
        err = item_attrs_write(&attrs, &block);
    }
    if (err == 0) {
        bool binary = bytes_eq_nocase(media_type(request),
                                      BYTES("application/octet-stream"));
        const struct client_item item = {
            .cache = name.cache,
            .topic = name.topic,
            .value = request->body,
            .attrs = buf_bytes(&block),
            .flags = binary ? ITEM_BINARY : 0,
        };
        struct hub_receipt receipt;
        err = client_publish(client, &item, &receipt);
    }
    buf_fini(&block);
    buf_fini(&name.memory);
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
