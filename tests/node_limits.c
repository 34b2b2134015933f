/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/config/limits.h"
#include "proto/err.h"

static void the_defaults_agree_with_each_other(void **state)
{
    struct limits limits = limits_default();
    const char *why = NULL;
    (void)state;

    assert_int_equal(limits_check(&limits, &why), 0);
    assert_null(why);
    assert_int_equal(limits.item_len, 1 << 20);
    assert_int_equal(limits.drain_ms, 20000);
}

static void a_field_is_set_by_its_name_within_its_range(void **state)
{
    struct limits limits = limits_default();
    (void)state;

    assert_int_equal(limits_set(&limits, "conns", 1), 0);
    assert_int_equal(limits.conns, 1);
    assert_int_equal(limits_set(&limits, "conns", 0), ERR_ARGUMENT);
    assert_int_equal(limits_set(&limits, "conns", (1 << 20) + 1), ERR_ARGUMENT);
    assert_int_equal(limits.conns, 1);
    assert_int_equal(limits_set(&limits, "max_con", 5), ERR_NOT_FOUND);
    assert_int_equal(limits_set(&limits, "", 5), ERR_NOT_FOUND);
}

static void names_are_listed_until_null(void **state)
{
    struct limits limits = limits_default();
    size_t n = 0;
    (void)state;

    assert_string_equal(limits_name(0), "item_len");
    while (limits_name(n) != NULL) {
        assert_int_not_equal(limits_set(&limits, limits_name(n), 0),
                             ERR_NOT_FOUND);
        n++;
    }
    assert_int_equal(n * sizeof(uint64_t), sizeof(struct limits));
}

static void contradictions_are_named(void **state)
{
    static const struct {
        const char *field;
        uint64_t value;
        const char *names;
    } cases[] = {
        {"out_soft_len", 2 << 20, "out_hard_len"},
        {"memory_len", 16 << 20, "rings_len"},
        {"ring_len", 16 << 20, "rings_len"}, /* with the rings_len below */
        {"ping_ms", 75000, "idle_ms"},
        {"item_len", 16 << 20, "link_queue_len"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct limits limits = limits_default();
        const char *why = NULL;
        if (strcmp(cases[i].field, "ring_len") == 0) {
            limits.rings_len = 2 << 20;
        }
        assert_int_equal(limits_set(&limits, cases[i].field, cases[i].value),
                         0);
        assert_int_equal(limits_check(&limits, &why), ERR_CONFIG);
        assert_non_null(strstr(why, cases[i].field));
        assert_non_null(strstr(why, cases[i].names));
    }
}

static void a_value_outside_its_range_is_found(void **state)
{
    struct limits limits = limits_default();
    const char *why = NULL;
    (void)state;

    limits.hello_ms = 0;
    assert_int_equal(limits_check(&limits, &why), ERR_CONFIG);
    assert_non_null(strstr(why, "hello_ms"));
}

static void the_hard_bound_always_holds_one_item(void **state)
{
    struct limits limits = limits_default();
    (void)state;

    assert_int_equal(limits_out_hard(&limits), (1 << 20) + (64 << 10));
    limits.out_hard_len = 8 << 20;
    assert_int_equal(limits_out_hard(&limits), 8 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_agree_with_each_other),
        cmocka_unit_test(a_field_is_set_by_its_name_within_its_range),
        cmocka_unit_test(names_are_listed_until_null),
        cmocka_unit_test(contradictions_are_named),
        cmocka_unit_test(a_value_outside_its_range_is_found),
        cmocka_unit_test(the_hard_bound_always_holds_one_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
