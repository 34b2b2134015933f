/* SPDX-License-Identifier: Apache-2.0
 *
 * struct addr to and from what the socket calls take.
 */
#ifndef NODE_SOCKADDR_H
#define NODE_SOCKADDR_H

#include <sys/socket.h>

#include "proto/addr.h"

/* AF_INET for an IPv4 address, else AF_INET6. */
void sockaddr_write(const struct addr *addr, struct sockaddr_storage *out);
/* Zero for a family that is neither. */
struct addr sockaddr_read(const struct sockaddr *from);

#endif
