/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds the frames in the bytes of one pipe: the greeting of a pusher (SP over
 * TCP), then of each frame its length and itself.
 *
 *   greeting (8) | length (8, big endian) | frame ... | length | frame ...
 *
 * A frame that came whole is lent where it lies; only one that is cut is put
 * together in memory of its own, which grows with what came, not with what was
 * announced. So a pipe in which nothing is half has no buffer.
 *
 * Until the pipe is trusted its frames may have FRAMING_STRANGER_LEN.
 */
#ifndef NODE_FRAMING_H
#define NODE_FRAMING_H

#include <stdbool.h>

#include "proto/bytes.h"

enum {
    FRAMING_GREETING_LEN = 8,
    FRAMING_HEAD_LEN = 8,
    FRAMING_STRANGER_LEN = 128 << 10,
};

/* Zero, but for frame_max, is the beginning. */
struct framing {
    size_t frame_max;
    bool trusted;
    bool greeted;
    bool whole; /* the frame in `body` was lent */
    size_t at;  /* in head */
    uint8_t head[FRAMING_HEAD_LEN];
    size_t len;      /* of the frame that began */
    struct buf body; /* of it, what came so far */
};

void framing_fini(struct framing *framing);

/* The next frame of `in`, which shrinks by what was taken: 1 and *frame,
 * borrowed from `in` or until the next call; 0: all was taken, no frame is
 * whole. Errors: ERR_SYNTAX (no greeting of a pusher), ERR_TOO_BIG (a length
 * too great, or 0), ERR_NOMEM. Nothing may follow an error. */
int framing_next(struct framing *framing, struct bytes *in,
                 struct bytes *frame);

/* The bytes so far end within a frame or its head. */
bool framing_is_within(const struct framing *framing);

#endif
