/* SPDX-License-Identifier: Apache-2.0
 *
 * How many connections come from one address: the bound limits.conns_per_ip.
 * IPv6 is counted by its /64, which is what one stranger owns. The table holds
 * only addresses that have a connection.
 */
#ifndef NODE_IPS_H
#define NODE_IPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/hash.h"

struct ip_count {
    uint8_t ip[16];
    uint64_t count; /* 0: the place is free */
};

struct ips {
    struct hash_key key;     /* set before the first call */
    struct ip_count *places; /* open addressing, cap is a power of two */
    size_t len;
    size_t cap;
};

void ips_fini(struct ips *ips);

/* Counts one more. Errors: ERR_LIMIT (it has `most`), ERR_NOMEM. */
int ips_add(struct ips *ips, const struct addr *addr, uint64_t most);
/* Counts one less of an address that was added. */
void ips_remove(struct ips *ips, const struct addr *addr);

#endif
