/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of proto/h2 and an owner that answers what it was asked, for
 * tests of what strangers say: put it together in `words`, say() it, and look
 * at what was heard. Include after tests/test.h.
 */
#ifndef TESTS_H2_OWNER_H
#define TESTS_H2_OWNER_H

#include "proto/err.h"
#include "tests/h2_talk.h"

/* What a stream is answered: its method, path and body. */
struct answer {
    struct buf text;
    bool asked;
};

static struct h2 *h2;
static struct h2_ear ear;
static struct buf words; /* to be said */
static struct buf out;
static int rc;
static uint64_t now_ms;
static int gone;
static int cut;

/* --- an owner ----------------------------------------------------------------
 */

static inline void on_head(void *owner, struct h2_stream *stream,
                           const struct http_request *request, int err)
{
    struct answer *answer = calloc(1, sizeof *answer);
    (void)owner;

    assert_non_null(answer);
    stream->data = answer;
    if (err != 0) {
        const struct http_response r = {.status = err_status(err)};
        assert_int_equal(h2_respond(h2, stream, &r, H2_BODY_NONE), 0);
        return;
    }
    buf_add_bytes(&answer->text, request->method);
    buf_add_u8(&answer->text, ' ');
    buf_add_bytes(&answer->text, request->path);
    for (size_t i = 0; i < request->headers_len; i++) {
        buf_add_u8(&answer->text, ' ');
        buf_add_bytes(&answer->text, request->headers[i].name);
        buf_add_u8(&answer->text, '=');
        buf_add_bytes(&answer->text, request->headers[i].value);
    }
}

static inline void on_body(void *owner, struct h2_stream *stream,
                           struct bytes part)
{
    struct answer *answer = stream->data;
    (void)owner;

    buf_add_u8(&answer->text, '|');
    buf_add_bytes(&answer->text, part);
    assert_int_equal(h2_grant(h2, stream), 0);
}

static inline void on_asked(void *owner, struct h2_stream *stream)
{
    const struct http_response r = {.status = 200};
    struct answer *answer = stream->data;
    (void)owner;

    assert_false(answer->asked);
    answer->asked = true;
    if (!stream->ended) {
        assert_int_equal(h2_respond(h2, stream, &r, H2_BODY_STREAM), 0);
    }
}

static inline void on_gone(void *owner, struct h2_stream *stream, bool was_cut)
{
    struct answer *answer = stream->data;
    (void)owner;

    gone++;
    cut += was_cut;
    if (answer != NULL) {
        buf_fini(&answer->text);
        free(answer);
    }
}

static inline size_t on_room(void *owner, struct h2_stream *stream, size_t max,
                             bool *last)
{
    const struct answer *answer = stream->data;
    (void)owner;

    *last = answer->text.len <= max;
    return *last ? answer->text.len : max;
}

static inline bool is_full(void *owner)
{
    (void)owner;
    return false;
}

static inline int on_data(void *owner, struct h2_stream *stream,
                          const uint8_t head[H2_FRAME_HEAD_LEN], size_t len)
{
    struct answer *answer = stream->data;
    (void)owner;

    buf_add(&out, head, H2_FRAME_HEAD_LEN);
    buf_add(&out, answer->text.p, len);
    buf_drop(&answer->text, len);
    return 0;
}

static inline int on_frames(void *owner, struct bytes frames)
{
    (void)owner;
    buf_add_bytes(&out, frames);
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

static inline int setup(void **state)
{
    const struct h2_options options = {
        .events = &events, .streams = 100, .now_ms = now_ms};
    (void)state;

    assert_int_equal(h2_new(&h2, &options), 0);
    h2_ear_init(&ear);
    h2_say_preface(&words);
    gone = 0;
    cut = 0;
    rc = 0;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    h2_free(h2);
    h2_ear_fini(&ear);
    buf_fini(&words);
    buf_fini(&out);
    return 0;
}

static inline void again(void)
{
    teardown(NULL);
    setup(NULL);
}

/* The words as one read, from memory of their exact size. */
static inline void say(void)
{
    uint8_t *copy = malloc(words.len + 1);

    assert_non_null(copy);
    if (words.len > 0) {
        memcpy(copy, words.p, words.len);
    }
    if (rc == 0) {
        rc = h2_take(h2, bytes_of(copy, words.len), now_ms);
    }
    free(copy);
    buf_reset(&words);
    if (rc == 0) {
        assert_int_equal(h2_give(h2), 0);
    }
    h2_hear(&ear, buf_bytes(&out));
}

static inline bool heard(const char *text)
{
    return h2_heard(&ear, text);
}

/* Whether another stream is served as if nothing had happened. */
static inline bool lives(uint32_t stream)
{
    h2_say_ask(&words, stream, "GET", "/alive", true);
    say();
    return heard(" end GET /alive host=localhost\n") && !h2_is_over(h2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
