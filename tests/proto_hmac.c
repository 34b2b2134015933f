/* SPDX-License-Identifier: Apache-2.0
 *
 * HMAC-SHA256 against the vectors of RFC 4231.
 */
#include "tests/test.h"

#include "proto/hmac.h"

struct vector {
    struct bytes key;
    struct bytes data;
    const char *mac;
};

static const uint8_t key_a[131] = {
#define AA8 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa
    AA8, AA8, AA8, AA8, AA8, AA8, AA8,  AA8,  AA8, AA8,
    AA8, AA8, AA8, AA8, AA8, AA8, 0xaa, 0xaa, 0xaa};

static const struct vector vectors[] = {
    {BYTES("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
           "\x0b\x0b\x0b\x0b"),
     BYTES("Hi There"),
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {BYTES("Jefe"), BYTES("what do ya want for nothing?"),
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {{key_a, sizeof key_a},
     BYTES("Test Using Larger Than Block-Size Key - Hash Key First"),
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
};

static void expect(const struct vector *v, const struct bytes *parts,
                   size_t parts_len)
{
    uint8_t mac[HMAC_LEN];
    struct buf hex = {0};

    hmac_sha256(v->key, parts, parts_len, mac);
    buf_add_hex(&hex, mac, sizeof mac);
    assert_true(bytes_eq(buf_bytes(&hex), bytes_str(v->mac)));
    buf_fini(&hex);
}

static void it_is_what_the_rfc_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        expect(&vectors[i], &vectors[i].data, 1);
    }
}

static void parts_count_as_one_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct bytes data = vectors[i].data;
        for (size_t cut = 0; cut <= data.len; cut++) {
            const struct bytes parts[] = {
                bytes_of(data.p, cut), {0}, bytes_skip(data, cut)};
            expect(&vectors[i], parts, ARRAY_LEN(parts));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_the_rfc_says),
        cmocka_unit_test(parts_count_as_one_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
