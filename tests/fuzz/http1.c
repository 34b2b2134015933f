/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests one after another: in one piece they are read as in many.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/http1.h"

enum {
    BODY_MAX = 300
};

static void check_request(const struct http_request *r, struct bytes in,
                          const struct http1 *reader)
{
    assert(fuzz_inside(r->method, in) && fuzz_inside(r->path, in));
    assert(fuzz_inside(r->query, in) && r->headers_len <= HTTP_HEADERS_MAX);
    assert(r->body.len <= BODY_MAX);
    assert(fuzz_inside(r->body, in) ||
           fuzz_inside(r->body, buf_bytes(&reader->body)));
    for (size_t i = 0; i < r->headers_len; i++) {
        assert(fuzz_inside(r->headers[i].name, in));
        assert(fuzz_inside(r->headers[i].value, in));
    }
}

static void note(struct buf *log, struct bytes s)
{
    buf_add_u64(log, s.len);
    buf_add_u8(log, ':');
    buf_add_bytes(log, s);
}

static void note_request(struct buf *log, const struct http_request *r)
{
    note(log, r->method);
    note(log, r->path);
    note(log, r->query);
    note(log, r->body);
    buf_add_u8(log, r->keep_alive ? 'k' : 'c');
    for (size_t i = 0; i < r->headers_len; i++) {
        note(log, r->headers[i].name);
        note(log, r->headers[i].value);
    }
}

/* The outcome of one request for a whole or a part of its bytes. */
static ptrdiff_t read_one(struct http1 *reader, struct bytes in,
                          struct http_request *request)
{
    ptrdiff_t n = http1_head(reader, in, request);

    assert(n <= (ptrdiff_t)in.len);
    return n <= 0 ? n : http1_body(reader, in, BODY_MAX, request);
}

/* All requests; returns the last outcome. */
static ptrdiff_t read_all(struct bytes in, struct fuzz_dice *dice,
                          struct buf *log)
{
    struct http1 reader = {0};
    size_t seen = dice == NULL ? in.len : 0;
    ptrdiff_t taken = 0;

    for (;;) {
        struct http_request request;
        uint8_t *copy = fuzz_copy(bytes_of(in.p, seen));
        struct bytes part = bytes_of(copy, seen);
        taken = read_one(&reader, part, &request);
        if (taken > 0) {
            assert((size_t)taken <= seen);
            check_request(&request, part, &reader);
            note_request(log, &request);
        }
        free(copy);
        if (taken > 0) {
            http1_reset(&reader);
            in = bytes_skip(in, (size_t)taken);
            seen -= (size_t)taken;
        } else if (taken < 0 || seen == in.len) {
            break;
        } else {
            seen += fuzz_piece(dice, in.len - seen);
        }
    }
    http1_reset(&reader);
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);
    struct fuzz_dice dice = fuzz_dice_of(in);
    struct buf whole = {0};
    struct buf pieces = {0};

    ptrdiff_t rc = read_all(in, NULL, &whole);
    assert(read_all(in, &dice, &pieces) == rc);
    assert(bytes_eq(buf_bytes(&whole), buf_bytes(&pieces)));
    buf_fini(&whole);
    buf_fini(&pieces);
    return 0;
}
