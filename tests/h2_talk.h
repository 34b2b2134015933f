/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of a client of HTTP/2, frame by frame: makes what it says, right or
 * wrong, and reads what it hears as one line a frame.
 *
 *   HEADERS 1 end :status=200 content-type=text/plain\n
 *   DATA 1 end hello\n      SETTINGS\n     SETTINGS ack\n   PING ack\n   PING\n
 *   RST 1 8\n               GOAWAY 3 11\n (last stream, code)   WINDOW 1\n
 *
 * Include after tests/test.h.
 */
#ifndef TESTS_H2_TALK_H
#define TESTS_H2_TALK_H

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "proto/h2.h"

enum {
    T_DATA,
    T_HEADERS,
    T_PRIORITY,
    T_RST,
    T_SETTINGS,
    T_PUSH,
    T_PING,
    T_GOAWAY,
    T_WINDOW,
    T_CONTINUATION,

    T_END = 1, /* and ACK */
    T_END_HEADERS = 4,
    T_PADDED = 8,
};

/* --- what it says --- */

static inline void h2_say_head(struct buf *out, size_t len, uint8_t type,
                               uint8_t flags, uint32_t stream)
{
    const uint8_t head[] = {(uint8_t)(len >> 16),
                            (uint8_t)(len >> 8),
                            (uint8_t)len,
                            type,
                            flags,
                            (uint8_t)(stream >> 24),
                            (uint8_t)(stream >> 16),
                            (uint8_t)(stream >> 8),
                            (uint8_t)stream};

    buf_add(out, head, sizeof head);
}

static inline void h2_say(struct buf *out, uint8_t type, uint8_t flags,
                          uint32_t stream, struct bytes payload)
{
    h2_say_head(out, payload.len, type, flags, stream);
    buf_add_bytes(out, payload);
}

static inline void h2_say_u32(struct buf *out, uint8_t type, uint32_t stream,
                              uint32_t value)
{
    const uint8_t p[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
                         (uint8_t)(value >> 8), (uint8_t)value};

    h2_say(out, type, 0, stream, bytes_of(p, sizeof p));
}

static inline void h2_say_setting(struct buf *out, uint8_t id, uint32_t value)
{
    const uint8_t p[] = {0,
                         id,
                         (uint8_t)(value >> 24),
                         (uint8_t)(value >> 16),
                         (uint8_t)(value >> 8),
                         (uint8_t)value};

    h2_say(out, T_SETTINGS, 0, 0, bytes_of(p, sizeof p));
}

static inline void h2_say_preface(struct buf *out)
{
    buf_add_bytes(out, H2_PREFACE);
    h2_say(out, T_SETTINGS, 0, 0, (struct bytes){0});
}

/* An HPACK integer of a 7-bit prefix. */
static inline void h2_say_int(struct buf *out, size_t n)
{
    if (n < 127) {
        buf_add_u8(out, (uint8_t)n);
        return;
    }
    buf_add_u8(out, 127);
    for (n -= 127; n >= 128; n >>= 7) {
        buf_add_u8(out, (uint8_t)(n | 128));
    }
    buf_add_u8(out, (uint8_t)n);
}

/* Adds a field to a block: literal, not indexed. */
static inline void h2_say_field(struct buf *block, const char *name,
                                struct bytes value)
{
    buf_add_u8(block, 0);
    h2_say_int(block, strlen(name));
    buf_add_str(block, name);
    h2_say_int(block, value.len);
    buf_add_bytes(block, value);
}

static inline void h2_say_request(struct buf *block, const char *method,
                                  const char *path)
{
    h2_say_field(block, ":method", bytes_str(method));
    h2_say_field(block, ":scheme", BYTES("http"));
    h2_say_field(block, ":authority", BYTES("localhost"));
    h2_say_field(block, ":path", bytes_str(path));
}

static inline void h2_say_ask(struct buf *out, uint32_t stream,
                              const char *method, const char *path, bool end)
{
    struct buf block = {0};

    h2_say_request(&block, method, path);
    h2_say(out, T_HEADERS, (uint8_t)(T_END_HEADERS | (end ? T_END : 0)), stream,
           buf_bytes(&block));
    buf_fini(&block);
}

/* --- what it hears --- */

struct h2_ear {
    nghttp2_hd_inflater *inflater;
    size_t heard; /* bytes of the output that were read */
    size_t frames;
    uint64_t data; /* bytes of bodies */
    struct buf log;
};

static inline void h2_ear_init(struct h2_ear *ear)
{
    *ear = (struct h2_ear){0};
    assert_int_equal(nghttp2_hd_inflate_new(&ear->inflater), 0);
}

static inline void h2_ear_fini(struct h2_ear *ear)
{
    nghttp2_hd_inflate_del(ear->inflater);
    buf_fini(&ear->log);
}

static inline void h2_hear_fields(struct h2_ear *ear, struct bytes block)
{
    int flags = 0;

    while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
        nghttp2_nv nv;
        ssize_t n = nghttp2_hd_inflate_hd2(ear->inflater, &nv, &flags, block.p,
                                           block.len, 1);
        assert_true(n >= 0);
        block = bytes_skip(block, (size_t)n);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            buf_add_u8(&ear->log, ' ');
            buf_add(&ear->log, nv.name, nv.namelen);
            buf_add_u8(&ear->log, '=');
            buf_add(&ear->log, nv.value, nv.valuelen);
        }
    }
    nghttp2_hd_inflate_end_headers(ear->inflater);
}

static inline uint32_t h2_hear_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static inline void h2_hear_payload(struct h2_ear *ear, uint8_t type,
                                   struct bytes payload)
{
    struct buf *log = &ear->log;

    if (type == T_DATA) {
        ear->data += payload.len;
        buf_add_u8(log, ' ');
        buf_add(log, payload.p, payload.len > 64 ? 64 : payload.len);
    } else if (type == T_HEADERS) {
        h2_hear_fields(ear, payload);
    } else if (type == T_RST) {
        buf_add_u8(log, ' ');
        buf_add_u64(log, h2_hear_u32(payload.p));
    } else if (type == T_GOAWAY) {
        buf_add_u8(log, ' ');
        buf_add_u64(log, h2_hear_u32(payload.p));
        buf_add_u8(log, ' ');
        buf_add_u64(log, h2_hear_u32(payload.p + 4));
    }
}

static inline void h2_hear_frame(struct h2_ear *ear, const uint8_t *head,
                                 struct bytes payload)
{
    static const char *const names[] = {
        "DATA", "HEADERS", "PRIORITY", "RST",    "SETTINGS",
        "PUSH", "PING",    "GOAWAY",   "WINDOW", "CONTINUATION"};
    struct buf *log = &ear->log;
    uint32_t stream = h2_hear_u32(head + 5);

    assert_true(head[3] < ARRAY_LEN(names));
    buf_add_str(log, names[head[3]]);
    if (stream != 0) {
        buf_add_u8(log, ' ');
        buf_add_u64(log, stream);
    }
    if ((head[4] & T_END) != 0) {
        buf_add_str(log, stream == 0 ? " ack" : " end");
    }
    h2_hear_payload(ear, head[3], payload);
    buf_add_u8(log, '\n');
    ear->frames++;
}

/* Reads the whole frames of `out` that are new. */
static inline void h2_hear(struct h2_ear *ear, struct bytes out)
{
    out = bytes_skip(out, ear->heard);
    while (out.len >= H2_FRAME_HEAD_LEN) {
        size_t len = (size_t)(h2_hear_u32(out.p) >> 8);
        if (out.len < H2_FRAME_HEAD_LEN + len) {
            break;
        }
        h2_hear_frame(ear, out.p, bytes_of(out.p + H2_FRAME_HEAD_LEN, len));
        out = bytes_skip(out, H2_FRAME_HEAD_LEN + len);
        ear->heard += H2_FRAME_HEAD_LEN + len;
    }
}

static inline bool h2_heard(const struct h2_ear *ear, const char *text)
{
    return ear->log.len > 0 &&
           memmem(ear->log.p, ear->log.len, text, strlen(text)) != NULL;
}

#endif
