/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 (RFC 9113), the server's side of one connection. The doorway of
 * nghttp2, which knows frames, HPACK, stream states and windows; requests and
 * bounds are made here.
 *
 *   h2_take(bytes) --> on_head, on_body, on_asked, on_gone
 *   h2_give()      --> on_frames (whole frames), on_data (a head; the body is
 *                      the owner's), and before it on_room: how much there is
 *
 * Bodies of answers are never in here: a DATA frame is nine bytes of head, and
 * its owner puts what it holds behind them, one head for up to H2_DATA_MAX
 * bytes. Streams that have something to say take turns, one frame each,
 * whatever priority the peer wishes; one that waits for its window delays
 * nobody.
 *
 * Bounds: a head of HTTP_HEAD_LEN_MAX and HTTP_HEADERS_MAX (beyond it
 * ERR_HEAD_TOO_BIG for on_head, far beyond it the connection ends); `streams`;
 * an unread body of at most one window (H2_WINDOW) for each stream, until
 * h2_grant(). Frames that carry nothing (PING, SETTINGS, PRIORITY,
 * WINDOW_UPDATE, CONTINUATION, RST_STREAM, empty DATA) and streams that the
 * peer makes us reset use up its *credit*, which time and what it is sent give
 * back: whoever has none left is a flood, and ends with ENHANCE_YOUR_CALM.
 *
 * Events come from inside h2_take() and h2_give(); from inside them every verb
 * but these two and h2_free() may be called.
 */
#ifndef PROTO_H2_H
#define PROTO_H2_H

#include "proto/http.h"

enum {
    H2_FRAME_HEAD_LEN = 9,
    H2_DATA_MAX = 16384, /* of one frame: what every peer takes */
    H2_WINDOW = 65535,
};

/* The connection preface of RFC 9113 section 3.4. */
#define H2_PREFACE BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

struct h2;

/* RFC 9113 section 7, those that we say. */
enum h2_code {
    H2_NO_ERROR = 0,
    H2_PROTOCOL_ERROR = 1,
    H2_INTERNAL_ERROR = 2,
    H2_REFUSED_STREAM = 7,
    H2_CANCEL = 8,
    H2_CALM = 11, /* ENHANCE_YOUR_CALM */
};

/* What follows the head of an answer. */
enum h2_body {
    H2_BODY_NONE,   /* nothing: the head is the end */
    H2_BODY_LENGTH, /* r->body.len bytes, which on_room gives */
    H2_BODY_STREAM, /* what on_room gives, until *last */
};

/* One request and its answer. */
struct h2_stream {
    struct h2_stream *next; /* of its connection */
    struct h2_stream *prev;
    void *data; /* its owner's */
    int32_t id;
    uint32_t unread; /* taken from the peer and not given back to its window */
    uint32_t list_len; /* of the header block, as section 6.5.2 counts */
    uint16_t fields;
    bool headed;     /* on_head was called */
    bool is_wrong;   /* the head is, in a way that nghttp2 does not know */
    bool trails;     /* `trailers` end it */
    bool ended;      /* our side */
    struct buf head; /* of the request, until h2_forget_head() */
    struct buf
        held; /* head of the answer, between h2_hold() and h2_release() */
    struct buf trailers; /* of the answer */
    enum h2_body body;   /* what follows its head */
};

struct h2_events {
    /* The head is whole: err is 0, ERR_HEAD_TOO_BIG or ERR_SYNTAX. The request
     * borrows from the stream and has no body. */
    void (*on_head)(void *owner, struct h2_stream *stream,
                    const struct http_request *request, int err);
    void (*on_body)(void *owner, struct h2_stream *stream, struct bytes part);
    /* The request is whole. */
    void (*on_asked)(void *owner, struct h2_stream *stream);
    /* The stream is freed after this call. `cut`: by the peer, before our side
     * had ended. Also called for what h2_free() finds. */
    void (*on_gone)(void *owner, struct h2_stream *stream, bool cut);

    /* How many bytes of its body may go now, at most `max`. 0 and not *last:
     * nothing, until h2_wake(). *last: these are the last ones. */
    size_t (*on_room)(void *owner, struct h2_stream *stream, size_t max,
                      bool *last);
    /* Whether what was written before must leave first: then h2_give() ends. */
    bool (*is_full)(void *owner);
    /* `head`, then `len` bytes of the body of the stream, leave now. Errors:
     * the connection is dead. */
    int (*on_data)(void *owner, struct h2_stream *stream,
                   const uint8_t head[H2_FRAME_HEAD_LEN], size_t len);
    int (*on_frames)(void *owner, struct bytes frames);
};

struct h2_options {
    const struct h2_events *events; /* borrowed */
    void *owner;
    uint32_t streams; /* that may be open at a time */
    uint64_t now_ms;
};

/* Also puts our SETTINGS in front of what is given. Errors: ERR_NOMEM. */
int h2_new(struct h2 **h2, const struct h2_options *options);
void h2_free(struct h2 *h2);

/* Takes all of `in`. Errors, after which the connection is dead and its last
 * words were given to on_frames: ERR_SYNTAX, ERR_LIMIT (a flood), ERR_NOMEM. */
int h2_take(struct h2 *h2, struct bytes in, uint64_t now_ms);
/* Gives what may go, until is_full(). Errors: ERR_NOMEM, what on_data or
 * on_frames returned: the connection is dead. */
int h2_give(struct h2 *h2);
/* Nothing more will come or go: both sides have ended, or one did wrong. */
bool h2_is_over(const struct h2 *h2);
/* How the peer was told that it did wrong; H2_NO_ERROR: it was not. */
uint32_t h2_last_code(const struct h2 *h2);

/* The whole request, from on_head on; borrows from the stream. */
void h2_request(const struct h2_stream *stream, struct http_request *request);
void h2_forget_head(struct h2_stream *stream);
/* "100 Continue". */
int h2_continue(struct h2 *h2, struct h2_stream *stream);

/* Names become lower case; a header with a control byte in its value is left
 * out. Errors: ERR_NOMEM. */
int h2_respond(struct h2 *h2, struct h2_stream *stream,
               const struct http_response *r, enum h2_body body);
/* The same in two steps: what is to be said is kept, then said. */
int h2_hold(struct h2 *h2, struct h2_stream *stream,
            const struct http_response *r, enum h2_body body);
int h2_release(struct h2 *h2, struct h2_stream *stream);
/* Copies the trailers: they follow the last bytes of the body. Errors:
 * ERR_NOMEM. */
int h2_trail(struct h2_stream *stream, const struct http_header *trailers,
             size_t len);
/* on_room is asked again. Errors: ERR_NOMEM. */
int h2_wake(struct h2 *h2, const struct h2_stream *stream);

/* Lets the peer send as much again as was taken. */
int h2_grant(struct h2 *h2, struct h2_stream *stream);

/* Ends a stream at once, or tells that nobody reads the rest of its request
 * (H2_NO_ERROR, after our side has ended). */
int h2_reset(struct h2 *h2, struct h2_stream *stream, enum h2_code code);
/* The end in two steps (RFC 9113 section 6.8), so that no stream is lost that
 * is on its way. Asks the peer to open no further ones, and how far away it is;
 * they are still taken. */
int h2_notice(struct h2 *h2);
/* Whether all that it opened before it heard the notice is here. */
bool h2_is_noticed(const struct h2 *h2);
/* No further streams are taken; those that are go on. */
int h2_goaway(struct h2 *h2);
int h2_ping(struct h2 *h2);

#endif
