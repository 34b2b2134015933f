/* SPDX-License-Identifier: Apache-2.0
 *
 * cache_client.Ping and cache_client.pubsub.Pubsub.
 */
#include "node/door/door.h"
#include "node/door/grpc.h"
#include "proto/momento_pubsub.h"

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
