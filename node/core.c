/* SPDX-License-Identifier: Apache-2.0 */
#include "node/core.h"

#include <assert.h>

#include "node/client/client.h"
#include "node/watch/denied.h"
#include "node/watch/tap.h"
#include "node/watch/walk.h"
#include "proto/err.h"

static void copy_text(char *to, size_t cap, const char *from)
{
    size_t len = from == NULL ? 0 : strlen(from);

    assert(len < cap);
    if (len > 0) {
        memcpy(to, from, len);
    }
    to[len] = '\0';
}

int core_init(struct core *core, const struct core_options *options)
{
    const char *why;
    int rc;

    *core = (struct core){0};
    rc = limits_check(&options->limits, &why);
    if (rc != 0) {
        return rc;
    }
    core->limits = options->limits;
    core->stats.memory_limit = options->limits.memory_len;
    core->log = options->log;
    core->hash_key = options->hash_key;
    core->meters.key = &core->hash_key;
    core->cluster = options->cluster;
    core->caches.only_known = options->only_known_caches;
    core->id = options->id;
    core->workers = options->workers;
    core->worker = options->worker;
    core->board = options->board;
    core->node_u64 = node_id_u64(&options->id);
    copy_text(core->name, sizeof core->name, options->name);
    copy_text(core->region, sizeof core->region, options->region);
    copy_text(core->endpoint, sizeof core->endpoint, options->endpoint);
    rc = auth_init(&core->auth, options->token_keys);
    if (rc != 0) {
        goto fail;
    }
    revoked_init(core);
    trace_init(&core->trace, core);
    rc = hub_init(&core->hub, core, &core->hash_key, core->node_u64,
                  &options->outside);
    if (rc != 0) {
        goto fail;
    }
    return 0;
fail:
    core_fini(core);
    return rc;
}

void core_fini(struct core *core)
{
    assert(core->clients == NULL);
    walks_end(core);
    denials_free(core->denials);
    taps_free(core->taps);
    if (core->hub != NULL) {
        hub_free(core->hub);
    }
    trace_fini(&core->trace);
    meters_fini(&core->meters);
    events_fini(&core->events);
    cuts_fini(&core->cuts);
    auth_fini(&core->auth);
    chunk_pool_fini(&core->chunks);
    deadlines_fini(&core->deadlines);
    buf_fini(&core->scratch);
    buf_fini(&core->documents[0]);
    buf_fini(&core->documents[1]);
    *core = (struct core){0};
}

void core_turn(struct core *core, uint64_t now_ms, uint64_t wall_ms)
{
    assert(now_ms >= core->now_ms);
    if (core->boot_ms == 0) {
        core->boot_ms = now_ms;
        core->since_ms = wall_ms;
    }
    core->now_ms = now_ms;
    core->wall_ms = wall_ms;
    core->stats.output_len = core->chunks.bytes;
    core_mind_memory(core);
}

void core_relieve(struct core *core)
{
    uint64_t tenth = core->limits.memory_len / 10;
    uint64_t enough = 8 * tenth;

    if (core->stats.ring_len > 7 * tenth) {
        enough = core->stats.ring_len + tenth;
    }
    hub_settle(core->hub);
    if (core->flush != NULL) {
        core->flush(core);
    }
    if (core_memory(core) > enough) {
        clients_relieve(core, enough);
    }
}
