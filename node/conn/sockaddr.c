/* SPDX-License-Identifier: Apache-2.0 */
#include "node/conn/sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

void sockaddr_write(const struct addr *addr, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (addr_is_ip4(addr)) {
        struct sockaddr_in in = {.sin_family = AF_INET,
                                 .sin_port = htons(addr->port)};
        memcpy(&in.sin_addr, addr->ip + 12, 4);
        memcpy(out, &in, sizeof in);
    } else {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                                   .sin6_port = htons(addr->port)};
        memcpy(&in6.sin6_addr, addr->ip, 16);
        memcpy(out, &in6, sizeof in6);
    }
}

struct addr sockaddr_read(const struct sockaddr *from)
{
    struct addr addr = {0};

    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        addr.port = ntohs(in.sin_port);
        addr.ip[10] = 0xff;
        addr.ip[11] = 0xff;
        memcpy(addr.ip + 12, &in.sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof in6);
        addr.port = ntohs(in6.sin6_port);
        memcpy(addr.ip, &in6.sin6_addr, 16);
    }
    return addr;
}
