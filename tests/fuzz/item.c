/* SPDX-License-Identifier: Apache-2.0
 *
 * Items as nodes send them, with their attributes. What is read, written anew,
 * is read as the same.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/item.h"

static void check_item(struct bytes in, const struct item *item)
{
    const struct bytes slices[] = {item->cache,     item->topic, item->value,
                                   item->publisher, item->attrs, item->wire};

    for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
        assert(fuzz_inside(slices[i], in));
    }
    assert(item->attrs.len <= ITEM_ATTRS_LEN_MAX);
    assert(item->publisher.len <= ITEM_PUBLISHER_LEN_MAX);
}

static void check_same(const struct item *a, const struct item *b)
{
    assert(bytes_eq(a->cache, b->cache) && bytes_eq(a->topic, b->topic));
    assert(bytes_eq(a->value, b->value) && bytes_eq(a->attrs, b->attrs));
    assert(bytes_eq(a->publisher, b->publisher) && a->hash == b->hash);
    assert(a->origin == b->origin && a->count == b->count);
    assert(a->conn == b->conn && a->at_ms == b->at_ms && a->flags == b->flags);
}

static ptrdiff_t read_item(struct bytes in)
{
    struct item item;
    struct item again;
    struct buf out = {0};
    ptrdiff_t taken = item_read(in, &item);

    if (taken > 0) {
        check_item(in, &item);
        assert(item.wire.len == (size_t)taken);
        struct item plain = item;
        plain.wire = (struct bytes){0};
        item_write(&plain, &out);
        assert(item_read(buf_bytes(&out), &again) == (ptrdiff_t)out.len);
        check_same(&item, &again);
        assert(out.len <= item.value.len + item.attrs.len + item.cache.len +
                              item.topic.len + item.publisher.len +
                              ITEM_OVERHEAD_MAX);
    }
    buf_fini(&out);
    return taken;
}

/* Attributes written from what was read are the same bytes when written from
 * what was read of them. */
static void check_attrs(struct bytes block)
{
    struct item_attrs attrs;
    struct item_attrs again;
    struct buf first = {0};
    struct buf second = {0};

    if (item_attrs_read(block, &attrs) == 0) {
        assert(fuzz_inside(attrs.event, block) && fuzz_inside(attrs.id, block));
        assert(fuzz_inside(attrs.content_type, block));
        assert(fuzz_inside(attrs.reply_to, block));
        assert(fuzz_inside(attrs.correlation, block));
        assert(attrs.user_len <= ITEM_USER_PROPERTIES_MAX);
        assert(item_attrs_write(&attrs, &first) == 0);
        assert(item_attrs_read(buf_bytes(&first), &again) == 0);
        assert(item_attrs_write(&again, &second) == 0);
        assert(bytes_eq(buf_bytes(&first), buf_bytes(&second)));
    }
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);
    struct item item;

    check_attrs(in);
    while (fuzz_check_cuts(read_item, in) > 0) {
        in = bytes_skip(in, (size_t)item_read(in, &item));
        check_attrs(item.attrs);
    }
    return 0;
}
