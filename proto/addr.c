/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/addr.h"

#include <arpa/inet.h>

#include "proto/err.h"

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool addr_is_ip4(const struct addr *a)
{
    return memcmp(a->ip, v4_prefix, sizeof v4_prefix) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t one[16] = {[15] = 1};

    return addr_is_ip4(a) ? a->ip[12] == 127
                          : memcmp(a->ip, one, sizeof one) == 0;
}

bool addr_is_any(const struct addr *a)
{
    static const uint8_t any[16];

    return addr_is_ip4(a) ? memcmp(a->ip + 12, any, 4) == 0
                          : memcmp(a->ip, any, sizeof any) == 0;
}

static int ip_read(struct bytes text, uint8_t ip[16])
{
    char copy[INET6_ADDRSTRLEN];

    if (text.len == 0 || text.len >= sizeof copy) {
        return ERR_SYNTAX;
    }
    memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len) {
        return ERR_SYNTAX;
    }
    if (inet_pton(AF_INET, copy, ip + 12) == 1) {
        memcpy(ip, v4_prefix, sizeof v4_prefix);
        return 0;
    }
    return inet_pton(AF_INET6, copy, ip) == 1 ? 0 : ERR_SYNTAX;
}

/* Splits text into address and port; an empty port is "none given". */
static int split(struct bytes text, struct bytes *ip, struct bytes *port)
{
    *port = (struct bytes){0};
    if (text.len > 0 && text.p[0] == '[') {
        ptrdiff_t end = bytes_find(text, ']');
        if (end < 0) {
            return ERR_SYNTAX;
        }
        *ip = bytes_of(text.p + 1, (size_t)end - 1);
        text = bytes_skip(text, (size_t)end + 1);
        if (text.len == 0) {
            return 0;
        }
        *port = bytes_skip(text, 1);
        return text.p[0] == ':' && port->len > 0 ? 0 : ERR_SYNTAX;
    }
    ptrdiff_t colon = bytes_find(text, ':');
    if (colon < 0 ||
        bytes_find(bytes_skip(text, (size_t)colon + 1), ':') >= 0) {
        *ip = text; /* IPv4 alone, or IPv6 without brackets */
        return 0;
    }
    *ip = bytes_of(text.p, (size_t)colon);
    *port = bytes_skip(text, (size_t)colon + 1);
    return port->len > 0 ? 0 : ERR_SYNTAX;
}

int addr_read(struct bytes text, uint16_t default_port, struct addr *addr)
{
    struct addr a = {.port = default_port};
    struct bytes ip;
    struct bytes port;
    uint64_t number;

    if (split(text, &ip, &port) != 0 || ip_read(ip, a.ip) != 0) {
        return ERR_SYNTAX;
    }
    if (port.len > 0) {
        if (bytes_u64(port, &number) != 0 || number > UINT16_MAX) {
            return ERR_SYNTAX;
        }
        a.port = (uint16_t)number;
    } else if (default_port == 0) {
        return ERR_SYNTAX;
    }
    *addr = a;
    return 0;
}

char *addr_ip_text(const struct addr *addr, char out[ADDR_TEXT_MAX])
{
    if (addr_is_ip4(addr)) {
        inet_ntop(AF_INET, addr->ip + 12, out, ADDR_TEXT_MAX);
    } else {
        inet_ntop(AF_INET6, addr->ip, out, ADDR_TEXT_MAX);
    }
    return out;
}

char *addr_text(const struct addr *addr, char out[ADDR_TEXT_MAX])
{
    char ip[ADDR_TEXT_MAX];
    size_t at = 0;
    uint16_t port = addr->port;
    char digits[5];
    size_t digits_len = 0;

    addr_ip_text(addr, ip);
    if (!addr_is_ip4(addr)) {
        out[at++] = '[';
    }
    memcpy(out + at, ip, strlen(ip));
    at += strlen(ip);
    if (!addr_is_ip4(addr)) {
        out[at++] = ']';
    }
    out[at++] = ':';
    do {
        digits[digits_len++] = (char)('0' + port % 10);
        port /= 10;
    } while (port != 0);
    while (digits_len > 0) {
        out[at++] = digits[--digits_len];
    }
    out[at] = '\0';
    return out;
}
