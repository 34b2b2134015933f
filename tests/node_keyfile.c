/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/config/keyfile.h"
#include "proto/err.h"

#define HEX32         "000102030405060708090a0b0c0d0e0f"
#define HEX64         HEX32 HEX32
#define HEX32_BUT_ONE "000102030405060708090a0b0c0d0e0"
#define ZERO64 \
    "0000000000000000000000000000000000000000000000000000000000000000"

/* A folder of its own for each test, and a path in it. */
struct place {
    char folder[32];
    char path[64];
    char why[256];
};

static void place_open(struct place *place)
{
    strcpy(place->folder, "/tmp/keyfile-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/keys.yaml", place->folder);
    place->why[0] = '\0';
}

static void place_close(struct place *place)
{
    unlink(place->path);
    assert_int_equal(rmdir(place->folder), 0);
}

static int read_text(const char *text, struct keyfile *keys,
                     struct place *place)
{
    FILE *file = fopen(place->path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(place->path, 0600), 0);
    return keyfile_read(place->path, keys, place->why, sizeof place->why);
}

static void a_created_file_is_private_and_reads_back(void **state)
{
    struct place place;
    struct keyfile keys;
    struct stat st;
    (void)state;

    place_open(&place);
    assert_int_equal(keyfile_create(place.path), 0);
    assert_int_equal(stat(place.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(
        keyfile_read(place.path, &keys, place.why, sizeof place.why), 0);
    assert_int_equal(keys.ring.keys_len, 1);
    assert_int_equal(keys.token_keys.len, 1);
    assert_int_equal(keys.token_keys.keys[0].alg, TOKEN_EDDSA);
    assert_true(keys.token_keys.keys[0].can_sign);
    place_close(&place);
}

static void an_existing_file_is_never_overwritten(void **state)
{
    struct place place;
    struct keyfile first;
    struct keyfile again;
    (void)state;

    place_open(&place);
    assert_int_equal(keyfile_create(place.path), 0);
    assert_int_equal(
        keyfile_read(place.path, &first, place.why, sizeof place.why), 0);
    assert_int_equal(keyfile_create(place.path), ERR_CONFLICT);
    assert_int_equal(
        keyfile_read(place.path, &again, place.why, sizeof place.why), 0);
    assert_memory_equal(&first.hash_key, &again.hash_key,
                        sizeof first.hash_key);
    place_close(&place);
    assert_int_equal(keyfile_create("/nowhere/at/all"), ERR_IO);
}

static void two_files_have_nothing_in_common(void **state)
{
    struct place a;
    struct place b;
    struct keyfile one;
    struct keyfile two;
    (void)state;

    place_open(&a);
    place_open(&b);
    assert_int_equal(keyfile_create(a.path), 0);
    assert_int_equal(keyfile_create(b.path), 0);
    assert_int_equal(keyfile_read(a.path, &one, a.why, sizeof a.why), 0);
    assert_int_equal(keyfile_read(b.path, &two, b.why, sizeof b.why), 0);
    assert_memory_not_equal(&one.hash_key, &two.hash_key, 16);
    assert_true(one.ring.keys[0].print != two.ring.keys[0].print);
    assert_memory_not_equal(one.token_keys.keys[0].public,
                            two.token_keys.keys[0].public, 32);
    assert_string_not_equal(one.token_keys.keys[0].kid,
                            two.token_keys.keys[0].kid);
    place_close(&a);
    place_close(&b);
}

/* ADVERSARIAL L5. */
static void a_file_that_others_may_read_is_refused(void **state)
{
    static const mode_t modes[] = {0644, 0640, 0604, 0610, 0602};
    struct place place;
    struct keyfile keys;
    (void)state;

    place_open(&place);
    assert_int_equal(keyfile_create(place.path), 0);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        assert_int_equal(chmod(place.path, modes[i]), 0);
        assert_int_equal(
            keyfile_read(place.path, &keys, place.why, sizeof place.why),
            ERR_DENIED);
        assert_non_null(strstr(place.why, "chmod 600"));
    }
    assert_int_equal(chmod(place.path, 0400), 0);
    assert_int_equal(
        keyfile_read(place.path, &keys, place.why, sizeof place.why), 0);
    place_close(&place);
}

static void what_is_no_file_is_an_error(void **state)
{
    struct place place;
    struct keyfile keys;
    (void)state;

    place_open(&place);
    assert_int_equal(
        keyfile_read(place.path, &keys, place.why, sizeof place.why), ERR_IO);
    assert_non_null(strstr(place.why, "No such file"));
    assert_int_equal(
        keyfile_read(place.folder, &keys, place.why, sizeof place.why), ERR_IO);
    place_close(&place);
}

static void every_kind_of_key_is_read(void **state)
{
    static const char text[] =
        "token_keys:\n" /* the order is free, quotes too */
        "  - {alg: EdDSA, kid: k1, seed: \"" HEX64 "\"}\n"
        "  - kid: k2\n"
        "    public: " HEX64 "\n"
        "    alg: EdDSA\n"
        "  - {kid: k0, alg: HS256, secret: " HEX64 "}\n"
        "cluster_keys:\n"
        "  - " HEX64 "\n"
        "  - " HEX32 "ffffffffffffffffffffffffffffffff\n"
        "hash_key: '" HEX32 "'\n";
    struct place place;
    struct keyfile keys;
    (void)state;

    place_open(&place);
    assert_int_equal(read_text(text, &keys, &place), 0);
    assert_int_equal(keys.hash_key.b[15], 0x0f);
    assert_int_equal(keys.ring.keys_len, 2);
    assert_true(keys.ring.keys[0].print != keys.ring.keys[1].print);
    const struct token_key *tokens = keys.token_keys.keys;
    assert_int_equal(keys.token_keys.len, 3);
    assert_true(tokens[0].can_sign && !tokens[1].can_sign);
    assert_true(tokens[2].can_sign);
    assert_int_equal(tokens[1].public[1], 0x01);
    assert_int_equal(tokens[2].alg, TOKEN_HS256);
    assert_int_equal(tokens[2].secret[31], 0x0f);
    assert_string_equal(tokens[2].kid, "k0");
    place_close(&place);
}

#define HASH     "hash_key: " HEX32 "\n"
#define CLUSTER  "cluster_keys: [" HEX64 "]\n"
#define TOKEN(x) "token_keys: [{" x "}]\n"
#define GOOD     "kid: k, alg: HS256, secret: " HEX64

/* ADVERSARIAL L1 and each field wrong: an error with its place, never open. */
static void what_is_wrong_is_named_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"", ": no hash_key"},
        {"\n\n# nothing\n", ": no hash_key"},
        {CLUSTER TOKEN(GOOD), ": no hash_key"},
        {HASH TOKEN(GOOD), ": no cluster_keys"},
        {HASH CLUSTER, ": no token_keys"},
        {HASH CLUSTER "token_keys: []\n", ": no token_keys"},
        {HASH CLUSTER "token_keys:\n", ":3: must be a list"},
        {HASH "cluster_keys: []\n" TOKEN(GOOD), ": no cluster_keys"},
        {HASH "cluster_keys: x\n", ":2: must be a list"},
        {"hash_key: abc\n", ":1: must be 32 hex digits"},
        {"hash_key: " HEX32 "0\n", ":1: must be 32 hex digits"},
        {"hash_key: 0001020304050607_8090a0b0c0d0e0f\n",
         ":1: must be 32 hex digits"},
        {"\nhash_key: 00000000000000000000000000000000\n", ":2: a key of zero"},
        {HASH "cluster_keys:\n  - " ZERO64 "\n", ":3: a key of zeros"},
        {HASH "cluster_keys:\n  - " HEX32 "\n", ":3: must be 64 hex digits"},
        {HASH "cluster_keys: [" HEX64 ", " HEX64 "]\n", ":2: one cluster key"},
        {HASH "cluster_keys: {a: b}\n", ":2: cluster_keys is a list"},
        {"hash_keys: x\n", ":1: unknown name"},
        {"cluster: [x]\n", ":1: unknown name"},
        {HASH CLUSTER TOKEN("kid: k, alg: HS256"), ":3: an HS256 key has"},
        {HASH CLUSTER TOKEN("kid: k, secret: " HEX64), ":3: a token key needs"},
        {HASH CLUSTER TOKEN("alg: HS256, secret: " HEX64), ":3: a token key"},
        {HASH CLUSTER TOKEN("kid: k, alg: none"), ":3: alg must be"},
        {HASH CLUSTER TOKEN("kid: a/b, alg: HS256"), ":3: kid must be"},
        {HASH CLUSTER TOKEN("kid: k, alg: HS256, seed: " HEX64),
         ":3: an HS256 key has"},
        {HASH CLUSTER TOKEN("kid: k, alg: EdDSA, secret: " HEX64),
         ":3: an EdDSA key has"},
        {HASH CLUSTER TOKEN("kid: k, alg: EdDSA"), ":3: an EdDSA key has"},
        {HASH CLUSTER TOKEN(GOOD ", x: y"), ":3: a token key has"},
        {HASH CLUSTER TOKEN(GOOD "},{" GOOD), ":3: two token keys"},
        {HASH HASH, ":2:1: the same key twice"},
        {"hash_key: [" HEX32, ":"},
        {"- x\n", ":1:1: expected"},
    };
    struct place place;
    struct keyfile keys;
    (void)state;

    place_open(&place);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int rc = read_text(cases[i].text, &keys, &place);
        if (rc != ERR_CONFIG || strstr(place.why, place.path) != place.why ||
            strstr(place.why, cases[i].why) == NULL) {
            fail_msg("case %zu: %d, %s", i, rc, place.why);
        }
    }
    place_close(&place);
}

static void lists_are_bounded_and_values_stay_secret(void **state)
{
    struct buf text = {0};
    struct place place;
    struct keyfile keys;
    (void)state;

    place_open(&place);
    buf_add_str(&text, HASH "cluster_keys:\n");
    for (int i = 0; i <= SEAL_KEYS_MAX; i++) {
        buf_add_str(&text, "  - " HEX32 HEX32_BUT_ONE);
        buf_add_u64(&text, (uint64_t)i);
        buf_add_str(&text, "\n");
    }
    buf_add_u8(&text, '\0');
    assert_int_equal(read_text((const char *)text.p, &keys, &place),
                     ERR_CONFIG);
    assert_non_null(strstr(place.why, ":11: more than 8"));
    buf_reset(&text);
    buf_add_str(&text, HASH CLUSTER "token_keys:\n");
    for (int i = 0; i <= TOKEN_KEYS_MAX; i++) {
        buf_add_str(&text, "  - {" GOOD "}\n");
    }
    buf_add_u8(&text, '\0');
    assert_int_equal(read_text((const char *)text.p, &keys, &place),
                     ERR_CONFIG);
    assert_non_null(strstr(place.why, ":20: more than 16"));
    assert_int_equal(read_text("hash_key: canary\n", &keys, &place),
                     ERR_CONFIG);
    assert_null(strstr(place.why, "canary"));
    buf_fini(&text);
    place_close(&place);
}

/* --key-file of `starling keys install`. */
static void a_secret_of_its_own_is_64_digits_and_private(void **state)
{
    static const struct {
        const char *text;
        int rc;
    } cases[] = {
        {HEX64, 0},
        {HEX64 "\n", 0},
        {"", ERR_CONFIG},
        {HEX64 "0", ERR_CONFIG},
        {HEX64 "\n\n", ERR_CONFIG},
        {HEX32 "\n", ERR_CONFIG},
        {HEX32 HEX32_BUT_ONE "g", ERR_CONFIG},
    };
    struct place place;
    struct keyfile keys;
    uint8_t secret[SEAL_KEY_LEN];
    (void)state;

    place_open(&place);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)read_text(cases[i].text, &keys, &place);
        if (keyfile_read_secret(place.path, secret, place.why,
                                sizeof place.why) != cases[i].rc) {
            fail_msg("case %zu: %s", i, place.why);
        }
    }
    assert_int_equal(secret[31], 0x0f);
    assert_int_equal(chmod(place.path, 0644), 0);
    assert_int_equal(
        keyfile_read_secret(place.path, secret, place.why, sizeof place.why),
        ERR_DENIED);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_created_file_is_private_and_reads_back),
        cmocka_unit_test(an_existing_file_is_never_overwritten),
        cmocka_unit_test(two_files_have_nothing_in_common),
        cmocka_unit_test(a_file_that_others_may_read_is_refused),
        cmocka_unit_test(what_is_no_file_is_an_error),
        cmocka_unit_test(every_kind_of_key_is_read),
        cmocka_unit_test(what_is_wrong_is_named_with_its_line),
        cmocka_unit_test(a_secret_of_its_own_is_64_digits_and_private),
        cmocka_unit_test(lists_are_bounded_and_values_stay_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
