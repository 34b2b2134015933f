/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/slow.h"

#include "node/client/client.h"
#include "node/conn/conn.h"
#include "node/core.h"
#include "node/door/door.h"

static void describe(const struct client *client, struct report_slow *slow)
{
    const struct core *core = client->core;
    struct bytes who = client->who->token.subject;
    uint64_t since_ms = client->soft_since_ms;

    *slow = (struct report_slow){
        .client = client->id,
        .door = client->door == NULL ? "" : client->door->name,
        .queue = client->out.queued,
        .limit = limits_out_hard(&core->limits),
        .age_ms = core->now_ms - client->conn->opened_ms,
        .over_ms = since_ms == 0 ? 0 : core->now_ms - since_ms,
    };
    static_assert((int)REPORT_ADDRESS_MAX >= (int)ADDR_TEXT_MAX, "it fits");
    addr_text(&client->conn->remote, slow->address);
    if (who.len > 0 && who.len < sizeof slow->who) {
        memcpy(slow->who, who.p, who.len);
    }
}

/* Puts it in its place among the len that have most. Returns their number. */
static size_t put(const struct client **most, size_t len,
                  const struct client *client)
{
    size_t at = len;

    while (at > 0 && most[at - 1]->out.queued < client->out.queued) {
        at--;
    }
    if (at == REPORT_SLOW_MAX) {
        return len;
    }
    len += len < REPORT_SLOW_MAX;
    memmove(&most[at + 1], &most[at],
            (len - at - 1) * sizeof(const struct client *));
    most[at] = client;
    return len;
}

size_t slow_list(const struct core *core, struct report_slow *rows)
{
    const struct client *most[REPORT_SLOW_MAX];
    size_t len = 0;

    if (core->chunks.bytes == 0) {
        return 0;
    }
    for (const struct client *c = core->clients; c != NULL; c = c->next) {
        if (c->out.queued > 0) {
            len = put(most, len, c);
        }
    }
    for (size_t i = 0; i < len; i++) {
        describe(most[i], &rows[i]);
    }
    return len;
}
