/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ws_frame.h"

#include "proto/bytes.h"

enum {
    FIN = 0x80,
    LEN_16 = 126, /* the next two bytes are the length */
    LEN_64 = 127, /* the next eight bytes are */
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
