/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <sodium.h>
#include <stdio.h>

#include "proto/err.h"
#include "proto/token.h"

enum {
    NOW = 1795325066
};

/* k1: EdDSA, the first key of RFC 8032 section 7.1; k0: HS256, 01 02 ... 20 */
static struct token_keys sample_keys(void)
{
    static const char seed_hex[] = "9d61b19deffd5a60ba844af492ec2cc4"
                                   "4449c5697b326919703bac031cae7f60";
    struct token_keys keys = {.len = 2};
    uint8_t seed[32];

    keys.keys[0] = (struct token_key){
        .alg = TOKEN_EDDSA, .kid = "k1", .can_sign = true};
    assert_int_equal(sodium_hex2bin(seed, sizeof seed, seed_hex,
                                    strlen(seed_hex), NULL, NULL, NULL),
                     0);
    crypto_sign_seed_keypair(keys.keys[0].public, keys.keys[0].secret, seed);
    keys.keys[1] = (struct token_key){
        .alg = TOKEN_HS256, .kid = "k0", .can_sign = true};
    for (size_t i = 0; i < 32; i++) {
        keys.keys[1].secret[i] = (uint8_t)(i + 1);
    }
    return keys;
}

/* Made by other programs (Python's hmac, openssl) from the same keys. */
static const char known_hs256[] =
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImswIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGlj"
    "ZSIsImV4cCI6MTgwMDAwMDAwMCwiZ3IiOlt7ImMiOiJkZW1vIiwicCI6ImNoYXQtIiwi"
    "ciI6ImJvdGgifV0sInNjIjpbImFkbWluOnJlYWQiXX0.7cV-OqZHgnJBCcxxd3npG3QK"
    "Bcfd5GnyK6iEWuYy4Zk";
static const char known_eddsa[] =
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbGlj"
    "ZSIsImV4cCI6MTgwMDAwMDAwMCwiZ3IiOlt7ImMiOiJkZW1vIiwicCI6ImNoYXQtIiwi"
    "ciI6ImJvdGgifV0sInNjIjpbImFkbWluOnJlYWQiXX0.iSr_wxdPfsK0ndtyxuWvKsAm"
    "lflheCY4WDVS47vIDjqDzBjq04_ETGwnwZxjTIweYVOf8-dnnxRS3fUrYIe5Dw";

static int read_text(const char *text, uint64_t now_s)
{
    struct token_keys keys = sample_keys();
    struct token token;
    int rc = token_read(&keys, bytes_str(text), now_s, &token);

    if (rc == 0) {
        token_fini(&token);
    }
    return rc;
}

static void tokens_of_others_are_read(void **state)
{
    static const char *const known[] = {known_hs256, known_eddsa};
    struct token_keys keys = sample_keys();
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        struct token token;
        assert_int_equal(token_read(&keys, bytes_str(known[i]), NOW, &token),
                         0);
        assert_bytes(token.subject, "alice");
        assert_int_equal(token.expires_at, 1800000000);
        assert_int_equal(token.grants_len, 1);
        assert_bytes(token.grants[0].cache, "demo");
        assert_bytes(token.grants[0].topic, "chat-");
        assert_true(token.grants[0].prefix);
        assert_int_equal(token.grants[0].role, TOKEN_BOTH);
        assert_int_equal(token.scopes_len, 1);
        assert_true(token_has_scope(&token, BYTES("admin:read")));
        assert_false(token_has_scope(&token, BYTES("admin:kick")));
        token_fini(&token);
    }
}

static void time_ends_a_token(void **state)
{
    (void)state;

    assert_int_equal(read_text(known_eddsa, 1799999999), 0);
    assert_int_equal(read_text(known_eddsa, 1800000000), ERR_EXPIRED);
    assert_int_equal(read_text(known_eddsa, UINT64_MAX / 2), ERR_EXPIRED);
}

/* ADVERSARIAL I3: also in the last character, whose spare bits must be zero. */
static void every_changed_character_and_every_cut_is_refused(void **state)
{
    static const char *const known[] = {known_hs256, known_eddsa};
    char text[TOKEN_LEN_MAX];
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(known[i]);
        for (size_t at = 0; at < len; at++) {
            memcpy(text, known[i], len + 1);
            text[at] = text[at] == 'A' ? 'B' : 'A';
            assert_int_equal(read_text(text, NOW), ERR_UNAUTH);
            text[at] = (char)(known[i][at] + 1);
            assert_int_equal(read_text(text, NOW), ERR_UNAUTH);
            memcpy(text, known[i], at);
            text[at] = '\0';
            assert_int_equal(read_text(text, NOW), ERR_UNAUTH);
        }
    }
}

/* base64url of a text, as a part of a token. */
static void add_part(struct buf *out, const char *text)
{
    char part[2 * TOKEN_LEN_MAX];

    sodium_bin2base64(part, sizeof part, (const uint8_t *)text, strlen(text),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    buf_add_str(out, part);
}

static void add_signature(struct buf *out, const uint8_t *mac, size_t len)
{
    char part[2 * crypto_sign_BYTES];

    sodium_bin2base64(part, sizeof part, mac, len,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    buf_add_u8(out, '.');
    buf_add_str(out, part);
}

/* A token with this header and claims, HMACed under `secret`. */
static struct buf forge(const char *head, const char *claims,
                        const uint8_t secret[32])
{
    struct buf out = {0};
    uint8_t mac[crypto_auth_hmacsha256_BYTES];

    add_part(&out, head);
    buf_add_u8(&out, '.');
    add_part(&out, claims);
    crypto_auth_hmacsha256(mac, out.p, out.len, secret);
    add_signature(&out, mac, sizeof mac);
    return out;
}

static const char good_claims[] = "{\"sub\":\"a\",\"exp\":1800000000}";

/* ADVERSARIAL I1. Each but the first has a valid HMAC under a key that an
 * attacker may know: the public one, or an empty one. */
static void the_header_does_not_choose_the_algorithm(void **state)
{
    static const uint8_t zero[32];
    struct token_keys keys = sample_keys();
    const uint8_t *secret = keys.keys[1].secret;
    const struct {
        const char *head;
        const uint8_t *secret;
        int rc;
    } cases[] = {
        {"{\"alg\":\"HS256\",\"kid\":\"k0\"}", secret, 0},
        {"{\"alg\":\"HS256\",\"kid\":\"k1\"}", keys.keys[0].public, ERR_UNAUTH},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k1\"}", keys.keys[0].public, ERR_UNAUTH},
        {"{\"alg\":\"EdDSA\",\"kid\":\"k0\"}", secret, ERR_UNAUTH},
        {"{\"alg\":\"none\",\"kid\":\"k0\"}", secret, ERR_UNAUTH},
        {"{\"alg\":\"hs256\",\"kid\":\"k0\"}", secret, ERR_UNAUTH},
        {"{\"alg\":\"HS512\",\"kid\":\"k0\"}", secret, ERR_UNAUTH},
        {"{\"alg\":\"HS256\",\"kid\":\"k9\"}", zero, ERR_UNAUTH},
        {"{\"alg\":\"HS256\",\"kid\":\"\"}", zero, ERR_UNAUTH},
        {"{\"alg\":\"HS256\",\"kid\":0}", secret, ERR_UNAUTH},
        {"{\"alg\":\"HS256\"}", secret, ERR_UNAUTH},
        {"{\"kid\":\"k0\"}", secret, ERR_UNAUTH},
        {"{\"alg\":\"HS256\",\"kid\":\"k0\",\"crit\":[\"x\"]}", secret,
         ERR_UNAUTH},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\",\"kid\":\"k0\"}", secret,
         ERR_UNAUTH},
        {"{\"alg\":\"HS256\",\"kid\":\"k0\"} x", secret, ERR_UNAUTH},
        {"[\"HS256\"]", secret, ERR_UNAUTH},
        {"", secret, ERR_UNAUTH},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text = forge(cases[i].head, good_claims, cases[i].secret);
        buf_add_u8(&text, '\0');
        if (read_text((const char *)text.p, NOW) != cases[i].rc) {
            fail_msg("case %zu", i);
        }
        buf_fini(&text);
    }
}

static void another_form_is_refused(void **state)
{
    struct token_keys keys = sample_keys();
    struct token_keys none = {0};
    struct token token;
    char text[TOKEN_LEN_MAX + 2];
    (void)state;

    assert_int_equal(read_text("", NOW), ERR_UNAUTH);
    assert_int_equal(read_text("..", NOW), ERR_UNAUTH);
    assert_int_equal(read_text("a.b", NOW), ERR_UNAUTH);
    snprintf(text, sizeof text, "%s=", known_hs256); /* padded */
    assert_int_equal(read_text(text, NOW), ERR_UNAUTH);
    snprintf(text, sizeof text, "%s\n", known_hs256);
    assert_int_equal(read_text(text, NOW), ERR_UNAUTH);
    snprintf(text, sizeof text, "%s.AA", known_hs256);
    assert_int_equal(read_text(text, NOW), ERR_UNAUTH);
    snprintf(text, sizeof text, "Bearer %s", known_hs256);
    assert_int_equal(read_text(text, NOW), ERR_UNAUTH);
    memset(text, 'A', sizeof text);
    text[10] = text[20] = '.';
    assert_int_equal(
        token_read(&keys, bytes_of(text, TOKEN_LEN_MAX), NOW, &token),
        ERR_UNAUTH);
    assert_int_equal(
        token_read(&keys, bytes_of(text, TOKEN_LEN_MAX + 1), NOW, &token),
        ERR_TOO_BIG);
    assert_int_equal(token_read(&none, bytes_str(known_hs256), NOW, &token),
                     ERR_UNAUTH);
}

static void not_before_allows_for_clocks(void **state)
{
    struct token_keys keys = sample_keys();
    char claims[100];
    (void)state;

    for (int late = 29; late <= 31; late++) {
        snprintf(claims, sizeof claims,
                 "{\"sub\":\"a\",\"exp\":1800000000,\"nbf\":%d}", NOW + late);
        struct buf text = forge("{\"alg\":\"HS256\",\"kid\":\"k0\"}", claims,
                                keys.keys[1].secret);
        buf_add_u8(&text, '\0');
        assert_int_equal(read_text((const char *)text.p, NOW),
                         late <= TOKEN_SKEW_S ? 0 : ERR_UNAUTH);
        buf_fini(&text);
    }
}

/* --- signing --- */

static void what_is_signed_is_read(void **state)
{
    struct token_keys keys = sample_keys();
    struct token token = {
        .subject = BYTES("na\xc3\xafve \"quoted\" <b>"),
        .id = BYTES("j1"),
        .kind = TOKEN_API_KEY,
        .issued_at = NOW - 5,
        .expires_at = NOW + 60,
        .not_before = NOW,
        .grants_len = 3,
        .grants = {{.cache = BYTES("a"),
                    .topic = BYTES("t/1"),
                    .role = TOKEN_PUBLISH},
                   {.topic = BYTES("p-"),
                    .prefix = true,
                    .role = TOKEN_SUBSCRIBE},
                   {.cache = BYTES("_sys"), .all = true, .role = TOKEN_BOTH}},
        .scopes_len = 2,
        .scopes = {BYTES("admin:read"), BYTES("admin:*")},
    };
    (void)state;

    for (size_t k = 0; k < 2; k++) {
        struct buf text = {0};
        struct token back;
        keys.keys[0] = keys.keys[k]; /* EdDSA, then HS256 */
        assert_int_equal(token_write(&keys, &token, &text), 0);
        assert_int_equal(token_read(&keys, buf_bytes(&text), NOW, &back), 0);
        assert_true(bytes_eq(back.subject, token.subject));
        assert_bytes(back.id, "j1");
        assert_int_equal(back.not_before, NOW);
        assert_int_equal(back.issued_at, NOW - 5);
        assert_int_equal(back.kind, TOKEN_API_KEY);
        assert_int_equal(back.expires_at, NOW + 60);
        assert_true(token_covers(&back, &token) && token_covers(&token, &back));
        assert_int_equal(back.scopes_len, 2);
        token_fini(&back);
        buf_fini(&text);
    }
}

static void what_would_be_refused_is_not_signed(void **state)
{
    struct token_keys keys = sample_keys();
    struct token_keys none = {0};
    struct token good = {.subject = BYTES("a"), .expires_at = NOW};
    struct token token = good;
    struct buf text = {0};
    static char longest[512];
    (void)state;

    assert_int_equal(token_write(&none, &good, &text), ERR_ARGUMENT);
    token.expires_at = 0;
    assert_int_equal(token_write(&keys, &token, &text), ERR_ARGUMENT);
    token = good;
    token.subject.len = 0;
    token.scopes_len = 1;
    token.scopes[0] = BYTES("admin:read");
    assert_int_equal(token_write(&keys, &token, &text), ERR_ARGUMENT);
    token = good;
    token.grants_len = 1; /* a zero grant: no role */
    assert_int_equal(token_write(&keys, &token, &text), ERR_ARGUMENT);
    memset(longest, 'x', sizeof longest);
    token = good;
    for (token.grants_len = 0; token.grants_len < 8; token.grants_len++) {
        token.grants[token.grants_len] = (struct token_grant){
            .topic = bytes_of(longest, sizeof longest), .role = TOKEN_BOTH};
    }
    assert_int_equal(token_write(&keys, &token, &text), ERR_TOO_BIG);
    assert_int_equal(text.len, 0);
    keys.keys[0].can_sign = false;
    assert_int_equal(token_write(&keys, &good, &text), ERR_ARGUMENT);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_of_others_are_read),
        cmocka_unit_test(time_ends_a_token),
        cmocka_unit_test(every_changed_character_and_every_cut_is_refused),
        cmocka_unit_test(the_header_does_not_choose_the_algorithm),
        cmocka_unit_test(another_form_is_refused),
        cmocka_unit_test(not_before_allows_for_clocks),
        cmocka_unit_test(what_is_signed_is_read),
        cmocka_unit_test(what_would_be_refused_is_not_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
