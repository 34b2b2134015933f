/* SPDX-License-Identifier: Apache-2.0
 *
 * cache_client.Ping and cache_client.pubsub.Pubsub.
 */
#include "node/conn/conn.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/door/grpc.h"
#include "proto/err.h"
#include "proto/momento_pubsub.h"

enum {
    BEAT_MS = 4000,
    /* A peer that leaves this long before its time is over was cut by it: its
     * clock began when it asked, ours when we heard. */
    NEARLY_MS = 1000,
};

static int read_times(struct client *client, const struct http_request *request,
                      struct grpc *grpc);
static int subscribe(struct client *client, const struct momento_subscribe *to);
static void find_begin(struct client *client,
                       const struct momento_subscribe *to,
                       struct hub_want *want);
static void keep_begin(struct grpc *grpc, const struct hub_want *want,
                       const struct hub_position *position);
static void has_heard(struct client *client);
static void arm(struct client *client);
static void add_beat(const struct grpc *grpc, struct buf *out);

int grpc_ping(struct client *client, const struct grpc_call *call)
{
    (void)call; /* an empty message; what else is in it is of a newer client */
    grpc_reply(client, (struct bytes){0});
    return 0;
}

int grpc_publish(struct client *client, const struct grpc_call *call)
{
    struct momento_publish publish;
    struct hub_receipt receipt;
    struct buf memory = {0};
    int err = momento_read_publish(call->message, &memory, &publish);

    if (err == 0) {
        const struct client_item item = {
            .cache = publish.cache,
            .topic = publish.topic,
            .value = publish.value,
            .flags = publish.binary ? ITEM_BINARY : 0,
        };
        err = client_publish(client, &item, &receipt);
    }
    buf_fini(&memory);
    if (err == 0) {
        grpc_reply(client, (struct bytes){0});
    }
    return err;
}

/* --- Subscribe --- */

int grpc_subscribe(struct client *client, const struct grpc_call *call)
{
    struct momento_subscribe to;
    struct buf memory = {0};
    int err = momento_read_subscribe(call->message, &memory, &to);

    if (err == 0) {
        err = read_times(client, call->request, client->state);
    }
    if (err == 0) {
        err = subscribe(client, &to);
    }
    buf_fini(&memory);
    return err;
}

/* The deadline is never sooner than asked: a turn's time is that of its
 * beginning, in whole milliseconds. */
static int read_times(struct client *client, const struct http_request *request,
                      struct grpc *grpc)
{
    struct bytes timeout = http_header(request, "grpc-timeout");
    uint64_t now_ms = client->core->now_ms;
    uint64_t ms;

    grpc->beat_ms = now_ms + BEAT_MS;
    grpc->ends_ms = DEADLINE_NEVER;
    if (timeout.p == NULL) {
        return 0;
    }
    int err = grpc_read_timeout(timeout, &ms);
    grpc->ends_ms = now_ms + ms + 1;
    return err;
}

static int subscribe(struct client *client, const struct momento_subscribe *to)
{
    struct core *core = client->core;
    struct grpc *grpc = client->state;
    struct hub_want want = {
        .cache = to->cache,
        .topic = to->topic,
        .dialect = TOPIC_EXACT,
        .resume = to->resume_at > 0,
        .page = to->page,
        .seq = to->resume_at > 0 ? to->resume_at - 1 : 0,
        .variant.version = grpc->kind == GRPC_WEB_TEXT ? GRPC_WEB_TEXT
                                                       : GRPC_HTTP2,
    };
    struct hub_position position;
    struct sub *sub = NULL;

    find_begin(client, to, &want);
    int err = client_subscribe(client, &want, &sub, &position);
    if (err < 0) {
        return err;
    }
    keep_begin(grpc, &want, &position);
    grpc_stream(client);
    err = client_await(client, CLUSTER_SCOPE_REGION, position.version, 0);
    if (err < 0) {
        client_close(client, err);
        return 0;
    }
    hub_replay(core->hub, sub, &want, &position);
    arm(client);
    return 0;
}

/* Who asks for what comes next, and has a time that will cut it or was cut by
 * one, may be the SDK (node/client/cut.h). */
static void find_begin(struct client *client,
                       const struct momento_subscribe *to,
                       struct hub_want *want)
{
    struct core *core = client->core;
    struct grpc *grpc = client->state;
    struct cut cut;

    if (want->resume) {
        return;
    }
    uint64_t key = web_cut_key(client, to->cache, to->topic);
    if (cuts_find(&core->cuts, key, core->now_ms, &cut)) {
        want->resume = true;
        want->page = cut.page;
        want->seq = cut.seq;
    }
    grpc->begin.key = grpc->ends_ms == DEADLINE_NEVER ? 0 : key;
}

static void keep_begin(struct grpc *grpc, const struct hub_want *want,
                       const struct hub_position *position)
{
    bool goes_on = position->outcome == HUB_RESUMED;

    grpc->begin.page = goes_on ? want->page : position->page;
    grpc->begin.seq = goes_on ? want->seq : position->seq;
}

void grpc_on_barrier(struct client *client, uint64_t tag, bool partial,
                     struct buf *ack)
{
    (void)tag;
    (void)partial; /* there is no word for it */
    add_beat(client->state, ack);
}

/* A reader that has not taken the last bytes needs no beat, and a queue of
 * beats would grow for ever. */
void grpc_on_deadline(struct client *client)
{
    struct grpc *grpc = client->state;
    uint64_t now_ms = client->core->now_ms;

    if (now_ms >= grpc->ends_ms) {
        client_close(client, ERR_TIMEOUT);
        return;
    }
    if (outq_is_empty(&client->out)) {
        struct buf beat = {0};
        has_heard(client);
        add_beat(grpc, &beat);
        client_write(client, buf_bytes(&beat));
        buf_fini(&beat);
    }
    grpc->beat_ms = now_ms + BEAT_MS;
    arm(client);
}

static void arm(struct client *client)
{
    const struct grpc *grpc = client->state;

    client_deadline(client, grpc->beat_ms < grpc->ends_ms ? grpc->beat_ms
                                                          : grpc->ends_ms);
}

static void add_beat(const struct grpc *grpc, struct buf *out)
{
    size_t at = grpc_begin(out, false);

    momento_write_heartbeat(out);
    grpc_finish(out, at, grpc->kind);
}

/* What was sent a beat before its time is over has reached it: it will name its
 * place itself. */
static void has_heard(struct client *client)
{
    const struct sub *sub = client->subs;
    struct grpc *grpc = client->state;
    struct hub_position now;

    if (grpc->begin.key != 0 && sub != NULL &&
        hub_position(client->core->hub, hub_sub_cache(sub), hub_sub_topic(sub),
                     &now) &&
        (now.page != grpc->begin.page || now.seq != grpc->begin.seq)) {
        grpc->begin.key = 0;
    }
}

void grpc_on_over(struct client *client)
{
    struct core *core = client->core;
    const struct grpc *grpc = client->state;

    if (grpc->streaming && grpc->begin.key != 0 &&
        core->now_ms + NEARLY_MS >= grpc->ends_ms) {
        cuts_leave(&core->cuts, grpc->begin.key, grpc->begin.page,
                   grpc->begin.seq, core->now_ms);
    }
}

void grpc_render(const struct rendering *what, struct buf *out)
{
    size_t at = grpc_begin(out, false);

    momento_write_item(out, what->item, what->page, what->seq);
    grpc_finish(out, at, (enum grpc_kind)what->version);
}

void grpc_render_gap(const struct hub_gap *gap, struct buf *out)
{
    size_t at = grpc_begin(out, false);

    momento_write_gap(out, gap->page, gap->last, gap->next);
    grpc_finish(out, at, (enum grpc_kind)gap->version);
}
