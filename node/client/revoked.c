/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/revoked.h"

#include "node/client/client.h"
#include "node/core.h"
#include "proto/token.h"
#include "proto/topic.h"

enum {
    WALK_MS = 250
};

static bool is_revoked(const void *data, struct bytes id)
{
    const struct core *core = data;
    struct cluster_register reg;

    return core->cluster != NULL &&
           cluster_get(core->cluster, CLUSTER_REGISTER_REVOKED, id, &reg);
}

static void on_due(struct deadline *due, uint64_t now_ms)
{
    struct core *core = (struct core *)(void *)((char *)due -
                                                offsetof(struct core,
                                                         revoked.due));

    core->revoked.next_ms = now_ms + WALK_MS;
    clients_revoke(core);
}

void revoked_init(struct core *core)
{
    core->auth.is_revoked = is_revoked;
    core->auth.revocations = core;
    core->revoked.due.on_due = on_due;
}

int revoked_add(struct core *core, struct bytes id, uint64_t until_s)
{
    const struct cluster_register reg = {
        .kind = CLUSTER_REGISTER_REVOKED, .key = id, .until_s = until_s};

    if (core->auth.insecure) {
        return ERR_STATE;
    }
    if (id.len > TOKEN_ID_LEN_MAX || !topic_is_valid(id)) {
        return ERR_ARGUMENT;
    }
    if ((until_s != 0 && until_s <= core->wall_ms / 1000) ||
        is_revoked(core, id)) {
        return 0;
    }
    return core->cluster == NULL
               ? ERR_NOT_READY
               : cluster_set(core->cluster, &reg, core->wall_ms);
}

void revoked_arrived(struct core *core)
{
    struct revoked *revoked = &core->revoked;
    uint64_t at_ms = core->now_ms > revoked->next_ms ? core->now_ms
                                                     : revoked->next_ms;

    core->stats.revocations++;
    if (revoked->due.slot == 0 &&
        deadline_set(&core->deadlines, &revoked->due, at_ms) != 0) {
        clients_revoke(core);
    }
}
