/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/mesh/gossip.h"
#include "proto/err.h"
#include "tests/loop.h"

static const struct node_id id_a = {.b = {0xa}};
static const struct node_id id_b = {.b = {0xb}};

struct end {
    struct gossip *gossip;
    struct seal_ring ring;
    struct stats stats;
    struct log log;
    struct addr at;
    char last[64];
    bool last_for_me;
    struct addr last_from;
};

struct pair {
    uv_loop_t loop;
    struct end a;
    struct end b;
    uint64_t want; /* packets in or refused at b */
};

static void on_packet(void *data, const struct addr *from, struct bytes plain,
                      bool sealed_for_me)
{
    struct end *end = data;

    assert_true(plain.len < sizeof end->last);
    memcpy(end->last, plain.p, plain.len);
    end->last[plain.len] = '\0';
    end->last_for_me = sealed_for_me;
    end->last_from = *from;
}

static void start(struct end *end, uv_loop_t *loop, const struct node_id *id,
                  const char *cluster_name)
{
    struct gossip_options options = {
        .loop = loop,
        .ring = &end->ring,
        .stats = &end->stats,
        .log = &end->log,
        .self = *id,
        .life = {id->b[0], 1},
        .listen = loop_free_addr(),
        .loopback_only = true,
        .data = end,
        .on_packet = on_packet,
    };

    seal_key_from_name(&end->ring.keys[0], BYTES("k"));
    end->ring.keys_len = 1;
    end->ring.cluster_name = bytes_str(cluster_name);
    end->at = options.listen;
    assert_int_equal(gossip_open(&end->gossip, &options), 0);
}

static void pair_start(struct pair *pair, const char *b_cluster)
{
    *pair = (struct pair){0};
    assert_int_equal(uv_loop_init(&pair->loop), 0);
    start(&pair->a, &pair->loop, &id_a, "one");
    start(&pair->b, &pair->loop, &id_b, b_cluster);
}

static void pair_end(struct pair *pair)
{
    gossip_close(pair->a.gossip);
    gossip_close(pair->b.gossip);
    loop_end(&pair->loop);
}

static uint64_t refused(const struct stats *stats)
{
    uint64_t sum = 0;

#define X(field, reason, meaning) sum += stats->field;
    STATS_GOSSIP_REFUSED(X)
#undef X
    return sum;
}

static bool b_looked(void *data)
{
    const struct pair *pair = data;

    return pair->b.stats.gossip_in + refused(&pair->b.stats) == pair->want;
}

static void wait_for(struct pair *pair, uint64_t packets)
{
    pair->want += packets;
    loop_until(&pair->loop, b_looked, NULL, pair);
}

/* Bytes as they are, from a socket that is nobody's. */
static void send_raw(const struct addr *to, struct bytes bytes)
{
    struct sockaddr_storage where;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    sockaddr_write(to, &where);
    assert_int_equal(sendto(fd, bytes.p, bytes.len, 0,
                            (struct sockaddr *)&where,
                            sizeof(struct sockaddr_in)),
                     bytes.len);
    close(fd);
}

static void seal(struct end *from, const struct node_id *dst, uint64_t counter,
                 struct buf *out)
{
    uint8_t nonce[SEAL_NONCE_LEN] = {0x77};

    bytes_put_u64be(nonce + 16, counter);
    seal_write(&from->ring, SEAL_GOSSIP, dst, nonce, BYTES("hello"), out);
    assert_false(out->failed);
}

static void a_packet_arrives_with_its_sender(void **state)
{
    struct pair pair;
    (void)state;

    pair_start(&pair, "one");
    gossip_send(pair.a.gossip, &pair.b.at, &id_b, BYTES("for you"));
    wait_for(&pair, 1);
    assert_string_equal(pair.b.last, "for you");
    assert_true(pair.b.last_for_me);
    assert_true(addr_eq(&pair.b.last_from, &pair.a.at));
    gossip_send(pair.a.gossip, &pair.b.at, NULL, BYTES("for anybody"));
    wait_for(&pair, 1);
    assert_string_equal(pair.b.last, "for anybody");
    assert_false(pair.b.last_for_me);
    assert_int_equal(pair.a.stats.gossip_out, 2);
    assert_int_equal(pair.b.stats.gossip_in, 2);
    pair_end(&pair);
}

static void what_is_for_another_node_is_refused(void **state)
{
    struct pair pair;
    (void)state;

    pair_start(&pair, "one");
    gossip_send(pair.a.gossip, &pair.b.at, &id_a, BYTES("not for b"));
    wait_for(&pair, 1);
    assert_int_equal(pair.b.stats.gossip_forged, 1);
    pair_end(&pair);
}

static void another_cluster_is_refused(void **state)
{
    struct pair pair;
    (void)state;

    pair_start(&pair, "two");
    gossip_send(pair.a.gossip, &pair.b.at, &id_b, BYTES("x"));
    gossip_send(pair.a.gossip, &pair.b.at, NULL, BYTES("x"));
    wait_for(&pair, 2);
    assert_int_equal(pair.b.stats.gossip_forged, 2);
    pair_end(&pair);
}

/* Whose key file is of before a rotation, or of after: once in ten seconds. */
static void a_key_that_is_not_here_is_named_in_the_log(void **state)
{
    static const uint8_t secret[SEAL_KEY_LEN] = {1};
    char line[512] = "";
    char key[32];
    struct pair pair;
    (void)state;

    pair_start(&pair, "one");
    pair.b.log.to = fmemopen(line, sizeof line, "w");
    pair.b.log.level = LOG_WARN;
    assert_int_equal(seal_key_init(&pair.a.ring.keys[0], secret), 0);
    gossip_send(pair.a.gossip, &pair.b.at, &id_b, BYTES("x"));
    gossip_send(pair.a.gossip, &pair.b.at, NULL, BYTES("x"));
    wait_for(&pair, 2);
    fclose(pair.b.log.to);
    pair.b.log.to = NULL;
    assert_int_equal(pair.b.stats.gossip_forged, 2);
    snprintf(key, sizeof key, "key=%016llx",
             (unsigned long long)pair.a.ring.keys[0].print);
    assert_non_null(strstr(line, "warn key-unknown"));
    assert_non_null(strstr(line, key));
    assert_non_null(strstr(line, "out of date"));
    assert_null(strstr(strchr(line, '\n'), "key-unknown"));
    pair_end(&pair);
}

static void a_replay_is_refused(void **state)
{
    struct buf sealed = {0};
    struct pair pair;
    (void)state;

    pair_start(&pair, "one");
    seal(&pair.a, &id_b, 5, &sealed);
    for (int i = 0; i < 3; i++) {
        send_raw(&pair.b.at, buf_bytes(&sealed));
    }
    wait_for(&pair, 3);
    assert_int_equal(pair.b.stats.gossip_in, 1);
    assert_int_equal(pair.b.stats.gossip_replayed, 2);
    buf_fini(&sealed);
    pair_end(&pair);
}

static void any_flipped_bit_is_refused(void **state)
{
    struct buf sealed = {0};
    struct pair pair;
    (void)state;

    pair_start(&pair, "one");
    seal(&pair.a, &id_b, 5, &sealed);
    for (size_t i = 0; i < sealed.len * 8; i++) {
        sealed.p[i / 8] ^= (uint8_t)(1 << i % 8);
        send_raw(&pair.b.at, buf_bytes(&sealed));
        sealed.p[i / 8] ^= (uint8_t)(1 << i % 8);
        if (i % 64 == 63) { /* the kernel's buffer is small */
            wait_for(&pair, 64);
        }
    }
    wait_for(&pair, sealed.len * 8 % 64);
    assert_int_equal(pair.b.stats.gossip_in, 0);
    send_raw(&pair.b.at, buf_bytes(&sealed)); /* untouched it is good */
    wait_for(&pair, 1);
    assert_int_equal(pair.b.stats.gossip_in, 1);
    buf_fini(&sealed);
    pair_end(&pair);
}

static void garbage_is_refused(void **state)
{
    static uint8_t huge[9000];
    struct pair pair;
    (void)state;

    pair_start(&pair, "one");
    send_raw(&pair.b.at, BYTES("S"));
    send_raw(&pair.b.at, BYTES("GET / HTTP/1.1\r\n\r\n"));
    send_raw(&pair.b.at, bytes_of(huge, sizeof huge));
    wait_for(&pair, 3);
    assert_int_equal(pair.b.stats.gossip_garbage, 2);
    assert_int_equal(pair.b.stats.gossip_oversized, 1);
    gossip_send(pair.a.gossip, &pair.b.at, &id_b, BYTES("still here"));
    wait_for(&pair, 1);
    assert_string_equal(pair.b.last, "still here");
    pair_end(&pair);
}

/* Faster than packets are opened: what no key of ours could open, and what was
 * heard before, takes nothing away from the members. */
static void a_flood_of_strangers_leaves_room_for_members(void **state)
{
    enum {
        PACKETS = 40000,
        AT_ONCE = 50, /* the kernel's buffer is small */
    };
    struct buf garbage = {0};
    struct buf heard = {0};
    struct pair pair;
    (void)state;

    pair_start(&pair, "one");
    seal(&pair.a, &id_b, 5, &heard);
    send_raw(&pair.b.at, buf_bytes(&heard));
    wait_for(&pair, 1);
    seal(&pair.a, &id_b, 6, &garbage);
    garbage.p[5] ^= 1; /* another key */
    for (int i = 0; i < PACKETS; i++) {
        send_raw(&pair.b.at, buf_bytes(i % 2 == 0 ? &garbage : &heard));
        if (i % AT_ONCE == AT_ONCE - 1) {
            wait_for(&pair, AT_ONCE);
        }
    }
    assert_int_equal(pair.b.stats.gossip_flood, 0);
    assert_int_equal(pair.b.stats.gossip_forged, PACKETS / 2);
    assert_int_equal(pair.b.stats.gossip_replayed, PACKETS / 2);
    gossip_send(pair.a.gossip, &pair.b.at, &id_b, BYTES("still here"));
    wait_for(&pair, 1);
    assert_string_equal(pair.b.last, "still here");
    buf_fini(&garbage);
    buf_fini(&heard);
    pair_end(&pair);
}

static void a_taken_address_is_an_error(void **state)
{
    struct gossip *other;
    struct pair pair;
    (void)state;

    pair_start(&pair, "one");
    struct gossip_options options = {
        .loop = &pair.loop,
        .ring = &pair.a.ring,
        .stats = &pair.a.stats,
        .listen = pair.a.at,
    };
    assert_int_equal(gossip_open(&other, &options), ERR_CONFLICT);
    pair_end(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_arrives_with_its_sender),
        cmocka_unit_test(what_is_for_another_node_is_refused),
        cmocka_unit_test(another_cluster_is_refused),
        cmocka_unit_test(a_key_that_is_not_here_is_named_in_the_log),
        cmocka_unit_test(a_replay_is_refused),
        cmocka_unit_test(any_flipped_bit_is_refused),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(a_flood_of_strangers_leaves_room_for_members),
        cmocka_unit_test(a_taken_address_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
