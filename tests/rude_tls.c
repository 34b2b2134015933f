/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/rude_tls.h"

#include <openssl/ssl.h>

struct rude_tls {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in;
    BIO *out;
};

struct rude_tls *rude_new(void)
{
    struct rude_tls *rude = calloc(1, sizeof *rude);

    assert_non_null(rude);
    rude->ctx = SSL_CTX_new(TLS_client_method());
    rude->ssl = SSL_new(rude->ctx);
    rude->in = BIO_new(BIO_s_mem());
    rude->out = BIO_new(BIO_s_mem());
    SSL_set_bio(rude->ssl, rude->in, rude->out);
    SSL_set_connect_state(rude->ssl);
    return rude;
}

void rude_free(struct rude_tls *rude)
{
    SSL_free(rude->ssl);
    SSL_CTX_free(rude->ctx);
    free(rude);
}

void rude_hear(struct rude_tls *rude, struct bytes in)
{
    uint8_t plain[4096];

    if (in.len > 0) {
        assert_int_equal(BIO_write(rude->in, in.p, (int)in.len), in.len);
    }
    (void)SSL_read(rude->ssl, plain, sizeof plain);
}

void rude_update_keys(struct rude_tls *rude, unsigned times, bool asks)
{
    for (unsigned i = 0; i < times; i++) {
        assert_int_equal(
            SSL_key_update(rude->ssl, asks ? SSL_KEY_UPDATE_REQUESTED
                                           : SSL_KEY_UPDATE_NOT_REQUESTED),
            1);
        assert_int_equal(SSL_do_handshake(rude->ssl), 1);
    }
}

void rude_write(struct rude_tls *rude, struct bytes plain)
{
    assert_int_equal(SSL_write(rude->ssl, plain.p, (int)plain.len), plain.len);
}

void rude_say(struct rude_tls *rude, struct buf *out)
{
    uint8_t part[4096];
    int n;

    while ((n = BIO_read(rude->out, part, sizeof part)) > 0) {
        buf_add(out, part, (size_t)n);
    }
}
