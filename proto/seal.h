/* SPDX-License-Identifier: Apache-2.0
 *
 * The envelope around everything that nodes say: XChaCha20-Poly1305.
 *
 *   0      1      2          10                 34
 *   | 'S'  | kind | key print | nonce (24)       | ciphertext ... | tag (16) |
 *
 *   nonce            16 random bytes of this life | 64-bit counter, big endian
 *   associated data  the first 10 bytes | cluster name | destination id
 *
 * A packet for another cluster, another node, another kind of traffic or with
 * a changed byte does not open. The destination is all zero only in a join,
 * when the sender does not know it yet. The caller passes the nonce in: nothing
 * here is random, and nothing here has a clock.
 *
 * Replays: the counter is unique for each (life, kind); struct seal_window
 * remembers the newest 1024 of one sender.
 *
 * Source: DESIGN 5 (Keys).
 */
#ifndef PROTO_SEAL_H
#define PROTO_SEAL_H

#include "proto/aead.h"
#include "proto/peer.h"

enum {
    SEAL_KEY_LEN = 32,
    SEAL_NONCE_LEN = 24,
    SEAL_HEAD_LEN = 2 + 8 + SEAL_NONCE_LEN,
    SEAL_TAG_LEN = 16,
    SEAL_OVERHEAD = SEAL_HEAD_LEN + SEAL_TAG_LEN,
    SEAL_KEYS_MAX = 8,
    SEAL_WINDOW = 1024, /* counters */
};

enum seal_kind {
    SEAL_GOSSIP = 1,
    SEAL_LINK = 2,
    SEAL_INSTALL = 3, /* a new secret, from an operator who holds a key */
};

/* One secret of the cluster, as it is used: a key of its own for each kind of
 * traffic, so that gossip and links may count their nonces apart. */
struct seal_key {
    uint8_t gossip[SEAL_KEY_LEN];
    uint8_t link[SEAL_KEY_LEN];
    uint8_t install[SEAL_KEY_LEN];
    uint8_t secret[SEAL_KEY_LEN]; /* what they are derived from */
    uint64_t print;               /* names the secret in the envelope */
};

/* keys[0] seals, the first keys_len open (install, use, remove: CLUSTER 1.1).
 * Behind them are retired_len keys that still open links, and nothing else:
 * what was under way when they were removed. */
struct seal_ring {
    struct seal_key keys[SEAL_KEYS_MAX];
    size_t keys_len;
    size_t retired_len;
    struct bytes cluster_name; /* borrowed for the life of the ring */
    struct aead *aead; /* borrowed: makes long ones faster; NULL: not so */
};

/* Derives the keys from the secret. Errors: ERR_ARGUMENT when it is all zero
 * (ADVERSARIAL J5). */
int seal_key_init(struct seal_key *key, const uint8_t b[SEAL_KEY_LEN]);
/* The key of a cluster without a key file; protects against accidents only. */
void seal_key_from_name(struct seal_key *key, struct bytes cluster_name);

/* The place of the key in the ring, the retired not counted; -1: it has none
 * of that print. */
ptrdiff_t seal_ring_find(const struct seal_ring *ring, uint64_t print);

/* The print that an envelope claims to be sealed under: anybody may write one.
 * false: it is no envelope. */
bool seal_print(struct bytes sealed, uint64_t *print);

/* Appends the envelope of `plain` to out. The nonce must never repeat for this
 * kind under one key. dst NULL = zero. Failure shows in out->failed. */
void seal_write(const struct seal_ring *ring, enum seal_kind kind,
                const struct node_id *dst, const uint8_t nonce[SEAL_NONCE_LEN],
                struct bytes plain, struct buf *out);

/* Opens one whole envelope for `dst` (NULL = zero) into out (replaced, not
 * appended; empty on error). `counter` is that of the nonce. Errors: ERR_SYNTAX
 * (no envelope), ERR_FORGED (no key of ours opens it as this kind for this
 * destination), ERR_NOMEM. Drop, count, say nothing. */
int seal_read(const struct seal_ring *ring, enum seal_kind kind,
              const struct node_id *dst, struct bytes sealed, struct buf *out,
              uint64_t *counter);

struct seal_window {
    uint64_t newest;
    uint64_t seen[SEAL_WINDOW / 64];
};

/* True once for each counter; false for one seen before or too old to know. */
bool seal_window_accept(struct seal_window *window, uint64_t counter);
/* Whether it would say no. */
bool seal_window_has(const struct seal_window *window, uint64_t counter);

#endif
