/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/sse.h"

#include <assert.h>

#include "proto/err.h"
#include "proto/json.h"
#include "proto/topic.h"

static const char *const reserved[] = {
    "discontinuity", "partial", "end", "open", "error", "binary",
};

static size_t line_len(struct bytes text);
static size_t line_end_len(struct bytes text);

void sse_add_id(struct buf *out, uint64_t page, uint64_t seq)
{
    buf_add_str(out, "id: ");
    buf_add_u64(out, page);
    buf_add_u8(out, '-');
    buf_add_u64(out, seq);
    buf_add_u8(out, '\n');
}

bool sse_event_is_free(struct bytes name)
{
    if (name.len > SSE_EVENT_LEN_MAX || !topic_is_valid(name) ||
        bytes_starts(name, BYTES("binary:"))) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (bytes_eq(name, bytes_str(reserved[i]))) {
            return false;
        }
    }
    return true;
}

void sse_add_event(struct buf *out, struct bytes name)
{
    assert(topic_is_valid(name));
    buf_add_str(out, "event: ");
    buf_add_bytes(out, name);
    buf_add_u8(out, '\n');
}

void sse_add_item_event(struct buf *out, bool binary, struct bytes name)
{
    bool named = sse_event_is_free(name);
    if (!named && !binary) {
        return;
    }
    buf_add_str(out, "event: ");
    if (binary) {
        buf_add_str(out, named ? "binary:" : "binary");
    }
    buf_add_bytes(out, named ? name : bytes_of(NULL, 0));
    buf_add_u8(out, '\n');
}

void sse_add_data(struct buf *out, struct bytes text)
{
    for (;;) {
        size_t len = line_len(text);
        buf_add_str(out, len == 0 ? "data:" : "data: ");
        buf_add(out, text.p, len);
        buf_add_u8(out, '\n');
        if (len == text.len) {
            return;
        }
        text = bytes_skip(text, len);
        text = bytes_skip(text, line_end_len(text));
    }
}

void sse_add_base64(struct buf *out, struct bytes data)
{
    buf_add_str(out, "data: ");
    json_base64(out, data);
    buf_add_u8(out, '\n');
}

void sse_add_retry(struct buf *out, uint64_t ms)
{
    buf_add_str(out, "retry: ");
    buf_add_u64(out, ms);
    buf_add_u8(out, '\n');
}

void sse_end(struct buf *out)
{
    buf_add_u8(out, '\n');
}

int sse_id_read(struct bytes text, uint64_t *page, uint64_t *seq)
{
    ptrdiff_t dash = bytes_find(text, '-');
    if (dash < 0) {
        return ERR_SYNTAX;
    }
    uint64_t first = 0;
    uint64_t second = 0;
    if (bytes_u64(bytes_of(text.p, (size_t)dash), &first) < 0 ||
        bytes_u64(bytes_skip(text, (size_t)dash + 1), &second) < 0) {
        return ERR_SYNTAX;
    }
    *page = first;
    *seq = second;
    return 0;
}

/* Bytes before the first line end, or all of them. One pass for both ends: two
 * searches would make a value of nothing but CR quadratic. */
static size_t line_len(struct bytes text)
{
    size_t len = 0;
    while (len < text.len && text.p[len] != '\n' && text.p[len] != '\r') {
        len++;
    }
    return len;
}

/* text starts with a line end: CRLF is one. */
static size_t line_end_len(struct bytes text)
{
    return bytes_starts(text, BYTES("\r\n")) ? 2 : 1;
}
