/* SPDX-License-Identifier: Apache-2.0
 *
 * gRPC over HTTP/2 and gRPC-web: frames, statuses, metadata.
 *
 *   frame    | flags, 1 byte | length, 4 bytes big endian | message |
 *            flags: bit 0 compressed; bit 7, in gRPC-web, the trailers
 *   text     frames in base64, each run of them padded on its own
 *
 * Source: gRPC's PROTOCOL-HTTP2.md and PROTOCOL-WEB.md, statuscodes.md.
 */
#ifndef PROTO_GRPC_H
#define PROTO_GRPC_H

#include <stdint.h>

#include "proto/bytes.h"

enum {
    GRPC_FRAME_HEAD_LEN = 5,
};

enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
};

/* By content type. */
enum grpc_kind {
    GRPC_NONE,
    GRPC_HTTP2,
    GRPC_WEB,
    GRPC_WEB_TEXT,
};

/* The kind that a content type names, or GRPC_NONE, also for messages that are
 * no protobuf. *answer: what the answer's content type is then. */
enum grpc_kind grpc_kind(struct bytes content_type, struct bytes *answer);
/* "application/grpc" and whatever follows. */
bool grpc_is_meant(struct bytes content_type);

struct grpc_frame {
    bool compressed;
    bool trailers;
    struct bytes message;
};

/* Reads a frame from the front of `in`: > 0 bytes taken, 0 more needed, or
 * ERR_SYNTAX (unknown flags), ERR_TOO_BIG (above `max`). */
ptrdiff_t grpc_read_frame(struct bytes in, size_t max,
                          struct grpc_frame *frame);
/* Begins a frame in `out`. When the message has been appended, puts its length
 * into the frame, or makes text of it (GRPC_WEB_TEXT); `at` is what
 * grpc_begin() returned. */
size_t grpc_begin(struct buf *out, bool trailers);
void grpc_finish(struct buf *out, size_t at, enum grpc_kind kind);

/* Decodes text, padded wherever a sender flushed, appending. Errors:
 * ERR_SYNTAX, ERR_NOMEM. */
int grpc_read_text(struct bytes text, struct buf *out);

/* "5000m" as milliseconds, rounded up. Errors: ERR_SYNTAX. */
int grpc_read_timeout(struct bytes text, uint64_t *ms);

/* Percent-encodes for grpc-message: printable ASCII but '%' as it is. */
void grpc_add_message(struct buf *out, struct bytes text);

/* The status that says an error, and what the SDKs look for in the trailer
 * `err` to tell limits apart; NULL: no such trailer. Any value is accepted. */
enum grpc_status grpc_status(int err);
const char *grpc_err(int err);
/* The same for the SDK for Node, which (1.118) asks the words of the message
 * before it has looked at the trailer; NULL: they are in the error's text, or
 * there are none. */
const char *grpc_hint(int err);

#endif
