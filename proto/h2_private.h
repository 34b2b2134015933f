/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two files of the doorway of nghttp2 share: h2_take.c has what comes
 * in and what it costs, h2.c all else.
 */
#ifndef PROTO_H2_PRIVATE_H
#define PROTO_H2_PRIVATE_H

#include <nghttp2/nghttp2.h>

#include "proto/h2_head.h"

enum {
    H2_CREDIT_MAX = 1000, /* for what a peer does that carries nothing */
};

struct h2 {
    nghttp2_session *session;
    const struct h2_events *events;
    void *owner;
    struct h2_stream *streams;
    struct h2_fields fields; /* of the answer in the making */
    uint64_t credit_ms;      /* given back up to here */
    int32_t credit;
    uint32_t last_code;
    bool ponged; /* the ping of h2_notice() */
    int err;     /* of an event, on its way through nghttp2 */
    bool taking;
    bool dead;
};

/* An event failed: what its callback returns. */
static inline int h2_fail(struct h2 *h2, int err)
{
    h2->err = err;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* The payload of the ping behind a notice. */
static const uint8_t h2_notice_ping[8] = "drained";

/* Events of nghttp2 that come from h2_take(). */
void h2_take_events(nghttp2_session_callbacks *callbacks);

/* A frame of that many bytes of a body is sent. */
void h2_credit_data(struct h2 *h2, size_t len);
/* The peer made us reset a stream. */
void h2_credit_wrong(struct h2 *h2);

/* Tells the owner that a stream is gone, and frees it. */
void h2_forget(struct h2 *h2, struct h2_stream *stream, bool cut);

#endif
