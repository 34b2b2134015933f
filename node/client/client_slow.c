/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stddef.h>

#include "node/client/client_private.h"
#include "node/conn/conn.h"
#include "node/core.h"
#include "node/door/door.h"
#include "proto/err.h"

enum {
    DAY_S = 86400
};

/* --- the soft bound --- */

void client_watch_bounds(struct client *client)
{
    const struct core *core = client->core;
    bool above = client->out.pinned > core->limits.out_soft_len;

    if (above == (client->soft_since_ms != 0)) {
        return;
    }
    if (above) {
        /* It may have had no chance to read in this turn. */
        client->core->pressed = true;
    }
    client->soft_since_ms = !above ? 0 : core->now_ms == 0 ? 1 : core->now_ms;
    client_arm_watch(client);
}

static uint64_t soft_ends_ms(const struct client *client)
{
    return client->soft_since_ms == 0
               ? DEADLINE_NEVER
               : client->soft_since_ms + client->core->limits.out_soft_ms;
}

static uint64_t expires_ms(const struct client *client)
{
    const struct core *core = client->core;
    uint64_t at_s = client->who->expires_at;
    uint64_t now_s = core->wall_ms / 1000;

    if (at_s == 0 || client->subs == NULL) {
        return DEADLINE_NEVER;
    }
    if (at_s <= now_s) {
        return core->now_ms + 1000; /* the clock skew that tokens are given */
    }
    /* Far away: look again in a day, the wall clock may be set meanwhile. */
    uint64_t left_s = at_s - now_s < DAY_S ? at_s - now_s : DAY_S;
    return core->now_ms + left_s * 1000 - core->wall_ms % 1000;
}

void client_arm_watch(struct client *client)
{
    uint64_t soft_ms = soft_ends_ms(client);
    uint64_t expiry_ms = expires_ms(client);
    uint64_t at_ms = soft_ms < expiry_ms ? soft_ms : expiry_ms;

    if (client->closing) {
        at_ms = DEADLINE_NEVER;
    }
    if (deadline_set(&client->core->deadlines, &client->watch, at_ms) != 0) {
        client_abort(client);
    }
}

void client_on_watch(struct deadline *deadline, uint64_t now_ms)
{
    struct client *client = (struct client *)(void *)((char *)deadline -
                                                      offsetof(struct client,
                                                               watch));
    uint64_t at_s = client->who->expires_at;

    if (at_s != 0 && at_s <= client->core->wall_ms / 1000) {
        client_recheck(client);
    }
    if (client_check_slow(client, now_ms)) {
        client_arm_watch(client);
    }
}

/* --- the policy --- */

static void on_lost(void *data, const struct run *run)
{
    struct client *client = data;
    struct trace *trace = &client->core->trace;

    if (trace_has_waiting(trace)) {
        trace_cut(trace, run->chunk, client->door->name, TRACED_WHY_SLOW);
    }
    hub_mark_lost(client->core->hub, client, run);
}

static void drop_items(struct client *client)
{
    hub_settle(client->core->hub);
    client->patterns_lost = false;
    outq_drop_items(&client->out, &client->core->chunks, on_lost, client);
}

static void recover(struct client *client)
{
    struct sub *next;

    hub_settle(client->core->hub); /* still slow: that, too, was missed */
    client->slow = false;
    for (struct sub *sub = client->subs; sub != NULL; sub = next) {
        next = sub->next;
        hub_tell_lost(client->core->hub, sub);
        if (client->closing) {
            return; /* they all ended with it */
        }
    }
}

/* One run is one item or what one turn shared, and it is always taken: an
 * empty queue takes any legal item. */
static bool is_over_hard(const struct client *client)
{
    return client->out.len > 1 &&
           client->out.pinned > limits_out_hard(&client->core->limits);
}

static bool is_over(const struct client *client, uint64_t now_ms)
{
    return is_over_hard(client) || now_ms >= soft_ends_ms(client);
}

static bool cut(struct client *client)
{
    struct core *core = client->core;

    core->stats.slow_clients++;
    drop_items(client);
    if (client->door == NULL || !client->door->tells_gaps) {
        client_close(client, ERR_SLOW);
        return false;
    }
    client->slow = true;
    client_dirty(client); /* an empty queue recovers at the next flush */
    return true;
}

bool client_check_slow(struct client *client, uint64_t now_ms)
{
    if (client->closing) {
        return true;
    }
    client_watch_bounds(client);
    if (is_over(client, now_ms)) {
        bool again = client->slow;
        if (!cut(client)) {
            return false;
        }
        /* What is left are answers and an item that has begun: a reader that
         * takes neither does not read at all. */
        if (again || is_over_hard(client)) {
            client_close(client, ERR_SLOW);
            return false;
        }
        client->soft_since_ms = 0; /* one more out_soft_ms for the rest */
        client_watch_bounds(client);
    }
    if (client->slow && outq_is_empty(&client->out)) {
        recover(client);
    }
    return !client->closing;
}

/* What waits cannot all be dropped, or was before: it goes with its
 * connection. Bytes that libuv was given are not read after uv_close(). */
static void give_up(struct client *client)
{
    client_abort(client);
    client_note_unread(client);
    outq_fini(&client->out, &client->core->chunks);
}

static void relieve(struct client *client)
{
    if (client->closing || client->saying || client->slow) {
        give_up(client);
    } else {
        (void)cut(client);
    }
}

static struct client *largest(const struct core *core)
{
    struct client *most = NULL;

    for (struct client *c = core->clients; c != NULL; c = c->next) {
        if (most == NULL || outq_memory(&c->out) > outq_memory(&most->out)) {
            most = c;
        }
    }
    return most != NULL && outq_memory(&most->out) > 0 ? most : NULL;
}

/* The largest, then all that are above half of it, and again: a walk for each
 * size, however many there are. One that was cut may hold an item that has
 * begun, and is given up the next time. */
void clients_relieve(struct core *core, uint64_t enough)
{
    struct client *most;

    while ((most = largest(core)) != NULL) {
        uint64_t half = outq_memory(&most->out) / 2;
        struct client *c = core->clients;
        relieve(most);
        for (; c != NULL && core_memory(core) > enough; c = c->next) {
            if (outq_memory(&c->out) > half) {
                relieve(c);
            }
        }
        if (core_memory(core) <= enough) {
            return;
        }
    }
}
