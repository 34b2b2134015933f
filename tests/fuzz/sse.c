/* SPDX-License-Identifier: Apache-2.0
 *
 * Positions that a reader sends back, and events around whatever was
 * published: a naive reader of the stream hears the text and nothing else.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/sse.h"

static void check_id(struct bytes in)
{
    uint64_t page;
    uint64_t seq;
    uint64_t page_again;
    uint64_t seq_again;
    struct buf out = {0};

    if (sse_id_read(in, &page, &seq) == 0) {
        sse_add_id(&out, page, seq);
        assert(out.len > 4 && out.p[out.len - 1] == '\n');
        struct bytes id = bytes_of(out.p + 4, out.len - 5);
        assert(id.len <= SSE_ID_LEN_MAX);
        assert(sse_id_read(id, &page_again, &seq_again) == 0);
        assert(page == page_again && seq == seq_again);
    }
    buf_fini(&out);
}

/* The next line of a stream, without its end (CR, LF or CRLF). */
static bool next_line(struct bytes *in, struct bytes *line)
{
    size_t n = 0;

    if (in->len == 0) {
        return false;
    }
    while (n < in->len && in->p[n] != '\n' && in->p[n] != '\r') {
        n++;
    }
    *line = bytes_of(in->p, n);
    assert(n < in->len); /* we end every line */
    n += in->p[n] == '\r' && n + 1 < in->len && in->p[n + 1] == '\n' ? 2 : 1;
    *in = bytes_skip(*in, n);
    return true;
}

/* The text as a reader gets it: each line end is LF. */
static void add_heard(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_end = text.p[i] == '\r';
        buf_add_u8(out, is_end ? '\n' : text.p[i]);
        i += is_end && i + 1 < text.len && text.p[i + 1] == '\n';
    }
}

static void check_event(struct bytes text)
{
    struct buf out = {0};
    struct buf heard = {0};
    struct buf expected = {0};
    struct bytes line;
    size_t ends = 0;

    sse_add_data(&out, text);
    sse_end(&out);
    struct bytes left = buf_bytes(&out);
    while (next_line(&left, &line)) {
        if (line.len == 0) {
            ends++;
            continue;
        }
        assert(bytes_starts(line, BYTES("data:")) && ends == 0);
        line = bytes_skip(line, 5);
        line = bytes_skip(line, line.len > 0 && line.p[0] == ' ');
        buf_add_bytes(&heard, line);
        buf_add_u8(&heard, '\n');
    }
    add_heard(&expected, text);
    buf_add_u8(&expected, '\n');
    assert(ends == 1);
    assert(bytes_eq(buf_bytes(&heard), buf_bytes(&expected)));
    buf_fini(&out);
    buf_fini(&heard);
    buf_fini(&expected);
}

/* At most one line, and that an event's name. */
static void check_name(struct bytes name, bool binary)
{
    struct buf out = {0};

    sse_add_item_event(&out, binary, name);
    if (out.len > 0) {
        struct bytes left = buf_bytes(&out);
        struct bytes line;
        assert(next_line(&left, &line) && left.len == 0);
        assert(bytes_starts(line, BYTES("event:")));
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);

    check_id(in);
    check_event(in);
    check_name(in, false);
    check_name(in, true);
    return 0;
}
