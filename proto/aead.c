/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/aead.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct aead {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *sealing; /* each is set up once, then given keys */
    EVP_CIPHER_CTX *opening;
};

struct aead *aead_new(void)
{
    struct aead *aead = calloc(1, sizeof *aead);

    if (aead == NULL) {
        return NULL;
    }
    aead->cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    aead->sealing = EVP_CIPHER_CTX_new();
    aead->opening = EVP_CIPHER_CTX_new();
    if (aead->cipher == NULL || aead->sealing == NULL ||
        aead->opening == NULL ||
        EVP_EncryptInit_ex2(aead->sealing, aead->cipher, NULL, NULL, NULL) !=
            1 ||
        EVP_DecryptInit_ex2(aead->opening, aead->cipher, NULL, NULL, NULL) !=
            1) {
        aead_free(aead);
        return NULL;
    }
    return aead;
}

void aead_free(struct aead *aead)
{
    if (aead != NULL) {
        EVP_CIPHER_CTX_free(aead->sealing);
        EVP_CIPHER_CTX_free(aead->opening);
        EVP_CIPHER_free(aead->cipher);
        free(aead);
    }
}

bool aead_seal(struct aead *aead, const struct aead_with *with,
               struct bytes plain, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = aead->sealing;
    int len;

    return plain.len <= INT_MAX &&
           EVP_EncryptInit_ex2(ctx, NULL, with->key, with->nonce, NULL) == 1 &&
           EVP_EncryptUpdate(ctx, NULL, &len, with->ad.p, (int)with->ad.len) ==
               1 &&
           EVP_EncryptUpdate(ctx, out, &len, plain.p, (int)plain.len) == 1 &&
           EVP_EncryptFinal_ex(ctx, out + len, &len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN,
                               out + plain.len) == 1;
}

bool aead_open(struct aead *aead, const struct aead_with *with,
               struct bytes sealed, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = aead->opening;
    uint8_t tag[AEAD_TAG_LEN]; /* what it takes it only reads, but asks for */
    int len;

    if (sealed.len < AEAD_TAG_LEN || sealed.len > INT_MAX) {
        return false;
    }
    size_t plain_len = sealed.len - AEAD_TAG_LEN;
    memcpy(tag, sealed.p + plain_len, sizeof tag);
    return EVP_DecryptInit_ex2(ctx, NULL, with->key, with->nonce, NULL) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, tag) ==
               1 &&
           EVP_DecryptUpdate(ctx, NULL, &len, with->ad.p, (int)with->ad.len) ==
               1 &&
           EVP_DecryptUpdate(ctx, out, &len, sealed.p, (int)plain_len) == 1 &&
           EVP_DecryptFinal_ex(ctx, out + len, &len) == 1;
}
