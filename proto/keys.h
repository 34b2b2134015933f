/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said about cluster keys: an operator's wish (JSON, POST
 * /v1/admin/keys), and what a node asks the others for it and hears (bodies of
 * PEER_CALL and PEER_REPLY).
 *
 *   keys_call    op | print (8) | secret (32, KEYS_INSTALL only)
 *   keys_state   code (2) | count | print (8) each, the first seals
 *
 * Big endian. What follows is of a newer node, and skipped. A key is named by
 * its print in 16 hex digits; its secret appears in a keys_call, which travels
 * sealed, and in the envelope of a wish, and nowhere else.
 */
#ifndef PROTO_KEYS_H
#define PROTO_KEYS_H

#include "proto/seal.h"

enum {
    KEYS_CALL_LEN_MAX = 1 + 8 + SEAL_KEY_LEN,
    KEYS_STATE_LEN_MAX = 3 + 8 * SEAL_KEYS_MAX,
    KEYS_PRINT_LEN = 16, /* hex digits */
    KEYS_SEALED_LEN = SEAL_OVERHEAD + SEAL_KEY_LEN,
};

enum keys_op {
    KEYS_LIST = 1,
    KEYS_INSTALL = 2,
    KEYS_USE = 3,
    KEYS_REMOVE = 4,
};

const char *keys_op_name(enum keys_op op);

struct keys_call {
    enum keys_op op;
    uint64_t print; /* but for KEYS_LIST */
    uint8_t secret[SEAL_KEY_LEN];
};

void keys_call_write(const struct keys_call *call, struct buf *out);
/* > 0 taken; ERR_SYNTAX otherwise, *call is untouched then. */
ptrdiff_t keys_call_read(struct bytes in, struct keys_call *call);

/* How the ring of a node looks after a call. */
struct keys_state {
    int err; /* enum err, what became of the op; 0 = done */
    size_t len;
    uint64_t prints[SEAL_KEYS_MAX];
};

void keys_state_write(const struct keys_state *state, struct buf *out);
/* As keys_call_read(). */
ptrdiff_t keys_state_read(struct bytes in, struct keys_state *state);

/* Whether the node has it. */
bool keys_state_has(const struct keys_state *state, uint64_t print);

/* {"op":"install"|"use"|"remove", "key":PRINT, "force":true, "sealed":BASE64}
 * The last is an envelope (SEAL_INSTALL) of the secret, for a key that the node
 * which is asked does not know. */
struct keys_wish {
    enum keys_op op;
    uint64_t print;
    bool force;        /* who does not answer is passed over */
    size_t sealed_len; /* 0 or KEYS_SEALED_LEN */
    uint8_t sealed[KEYS_SEALED_LEN];
};

/* Errors: ERR_SYNTAX (no JSON object), ERR_ARGUMENT (a member is missing,
 * unknown, or not what it should be); *wish is untouched then. */
int keys_wish_read(struct bytes text, struct keys_wish *wish);
void keys_wish_write(const struct keys_wish *wish, struct buf *out);

/* Exactly 16 hex digits. Errors: ERR_SYNTAX. */
int keys_print_read(struct bytes hex, uint64_t *print);
void keys_print_write(uint64_t print, struct buf *out);

#endif
