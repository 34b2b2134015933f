/* SPDX-License-Identifier: Apache-2.0
 *
 * The head of a WebSocket frame that a server sends: final, unmasked, no
 * extension (RFC 6455 section 5.2). Two, four or ten bytes.
 *
 * It stands apart from the reader of frames because the hub frames an item once
 * for all subscribers and knows nothing else of WebSocket.
 */
#ifndef PROTO_WS_FRAME_H
#define PROTO_WS_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    WS_FRAME_HEAD_MAX = 10
};

enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PING = 0x9,
    WS_PONG = 0xa,
};

/* Writes the head of a frame with `len` bytes of payload; returns its size. */
size_t ws_frame_head(uint8_t head[WS_FRAME_HEAD_MAX], enum ws_opcode opcode,
                     uint64_t len);

#endif
