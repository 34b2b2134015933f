/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/momento_pubsub.h"

#include "momento/pubsub.pb-c.h"
#include "proto/err.h"
#include "proto/momento_wire.h"

enum {
    TYPE_VARINT = 0,
    TYPE_SLICE = 2,
};

/* --- the wire --- */

static size_t varint_len(uint64_t v)
{
    size_t len = 1;

    for (; v >= 0x80; v >>= 7) {
        len++;
    }
    return len;
}

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        *p++ = (uint8_t)(v | 0x80);
    }
    *p++ = (uint8_t)v;
    return p;
}

/* Of a field; zero is left out. */
static size_t number_len(uint64_t v)
{
    return v == 0 ? 0 : 1 + varint_len(v);
}

static uint8_t *put_number(uint8_t *p, uint8_t field, uint64_t v)
{
    if (v == 0) {
        return p;
    }
    *p++ = (uint8_t)(field << 3 | TYPE_VARINT);
    return put_varint(p, v);
}

static size_t slice_len(size_t len)
{
    return 1 + varint_len(len) + len;
}

static uint8_t *put_head(uint8_t *p, uint8_t field, size_t len)
{
    *p++ = (uint8_t)(field << 3 | TYPE_SLICE);
    return put_varint(p, len);
}

static uint8_t *put_slice(uint8_t *p, uint8_t field, struct bytes slice)
{
    p = put_head(p, field, slice.len);
    if (slice.len > 0) {
        memcpy(p, slice.p, slice.len);
    }
    return p + slice.len;
}

/* --- messages --- */

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

/* By hand: protobuf-c takes twelve times as long, and this is done for each
 * item. Field numbers are those of SubscriptionItem, TopicItem and TopicValue;
 * what the value is goes on the wire even when it is empty. */
void momento_write_item(struct buf *out, const struct item *item, uint64_t page,
                        uint64_t seq)
{
    const uint8_t kind = (item->flags & ITEM_BINARY) != 0 ? 2 : 1;
    size_t value_len = slice_len(item->value.len);
    size_t publisher_len = item->publisher.len > 0
                               ? slice_len(item->publisher.len)
                               : 0;
    size_t item_len = number_len(seq) + slice_len(value_len) + publisher_len +
                      number_len(page);
    uint8_t *p = buf_reserve(out, slice_len(item_len));

    if (p == NULL) {
        return;
    }
    p = put_head(p, 1, item_len);
    p = put_number(p, 1, seq);
    p = put_head(p, 2, value_len);
    p = put_slice(p, kind, item->value);
    if (publisher_len > 0) {
        p = put_slice(p, 3, item->publisher);
    }
    p = put_number(p, 4, page);
    out->len = (size_t)(p - out->p);
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
