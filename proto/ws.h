/* SPDX-License-Identifier: Apache-2.0
 *
 * Receiving WebSocket messages (RFC 6455). The doorway of wslay, which splits
 * what arrives into frames; messages and their limits are made here. Feed a
 * slice, then take messages until there are none:
 *
 *     ws_feed(&ws, in);
 *     while ((rc = ws_next(&ws, &message)) > 0) { ... }
 *
 * All of a slice is taken; what is not a whole message yet is kept inside.
 * Between messages nothing is allocated, so an idle connection holds only this
 * struct. Fragments are joined; control frames may come between them. No
 * extension is spoken.
 */
#ifndef PROTO_WS_H
#define PROTO_WS_H

#include "proto/bytes.h"
#include "proto/ws_frame.h"

enum {
    WS_FRAGMENTS_MAX = 1024, /* of one message */
    WS_KEY_LEN = 24,         /* Sec-WebSocket-Key: base64 of 16 bytes */
    WS_ACCEPT_LEN = 28,      /* Sec-WebSocket-Accept: base64 of a SHA-1 */
};

/* RFC 6455 section 7.4.1, those that we say. */
enum ws_code {
    WS_CODE_NORMAL = 1000,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_NOT_TEXT = 1007,
    WS_CODE_POLICY = 1008,
    WS_CODE_TOO_BIG = 1009,
    WS_CODE_INTERNAL = 1011,
    WS_CODE_RESTART = 1012,
    WS_CODE_TRY_LATER = 1013,
};

struct ws_message {
    enum ws_opcode opcode; /* never WS_CONTINUATION */
    struct bytes payload;  /* text is valid UTF-8; WS_CLOSE: the reason */
    uint16_t code;         /* of WS_CLOSE; 0 when the peer gave none */
};

struct wslay_frame_context;

struct ws {
    uint64_t message_max; /* bytes of a joined message */
    bool from_server;     /* we are the client: frames come unmasked */

    struct wslay_frame_context *frames; /* NULL between frames */
    struct bytes in;                    /* fed and not yet taken */
    uint64_t held;      /* bytes of unfinished frames that wslay took */
    uint64_t frame_off; /* payload bytes of the open frame seen */
    bool in_frame;
    bool ended;         /* `message` was handed out: start anew */
    uint8_t opcode;     /* of the open message, 0: none is open */
    uint32_t fragments; /* of the open message */
    struct buf message; /* joined so far */
    struct buf control; /* the open control frame */
};

/* Zero plus message_max is a valid start. */
void ws_fini(struct ws *ws);

/* Offers bytes; borrowed until ws_next() returns 0 or an error. */
void ws_feed(struct ws *ws, struct bytes in);

/* Takes one message or control frame: 1, 0 when more bytes are needed, or an
 * error after which only ws_fini() may follow: ERR_SYNTAX, ERR_UTF8,
 * ERR_TOO_BIG (size or number of fragments), ERR_NOMEM. The payload is valid
 * until the next call. */
int ws_next(struct ws *ws, struct ws_message *message);

/* The close code that tells the peer of an error of ours or of ws_next(). */
uint16_t ws_code_of(int err);

/* The answer to a client's key (section 4.2.2); false when the key is not
 * base64 of 16 bytes. In proto/ws_key.c, with OpenSSL's SHA-1. */
bool ws_accept(struct bytes key, char out[WS_ACCEPT_LEN + 1]);

#endif
