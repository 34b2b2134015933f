/* SPDX-License-Identifier: Apache-2.0 */
#include "node/door/resp.h"

#include <assert.h>
#include <stdlib.h>

#include "node/conn/conn.h"
#include "node/watch/denied.h"

static void on_request(struct client *client, struct resp_request request);
static bool may_run(struct resp_call *call);
static bool is_full(const struct client *client);
static bool is_error(const struct buf *out, size_t at);

static int resp_open(struct client *client, const struct http_request *request,
                     size_t version)
{
    (void)request;
    (void)version;
    resp_begin(client->state);
    return 0;
}

void resp_begin(struct resp_state *state)
{
    state->version = 2;
    state->muted = false;
    state->skip = 0;
    free(state->cache);
    state->cache = NULL;
}

static struct resp_bounds bounds_of(const struct client *client)
{
    const struct limits *limits = &client->core->limits;

    if (!client->logged_in) {
        return (struct resp_bounds){RESP_ARGS_HELLO_MAX,
                                    (uint32_t)limits->hello_in_len};
    }
    return (struct resp_bounds){
        RESP_ARGS_MAX, (uint32_t)(limits->item_len + RESP_OVERHEAD_MAX)};
}

/* Takes whole requests, as long as their answers have room. Answers are held
 * back to be written at once, but not behind items: who is subscribed sees all
 * in the order it happened. */
static ptrdiff_t resp_on_bytes(struct client *client, struct bytes in)
{
    struct resp_state *state = client->state;
    struct resp_request request;
    struct buf out = {0};
    size_t taken = 0;
    ptrdiff_t rc = 0;

    state->out = &out;
    while (!client->closing && !client->conn->paused && !is_full(client)) {
        struct resp_bounds bounds = bounds_of(client);
        rc = resp_read(&state->reader, &bounds, bytes_skip(in, taken),
                       &request);
        if (rc <= 0) {
            break;
        }
        taken += (size_t)rc;
        if (request.len > 0) {
            on_request(client, request);
        }
        if (client->subs != NULL || out.len > RESP_HELD_LEN_MAX) {
            resp_flush(client);
        }
    }
    if (rc >= 0 && !client->logged_in && is_full(client)) {
        rc = ERR_LIMIT;
    }
    client->core->stats.refused += rc < 0;
    resp_flush(client);
    state->out = NULL;
    return rc < 0 ? rc : (ptrdiff_t)taken;
}

/* What is asked is small beside what is answered (COMMAND). Above the soft
 * bound the carrier offers the rest again when the client has read; a stranger
 * that does not read is cut. */
static bool is_full(const struct client *client)
{
    const struct resp_state *state = client->state;
    const struct limits *limits = &client->core->limits;
    uint64_t bound = client->logged_in ? limits->out_soft_len
                                       : limits->hello_out_len;

    return client->out.queued + state->out->len > bound;
}

static void on_request(struct client *client, struct resp_request request)
{
    struct resp_state *state = client->state;
    bool skipped = state->skip == 1;
    struct resp_call call = {
        .client = client,
        .state = state,
        .out = state->out,
        .is_muted = skipped || state->muted,
    };
    size_t before = state->out->len;
    bool unmuted = false;

    if (resp_resolve(&call, request) && may_run(&call)) {
        unmuted = (call.command->flags & RESP_UNMUTED) != 0;
        if (unmuted) { /* answers of before do not wait for its barrier */
            resp_flush(client);
            before = 0;
        }
        call.command->run(&call);
    }
    client->core->stats.refused += is_error(state->out, before);
    if ((skipped || state->muted) && !unmuted && state->out->len > before) {
        state->out->len = before;
    }
    if (state->skip > 0) {
        state->skip--;
    }
}

/* Whether what was answered at this offset is an error. */
static bool is_error(const struct buf *out, size_t at)
{
    return out->len > at && out->p[at] == '-';
}

static bool may_run(struct resp_call *call)
{
    unsigned flags = call->command->flags;

    if (!call->client->logged_in && (flags & RESP_NO_AUTH) == 0) {
        resp_refuse(call,
                    denied(call->client,
                           &(struct denied_what){.verb = "run",
                                                 .name = call->command->name},
                           ERR_UNAUTH));
        return false;
    }
    if (call->state->version == 2 && resp_subs(call->state) > 0 &&
        (flags & RESP_IN_SUB) == 0) {
        resp_begin_error(call->out);
        buf_add_str(call->out, "ERR Can't execute '");
        resp_add_full_name(call->out, call);
        buf_add_str(call->out,
                    "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT "
                    "/ RESET are allowed in this context");
        resp_end_error(call->out);
        return false;
    }
    return true;
}

uint64_t resp_subs(const struct resp_state *state)
{
    return (uint64_t)state->subs[RESP_CHANNELS] + state->subs[RESP_PATTERNS] +
           state->subs[RESP_SHARDS];
}

struct bytes resp_arg(struct resp_call *call)
{
    struct bytes arg = {NULL, 0};
    bool there = resp_next(&call->args, &arg);

    assert(there);
    return arg;
}

void resp_flush(struct client *client)
{
    struct resp_state *state = client->state;
    struct buf out = *state->out;

    *state->out = (struct buf){0};
    if (out.failed) {
        client_close(client, ERR_NOMEM);
    } else if (out.len > 0) {
        client_write(client, buf_bytes(&out));
    }
    buf_fini(&out);
}

/* Redis' word, which clients look at, and the sentence of the error table; or
 * what Redis says there. */
static void add_error(const struct client *client, struct buf *out, int err)
{
    resp_begin_error(out);
    buf_add_str(out, resp_error_word(err));
    buf_add_u8(out, ' ');
    if (err == ERR_DENIED) {
        buf_add_str(out, "this user has no permissions to access one of the "
                         "channels used as arguments: ");
        auth_missing(&client->core->auth, out);
    } else if (err == ERR_NAME) {
        buf_add_str(out, "invalid topic");
    } else if (err == ERR_UNAUTH) {
        buf_add_str(out, "Authentication required.");
    } else {
        buf_add_str(out, err_text(err));
    }
    resp_end_error(out);
}

void resp_refuse(struct resp_call *call, int err)
{
    add_error(call->client, call->out, err);
}

/* As Redis, a slow reader is cut without a word: it would not read it. */
static void resp_say_error(struct client *client, int err)
{
    struct resp_state *state = client->state;
    struct buf *held = state->out; /* in the middle of a call: answers */
    struct buf out = {0};

    state->out = held == NULL ? &out : held;
    if (err != ERR_SLOW) {
        if (state->reader.fault != RESP_FAULT_NONE) {
            resp_write_fault(state->out, &state->reader);
        } else {
            add_error(client, state->out, err);
        }
    }
    resp_flush(client);
    state->out = held;
}

/* Redis cuts who lost the right to a channel; nothing that clients understand
 * would say it in the stream. */
static void resp_on_ended(struct client *client, struct sub *sub, int err)
{
    struct resp_state *state = client->state;

    assert(sub->tag < RESP_SUBS_LEN && state->subs[sub->tag] > 0);
    state->subs[sub->tag]--;
    client_close(client, err);
}

static void resp_on_close(struct client *client)
{
    struct resp_state *state = client->state;

    resp_forget_asks(client);
    free(state->cache);
    free(state->name);
}

/* Whatever another door published, a Redis client gets the value's bytes. */
static void resp_render(const struct rendering *what, struct buf *out)
{
    enum resp_kind kind = RESP_MESSAGE;

    if (what->pattern.len > 0) {
        kind = RESP_PMESSAGE;
    } else if ((what->version & RESP_SHARD) != 0) {
        kind = RESP_SMESSAGE;
    }
    resp_write_message(out, what->version & 0x0fu, kind, what->pattern,
                       what->item->topic, what->item->value);
}

static bool contains(struct bytes s, struct bytes part)
{
    return s.len >= part.len && memmem(s.p, s.len, part.p, part.len) != NULL;
}

/* "*" and a number, or a line of telnet: one that starts with a command of
 * ours, or at its end is no line of HTTP. */
static enum door_sniff resp_sniff(struct bytes first)
{
    enum {
        SNIFF_LEN = 64
    };
    ptrdiff_t end = bytes_find(first, '\n');
    struct bytes line = end < 0 ? first : bytes_of(first.p, (size_t)end);
    uint8_t letter = (uint8_t)((first.len > 0 ? first.p[0] : 0) | 0x20);
    ptrdiff_t space = bytes_find(line, ' ');

    if (first.len > 0 && first.p[0] == '*') {
        bool number = first.len > 1 && first.p[1] >= '0' && first.p[1] <= '9';
        return first.len == 1 ? SNIFF_MORE : number ? SNIFF_YES : SNIFF_NO;
    }
    if (letter < 'a' || letter > 'z' || contains(line, BYTES(" HTTP/"))) {
        return SNIFF_NO;
    }
    if (end >= 0 ||
        (space > 0 && resp_find(bytes_of(first.p, (size_t)space)) != NULL)) {
        return SNIFF_YES;
    }
    return first.len < SNIFF_LEN ? SNIFF_MORE : SNIFF_NO;
}

const struct door door_resp = {
    .name = "resp",
    .shape = DOOR_BYTE,
    .counted = STATS_DOOR_resp,
    .state_len = sizeof(struct resp_state),
    .sniff = resp_sniff,
    .open = resp_open,
    .on_bytes = resp_on_bytes,
    .on_ended = resp_on_ended,
    .say_error = resp_say_error,
    .on_close = resp_on_close,
    .render = resp_render,
};
