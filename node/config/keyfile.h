/* SPDX-License-Identifier: Apache-2.0
 *
 * The key file: cluster_keys, hash_key, token_keys; written by `starling
 * keygen`, mode 0600, refused if group or others may read it (DESIGN 5).
 *
 *   # starling keys: keep secret, the same file on every node
 *   hash_key: "5f..."          (32 hex digits; never changes)
 *   cluster_keys:              (64 hex digits each; the first one seals)
 *     - "9c..."
 *   token_keys:                (the first one signs)
 *     - {kid: k1, alg: EdDSA, seed: <64 hex>}
 *     - {kid: k2, alg: EdDSA, public: <64 hex>}   (only checks)
 *     - {kid: k0, alg: HS256, secret: <64 hex>}
 *
 * All three must be there: a missing list never means "everyone". No message
 * repeats a value.
 */
#ifndef NODE_KEYFILE_H
#define NODE_KEYFILE_H

#include "proto/hash.h"
#include "proto/seal.h"
#include "proto/token.h"

struct keyfile {
    struct hash_key hash_key;
    struct seal_ring ring; /* cluster_name is not set */
    struct token_keys token_keys;
};

/* Errors, each with `why`: ERR_IO (cannot read), ERR_DENIED (mode wider than
 * 0600), ERR_CONFIG ("file:line: reason"), ERR_NOMEM. *keys is untouched then.
 */
int keyfile_read(const char *path, struct keyfile *keys, char *why,
                 size_t why_len);
/* Creates the file with fresh random keys. Errors: ERR_CONFLICT (exists),
 * ERR_IO, ERR_NOMEM. */
int keyfile_create(const char *path);

/* One cluster key of a file that holds nothing else: 64 hex digits. Errors: as
 * keyfile_read(). */
int keyfile_read_secret(const char *path, uint8_t secret[SEAL_KEY_LEN],
                        char *why, size_t why_len);

/* A secret shared with somebody else: whatever bytes the file holds, without
 * one line end; KEYFILE_TEXT_MIN to KEYFILE_TEXT_MAX of them. Errors: as
 * keyfile_read(). */
enum {
    KEYFILE_TEXT_MIN = 16,
    KEYFILE_TEXT_MAX = 1024
};
int keyfile_read_text(const char *path, struct buf *text, char *why,
                      size_t why_len);

/* A fresh cluster key. */
void keyfile_random(uint8_t secret[SEAL_KEY_LEN]);
/* Writes all of it, to the disk. Errors: ERR_IO. */
int keyfile_write(int fd, struct bytes text);

#endif
