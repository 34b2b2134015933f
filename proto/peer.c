/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/peer.h"

#include <assert.h>

#include "proto/err.h"
#include "proto/mp.h"

/* Elements of each array. Where a reader accepts more, a newer node may have
 * added some; they are skipped. */
enum {
    BATCH_FIELDS = 9,
    GAP_FIELDS = 4,
    RECORD_FIELDS = 3, /* of any type: type, removed, hash */
    PATTERN_FIELDS = 6,
    REGISTER_FIELDS = 8,
    HOST_LEN = 10, /* of a host: id, worker, workers */
};

bool node_id_is_zero(const struct node_id *id)
{
    static const struct node_id zero;

    return node_id_eq(id, &zero);
}

static struct bytes id_bytes(const struct node_id *id)
{
    return bytes_of(id->b, sizeof id->b);
}

/* Takes the head of an array; fewer than `least` elements is wrong. */
static uint32_t take_head(struct mp *mp, uint32_t least)
{
    uint32_t fields = mp_take_array(mp);

    if (mp->state == 0 && fields < least) {
        mp->state = ERR_SYNTAX;
    }
    return fields;
}

static void skip_from(struct mp *mp, uint32_t known, uint32_t fields)
{
    for (uint32_t i = known; i < fields && mp->state == 0; i++) {
        mp_skip(mp);
    }
}

/* --- batches --- */

void peer_batch_write(const struct peer_batch *batch, struct buf *out)
{
    mp_put_array(out, BATCH_FIELDS);
    mp_put_u64(out, batch->version);
    mp_put_u64(out, batch->least);
    mp_put_u64(out, batch->lane);
    mp_put_u64(out, batch->hop);
    mp_put_u64(out, batch->kind);
    mp_put_bin(out, id_bytes(&batch->src));
    mp_put_bin(out, id_bytes(&batch->dst));
    mp_put_u64(out, batch->epoch);
    mp_put_u64(out, batch->seq);
}

ptrdiff_t peer_batch_read(struct bytes in, struct peer_batch *batch)
{
    struct mp mp = mp_of(in);
    struct peer_batch read = {0};
    uint32_t fields = take_head(&mp, 2);

    read.version = (uint8_t)mp_take_u64_max(&mp, UINT8_MAX);
    read.least = (uint8_t)mp_take_u64_max(&mp, UINT8_MAX);
    if (mp.state == 0 &&
        (read.version < PEER_VERSION_MIN || read.version > PEER_VERSION)) {
        *batch = read; /* what the log line names */
        return ERR_VERSION;
    }
    if (mp.state == 0 && fields != BATCH_FIELDS) {
        return ERR_SYNTAX;
    }
    read.lane = (uint8_t)mp_take_u64_max(&mp, PEER_DATA);
    read.hop = (uint8_t)mp_take_u64_max(&mp, PEER_HOP_HOST);
    read.kind = (uint8_t)mp_take_u64_max(&mp, PEER_PROBE);
    mp_take_fixed(&mp, read.src.b, sizeof read.src.b);
    mp_take_fixed(&mp, read.dst.b, sizeof read.dst.b);
    read.epoch = mp_take_u64(&mp);
    read.seq = mp_take_u64(&mp);
    ptrdiff_t taken = mp_outcome(&mp);
    if (taken > 0 && (read.seq == 0 ||
                      (read.kind != PEER_ITEMS && read.lane == PEER_CONTROL))) {
        return ERR_SYNTAX;
    }
    if (taken > 0) {
        *batch = read;
    }
    return taken;
}

void peer_gap_write(const struct peer_gap *gap, struct buf *out)
{
    assert(gap->hashes.len <= PEER_GAP_LEN_MAX);
    assert(gap->fences.len <= PEER_FENCES_LEN_MAX);
    mp_put_array(out, GAP_FIELDS);
    mp_put_u64(out, gap->from);
    mp_put_bool(out, gap->all);
    mp_put_bin(out, gap->hashes);
    mp_put_bin(out, gap->fences);
}

ptrdiff_t peer_gap_read(struct bytes in, struct peer_gap *gap)
{
    struct mp mp = mp_of(in);
    struct peer_gap read = {0};
    uint32_t fields = take_head(&mp, GAP_FIELDS);

    read.from = mp_take_u64(&mp);
    read.all = mp_take_bool(&mp);
    read.hashes = mp_take_bin(&mp, PEER_GAP_LEN_MAX);
    read.fences = mp_take_bin(&mp, PEER_FENCES_LEN_MAX);
    skip_from(&mp, GAP_FIELDS, fields);
    ptrdiff_t taken = mp_outcome(&mp);
    if (taken > 0 &&
        (read.from == 0 || read.hashes.len % sizeof(uint64_t) != 0 ||
         read.fences.len % PEER_NUMBER_LEN != 0)) {
        return ERR_SYNTAX;
    }
    if (taken > 0) {
        *gap = read;
    }
    return taken;
}

/* --- records --- */

/* Elements that this version knows. */
static uint32_t record_fields(const struct peer_record *record)
{
    if (record->type == PEER_PATTERN) {
        return PATTERN_FIELDS;
    }
    return record->type == PEER_REGISTER && !record->removed ? REGISTER_FIELDS
                                                             : RECORD_FIELDS;
}

void peer_record_write(const struct peer_record *record, struct buf *out)
{
    uint32_t fields = record_fields(record);

    mp_put_array(out, fields);
    mp_put_u64(out, record->type);
    mp_put_bool(out, record->removed);
    mp_put_u64(out, record->hash);
    if (fields == PATTERN_FIELDS) {
        mp_put_u64(out, record->dialect);
        mp_put_str(out, record->cache);
        mp_put_bin(out, record->pattern);
    }
    if (fields == REGISTER_FIELDS) {
        assert(record->key.len <= PEER_KEY_LEN_MAX);
        assert(record->value.len <= PEER_VALUE_LEN_MAX);
        mp_put_u64(out, record->kind);
        mp_put_bin(out, record->key);
        mp_put_bin(out, record->value);
        mp_put_u64(out, record->stamp);
        mp_put_u64(out, record->until_s);
    }
}

static void take_record(struct mp *mp, uint32_t known,
                        struct peer_record *record)
{
    if (known == PATTERN_FIELDS) {
        record->dialect = (uint8_t)mp_take_u64_max(mp, UINT8_MAX);
        record->cache = mp_take_str(mp, CACHE_LEN_MAX);
        record->pattern = mp_take_bin(mp, PATTERN_LEN_MAX);
    }
    if (known == REGISTER_FIELDS) {
        record->kind = (uint8_t)mp_take_u64_max(mp, UINT8_MAX);
        record->key = mp_take_bin(mp, PEER_KEY_LEN_MAX);
        record->value = mp_take_bin(mp, PEER_VALUE_LEN_MAX);
        record->stamp = mp_take_u64_max(mp, PEER_TIME_MAX);
        record->until_s = mp_take_u64_max(mp, PEER_TIME_MAX);
    }
}

/* What no single field shows: 0 or an error. */
static int check_record(const struct peer_record *record, uint32_t known)
{
    if (record->type == 0) {
        return ERR_SYNTAX;
    }
    if (known == PATTERN_FIELDS && (!topic_cache_is_valid(record->cache) ||
                                    !topic_pattern_is_valid(record->pattern))) {
        return ERR_NAME;
    }
    if (known == REGISTER_FIELDS &&
        (record->kind == 0 || record->key.len == 0)) {
        return ERR_SYNTAX;
    }
    return 0;
}

ptrdiff_t peer_record_read(struct bytes in, struct peer_record *record)
{
    struct mp mp = mp_of(in);
    struct peer_record read = {0};
    uint32_t fields = take_head(&mp, RECORD_FIELDS);

    read.type = (uint8_t)mp_take_u64_max(&mp, UINT8_MAX);
    read.removed = mp_take_bool(&mp);
    read.hash = mp_take_u64(&mp);
    uint32_t known = record_fields(&read);
    if (mp.state == 0 && fields < known) {
        return ERR_SYNTAX;
    }
    take_record(&mp, known, &read);
    skip_from(&mp, known, fields);
    ptrdiff_t taken = mp_outcome(&mp);
    int rc = taken > 0 ? check_record(&read, known) : 0;
    if (rc != 0) {
        return rc;
    }
    if (taken > 0) {
        *record = read;
    }
    return taken;
}

/* --- control messages --- */

/* Elements of a message by type, the type included; 0 = a type we do not know.
 */
static uint32_t message_fields(uint8_t type)
{
    static const uint8_t fields[] = {
        [PEER_HELLO] = 19, [PEER_DELTA] = 6,  [PEER_SNAPSHOT] = 7,
        [PEER_PULL] = 3,   [PEER_HAVE] = 2,   [PEER_BYE] = 1,
        [PEER_ASK] = 7,    [PEER_ANSWER] = 8, [PEER_CALL] = 4,
        [PEER_REPLY] = 5,
    };

    return type < ARRAY_LEN(fields) ? fields[type] : 0;
}

static bool has_host(const struct peer_message *message)
{
    return message->host.workers > 1;
}

static void put_hello(const struct peer_message *message, struct buf *out)
{
    mp_put_u64(out, message->version);
    mp_put_u64(out, message->digest);
    mp_put_u64(out, message->heard_epoch);
    mp_put_u64(out, message->heard_seq);
    mp_put_u64(out, message->through);
    mp_put_u64(out, message->hash_key_print);
    mp_put_bool(out, message->ready);
    mp_put_bool(out, message->draining);
    mp_put_bin(out, message->members);
    mp_put_u64(out, message->held);
    mp_put_u64(out, message->again_ms);
    mp_put_u64(out, message->hello);
    mp_put_u64(out, message->heard_hello);
    mp_put_bool(out, message->asks);
    mp_put_bool(out, message->counts);
    mp_put_u64(out, message->counted_sum);
    mp_put_u64(out, message->known_sum);
    mp_put_u64(out, message->lacks);
    if (has_host(message)) {
        uint8_t host[HOST_LEN];
        bytes_put_u64be(host, message->host.id);
        host[HOST_LEN - 2] = message->host.worker;
        host[HOST_LEN - 1] = message->host.workers;
        mp_put_bin(out, bytes_of(host, sizeof host));
    }
}

static void put_answer(const struct peer_message *message, struct buf *out)
{
    mp_put_u64(out, message->number);
    mp_put_u64(out, message->seq);
    mp_put_bool(out, message->known);
    mp_put_u64(out, message->newest);
    mp_put_u64(out, message->records_len);
    mp_put_bin(out, message->records);
    mp_put_bin(out, message->seen);
}

static void put_call(const struct peer_message *message, struct buf *out)
{
    mp_put_u64(out, message->number);
    mp_put_u64(out, message->kind);
    if (message->type == PEER_REPLY) {
        mp_put_u64(out, message->status);
    }
    mp_put_bin(out, message->body);
}

void peer_message_write(const struct peer_message *message, struct buf *out)
{
    assert(message_fields(message->type) != 0);
    assert(message->records.len <= PEER_RECORDS_LEN_MAX);
    assert(message->members.len <= PEER_MEMBERS_LEN_MAX);
    assert(message->seen.len <= PEER_SEEN_LEN_MAX);
    assert(message->body.len <= PEER_BODY_LEN_MAX);

    mp_put_array(out, message_fields(message->type) + has_host(message));
    mp_put_u64(out, message->type);
    switch ((enum peer_message_type)message->type) {
    case PEER_HELLO:
        put_hello(message, out);
        break;
    case PEER_DELTA:
        mp_put_u64(out, message->version);
        mp_put_u64(out, message->digest);
        mp_put_u64(out, message->from);
        mp_put_u64(out, message->records_len);
        mp_put_bin(out, message->records);
        break;
    case PEER_SNAPSHOT:
        mp_put_u64(out, message->version);
        mp_put_u64(out, message->digest);
        mp_put_u64(out, message->part);
        mp_put_u64(out, message->parts);
        mp_put_u64(out, message->records_len);
        mp_put_bin(out, message->records);
        break;
    case PEER_PULL:
        mp_put_u64(out, message->version);
        mp_put_u64(out, message->part);
        break;
    case PEER_HAVE:
        mp_put_u64(out, message->version);
        break;
    case PEER_BYE:
        break;
    case PEER_ASK:
        mp_put_u64(out, message->number);
        mp_put_u64(out, message->page);
        mp_put_u64(out, message->seq);
        mp_put_bool(out, message->first);
        mp_put_str(out, message->cache);
        mp_put_str(out, message->topic);
        break;
    case PEER_ANSWER:
        put_answer(message, out);
        break;
    case PEER_CALL:
    case PEER_REPLY:
        put_call(message, out);
        break;
    }
}

static void take_hello(struct mp *mp, struct peer_message *message)
{
    message->version = mp_take_u64(mp);
    message->digest = mp_take_u64(mp);
    message->heard_epoch = mp_take_u64(mp);
    message->heard_seq = mp_take_u64(mp);
    message->through = mp_take_u64(mp);
    message->hash_key_print = mp_take_u64(mp);
    message->ready = mp_take_bool(mp);
    message->draining = mp_take_bool(mp);
    message->members = mp_take_bin(mp, PEER_MEMBERS_LEN_MAX);
    message->held = mp_take_u64(mp);
    message->again_ms = (uint32_t)mp_take_u64_max(mp, PEER_AGAIN_MS_MAX);
    message->hello = mp_take_u64(mp);
    message->heard_hello = mp_take_u64(mp);
    message->asks = mp_take_bool(mp);
    message->counts = mp_take_bool(mp);
    message->counted_sum = mp_take_u64(mp);
    message->known_sum = mp_take_u64(mp);
    message->lacks = (uint32_t)mp_take_u64_max(mp, PEER_MEMBERS_MAX);
}

static void take_host(struct mp *mp, struct peer_message *message)
{
    struct bytes host = mp_take_bin(mp, HOST_LEN);

    if (host.len == HOST_LEN) {
        message->host = (struct peer_host){.id = bytes_u64be(host.p),
                                           .worker = host.p[HOST_LEN - 2],
                                           .workers = host.p[HOST_LEN - 1]};
    } else if (host.len > 0) {
        mp->state = ERR_SYNTAX;
    }
}

static void take_records(struct mp *mp, struct peer_message *message)
{
    message->records_len = (uint32_t)mp_take_u64_max(mp, PEER_RECORDS_MAX);
    message->records = mp_take_bin(mp, PEER_RECORDS_LEN_MAX);
}

static void take_answer(struct mp *mp, struct peer_message *message)
{
    message->number = mp_take_u64(mp);
    message->seq = mp_take_u64(mp);
    message->known = mp_take_bool(mp);
    message->newest = mp_take_u64(mp);
    take_records(mp, message);
    message->seen = mp_take_bin(mp, PEER_SEEN_LEN_MAX);
}

static void take_call(struct mp *mp, struct peer_message *message)
{
    message->number = mp_take_u64(mp);
    message->kind = (uint8_t)mp_take_u64_max(mp, UINT8_MAX);
    if (message->type == PEER_REPLY) {
        message->status = (uint8_t)mp_take_u64_max(mp, UINT8_MAX);
    }
    message->body = mp_take_bin(mp, PEER_BODY_LEN_MAX);
}

/* Takes what follows the type of a message that we know. */
static void take_message(struct mp *mp, struct peer_message *message)
{
    switch ((enum peer_message_type)message->type) {
    case PEER_HELLO:
        take_hello(mp, message);
        break;
    case PEER_DELTA:
        message->version = mp_take_u64(mp);
        message->digest = mp_take_u64(mp);
        message->from = mp_take_u64_max(mp, message->version);
        take_records(mp, message);
        break;
    case PEER_SNAPSHOT:
        message->version = mp_take_u64(mp);
        message->digest = mp_take_u64(mp);
        message->part = (uint32_t)mp_take_u64_max(mp, UINT32_MAX);
        message->parts = (uint32_t)mp_take_u64_max(mp, UINT32_MAX);
        take_records(mp, message);
        break;
    case PEER_PULL:
        message->version = mp_take_u64(mp);
        message->part = (uint32_t)mp_take_u64_max(mp, UINT32_MAX);
        break;
    case PEER_HAVE:
        message->version = mp_take_u64(mp);
        break;
    case PEER_BYE:
        break;
    case PEER_ASK:
        message->number = mp_take_u64(mp);
        message->page = mp_take_u64(mp);
        message->seq = mp_take_u64(mp);
        message->first = mp_take_bool(mp);
        message->cache = mp_take_str(mp, CACHE_LEN_MAX);
        message->topic = mp_take_str(mp, TOPIC_LEN_MAX);
        break;
    case PEER_ANSWER:
        take_answer(mp, message);
        break;
    case PEER_CALL:
    case PEER_REPLY:
        take_call(mp, message);
        break;
    }
}

/* What no single field shows. */
static bool message_is_valid(const struct peer_message *message)
{
    return message->type != 0 && message->members.len % NODE_ID_LEN == 0 &&
           message->seen.len % PEER_NUMBER_LEN == 0 &&
           (message->type != PEER_SNAPSHOT || message->part < message->parts) &&
           message->host.workers <= PEER_WORKERS_MAX &&
           (!has_host(message) || message->host.worker < message->host.workers);
}

static bool names_are_valid(const struct peer_message *message)
{
    return message->type != PEER_ASK || (topic_cache_is_valid(message->cache) &&
                                         topic_is_valid(message->topic));
}

ptrdiff_t peer_message_read(struct bytes in, struct peer_message *message)
{
    struct mp mp = mp_of(in);
    struct peer_message read = {0};
    uint32_t fields = take_head(&mp, 1);
    uint32_t known = 1;

    read.type = (uint8_t)mp_take_u64_max(&mp, UINT8_MAX);
    if (mp.state == 0 && message_fields(read.type) != 0) {
        known = message_fields(read.type);
        if (fields < known) {
            return ERR_SYNTAX;
        }
        take_message(&mp, &read);
        if (read.type == PEER_HELLO && fields > known) {
            take_host(&mp, &read);
            known++;
        }
    }
    skip_from(&mp, known, fields);
    ptrdiff_t taken = mp_outcome(&mp);
    if (taken > 0 && !message_is_valid(&read)) {
        return ERR_SYNTAX;
    }
    if (taken > 0 && !names_are_valid(&read)) {
        return ERR_NAME;
    }
    if (taken > 0) {
        *message = read;
    }
    return taken;
}
