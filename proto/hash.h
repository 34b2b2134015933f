/* SPDX-License-Identifier: Apache-2.0
 *
 * The one hash of a topic: SipHash-2-4 under the cluster's hash key.
 *
 * The same 64 bits find a topic in the hub, name it in the interest maps and
 * travel with each item, so it is computed once, where an item enters the
 * cluster. Keyed: a stranger cannot choose colliding names. The key is never
 * rotated, because that would rename every topic at once (CLUSTER 6.3).
 */
#ifndef PROTO_HASH_H
#define PROTO_HASH_H

#include <stdint.h>

#include "proto/bytes.h"

struct hash_key {
    uint8_t b[16];
};

/* The length of the cache name is hashed first, so that ("a","bc") and
 * ("ab","c") differ. Limits: cache <= CACHE_LEN_MAX, topic <= TOPIC_LEN_MAX. */
uint64_t hash_topic(const struct hash_key *key, struct bytes cache,
                    struct bytes topic);

/* Any other bytes: patterns, digests, rendezvous weights. */
uint64_t hash_bytes(const struct hash_key *key, struct bytes s);

/* The first 8 bytes of a BLAKE2b of the key: shown in the hello, so that two
 * clusters with different keys refuse each other with a sentence. */
uint64_t hash_key_print(const struct hash_key *key);

/* The key that a cluster without a key file uses: BLAKE2b of its name. It
 * keeps nothing secret; such nodes bind loopback only. */
void hash_key_from_name(struct hash_key *key, struct bytes cluster_name);

/* Mixes a 64-bit value; a fixed bijection, for set digests. Never 0 for 0. */
static inline uint64_t hash_mix(uint64_t v)
{
    v += 0x9e3779b97f4a7c15u;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
    v = (v ^ v >> 27) * 0x94d049bb133111ebu;
    return v ^ v >> 31;
}

#endif
