/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/seal.h"

#include <assert.h>
#include <sodium.h>

#include "proto/aead.h"
#include "proto/err.h"

enum {
    LONG = 512, /* shorter ones libsodium does as fast */
    KEY_PRINT_AT = 2,
    NONCE_AT = 10,
    COUNTER_AT = 16, /* in the nonce */
    AD_LEN_MAX = NONCE_AT + CLUSTER_NAME_LEN_MAX + NODE_ID_LEN,
};

static_assert(SEAL_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "");
static_assert(SEAL_NONCE_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
              "");
static_assert(SEAL_TAG_LEN == crypto_aead_xchacha20poly1305_ietf_ABYTES, "");

/* BLAKE2b of `in`; the purpose keeps different uses of one secret apart. */
static void derive(uint8_t *out, size_t len, struct bytes in,
                   const char *purpose)
{
    crypto_generichash(out, len, in.p, in.len, (const uint8_t *)purpose,
                       strlen(purpose));
}

int seal_key_init(struct seal_key *key, const uint8_t b[SEAL_KEY_LEN])
{
    struct bytes secret = bytes_of(b, SEAL_KEY_LEN);
    uint8_t print[crypto_generichash_BYTES_MIN];

    if (sodium_is_zero(b, SEAL_KEY_LEN)) {
        return ERR_ARGUMENT;
    }
    derive(key->gossip, sizeof key->gossip, secret, "starling-gossip-v1");
    derive(key->link, sizeof key->link, secret, "starling-link-v1");
    derive(key->install, sizeof key->install, secret, "starling-install-v1");
    memcpy(key->secret, b, SEAL_KEY_LEN);
    derive(print, sizeof print, secret, "starling-seal-print-v1");
    key->print = bytes_u64be(print);
    return 0;
}

void seal_key_from_name(struct seal_key *key, struct bytes cluster_name)
{
    uint8_t b[SEAL_KEY_LEN];

    derive(b, sizeof b, cluster_name, "starling-seal-v1");
    int rc = seal_key_init(key, b);
    assert(rc == 0); /* a hash is not zero */
    (void)rc;
}

ptrdiff_t seal_ring_find(const struct seal_ring *ring, uint64_t print)
{
    for (size_t i = 0; i < ring->keys_len; i++) {
        if (ring->keys[i].print == print) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

bool seal_print(struct bytes sealed, uint64_t *print)
{
    if (sealed.len < SEAL_OVERHEAD || sealed.p[0] != 'S') {
        return false;
    }
    *print = bytes_u64be(sealed.p + KEY_PRINT_AT);
    return true;
}

static const uint8_t *key_of(const struct seal_key *key, enum seal_kind kind)
{
    switch (kind) {
    case SEAL_GOSSIP:
        return key->gossip;
    case SEAL_LINK:
        return key->link;
    case SEAL_INSTALL:
        return key->install;
    }
    assert(false);
    return NULL;
}

/* The associated data: first bytes of the envelope, cluster, destination. Both
 * ends have a fixed length, so that nothing can move from one to another. */
static size_t ad_write(uint8_t ad[AD_LEN_MAX], const uint8_t *head,
                       const struct seal_ring *ring, const struct node_id *dst)
{
    static const struct node_id zero;
    struct bytes name = ring->cluster_name;

    assert(name.len <= CLUSTER_NAME_LEN_MAX);
    memcpy(ad, head, NONCE_AT);
    if (name.len > 0) {
        memcpy(ad + NONCE_AT, name.p, name.len);
    }
    memcpy(ad + NONCE_AT + name.len, dst == NULL ? zero.b : dst->b,
           NODE_ID_LEN);
    return NONCE_AT + name.len + NODE_ID_LEN;
}

/* XChaCha20 is ChaCha20 with a key made of the first 16 bytes of the nonce, and
 * with the others as its nonce. */
struct inner {
    uint8_t key[AEAD_KEY_LEN];
    uint8_t nonce[AEAD_NONCE_LEN];
};

static struct aead_with inner_init(struct inner *inner, const uint8_t *key,
                                   const uint8_t *nonce, struct bytes ad)
{
    crypto_core_hchacha20(inner->key, nonce, key, NULL);
    memset(inner->nonce, 0, sizeof inner->nonce);
    memcpy(inner->nonce + AEAD_NONCE_LEN - (SEAL_NONCE_LEN - COUNTER_AT),
           nonce + COUNTER_AT, SEAL_NONCE_LEN - COUNTER_AT);
    return (struct aead_with){
        .key = inner->key, .nonce = inner->nonce, .ad = ad};
}

static void encrypt(const struct seal_ring *ring, const uint8_t *key,
                    const uint8_t *nonce, struct bytes ad, struct bytes plain,
                    uint8_t *to)
{
    struct inner inner;

    if (ring->aead != NULL && plain.len >= LONG) {
        struct aead_with with = inner_init(&inner, key, nonce, ad);
        bool sealed = aead_seal(ring->aead, &with, plain, to);
        sodium_memzero(&inner, sizeof inner);
        if (sealed) {
            return;
        }
    }
    crypto_aead_xchacha20poly1305_ietf_encrypt(to, NULL, plain.p, plain.len,
                                               ad.p, ad.len, NULL, nonce, key);
}

void seal_write(const struct seal_ring *ring, enum seal_kind kind,
                const struct node_id *dst, const uint8_t nonce[SEAL_NONCE_LEN],
                struct bytes plain, struct buf *out)
{
    uint8_t ad[AD_LEN_MAX];

    assert(ring->keys_len > 0 && ring->keys_len <= SEAL_KEYS_MAX);
    if (plain.len > SIZE_MAX - SEAL_OVERHEAD) {
        out->failed = true;
        return;
    }
    uint8_t *to = buf_reserve(out, SEAL_OVERHEAD + plain.len);
    if (to == NULL) {
        return;
    }
    to[0] = 'S';
    to[1] = (uint8_t)kind;
    bytes_put_u64be(to + KEY_PRINT_AT, ring->keys[0].print);
    memcpy(to + NONCE_AT, nonce, SEAL_NONCE_LEN);
    size_t ad_len = ad_write(ad, to, ring, dst);
    encrypt(ring, key_of(&ring->keys[0], kind), nonce, bytes_of(ad, ad_len),
            plain, to + SEAL_HEAD_LEN);
    out->len += SEAL_OVERHEAD + plain.len;
}

static bool opens(const struct seal_ring *ring, const uint8_t *key,
                  struct bytes sealed, struct bytes ad, uint8_t *plain)
{
    const uint8_t *nonce = sealed.p + NONCE_AT;
    struct bytes body = bytes_skip(sealed, SEAL_HEAD_LEN);
    struct inner inner;

    if (ring->aead != NULL && sealed.len >= LONG) {
        struct aead_with with = inner_init(&inner, key, nonce, ad);
        bool opened = aead_open(ring->aead, &with, body, plain);
        sodium_memzero(&inner, sizeof inner);
        return opened;
    }
    return crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, body.p,
                                                      body.len, ad.p, ad.len,
                                                      nonce, key) == 0;
}

int seal_read(const struct seal_ring *ring, enum seal_kind kind,
              const struct node_id *dst, struct bytes sealed, struct buf *out,
              uint64_t *counter)
{
    uint8_t ad[AD_LEN_MAX];

    assert(ring->keys_len + ring->retired_len <= SEAL_KEYS_MAX);
    buf_reset(out);
    if (sealed.len < SEAL_OVERHEAD || sealed.p[0] != 'S') {
        return ERR_SYNTAX;
    }
    if (sealed.p[1] != kind) {
        return ERR_FORGED;
    }
    size_t len = sealed.len - SEAL_OVERHEAD;
    uint8_t *plain = buf_reserve(out, len);
    if (plain == NULL) {
        return ERR_NOMEM;
    }
    size_t ad_len = ad_write(ad, sealed.p, ring, dst);
    uint64_t print = bytes_u64be(sealed.p + KEY_PRINT_AT);
    size_t opening = ring->keys_len +
                     (kind == SEAL_LINK ? ring->retired_len : 0);
    for (size_t i = 0; i < opening; i++) {
        if (ring->keys[i].print == print &&
            opens(ring, key_of(&ring->keys[i], kind), sealed,
                  bytes_of(ad, ad_len), plain)) {
            out->len = len;
            *counter = bytes_u64be(sealed.p + NONCE_AT + COUNTER_AT);
            return 0;
        }
    }
    return ERR_FORGED;
}

static uint64_t *word_of(struct seal_window *window, uint64_t counter)
{
    return &window->seen[counter % SEAL_WINDOW / 64];
}

static uint64_t bit_of(uint64_t counter)
{
    return (uint64_t)1 << counter % 64;
}

/* What was there a window ago is forgotten. */
static void forget(struct seal_window *window, uint64_t from, uint64_t to)
{
    for (uint64_t end; from <= to && from != 0; from = end + 1) {
        end = (from | 63) < to ? from | 63 : to;
        *word_of(window, from) &= ~(UINT64_MAX << from % 64 &
                                    UINT64_MAX >> (63 - end % 64));
    }
}

bool seal_window_has(const struct seal_window *window, uint64_t counter)
{
    uint64_t word = window->seen[counter % SEAL_WINDOW / 64];

    return counter <= window->newest &&
           (window->newest - counter >= SEAL_WINDOW ||
            (word & bit_of(counter)) != 0);
}

bool seal_window_accept(struct seal_window *window, uint64_t counter)
{
    if (seal_window_has(window, counter)) {
        return false;
    }
    if (counter > window->newest) {
        uint64_t ahead = counter - window->newest;
        if (ahead >= SEAL_WINDOW) {
            memset(window->seen, 0, sizeof window->seen);
        } else {
            forget(window, window->newest + 1, counter);
        }
        window->newest = counter;
    }
    *word_of(window, counter) |= bit_of(counter);
    return true;
}
