/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/hash.h"

#include <assert.h>
#include <sodium.h>

#include "proto/topic.h"

static_assert(sizeof(struct hash_key) == crypto_shorthash_KEYBYTES,
              "the key of SipHash-2-4");

uint64_t hash_bytes(const struct hash_key *key, struct bytes s)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint64_t hash;

    crypto_shorthash(out, s.len == 0 ? (const uint8_t *)"" : s.p, s.len,
                     key->b);
    memcpy(&hash, out, sizeof hash);
    /* The reference output is little endian; read it so everywhere. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    hash = __builtin_bswap64(hash);
#endif
    return hash;
}

uint64_t hash_topic(const struct hash_key *key, struct bytes cache,
                    struct bytes topic)
{
    uint8_t joined[1 + CACHE_LEN_MAX + TOPIC_LEN_MAX];

    assert(cache.len <= CACHE_LEN_MAX);
    assert(topic.len <= TOPIC_LEN_MAX);
    joined[0] = (uint8_t)cache.len;
    if (cache.len > 0) {
        memcpy(joined + 1, cache.p, cache.len);
    }
    if (topic.len > 0) {
        memcpy(joined + 1 + cache.len, topic.p, topic.len);
    }
    return hash_bytes(key, bytes_of(joined, 1 + cache.len + topic.len));
}

uint64_t hash_key_print(const struct hash_key *key)
{
    uint8_t out[crypto_generichash_BYTES_MIN];

    crypto_generichash(out, sizeof out, key->b, sizeof key->b, NULL, 0);
    return bytes_u64be(out);
}

void hash_key_from_name(struct hash_key *key, struct bytes cluster_name)
{
    static const uint8_t purpose[] = "starling-hash-v1";

    crypto_generichash(key->b, sizeof key->b, cluster_name.p, cluster_name.len,
                       purpose, sizeof purpose - 1);
}
