/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <jansson.h>

#include "proto/err.h"
#include "proto/mp.h"
#include "proto/native.h"

static struct buf memory;
static struct native_command command;

static int read_json(const char *text)
{
    return native_read(NATIVE_JSON, bytes_str(text), &command, &memory);
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&memory);
    return 0;
}

static void a_json_command_carries_its_fields(void **state)
{
    (void)state;

    assert_int_equal(
        read_json("{\"op\":\"subscribe\",\"id\":7,\"cache\":\"demo\","
                  "\"topic\":\"caf\\u00e9\",\"page\":9007199254740991,"
                  "\"seq\":5,\"echo\":false,\"barrier\":\"all\",\"new\":[1]}"),
        0);
    assert_int_equal(command.op, NATIVE_SUBSCRIBE);
    assert_int_equal(command.id, 7);
    assert_bytes(command.cache, "demo");
    assert_bytes(command.topic, "caf\xc3\xa9");
    assert_true(command.resume);
    assert_true(command.no_echo);
    assert_true(command.barrier_all);
    assert_int_equal(command.page, 9007199254740991);
    assert_int_equal(command.seq, 5);
}

static void a_value_is_text_or_data(void **state)
{
    (void)state;

    assert_int_equal(read_json("{\"op\":\"publish\",\"cache\":\"c\",\"topic\":"
                               "\"t\",\"text\":\"a\\u0000b\"}"),
                     0);
    assert_int_equal(command.value.len, 3);
    assert_memory_equal(command.value.p, "a\0b", 3);
    assert_false(command.binary);
    assert_int_equal(read_json("{\"op\":\"publish\",\"cache\":\"c\",\"topic\":"
                               "\"t\",\"data\":\"/wA=\",\"event\":\"e\"}"),
                     0);
    assert_memory_equal(command.value.p, "\xff\0", 2);
    assert_true(command.binary);
    assert_bytes(command.attrs.event, "e");
    assert_int_equal(
        read_json("{\"op\":\"publish\",\"cache\":\"c\",\"topic\":\"t\","
                  "\"text\":\"\"}"),
        0);
    assert_true(command.has_value);
}

static void wrong_json_is_refused_and_keeps_the_id(void **state)
{
    static const struct {
        const char *text;
        int rc;
    } cases[] = {
        {"", ERR_SYNTAX},
        {"[]", ERR_SYNTAX},
        {"{", ERR_SYNTAX},
        {"{\"op\":\"ping\"} x", ERR_SYNTAX},
        {"{\"id\":3}", ERR_ARGUMENT},
        {"{\"id\":3,\"op\":\"fly\"}", ERR_ARGUMENT},
        {"{\"id\":3,\"op\":7}", ERR_ARGUMENT},
        {"{\"id\":3,\"id\":4,\"op\":\"ping\"}", ERR_SYNTAX},
        {"{\"id\":-1,\"op\":\"ping\"}", ERR_SYNTAX},
        {"{\"id\":9007199254740992,\"op\":\"ping\"}", ERR_SYNTAX},
        {"{\"id\":1.5,\"op\":\"ping\"}", ERR_SYNTAX},
        {"{\"op\":\"ping\",\"cache\":5}", ERR_SYNTAX},
        {"{\"op\":\"subscribe\",\"cache\":\"c\",\"topic\":\"t\"}",
         ERR_ARGUMENT},
        {"{\"op\":\"publish\",\"id\":1}", ERR_ARGUMENT},
        {"{\"op\":\"publish\",\"text\":\"a\",\"data\":\"YQ==\"}", ERR_ARGUMENT},
        {"{\"op\":\"publish\",\"data\":\"!\"}", ERR_SYNTAX},
        {"{\"op\":\"publish\",\"text\":\"a\",\"receipt\":true}", ERR_ARGUMENT},
        {"{\"op\":\"publish\",\"text\":\"\\ud800\"}", ERR_SYNTAX},
        {"{\"op\":\"publish\",\"text\":NaN}", ERR_SYNTAX},
        {"{\"op\":\"auth\"}", ERR_ARGUMENT},
        {"{\"op\":\"subscribe\",\"id\":1,\"barrier\":\"x\"}", ERR_ARGUMENT},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (read_json(cases[i].text) != cases[i].rc) {
            fail_msg("case %zu: %s", i, cases[i].text);
        }
    }
    assert_int_equal(read_json("{\"id\":3,\"op\":\"fly\"}"), ERR_ARGUMENT);
    assert_true(command.has_id);
    assert_int_equal(command.id, 3);
}

/* ADVERSARIAL D14: depth is bounded before the parser recurses. */
static void deep_json_is_refused(void **state)
{
    char text[20000] = "{\"op\":\"ping\",\"x\":";
    (void)state;

    memset(text + strlen(text), '[', 10000);
    assert_int_equal(read_json(text), ERR_SYNTAX);
    assert_int_equal(read_json("{\"op\":\"ping\",\"x\":\"[[[[[[[[[[[[[[[[[[[["
                               "[[[[[[[[[[[[[[[[[[[[[[[\"}"),
                     0);
}

static void msgpack_says_the_same(void **state)
{
    static const uint8_t publish[] = "\x84\xa2op\xa7publish\xa5"
                                     "cache\xa1"
                                     "c\xa5topic\xa1t\xa4"
                                     "data\xc4\x02\xff\x00";
    struct bytes whole = bytes_of(publish, sizeof publish - 1);
    (void)state;

    assert_int_equal(native_read(NATIVE_MSGPACK, whole, &command, &memory), 0);
    assert_int_equal(command.op, NATIVE_PUBLISH);
    assert_bytes(command.topic, "t");
    assert_true(command.binary);
    assert_int_equal(command.value.len, 2);
    for (size_t cut = 0; cut < whole.len; cut++) {
        assert_true(native_read(NATIVE_MSGPACK, bytes_of(publish, cut),
                                &command, &memory) < 0);
    }
}

static void msgpack_text_must_be_text(void **state)
{
    static const uint8_t bad[] = "\x82\xa2op\xa4ping\xa4"
                                 "text\xa1\xff";
    static const uint8_t huge[] = "\xdf\xff\xff\xff\xff";
    (void)state;

    assert_int_equal(native_read(NATIVE_MSGPACK, bytes_of(bad, sizeof bad - 1),
                                 &command, &memory),
                     ERR_UTF8);
    assert_true(native_read(NATIVE_MSGPACK, bytes_of(huge, sizeof huge - 1),
                            &command, &memory) < 0);
}

static void frames_are_exact_json(void **state)
{
    struct native_position position = {BYTES("c"), BYTES("a\"b"), 77,
                                       3,          true,          false};
    struct item item = {.cache = BYTES("c"),
                        .topic = BYTES("t"),
                        .value = BYTES("hi\n"),
                        .origin = 0xab,
                        .at_ms = 12,
                        .publisher = BYTES("ann")};
    struct buf out = {0};
    (void)state;

    native_write_subscribed(NATIVE_JSON, 1, &position, &out);
    assert_bytes(buf_bytes(&out),
                 "{\"op\":\"subscribed\",\"id\":1,\"cache\":\"c\",\"topic\":"
                 "\"a\\\"b\",\"page\":77,\"seq\":3,\"resumed\":true,"
                 "\"partial\":false}");
    buf_reset(&out);
    native_write_item(NATIVE_JSON, &item, 77, 4, &out);
    assert_bytes(buf_bytes(&out),
                 "{\"op\":\"item\",\"cache\":\"c\",\"topic\":\"t\",\"page\":77,"
                 "\"seq\":4,\"origin\":\"00000000000000ab\",\"at\":12,"
                 "\"publisher\":\"ann\",\"text\":\"hi\\n\"}");
    buf_reset(&out);
    native_write_error(NATIVE_JSON, NULL, ERR_DENIED, BYTES("no \"x\""), &out);
    assert_bytes(buf_bytes(&out),
                 "{\"op\":\"error\",\"code\":4030,\"error\":\"DENIED\","
                 "\"message\":\"no \\\"x\\\"\"}");
    buf_fini(&out);
}

/* Most of what goes out: numbers in the shortest form, and no names. */
static void a_msgpack_item_has_no_names(void **state)
{
    struct item item = {.cache = BYTES("c"),
                        .topic = BYTES("t"),
                        .value = BYTES("hi"),
                        .origin = 0xab,
                        .at_ms = 300};
    struct item_attrs attrs = {.event = BYTES("e")};
    struct buf encoded = {0};
    struct buf out = {0};
    static const uint8_t plain[] = "\x98\xa1"
                                   "c\xa1"
                                   "t\x4d\x04\xc4\x08\0\0\0\0\0\0\0\xab"
                                   "\xcd\x01\x2c\xa0\xa2hi";
    static const uint8_t full[] = "\x99\xa1"
                                  "c\xa1"
                                  "t\x4d\x04\xc4\x08\0\0\0\0\0\0\0\xab"
                                  "\xcd\x01\x2c\xa3"
                                  "ann\xc4\x02hi\x81\xa5"
                                  "event\xa1"
                                  "e";
    (void)state;

    native_write_item(NATIVE_MSGPACK, &item, 77, 4, &out);
    assert_int_equal(out.len, sizeof plain - 1);
    assert_memory_equal(out.p, plain, sizeof plain - 1);
    buf_reset(&out);
    assert_int_equal(item_attrs_write(&attrs, &encoded), 0);
    item.attrs = buf_bytes(&encoded);
    item.publisher = BYTES("ann");
    item.flags = ITEM_BINARY;
    native_write_item(NATIVE_MSGPACK, &item, 77, 4, &out);
    assert_int_equal(out.len, sizeof full - 1);
    assert_memory_equal(out.p, full, sizeof full - 1);
    buf_fini(&out);
    buf_fini(&encoded);
}

/* Every frame of both formats is complete: the map holds as many fields as its
 * head says, and the JSON parses. */
static void every_frame_is_whole_in_both_formats(void **state)
{
    struct item_attrs attrs = {.event = BYTES("e"), .retry_ms = 5};
    struct item item = {.cache = BYTES("c"),
                        .topic = BYTES("t"),
                        .value = BYTES("\xff"),
                        .flags = ITEM_BINARY};
    struct native_position position = {BYTES("c"), BYTES("t"), 1, 2, 0, 0};
    struct native_command c = {.has_id = true, .id = 4, .cache = BYTES("c")};
    struct buf encoded = {0};
    (void)state;

    assert_int_equal(item_attrs_write(&attrs, &encoded), 0);
    item.attrs = buf_bytes(&encoded);
    for (int f = NATIVE_JSON; f <= NATIVE_MSGPACK; f++) {
        enum native_format format = (enum native_format)f;
        for (int kind = 0; kind < 9; kind++) {
            struct buf out = {0};
            switch (kind) {
            case 0:
                native_write_welcome(format, BYTES("n"), BYTES("r"), 1, true,
                                     &out);
                break;
            case 1:
                native_write_subscribed(format, 1, &position, &out);
                break;
            case 2:
                native_write_unsubscribed(format, &c, &out);
                break;
            case 3:
                native_write_item(format, &item, 1, 2, &out);
                break;
            case 4:
                native_write_gap(format, BYTES("c"), BYTES("t"), 1, 2, 3, &out);
                break;
            case 5:
                native_write_published(format, 1, 2, 3, true, &out);
                break;
            case 6:
                native_write_answer(format, "pong", &c, &out);
                break;
            case 7:
                native_write_ended(format, BYTES("c"), BYTES("t"), ERR_EXPIRED,
                                   BYTES("m"), &out);
                break;
            default:
                native_write_error(format, &c, ERR_LIMIT, BYTES("m"), &out);
                break;
            }
            assert_false(out.failed);
            if (format == NATIVE_JSON) {
                json_t *root = json_loadb((char *)out.p, out.len,
                                          JSON_REJECT_DUPLICATES, NULL);
                assert_non_null(root);
                json_decref(root);
            } else {
                /* no command, but one whole value */
                struct mp mp = mp_of(buf_bytes(&out));
                mp_skip(&mp);
                assert_int_equal(mp_outcome(&mp), out.len);
                assert_int_equal(
                    native_read(format, buf_bytes(&out), &command, &memory),
                    kind == 3 ? ERR_SYNTAX : ERR_ARGUMENT);
            }
            buf_fini(&out);
        }
    }
    buf_fini(&encoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_json_command_carries_its_fields, teardown),
        cmocka_unit_test_teardown(a_value_is_text_or_data, teardown),
        cmocka_unit_test_teardown(wrong_json_is_refused_and_keeps_the_id,
                                  teardown),
        cmocka_unit_test_teardown(deep_json_is_refused, teardown),
        cmocka_unit_test_teardown(msgpack_says_the_same, teardown),
        cmocka_unit_test_teardown(msgpack_text_must_be_text, teardown),
        cmocka_unit_test_teardown(frames_are_exact_json, teardown),
        cmocka_unit_test_teardown(a_msgpack_item_has_no_names, teardown),
        cmocka_unit_test_teardown(every_frame_is_whole_in_both_formats,
                                  teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
