/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's connection to a node, for the commands: blocking, every wait with
 * a deadline. Commands are not the node: one thread, one thing at a time. Only
 * opening can also be done without waiting, for who has many (node/cli/way.h).
 */
#ifndef NODE_CLI_LINK_H
#define NODE_CLI_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proto/bytes.h"

enum {
    LINK_WAIT_MS = 5000,
    LINK_HOST_MAX = 256,
    LINK_IN_MAX = 32 << 20
};

/* http://HOST[:PORT], split. */
struct link_url {
    char host[LINK_HOST_MAX]; /* for the resolver, without brackets */
    char port[6];
    char authority[LINK_HOST_MAX + 8]; /* as it stands in the URL */
    struct sockaddr_storage address;   /* by link_url_find() */
    socklen_t address_len;
};

struct link {
    int fd;        /* -1 = closed */
    struct buf in; /* read and not yet taken */
};

/* Errors: ERR_ARGUMENT (not an http URL; https is not spoken by the commands
 * yet). */
int link_url_read(const char *text, struct link_url *url);

/* Connects within wait_ms. Errors: ERR_IO (refused, no such host),
 * ERR_TIMEOUT. The link is closed then. */
int link_open(struct link *link, const struct link_url *url, unsigned wait_ms);
void link_close(struct link *link);

/* Keeps in `url` the one of its addresses that answers within wait_ms: for
 * link_begin(). Errors: as of link_open(). */
int link_url_find(struct link_url *url, unsigned wait_ms);

/* Begins to connect to the address that was found; nothing waits. Then, when
 * the descriptor can be written, link_connected() says 1, or 0: not yet.
 * Errors: ERR_IO. */
int link_begin(struct link *link, const struct link_url *url);
int link_connected(const struct link *link);

/* Writes all of it. Errors: ERR_IO, ERR_TIMEOUT after LINK_WAIT_MS. */
int link_write(struct link *link, struct bytes bytes);

/* Appends what comes to link->in. Returns how many bytes, 0 at the end of the
 * stream, ERR_TIMEOUT when nothing came in wait_ms, ERR_IO, ERR_TOO_BIG. */
ptrdiff_t link_read(struct link *link, unsigned wait_ms);

/* Monotonic, for deadlines of commands. */
uint64_t link_now_ms(void);

#endif
