/* SPDX-License-Identifier: Apache-2.0
 *
 * WebSocket frames, as a server hears a client and as a client hears a server.
 * In one piece they are read as in many, and what was heard, written as frames
 * again, is heard again. The first byte chooses side and bound.
 */
#include "tests/fuzz/fuzz.h"

#include "proto/ws.h"

static const uint8_t mask[4] = {0xa1, 0x5e, 0x00, 0xff};

static void note(struct buf *log, const struct ws_message *m)
{
    buf_add_u8(log, (uint8_t)m->opcode);
    buf_add_u64(log, m->code);
    buf_add_u8(log, ':');
    buf_add_u64(log, m->payload.len);
    buf_add_u8(log, ':');
    buf_add_bytes(log, m->payload);
}

static void write_again(struct buf *out, const struct ws_message *m,
                        bool from_server)
{
    const uint8_t *with = from_server ? NULL : mask;

    if (m->opcode == WS_CLOSE) {
        ws_frame_close(out, m->code, m->payload, with);
    } else {
        ws_frame(out, m->opcode, m->payload, with);
    }
}

/* Notes all messages; writes them again unless `again` is NULL. */
static int hear(const struct ws *like, struct bytes in, struct fuzz_dice *dice,
                struct buf *log, struct buf *again)
{
    struct ws ws = *like;
    int rc = 0;

    while (in.len > 0 && rc == 0) {
        size_t n = dice == NULL ? in.len : fuzz_piece(dice, in.len);
        uint8_t *copy = fuzz_copy(bytes_of(in.p, n));
        struct ws_message message;
        ws_feed(&ws, bytes_of(copy, n));
        while ((rc = ws_next(&ws, &message)) > 0) {
            assert(message.payload.len <= like->message_max ||
                   message.opcode >= WS_CLOSE);
            note(log, &message);
            if (again != NULL) {
                write_again(again, &message, like->from_server);
            }
        }
        free(copy);
        in = bytes_skip(in, n);
    }
    ws_fini(&ws);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) {
        return 0;
    }
    struct bytes in = bytes_of(data + 1, len - 1);
    struct ws like = {.from_server = data[0] & 1,
                      .message_max = data[0] & 2 ? 100 : 70000};
    struct fuzz_dice dice = fuzz_dice_of(in);
    struct buf whole = {0};
    struct buf pieces = {0};
    struct buf third = {0};
    struct buf again = {0};

    int rc = hear(&like, in, NULL, &whole, &again);
    assert(hear(&like, in, &dice, &pieces, NULL) == rc);
    assert(bytes_eq(buf_bytes(&whole), buf_bytes(&pieces)));
    assert(hear(&like, buf_bytes(&again), NULL, &third, NULL) == 0);
    assert(bytes_eq(buf_bytes(&whole), buf_bytes(&third)));
    buf_fini(&whole);
    buf_fini(&pieces);
    buf_fini(&third);
    buf_fini(&again);
    return 0;
}
