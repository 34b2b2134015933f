/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/framing.h"

#include <assert.h>

#include "proto/err.h"

/* Zero, "SP", version 0, the number of push0, zeros. */
static const uint8_t greeting[FRAMING_GREETING_LEN] = {0, 'S', 'P', 0, 0, 0x50};

static_assert((int)FRAMING_GREETING_LEN == (int)FRAMING_HEAD_LEN, "one place");

void framing_fini(struct framing *framing)
{
    buf_fini(&framing->body);
}

static struct bytes take(struct bytes *in, size_t most)
{
    struct bytes taken = bytes_of(in->p, in->len < most ? in->len : most);

    *in = bytes_skip(*in, taken.len);
    return taken;
}

/* True when all bytes of a head, or of the greeting, are there. */
static bool take_head(struct framing *framing, struct bytes *in)
{
    struct bytes came = take(in, FRAMING_HEAD_LEN - framing->at);

    if (came.len > 0) {
        memcpy(framing->head + framing->at, came.p, came.len);
        framing->at += came.len;
    }
    return framing->at == FRAMING_HEAD_LEN;
}

/* An empty frame is nonsense. */
static int begin(struct framing *framing)
{
    uint64_t len = bytes_u64be(framing->head);

    if (len == 0 || len > framing->frame_max ||
        (len > FRAMING_STRANGER_LEN && !framing->trusted)) {
        return ERR_TOO_BIG;
    }
    framing->len = (size_t)len;
    framing->body.max = framing->len;
    return 0;
}

/* 1 when it is whole. */
static int take_body(struct framing *framing, struct bytes *in,
                     struct bytes *frame)
{
    struct buf *body = &framing->body;

    if (body->len == 0 && in->len >= framing->len) {
        *frame = take(in, framing->len);
        framing->at = 0;
        return 1;
    }
    buf_add_bytes(body, take(in, framing->len - body->len));
    if (body->failed) {
        return ERR_NOMEM;
    }
    if (body->len < framing->len) {
        return 0;
    }
    *frame = buf_bytes(body);
    framing->whole = true;
    framing->at = 0;
    return 1;
}

int framing_next(struct framing *framing, struct bytes *in, struct bytes *frame)
{
    if (framing->whole) {
        buf_fini(&framing->body);
        framing->whole = false;
    }
    if (!framing->greeted) {
        if (!take_head(framing, in)) {
            return 0;
        }
        if (memcmp(framing->head, greeting, sizeof greeting) != 0) {
            return ERR_SYNTAX;
        }
        framing->greeted = true;
        framing->at = 0;
    }
    if (framing->at < FRAMING_HEAD_LEN) {
        int rc = take_head(framing, in) ? begin(framing) : 0;
        if (rc != 0 || framing->at < FRAMING_HEAD_LEN) {
            return rc;
        }
    }
    return take_body(framing, in, frame);
}

bool framing_is_within(const struct framing *framing)
{
    return framing->at > 0;
}
