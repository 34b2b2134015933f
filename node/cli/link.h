/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's connection to a node, for the commands: blocking, every wait with
 * a deadline. Commands are not the node: one thread, one thing at a time. Only
 * opening can also be done without waiting, for who has many (node/cli/way.h).
 *
 * https:// is TLS: the certificate must be of an authority that is trusted (the
 * file STARLING_CA, else the system's) and name the host.
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

/* http[s]://HOST[:PORT], split. */
struct link_url {
    bool tls;
    char host[LINK_HOST_MAX]; /* for the resolver, without brackets */
    char port[6];
    char authority[LINK_HOST_MAX + 8]; /* as it stands in the URL */
    struct sockaddr_storage address;   /* by link_url_find() */
    socklen_t address_len;
};

struct link {
    int fd;          /* -1 = closed */
    struct buf in;   /* read and not yet taken */
    struct tls *tls; /* NULL: plain */
    bool connected;  /* by link_begin(): the socket is; TLS may still shake */
};

/* Errors: ERR_ARGUMENT (not such a URL). */
int link_url_read(const char *text, struct link_url *url);

/* Connects within wait_ms. Errors: ERR_IO (refused, no such host, a certificate
 * that is not trusted: link_why()), ERR_TIMEOUT, ERR_CONFIG (no authorities).
 * The link is closed then. */
int link_open(struct link *link, const struct link_url *url, unsigned wait_ms);
void link_close(struct link *link);

/* Keeps in `url` the one of its addresses that answers within wait_ms: for
 * link_begin(). Errors: as of link_open(). */
int link_url_find(struct link_url *url, unsigned wait_ms);

/* Begins to connect to the address that was found; nothing waits. Then, when
 * the descriptor has what link_waits_for() says, link_connected() says 1, or 0:
 * not yet. Errors: ERR_IO. */
int link_begin(struct link *link, const struct link_url *url);
short link_waits_for(const struct link *link);
int link_connected(struct link *link);
/* What was wrong with the last link that TLS refused; "" if none. */
const char *link_why(void);

/* Writes all of it. Errors: ERR_IO, ERR_TIMEOUT after LINK_WAIT_MS. */
int link_write(struct link *link, struct bytes bytes);

/* Appends what comes to link->in. Returns how many bytes, 0 at the end of the
 * stream, ERR_TIMEOUT when nothing came in wait_ms, ERR_IO, ERR_TOO_BIG. */
ptrdiff_t link_read(struct link *link, unsigned wait_ms);

/* Monotonic, for deadlines of commands. */
uint64_t link_now_ms(void);
uint64_t link_now_us(void);

#endif
