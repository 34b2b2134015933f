/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling dev --lan` needs beyond loopback: an address that others in
 * this network reach, keys of its own, and two tokens for an hour: one for who
 * presents, which may do everything, and one for who joins by the QR code,
 * which may publish, subscribe and look.
 *
 * The keys are in a file without a name: what has the descriptor, which nodes
 * inherit, reads it by its path under /proc/self. Nothing of it is left when
 * the last one has ended, however that ends.
 */
#ifndef NODE_CLI_DEV_LAN_H
#define NODE_CLI_DEV_LAN_H

#include <stdbool.h>

#include "proto/bytes.h"

enum {
    DEV_LAN_TTL_S = 3600
};

struct dev_lan {
    char host[16]; /* IPv4 */
    int keys_fd;
    char keys[32];        /* path of the key file, here and in children */
    struct buf presenter; /* tokens, ending in a NUL */
    struct buf guest;
};

/* `address`: that one instead of the one found. Errors, each with a sentence in
 * *why: ERR_NOT_FOUND (no such network), ERR_ARGUMENT (no IPv4 address),
 * ERR_IO, ERR_NOMEM. */
int dev_lan_open(struct dev_lan *lan, const char *address, const char **why);
void dev_lan_close(struct dev_lan *lan);

#endif
