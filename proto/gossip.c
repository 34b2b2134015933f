/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/gossip.h"

#include "proto/err.h"
#include "proto/mp.h"
#include "proto/topic.h"

enum {
    HEAD_FIELDS = 6,      /* the same in every version */
    HEAD_FIELDS_MAX = 32, /* of any version */
    NODE_FIELDS = 7,
    STATE_FIELDS = 3,
    SUSPECT_FIELDS = 5,
    WHOLE_FIELDS = STATE_FIELDS + NODE_FIELDS,
};

static bool is_plain_text(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] <= ' ' || text.p[i] > '~') {
            return false;
        }
    }
    return true;
}

static bool id_is_none(const struct node_id *id)
{
    static const struct node_id none;
    return node_id_eq(id, &none);
}

bool gossip_node_is_valid(const struct peer_node *node)
{
    return !id_is_none(&node->id) && !addr_is_none(&node->cluster) &&
           !addr_is_any(&node->cluster) && node->data_port != 0 &&
           topic_cache_is_valid(node->name) &&
           topic_cache_is_valid(node->region) &&
           node->endpoint.len <= ENDPOINT_LEN_MAX &&
           is_plain_text(node->endpoint) &&
           node->version.len <= GOSSIP_VERSION_LEN_MAX &&
           is_plain_text(node->version);
}

static void id_write(const struct node_id *id, struct buf *out)
{
    mp_put_bin(out, bytes_of(id->b, sizeof id->b));
}

static void node_write(const struct peer_node *node, struct buf *out)
{
    mp_put_bin(out, bytes_of(node->cluster.ip, sizeof node->cluster.ip));
    mp_put_u64(out, node->cluster.port);
    mp_put_u64(out, node->data_port);
    mp_put_str(out, node->name);
    mp_put_str(out, node->region);
    mp_put_str(out, node->endpoint);
    mp_put_str(out, node->version);
}

static void node_read(struct mp *mp, struct peer_node *node)
{
    mp_take_fixed(mp, node->cluster.ip, sizeof node->cluster.ip);
    node->cluster.port = (uint16_t)mp_take_u64_max(mp, UINT16_MAX);
    node->data_port = (uint16_t)mp_take_u64_max(mp, UINT16_MAX);
    node->name = mp_take_str(mp, NODE_NAME_LEN_MAX);
    node->region = mp_take_str(mp, REGION_LEN_MAX);
    node->endpoint = mp_take_str(mp, ENDPOINT_LEN_MAX);
    node->version = mp_take_str(mp, GOSSIP_VERSION_LEN_MAX);
}

/* Fields after the head, by type; 0 for a type we do not know. */
static uint32_t fields_of(uint8_t type)
{
    static const uint8_t fields[] = {
        [GOSSIP_JOIN] = HEAD_FIELDS + 2 + NODE_FIELDS,
        [GOSSIP_COOKIE] = HEAD_FIELDS + 1,
        [GOSSIP_WELCOME] = HEAD_FIELDS,
        [GOSSIP_REFUSE] = HEAD_FIELDS + 1,
        [GOSSIP_UNKNOWN] = HEAD_FIELDS,
        [GOSSIP_PING] = HEAD_FIELDS + 3,
        [GOSSIP_PING_FOR] = HEAD_FIELDS + 1,
        [GOSSIP_ACK] = HEAD_FIELDS + 3,
        [GOSSIP_NACK] = HEAD_FIELDS,
        [GOSSIP_PULL] = HEAD_FIELDS + 2,
        [GOSSIP_SLICE] = HEAD_FIELDS + 1,
        [GOSSIP_RUMOUR] = HEAD_FIELDS,
    };
    return type < ARRAY_LEN(fields) ? fields[type] : 0;
}

static void parts_write(const uint64_t parts[GOSSIP_PARTS], struct buf *out)
{
    uint8_t wire[GOSSIP_PARTS * 8];

    for (size_t i = 0; i < GOSSIP_PARTS; i++) {
        bytes_put_u64be(wire + i * 8, parts[i]);
    }
    mp_put_bin(out, bytes_of(wire, sizeof wire));
}

static void parts_read(struct mp *mp, uint64_t parts[GOSSIP_PARTS])
{
    uint8_t wire[GOSSIP_PARTS * 8];

    mp_take_fixed(mp, wire, sizeof wire);
    for (size_t i = 0; i < GOSSIP_PARTS; i++) {
        parts[i] = bytes_u64be(wire + i * 8);
    }
}

void gossip_packet_write(const struct gossip_packet *packet, struct buf *out)
{
    mp_put_array(out, fields_of(packet->type));
    mp_put_u64(out, packet->version);
    mp_put_u64(out, packet->least);
    mp_put_u64(out, packet->type);
    id_write(&packet->source, out);
    mp_put_u64(out, packet->incarnation);
    mp_put_u64(out, packet->seq);
    switch ((enum gossip_type)packet->type) {
    case GOSSIP_JOIN:
        mp_put_u64(out, packet->print);
        mp_put_u64(out, packet->cookie);
        node_write(&packet->node, out);
        break;
    case GOSSIP_COOKIE:
        mp_put_u64(out, packet->cookie);
        break;
    case GOSSIP_REFUSE:
        mp_put_u64(out, packet->reason);
        break;
    case GOSSIP_PING:
    case GOSSIP_ACK:
        mp_put_u64(out, packet->digest);
        mp_put_u64(out, packet->log_version);
        mp_put_u64(out, packet->log_digest);
        break;
    case GOSSIP_PULL:
        id_write(&packet->target, out);
        parts_write(packet->parts, out);
        break;
    case GOSSIP_PING_FOR:
    case GOSSIP_SLICE:
        id_write(&packet->target, out);
        break;
    case GOSSIP_WELCOME:
    case GOSSIP_UNKNOWN:
    case GOSSIP_NACK:
    case GOSSIP_RUMOUR:
        break;
    }
}

/* The fields after the head; the type is a known one. */
static void fields_read(struct mp *mp, struct gossip_packet *p)
{
    switch ((enum gossip_type)p->type) {
    case GOSSIP_JOIN:
        p->print = mp_take_u64(mp);
        p->cookie = mp_take_u64(mp);
        p->node.id = p->source;
        node_read(mp, &p->node);
        break;
    case GOSSIP_COOKIE:
        p->cookie = mp_take_u64(mp);
        break;
    case GOSSIP_REFUSE:
        p->reason = (uint8_t)mp_take_u64_max(mp, UINT8_MAX);
        break;
    case GOSSIP_PING:
    case GOSSIP_ACK:
        p->digest = mp_take_u64(mp);
        p->log_version = mp_take_u64(mp);
        p->log_digest = mp_take_u64(mp);
        break;
    case GOSSIP_PULL:
        mp_take_fixed(mp, p->target.b, sizeof p->target.b);
        parts_read(mp, p->parts);
        break;
    case GOSSIP_PING_FOR:
    case GOSSIP_SLICE:
        mp_take_fixed(mp, p->target.b, sizeof p->target.b);
        break;
    case GOSSIP_WELCOME:
    case GOSSIP_UNKNOWN:
    case GOSSIP_NACK:
    case GOSSIP_RUMOUR:
        break;
    }
}

int gossip_packet_read(struct bytes in, struct gossip_packet *packet)
{
    struct gossip_packet p = {0};
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    p.version = (uint8_t)mp_take_u64_max(&mp, UINT8_MAX);
    p.least = (uint8_t)mp_take_u64_max(&mp, UINT8_MAX);
    p.type = (uint8_t)mp_take_u64_max(&mp, UINT8_MAX);
    mp_take_fixed(&mp, p.source.b, sizeof p.source.b);
    p.incarnation = (uint32_t)mp_take_u64_max(&mp, GOSSIP_INCARNATION_MAX);
    p.seq = mp_take_u64(&mp);
    if (mp_outcome(&mp) <= 0 || fields < HEAD_FIELDS ||
        fields > HEAD_FIELDS_MAX || id_is_none(&p.source)) {
        return ERR_SYNTAX;
    }
    if (p.version < GOSSIP_VERSION_MIN || p.version > GOSSIP_VERSION) {
        *packet = p;
        return ERR_VERSION;
    }
    if (fields != fields_of(p.type)) {
        return ERR_SYNTAX;
    }
    fields_read(&mp, &p);
    if (mp_outcome(&mp) <= 0 ||
        (p.type == GOSSIP_JOIN && !gossip_node_is_valid(&p.node))) {
        return ERR_SYNTAX;
    }
    p.records = mp.in;
    *packet = p;
    return 0;
}

void gossip_record_write(const struct gossip_record *record, struct buf *out)
{
    bool suspect = record->state == GOSSIP_SUSPECT;

    mp_put_array(out, record->whole ? (uint32_t)WHOLE_FIELDS
                      : suspect     ? (uint32_t)SUSPECT_FIELDS
                                    : (uint32_t)STATE_FIELDS);
    mp_put_u64(out, record->state);
    mp_put_u64(out, record->incarnation);
    id_write(&record->node.id, out);
    if (record->whole) {
        node_write(&record->node, out);
    } else if (suspect) {
        mp_put_u64(out, record->by);
        mp_put_bool(out, record->link_lost);
    }
}

/* Which shape a state has. */
static bool fields_fit(uint32_t fields, uint8_t state)
{
    switch (state) {
    case GOSSIP_ALIVE:
        return fields == STATE_FIELDS || fields == WHOLE_FIELDS;
    case GOSSIP_SUSPECT:
        return fields == SUSPECT_FIELDS;
    default:
        return fields == STATE_FIELDS && state <= GOSSIP_LEFT;
    }
}

int gossip_record_read(struct bytes *records, struct gossip_record *record)
{
    struct gossip_record r = {0};
    struct mp mp = mp_of(*records);

    if (records->len == 0) {
        return 0;
    }
    uint32_t fields = mp_take_array(&mp);
    r.state = (uint8_t)mp_take_u64_max(&mp, GOSSIP_LEFT);
    r.incarnation = (uint32_t)mp_take_u64_max(&mp, GOSSIP_INCARNATION_MAX);
    mp_take_fixed(&mp, r.node.id.b, sizeof r.node.id.b);
    if (mp_outcome(&mp) <= 0 || !fields_fit(fields, r.state)) {
        return ERR_SYNTAX;
    }
    if (fields == WHOLE_FIELDS) {
        r.whole = true;
        node_read(&mp, &r.node);
    } else if (fields == SUSPECT_FIELDS) {
        r.by = mp_take_u64(&mp);
        r.link_lost = mp_take_bool(&mp);
    }
    if (mp_outcome(&mp) <= 0 || id_is_none(&r.node.id) ||
        (r.whole && !gossip_node_is_valid(&r.node))) {
        return ERR_SYNTAX;
    }
    *records = mp.in;
    *record = r;
    return 1;
}
