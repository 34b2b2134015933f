/* SPDX-License-Identifier: Apache-2.0
 *
 * Pubsub's messages, byte for byte as the SDKs write and read them.
 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/momento_pubsub.h"
#include "tests/wire.h"

static void check_written(struct buf *out, struct bytes expected)
{
    assert_false(out->failed);
    assert_int_equal(out->len, expected.len);
    assert_memory_equal(out->p, expected.p, expected.len);
    buf_fini(out);
}

static int read_publish(struct bytes in, struct buf *memory,
                        struct momento_publish *publish)
{
    buf_fini(memory);
    *memory = (struct buf){0};
    return momento_read_publish(in, memory, publish);
}

static void a_publish_is_text_or_binary_even_when_empty(void **state)
{
    struct momento_publish p;
    struct buf memory = {0};
    (void)state;

    assert_int_equal(read_publish(BYTES("\x0a\x01"
                                        "c\x12\x01"
                                        "t\x1a\x04\x0a\x02hi"),
                                  &memory, &p),
                     0);
    assert_bytes(p.cache, "c");
    assert_bytes(p.topic, "t");
    assert_bytes(p.value, "hi");
    assert_false(p.binary);
    assert_int_equal(read_publish(BYTES("\x1a\x03\x12\x01\xff"), &memory, &p),
                     0);
    assert_bytes(p.value, "\xff");
    assert_true(p.binary);
    assert_int_equal(p.cache.len, 0);
    assert_int_equal(read_publish(BYTES("\x1a\x02\x0a\x00"), &memory, &p), 0);
    assert_int_equal(p.value.len, 0);
    assert_false(p.binary);
    buf_fini(&memory);
}

static void a_publish_without_a_value_is_none(void **state)
{
    struct momento_publish p;
    struct buf memory = {0};
    (void)state;

    assert_int_equal(read_publish(BYTES(""), &memory, &p), ERR_ARGUMENT);
    assert_int_equal(read_publish(BYTES("\x1a\x00"), &memory, &p),
                     ERR_ARGUMENT);
    buf_fini(&memory);
}

static void a_zero_byte_is_part_of_names_and_texts(void **state)
{
    struct momento_publish p;
    struct buf memory = {0};
    (void)state;

    assert_int_equal(read_publish(BYTES("\x12\x03"
                                        "a\0b\x1a\x05\x0a\x03x\0y"),
                                  &memory, &p),
                     0);
    assert_int_equal(p.topic.len, 3);
    assert_int_equal(p.value.len, 3);
    assert_memory_equal(p.value.p, "x\0y", 3);
    buf_fini(&memory);
}

static void what_a_newer_client_adds_is_skipped(void **state)
{
    struct momento_publish p;
    struct buf memory = {0};
    (void)state;

    assert_int_equal(read_publish(BYTES("\x1a\x03\x0a\x01x\xa2\x06\x01z\x78"
                                        "\x05"),
                                  &memory, &p),
                     0);
    assert_bytes(p.value, "x");
    buf_fini(&memory);
}

static ptrdiff_t read_any(struct bytes in)
{
    struct momento_publish publish;
    struct momento_subscribe subscribe;
    struct buf memory = {0};
    struct buf other = {0};

    int rc = momento_read_publish(in, &memory, &publish);
    assert_true(rc == 0 || rc == ERR_SYNTAX || rc == ERR_ARGUMENT);
    rc = momento_read_subscribe(in, &other, &subscribe);
    assert_true(rc == 0 || rc == ERR_SYNTAX);
    buf_fini(&memory);
    buf_fini(&other);
    return 0;
}

static void broken_messages_are_refused(void **state)
{
    static const struct bytes cases[] = {
        BYTES("\x0a"),             /* no length */
        BYTES("\x0a\x05"           /* shorter than it says */
              "ab"),               /* */
        BYTES("\x1a\x02\x0a\x01"), /* the same inside */
        BYTES("\x0b"),             /* a group */
        BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        BYTES("\x00\x01"), /* field 0 */
    };
    struct momento_publish p;
    struct buf memory = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(read_publish(cases[i], &memory, &p), ERR_SYNTAX);
    }
    buf_fini(&memory);
    wire_check_changes(read_any, BYTES("\x0a\x01"
                                       "c\x12\x01"
                                       "t\x1a\x04\x0a\x02hi\x18\x05\x20\x07"));
}

/* Half a million fields that mean nothing would cost sixty times their length
 * and as many allocations. */
static void a_message_of_many_empty_fields_finds_no_room(void **state)
{
    struct buf in = {0};
    struct buf memory = {0};
    struct momento_publish p;
    (void)state;

    for (int i = 0; i < 500000; i++) {
        buf_add(&in, "\xa2\x06\x00", 3);
    }
    assert_int_equal(read_publish(buf_bytes(&in), &memory, &p), ERR_SYNTAX);
    assert_true(memory.cap < 4 * in.len);
    buf_fini(&in);
    buf_fini(&memory);
}

static void a_large_value_needs_little_more_than_itself(void **state)
{
    enum {
        LEN = 1 << 20
    };
    struct buf in = {0};
    struct buf memory = {0};
    struct momento_publish p;
    uint8_t *value = calloc(1, LEN);
    (void)state;

    buf_add(&in, "\x1a\x84\x80\x40\x12\x80\x80\x40", 8);
    buf_add(&in, value, LEN);
    assert_int_equal(read_publish(buf_bytes(&in), &memory, &p), 0);
    assert_int_equal(p.value.len, LEN);
    free(value);
    buf_fini(&in);
    buf_fini(&memory);
}

static void a_subscribe_says_where_to_begin(void **state)
{
    struct momento_subscribe s;
    struct buf memory = {0};
    (void)state;

    assert_int_equal(
        momento_read_subscribe(
            BYTES("\x0a\x07mycache\x12\x07mytopic\x18\x08\x20\x90\xf8\x88\xd8"
                  "\x06"),
            &memory, &s),
        0);
    assert_bytes(s.cache, "mycache");
    assert_bytes(s.topic, "mytopic");
    assert_int_equal(s.resume_at, 8);
    assert_int_equal(s.page, 1795308560);
    buf_fini(&memory);
}

static void items_are_what_the_sdk_reads(void **state)
{
    struct buf out = {0};
    struct item item = {.value = BYTES("hello")};
    (void)state;

    momento_write_item(&out, &item, 1795308560, 1);
    check_written(&out, BYTES("\x0a\x11\x08\x01\x12\x07\x0a\x05hello\x20\x90"
                              "\xf8\x88\xd8\x06"));
    item.publisher = BYTES("bob");
    item.flags = ITEM_BINARY;
    item.value = BYTES("\0\xff");
    momento_write_item(&out, &item, 3, 300);
    check_written(&out, BYTES("\x0a\x10\x08\xac\x02\x12\x04\x12\x02\0\xff\x1a"
                              "\x03"
                              "bob\x20\x03"));
}

static void an_empty_value_still_says_what_it_is(void **state)
{
    struct buf out = {0};
    struct item item = {0};
    (void)state;

    momento_write_item(&out, &item, 1, 2);
    check_written(&out, BYTES("\x0a\x08\x08\x02\x12\x02\x0a\0\x20\x01"));
    item.flags = ITEM_BINARY;
    momento_write_item(&out, &item, 1, 2);
    check_written(&out, BYTES("\x0a\x08\x08\x02\x12\x02\x12\0\x20\x01"));
}

static void gaps_and_beats_are_what_the_sdk_reads(void **state)
{
    struct buf out = {0};
    (void)state;

    momento_write_gap(&out, 7, 2, 5);
    check_written(&out, BYTES("\x12\x06\x08\x02\x10\x05\x18\x07"));
    momento_write_heartbeat(&out);
    check_written(&out, BYTES("\x1a\0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publish_is_text_or_binary_even_when_empty),
        cmocka_unit_test(a_publish_without_a_value_is_none),
        cmocka_unit_test(a_zero_byte_is_part_of_names_and_texts),
        cmocka_unit_test(what_a_newer_client_adds_is_skipped),
        cmocka_unit_test(broken_messages_are_refused),
        cmocka_unit_test(a_message_of_many_empty_fields_finds_no_room),
        cmocka_unit_test(a_large_value_needs_little_more_than_itself),
        cmocka_unit_test(a_subscribe_says_where_to_begin),
        cmocka_unit_test(items_are_what_the_sdk_reads),
        cmocka_unit_test(an_empty_value_still_says_what_it_is),
        cmocka_unit_test(gaps_and_beats_are_what_the_sdk_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
