/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys that a running node seals and opens with. They begin as the key file
 * says and change while the node runs (install, use, remove); nothing is
 * written back. Gossip and both lanes borrow the ring: a change holds from the
 * next packet on.
 *
 *   install   opens with it             as many as SEAL_KEYS_MAX
 *   use       seals with it             it must be installed
 *   remove    neither; but links still open it for KEYRING_GRACE_MS, so that
 *             what is under way is not lost      never the one that seals
 *
 * All three may be repeated. A nonce is counted by who seals, whatever the key,
 * so going back to an earlier key repeats none. Everything is sealed and opened
 * on the loop thread, where the ring changes.
 */
#ifndef NODE_KEYRING_H
#define NODE_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/seal.h"

enum {
    KEYRING_GRACE_MS = 10000
};

struct keyring {
    struct seal_ring ring;
    bool insecure; /* its key comes from the cluster's name and stays */
    uint64_t retired_until_ms[SEAL_KEYS_MAX]; /* by place in the ring */
};

/* Copies the keys; none = insecure. The name is borrowed for life. */
void keyring_init(struct keyring *keyring, const struct seal_ring *keys,
                  struct bytes cluster_name);
void keyring_fini(struct keyring *keyring);

/* Errors: ERR_ARGUMENT (all zero), ERR_LIMIT (SEAL_KEYS_MAX are installed). */
int keyring_install(struct keyring *keyring, const uint8_t secret[SEAL_KEY_LEN],
                    uint64_t *print);
/* Errors: ERR_NOT_FOUND. */
int keyring_use(struct keyring *keyring, uint64_t print);
/* One that is not there is removed. Errors: ERR_CONFLICT (it seals). */
int keyring_remove(struct keyring *keyring, uint64_t print, uint64_t now_ms);

/* Forgets what was removed long enough ago. Cheap: every turn. */
void keyring_expire(struct keyring *keyring, uint64_t now_ms);

void keyring_check(const struct keyring *keyring);

#endif
