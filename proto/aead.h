/* SPDX-License-Identifier: Apache-2.0
 *
 * ChaCha20-Poly1305 (RFC 8439) by libcrypto. It needs half the time of
 * libsodium for a few thousand bytes and more, since it has code for wider
 * registers, and more for a few: what is set up for each message costs more.
 * The bytes are the same.
 *
 * One at a time: it is not for several threads.
 */
#ifndef PROTO_AEAD_H
#define PROTO_AEAD_H

#include "proto/bytes.h"

enum {
    AEAD_KEY_LEN = 32,
    AEAD_NONCE_LEN = 12,
    AEAD_TAG_LEN = 16,
};

struct aead;

/* What is sealed, or to be opened, with. */
struct aead_with {
    const uint8_t *key;   /* AEAD_KEY_LEN */
    const uint8_t *nonce; /* AEAD_NONCE_LEN */
    struct bytes ad;
};

/* NULL: memory is short, or this libcrypto may not use the cipher. */
struct aead *aead_new(void);
void aead_free(struct aead *aead); /* may be NULL */

/* Writes plain.len + AEAD_TAG_LEN bytes, `out` not within plain. false: it did
 * not work, and `out` is worth nothing. */
bool aead_seal(struct aead *aead, const struct aead_with *with,
               struct bytes plain, uint8_t *out);
/* Writes sealed.len - AEAD_TAG_LEN bytes. false: it does not open, and `out`
 * is worth nothing. */
bool aead_open(struct aead *aead, const struct aead_with *with,
               struct bytes sealed, uint8_t *out);

#endif
