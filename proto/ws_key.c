/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place that needs SHA-1: the answer to a WebSocket handshake. It
 * proves nothing but that the server speaks WebSocket.
 */
#include "proto/ws.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

static bool is_base64(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* 16 bytes are 22 characters and two of padding; the last character carries
 * two bits, so only four of them can stand there. */
static bool key_is_valid(struct bytes key)
{
    if (key.len != WS_KEY_LEN || key.p[22] != '=' || key.p[23] != '=') {
        return false;
    }
    for (size_t i = 0; i < 22; i++) {
        if (!is_base64(key.p[i])) {
            return false;
        }
    }
    return true;
}

bool ws_accept(struct bytes key, char out[WS_ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[WS_KEY_LEN + sizeof guid - 1];
    uint8_t digest[SHA_DIGEST_LENGTH];
    uint8_t base64[WS_ACCEPT_LEN + 1];

    if (!key_is_valid(key)) {
        return false;
    }
    memcpy(text, key.p, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, guid, sizeof guid - 1);
    SHA1(text, sizeof text, digest);
    int len = EVP_EncodeBlock(base64, digest, sizeof digest);
    assert(len == WS_ACCEPT_LEN);
    memcpy(out, base64, sizeof base64);
    return true;
}
