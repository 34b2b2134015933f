/* SPDX-License-Identifier: Apache-2.0
 *
 * A numeric address and port, as a value: comparable, hashable, printable.
 * Names are resolved in node/ only. IPv4 is kept as ::ffff:a.b.c.d.
 */
#ifndef PROTO_ADDR_H
#define PROTO_ADDR_H

#include "proto/bytes.h"

enum {
    ADDR_TEXT_MAX = 56
}; /* "[ffff:...:255.255.255.255]:65535" and NUL */

struct addr {
    uint8_t ip[16];
    uint16_t port; /* host order; 0 = none */
};

static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
    return a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}
static inline bool addr_is_none(const struct addr *a)
{
    return a->port == 0;
}

bool addr_is_ip4(const struct addr *a);
bool addr_is_loopback(const struct addr *a); /* 127.0.0.0/8 or ::1 */
bool addr_is_any(const struct addr *a);      /* 0.0.0.0 or :: */

/* "1.2.3.4:5", "[::1]:5"; with a default port also "1.2.3.4" and "::1".
 * default_port 0 makes the port mandatory. Errors: ERR_SYNTAX. */
int addr_read(struct bytes text, uint16_t default_port, struct addr *addr);

/* Writes "1.2.3.4:5" or "[::1]:5" and NUL; returns out. */
char *addr_text(const struct addr *addr, char out[ADDR_TEXT_MAX]);
/* The same without the port: "1.2.3.4", "::1". */
char *addr_ip_text(const struct addr *addr, char out[ADDR_TEXT_MAX]);

#endif
