/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <msgpack.h>

#include "proto/err.h"
#include "proto/item.h"
#include "proto/mp.h"
#include "proto/topic.h"
#include "tests/wire.h"

static struct item sample(void)
{
    return (struct item){
        .cache = BYTES("demo"),
        .topic = BYTES("caf\xc3\xa9/1"),
        .value = BYTES("hello"),
        .hash = 0x0123456789abcdefu,
        .origin = UINT64_MAX,
        .count = 7,
        .conn = 300,
        .at_ms = 1795325066123,
        .publisher = BYTES("alice"),
        .attrs = BYTES("\x06\x0a"), /* expiry 10 ms */
    };
}

static ptrdiff_t read_item(struct bytes in)
{
    struct item item;
    return item_read(in, &item);
}

static ptrdiff_t read_attrs(struct bytes in)
{
    struct item_attrs attrs;
    int rc = item_attrs_read(in, &attrs);
    return rc != 0 ? rc : (ptrdiff_t)in.len;
}

/* --- items --- */

static void an_item_comes_back_as_it_went(void **state)
{
    struct buf out = {0};
    struct item item = sample();
    struct item back;
    (void)state;

    item_write(&item, &out);
    assert_false(out.failed);
    assert_int_equal(item_read(buf_bytes(&out), &back), out.len);
    assert_true(bytes_eq(back.cache, item.cache));
    assert_true(bytes_eq(back.topic, item.topic));
    assert_true(bytes_eq(back.value, item.value));
    assert_true(bytes_eq(back.publisher, item.publisher));
    assert_true(bytes_eq(back.attrs, item.attrs));
    assert_true(bytes_eq(back.wire, buf_bytes(&out)));
    assert_true(back.hash == item.hash && back.origin == item.origin);
    assert_true(back.count == item.count && back.conn == item.conn);
    assert_true(back.at_ms == item.at_ms && back.flags == item.flags);
    buf_fini(&out);
}

static void an_item_borrows_and_a_relayed_one_is_copied(void **state)
{
    struct buf out = {0};
    struct buf again = {0};
    struct item item = sample();
    struct item back;
    (void)state;

    item_write(&item, &out);
    item_read(buf_bytes(&out), &back);
    assert_true(back.value.p > out.p && back.value.p < out.p + out.len);
    back.value = BYTES("not looked at: the wire form is there");
    item_write(&back, &again);
    assert_true(bytes_eq(buf_bytes(&out), buf_bytes(&again)));
    buf_fini(&out);
    buf_fini(&again);
}

static void cuts_ask_for_more_and_changes_do_no_harm(void **state)
{
    struct buf out = {0};
    struct item item = sample();
    (void)state;

    item_write(&item, &out);
    wire_check_cuts(read_item, buf_bytes(&out));
    wire_check_changes(read_item, buf_bytes(&out));
    buf_fini(&out);
}

static void items_follow_one_another(void **state)
{
    struct buf out = {0};
    struct item item = sample();
    size_t n = 0;
    (void)state;

    for (item.count = 1; item.count <= 100; item.count++) {
        item_write(&item, &out);
    }
    for (struct bytes in = buf_bytes(&out); in.len > 0; n++) {
        struct item back;
        ptrdiff_t taken = item_read(in, &back);
        assert_true(taken > 0);
        assert_int_equal(back.count, n + 1);
        in = bytes_skip(in, (size_t)taken);
    }
    assert_int_equal(n, 100);
    buf_fini(&out);
}

static void names_and_text_are_checked_as_at_a_door(void **state)
{
    static const struct {
        struct item item;
        int err;
    } cases[] = {
        {{.cache = BYTES("a/b"), .topic = BYTES("t")}, ERR_NAME},
        {{.cache = BYTES(""), .topic = BYTES("t")}, ERR_NAME},
        {{.cache = BYTES("c"), .topic = BYTES("")}, ERR_NAME},
        {{.cache = BYTES("c"), .topic = BYTES("a\r\nb")}, ERR_NAME},
        {{.cache = BYTES("c"), .topic = BYTES("\xff")}, ERR_NAME},
        {{.cache = BYTES("c"), .topic = BYTES("t"), .value = BYTES("\xff")},
         ERR_UTF8},
        {{.cache = BYTES("c"), .topic = BYTES("t"), .publisher = BYTES("\xff")},
         ERR_UTF8},
        {{.cache = BYTES("c"),
          .topic = BYTES("t"),
          .value = BYTES("\xff\0"),
          .flags = ITEM_BINARY},
         0},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        item_write(&cases[i].item, &out);
        ptrdiff_t rc = read_item(buf_bytes(&out));
        assert_int_equal(rc, cases[i].err == 0 ? (int)out.len : cases[i].err);
        buf_fini(&out);
    }
}

/* The fields of an item, one of them replaced. */
enum field {
    HEAD,
    FLAGS,
    HASH,
    CACHE = 7,
    PUBLISHER = 9,
    ATTRS,
    VALUE,
    END
};

static void put_fields(struct buf *out, uint32_t count, enum field wrong,
                       struct bytes instead)
{
    mp_put_array(out, count);
    for (uint32_t i = FLAGS; i <= count; i++) {
        if (i == wrong) {
            buf_add_bytes(out, instead);
        } else if (i < CACHE) {
            mp_put_u64(out, 1);
        } else if (i < ATTRS) {
            mp_put_str(out, BYTES("x"));
        } else if (i <= VALUE) {
            mp_put_bin(out, BYTES(""));
        } else {
            mp_put_u64(out, 0);
        }
    }
}

static void each_wrong_field_is_refused(void **state)
{
    static const struct {
        enum field field;
        struct bytes instead;
    } cases[] = {
        {FLAGS, BYTES("\x04")}, /* unknown: may restrict who sees it */
        {FLAGS, BYTES("\xc3")},
        {HASH, BYTES("\xff")}, /* negative */
        {HASH, BYTES("\xcb\0\0\0\0\0\0\0\0")},
        {CACHE, BYTES("\xd9\x41")},  /* 65 bytes */
        {CACHE, BYTES("\xc4\1x")},   /* binary */
        {CACHE, BYTES("\x91\xa1x")}, /* an array */
        {PUBLISHER, BYTES("\xd9\x81")},
        {ATTRS, BYTES("\xc5\x10\x01")}, /* 4097 bytes */
        {ATTRS, BYTES("\xa0")},
        {VALUE, BYTES("\xc6\xff\xff\xff\xff")},
        {VALUE, BYTES("\xa1x")},
        {VALUE, BYTES("\xc0")},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        put_fields(&out, 11, cases[i].field, cases[i].instead);
        if (read_item(buf_bytes(&out)) != ERR_SYNTAX) {
            fail_msg("case %zu", i);
        }
        buf_fini(&out);
    }
    assert_int_equal(read_item(BYTES("\x80")), ERR_SYNTAX);
    assert_int_equal(read_item(BYTES("\x9a")), ERR_SYNTAX);
    assert_int_equal(read_item(BYTES("\x90")), ERR_SYNTAX);
    assert_int_equal(read_item(BYTES("\xc1")), ERR_SYNTAX);
}

static void what_a_newer_node_added_is_skipped(void **state)
{
    struct buf out = {0};
    (void)state;

    put_fields(&out, 13, 13,
               BYTES("\x82\xa1k\x92\1\xc0\2\xcb\0\0\0\0\0\0\0\0"));
    assert_int_equal(read_item(buf_bytes(&out)), out.len);
    assert_int_equal(read_item(bytes_of(out.p, out.len - 1)), 0);
    buf_fini(&out);
}

/* The field of marks, its number or what else stands there. */
static void marks_restrict_nothing_and_unknown_ones_are_skipped(void **state)
{
    static const struct {
        uint32_t fields;
        struct bytes twelfth;
        uint8_t flags;
    } cases[] = {
        {12, BYTES("\0"), 1},
        {12, BYTES("\1"), 1 | ITEM_TRACE},
        {12, BYTES("\2"), 1},
        {12, BYTES("\x7f"), 1 | ITEM_TRACE},
        {12, BYTES("\xc3"), 1},
        {12, BYTES("\xa1x"), 1},
        {14, BYTES("\1"), 1 | ITEM_TRACE},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        struct item item;
        put_fields(&out, cases[i].fields, 12, cases[i].twelfth);
        assert_int_equal(item_read(buf_bytes(&out), &item), out.len);
        assert_int_equal(item.flags, cases[i].flags);
        buf_fini(&out);
    }
}

/* A node of an earlier version takes eleven fields and skips the rest; as a
 * relay it passes on what it read. */
static void a_traced_item_is_an_item_and_one_field_more(void **state)
{
    struct item item = sample();
    struct item back;
    struct buf plain = {0};
    struct buf traced = {0};
    struct buf relayed = {0};
    (void)state;

    item_write(&item, &plain);
    item.flags |= ITEM_TRACE;
    assert_non_null(buf_reserve(&traced, 4096)); /* room for the short way */
    item_write(&item, &traced);
    assert_int_equal(plain.p[0], 0x9b);
    assert_int_equal(traced.p[0], 0x9c);
    assert_int_equal(traced.len, plain.len + 1);
    assert_memory_equal(traced.p + 1, plain.p + 1, plain.len - 1);
    assert_int_equal(item_read(buf_bytes(&traced), &back), traced.len);
    assert_int_equal(back.flags, item.flags);
    item_write(&back, &relayed);
    assert_int_equal(relayed.len, traced.len);
    assert_memory_equal(relayed.p, traced.p, traced.len);
    buf_fini(&plain);
    buf_fini(&traced);
    buf_fini(&relayed);
}

/* An independent reader of the same bytes. */
static void the_wire_form_is_msgpack(void **state)
{
    struct buf out = {0};
    struct item item = sample();
    msgpack_unpacked got;
    size_t off = 0;
    (void)state;

    item_write(&item, &out);
    msgpack_unpacked_init(&got);
    assert_int_equal(
        msgpack_unpack_next(&got, (const char *)out.p, out.len, &off),
        MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(off, out.len);
    assert_int_equal(got.data.type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(got.data.via.array.size, 11);
    assert_true(got.data.via.array.ptr[2].via.u64 == UINT64_MAX);
    assert_int_equal(got.data.via.array.ptr[10].via.bin.size, 5);
    msgpack_unpacked_destroy(&got);
    buf_fini(&out);
}

static void the_overhead_stays_below_its_bound(void **state)
{
    struct buf out = {0};
    static char longest[TOPIC_LEN_MAX];
    struct item item = sample();
    (void)state;

    memset(longest, 'x', sizeof longest);
    item.hash = item.origin = item.count = item.conn = item.at_ms = UINT64_MAX;
    item.cache = bytes_of(longest, CACHE_LEN_MAX);
    item.topic = bytes_of(longest, TOPIC_LEN_MAX);
    item.publisher = bytes_of(longest, ITEM_PUBLISHER_LEN_MAX);
    item_write(&item, &out);
    assert_true(out.len <= item.cache.len + item.topic.len +
                               item.publisher.len + item.value.len +
                               item.attrs.len + ITEM_OVERHEAD_MAX);
    buf_fini(&out);
}

/* --- attributes --- */

static void attributes_come_back_as_they_went(void **state)
{
    struct buf out = {0};
    struct item_attrs attrs = {
        .event = BYTES("update"),
        .id = BYTES("42"),
        .content_type = BYTES("text/plain"),
        .reply_to = BYTES("replies/7"),
        .correlation = BYTES("\0\xff"),
        .expiry_ms = UINT32_MAX,
        .retry_ms = 1,
        .user_len = 2,
        .user_name = {BYTES("a"), BYTES("a")},
        .user_value = {BYTES("line\nline"), BYTES("")},
    };
    struct item_attrs back;
    (void)state;

    assert_int_equal(item_attrs_write(&attrs, &out), 0);
    assert_int_equal(item_attrs_read(buf_bytes(&out), &back), 0);
    assert_bytes(back.event, "update");
    assert_bytes(back.id, "42");
    assert_bytes(back.content_type, "text/plain");
    assert_bytes(back.reply_to, "replies/7");
    assert_true(bytes_eq(back.correlation, attrs.correlation));
    assert_int_equal(back.expiry_ms, UINT32_MAX);
    assert_int_equal(back.retry_ms, 1);
    assert_int_equal(back.user_len, 2);
    assert_bytes(back.user_name[1], "a");
    assert_bytes(back.user_value[0], "line\nline");
    assert_bytes(back.user_value[1], "");
    wire_check_changes(read_attrs, buf_bytes(&out));
    buf_fini(&out);
}

static void no_attributes_are_no_bytes(void **state)
{
    struct buf out = {0};
    struct item_attrs attrs = {.event = BYTES("stale")};
    struct item_attrs none = {0};
    (void)state;

    assert_int_equal(item_attrs_write(&none, &out), 0);
    assert_int_equal(out.len, 0);
    assert_int_equal(item_attrs_read(BYTES(""), &attrs), 0);
    assert_int_equal(attrs.event.len, 0);
    buf_fini(&out);
}

static void wrong_attributes_are_refused(void **state)
{
    static const struct {
        struct bytes block;
        int err;
    } cases[] = {
        {BYTES("\x01\xa1x"), 0},
        {BYTES("\x63\x92\1\xc0\x01\xa1x"), 0},     /* 99 is unknown: skipped */
        {BYTES("\x01\xa1x\x01\xa1x"), ERR_SYNTAX}, /* twice */
        {BYTES("\x01\xa0"), ERR_SYNTAX},           /* empty */
        {BYTES("\x01\xa1\n"), ERR_SYNTAX},         /* ADVERSARIAL D13 */
        {BYTES("\x02\xa1\xff"), ERR_SYNTAX},
        {BYTES("\x01\xc4\1x"), ERR_SYNTAX}, /* binary */
        {BYTES("\x05\xa1x"), ERR_SYNTAX},   /* text */
        {BYTES("\x06\x00"), ERR_SYNTAX},
        {BYTES("\x06\xcf\0\0\0\1\0\0\0\0"), ERR_SYNTAX},
        {BYTES("\x08\x93\xa1k\xa1v\1"), ERR_SYNTAX},
        {BYTES("\x08\x92\xa0\xa1v"), ERR_SYNTAX},
        {BYTES("\x08\x92\xa1k\xa1\xff"), ERR_SYNTAX},
        {BYTES("\x00\xa1x"), ERR_SYNTAX},
        {BYTES("\x01"), ERR_SYNTAX}, /* cut */
        {BYTES("\x01\xa2x"), ERR_SYNTAX},
        {BYTES("\xa1"
               "1"),
         ERR_SYNTAX},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct item_attrs attrs;
        if (item_attrs_read(cases[i].block, &attrs) != cases[i].err) {
            fail_msg("case %zu", i);
        }
    }
}

static void too_many_or_too_long_attributes_are_refused(void **state)
{
    struct buf out = {0};
    struct item_attrs attrs = {.user_len = ITEM_USER_PROPERTIES_MAX + 1};
    static uint8_t longer[ITEM_ATTRS_LEN_MAX + 1];
    (void)state;

    buf_add_str(&out, "before");
    assert_int_equal(item_attrs_write(&attrs, &out), ERR_TOO_BIG);
    attrs = (struct item_attrs){.correlation = bytes_of(longer, 4094)};
    assert_int_equal(item_attrs_write(&attrs, &out), ERR_TOO_BIG);
    assert_bytes(buf_bytes(&out), "before");
    buf_fini(&out);
    out.max = 300;
    buf_add_str(&out, "before");
    attrs.correlation.len = 1000;
    assert_int_equal(item_attrs_write(&attrs, &out), ERR_NOMEM);
    assert_bytes(buf_bytes(&out), "before");
    assert_false(out.failed);
    assert_int_equal(item_attrs_read(bytes_of(longer, sizeof longer), &attrs),
                     ERR_TOO_BIG);
    buf_reset(&out);
    for (int i = 0; i <= ITEM_USER_PROPERTIES_MAX; i++) {
        /* the key in two bytes: the same number all the same */
        buf_add_bytes(&out, BYTES("\xcc\x08\x92\xa1k\xa1v"));
    }
    assert_int_equal(item_attrs_read(buf_bytes(&out), &attrs), ERR_TOO_BIG);
    buf_drop(&out, 7);
    assert_int_equal(item_attrs_read(buf_bytes(&out), &attrs), 0);
    assert_int_equal(attrs.user_len, ITEM_USER_PROPERTIES_MAX);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_comes_back_as_it_went),
        cmocka_unit_test(an_item_borrows_and_a_relayed_one_is_copied),
        cmocka_unit_test(cuts_ask_for_more_and_changes_do_no_harm),
        cmocka_unit_test(items_follow_one_another),
        cmocka_unit_test(names_and_text_are_checked_as_at_a_door),
        cmocka_unit_test(each_wrong_field_is_refused),
        cmocka_unit_test(what_a_newer_node_added_is_skipped),
        cmocka_unit_test(marks_restrict_nothing_and_unknown_ones_are_skipped),
        cmocka_unit_test(a_traced_item_is_an_item_and_one_field_more),
        cmocka_unit_test(the_wire_form_is_msgpack),
        cmocka_unit_test(the_overhead_stays_below_its_bound),
        cmocka_unit_test(attributes_come_back_as_they_went),
        cmocka_unit_test(no_attributes_are_no_bytes),
        cmocka_unit_test(wrong_attributes_are_refused),
        cmocka_unit_test(too_many_or_too_long_attributes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
