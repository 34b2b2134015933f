/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/client.h"

#include <assert.h>
#include <stdlib.h>

#include "node/client/client_private.h"
#include "node/conn/conn.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/watch/walk.h"
#include "proto/err.h"

static void on_door_deadline(struct deadline *deadline, uint64_t now_ms);

/* --- life --- */

struct client *client_new(struct core *core, struct conn *conn)
{
    struct client *client;

    if (core_memory(core) / 8 >= core->limits.memory_len / 10) {
        return NULL;
    }
    client = calloc(1, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    client->core = core;
    client->conn = conn;
    client->id = ++core->clients_made;
    client->who = core->auth.anonymous;
    identity_ref(client->who);
    client->deadline.on_due = on_door_deadline;
    client->watch.on_due = client_on_watch;
    client->next = core->clients;
    if (core->clients != NULL) {
        core->clients->prev = client;
    }
    core->clients = client;
    return client;
}

static void end_subs(struct client *client)
{
    while (client->subs != NULL) {
        hub_unsubscribe(client->core->hub, client->subs);
    }
}

static void drop_state(struct client *client)
{
    if (client->door != NULL) {
        client->core->stats.doors[client->door->counted]--;
    }
    free(client->state);
    client->state = NULL;
    client->door = NULL;
}

static void leave_dirty(struct client *client)
{
    struct client **at = &client->core->dirty;

    if (!client->dirty) {
        return;
    }
    while (*at != client) {
        at = &(*at)->dirty_next;
    }
    *at = client->dirty_next;
    client->dirty = false;
}

static void note_unread(void *data, const struct run *run)
{
    struct client *client = data;

    trace_cut(&client->core->trace, run->chunk,
              client->door == NULL ? "" : client->door->name,
              TRACED_WHY_CLOSED);
}

void client_note_unread(struct client *client)
{
    if (trace_has_waiting(&client->core->trace)) {
        outq_each(&client->out, note_unread, client);
    }
}

void client_free(struct client *client)
{
    struct core *core = client->core;

    client_note_unread(client);
    client_leave_door(client);
    (void)deadline_set(&core->deadlines, &client->watch, DEADLINE_NEVER);
    leave_dirty(client);
    if (core->walks != NULL) {
        walks_forget(core, client);
    }
    outq_fini(&client->out, &core->chunks);
    identity_unref(client->who);
    aim_fini(&client->aim);
    if (client->prev != NULL) {
        client->prev->next = client->next;
    } else {
        core->clients = client->next;
    }
    if (client->next != NULL) {
        client->next->prev = client->prev;
    }
    free(client);
}

int client_open(struct client *client, const struct door *door,
                const struct http_request *request, size_t version)
{
    int rc = 0;

    assert(client->door == NULL);
    if (door->state_len > 0) {
        client->state = calloc(1, door->state_len);
        if (client->state == NULL) {
            return ERR_NOMEM;
        }
    }
    client->door = door;
    client->core->stats.doors[door->counted]++;
    if (client->core->auth.insecure) {
        client->logged_in = true;
    }
    if (door->open != NULL) {
        rc = door->open(client, request, version);
    }
    if (rc < 0) {
        end_subs(client);
        corks_drop(client);
        drop_state(client);
    }
    return rc;
}

void client_leave_door(struct client *client)
{
    end_subs(client);
    corks_drop(client);
    client_deadline(client, DEADLINE_NEVER);
    if (client->door != NULL && client->door->on_close != NULL) {
        client->door->on_close(client);
    }
    drop_state(client);
    client->slow = false; /* nothing of the next door's was dropped */
    client->logged_in = false;
    client_become(client, client->core->auth.anonymous);
}

/* Memory is short in the middle of its output: no last words are possible. */
void client_abort(struct client *client)
{
    const struct carrier *carrier = client->conn->carrier;

    client->closing = true;
    if (carrier->abort != NULL) {
        carrier->abort(client);
    } else {
        conn_close(client->conn);
    }
}

void client_close(struct client *client, int err)
{
    const struct carrier *carrier = client->conn->carrier;

    if (client->closing || client->saying) {
        return;
    }
    client->saying = true; /* what the door now does must not close again */
    corks_release_all(client);
    if (err != 0 && client->door != NULL && client->door->say_error != NULL) {
        client->door->say_error(client, err);
    }
    if (carrier->say_close != NULL) {
        carrier->say_close(client, err);
    }
    client->saying = false;
    if (client->closing) {
        return; /* memory was too short for last words */
    }
    end_subs(client);
    client->closing = true;
    client_deadline(client, DEADLINE_NEVER);
    (void)deadline_set(&client->core->deadlines, &client->watch,
                       DEADLINE_NEVER);
    if (carrier->finish != NULL) {
        carrier->finish(client);
    } else {
        conn_finish(client->conn);
    }
}

uint64_t client_retry_ms(const struct client *client)
{
    return 1 + hash_mix(client->id) % (client->core->retry_within_ms + 1);
}

/* --- output --- */

/* What is waiting for it comes first. */
static void settle_for(struct client *client)
{
    struct hub *hub = client->core->hub;

    if (client->subs != NULL && hub_is_dirty(hub)) {
        hub_settle(hub);
    }
}

void client_write(struct client *client, struct bytes bytes)
{
    if (client->closing || bytes.len == 0) {
        return;
    }
    settle_for(client);
    if (outq_write(&client->out, &client->core->chunks, bytes) != 0) {
        client_abort(client);
        return;
    }
    client_watch_bounds(client);
    client_dirty(client);
}

void client_send(struct client *client, struct bytes message)
{
    if (client->closing) {
        return;
    }
    settle_for(client);
    client->conn->carrier->send(client, message);
}

void client_respond(struct client *client, const struct http_response *response)
{
    if (!client->closing) {
        client->conn->carrier->respond(client, response);
    }
}

void client_stream(struct client *client, const struct http_response *response)
{
    if (!client->closing) {
        client->conn->carrier->stream(client, response);
    }
}

void client_end(struct client *client)
{
    client_end_with(client, NULL, 0);
}

void client_end_with(struct client *client, const struct http_header *trailers,
                     size_t len)
{
    if (!client->closing) {
        settle_for(client);
        client->conn->carrier->end(client, trailers, len);
    }
}

void client_dirty(struct client *client)
{
    if (!client->dirty) {
        client->dirty = true;
        client->dirty_next = client->core->dirty;
        client->core->dirty = client;
    }
}

struct client *clients_next_dirty(struct core *core)
{
    struct client *client;

    while ((client = core->dirty) != NULL) {
        struct conn *conn = client->conn;
        core->dirty = client->dirty_next;
        client->dirty = false;
        if (conn->carrier == NULL || conn->carrier->pump == NULL) {
            return client;
        }
        if (client != conn->client) {
            conn->carrier->on_output(client);
        }
        struct pumped *pumped = conn->carrier_state;
        if (!pumped->waits) {
            pumped->waits = true;
            pumped->next = core->pumped;
            core->pumped = pumped;
        }
    }
    struct pumped *pumped = core->pumped;
    if (pumped == NULL) {
        return NULL;
    }
    core->pumped = pumped->next;
    pumped->waits = false;
    return pumped->conn->client;
}

void clients_forget_pumped(struct core *core, struct pumped *pumped)
{
    struct pumped **at = &core->pumped;

    if (pumped->waits) {
        while (*at != pumped) {
            at = &(*at)->next;
        }
        *at = pumped->next;
        pumped->waits = false;
    }
}

void client_deliver(struct client *client, struct chunk *chunk, uint32_t off,
                    uint32_t len, uint64_t seq, uint64_t items)
{
    if (client->closing || len == 0) {
        return;
    }
    if (client->door->on_items != NULL) {
        client->door->on_items(client, bytes_of(chunk->p + off, len), seq,
                               items);
        return;
    }
    if (outq_add(&client->out, &client->core->chunks, chunk, off, len, seq) !=
        0) {
        client_abort(client);
        return;
    }
    if (client->out.pinned > client->core->limits.out_soft_len) {
        client_watch_bounds(client);
    }
    client_dirty(client);
}

/* --- time --- */

static void on_door_deadline(struct deadline *deadline, uint64_t now_ms)
{
    struct client *client = (struct client *)(void *)((char *)deadline -
                                                      offsetof(struct client,
                                                               deadline));

    (void)now_ms;
    if (!client->closing && client->door != NULL &&
        client->door->on_deadline != NULL) {
        client->door->on_deadline(client);
    }
}

void client_deadline(struct client *client, uint64_t at_ms)
{
    if (client->closing && at_ms != DEADLINE_NEVER) {
        return;
    }
    if (deadline_set(&client->core->deadlines, &client->deadline, at_ms) != 0) {
        client_abort(client); /* maybe in the middle of a delivery to it */
    }
}

void client_check(const struct client *client)
{
    uint32_t subs = 0;
    uint32_t patterns = 0;

    outq_check(&client->out);
    corks_check(client);
    for (const struct sub *sub = client->subs; sub != NULL; sub = sub->next) {
        assert(sub->client == client);
        assert(sub->next == NULL || sub->next->prev == sub);
        assert(sub->lost_from == 0 || client->slow || client->closing);
        patterns += hub_sub_dialect(sub) != TOPIC_EXACT;
        subs++;
    }
    assert(subs == client->subs_len);
    assert(patterns == client->patterns_len);
    assert(!client->slow || client->door->tells_gaps);
    assert(!client->saying);
}
