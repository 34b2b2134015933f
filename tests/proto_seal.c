/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/seal.h"

static const struct node_id me = {{0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6,
                                   0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd,
                                   0xde, 0xdf}};

/* 16 bytes from 0xa0 on, then the counter. */
static const uint8_t nonce[SEAL_NONCE_LEN] = {
    0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab,
    0xac, 0xad, 0xae, 0xaf, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};

/* A ring with one key: bytes first, first + 1 ... */
static struct seal_ring ring_of(uint8_t first, const char *cluster)
{
    struct seal_ring ring = {.keys_len = 1, .cluster_name = bytes_str(cluster)};
    uint8_t b[SEAL_KEY_LEN];

    for (size_t i = 0; i < sizeof b; i++) {
        b[i] = (uint8_t)(first + i);
    }
    assert_int_equal(seal_key_init(&ring.keys[0], b), 0);
    return ring;
}

static int open_as(const struct seal_ring *ring, enum seal_kind kind,
                   const struct node_id *dst, struct bytes sealed)
{
    struct buf out = {0};
    uint64_t counter;
    int rc = seal_read(ring, kind, dst, sealed, &out, &counter);

    assert_true(rc == 0 || out.len == 0);
    buf_fini(&out);
    return rc;
}

/* Made by another implementation, from the specifications alone (BLAKE2b:
 * RFC 7693; XChaCha20-Poly1305: draft-irtf-cfrg-xchacha-03): secret 01 02 ...
 * 20, gossip, cluster "demo", this destination and nonce, "hello, peer". */
static const char known[] =
    "5301dbcf8479a04f4aa5a0a1a2a3a4a5a6a7a8a9aaabacadaeaf010203040506"
    "0708c655f1b576edbf5236e2c1cefae175c7c4f2c573857b2064a8faf7";

static void an_envelope_is_the_known_one(void **state)
{
    struct seal_ring ring = ring_of(1, "demo");
    struct buf sealed = {0};
    struct buf hex = {0};
    (void)state;

    seal_write(&ring, SEAL_GOSSIP, &me, nonce, BYTES("hello, peer"), &sealed);
    buf_add_hex(&hex, sealed.p, sealed.len);
    assert_bytes(buf_bytes(&hex), known);
    buf_fini(&sealed);
    buf_fini(&hex);
}

static void what_is_sealed_opens(void **state)
{
    struct seal_ring ring = ring_of(1, "demo");
    struct buf sealed = {0};
    struct buf plain = {0};
    uint64_t counter = 0;
    (void)state;

    buf_add_str(&sealed, "before"); /* it is appended ... */
    seal_write(&ring, SEAL_LINK, &me, nonce, BYTES("canary payload"), &sealed);
    struct bytes envelope = bytes_skip(buf_bytes(&sealed), 6);
    assert_int_equal(envelope.len, SEAL_OVERHEAD + 14);
    assert_null(memmem(sealed.p, sealed.len, "canary", 6));
    buf_add_str(&plain, "stale"); /* ... and replaced */
    assert_int_equal(
        seal_read(&ring, SEAL_LINK, &me, envelope, &plain, &counter), 0);
    assert_bytes(buf_bytes(&plain), "canary payload");
    assert_true(counter == 0x0102030405060708u);

    buf_reset(&sealed); /* nothing, for nobody: a join */
    seal_write(&ring, SEAL_GOSSIP, NULL, nonce, BYTES(""), &sealed);
    assert_int_equal(sealed.len, SEAL_OVERHEAD);
    assert_int_equal(open_as(&ring, SEAL_GOSSIP, NULL, buf_bytes(&sealed)), 0);
    buf_fini(&sealed);
    buf_fini(&plain);
}

static void nothing_else_opens_it(void **state)
{
    struct seal_ring ring = ring_of(1, "demo");
    struct seal_ring other_key = ring_of(2, "demo");
    struct seal_ring other_cluster = ring_of(1, "dem");
    struct seal_ring no_key = {.cluster_name = BYTES("demo")};
    struct node_id other = me;
    struct buf sealed = {0};
    (void)state;

    other.b[15] ^= 1;
    seal_write(&ring, SEAL_LINK, &me, nonce, BYTES("x"), &sealed);
    struct bytes s = buf_bytes(&sealed);
    assert_int_equal(open_as(&ring, SEAL_LINK, &me, s), 0);
    assert_int_equal(open_as(&ring, SEAL_LINK, &other, s), ERR_FORGED);
    assert_int_equal(open_as(&ring, SEAL_LINK, NULL, s), ERR_FORGED);
    assert_int_equal(open_as(&ring, SEAL_GOSSIP, &me, s), ERR_FORGED);
    assert_int_equal(open_as(&other_key, SEAL_LINK, &me, s), ERR_FORGED);
    assert_int_equal(open_as(&other_cluster, SEAL_LINK, &me, s), ERR_FORGED);
    assert_int_equal(open_as(&no_key, SEAL_LINK, &me, s), ERR_FORGED);
    sealed.p[1] = SEAL_GOSSIP; /* says it is gossip */
    assert_int_equal(open_as(&ring, SEAL_GOSSIP, &me, s), ERR_FORGED);
    buf_fini(&sealed);
}

static void every_changed_bit_and_every_cut_is_seen(void **state)
{
    struct seal_ring ring = ring_of(1, "demo");
    struct buf sealed = {0};
    (void)state;

    seal_write(&ring, SEAL_LINK, &me, nonce, BYTES("payload"), &sealed);
    for (size_t bit = 0; bit < sealed.len * 8; bit++) {
        sealed.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int rc = open_as(&ring, SEAL_LINK, &me, buf_bytes(&sealed));
        assert_int_equal(rc, bit < 8 ? ERR_SYNTAX : ERR_FORGED);
        sealed.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < sealed.len; cut++) {
        int rc = open_as(&ring, SEAL_LINK, &me, bytes_of(sealed.p, cut));
        assert_int_equal(rc, cut < SEAL_OVERHEAD ? ERR_SYNTAX : ERR_FORGED);
    }
    buf_add_u8(&sealed, 0);
    assert_int_equal(open_as(&ring, SEAL_LINK, &me, buf_bytes(&sealed)),
                     ERR_FORGED);
    buf_fini(&sealed);
}

/* install on all, use on all, remove from all: each step opens what the nodes
 * of the step before seal. */
static void keys_are_rotated_without_a_break(void **state)
{
    struct seal_ring old = ring_of(1, "demo");
    struct seal_ring next = ring_of(99, "demo");
    struct seal_ring installed = old;
    struct seal_ring used = next;
    struct buf a = {0};
    struct buf b = {0};
    (void)state;

    installed.keys[installed.keys_len++] = next.keys[0];
    used.keys[used.keys_len++] = old.keys[0];
    seal_write(&installed, SEAL_LINK, &me, nonce, BYTES("x"), &a);
    seal_write(&used, SEAL_LINK, &me, nonce, BYTES("x"), &b);
    assert_int_equal(open_as(&old, SEAL_LINK, &me, buf_bytes(&a)), 0);
    assert_int_equal(open_as(&used, SEAL_LINK, &me, buf_bytes(&a)), 0);
    assert_int_equal(open_as(&installed, SEAL_LINK, &me, buf_bytes(&b)), 0);
    assert_int_equal(open_as(&next, SEAL_LINK, &me, buf_bytes(&b)), 0);
    assert_int_equal(open_as(&next, SEAL_LINK, &me, buf_bytes(&a)), ERR_FORGED);
    assert_memory_not_equal(a.p + SEAL_HEAD_LEN, b.p + SEAL_HEAD_LEN, 17);
    buf_fini(&a);
    buf_fini(&b);
}

static void the_kinds_have_keys_of_their_own(void **state)
{
    struct seal_ring ring = ring_of(1, "demo");
    struct buf gossip = {0};
    struct buf link = {0};
    (void)state;

    /* The same nonce in both: the two streams must have nothing in common. */
    seal_write(&ring, SEAL_GOSSIP, &me, nonce, BYTES("0123456789"), &gossip);
    seal_write(&ring, SEAL_LINK, &me, nonce, BYTES("0123456789"), &link);
    assert_memory_not_equal(gossip.p + SEAL_HEAD_LEN, link.p + SEAL_HEAD_LEN,
                            10);
    buf_fini(&gossip);
    buf_fini(&link);
}

static void a_zero_key_is_refused_and_a_name_makes_a_key(void **state)
{
    static const uint8_t zero[SEAL_KEY_LEN];
    struct seal_key key;
    struct seal_key a;
    struct seal_key b;
    (void)state;

    assert_int_equal(seal_key_init(&key, zero), ERR_ARGUMENT);
    seal_key_from_name(&a, BYTES("one"));
    seal_key_from_name(&b, BYTES("two"));
    assert_true(a.print != b.print);
    assert_memory_not_equal(a.link, b.link, sizeof a.link);
    seal_key_from_name(&b, BYTES("one"));
    assert_memory_equal(&a, &b, sizeof a);
}

/* Lengths around the one from which libcrypto does it. */
static void both_libraries_make_the_same(void **state)
{
    static const size_t lens[] = {0, 1, 460, 465, 511, 512, 513, 600, 9000};
    static uint8_t text[9000];
    struct seal_ring slow = ring_of(1, "demo");
    struct seal_ring fast = slow;
    (void)state;

    fast.aead = aead_new();
    assert_non_null(fast.aead);
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        struct bytes plain = bytes_of(text, lens[i]);
        struct buf one = {0};
        struct buf other = {0};
        struct buf back = {0};
        uint64_t counter;
        memset(text, (int)i, sizeof text);
        seal_write(&slow, SEAL_LINK, &me, nonce, plain, &one);
        seal_write(&fast, SEAL_LINK, &me, nonce, plain, &other);
        assert_true(bytes_eq(buf_bytes(&one), buf_bytes(&other)));
        assert_int_equal(
            seal_read(&fast, SEAL_LINK, &me, buf_bytes(&one), &back, &counter),
            0);
        assert_true(bytes_eq(buf_bytes(&back), plain));
        one.p[one.len * i / ARRAY_LEN(lens)] ^= 4;
        assert_true(open_as(&fast, SEAL_LINK, &me, buf_bytes(&one)) < 0);
        other.p[other.len - 1] ^= 1;
        assert_true(open_as(&fast, SEAL_LINK, &me, buf_bytes(&other)) < 0);
        buf_fini(&one);
        buf_fini(&other);
        buf_fini(&back);
    }
    aead_free(fast.aead);
}

static void no_room_shows(void **state)
{
    struct seal_ring ring = ring_of(1, "demo");
    struct buf sealed = {.max = SEAL_OVERHEAD};
    struct buf plain = {.max = 1};
    struct buf whole = {0};
    uint64_t counter;
    (void)state;

    seal_write(&ring, SEAL_LINK, &me, nonce, BYTES("x"), &sealed);
    assert_true(sealed.failed);
    seal_write(&ring, SEAL_LINK, &me, nonce, BYTES("xy"), &whole);
    assert_int_equal(
        seal_read(&ring, SEAL_LINK, &me, buf_bytes(&whole), &plain, &counter),
        ERR_NOMEM);
    buf_fini(&sealed);
    buf_fini(&plain);
    buf_fini(&whole);
}

/* --- replays --- */

static void each_counter_is_taken_once(void **state)
{
    struct seal_window w = {0};
    (void)state;

    assert_true(seal_window_accept(&w, 0));
    assert_false(seal_window_accept(&w, 0));
    assert_true(seal_window_accept(&w, 5));
    assert_true(seal_window_accept(&w, 3)); /* later, but new */
    assert_false(seal_window_accept(&w, 3));
    assert_false(seal_window_accept(&w, 5));
    assert_true(seal_window_accept(&w, 5 + SEAL_WINDOW - 1));
    assert_false(seal_window_accept(&w, 5));
    assert_true(seal_window_accept(&w, 6));
    assert_false(seal_window_accept(&w, 4)); /* too old to know */
    assert_true(seal_window_accept(&w, UINT64_MAX));
    assert_false(seal_window_accept(&w, UINT64_MAX));
    assert_true(seal_window_accept(&w, UINT64_MAX - SEAL_WINDOW + 1));
    assert_false(seal_window_accept(&w, UINT64_MAX - SEAL_WINDOW));
}

/* Against the naive model: a table of everything ever taken. */
static void any_order_agrees_with_a_naive_window(void **state)
{
    enum {
        SPAN = 20000
    };
    static bool seen[SPAN + 3000];
    struct seal_window w = {0};
    uint64_t newest = 0;
    uint32_t seed = 3;
    (void)state;

    for (uint64_t base = 0; base < SPAN; base++) {
        for (int i = 0; i < 4; i++) {
            seed = seed * 1664525u + 1013904223u;
            uint64_t c = base / 8 * 8 + (seed >> 8) % 2600;
            bool old = newest >= SEAL_WINDOW && c <= newest - SEAL_WINDOW;
            assert_int_equal(seal_window_has(&w, c), old || seen[c]);
            assert_int_equal(seal_window_accept(&w, c), !old && !seen[c]);
            seen[c] = true;
            newest = c > newest ? c : newest;
        }
    }
}

/* What was under way on links when a key was removed is not lost; nobody joins
 * or installs with it any more. */
static void a_retired_key_opens_links_only(void **state)
{
    static const struct {
        enum seal_kind kind;
        int rc;
    } cases[] = {
        {SEAL_LINK, 0}, {SEAL_GOSSIP, ERR_FORGED}, {SEAL_INSTALL, ERR_FORGED}};
    struct seal_ring old = ring_of(1, "demo");
    struct seal_ring ring = ring_of(99, "demo");
    (void)state;

    ring.keys[1] = old.keys[0];
    ring.retired_len = 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf sealed = {0};
        seal_write(&old, cases[i].kind, &me, nonce, BYTES("x"), &sealed);
        assert_int_equal(open_as(&ring, cases[i].kind, &me, buf_bytes(&sealed)),
                         cases[i].rc);
        buf_fini(&sealed);
    }
    assert_int_equal(seal_ring_find(&ring, ring.keys[0].print), 0);
    assert_int_equal(seal_ring_find(&ring, old.keys[0].print), -1);
}

static void an_envelope_names_its_key(void **state)
{
    struct seal_ring ring = ring_of(1, "demo");
    struct buf sealed = {0};
    uint64_t print = 0;
    (void)state;

    seal_write(&ring, SEAL_GOSSIP, &me, nonce, BYTES("x"), &sealed);
    assert_true(seal_print(buf_bytes(&sealed), &print));
    assert_true(print == ring.keys[0].print);
    assert_false(seal_print(bytes_of(sealed.p, SEAL_OVERHEAD - 1), &print));
    sealed.p[0] = 's';
    assert_false(seal_print(buf_bytes(&sealed), &print));
    buf_fini(&sealed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_is_the_known_one),
        cmocka_unit_test(what_is_sealed_opens),
        cmocka_unit_test(nothing_else_opens_it),
        cmocka_unit_test(every_changed_bit_and_every_cut_is_seen),
        cmocka_unit_test(keys_are_rotated_without_a_break),
        cmocka_unit_test(a_retired_key_opens_links_only),
        cmocka_unit_test(an_envelope_names_its_key),
        cmocka_unit_test(the_kinds_have_keys_of_their_own),
        cmocka_unit_test(a_zero_key_is_refused_and_a_name_makes_a_key),
        cmocka_unit_test(both_libraries_make_the_same),
        cmocka_unit_test(no_room_shows),
        cmocka_unit_test(each_counter_is_taken_once),
        cmocka_unit_test(any_order_agrees_with_a_naive_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
