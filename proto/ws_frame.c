/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ws_frame.h"

enum {
    FIN = 0x80,
    MASKED = 0x80, /* in the byte of the length */
    LEN_16 = 126,  /* the next two bytes are the length */
    LEN_64 = 127,  /* the next eight bytes are */
};

size_t ws_frame_head(uint8_t head[WS_FRAME_HEAD_MAX], enum ws_opcode opcode,
                     uint64_t len)
{
    head[0] = (uint8_t)(FIN | opcode);
    if (len < LEN_16) {
        head[1] = (uint8_t)len;
        return 2;
    }
    if (len <= UINT16_MAX) {
        head[1] = LEN_16;
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
        return 4;
    }
    head[1] = LEN_64;
    bytes_put_u64be(head + 2, len);
    return 10;
}

void ws_frame(struct buf *out, enum ws_opcode opcode, struct bytes payload,
              const uint8_t *mask)
{
    uint8_t head[WS_FRAME_HEAD_MAX];
    size_t head_len = ws_frame_head(head, opcode, payload.len);

    if (mask != NULL) {
        head[1] |= MASKED;
    }
    buf_add(out, head, head_len);
    if (mask != NULL) {
        buf_add(out, mask, 4);
    }
    size_t at = out->len;
    buf_add_bytes(out, payload);
    if (mask == NULL || out->failed) {
        return;
    }
    for (size_t i = 0; i < payload.len; i++) {
        out->p[at + i] ^= mask[i % 4];
    }
}

void ws_frame_close(struct buf *out, uint16_t code, struct bytes reason,
                    const uint8_t *mask)
{
    uint8_t body[WS_CONTROL_LEN_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t len = reason.len < sizeof body - 2 ? reason.len : sizeof body - 2;

    if (len > 0) {
        memcpy(body + 2, reason.p, len);
    }
    ws_frame(out, WS_CLOSE, bytes_of(body, code == 0 ? 0 : len + 2), mask);
}
