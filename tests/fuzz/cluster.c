/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole cluster machine, told what members with the key, or with the key in
 * wrong hands, can say: gossip packets and control batches of any content, in
 * any order, with pipes that come and go and time that passes. It keeps its
 * invariants, and what it says itself is well formed and bounded. The input is
 * a script of steps; the first byte of each says which (b & 7):
 *
 *   0 LEN BYTES        a packet from member b >> 4 & 3; b & 8: sealed for us
 *   1 EPOCH LEN BYTES  a control batch of the peer in open slot b >> 3; LEN 0:
 *                      of one message, made of the next MESSAGE_LEN bytes
 *   2                  member b >> 3 & 3 joins, with its cookie
 *   3                  the pipe to open slot b >> 3 comes up, or goes
 *   4 T                10 T ms pass
 *   5 H                topic H is wanted; b & 8: no longer; b & 16: flushed;
 *                      b & 32: a pattern; b & 64: a register is set
 *   6 A B              how far the lanes of open slot b >> 3 are, or are not
 *   7 H                an item of topic H is routed; b >> 3 == 31: we drain
 */
#include "tests/fuzz/fuzz.h"

#include "cluster/cluster.h"
#include "proto/err.h"
#include "proto/gossip.h"

enum {
    MEMBERS = 4,
    SLOTS = 32,          /* that the script can name */
    EFFECTS_MAX = 10000, /* of one step */
    PRINT = 7,
    MESSAGE_LEN = 10,
};

struct world {
    struct cluster *cluster;
    uint64_t now_ms;
    uint64_t epoch;
    uint64_t cookie; /* of the last COOKIE it sent */
    bool open[CLUSTER_PEERS_MAX];
    bool pipe[CLUSTER_PEERS_MAX];
};

static struct peer_node node_of(uint8_t number)
{
    struct peer_node node = {.id.b = {'m', number},
                             .data_port = 7402,
                             .name = BYTES("node"),
                             .region = number % 2 == 0 ? BYTES("eu")
                                                       : BYTES("us"),
                             .endpoint = BYTES("http://n:7400"),
                             .version = BYTES("0.1.0")};

    memcpy(node.cluster.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0", 15);
    node.cluster.ip[15] = number;
    node.cluster.port = 7401;
    return node;
}

static void check_control(struct bytes said)
{
    while (said.len > 0) {
        struct peer_message message;
        ptrdiff_t n = peer_message_read(said, &message);
        assert(n > 0);
        said = bytes_skip(said, (size_t)n);
    }
}

static void check_packet(struct world *world, struct bytes said)
{
    struct gossip_packet packet;
    struct gossip_record record;

    assert(said.len <= CLUSTER_PACKET_LEN_MAX);
    assert(gossip_packet_read(said, &packet) == 0);
    while (gossip_record_read(&packet.records, &record) == 1) {
    }
    assert(packet.records.len == 0);
    if (packet.type == GOSSIP_COOKIE) {
        world->cookie = packet.cookie;
    }
}

static void take(struct world *world, const struct cluster_effect *effect)
{
    assert(effect->slot < CLUSTER_PEERS_MAX);
    if (effect->type == CLUSTER_SEND) {
        check_packet(world, effect->bytes);
    } else if (effect->type == CLUSTER_TELL) {
        assert(world->open[effect->slot]);
        check_control(effect->bytes);
    } else if (effect->type == CLUSTER_PEER_OPEN) {
        assert(!world->open[effect->slot]);
        assert(gossip_node_is_valid(effect->peer));
        world->open[effect->slot] = true;
    } else if (effect->type == CLUSTER_PEER_CLOSE) {
        assert(world->open[effect->slot]);
        world->open[effect->slot] = false;
        world->pipe[effect->slot] = false;
    } else if (effect->type == CLUSTER_REGISTER) {
        assert(effect->reg->key.len > 0);
        assert(effect->reg->stamp <= PEER_TIME_MAX);
    }
}

static void drain(struct world *world)
{
    struct cluster_effect effect;

    for (int i = 0; cluster_next(world->cluster, &effect); i++) {
        assert(i < EFFECTS_MAX);
        take(world, &effect);
    }
    cluster_check(world->cluster);
    assert(cluster_wake_ms(world->cluster) > 0);
    for (int scope = 0; scope <= CLUSTER_SCOPE_ALL; scope++) {
        assert(cluster_held(world->cluster, (enum cluster_scope)scope) <=
               cluster_version(world->cluster));
    }
}

static void tell(struct world *world, const struct cluster_news *news)
{
    cluster_clock(world->cluster, world->now_ms * 100);
    cluster_step(world->cluster, news, world->now_ms);
    drain(world);
}

static void packet(struct world *world, uint8_t member, bool for_us,
                   struct bytes bytes)
{
    struct peer_node node = node_of((uint8_t)(member + 1));

    tell(world, &(struct cluster_news){.type = CLUSTER_PACKET,
                                       .from = node.cluster,
                                       .sealed_for_me = for_us,
                                       .bytes = bytes});
}

static void join(struct world *world, uint8_t member)
{
    struct gossip_packet p = {.version = GOSSIP_VERSION,
                              .least = GOSSIP_VERSION_MIN,
                              .type = GOSSIP_JOIN,
                              .print = PRINT,
                              .node = node_of((uint8_t)(member + 1))};

    p.source = p.node.id;
    world->cookie = 0;
    for (int round = 0; round < 2; round++) {
        struct buf out = {0};
        p.cookie = world->cookie;
        gossip_packet_write(&p, &out);
        packet(world, member, round == 1, buf_bytes(&out));
        buf_fini(&out);
    }
}

/* The n-th open slot, counted round; CLUSTER_SLOT_NONE: there is none. */
static uint16_t slot_of(const struct world *world, size_t n)
{
    uint16_t open[SLOTS];
    size_t len = 0;

    for (uint16_t slot = 0; slot < CLUSTER_PEERS_MAX && len < SLOTS; slot++) {
        if (world->open[slot]) {
            open[len++] = slot;
        }
    }
    return len == 0 ? (uint16_t)CLUSTER_SLOT_NONE : open[n % len];
}

static void turn_pipe(struct world *world, uint16_t slot)
{
    world->pipe[slot] = !world->pipe[slot];
    tell(world,
         &(struct cluster_news){
             .type = world->pipe[slot] ? CLUSTER_PIPE_UP : CLUSTER_PIPE_DOWN,
             .slot = slot,
             .epoch = world->pipe[slot] ? ++world->epoch : 0});
}

static struct peer_record pattern_of(uint8_t hash, bool removed)
{
    return (struct peer_record){.type = PEER_PATTERN,
                                .removed = removed,
                                .hash = hash,
                                .cache = BYTES("c"),
                                .pattern = BYTES("t*")};
}

/* Few keys, so that some replace each other. Hashes are the sender's own. */
static struct peer_record register_of(uint8_t hash, bool removed)
{
    return (struct peer_record){
        .type = PEER_REGISTER,
        .removed = removed,
        .hash = hash,
        .kind = (uint8_t)(1 + (hash & 3)),
        .key = (hash & 4) != 0 ? BYTES("k") : BYTES("key"),
        .value = (hash & 8) != 0 ? BYTES("v") : BYTES(""),
        .stamp = hash >> 6 == 3 ? PEER_TIME_MAX : hash >> 4,
        .until_s = (hash & 16) != 0 ? 100 : 0};
}

/* A message that makes sense by itself, whatever it means here. */
static void write_message(const uint8_t b[MESSAGE_LEN], struct buf *out)
{
    static const uint8_t types[] = {
        PEER_HELLO, PEER_DELTA, PEER_SNAPSHOT, PEER_PULL, PEER_HAVE,
        PEER_BYE,   PEER_ASK,   PEER_ANSWER,   PEER_CALL, PEER_REPLY};
    struct buf records = {0};
    struct peer_message m = {
        .type = types[b[0] % ARRAY_LEN(types)],
        .cache = BYTES("c"),
        .topic = BYTES("t"),
        .heard_epoch = b[1],
        .heard_seq = b[2],
        .through = b[3],
        .hash_key_print = PRINT + (b[8] == 0xff),
        .version = b[3] == 0xff ? UINT64_MAX : b[3],
        .digest = b[4],
        .from = b[5],
        .part = b[6] & 15,
        .parts = b[6] >> 4,
        .ready = (b[7] & 1) != 0,
        .draining = (b[7] & 2) != 0,
        .asks = (b[7] & 4) != 0,
        .counts = (b[7] & 8) != 0,
        .hello = b[8],
        .heard_hello = b[8] >> 1,
        .held = b[9],
        .counted_sum = b[9] & 3,
        .known_sum = b[9] >> 6,
        .records_len = b[7] >> 5,
    };

    for (uint8_t i = 0; i < m.records_len; i++) {
        uint8_t hash = (uint8_t)(b[9] + i);
        struct peer_record record = pattern_of(hash, (b[7] & 16) != 0);
        record.type = i % 3 == 2 ? PEER_PATTERN : PEER_INTEREST;
        if (i % 3 == 1) {
            record = register_of(hash, record.removed);
        }
        peer_record_write(&record, &records);
    }
    m.records = buf_bytes(&records);
    peer_message_write(&m, out);
    buf_fini(&records);
}

static void want(struct world *world, uint8_t what, uint8_t hash)
{
    if ((what & 64) != 0) {
        struct peer_record r = register_of(hash, false);
        struct cluster_register reg = {.kind = r.kind,
                                       .key = r.key,
                                       .value = r.value,
                                       .until_s = r.until_s};
        (void)cluster_set(world->cluster, &reg, world->now_ms * 100);
    } else if ((what & 32) == 0) {
        (void)cluster_want(world->cluster, hash, (what & 8) == 0);
    } else {
        struct peer_record record = pattern_of(hash, (what & 8) != 0);
        (void)cluster_want_pattern(world->cluster, &record);
    }
    if ((what & 16) != 0) {
        cluster_flush(world->cluster, world->now_ms);
    }
    drain(world);
}

static void lanes(struct world *world, uint16_t slot, uint8_t a, uint8_t b)
{
    bool lost = (a & 0x80) != 0;

    tell(world,
         &(struct cluster_news){.type = lost ? CLUSTER_LOST : CLUSTER_NUMBERS,
                                .slot = slot,
                                .sent = a & 0x3f,
                                .heard = b & 0x3f,
                                .closed = (a & 0x40) != 0,
                                .ended = (b & 0x40) != 0});
}

static void route(struct world *world, uint8_t hash)
{
    struct cluster_target targets[CLUSTER_PEERS_MAX];
    struct item item = {.hash = hash, .cache = BYTES("c"), .topic = BYTES("t")};
    bool partial;
    size_t len = cluster_route(world->cluster, &item, targets,
                               ARRAY_LEN(targets), &partial);

    for (size_t i = 0; i < len; i++) {
        assert(world->open[targets[i].slot]);
    }
    len = cluster_relay(world->cluster, &item, PEER_HOP_INGRESS, targets,
                        ARRAY_LEN(targets));
    for (size_t i = 0; i < len; i++) {
        assert(world->open[targets[i].slot]);
        assert(targets[i].hop != PEER_HOP_INGRESS);
    }
    len = cluster_relay(world->cluster, &item, PEER_HOP_HOST, targets,
                        ARRAY_LEN(targets));
    for (size_t i = 0; i < len; i++) {
        assert(world->open[targets[i].slot]);
        assert(targets[i].hop == PEER_HOP_LAST);
    }
}

/* Takes one byte from the front, 0 at the end. */
static uint8_t byte_of(struct bytes *script)
{
    uint8_t b = script->len > 0 ? script->p[0] : 0;

    *script = bytes_skip(*script, script->len > 0);
    return b;
}

static struct bytes bytes_in(struct bytes *script)
{
    size_t len = byte_of(script);
    struct bytes in = bytes_of(script->p,
                               len < script->len ? len : script->len);

    *script = bytes_skip(*script, in.len);
    return in;
}

static void control(struct world *world, uint16_t slot, uint8_t epoch,
                    struct bytes *script)
{
    struct bytes in = bytes_in(script);
    struct buf made = {0};

    if (in.len == 0) {
        uint8_t b[MESSAGE_LEN];
        for (size_t i = 0; i < sizeof b; i++) {
            b[i] = byte_of(script);
        }
        write_message(b, &made);
        in = buf_bytes(&made);
    }
    if (slot != CLUSTER_SLOT_NONE) {
        tell(world, &(struct cluster_news){.type = CLUSTER_CONTROL,
                                           .slot = slot,
                                           .epoch = (uint64_t)epoch + 1,
                                           .bytes = in});
    }
    buf_fini(&made);
}

static void peer_step(struct world *world, uint8_t what, struct bytes *script)
{
    uint8_t a = what % 8 == 3 ? 0 : byte_of(script);
    uint8_t b = what % 8 == 6 ? byte_of(script) : 0;
    uint16_t slot = slot_of(world, what >> 3);

    if (what % 8 == 1) {
        control(world, slot, a, script);
    } else if (slot == CLUSTER_SLOT_NONE) {
        return;
    } else if (what % 8 == 3) {
        turn_pipe(world, slot);
    } else {
        lanes(world, slot, a, b);
    }
}

static void step(struct world *world, struct bytes *script)
{
    uint8_t what = byte_of(script);

    switch (what % 8) {
    case 0:
        packet(world, what >> 4 & 3, (what & 8) != 0, bytes_in(script));
        break;
    case 2:
        join(world, what >> 3 & 3);
        break;
    case 4:
        world->now_ms += 10u * byte_of(script);
        tell(world, &(struct cluster_news){.type = CLUSTER_TICK});
        break;
    case 5:
        want(world, what, byte_of(script));
        break;
    case 7:
        if (what >> 3 == 31) {
            tell(world, &(struct cluster_news){.type = CLUSTER_DRAIN});
        } else {
            route(world, byte_of(script));
        }
        break;
    default:
        peer_step(world, what, script);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world world;
    struct cluster_options options = {.self = node_of(200),
                                      .seed = 1,
                                      .hash_key_print = PRINT,
                                      .interests_max = 1000};
    uint8_t *copy = fuzz_copy(bytes_of(data, len));
    struct bytes script = bytes_of(copy, len);

    world = (struct world){.now_ms = 1000};
    world.cluster = cluster_new(&options, world.now_ms);
    assert(world.cluster != NULL);
    drain(&world);
    while (script.len > 0) {
        step(&world, &script);
    }
    cluster_free(world.cluster);
    free(copy);
    return 0;
}
