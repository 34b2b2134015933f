/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/config/keyfile_edit.h"
#include "proto/err.h"

#define X15    "0102030405060708090a0b0c0d0e0f"
#define A      "aa" X15 X15 "00"
#define B      "bb" X15 X15 "00"
#define C      "cc" X15 X15 "00"
#define HASH   "hash_key: \"00" X15 "\" # never changes\n"
#define TOKENS "token_keys:\n  - {kid: k, alg: HS256, secret: " A "}\n"

/* A folder of its own for each test, and a key file in it. */
struct place {
    char folder[32];
    char path[64];
    char why[256];
};

static struct keyfile_why why_of(struct place *place)
{
    return (struct keyfile_why){place->why, sizeof place->why};
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, 0600), 0);
}

static void place_open(struct place *place, const char *text)
{
    strcpy(place->folder, "/tmp/keyedit-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/keys", place->folder);
    place->why[0] = '\0';
    write_text(place->path, text);
}

/* Also: nothing is left beside the file. */
static void place_close(struct place *place)
{
    unlink(place->path);
    assert_int_equal(rmdir(place->folder), 0);
}

static void assert_text(const struct place *place, const char *text)
{
    char got[4096];
    FILE *file = fopen(place->path, "r");

    assert_non_null(file);
    size_t len = fread(got, 1, sizeof got - 1, file);
    fclose(file);
    got[len] = '\0';
    assert_string_equal(got, text);
}

static void secret_of(uint8_t first, uint8_t secret[SEAL_KEY_LEN])
{
    secret[0] = first;
    for (uint8_t i = 0; i < 30; i++) {
        secret[1 + i] = (uint8_t)(i % 15 + 1);
    }
    secret[31] = 0;
}

static uint64_t print_of(uint8_t first)
{
    uint8_t secret[SEAL_KEY_LEN];
    struct seal_key key;

    secret_of(first, secret);
    assert_int_equal(seal_key_init(&key, secret), 0);
    return key.print;
}

#define BEFORE "# mine\n" HASH "cluster_keys: # the first one seals\n"
#define KEY_A  "  - \"" A "\" # of May\n"
#define KEY_B  "  - " B "\n"
#define KEY_C  "  - \"" C "\"\n"

/* The steps of a rotation; comments and all other lines stay. */
static void a_rotation_changes_the_lines_of_its_keys(void **state)
{
    struct place place;
    uint8_t secret[SEAL_KEY_LEN];
    (void)state;

    place_open(&place, BEFORE KEY_A KEY_B TOKENS);
    secret_of(0xcc, secret);
    assert_int_equal(keyfile_add(place.path, secret, why_of(&place)), 0);
    assert_text(&place, BEFORE KEY_A KEY_B KEY_C TOKENS);
    assert_int_equal(
        keyfile_put_first(place.path, print_of(0xcc), why_of(&place)), 0);
    assert_text(&place, BEFORE KEY_C KEY_A KEY_B TOKENS);
    assert_int_equal(keyfile_remove(place.path, print_of(0xaa), why_of(&place)),
                     0);
    assert_text(&place, BEFORE KEY_C KEY_B TOKENS);
    place_close(&place);
}

static void what_is_done_already_changes_nothing(void **state)
{
    struct place place;
    struct stat before;
    struct stat after;
    uint8_t secret[SEAL_KEY_LEN];
    (void)state;

    place_open(&place, BEFORE KEY_A KEY_B TOKENS);
    assert_int_equal(stat(place.path, &before), 0);
    secret_of(0xbb, secret);
    assert_int_equal(keyfile_add(place.path, secret, why_of(&place)), 0);
    assert_int_equal(
        keyfile_put_first(place.path, print_of(0xaa), why_of(&place)), 0);
    assert_int_equal(keyfile_remove(place.path, print_of(0xcc), why_of(&place)),
                     0);
    assert_int_equal(stat(place.path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    assert_text(&place, BEFORE KEY_A KEY_B TOKENS);
    place_close(&place);
}

/* As text ends in the files of some editors. */
static void a_last_line_without_an_end_is_a_line(void **state)
{
    struct place place;
    uint8_t secret[SEAL_KEY_LEN];
    (void)state;

    place_open(&place, HASH TOKENS "cluster_keys:\n- " A "\n- " B);
    assert_int_equal(
        keyfile_put_first(place.path, print_of(0xbb), why_of(&place)), 0);
    assert_text(&place, HASH TOKENS "cluster_keys:\n- " B "\n- " A "\n");
    secret_of(0xcc, secret);
    assert_int_equal(keyfile_add(place.path, secret, why_of(&place)), 0);
    assert_text(&place,
                HASH TOKENS "cluster_keys:\n- " B "\n- " A "\n- \"" C "\"\n");
    place_close(&place);
}

static void what_keygen_wrote_can_be_changed(void **state)
{
    struct place place;
    struct keyfile keys;
    uint8_t secret[SEAL_KEY_LEN];
    (void)state;

    place_open(&place, "");
    unlink(place.path);
    assert_int_equal(keyfile_create(place.path), 0);
    keyfile_random(secret);
    assert_int_equal(keyfile_add(place.path, secret, why_of(&place)), 0);
    assert_int_equal(
        keyfile_read(place.path, &keys, place.why, sizeof place.why), 0);
    assert_int_equal(keys.ring.keys_len, 2);
    assert_memory_equal(keys.ring.keys[1].secret, secret, sizeof secret);
    place_close(&place);
}

static void owner_and_rights_stay_and_so_does_a_link(void **state)
{
    struct place place;
    struct stat st;
    char link[96];
    (void)state;

    place_open(&place, BEFORE KEY_A KEY_B TOKENS);
    snprintf(link, sizeof link, "%s/link", place.folder);
    assert_int_equal(symlink("keys", link), 0);
    assert_int_equal(chmod(place.path, 0400), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(place.path, 1234, 2345), 0);
    }
    assert_int_equal(keyfile_put_first(link, print_of(0xbb), why_of(&place)),
                     0);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(place.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    if (geteuid() == 0) {
        assert_int_equal(st.st_uid, 1234);
        assert_int_equal(st.st_gid, 2345);
    }
    assert_text(&place, BEFORE KEY_B KEY_A TOKENS);
    unlink(link);
    place_close(&place);
}

static void what_cannot_be_is_named_and_leaves_the_file(void **state)
{
    static const char one[] = BEFORE KEY_A TOKENS;
    static const char flow[] = HASH TOKENS "cluster_keys: [" A ", " B "]\n";
    struct place place;
    (void)state;

    place_open(&place, one);
    assert_int_equal(keyfile_remove(place.path, print_of(0xaa), why_of(&place)),
                     ERR_CONFLICT);
    assert_non_null(strstr(place.why, "keys: it is the only cluster key"));
    assert_int_equal(
        keyfile_put_first(place.path, print_of(0xbb), why_of(&place)),
        ERR_NOT_FOUND);
    assert_non_null(strstr(place.why, "does not have that cluster key"));
    assert_text(&place, one);

    write_text(place.path, flow);
    assert_int_equal(
        keyfile_put_first(place.path, print_of(0xbb), why_of(&place)),
        ERR_CONFIG);
    assert_non_null(strstr(place.why, "not one a line: change it by hand"));
    assert_text(&place, flow);

    assert_int_equal(chmod(place.path, 0644), 0);
    assert_int_equal(
        keyfile_put_first(place.path, print_of(0xbb), why_of(&place)),
        ERR_DENIED);
    assert_int_equal(keyfile_remove("/nowhere/at/all", 1, why_of(&place)),
                     ERR_IO);
    place_close(&place);
}

static void a_file_is_full_at_eight_keys_and_takes_no_zeros(void **state)
{
    static const uint8_t zeros[SEAL_KEY_LEN];
    struct place place;
    uint8_t secret[SEAL_KEY_LEN];
    (void)state;

    place_open(&place, BEFORE KEY_A TOKENS);
    assert_int_equal(keyfile_add(place.path, zeros, why_of(&place)),
                     ERR_ARGUMENT);
    for (int i = 1; i < SEAL_KEYS_MAX; i++) {
        keyfile_random(secret);
        assert_int_equal(keyfile_add(place.path, secret, why_of(&place)), 0);
    }
    keyfile_random(secret);
    assert_int_equal(keyfile_add(place.path, secret, why_of(&place)),
                     ERR_LIMIT);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_changes_the_lines_of_its_keys),
        cmocka_unit_test(what_is_done_already_changes_nothing),
        cmocka_unit_test(a_last_line_without_an_end_is_a_line),
        cmocka_unit_test(what_keygen_wrote_can_be_changed),
        cmocka_unit_test(owner_and_rights_stay_and_so_does_a_link),
        cmocka_unit_test(what_cannot_be_is_named_and_leaves_the_file),
        cmocka_unit_test(a_file_is_full_at_eight_keys_and_takes_no_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
