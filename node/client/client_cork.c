/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "node/client/client_private.h"
#include "node/core.h"
#include "node/door/door.h"
#include "proto/err.h"

enum {
    CORKS_MAX = 65536
}; /* acknowledgements of a client that wait */

/* One place in the output that waits. Corks are taken out in order: one whose
 * version is held early stays until those before it are out. */
struct cork {
    struct cork *next;
    uint64_t version;
    uint64_t tag;
    uint64_t made_ms;
    enum cluster_scope scope;
    bool released;
    bool partial;
    bool held;         /* by client_hold(): no barrier */
    struct buf answer; /* the same, once it is there */
};

/* Those of a client, only while there are any. */
struct corks {
    struct client *client;
    struct cork *first; /* the oldest */
    struct cork *last;
    uint32_t len;
    struct corks *next; /* in core->corked */
    struct corks *prev;
};

static void cork_free(struct cork *cork)
{
    if (cork != NULL) {
        buf_fini(&cork->answer);
        free(cork);
    }
}

static struct cork *first_of(const struct client *client)
{
    return client->corks == NULL ? NULL : client->corks->first;
}

uint32_t corks_len(const struct client *client)
{
    return client->corks == NULL ? 0 : client->corks->len;
}

/* Errors: ERR_NOMEM. */
static int enlist(struct client *client)
{
    struct core *core = client->core;
    struct corks *corks = calloc(1, sizeof *corks);

    if (corks == NULL) {
        return ERR_NOMEM;
    }
    corks->client = client;
    corks->next = core->corked;
    if (core->corked != NULL) {
        core->corked->prev = corks;
    }
    core->corked = corks;
    client->corks = corks;
    return 0;
}

static void delist(struct client *client)
{
    struct corks *corks = client->corks;

    if (corks->prev != NULL) {
        corks->prev->next = corks->next;
    } else {
        client->core->corked = corks->next;
    }
    if (corks->next != NULL) {
        corks->next->prev = corks->prev;
    }
    client->corks = NULL;
    free(corks);
}

/* Renders the acknowledgement into core->scratch, framed. */
static struct bytes render_ack(struct client *client, uint64_t tag,
                               bool partial)
{
    struct buf *ack = &client->core->scratch;
    uint8_t head[WS_FRAME_HEAD_MAX];
    size_t head_len;

    buf_reset(ack);
    if (client->door == NULL || client->door->on_barrier == NULL) {
        return buf_bytes(ack);
    }
    client->door->on_barrier(client, tag, partial, ack);
    if (ack->len == 0 || client->door->shape != DOOR_MESSAGE) {
        return buf_bytes(ack);
    }
    head_len = hub_frame_head(head, client->framing, ack->len);
    if (head_len > 0 && buf_reserve(ack, head_len) != NULL) {
        memmove(ack->p + head_len, ack->p, ack->len);
        memcpy(ack->p, head, head_len);
        ack->len += head_len;
    }
    return buf_bytes(ack);
}

/* Corks on their way out of the queue. */
struct taking {
    struct client *client;
    struct cork *last; /* its answer is still looked at */
    bool failed;
};

static struct bytes next_ack(void *data)
{
    struct taking *taking = data;
    struct client *client = taking->client;
    struct cork *cork = client->corks->first;
    struct bytes ack;

    cork_free(taking->last);
    taking->last = cork;
    client->corks->first = cork->next;
    client->corks->len--;
    client->core->stats.barrier_partial += cork->partial;
    if (cork->held) {
        taking->failed |= cork->answer.failed;
        return buf_bytes(&cork->answer);
    }
    ack = render_ack(client, cork->tag, cork->partial);
    taking->failed |= client->core->scratch.failed;
    return ack;
}

static void take_released(struct client *client)
{
    struct taking taking = {.client = client};
    uint32_t len = 0;

    for (const struct cork *cork = first_of(client);
         cork != NULL && cork->released; cork = cork->next) {
        len++;
    }
    if (len == 0) {
        return;
    }
    taking.failed |= outq_uncork(&client->out, &client->core->chunks, len,
                                 next_ack, &taking) < 0;
    cork_free(taking.last);
    if (client->corks->first == NULL) {
        delist(client);
    }
    if (taking.failed) {
        client_abort(client);
        return;
    }
    client_dirty(client);
}

void corks_release_all(struct client *client)
{
    for (struct cork *cork = first_of(client); cork != NULL;
         cork = cork->next) {
        cork->partial |= !cork->released && !cork->held;
        cork->released = true;
    }
    take_released(client);
}

static struct bytes no_ack(void *data)
{
    (void)data;
    return (struct bytes){0};
}

void corks_drop(struct client *client)
{
    if (client->corks == NULL) {
        return;
    }
    (void)outq_uncork(&client->out, &client->core->chunks, client->corks->len,
                      no_ack, NULL);
    while (client->corks->first != NULL) {
        struct cork *cork = client->corks->first;
        client->corks->first = cork->next;
        cork_free(cork);
    }
    delist(client);
}

/* A door that writes its acknowledgement behind the cork needs one for a whole
 * turn: all subscribes of a turn leave as one delta and hold together. */
static bool join_last(struct client *client, enum cluster_scope scope,
                      uint64_t version)
{
    struct cork *last = client->corks == NULL ? NULL : client->corks->last;

    if (client->door->on_barrier != NULL || last == NULL || last->held ||
        last->scope != scope || last->released) {
        return false;
    }
    if (version > last->version) {
        if (last->made_ms != client->core->now_ms) {
            return false;
        }
        last->version = version;
    }
    return true;
}

static int add_cork(struct client *client, const struct cork *from)
{
    struct cork *cork;

    if (corks_len(client) >= CORKS_MAX) {
        return ERR_LIMIT;
    }
    if (client->corks == NULL && enlist(client) != 0) {
        return ERR_NOMEM;
    }
    struct corks *corks = client->corks;
    cork = malloc(sizeof *cork);
    if (cork == NULL || outq_cork(&client->out, &client->core->chunks) != 0) {
        free(cork);
        if (corks->first == NULL) {
            delist(client);
        }
        return ERR_NOMEM;
    }
    *cork = *from;
    cork->made_ms = client->core->now_ms;
    if (corks->first != NULL) {
        corks->last->next = cork;
    } else {
        corks->first = cork;
    }
    corks->last = cork;
    corks->len++;
    return 0;
}

int client_await(struct client *client, enum cluster_scope scope,
                 uint64_t version, uint64_t tag)
{
    struct bytes ack;

    if (client->closing) {
        return 0;
    }
    hub_settle(client->core->hub); /* what came before stays before */
    bool held = version <= hub_held(client->core->hub, scope);
    bool lacks = hub_lacks(client->core->hub);
    if (!held && join_last(client, scope, version)) {
        return 0;
    }
    /* Behind others that wait it is called after them: doors count on it. */
    if (!held || (client->corks != NULL && client->door->on_barrier != NULL)) {
        return add_cork(client, &(struct cork){.version = version,
                                               .tag = tag,
                                               .scope = scope,
                                               .released = held,
                                               .partial = held && lacks});
    }
    client->core->stats.barrier_partial += lacks;
    ack = render_ack(client, tag, lacks);
    if (client->core->scratch.failed) {
        return ERR_NOMEM;
    }
    client_write(client, ack);
    return 0;
}

int client_hold(struct client *client, uint64_t tag)
{
    if (client->closing) {
        return 0;
    }
    hub_settle(client->core->hub); /* what came before stays before */
    return add_cork(client, &(struct cork){.tag = tag, .held = true});
}

void client_fill(struct client *client, uint64_t tag, struct bytes answer)
{
    struct cork *cork = first_of(client);

    while (cork != NULL &&
           !(cork->held && !cork->released && cork->tag == tag)) {
        cork = cork->next;
    }
    if (cork == NULL) {
        return;
    }
    cork->released = true;
    buf_add_bytes(&cork->answer, answer);
    take_released(client);
}

/* Whether what is now known of `scope` also answers a wait in `asked`. */
static bool covers(enum cluster_scope scope, enum cluster_scope asked)
{
    return scope == asked || scope == CLUSTER_SCOPE_ALL;
}

static void release(struct client *client, enum cluster_scope scope,
                    uint64_t version, bool partial)
{
    for (struct cork *cork = first_of(client); cork != NULL;
         cork = cork->next) {
        if (!cork->released && !cork->held && cork->version <= version &&
            covers(scope, cork->scope) && !(partial && scope != cork->scope)) {
            cork->released = true;
            cork->partial = partial;
        }
    }
    take_released(client);
}

void clients_release(struct core *core, enum cluster_scope scope,
                     uint64_t version, bool partial)
{
    struct corks *next;

    for (struct corks *corks = core->corked; corks != NULL; corks = next) {
        next = corks->next;
        release(corks->client, scope, version, partial);
    }
}

void corks_check(const struct client *client)
{
    uint32_t len = 0;

    for (const struct cork *cork = first_of(client); cork != NULL;
         cork = cork->next) {
        assert(cork->next != NULL || cork == client->corks->last);
        len++;
    }
    assert(len == corks_len(client));
    assert(len == client->out.corks);
    assert(client->corks == NULL || len > 0);
}
