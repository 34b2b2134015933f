/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/momento_pubsub.h"

#include "momento/pubsub.pb-c.h"
#include "proto/err.h"
#include "proto/momento_wire.h"

int momento_read_publish(struct bytes message, struct buf *memory,
                         struct momento_publish *publish)
{
    ProtobufCMessage *read = NULL;
    int err = momento_unpack(&cache_client__pubsub__publish_request__descriptor,
                             message, memory, &read);
    if (err < 0) {
        return err;
    }
    const CacheClient__Pubsub__PublishRequest *request = (void *)read;
    const CacheClient__Pubsub__TopicValue *value = request->value;
    if (value == NULL ||
        value->kind_case == CACHE_CLIENT__PUBSUB__TOPIC_VALUE__KIND__NOT_SET) {
        return ERR_ARGUMENT;
    }
    bool binary = value->kind_case ==
                  CACHE_CLIENT__PUBSUB__TOPIC_VALUE__KIND_BINARY;
    *publish = (struct momento_publish){
        .cache = momento_slice(request->cache_name),
        .topic = momento_slice(request->topic),
        .value = momento_slice(binary ? value->binary : value->text),
        .binary = binary,
    };
    return 0;
}

int momento_read_subscribe(struct bytes message, struct buf *memory,
                           struct momento_subscribe *subscribe)
{
    ProtobufCMessage *read = NULL;
    int err = momento_unpack(
        &cache_client__pubsub__subscription_request__descriptor, message,
        memory, &read);
    if (err < 0) {
        return err;
    }
    const CacheClient__Pubsub__SubscriptionRequest *request = (void *)read;
    *subscribe = (struct momento_subscribe){
        .cache = momento_slice(request->cache_name),
        .topic = momento_slice(request->topic),
        .resume_at = request->resume_at_topic_sequence_number,
        .page = request->sequence_page,
    };
    return 0;
}

void momento_write_item(struct buf *out, const struct item *item, uint64_t page,
                        uint64_t seq)
{
    CacheClient__Pubsub__TopicValue value =
        CACHE_CLIENT__PUBSUB__TOPIC_VALUE__INIT;
    CacheClient__Pubsub__TopicItem topic_item =
        CACHE_CLIENT__PUBSUB__TOPIC_ITEM__INIT;
    CacheClient__Pubsub__SubscriptionItem whole =
        CACHE_CLIENT__PUBSUB__SUBSCRIPTION_ITEM__INIT;

    /* What the value is goes on the wire even when it is empty. */
    if ((item->flags & ITEM_BINARY) != 0) {
        value.kind_case = CACHE_CLIENT__PUBSUB__TOPIC_VALUE__KIND_BINARY;
        value.binary = momento_data(item->value);
    } else {
        value.kind_case = CACHE_CLIENT__PUBSUB__TOPIC_VALUE__KIND_TEXT;
        value.text = momento_data(item->value);
    }
    topic_item.topic_sequence_number = seq;
    topic_item.value = &value;
    topic_item.publisher_id = momento_data(item->publisher);
    topic_item.sequence_page = page;
    whole.kind_case = CACHE_CLIENT__PUBSUB__SUBSCRIPTION_ITEM__KIND_ITEM;
    whole.item = &topic_item;
    momento_pack(&whole.base, out);
}

void momento_write_gap(struct buf *out, uint64_t page, uint64_t last,
                       uint64_t next)
{
    CacheClient__Pubsub__Discontinuity gap =
        CACHE_CLIENT__PUBSUB__DISCONTINUITY__INIT;
    CacheClient__Pubsub__SubscriptionItem whole =
        CACHE_CLIENT__PUBSUB__SUBSCRIPTION_ITEM__INIT;

    gap.last_topic_sequence = last;
    gap.new_topic_sequence = next;
    gap.new_sequence_page = page;
    whole.kind_case =
        CACHE_CLIENT__PUBSUB__SUBSCRIPTION_ITEM__KIND_DISCONTINUITY;
    whole.discontinuity = &gap;
    momento_pack(&whole.base, out);
}

void momento_write_heartbeat(struct buf *out)
{
    CacheClient__Pubsub__Heartbeat beat = CACHE_CLIENT__PUBSUB__HEARTBEAT__INIT;
    CacheClient__Pubsub__SubscriptionItem whole =
        CACHE_CLIENT__PUBSUB__SUBSCRIPTION_ITEM__INIT;

    whole.kind_case = CACHE_CLIENT__PUBSUB__SUBSCRIPTION_ITEM__KIND_HEARTBEAT;
    whole.heartbeat = &beat;
    momento_pack(&whole.base, out);
}
