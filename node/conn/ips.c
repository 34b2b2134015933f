/* SPDX-License-Identifier: Apache-2.0 */
#include "node/conn/ips.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

enum {
    CAP_MIN = 16
};

static struct ip_count *find(const struct ips *ips, const uint8_t ip[16]);
static int grow(struct ips *ips);

void ips_fini(struct ips *ips)
{
    free(ips->places);
    *ips = (struct ips){.key = ips->key};
}

static void owner_of(const struct addr *addr, uint8_t ip[16])
{
    memcpy(ip, addr->ip, 16);
    if (!addr_is_ip4(addr) && !addr_is_loopback(addr)) {
        memset(ip + 8, 0, 8);
    }
}

int ips_add(struct ips *ips, const struct addr *addr, uint64_t most)
{
    uint8_t ip[16];

    owner_of(addr, ip);
    if (ips->len >= ips->cap / 2 && grow(ips) != 0) {
        return ERR_NOMEM;
    }
    struct ip_count *place = find(ips, ip);
    if (place->count >= most) {
        return ERR_LIMIT;
    }
    if (place->count++ == 0) {
        memcpy(place->ip, ip, sizeof ip);
        ips->len++;
    }
    return 0;
}

static size_t home_of(const struct ips *ips, const uint8_t ip[16])
{
    return (size_t)hash_bytes(&ips->key, bytes_of(ip, 16)) & (ips->cap - 1);
}

/* Its place, or the free one where it belongs. */
static struct ip_count *find(const struct ips *ips, const uint8_t ip[16])
{
    size_t at = home_of(ips, ip);

    while (ips->places[at].count != 0 &&
           memcmp(ips->places[at].ip, ip, 16) != 0) {
        at = (at + 1) & (ips->cap - 1);
    }
    return &ips->places[at];
}

/* Closes the gap at `hole`: each follower that may move back does. */
static void close_gap(struct ips *ips, size_t hole)
{
    size_t mask = ips->cap - 1;

    for (size_t at = (hole + 1) & mask; ips->places[at].count != 0;
         at = (at + 1) & mask) {
        size_t home = home_of(ips, ips->places[at].ip);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            ips->places[hole] = ips->places[at];
            ips->places[at].count = 0;
            hole = at;
        }
    }
}

void ips_remove(struct ips *ips, const struct addr *addr)
{
    uint8_t ip[16];

    owner_of(addr, ip);
    struct ip_count *place = find(ips, ip);
    assert(place->count > 0);
    if (--place->count == 0) {
        ips->len--;
        close_gap(ips, (size_t)(place - ips->places));
    }
}

static int grow(struct ips *ips)
{
    struct ips bigger = {.key = ips->key, .len = ips->len};

    bigger.cap = ips->cap == 0 ? CAP_MIN : ips->cap * 2;
    bigger.places = calloc(bigger.cap, sizeof *bigger.places);
    if (bigger.places == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < ips->cap; i++) {
        if (ips->places[i].count != 0) {
            *find(&bigger, ips->places[i].ip) = ips->places[i];
        }
    }
    free(ips->places);
    *ips = bigger;
    return 0;
}
