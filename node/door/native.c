/* SPDX-License-Identifier: Apache-2.0
 *
 * The native door: Starling's own protocol in WebSocket messages at /v1/ws,
 * subprotocols starling.v1.json and starling.v1.msgpack (docs/PROTOCOLS.md).
 * A wrong message is answered with an error and the connection goes on.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/door/door.h"
#include "proto/native.h"

/* An acknowledgement that waits for the barrier; names follow the struct. */
struct pending {
    struct pending *next;
    uint64_t tag;
    uint64_t id; /* of the command */
    struct native_position position;
    uint8_t names[];
};

struct native_state {
    enum native_format format;
    uint64_t tags_made;
    struct pending *first;
    struct pending *last;
};

static int run(struct client *client, const struct native_command *command);

static enum native_format format_of(const struct client *client)
{
    const struct native_state *state = client->state;
    return state->format;
}

static void send_buf(struct client *client, struct buf *out)
{
    if (out->failed) {
        client_close(client, ERR_NOMEM);
    } else {
        client_send(client, buf_bytes(out));
    }
    buf_fini(out);
}

static void write_error(const struct client *client,
                        const struct native_command *command, int err,
                        struct buf *out)
{
    struct buf text = {0};

    auth_add_text(&client->core->auth, err, &text);
    native_write_error(format_of(client), command, err, buf_bytes(&text), out);
    out->failed = out->failed || text.failed;
    buf_fini(&text);
}

static void send_error(struct client *client,
                       const struct native_command *command, int err)
{
    struct buf out = {0};

    client->core->stats.refused++;
    write_error(client, command, err, &out);
    send_buf(client, &out);
}

static bool subprotocol_is_binary(size_t index)
{
    return index == NATIVE_MSGPACK;
}

/* `moves=true`. Older clients say nothing, and are left alone. */
static bool can_move(const struct http_request *request)
{
    struct buf value = {0};
    bool can = request != NULL &&
               http_query(request->query, "moves", &value) > 0 &&
               bytes_eq(buf_bytes(&value), BYTES("true"));

    buf_fini(&value);
    return can;
}

static int native_open(struct client *client,
                       const struct http_request *request, size_t version)
{
    struct native_state *state = client->state;
    struct core *core = client->core;
    struct buf out = {0};

    assert(version <= NATIVE_MSGPACK);
    state->format = (enum native_format)version;
    client->movable = can_move(request);
    native_write_welcome(state->format, bytes_str(core->name),
                         bytes_str(core->region), core->node_u64, core->ready,
                         &out);
    send_buf(client, &out);
    return 0;
}

static int native_on_message(struct client *client, struct bytes message,
                             bool binary)
{
    struct native_command command;
    struct buf memory = {.max = 2 * message.len + 64};
    int rc;

    if (binary != subprotocol_is_binary(format_of(client))) {
        rc = ERR_SYNTAX; /* JSON comes as text, msgpack as binary messages */
        command = (struct native_command){0};
    } else {
        rc = native_read(format_of(client), message, &command, &memory);
    }
    if (rc == 0) {
        rc = run(client, &command);
    }
    if (rc < 0) {
        send_error(client, &command, rc);
    }
    buf_fini(&memory);
    return 0;
}

/* --- subscribe and its acknowledgement --- */

static struct pending *pending_new(const struct native_command *command,
                                   const struct hub_position *position)
{
    size_t names_len = command->cache.len + command->topic.len;
    struct pending *p = malloc(sizeof *p + names_len);

    if (p == NULL) {
        return NULL;
    }
    *p = (struct pending){
        .id = command->id,
        .position = {.page = position->page,
                     .seq = position->seq,
                     .resumed = position->outcome == HUB_RESUMED ||
                                position->outcome == HUB_ASKED},
    };
    memcpy(p->names, command->cache.p, command->cache.len);
    memcpy(p->names + command->cache.len, command->topic.p, command->topic.len);
    p->position.cache = bytes_of(p->names, command->cache.len);
    p->position.topic = bytes_of(p->names + command->cache.len,
                                 command->topic.len);
    return p;
}

/* Waits for the barrier; native_on_barrier() then writes the answer. */
static int await_barrier(struct client *client,
                         const struct native_command *command,
                         const struct hub_position *position)
{
    struct native_state *state = client->state;
    struct pending *p = pending_new(command, position);

    if (p == NULL) {
        return ERR_NOMEM;
    }
    p->tag = ++state->tags_made;
    if (state->last != NULL) {
        state->last->next = p;
    } else {
        state->first = p;
    }
    state->last = p;
    return client_await(
        client, command->barrier_all ? CLUSTER_SCOPE_ALL : CLUSTER_SCOPE_REGION,
        position->version, p->tag);
}

/* Corks leave a queue in order, so the tag is that of the oldest. */
static void native_on_barrier(struct client *client, uint64_t tag, bool partial,
                              struct buf *ack)
{
    struct native_state *state = client->state;
    struct pending *p = state->first;

    assert(p != NULL && p->tag == tag);
    state->first = p->next;
    if (state->first == NULL) {
        state->last = NULL;
    }
    p->position.partial = partial;
    native_write_subscribed(state->format, p->id, &p->position, ack);
    free(p);
}

static int run_subscribe(struct client *client,
                         const struct native_command *command)
{
    struct hub_want want = {
        .cache = command->cache,
        .topic = command->topic,
        .dialect = TOPIC_EXACT,
        .variant = {.version = (uint8_t)format_of(client)},
        .no_echo = command->no_echo,
        .resume = command->resume,
        .page = command->page,
        .seq = command->seq,
    };
    struct hub_position position;
    struct sub *sub;

    int rc = client_subscribe(client, &want, &sub, &position);
    if (rc < 0) {
        return rc;
    }
    rc = await_barrier(client, command, &position);
    if (rc < 0) {
        client_close(client, rc);
        return 0;
    }
    if (!position.already) {
        hub_replay(client->core->hub, sub, &want, &position);
    }
    return 0;
}

static int run_unsubscribe(struct client *client,
                           const struct native_command *command)
{
    struct hub_want want = {.cache = command->cache, .topic = command->topic};
    struct sub *sub = hub_find(client->core->hub, client, &want);
    struct buf out = {0};

    if (sub == NULL) {
        return ERR_NOT_FOUND;
    }
    client_unsubscribe(client, sub);
    native_write_unsubscribed(format_of(client), command, &out);
    send_buf(client, &out);
    return 0;
}

static int run_publish(struct client *client,
                       const struct native_command *command)
{
    struct client_item item = {
        .cache = command->cache,
        .topic = command->topic,
        .value = command->value,
        .flags = command->binary ? ITEM_BINARY : 0,
    };
    struct hub_receipt receipt;
    struct buf attrs = {.max = (size_t)2 * ITEM_ATTRS_LEN_MAX};

    int rc = item_attrs_write(&command->attrs, &attrs);
    if (rc == 0) {
        item.attrs = buf_bytes(&attrs);
        rc = client_publish(client, &item, &receipt);
    }
    buf_fini(&attrs);
    if (rc == 0 && command->receipt) {
        struct buf out = {0};
        native_write_published(format_of(client), command->id, receipt.subs,
                               receipt.nodes, receipt.partial, &out);
        send_buf(client, &out);
    }
    return rc;
}

static int answer(struct client *client, const char *op,
                  const struct native_command *command)
{
    struct buf out = {0};

    native_write_answer(format_of(client), op, command, &out);
    send_buf(client, &out);
    return 0;
}

static int run(struct client *client, const struct native_command *command)
{
    switch (command->op) {
    case NATIVE_SUBSCRIBE:
        return run_subscribe(client, command);
    case NATIVE_UNSUBSCRIBE:
        return run_unsubscribe(client, command);
    case NATIVE_PUBLISH:
        return run_publish(client, command);
    case NATIVE_AUTH: {
        int rc = client_login(client, command->token);
        return rc < 0 ? rc : answer(client, "authenticated", command);
    }
    case NATIVE_PING:
        return answer(client, "pong", command);
    }
    return ERR_INTERNAL;
}

/* --- the rest of the door --- */

static void native_on_ended(struct client *client, struct sub *sub, int err)
{
    struct buf text = {0};
    struct buf out = {0};

    auth_add_text(&client->core->auth, err, &text);
    native_write_ended(format_of(client), hub_sub_cache(sub),
                       hub_sub_topic(sub), err, buf_bytes(&text), &out);
    out.failed = out.failed || text.failed;
    buf_fini(&text);
    send_buf(client, &out);
}

static void native_move(struct client *client, struct bytes endpoint)
{
    struct buf out = {0};

    native_write_move(format_of(client), endpoint, &out);
    send_buf(client, &out);
}

static void native_say_error(struct client *client, int err)
{
    struct buf out = {0};

    write_error(client, NULL, err, &out);
    if (!out.failed) {
        client_send(client, buf_bytes(&out));
    }
    buf_fini(&out);
}

static void native_on_close(struct client *client)
{
    struct native_state *state = client->state;

    while (state->first != NULL) {
        struct pending *p = state->first;
        state->first = p->next;
        free(p);
    }
    state->last = NULL;
}

static void native_render(const struct rendering *what, struct buf *out)
{
    native_write_item((enum native_format)what->version, what->item, what->page,
                      what->seq, out);
}

static void native_render_gap(const struct hub_gap *gap, struct buf *out)
{
    native_write_gap((enum native_format)gap->version, gap->cache, gap->topic,
                     gap->page, gap->last, gap->next, out);
}

static const char *const subprotocols[] = {"starling.v1.json",
                                           "starling.v1.msgpack", NULL};

const struct door door_native = {
    .name = "native",
    .shape = DOOR_MESSAGE,
    .counted = STATS_DOOR_native,
    .tells_gaps = true,
    .resumable = true,
    .state_len = sizeof(struct native_state),
    .subprotocols = subprotocols,
    .path = "/v1/ws",
    .subprotocol_is_binary = subprotocol_is_binary,
    .open = native_open,
    .on_message = native_on_message,
    .on_barrier = native_on_barrier,
    .on_ended = native_on_ended,
    .move = native_move,
    .say_error = native_say_error,
    .on_close = native_on_close,
    .render = native_render,
    .render_gap = native_render_gap,
};
