/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdlib.h>

#include "proto/item_wire.h"
#include "proto/mp.h"

static const uint64_t numbers[] = {
    0,     1,     127,     128,         255,          256,
    65535, 65536, 1 << 20, 0xffffffffu, 0x100000000u, UINT64_MAX};

static uint8_t text[70000];

static struct item item_of(size_t i)
{
    static const size_t names[] = {1, 31, 32, 64};
    static const size_t values[] = {0, 1, 255, 256, 65535, 65536};

    memset(text, 'x', sizeof text);
    return (struct item){
        .cache = bytes_of(text, names[i % 4]),
        .topic = bytes_of(text, 4 * names[(i + 1) % 4] + i),
        .publisher = bytes_of(text, i % 2 * names[(i + 2) % 4]),
        .attrs = bytes_of(text, i % 3 * 130),
        .value = bytes_of(text, values[i % 6]),
        .hash = numbers[i % 12],
        .origin = numbers[(i + 1) % 12],
        .count = numbers[(i + 3) % 12],
        .conn = numbers[(i + 5) % 12],
        .at_ms = numbers[(i + 8) % 12],
        .flags = (uint8_t)(i % (ITEM_FLAGS_KNOWN + 1)),
    };
}

static void is_same(const struct item *a, const struct item *b)
{
    assert_true(bytes_eq(a->cache, b->cache) && bytes_eq(a->topic, b->topic) &&
                bytes_eq(a->publisher, b->publisher) &&
                bytes_eq(a->attrs, b->attrs) && bytes_eq(a->value, b->value));
    assert_true(a->hash == b->hash && a->origin == b->origin &&
                a->count == b->count && a->conn == b->conn &&
                a->at_ms == b->at_ms && a->flags == b->flags);
}

/* Without room for the most it could be, item_write() lets msgpack-c do it. */
static void it_is_what_msgpack_writes(void **state)
{
    (void)state;

    for (size_t i = 0; i < 12 * 12; i++) {
        struct item item = item_of(i);
        struct item back;
        struct buf slow = {0};
        item_write(&item, &slow);
        uint8_t *fast = malloc(item_wire_room(&item));
        size_t len = (size_t)(item_wire_write(&item, fast) - fast);
        assert_true(bytes_eq(bytes_of(fast, len), buf_bytes(&slow)));
        assert_int_equal(item_wire_read(bytes_of(fast, len), &back), len);
        is_same(&back, &item);
        assert_int_equal(item_read(bytes_of(fast, len), &back), len);
        is_same(&back, &item);
        assert_true(bytes_eq(back.wire, bytes_of(fast, len)));
        free(fast);
        buf_fini(&slow);
    }
}

/* Nothing behind the end is looked at, and no part passes for the whole. */
static void no_part_of_it_is_read(void **state)
{
    struct item item = item_of(1);
    struct item back;
    struct buf out = {0};
    (void)state;

    item.value = bytes_of(text, 300);
    item_write(&item, &out);
    for (size_t len = 0; len < out.len; len++) {
        uint8_t *part = malloc(len + (len == 0));
        memcpy(part, out.p, len);
        assert_int_equal(item_wire_read(bytes_of(part, len), &back), 0);
        assert_int_equal(item_read(bytes_of(part, len), &back), 0);
        free(part);
    }
    buf_fini(&out);
}

/* One more field, and a head that is longer than it need be. */
static void other_shapes_are_left_to_item_read(void **state)
{
    struct item item = item_of(1);
    struct item back;
    struct buf out = {0};
    (void)state;

    item_write(&item, &out);
    mp_put_u64(&out, 6); /* marks that nobody knows */
    out.p[0]++;
    assert_int_equal(item_wire_read(buf_bytes(&out), &back), 0);
    assert_int_equal(item_read(buf_bytes(&out), &back), out.len);
    is_same(&back, &item);
    out.len--;
    out.p[0] = 0xdd;
    memmove(out.p + 5, out.p + 1, out.len - 1);
    memcpy(out.p + 1, "\0\0\0\x0b", 4);
    out.len += 4;
    assert_int_equal(item_wire_read(buf_bytes(&out), &back), 0);
    assert_int_equal(item_read(buf_bytes(&out), &back), out.len);
    is_same(&back, &item);
    out.p[5] = 0xc0; /* the flags: nil */
    assert_int_equal(item_wire_read(buf_bytes(&out), &back), 0);
    assert_true(item_read(buf_bytes(&out), &back) < 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_msgpack_writes),
        cmocka_unit_test(no_part_of_it_is_read),
        cmocka_unit_test(other_shapes_are_left_to_item_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
