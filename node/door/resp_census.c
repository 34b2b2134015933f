/* SPDX-License-Identifier: Apache-2.0
 *
 * PUBSUB: asks every node who is subscribed, and adds up.
 *
 * A cork holds the place of the answer in the output, so what is commanded
 * meanwhile is carried out and answered behind it. Where items would wait
 * behind it, too, nothing is commanded meanwhile instead: a pause. What this
 * node knows is looked up at the start, what the client may see of it all at
 * the end, by the rights that it has then.
 */
#include "node/door/resp.h"

#include <stdlib.h>

#include "node/conn/conn.h"
#include "node/hub/census.h"
#include "node/mesh/calls.h"
#include "proto/census.h"

enum {
    WAIT_MS = 200,
    ENTRIES_LEN_MAX = 16 << 20, /* while they are added up */
};

static void pubsub_channels(struct resp_call *call);
static void pubsub_numpat(struct resp_call *call);
static void pubsub_numsub(struct resp_call *call);

const struct resp_command resp_pubsub_subs[] = {
    {BYTES("channels"), -2, 0, pubsub_channels, NULL},
    {BYTES("numsub"), -2, 0, pubsub_numsub, NULL},
    {BYTES("numpat"), 2, 0, pubsub_numpat, NULL},
    {BYTES("shardchannels"), -2, 0, pubsub_channels, NULL},
    {BYTES("shardnumsub"), -2, 0, pubsub_numsub, NULL},
    {{NULL, 0}, 0, 0, NULL, NULL},
};

/* A question under way. */
struct resp_ask {
    struct resp_ask *next; /* of the same client */
    struct client *client;
    uint64_t number; /* of the call, and the tag of the cork */
    struct buf question;
    struct buf own; /* what this node itself answers */
    bool held;      /* a cork, else a pause */
};

/* Answers as they are added up. */
struct sum {
    struct client *client;
    struct census census;
    struct buf entries; /* struct bytes, or uint64_t */
    struct buf *reply;
};

static void ask(struct resp_call *call, struct buf *question);
static void on_done(void *data, const struct call_answer *answers, size_t len);
static void answer(const struct resp_ask *ask,
                   const struct call_answer *answers, size_t len,
                   struct buf *reply);
static void write_too_many(struct buf *out);

/* --- commands --- */

static void pubsub_channels(struct resp_call *call)
{
    struct buf question = {.max = PEER_BODY_LEN_MAX};
    struct bytes pattern = BYTES("*");

    (void)resp_next(&call->args, &pattern);
    if (call->args.len > 0) {
        resp_refuse_arity(call);
        return;
    }
    if (pattern.len > PATTERN_LEN_MAX) {
        resp_refuse(call, ERR_NAME);
        return;
    }
    census_write(CENSUS_TOPICS, resp_cache(call->state), 1, &question);
    mp_put_bin(&question, pattern);
    ask(call, &question);
}

static void pubsub_numsub(struct resp_call *call)
{
    struct buf question = {.max = PEER_BODY_LEN_MAX};
    struct bytes channel;

    census_write(CENSUS_COUNTS, resp_cache(call->state),
                 (uint32_t)call->args.len, &question);
    while (resp_next(&call->args, &channel)) {
        mp_put_bin(&question, channel);
    }
    ask(call, &question);
}

static void pubsub_numpat(struct resp_call *call)
{
    struct buf question = {.max = PEER_BODY_LEN_MAX};

    census_write(CENSUS_PATTERNS, resp_cache(call->state), 0, &question);
    ask(call, &question);
}

/* --- asking --- */

static void ask_free(struct resp_ask *ask)
{
    buf_fini(&ask->question);
    buf_fini(&ask->own);
    free(ask);
}

/* Takes over the question. NULL when memory is short. */
static struct resp_ask *ask_new(struct client *client, struct buf *question)
{
    struct resp_ask *ask = calloc(1, sizeof *ask);

    if (ask != NULL) {
        ask->client = client;
        ask->question = *question;
        ask->own.max = CALL_LEN_MAX;
        *question = (struct buf){0};
    }
    return ask;
}

static bool must_pause(const struct resp_state *state)
{
    const struct resp_ask *ask = state->asks;

    while (ask != NULL && ask->held) {
        ask = ask->next;
    }
    return ask != NULL || state->asks_len >= RESP_ASKS_MAX || state->quits;
}

/* Asks the others. Errors: as calls_ask() and client_hold(). */
static int begin(struct resp_call *call, struct resp_ask *ask)
{
    struct calls *calls = call->client->core->calls;
    struct call asked = {
        .kind = CALL_PUBSUB,
        .body = buf_bytes(&ask->question),
        .wait_ms = WAIT_MS,
        .on_done = on_done,
        .data = ask,
    };
    int rc = calls_ask(calls, &asked, &ask->number);

    if (rc != 0) {
        return rc;
    }
    resp_flush(call->client); /* answers of before do not wait */
    ask->held = call->client->subs == NULL;
    rc = ask->held ? client_hold(call->client, ask->number) : 0;
    if (rc != 0) {
        calls_forget(calls, ask->number);
        return rc;
    }
    ask->next = call->state->asks;
    call->state->asks = ask;
    call->state->asks_len++;
    if (must_pause(call->state)) {
        conn_pause(call->client->conn, true);
    }
    return 0;
}

/* What this node knows, and then the others: true when the answer comes
 * later. */
static bool begin_or_answer(struct resp_call *call, struct resp_ask *ask)
{
    struct core *core = call->client->core;
    int rc;

    if (!census_answer(core, buf_bytes(&ask->question), &ask->own) ||
        ask->own.failed) {
        write_too_many(call->out);
        return false;
    }
    if (core->calls == NULL) {
        answer(ask, NULL, 0, call->out);
        return false;
    }
    rc = begin(call, ask);
    if (rc != 0) {
        resp_refuse(call, rc);
    }
    return rc == 0;
}

static void ask(struct resp_call *call, struct buf *question)
{
    if (question->failed) {
        resp_write_error(call->out, "ERR too many channels in one question");
    } else if (!call->is_muted) { /* else nobody hears the answer */
        struct resp_ask *ask = ask_new(call->client, question);
        if (ask == NULL) {
            resp_refuse(call, ERR_NOMEM);
        } else if (!begin_or_answer(call, ask)) {
            ask_free(ask);
        }
    }
    buf_fini(question);
}

static void on_done(void *data, const struct call_answer *answers, size_t len)
{
    struct resp_ask *ask = data;
    struct client *client = ask->client;
    struct resp_state *state = client->state;
    struct resp_ask **at = &state->asks;
    struct buf reply = {0};

    while (*at != ask) {
        at = &(*at)->next;
    }
    *at = ask->next;
    state->asks_len--;
    answer(ask, answers, len, &reply);
    if (reply.failed) {
        client_close(client, ERR_NOMEM);
    } else if (ask->held) {
        client_fill(client, ask->number, buf_bytes(&reply));
    } else {
        client_write(client, buf_bytes(&reply));
    }
    buf_fini(&reply);
    ask_free(ask);
    if (state->quits && state->asks == NULL) {
        client_close(client, 0);
    } else if (!must_pause(state)) {
        conn_pause(client->conn, false);
    }
}

void resp_forget_asks(struct client *client)
{
    struct resp_state *state = client->state;

    while (state->asks != NULL) {
        struct resp_ask *ask = state->asks;
        state->asks = ask->next;
        calls_forget(client->core->calls, ask->number);
        ask_free(ask);
    }
    state->asks_len = 0;
}

/* --- adding up --- */

/* Who may not subscribe to a channel does not learn that it exists. */
static bool may_see(const struct sum *sum, struct bytes channel)
{
    struct core *core = sum->client->core;

    return auth_allows(&core->auth, sum->client->who, AUTH_SUBSCRIBE,
                       sum->census.cache, channel, core->wall_ms / 1000) == 0;
}

/* Nor, without a right in this cache, how many patterns it has. */
static bool may_count(const struct sum *sum)
{
    struct core *core = sum->client->core;

    return auth_allows_pattern(&core->auth, sum->client->who, sum->census.cache,
                               BYTES("*"), core->wall_ms / 1000) == 0;
}

static void add_topics(struct sum *sum, struct bytes body)
{
    struct mp in = mp_of(body);
    struct bytes topic;

    while (census_next_topic(&in, &topic)) {
        if (topic_is_valid(topic) && may_see(sum, topic)) {
            buf_add(&sum->entries, &topic, sizeof topic);
        }
    }
}

static void add_hashes(struct sum *sum, struct bytes body)
{
    struct mp in = mp_of(body);
    uint64_t hash;

    while (census_next_number(&in, &hash)) {
        buf_add(&sum->entries, &hash, sizeof hash);
    }
}

/* The numbers of one node are added to what the others said. */
static void add_counts(struct sum *sum, struct bytes body)
{
    struct mp in = mp_of(body);
    uint64_t more;

    for (uint32_t i = 0;
         i < sum->census.names_len && census_next_number(&in, &more); i++) {
        uint64_t at;
        memcpy(&at, sum->entries.p + i * sizeof at, sizeof at);
        at += more & INT32_MAX;
        memcpy(sum->entries.p + i * sizeof at, &at, sizeof at);
    }
}

static void add_body(struct sum *sum, struct bytes body)
{
    switch (sum->census.what) {
    case CENSUS_TOPICS:
        add_topics(sum, body);
        break;
    case CENSUS_COUNTS:
        add_counts(sum, body);
        break;
    case CENSUS_PATTERNS:
        add_hashes(sum, body);
        break;
    }
}

static int compare_topics(const void *a, const void *b)
{
    const struct bytes *x = a;
    const struct bytes *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->p, y->p, len);

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Sorts entries and drops those that are there twice; returns how many are
 * left. */
static size_t unite(struct buf *entries, size_t size,
                    int (*compare)(const void *, const void *))
{
    size_t len = entries->len / size;
    size_t kept = 0;

    if (len == 0) {
        return 0;
    }
    qsort(entries->p, len, size, compare);
    for (size_t i = 1; i < len; i++) {
        if (compare(entries->p + i * size, entries->p + kept * size) != 0) {
            kept++;
            memmove(entries->p + kept * size, entries->p + i * size, size);
        }
    }
    return kept + 1;
}

static void write_topics(struct sum *sum)
{
    size_t len = unite(&sum->entries, sizeof(struct bytes), compare_topics);

    resp_write_array(sum->reply, len);
    for (size_t i = 0; i < len; i++) {
        struct bytes topic;
        memcpy(&topic, sum->entries.p + i * sizeof topic, sizeof topic);
        resp_write_bulk(sum->reply, topic);
    }
}

static void write_counts(struct sum *sum)
{
    struct census names = sum->census;
    struct bytes name;

    resp_write_array(sum->reply, 2 * (size_t)names.names_len);
    for (size_t i = 0; census_name(&names, &name); i++) {
        uint64_t count;
        memcpy(&count, sum->entries.p + i * sizeof count, sizeof count);
        bool seen = count > 0 && may_see(sum, name);
        resp_write_bulk(sum->reply, name);
        resp_write_int(sum->reply, seen ? (int64_t)count : 0);
    }
}

static void write_sum(struct sum *sum)
{
    switch (sum->census.what) {
    case CENSUS_TOPICS:
        write_topics(sum);
        break;
    case CENSUS_COUNTS:
        write_counts(sum);
        break;
    case CENSUS_PATTERNS: {
        size_t len = unite(&sum->entries, sizeof(uint64_t), compare_hashes);
        resp_write_int(sum->reply, may_count(sum) ? (int64_t)len : 0);
        break;
    }
    }
}

/* The sum starts with as many zeros as names were asked for. */
static void begin_counts(struct sum *sum)
{
    size_t len = sum->census.names_len * sizeof(uint64_t);
    uint8_t *counts = buf_reserve(&sum->entries, len);

    if (counts != NULL) {
        memset(counts, 0, len);
        sum->entries.len = len;
    }
}

/* Adds up what this node and the others know. false: it is too much. */
static bool add_up(struct sum *sum, const struct resp_ask *ask,
                   const struct call_answer *answers, size_t len)
{
    bool whole = census_read(buf_bytes(&ask->question), &sum->census) == 0;

    if (whole && sum->census.what == CENSUS_COUNTS) {
        begin_counts(sum);
    }
    whole = whole && !sum->entries.failed;
    if (whole) {
        add_body(sum, buf_bytes(&ask->own));
    }
    for (size_t i = 0; whole && i < len; i++) {
        if (answers[i].outcome == CALL_ANSWERED) {
            add_body(sum, answers[i].body);
        }
        whole = answers[i].outcome != CALL_FAILED;
    }
    if (whole && !sum->entries.failed) {
        write_sum(sum);
    }
    return whole && !sum->entries.failed && !sum->reply->failed;
}

static void write_too_many(struct buf *out)
{
    resp_write_error(out, "ERR too many channels: ask with a narrower "
                          "pattern, or later");
}

/* Who did not answer in time is left out (and counted: node/mesh/calls.c). */
static void answer(const struct resp_ask *ask,
                   const struct call_answer *answers, size_t len,
                   struct buf *reply)
{
    struct buf text = {.max = limits_out_hard(&ask->client->core->limits) / 2};
    struct sum sum = {
        .client = ask->client,
        .entries.max = ENTRIES_LEN_MAX,
        .reply = &text,
    };

    if (add_up(&sum, ask, answers, len)) {
        buf_add_bytes(reply, buf_bytes(&text));
    } else {
        write_too_many(reply);
    }
    buf_fini(&sum.entries);
    buf_fini(&text);
}
