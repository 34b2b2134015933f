/* SPDX-License-Identifier: Apache-2.0 */
#include "node/door/resp.h"

static const struct kind {
    struct bytes subscribed;
    struct bytes unsubscribed;
    enum topic_dialect dialect;
    uint8_t variant; /* added to the version */
} kinds[RESP_SUBS_LEN] = {
    [RESP_CHANNELS] = {BYTES("subscribe"), BYTES("unsubscribe"), TOPIC_EXACT,
                       0},
    [RESP_PATTERNS] = {BYTES("psubscribe"), BYTES("punsubscribe"), TOPIC_GLOB,
                       0},
    [RESP_SHARDS] = {BYTES("ssubscribe"), BYTES("sunsubscribe"), TOPIC_EXACT,
                     RESP_SHARD},
};

/* --- publish --- */

/* Redis knows bytes only; other doors want to know which are text. */
void resp_publish(struct resp_call *call)
{
    struct hub_receipt receipt = {0};
    struct client_item item = {.cache = resp_cache(call->state), .bytes = true};
    int rc;

    item.topic = resp_arg(call);
    item.value = resp_arg(call);
    rc = client_publish(call->client, &item, &receipt);
    if (rc < 0) {
        resp_refuse(call, rc);
    } else {
        resp_write_int(call->out, (int64_t)receipt.subs);
    }
}

/* --- subscribe --- */

static struct hub_want want_of(const struct resp_state *state,
                               enum resp_sub kind, struct bytes name)
{
    return (struct hub_want){
        .cache = resp_cache(state),
        .topic = name,
        .dialect = kinds[kind].dialect,
        .variant.version = (uint8_t)(state->version | kinds[kind].variant),
        .tag = kind,
    };
}

/* Redis counts shard channels on their own, the other two together. */
static uint64_t count_of(const struct resp_state *state, enum resp_sub kind)
{
    return kind == RESP_SHARDS ? state->subs[RESP_SHARDS]
                               : resp_subs(state) - state->subs[RESP_SHARDS];
}

/* "subscribe", name, how many there are now; a push in RESP3. */
static void write_change(struct resp_call *call, enum resp_sub kind,
                         struct bytes what, const struct bytes *name)
{
    const struct resp_state *state = call->state;

    resp_write_push(call->out, state->version, 3);
    resp_write_bulk(call->out, what);
    if (name == NULL) {
        resp_write_null(call->out, state->version);
    } else {
        resp_write_bulk(call->out, *name);
    }
    resp_write_int(call->out, (int64_t)count_of(state, kind));
}

/* Whether all names are valid, allowed and within the client's bounds: nothing
 * is done for a request that cannot be done whole. */
static int may_subscribe(struct resp_call *call, enum resp_sub kind)
{
    const struct client *client = call->client;
    const struct limits *limits = &client->core->limits;
    struct resp_request names = call->args;
    struct bytes name;
    uint64_t fresh = 0;

    while (resp_next(&names, &name)) {
        struct hub_want want = want_of(call->state, kind, name);
        int rc = client_may_subscribe(call->client, &want);
        if (rc < 0) {
            return rc;
        }
        fresh += hub_find(client->core->hub, client, &want) == NULL ? 1 : 0;
        if (client->subs_len + fresh > limits->subs_per_client) {
            return ERR_LIMIT;
        }
    }
    if (kind == RESP_PATTERNS && call->state->subs[RESP_PATTERNS] + fresh >
                                     limits->patterns_per_client) {
        return ERR_LIMIT;
    }
    return 0;
}

/* Subscribes to all names and writes their confirmations into call->out. */
static int subscribe_all(struct resp_call *call, enum resp_sub kind,
                         uint64_t *version)
{
    struct resp_request names = call->args;
    struct bytes name;

    while (resp_next(&names, &name)) {
        struct hub_want want = want_of(call->state, kind, name);
        struct hub_position position = {0};
        struct sub *sub = NULL;
        int rc = client_subscribe(call->client, &want, &sub, &position);
        if (rc < 0) {
            return rc;
        }
        if (position.version > *version) {
            *version = position.version;
        }
        call->state->subs[kind] += position.already ? 0 : 1;
        write_change(call, kind, kinds[kind].subscribed, &name);
    }
    return 0;
}

/* Takes back what a request had subscribed to before it failed. */
static void undo(struct resp_call *call, const struct sub *newest)
{
    struct client *client = call->client;

    while (client->subs != newest && !client->closing) {
        call->state->subs[client->subs->tag]--;
        client_unsubscribe(client, client->subs);
    }
    call->out->len = 0;
}

/* All names share one barrier: one cork, and their confirmations behind it. */
static void subscribe(struct resp_call *call, enum resp_sub kind)
{
    const struct sub *newest = call->client->subs;
    uint64_t version = 0;
    int rc = may_subscribe(call, kind);

    if (rc < 0) {
        resp_refuse(call, rc);
        return;
    }
    rc = subscribe_all(call, kind, &version);
    if (rc < 0) {
        undo(call, newest);
        resp_refuse(call, rc);
        return;
    }
    rc = client_await(call->client, CLUSTER_SCOPE_REGION, version, 0);
    if (rc < 0) {
        client_close(call->client, rc);
    }
}

void resp_subscribe(struct resp_call *call)
{
    subscribe(call, RESP_CHANNELS);
}

void resp_psubscribe(struct resp_call *call)
{
    subscribe(call, RESP_PATTERNS);
}

void resp_ssubscribe(struct resp_call *call)
{
    subscribe(call, RESP_SHARDS);
}

/* --- unsubscribe --- */

static void unsubscribe_one(struct resp_call *call, enum resp_sub kind,
                            struct sub *sub)
{
    struct bytes name = hub_sub_topic(sub);

    call->state->subs[kind]--;
    write_change(call, kind, kinds[kind].unsubscribed, &name);
    client_unsubscribe(call->client, sub);
}

static void unsubscribe_all(struct resp_call *call, enum resp_sub kind)
{
    struct sub *sub = call->client->subs;

    if (call->state->subs[kind] == 0) {
        write_change(call, kind, kinds[kind].unsubscribed, NULL);
        return;
    }
    while (sub != NULL) {
        struct sub *next = sub->next;
        if (sub->tag == kind) {
            unsubscribe_one(call, kind, sub);
        }
        sub = next;
    }
}

static void unsubscribe(struct resp_call *call, enum resp_sub kind)
{
    struct bytes name;

    if (call->args.len == 0) {
        unsubscribe_all(call, kind);
    }
    while (!call->client->closing && resp_next(&call->args, &name)) {
        struct hub_want want = want_of(call->state, kind, name);
        struct sub *sub = hub_find(call->client->core->hub, call->client,
                                   &want);
        if (sub != NULL) {
            unsubscribe_one(call, kind, sub);
        } else {
            write_change(call, kind, kinds[kind].unsubscribed, &name);
        }
    }
}

void resp_unsubscribe(struct resp_call *call)
{
    unsubscribe(call, RESP_CHANNELS);
}

void resp_punsubscribe(struct resp_call *call)
{
    unsubscribe(call, RESP_PATTERNS);
}

void resp_sunsubscribe(struct resp_call *call)
{
    unsubscribe(call, RESP_SHARDS);
}
