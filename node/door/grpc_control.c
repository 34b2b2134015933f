/* SPDX-License-Identifier: Apache-2.0
 *
 * control_client.ScsControl: caches, created, deleted and listed. The first two
 * are answered when every linked node knows (node/door/grpc.h): SDKs go on at
 * once, over other connections.
 */
#include "node/client/caches.h"
#include "node/core.h"
#include "node/door/grpc.h"
#include "proto/err.h"
#include "proto/momento_control.h"

static int may_change(const struct client *client);
static uint32_t kilobytes(uint32_t bytes);

int grpc_create_cache(struct client *client, const struct grpc_call *call)
{
    struct buf memory = {0};
    struct bytes name;
    int err = momento_read_cache(call->message, &memory, &name);

    if (err == 0) {
        err = may_change(client);
    }
    if (err == 0) {
        err = caches_create(client->core, name, client->who);
    }
    if (err == 0) {
        err = grpc_reply_when_known(client, caches_version(client->core));
    }
    buf_fini(&memory);
    return err;
}

int grpc_delete_cache(struct client *client, const struct grpc_call *call)
{
    struct buf memory = {0};
    struct bytes name;
    int err = momento_read_cache(call->message, &memory, &name);

    if (err == 0) {
        err = may_change(client);
    }
    if (err == 0) {
        err = caches_delete(client->core, name, client->who);
    }
    if (err == 0) {
        err = grpc_reply_when_known(client, caches_version(client->core));
    }
    buf_fini(&memory);
    return err;
}

/* Nothing is kept of a topic but what those who lost their connection come back
 * for, and that is owed to them. */
int grpc_flush_cache(struct client *client, const struct grpc_call *call)
{
    struct caches_entry entry;
    struct buf memory = {0};
    struct bytes name;
    int err = momento_read_cache(call->message, &memory, &name);

    if (err == 0) {
        err = may_change(client);
    }
    if (err == 0 && !caches_find(client->core, name, &entry)) {
        err = ERR_NO_CACHE;
    }
    buf_fini(&memory);
    if (err == 0) {
        grpc_reply(client, (struct bytes){0});
    }
    return err;
}

/* All on one page. */
int grpc_list_caches(struct client *client, const struct grpc_call *call)
{
    struct caches_entry entry;
    struct buf memory = {0};
    struct buf list = {0};
    struct bytes token;
    int err = momento_read_list_caches(call->message, &memory, &token);

    for (size_t at = 0; err == 0 && caches_next(client->core, &at, &entry);) {
        const struct momento_cache cache = {
            .name = entry.name,
            .publish_rate = entry.quota.publish_rate,
            .subs = entry.quota.subs,
            .item_kb = kilobytes(entry.quota.item_len),
        };
        if (caches_shows(client->who, entry.name)) {
            momento_write_cache(&list, &cache);
        }
    }
    if (err == 0 && list.failed) {
        err = ERR_NOMEM;
    }
    if (err == 0) {
        grpc_reply(client, buf_bytes(&list));
    }
    buf_fini(&memory);
    buf_fini(&list);
    return err;
}

static int may_change(const struct client *client)
{
    return client_may_admin(client, "admin:caches");
}

static uint32_t kilobytes(uint32_t bytes)
{
    return bytes / 1024 + (bytes % 1024 > 0);
}
