/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/token.h"
#include "proto/token_id.h"

static const uint8_t random_of_test[TOKEN_ID_SALT_LEN] = {0x01, 0xff, 0xa5};

static void an_id_says_how_long_it_is_of_use(void **state)
{
    static const uint64_t times[] = {0, 1, 1795305600, TOKEN_TIME_MAX_S};
    (void)state;

    struct token_id id = token_id_make(1795305600, random_of_test);
    assert_bytes(bytes_of(id.text, TOKEN_ID_LEN),
                 "st006b023080.01ffa5000000000000000000");
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        id = token_id_make(times[i], random_of_test);
        assert_int_equal(token_id_until_s(bytes_of(id.text, TOKEN_ID_LEN)),
                         times[i]);
    }
}

/* A revocation of what may live for ever is kept for ever. */
static void other_ids_may_live_for_ever(void **state)
{
    static const char *const ids[] = {
        "",
        "one",
        "6b022080-0000-4000-8000-000000000000",   /* a UUID */
        "st006b022080.01ffa500000000000000000",   /* one digit short */
        "st006b022080.01ffa50000000000000000000", /* and one too many */
        "ST006b022080.01ffa5000000000000000000",
        "st006B022080.01ffa5000000000000000000",
        "st006b022080-01ffa5000000000000000000",
        "st006b0220g0.01ffa5000000000000000000",
        "st006b022080.01ffa50000000000000000 0",
        "stffffffffff.01ffa5000000000000000000", /* after the year 9999 */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        if (token_id_until_s(bytes_str(ids[i])) != 0) {
            fail_msg("case %zu", i);
        }
    }
    assert_int_equal(
        token_id_until_s(BYTES("st006b022080.01ffa5000000000000000\0000")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_says_how_long_it_is_of_use),
        cmocka_unit_test(other_ids_may_live_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
