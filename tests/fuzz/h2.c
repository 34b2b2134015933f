/* SPDX-License-Identifier: Apache-2.0
 *
 * What follows the greeting of a client of HTTP/2: in one piece it is read as
 * in many, what was asked is known when it is handed out, and what is said back
 * is whole frames.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/err.h"
#include "proto/h2.h"

enum {
    STREAMS = 20,
    ANSWER_LEN = 100
};

struct answer {
    size_t left;
};

struct world {
    struct h2 *h2;
    struct buf events;
    struct buf out;
    size_t open;
};

static void note(struct buf *log, struct bytes s)
{
    buf_add_u64(log, s.len);
    buf_add_u8(log, ':');
    buf_add_bytes(log, s);
}

static void note_stream(struct world *world, const char *what,
                        const struct h2_stream *stream)
{
    buf_add_str(&world->events, what);
    buf_add_u64(&world->events, (uint64_t)stream->id);
    buf_add_u8(&world->events, ' ');
}

static void on_head(void *owner, struct h2_stream *stream,
                    const struct http_request *request, int err)
{
    struct world *world = owner;
    struct bytes inside = buf_bytes(&stream->head);

    note_stream(world, "head ", stream);
    stream->data = calloc(1, sizeof(struct answer));
    assert(stream->data != NULL);
    assert(++world->open <= STREAMS);
    if (err != 0) {
        (void)h2_reset(world->h2, stream, H2_CANCEL);
        return;
    }
    assert(request->headers_len <= HTTP_HEADERS_MAX);
    assert(fuzz_inside(request->method, inside));
    assert(fuzz_inside(request->path, inside));
    note(&world->events, request->method);
    note(&world->events, request->path);
    for (size_t i = 0; i < request->headers_len; i++) {
        assert(fuzz_inside(request->headers[i].value, inside));
        note(&world->events, request->headers[i].name);
        note(&world->events, request->headers[i].value);
    }
}

static void on_body(void *owner, struct h2_stream *stream, struct bytes part)
{
    struct world *world = owner;

    assert(stream->data != NULL && stream->headed);
    for (size_t i = 0; i < part.len; i++) { /* however it was cut */
        note_stream(world, "byte ", stream);
        buf_add_u8(&world->events, part.p[i]);
    }
    if (stream->id % 4 == 1) {
        (void)h2_grant(world->h2, stream);
    }
}

static void on_asked(void *owner, struct h2_stream *stream)
{
    static const struct http_header trailer = {BYTES("Grpc-Status"),
                                               BYTES("0")};
    const struct http_response r = {
        .status = 200, .headers = &trailer, .headers_len = 1};
    struct world *world = owner;
    struct answer *answer = stream->data;
    struct http_request request;

    note_stream(world, "asked ", stream);
    if (stream->ended) {
        return; /* refused */
    }
    h2_request(stream, &request);
    assert(request.method.len > 0);
    answer->left = ANSWER_LEN;
    if (stream->id % 8 == 3) {
        (void)h2_trail(stream, &trailer, 1);
    }
    (void)h2_respond(world->h2, stream, &r,
                     stream->id % 8 == 5 ? H2_BODY_NONE : H2_BODY_STREAM);
}

static void on_gone(void *owner, struct h2_stream *stream, bool cut)
{
    struct world *world = owner;

    note_stream(world, cut ? "cut " : "gone ", stream);
    world->open -= stream->data != NULL;
    free(stream->data);
}

static size_t on_room(void *owner, struct h2_stream *stream, size_t max,
                      bool *last)
{
    const struct answer *answer = stream->data;
    (void)owner;

    assert(max > 0 && max <= H2_DATA_MAX);
    *last = answer->left <= max;
    return *last ? answer->left : max;
}

static bool is_full(void *owner)
{
    (void)owner;
    return false;
}

static int on_data(void *owner, struct h2_stream *stream,
                   const uint8_t head[H2_FRAME_HEAD_LEN], size_t len)
{
    static const uint8_t body[ANSWER_LEN];
    struct world *world = owner;
    struct answer *answer = stream->data;

    assert(len <= answer->left);
    answer->left -= len;
    buf_add(&world->out, head, H2_FRAME_HEAD_LEN);
    buf_add(&world->out, body, len);
    return 0;
}

static int on_frames(void *owner, struct bytes frames)
{
    struct world *world = owner;

    buf_add_bytes(&world->out, frames);
    return 0;
}

static const struct h2_events events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_asked = on_asked,
    .on_gone = on_gone,
    .on_room = on_room,
    .is_full = is_full,
    .on_data = on_data,
    .on_frames = on_frames,
};

static void check_frames(struct bytes out)
{
    while (out.len > 0) {
        assert(out.len >= H2_FRAME_HEAD_LEN);
        size_t len = (size_t)out.p[0] << 16 | (size_t)out.p[1] << 8 | out.p[2];
        assert(len <= H2_DATA_MAX && out.p[3] <= 9);
        assert(out.len >= H2_FRAME_HEAD_LEN + len);
        out = bytes_skip(out, H2_FRAME_HEAD_LEN + len);
    }
}

static int take(struct world *world, struct bytes in)
{
    uint8_t *copy = fuzz_copy(in);
    int rc = h2_take(world->h2, bytes_of(copy, in.len), 1000);

    free(copy);
    return rc;
}

/* All of it, then what there is to say. Returns whether it is over. */
static bool play(struct bytes in, struct fuzz_dice *dice, struct buf *log)
{
    struct world world = {0};
    const struct h2_options options = {
        .events = &events, .owner = &world, .streams = STREAMS, .now_ms = 1000};
    int rc = h2_new(&world.h2, &options);

    assert(rc == 0);
    rc = take(&world, H2_PREFACE);
    assert(rc == 0);
    rc = take(&world, BYTES("\0\0\0\4\0\0\0\0\0"));
    assert(rc == 0);
    while (in.len > 0 && rc == 0) {
        size_t n = dice == NULL ? in.len : fuzz_piece(dice, in.len);
        rc = take(&world, bytes_of(in.p, n));
        in = bytes_skip(in, n);
    }
    assert(h2_give(world.h2) == 0);
    check_frames(buf_bytes(&world.out));
    bool is_over = h2_is_over(world.h2);
    (void)h2_goaway(world.h2);
    assert(h2_give(world.h2) == 0);
    h2_free(world.h2);
    assert(world.open == 0);
    *log = world.events;
    buf_fini(&world.out);
    return is_over;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len);
    struct fuzz_dice dice = fuzz_dice_of(in);
    struct buf whole = {0};
    struct buf pieces = {0};

    /* At the end of a connection nghttp2 looks at the rest of what it was given
     * at once, and at nothing that it is given later. */
    bool is_over = play(in, NULL, &whole);
    is_over = play(in, &dice, &pieces) || is_over;
    assert(is_over || bytes_eq(buf_bytes(&whole), buf_bytes(&pieces)));
    buf_fini(&whole);
    buf_fini(&pieces);
    return 0;
}
