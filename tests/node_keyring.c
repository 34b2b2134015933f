/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/mesh/keyring.h"
#include "proto/err.h"

static void secret_of(uint8_t n, uint8_t secret[SEAL_KEY_LEN])
{
    memset(secret, n, SEAL_KEY_LEN);
}

static uint64_t install(struct keyring *keyring, uint8_t n)
{
    uint8_t secret[SEAL_KEY_LEN];
    uint64_t print = 0;

    secret_of(n, secret);
    assert_int_equal(keyring_install(keyring, secret, &print), 0);
    keyring_check(keyring);
    return print;
}

/* Whose only key is `n`. */
static uint64_t start(struct keyring *keyring, uint8_t n)
{
    struct seal_ring keys = {.keys_len = 1};
    uint8_t secret[SEAL_KEY_LEN];

    secret_of(n, secret);
    assert_int_equal(seal_key_init(&keys.keys[0], secret), 0);
    keyring_init(keyring, &keys, BYTES("demo"));
    return keys.keys[0].print;
}

/* Whether what another node seals with key n is opened here. */
static bool opens(const struct keyring *keyring, uint8_t n, enum seal_kind kind)
{
    static const struct node_id dst = {.b = {1}};
    static const uint8_t nonce[SEAL_NONCE_LEN] = {1};
    struct keyring theirs;
    struct buf sealed = {0};
    struct buf plain = {0};
    uint64_t counter;

    start(&theirs, n);
    seal_write(&theirs.ring, kind, &dst, nonce, BYTES("x"), &sealed);
    int rc = seal_read(&keyring->ring, kind, &dst, buf_bytes(&sealed), &plain,
                       &counter);
    buf_fini(&sealed);
    buf_fini(&plain);
    return rc == 0;
}

static void a_rotation_opens_both_keys_until_the_end(void **state)
{
    struct keyring keyring;
    uint64_t old = start(&keyring, 1);
    (void)state;

    assert_false(keyring.insecure);
    uint64_t new = install(&keyring, 2);
    assert_true(keyring.ring.keys[0].print == old);
    assert_true(opens(&keyring, 2, SEAL_GOSSIP));
    assert_int_equal(keyring_use(&keyring, new), 0);
    keyring_check(&keyring);
    assert_true(keyring.ring.keys[0].print == new);
    assert_true(opens(&keyring, 1, SEAL_GOSSIP));
    assert_int_equal(keyring_remove(&keyring, old, 100), 0);
    keyring_check(&keyring);
    assert_false(opens(&keyring, 1, SEAL_GOSSIP));
    assert_false(opens(&keyring, 1, SEAL_INSTALL));
    assert_true(opens(&keyring, 2, SEAL_GOSSIP));
}

/* The others may have sealed with it until now. */
static void links_open_a_removed_key_a_little_longer(void **state)
{
    struct keyring keyring;
    uint64_t old = start(&keyring, 1);
    (void)state;

    assert_int_equal(keyring_use(&keyring, install(&keyring, 2)), 0);
    assert_int_equal(keyring_remove(&keyring, old, 100), 0);
    keyring_expire(&keyring, 100 + KEYRING_GRACE_MS - 1);
    assert_true(opens(&keyring, 1, SEAL_LINK));
    keyring_expire(&keyring, 100 + KEYRING_GRACE_MS);
    keyring_check(&keyring);
    assert_false(opens(&keyring, 1, SEAL_LINK));
    assert_int_equal(keyring.ring.retired_len, 0);
    assert_true(opens(&keyring, 2, SEAL_LINK));
    /* Nothing of it stays in memory. */
    static const struct seal_key gone;
    assert_memory_equal(&keyring.ring.keys[1], &gone, sizeof gone);
}

static void the_key_that_seals_stays(void **state)
{
    struct keyring keyring;
    uint64_t only = start(&keyring, 1);
    (void)state;

    assert_int_equal(keyring_remove(&keyring, only, 100), ERR_CONFLICT);
    install(&keyring, 2);
    assert_int_equal(keyring_remove(&keyring, only, 100), ERR_CONFLICT);
    assert_int_equal(keyring.ring.keys_len, 2);
    assert_int_equal(keyring.ring.retired_len, 0);
}

static void every_step_may_be_repeated(void **state)
{
    struct keyring keyring;
    uint64_t old = start(&keyring, 1);
    uint64_t new = install(&keyring, 2);
    (void)state;

    assert_true(install(&keyring, 2) == new);
    assert_true(install(&keyring, 1) == old);
    assert_int_equal(keyring.ring.keys_len, 2);
    assert_int_equal(keyring_use(&keyring, new), 0);
    assert_int_equal(keyring_use(&keyring, new), 0);
    assert_int_equal(keyring_remove(&keyring, old, 100), 0);
    assert_int_equal(keyring_remove(&keyring, old, 200), 0);
    assert_int_equal(keyring.ring.keys_len, 1);
    assert_int_equal(keyring.ring.retired_len, 1);
    assert_true(keyring.retired_until_ms[1] == 100 + KEYRING_GRACE_MS);
    keyring_check(&keyring);
}

static void what_is_not_installed_cannot_seal(void **state)
{
    struct keyring keyring;
    uint64_t old = start(&keyring, 1);
    uint64_t new = install(&keyring, 2);
    (void)state;

    assert_int_equal(keyring_use(&keyring, 12345), ERR_NOT_FOUND);
    assert_int_equal(keyring_use(&keyring, new), 0);
    assert_int_equal(keyring_remove(&keyring, old, 100), 0);
    assert_int_equal(keyring_use(&keyring, old), ERR_NOT_FOUND);
}

static void a_removed_key_can_come_back(void **state)
{
    struct keyring keyring;
    uint64_t old = start(&keyring, 1);
    (void)state;

    assert_int_equal(keyring_use(&keyring, install(&keyring, 2)), 0);
    assert_int_equal(keyring_remove(&keyring, old, 100), 0);
    install(&keyring, 1);
    assert_int_equal(keyring.ring.keys_len, 2);
    assert_int_equal(keyring.ring.retired_len, 0);
    keyring_expire(&keyring, UINT64_MAX);
    assert_int_equal(keyring_use(&keyring, old), 0);
    assert_true(opens(&keyring, 1, SEAL_GOSSIP));
}

static void a_key_of_zeros_is_refused(void **state)
{
    static const uint8_t zeros[SEAL_KEY_LEN];
    struct keyring keyring;
    uint64_t print;
    (void)state;

    start(&keyring, 1);
    assert_int_equal(keyring_install(&keyring, zeros, &print), ERR_ARGUMENT);
    assert_int_equal(keyring.ring.keys_len, 1);
}

static void the_ring_is_bounded(void **state)
{
    struct keyring keyring;
    uint8_t secret[SEAL_KEY_LEN];
    uint64_t print;
    (void)state;

    start(&keyring, 1);
    for (uint8_t n = 2; n <= SEAL_KEYS_MAX; n++) {
        install(&keyring, n);
    }
    secret_of(99, secret);
    assert_int_equal(keyring_install(&keyring, secret, &print), ERR_LIMIT);
    install(&keyring, 2); /* there already */
    assert_int_equal(keyring.ring.keys_len, SEAL_KEYS_MAX);
}

/* A grace is a courtesy; room for a key that somebody wants is not. */
static void retired_keys_make_room(void **state)
{
    struct keyring keyring;
    (void)state;

    start(&keyring, 1);
    uint64_t first = install(&keyring, 2);
    for (uint8_t n = 3; n <= SEAL_KEYS_MAX; n++) {
        install(&keyring, n);
    }
    uint64_t second = keyring.ring.keys[2].print;
    assert_int_equal(keyring_remove(&keyring, first, 100), 0);
    assert_int_equal(keyring_remove(&keyring, second, 101), 0);
    install(&keyring, 99);
    assert_int_equal(keyring.ring.retired_len, 1);
    assert_false(opens(&keyring, 2, SEAL_LINK));
    assert_true(opens(&keyring, 3, SEAL_LINK));
}

static void without_keys_the_name_makes_one(void **state)
{
    static const struct seal_ring none;
    struct keyring a;
    struct keyring b;
    (void)state;

    keyring_init(&a, &none, BYTES("one"));
    keyring_init(&b, &none, BYTES("two"));
    assert_true(a.insecure);
    assert_int_equal(a.ring.keys_len, 1);
    assert_true(a.ring.keys[0].print != b.ring.keys[0].print);
    keyring_fini(&a);
    assert_int_equal(a.ring.keys_len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_opens_both_keys_until_the_end),
        cmocka_unit_test(links_open_a_removed_key_a_little_longer),
        cmocka_unit_test(the_key_that_seals_stays),
        cmocka_unit_test(every_step_may_be_repeated),
        cmocka_unit_test(what_is_not_installed_cannot_seal),
        cmocka_unit_test(a_removed_key_can_come_back),
        cmocka_unit_test(a_key_of_zeros_is_refused),
        cmocka_unit_test(the_ring_is_bounded),
        cmocka_unit_test(retired_keys_make_room),
        cmocka_unit_test(without_keys_the_name_makes_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
