/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing WebSocket frames (RFC 6455 section 5.2): final, no extension. A
 * server's head has two, four or ten bytes; a client masks and adds four.
 *
 * It stands apart from the reader of frames because the hub frames an item once
 * for all subscribers and knows nothing else of WebSocket.
 */
#ifndef PROTO_WS_FRAME_H
#define PROTO_WS_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "proto/bytes.h"

enum {
    WS_FRAME_HEAD_MAX = 10,
    WS_CONTROL_LEN_MAX = 125, /* payload of close, ping, pong */
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

/* Appends a whole frame. mask: 4 random bytes when we are the client, else
 * NULL. Failure shows in out->failed. */
void ws_frame(struct buf *out, enum ws_opcode opcode, struct bytes payload,
              const uint8_t *mask);
/* Appends a close frame; a long reason is cut. code 0: an empty one. */
void ws_frame_close(struct buf *out, uint16_t code, struct bytes reason,
                    const uint8_t *mask);

#endif
