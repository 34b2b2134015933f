/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/item.h"

#include <assert.h>

#include "proto/err.h"
#include "proto/item_wire.h"
#include "proto/mp.h"
#include "proto/topic.h"

/* The wire form: an array of these, in this order. A newer node may add some
 * behind, which are skipped. */
enum {
    FIELDS = 11,    /* flags, hash, origin, count, conn, at_ms, cache, topic,
                     * publisher, attributes, value */
    MARK_TRACE = 1, /* of a 12th field, the marks: only if there are any */
};

static_assert(ITEM_FLAGS_KNOWN == 3, "all values up to it are flags we know");

/* An attribute block: key, value, key, value ... to its end. */
enum attr {
    ATTR_EVENT = 1,
    ATTR_ID = 2,
    ATTR_CONTENT_TYPE = 3,
    ATTR_REPLY_TO = 4,
    ATTR_CORRELATION = 5, /* binary */
    ATTR_EXPIRY_MS = 6,   /* number */
    ATTR_RETRY_MS = 7,    /* number */
    ATTR_USER = 8,        /* [name, value], any number of times */
};

static void put_text(struct buf *out, enum attr key, struct bytes text)
{
    if (text.len > 0) {
        mp_put_u64(out, key);
        mp_put_str(out, text);
    }
}

static void put_number(struct buf *out, enum attr key, uint32_t number)
{
    if (number != 0) {
        mp_put_u64(out, key);
        mp_put_u64(out, number);
    }
}

static void put_attrs(struct buf *out, const struct item_attrs *attrs)
{
    put_text(out, ATTR_EVENT, attrs->event);
    put_text(out, ATTR_ID, attrs->id);
    put_text(out, ATTR_CONTENT_TYPE, attrs->content_type);
    put_text(out, ATTR_REPLY_TO, attrs->reply_to);
    if (attrs->correlation.len > 0) {
        mp_put_u64(out, ATTR_CORRELATION);
        mp_put_bin(out, attrs->correlation);
    }
    put_number(out, ATTR_EXPIRY_MS, attrs->expiry_ms);
    put_number(out, ATTR_RETRY_MS, attrs->retry_ms);
    for (size_t i = 0; i < attrs->user_len; i++) {
        mp_put_u64(out, ATTR_USER);
        mp_put_array(out, 2);
        mp_put_str(out, attrs->user_name[i]);
        mp_put_str(out, attrs->user_value[i]);
    }
}

int item_attrs_write(const struct item_attrs *attrs, struct buf *out)
{
    size_t before = out->len;
    int rc = 0;

    if (attrs->user_len > ITEM_USER_PROPERTIES_MAX) {
        return ERR_TOO_BIG;
    }
    if (out->failed) {
        return ERR_NOMEM;
    }
    put_attrs(out, attrs);
    if (out->failed) {
        rc = ERR_NOMEM;
    } else if (out->len - before > ITEM_ATTRS_LEN_MAX) {
        rc = ERR_TOO_BIG;
    }
    if (rc != 0) {
        out->len = before;
        out->failed = false;
    }
    return rc;
}

/* A text attribute is shown, compared and put into heads of other protocols:
 * it obeys the rules of names. Once only. */
static int take_text(struct mp *mp, struct bytes *text)
{
    bool first = text->len == 0;

    *text = mp_take_str(mp, TOPIC_LEN_MAX);
    return first && topic_is_valid(*text) ? 0 : ERR_SYNTAX;
}

static int take_correlation(struct mp *mp, struct bytes *data)
{
    bool first = data->len == 0;

    *data = mp_take_bin(mp, ITEM_ATTRS_LEN_MAX);
    return first && data->len > 0 ? 0 : ERR_SYNTAX;
}

static int take_number(struct mp *mp, uint32_t *number)
{
    bool first = *number == 0;

    *number = (uint32_t)mp_take_u64_max(mp, UINT32_MAX);
    return first && *number != 0 ? 0 : ERR_SYNTAX;
}

static int take_user(struct mp *mp, struct item_attrs *attrs)
{
    size_t i = attrs->user_len;

    if (i == ITEM_USER_PROPERTIES_MAX) {
        return ERR_TOO_BIG;
    }
    if (mp_take_array(mp) != 2) {
        return ERR_SYNTAX;
    }
    attrs->user_name[i] = mp_take_str(mp, TOPIC_LEN_MAX);
    attrs->user_value[i] = mp_take_str(mp, ITEM_ATTRS_LEN_MAX);
    attrs->user_len++;
    return topic_is_valid(attrs->user_name[i]) &&
                   topic_text_is_valid(attrs->user_value[i])
               ? 0
               : ERR_SYNTAX;
}

static int take_attr(struct mp *mp, struct item_attrs *attrs)
{
    uint64_t key = mp_take_u64(mp);

    switch (key) {
    case ATTR_EVENT:
        return take_text(mp, &attrs->event);
    case ATTR_ID:
        return take_text(mp, &attrs->id);
    case ATTR_CONTENT_TYPE:
        return take_text(mp, &attrs->content_type);
    case ATTR_REPLY_TO:
        return take_text(mp, &attrs->reply_to);
    case ATTR_CORRELATION:
        return take_correlation(mp, &attrs->correlation);
    case ATTR_EXPIRY_MS:
        return take_number(mp, &attrs->expiry_ms);
    case ATTR_RETRY_MS:
        return take_number(mp, &attrs->retry_ms);
    case ATTR_USER:
        return take_user(mp, attrs);
    default:
        mp_skip(mp);
        return key == 0 ? ERR_SYNTAX : 0;
    }
}

int item_attrs_read(struct bytes block, struct item_attrs *attrs)
{
    struct item_attrs read = {0};
    struct mp mp = mp_of(block);

    if (block.len > ITEM_ATTRS_LEN_MAX) {
        return ERR_TOO_BIG;
    }
    while (mp.in.len > 0) {
        int rc = take_attr(&mp, &read);
        if (rc != 0) {
            return rc;
        }
        if (mp_outcome(&mp) <= 0) {
            return ERR_SYNTAX;
        }
    }
    *attrs = read;
    return 0;
}

void item_write(const struct item *item, struct buf *out)
{
    assert(item->publisher.len <= ITEM_PUBLISHER_LEN_MAX);
    assert(item->attrs.len <= ITEM_ATTRS_LEN_MAX);

    if (item->wire.len > 0) {
        buf_add_bytes(out, item->wire);
        return;
    }
    bool marked = (item->flags & ITEM_TRACE) != 0;
    if (!marked && !out->failed &&
        out->cap - out->len >= item_wire_room(item)) {
        const uint8_t *end = item_wire_write(item, out->p + out->len);
        out->len = (size_t)(end - out->p);
        return;
    }
    mp_put_array(out, FIELDS + marked);
    mp_put_u64(out, item->flags & ITEM_FLAGS_KNOWN);
    mp_put_u64(out, item->hash);
    mp_put_u64(out, item->origin);
    mp_put_u64(out, item->count);
    mp_put_u64(out, item->conn);
    mp_put_u64(out, item->at_ms);
    mp_put_str(out, item->cache);
    mp_put_str(out, item->topic);
    mp_put_str(out, item->publisher);
    mp_put_bin(out, item->attrs);
    mp_put_bin(out, item->value);
    if (marked) {
        mp_put_u64(out, MARK_TRACE);
    }
}

static int check(const struct item *item)
{
    if (!topic_cache_is_valid(item->cache) || !topic_is_valid(item->topic)) {
        return ERR_NAME;
    }
    if (!topic_text_is_valid(item->publisher)) {
        return ERR_UTF8;
    }
    if ((item->flags & ITEM_BINARY) == 0 && !topic_text_is_valid(item->value)) {
        return ERR_UTF8;
    }
    return 0;
}

/* What follows the fields: the marks, and what a newer node adds. */
static uint8_t take_marks(struct mp *mp, uint32_t len)
{
    uint64_t marks = 0;

    if (len > 0 && mp_next_type(mp) == MP_U64) {
        marks = mp_take_u64(mp);
        len--;
    }
    for (; len > 0 && mp->state == 0; len--) {
        mp_skip(mp);
    }
    return (uint8_t)((marks & MARK_TRACE) != 0 ? ITEM_TRACE : 0);
}

/* Of any shape. */
static ptrdiff_t read_any(struct bytes in, struct item *item)
{
    struct mp mp = mp_of(in);
    struct item read = {0};
    uint32_t fields = mp_take_array(&mp);

    if (mp.state == 0 && fields < FIELDS) {
        return ERR_SYNTAX;
    }
    /* An unknown flag may restrict who sees the item: not to be ignored. */
    read.flags = (uint8_t)mp_take_u64_max(&mp, ITEM_FLAGS_KNOWN);
    read.hash = mp_take_u64(&mp);
    read.origin = mp_take_u64(&mp);
    read.count = mp_take_u64(&mp);
    read.conn = mp_take_u64(&mp);
    read.at_ms = mp_take_u64(&mp);
    read.cache = mp_take_str(&mp, CACHE_LEN_MAX);
    read.topic = mp_take_str(&mp, TOPIC_LEN_MAX);
    read.publisher = mp_take_str(&mp, ITEM_PUBLISHER_LEN_MAX);
    read.attrs = mp_take_bin(&mp, ITEM_ATTRS_LEN_MAX);
    read.value = mp_take_bin(&mp, ITEM_VALUE_LEN_MAX);
    uint8_t marks = take_marks(&mp, mp.state == 0 ? fields - FIELDS : 0);
    read.flags = (uint8_t)(read.flags | marks);
    ptrdiff_t taken = mp_outcome(&mp);
    if (taken > 0) {
        read.wire = bytes_of(in.p, (size_t)taken);
        *item = read;
    }
    return taken;
}

ptrdiff_t item_read(struct bytes in, struct item *item)
{
    struct item read;
    ptrdiff_t taken = (ptrdiff_t)item_wire_read(in, &read);

    if (taken == 0) {
        taken = read_any(in, &read);
    }
    if (taken <= 0) {
        return taken;
    }
    int rc = check(&read);
    if (rc != 0) {
        return rc;
    }
    *item = read;
    return taken;
}
