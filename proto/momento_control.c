/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/momento_control.h"

#include "momento/control.pb-c.h"
#include "proto/momento_wire.h"

int momento_read_cache(struct bytes message, struct buf *memory,
                       struct bytes *name)
{
    ProtobufCMessage *read = NULL;
    int err = momento_unpack(&control_client__cache_request__descriptor,
                             message, memory, &read);
    if (err == 0) {
        const ControlClient__CacheRequest *request = (void *)read;
        *name = momento_slice(request->cache_name);
    }
    return err;
}

int momento_read_list_caches(struct bytes message, struct buf *memory,
                             struct bytes *next_token)
{
    ProtobufCMessage *read = NULL;
    int err = momento_unpack(&control_client__list_caches_request__descriptor,
                             message, memory, &read);
    if (err == 0) {
        const ControlClient__ListCachesRequest *request = (void *)read;
        *next_token = momento_slice(request->next_token);
    }
    return err;
}

/* A message is the sum of its parts: a list written one by one is a list. */
void momento_write_cache(struct buf *out, const struct momento_cache *cache)
{
    ControlClient__CacheLimits cache_limits =
        CONTROL_CLIENT__CACHE_LIMITS__INIT;
    ControlClient__TopicLimits topic_limits =
        CONTROL_CLIENT__TOPIC_LIMITS__INIT;
    ControlClient__Cache one = CONTROL_CLIENT__CACHE__INIT;
    ControlClient__Cache *list[] = {&one};
    ControlClient__ListCachesResponse whole =
        CONTROL_CLIENT__LIST_CACHES_RESPONSE__INIT;

    topic_limits.max_publish_rate = cache->publish_rate;
    topic_limits.max_subscription_count = cache->subs;
    topic_limits.max_publish_message_size_kb = cache->item_kb;
    one.cache_name = momento_data(cache->name);
    one.cache_limits = &cache_limits;
    one.topic_limits = &topic_limits;
    whole.cache = list;
    whole.n_cache = ARRAY_LEN(list);
    momento_pack(&whole.base, out);
}

void momento_write_next_token(struct buf *out, struct bytes next_token)
{
    ControlClient__ListCachesResponse whole =
        CONTROL_CLIENT__LIST_CACHES_RESPONSE__INIT;

    whole.next_token = momento_data(next_token);
    momento_pack(&whole.base, out);
}
