/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/gossip.h"
#include "proto/mp.h"

static struct peer_node a_node(void)
{
    struct peer_node node = {.id = {{1, 2, 3, 4, 5}},
                             .cluster = {.port = 7401},
                             .data_port = 7402,
                             .name = BYTES("node-a"),
                             .region = BYTES("eu"),
                             .endpoint = BYTES("https://a.example:7400"),
                             .version = BYTES("0.1.0")};
    node.cluster.ip[15] = 1;
    return node;
}

static struct gossip_packet a_packet(uint8_t type)
{
    struct gossip_packet p = {.version = GOSSIP_VERSION,
                              .least = GOSSIP_VERSION_MIN,
                              .type = type,
                              .source = a_node().id,
                              .incarnation = 3,
                              .seq = 0x1122334455,
                              .node = a_node(),
                              .print = 0xfeedfacecafebeef,
                              .cookie = 77,
                              .reason = GOSSIP_FULL,
                              .digest = UINT64_MAX,
                              .log_version = 5,
                              .log_digest = 6,
                              .target = {{9, 8, 7}}};
    for (size_t i = 0; i < GOSSIP_PARTS; i++) {
        p.parts[i] = i * 1000;
    }
    return p;
}

static struct gossip_record a_record(uint8_t state, bool whole)
{
    return (struct gossip_record){.state = state,
                                  .whole = whole,
                                  .incarnation = 12,
                                  .by = 0xabcdef,
                                  .link_lost = true,
                                  .node = a_node()};
}

static void assert_node(const struct peer_node *a, const struct peer_node *b)
{
    assert_memory_equal(a->id.b, b->id.b, NODE_ID_LEN);
    assert_true(addr_eq(&a->cluster, &b->cluster));
    assert_int_equal(a->data_port, b->data_port);
    assert_true(bytes_eq(a->name, b->name));
    assert_true(bytes_eq(a->region, b->region));
    assert_true(bytes_eq(a->endpoint, b->endpoint));
    assert_true(bytes_eq(a->version, b->version));
}

static void each_type_comes_back_with_its_fields(void **state)
{
    struct buf out = {0};
    (void)state;

    for (uint8_t type = GOSSIP_JOIN; type <= GOSSIP_RUMOUR; type++) {
        struct gossip_packet p = a_packet(type);
        struct gossip_packet q;
        buf_reset(&out);
        gossip_packet_write(&p, &out);
        assert_true(out.len <= GOSSIP_HEAD_LEN_MAX);
        buf_add_str(&out, "rest");
        assert_int_equal(gossip_packet_read(buf_bytes(&out), &q), 0);
        assert_int_equal(q.type, type);
        assert_int_equal(q.incarnation, 3);
        assert_int_equal(q.seq, p.seq);
        assert_memory_equal(q.source.b, p.source.b, NODE_ID_LEN);
        assert_bytes(q.records, "rest");
        if (type == GOSSIP_JOIN) {
            assert_node(&q.node, &p.node);
            assert_int_equal(q.print, p.print);
            assert_int_equal(q.cookie, 77);
        } else if (type == GOSSIP_PING || type == GOSSIP_ACK) {
            assert_int_equal(q.digest, UINT64_MAX);
            assert_int_equal(q.log_version, 5);
            assert_int_equal(q.log_digest, 6);
        } else if (type == GOSSIP_REFUSE) {
            assert_int_equal(q.reason, GOSSIP_FULL);
        } else if (type == GOSSIP_COOKIE) {
            assert_int_equal(q.cookie, 77);
        } else if (type == GOSSIP_PULL) {
            assert_memory_equal(q.parts, p.parts, sizeof p.parts);
        }
        if (type == GOSSIP_PULL || type == GOSSIP_SLICE ||
            type == GOSSIP_PING_FOR) {
            assert_memory_equal(q.target.b, p.target.b, NODE_ID_LEN);
        }
    }
    buf_fini(&out);
}

static void a_cut_packet_is_refused(void **state)
{
    struct buf out = {0};
    (void)state;

    for (uint8_t type = GOSSIP_JOIN; type <= GOSSIP_RUMOUR; type++) {
        struct gossip_packet p = a_packet(type);
        buf_reset(&out);
        gossip_packet_write(&p, &out);
        for (size_t cut = 0; cut < out.len; cut++) {
            struct gossip_packet q = {.seq = 4711};
            assert_int_equal(gossip_packet_read(bytes_of(out.p, cut), &q),
                             ERR_SYNTAX);
            assert_int_equal(q.seq, 4711); /* untouched */
        }
    }
    buf_fini(&out);
}

static void records_come_back_one_after_another(void **state)
{
    static const struct {
        uint8_t state;
        bool whole;
    } kinds[] = {{GOSSIP_ALIVE, true},
                 {GOSSIP_ALIVE, false},
                 {GOSSIP_SUSPECT, false},
                 {GOSSIP_DEAD, false},
                 {GOSSIP_LEFT, false}};
    struct buf out = {0};
    struct gossip_record r;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct gossip_record one = a_record(kinds[i].state, kinds[i].whole);
        gossip_record_write(&one, &out);
    }
    struct bytes in = buf_bytes(&out);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_int_equal(gossip_record_read(&in, &r), 1);
        assert_int_equal(r.state, kinds[i].state);
        assert_int_equal(r.whole, kinds[i].whole);
        assert_int_equal(r.incarnation, 12);
        assert_int_equal(r.by, r.state == GOSSIP_SUSPECT ? 0xabcdef : 0);
        assert_int_equal(r.link_lost, r.state == GOSSIP_SUSPECT);
        struct peer_node whole = a_node();
        struct peer_node bare = {.id = whole.id};
        assert_node(&r.node, r.whole ? &whole : &bare);
    }
    assert_int_equal(gossip_record_read(&in, &r), 0);
    buf_fini(&out);
}

static void a_cut_record_is_refused(void **state)
{
    struct buf out = {0};
    struct gossip_record r;
    struct gossip_record one = a_record(GOSSIP_ALIVE, true);
    (void)state;

    gossip_record_write(&one, &out);
    for (size_t cut = 1; cut < out.len; cut++) {
        struct bytes in = bytes_of(out.p, cut);
        assert_int_equal(gossip_record_read(&in, &r), ERR_SYNTAX);
        assert_int_equal(in.len, cut);
    }
    buf_fini(&out);
}

static void the_largest_member_fits_a_record(void **state)
{
    char text[ENDPOINT_LEN_MAX];
    struct gossip_record r = a_record(GOSSIP_ALIVE, true);
    struct buf out = {0};
    (void)state;

    memset(text, 'x', sizeof text);
    r.incarnation = GOSSIP_INCARNATION_MAX;
    r.node.name = bytes_of(text, NODE_NAME_LEN_MAX);
    r.node.region = bytes_of(text, REGION_LEN_MAX);
    r.node.endpoint = bytes_of(text, ENDPOINT_LEN_MAX);
    r.node.version = bytes_of(text, GOSSIP_VERSION_LEN_MAX);
    gossip_record_write(&r, &out);
    assert_true(out.len <= GOSSIP_RECORD_LEN_MAX);
    struct bytes in = buf_bytes(&out);
    assert_int_equal(gossip_record_read(&in, &r), 1);
    buf_fini(&out);
}

/* Writes a join or a whole member with this node; what reading it says. */
static int read_join(const struct peer_node *node)
{
    struct gossip_packet p = a_packet(GOSSIP_JOIN);
    struct buf out = {0};

    p.source = node->id;
    p.node = *node;
    gossip_packet_write(&p, &out);
    int rc = gossip_packet_read(buf_bytes(&out), &p);
    buf_fini(&out);
    return rc;
}

static int read_whole(const struct peer_node *node)
{
    struct gossip_record r = a_record(GOSSIP_ALIVE, true);
    struct buf out = {0};

    r.node = *node;
    gossip_record_write(&r, &out);
    struct bytes in = buf_bytes(&out);
    int rc = gossip_record_read(&in, &r);
    buf_fini(&out);
    return rc;
}

static void each_wrong_attribute_is_refused(void **state)
{
    static char longer[ENDPOINT_LEN_MAX + 1];
    struct peer_node wrong[14];
    (void)state;

    memset(longer, 'x', sizeof longer);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        wrong[i] = a_node();
    }
    memset(wrong[0].id.b, 0, NODE_ID_LEN);
    wrong[1].cluster.port = 0;
    memset(wrong[2].cluster.ip, 0, 16);
    wrong[3].data_port = 0;
    wrong[4].name = BYTES("");
    wrong[5].name = BYTES("a b");
    wrong[6].name = bytes_of(longer, NODE_NAME_LEN_MAX + 1);
    wrong[7].region = BYTES("");
    wrong[8].region = BYTES("eu\n");
    wrong[9].region = bytes_of(longer, REGION_LEN_MAX + 1);
    wrong[10].endpoint = bytes_of(longer, ENDPOINT_LEN_MAX + 1);
    wrong[11].endpoint = BYTES("http://a\x1b[0m");
    wrong[12].version = bytes_of(longer, GOSSIP_VERSION_LEN_MAX + 1);
    wrong[13].version = BYTES("\xff");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(gossip_node_is_valid(&wrong[i]));
        assert_int_equal(read_join(&wrong[i]), ERR_SYNTAX);
        assert_int_equal(read_whole(&wrong[i]), ERR_SYNTAX);
    }
    struct peer_node right = a_node();
    assert_true(gossip_node_is_valid(&right));
    assert_int_equal(read_join(&right), 0);
    assert_int_equal(read_whole(&right), 1);
}

/* The head by hand: [fields, version, least, type, source, incarnation, seq].
 */
static int read_head(uint32_t fields, uint64_t version, uint64_t type,
                     uint64_t incarnation, struct gossip_packet *p)
{
    struct buf out = {0};
    struct node_id id = a_node().id;

    mp_put_array(&out, fields);
    mp_put_u64(&out, version);
    mp_put_u64(&out, version == 0 ? 0 : version - 1);
    mp_put_u64(&out, type);
    mp_put_bin(&out, bytes_of(id.b, sizeof id.b));
    mp_put_u64(&out, incarnation);
    mp_put_u64(&out, 9);
    int rc = gossip_packet_read(buf_bytes(&out), p);
    buf_fini(&out);
    return rc;
}

static void a_wrong_head_is_refused(void **state)
{
    struct gossip_packet p;
    (void)state;

    assert_int_equal(read_head(6, 1, GOSSIP_RUMOUR, 0, &p), 0);
    assert_int_equal(read_head(5, 1, GOSSIP_RUMOUR, 0, &p), ERR_SYNTAX);
    assert_int_equal(read_head(7, 1, GOSSIP_RUMOUR, 0, &p), ERR_SYNTAX);
    assert_int_equal(read_head(6, 1, GOSSIP_PING, 0, &p), ERR_SYNTAX);
    assert_int_equal(read_head(6, 1, 0, 0, &p), ERR_SYNTAX);
    assert_int_equal(read_head(6, 1, GOSSIP_RUMOUR + 1, 0, &p), ERR_SYNTAX);
    assert_int_equal(read_head(6, 1, 256, 0, &p), ERR_SYNTAX);
    assert_int_equal(
        read_head(6, 1, GOSSIP_RUMOUR, GOSSIP_INCARNATION_MAX + 1u, &p),
        ERR_SYNTAX);
    assert_int_equal(read_head(6, 256, GOSSIP_RUMOUR, 0, &p), ERR_SYNTAX);
}

/* A later version may have more fields; its first six are as ours. */
static void another_version_shows_who_speaks(void **state)
{
    struct gossip_packet p;
    (void)state;

    assert_int_equal(read_head(8, GOSSIP_VERSION + 1, 99, 4, &p), ERR_VERSION);
    assert_int_equal(p.version, GOSSIP_VERSION + 1);
    assert_int_equal(p.least, GOSSIP_VERSION);
    assert_int_equal(p.type, 99);
    assert_int_equal(p.incarnation, 4);
    assert_int_equal(p.seq, 9);
    assert_memory_equal(p.source.b, a_node().id.b, NODE_ID_LEN);
    assert_int_equal(read_head(6, 0, 1, 0, &p), ERR_VERSION);
}

static int read_record(uint32_t fields, uint64_t what, uint64_t incarnation)
{
    struct buf out = {0};
    struct node_id id = a_node().id;
    struct gossip_record r;

    mp_put_array(&out, fields);
    mp_put_u64(&out, what);
    mp_put_u64(&out, incarnation);
    mp_put_bin(&out, bytes_of(id.b, sizeof id.b));
    mp_put_u64(&out, 1); /* by */
    mp_put_bool(&out, false);
    struct bytes in = buf_bytes(&out);
    int rc = gossip_record_read(&in, &r);
    buf_fini(&out);
    return rc;
}

static void a_record_of_a_wrong_shape_is_refused(void **state)
{
    (void)state;

    assert_int_equal(read_record(3, GOSSIP_DEAD, 0), 1);
    assert_int_equal(read_record(5, GOSSIP_SUSPECT, 0), 1);
    assert_int_equal(read_record(5, GOSSIP_DEAD, 0), ERR_SYNTAX);
    assert_int_equal(read_record(3, GOSSIP_SUSPECT, 0), ERR_SYNTAX);
    assert_int_equal(read_record(5, GOSSIP_ALIVE, 0), ERR_SYNTAX);
    assert_int_equal(read_record(10, GOSSIP_LEFT, 0), ERR_SYNTAX);
    assert_int_equal(read_record(3, GOSSIP_LEFT + 1, 0), ERR_SYNTAX);
    assert_int_equal(read_record(3, GOSSIP_DEAD, GOSSIP_INCARNATION_MAX + 1u),
                     ERR_SYNTAX);
    assert_int_equal(read_record(0, GOSSIP_DEAD, 0), ERR_SYNTAX);
}

/* Any byte may be flipped on the way; the readers must stay within bounds. */
static void flipped_bytes_are_read_or_refused(void **state)
{
    struct buf out = {0};
    struct gossip_packet p = a_packet(GOSSIP_JOIN);
    struct gossip_record r = a_record(GOSSIP_ALIVE, true);
    (void)state;

    gossip_packet_write(&p, &out);
    gossip_record_write(&r, &out);
    for (size_t i = 0; i < out.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t *copy = malloc(out.len);
            assert_non_null(copy);
            memcpy(copy, out.p, out.len);
            copy[i] ^= (uint8_t)(1u << bit);
            if (gossip_packet_read(bytes_of(copy, out.len), &p) == 0) {
                while (gossip_record_read(&p.records, &r) == 1) {
                }
            }
            free(copy);
        }
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_comes_back_with_its_fields),
        cmocka_unit_test(a_cut_packet_is_refused),
        cmocka_unit_test(records_come_back_one_after_another),
        cmocka_unit_test(a_cut_record_is_refused),
        cmocka_unit_test(the_largest_member_fits_a_record),
        cmocka_unit_test(each_wrong_attribute_is_refused),
        cmocka_unit_test(a_wrong_head_is_refused),
        cmocka_unit_test(another_version_shows_who_speaks),
        cmocka_unit_test(a_record_of_a_wrong_shape_is_refused),
        cmocka_unit_test(flipped_bytes_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
