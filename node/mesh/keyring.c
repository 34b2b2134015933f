/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/keyring.h"

#include <assert.h>

#include "proto/err.h"

static size_t len_of(const struct seal_ring *ring)
{
    return ring->keys_len + ring->retired_len;
}

/* Takes out what is at `at`; those behind it move up. */
static void take_out(struct keyring *keyring, size_t at)
{
    struct seal_ring *ring = &keyring->ring;
    size_t last = len_of(ring) - 1;

    assert(at <= last);
    for (size_t i = at; i < last; i++) {
        ring->keys[i] = ring->keys[i + 1];
        keyring->retired_until_ms[i] = keyring->retired_until_ms[i + 1];
    }
    explicit_bzero(&ring->keys[last], sizeof ring->keys[last]);
    keyring->retired_until_ms[last] = 0;
    if (at < ring->keys_len) {
        ring->keys_len--;
    } else {
        ring->retired_len--;
    }
}

/* Puts an installed key at `at`; the others move back. There is room. */
static void put_in(struct keyring *keyring, size_t at,
                   const struct seal_key *key)
{
    struct seal_ring *ring = &keyring->ring;

    assert(at <= ring->keys_len && len_of(ring) < SEAL_KEYS_MAX);
    for (size_t i = len_of(ring); i > at; i--) {
        ring->keys[i] = ring->keys[i - 1];
        keyring->retired_until_ms[i] = keyring->retired_until_ms[i - 1];
    }
    ring->keys[at] = *key;
    keyring->retired_until_ms[at] = 0;
    ring->keys_len++;
}

/* A key that comes back is retired no longer. */
static void recall(struct keyring *keyring, uint64_t print)
{
    struct seal_ring *ring = &keyring->ring;

    for (size_t i = ring->keys_len; i < len_of(ring); i++) {
        if (ring->keys[i].print == print) {
            take_out(keyring, i);
            return;
        }
    }
}

void keyring_init(struct keyring *keyring, const struct seal_ring *keys,
                  struct bytes cluster_name)
{
    *keyring = (struct keyring){.insecure = keys->keys_len == 0};
    keyring->ring = *keys;
    keyring->ring.cluster_name = cluster_name;
    if (keyring->insecure) {
        seal_key_from_name(&keyring->ring.keys[0], cluster_name);
        keyring->ring.keys_len = 1;
    }
    keyring_check(keyring);
}

void keyring_fini(struct keyring *keyring)
{
    explicit_bzero(keyring, sizeof *keyring);
}

int keyring_install(struct keyring *keyring, const uint8_t secret[SEAL_KEY_LEN],
                    uint64_t *print)
{
    struct seal_ring *ring = &keyring->ring;
    struct seal_key key;
    int rc = seal_key_init(&key, secret);

    if (rc != 0) {
        return rc;
    }
    *print = key.print;
    if (seal_ring_find(ring, key.print) < 0) {
        recall(keyring, key.print);
        if (len_of(ring) == SEAL_KEYS_MAX && ring->retired_len > 0) {
            take_out(keyring, ring->keys_len); /* retired for longest */
        }
        if (ring->keys_len < SEAL_KEYS_MAX) {
            put_in(keyring, ring->keys_len, &key);
        } else {
            rc = ERR_LIMIT;
        }
    }
    explicit_bzero(&key, sizeof key);
    return rc;
}

int keyring_use(struct keyring *keyring, uint64_t print)
{
    ptrdiff_t at = seal_ring_find(&keyring->ring, print);

    if (at < 0) {
        return ERR_NOT_FOUND;
    }
    struct seal_key key = keyring->ring.keys[at];
    take_out(keyring, (size_t)at);
    put_in(keyring, 0, &key);
    explicit_bzero(&key, sizeof key);
    return 0;
}

int keyring_remove(struct keyring *keyring, uint64_t print, uint64_t now_ms)
{
    struct seal_ring *ring = &keyring->ring;
    ptrdiff_t at = seal_ring_find(ring, print);

    if (at < 0) {
        return 0;
    }
    if (at == 0) {
        return ERR_CONFLICT;
    }
    struct seal_key key = ring->keys[at];
    take_out(keyring, (size_t)at);
    size_t last = len_of(ring);
    ring->keys[last] = key;
    keyring->retired_until_ms[last] = now_ms + KEYRING_GRACE_MS;
    ring->retired_len++;
    explicit_bzero(&key, sizeof key);
    return 0;
}

void keyring_expire(struct keyring *keyring, uint64_t now_ms)
{
    struct seal_ring *ring = &keyring->ring;

    while (ring->retired_len > 0 &&
           keyring->retired_until_ms[ring->keys_len] <= now_ms) {
        take_out(keyring, ring->keys_len);
    }
}

void keyring_check(const struct keyring *keyring)
{
    const struct seal_ring *ring = &keyring->ring;

    assert(ring->keys_len >= 1 && len_of(ring) <= SEAL_KEYS_MAX);
    for (size_t i = 0; i < len_of(ring); i++) {
        for (size_t j = 0; j < i; j++) {
            assert(ring->keys[i].print != ring->keys[j].print);
        }
        assert((i >= ring->keys_len) == (keyring->retired_until_ms[i] != 0));
    }
}
