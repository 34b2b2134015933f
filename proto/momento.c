/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/momento.h"

#include <assert.h>

#include "proto/json.h"

static void add_number(struct buf *out, bool comma, const char *name,
                       uint64_t value);
static void add_value(struct buf *out, const struct item *item);

void momento_add_item(struct buf *out, const struct item *item, uint64_t page,
                      uint64_t seq)
{
    buf_add_str(out, "{\"item\":{");
    add_number(out, false, "topic_sequence_number", seq);
    add_number(out, true, "sequence_page", page);
    json_add_name(out, true, "value");
    add_value(out, item);
    if (item->publisher.len > 0) {
        json_add_name(out, true, "publisher_id");
        json_add_string(out, item->publisher);
    }
    buf_add_str(out, "}},");
}

void momento_add_gap(struct buf *out, uint64_t page, uint64_t last,
                     uint64_t next)
{
    buf_add_str(out, "{\"discontinuity\":{");
    add_number(out, false, "last_topic_sequence", last);
    add_number(out, true, "new_topic_sequence", next);
    add_number(out, true, "new_sequence_page", page);
    buf_add_str(out, "}},");
}

void momento_add_head(struct buf *out)
{
    buf_add_str(out, "{\"items\":[");
}

void momento_add_elements(struct buf *out, struct bytes elements)
{
    if (elements.len == 0) {
        return;
    }
    assert(elements.p[elements.len - 1] == ',');
    buf_add(out, elements.p, elements.len - 1);
}

void momento_add_tail(struct buf *out, uint64_t page, uint64_t seq)
{
    buf_add_u8(out, ']');
    add_number(out, true, "sequence_page", page);
    add_number(out, true, "sequence_number", seq + 1);
    buf_add_u8(out, '}');
}

static void add_number(struct buf *out, bool comma, const char *name,
                       uint64_t value)
{
    json_add_name(out, comma, name);
    buf_add_u64(out, value);
}

static void add_value(struct buf *out, const struct item *item)
{
    bool binary = (item->flags & ITEM_BINARY) != 0;
    buf_add_u8(out, '{');
    json_add_name(out, false, binary ? "binary" : "text");
    if (binary) {
        json_add_base64(out, item->value);
    } else {
        json_add_string(out, item->value);
    }
    buf_add_u8(out, '}');
}
