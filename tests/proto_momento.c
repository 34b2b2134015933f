/* SPDX-License-Identifier: Apache-2.0
 *
 * The long-poll JSON: byte for byte, and read back by jansson.
 */
#include "tests/test.h"

#include <jansson.h>

#include "proto/item.h"
#include "proto/momento.h"

static struct item text_item(const char *value)
{
    return (struct item){.value = bytes_str(value)};
}

static json_t *answer(struct buf *elements, uint64_t page, uint64_t seq)
{
    struct buf out = {0};
    momento_add_head(&out);
    momento_add_elements(&out, buf_bytes(elements));
    momento_add_tail(&out, page, seq);
    assert_false(out.failed);
    json_t *root = json_loadb((const char *)out.p, out.len,
                              JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    buf_fini(&out);
    buf_fini(elements);
    return root;
}

static void an_idle_answer_has_no_items_and_says_what_to_ask_next(void **state)
{
    struct buf out = {0};
    (void)state;

    momento_add_head(&out);
    momento_add_elements(&out, bytes_of(NULL, 0));
    momento_add_tail(&out, 1748358253, 6);
    assert_bytes(buf_bytes(&out), "{\"items\":[],\"sequence_page\":1748358253,"
                                  "\"sequence_number\":7}");
    buf_fini(&out);
}

static void an_item_has_the_form_of_the_topics_api(void **state)
{
    struct buf out = {0};
    struct item item = text_item("hi");
    (void)state;

    momento_add_item(&out, &item, 3, 1);
    assert_bytes(buf_bytes(&out),
                 "{\"item\":{\"topic_sequence_number\":1,\"sequence_page\":3,"
                 "\"value\":{\"text\":\"hi\"}}},");
    buf_reset(&out);
    item.publisher = BYTES("ann");
    item.flags = ITEM_BINARY;
    item.value = bytes_of("\0\xff", 2);
    momento_add_item(&out, &item, 3, 2);
    assert_bytes(buf_bytes(&out),
                 "{\"item\":{\"topic_sequence_number\":2,\"sequence_page\":3,"
                 "\"value\":{\"binary\":\"AP8=\"},"
                 "\"publisher_id\":\"ann\"}},");
    buf_fini(&out);
}

static void a_discontinuity_names_both_sequences_and_the_page(void **state)
{
    struct buf out = {0};
    (void)state;

    momento_add_gap(&out, 9, 100, 104);
    assert_bytes(buf_bytes(&out),
                 "{\"discontinuity\":{\"last_topic_sequence\":100,"
                 "\"new_topic_sequence\":104,\"new_sequence_page\":9}},");
    buf_fini(&out);
}

/* A client goes on at new_topic_sequence + 1, and the tail must agree. */
static void
after_a_discontinuity_the_next_poll_asks_for_the_one_after_it(void **state)
{
    struct buf elements = {0};
    (void)state;

    momento_add_gap(&elements, 9, 0, 104);
    json_t *root = answer(&elements, 9, 104);
    json_t *gap = json_object_get(
        json_array_get(json_object_get(root, "items"), 0), "discontinuity");
    assert_int_equal(
        json_integer_value(json_object_get(gap, "new_topic_sequence")) + 1,
        json_integer_value(json_object_get(root, "sequence_number")));
    json_decref(root);
}

/* A value can neither end its string nor add an element (ADVERSARIAL D13). */
static void any_text_reads_back_as_it_was(void **state)
{
    static const char *const values[] = {
        "",
        "\"}},{\"item\":{}}",
        "\\",
        "\\\"",
        "line\r\nline\ttab\x01\x1f\x7f",
        "</script><!--",
        "\xe2\x80\xa8\xf0\x9f\x90\xa6",
    };
    struct buf elements = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct item item = text_item(values[i]);
        momento_add_item(&elements, &item, 1ull << 52, i + 1);
    }
    json_t *root = answer(&elements, 1ull << 52, ARRAY_LEN(values));
    json_t *items = json_object_get(root, "items");
    assert_int_equal(json_array_size(items), ARRAY_LEN(values));
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        json_t *item = json_object_get(json_array_get(items, i), "item");
        json_t *text = json_object_get(json_object_get(item, "value"), "text");
        assert_string_equal(json_string_value(text), values[i]);
        assert_true(json_integer_value(
                        json_object_get(item, "sequence_page")) == 1ll << 52);
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_answer_has_no_items_and_says_what_to_ask_next),
        cmocka_unit_test(an_item_has_the_form_of_the_topics_api),
        cmocka_unit_test(a_discontinuity_names_both_sequences_and_the_page),
        cmocka_unit_test(
            after_a_discontinuity_the_next_poll_asks_for_the_one_after_it),
        cmocka_unit_test(any_text_reads_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
