/* SPDX-License-Identifier: Apache-2.0 */
#include "node/conn/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define ERR_STATE libcrypto_err_state /* a type there, a number of ours */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include "proto/err.h"

enum {
    KEY_UPDATES_MAX = 32, /* between two pieces of data */
};

struct tls_context {
    SSL_CTX *ctx;
    BIO_METHOD *method; /* reads tls->in, writes tls->out */
    size_t users;       /* its owner, and each connection */
};

struct tls {
    SSL *ssl;
    struct tls_context *context;
    struct bytes in;      /* while it reads: what libssl may have */
    struct buf *out;      /* during a call: where it writes */
    const char *why;      /* NULL: nothing is wrong */
    unsigned key_updates; /* of the peer, since the last data */
};

static int open_context(struct tls_context **context, const SSL_METHOD *kind,
                        char why[TLS_WHY_MAX]);
static int load(SSL_CTX *ctx, const char *cert, const char *key, char *why);
static int set_peer(SSL *ssl, const char *host);
static void remember(struct tls *tls, int error);

/* --- the bytes -------------------------------------------------------------
 */

static int bio_read(BIO *bio, char *to, int len)
{
    struct tls *tls = BIO_get_data(bio);
    size_t n = tls->in.len < (size_t)len ? tls->in.len : (size_t)len;

    BIO_clear_retry_flags(bio);
    if (tls->key_updates > KEY_UPDATES_MAX) {
        return -1;
    }
    if (n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(to, tls->in.p, n);
    tls->in = bytes_skip(tls->in, n);
    return (int)n;
}

static int bio_write(BIO *bio, const char *from, int len)
{
    struct tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buf_add(tls->out, from, (size_t)len);
    return tls->out->failed ? -1 : len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *p)
{
    (void)bio;
    (void)number;
    (void)p;
    return command == BIO_CTRL_FLUSH;
}

/* New keys cost much more than the 27 bytes that ask for them, and libssl takes
 * any number. */
static void on_message(int is_ours, int version, int type, const void *message,
                       size_t len, SSL *ssl, void *data)
{
    struct tls *tls = SSL_get_app_data(ssl);
    const unsigned char *kind = message;

    (void)version;
    (void)data;
    if (!is_ours && type == SSL3_RT_HANDSHAKE && len > 0 &&
        kind[0] == SSL3_MT_KEY_UPDATE) {
        tls->key_updates++;
    }
}

/* --- contexts --------------------------------------------------------------
 */

/* Who has a key with a passphrase is told so instead of being asked. */
static int on_passphrase(char *to, int cap, int writes, void *data)
{
    (void)to;
    (void)cap;
    (void)writes;
    *(bool *)data = true;
    return -1;
}

/* Ours in the order in which we would have them; who offers none of them is
 * served all the same, since the first bytes decide. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *data)
{
    static const unsigned char ours[] = "\2h2\x8http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)data;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

int tls_serve(struct tls_context **context, const char *cert, const char *key,
              char why[TLS_WHY_MAX])
{
    struct tls_context *c;
    int rc = open_context(&c, TLS_server_method(), why);

    if (rc != 0) {
        return rc;
    }
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(c->ctx, on_alpn, NULL);
    rc = load(c->ctx, cert, key, why);
    ERR_clear_error();
    if (rc != 0) {
        tls_context_free(c);
        return rc;
    }
    *context = c;
    return 0;
}

int tls_trust(struct tls_context **context, const char *ca,
              char why[TLS_WHY_MAX])
{
    struct tls_context *c;
    int rc = open_context(&c, TLS_client_method(), why);

    if (rc != 0) {
        return rc;
    }
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    if (ca == NULL ? SSL_CTX_set_default_verify_paths(c->ctx) != 1
                   : SSL_CTX_load_verify_file(c->ctx, ca) != 1) {
        snprintf(why, TLS_WHY_MAX, "%s: no certificates of authorities",
                 ca == NULL ? "the system" : ca);
        ERR_clear_error();
        tls_context_free(c);
        return ERR_CONFIG;
    }
    *context = c;
    return 0;
}

static int open_context(struct tls_context **context, const SSL_METHOD *kind,
                        char why[TLS_WHY_MAX])
{
    struct tls_context *c = calloc(1, sizeof *c);

    ERR_clear_error();
    if (c != NULL) {
        c->ctx = SSL_CTX_new(kind);
        c->method = BIO_meth_new(BIO_TYPE_START | BIO_TYPE_SOURCE_SINK, "tls");
        c->users = 1;
    }
    if (c == NULL || c->ctx == NULL || c->method == NULL ||
        SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(c->ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
        snprintf(why, TLS_WHY_MAX, "TLS: out of memory");
        tls_context_free(c);
        return ERR_NOMEM;
    }
    BIO_meth_set_read(c->method, bio_read);
    BIO_meth_set_write(c->method, bio_write);
    BIO_meth_set_ctrl(c->method, bio_ctrl);
    SSL_CTX_set_options(c->ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_msg_callback(c->ctx, on_message);
    *context = c;
    return 0;
}

void tls_context_free(struct tls_context *context)
{
    if (context != NULL && --context->users == 0) {
        SSL_CTX_free(context->ctx);
        BIO_meth_free(context->method);
        free(context);
    }
}

static int check_file(const char *path, mode_t forbidden, char *why)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        snprintf(why, TLS_WHY_MAX, "%s: %s", path, strerror(errno));
        return ERR_IO;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(why, TLS_WHY_MAX, "%s: not a file", path);
        return ERR_IO;
    }
    if ((st.st_mode & forbidden) != 0) {
        snprintf(why, TLS_WHY_MAX,
                 "%s: mode %04o lets others have the key; run: chmod 640 %s",
                 path, (unsigned)(st.st_mode & 07777), path);
        return ERR_DENIED;
    }
    return 0;
}

/* libssl's reason for the last failure. */
static const char *last_reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text == NULL ? "no reason given" : text;
}

static int load(SSL_CTX *ctx, const char *cert, const char *key, char *why)
{
    bool has_passphrase = false;
    int rc = check_file(cert, 0, why);

    if (rc == 0) {
        rc = check_file(key, S_IWGRP | S_IXGRP | S_IRWXO, why);
    }
    if (rc != 0) {
        return rc;
    }
    SSL_CTX_set_default_passwd_cb(ctx, on_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &has_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
        snprintf(why, TLS_WHY_MAX, "%s: no certificate in PEM (%s)", cert,
                 last_reason());
        rc = ERR_CONFIG;
    } else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 &&
               has_passphrase) {
        snprintf(why, TLS_WHY_MAX,
                 "%s: has a passphrase, which nobody could give at a restart",
                 key);
        rc = ERR_CONFIG;
    } else if (SSL_CTX_check_private_key(ctx) != 1) {
        snprintf(why, TLS_WHY_MAX, "%s: not the key of %s (%s)", key, cert,
                 last_reason());
        rc = ERR_CONFIG;
    }
    SSL_CTX_set_default_passwd_cb(ctx, NULL);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    return rc;
}

/* --- what a certificate says ------------------------------------------------
 */

static uint64_t seconds_of(const ASN1_TIME *time)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1) {
        return 0;
    }
    time_t s = timegm(&tm);
    return s < 0 ? 0 : (uint64_t)s;
}

static struct tls_facts facts_of(const X509 *cert)
{
    struct tls_facts facts = {0};

    facts.from_s = seconds_of(X509_get0_notBefore(cert));
    facts.until_s = seconds_of(X509_get0_notAfter(cert));
    const ASN1_STRING *serial = X509_get0_serialNumber(cert);
    const unsigned char *p = ASN1_STRING_get0_data(serial);
    size_t len = (size_t)ASN1_STRING_length(serial);
    for (size_t i = 0; i < len && 2 * i + 2 < sizeof facts.serial; i++) {
        snprintf(facts.serial + 2 * i, 3, "%02x", p[i]);
    }
    return facts;
}

struct tls_facts tls_facts(const struct tls_context *context)
{
    const X509 *cert = SSL_CTX_get0_certificate(context->ctx);

    assert(cert != NULL);
    return facts_of(cert);
}

struct tls_facts tls_peer_facts(const struct tls *tls)
{
    X509 *cert = SSL_get1_peer_certificate(tls->ssl);

    assert(cert != NULL); /* servers show one, or the handshake fails */
    struct tls_facts facts = facts_of(cert);
    X509_free(cert);
    return facts;
}

/* --- one connection ---------------------------------------------------------
 */

struct tls *tls_new(struct tls_context *context, const char *host)
{
    struct tls *tls = calloc(1, sizeof *tls);
    BIO *bio = BIO_new(context->method);

    ERR_clear_error();
    if (tls != NULL) {
        tls->ssl = SSL_new(context->ctx);
        tls->context = context;
        context->users++;
    }
    if (tls == NULL || tls->ssl == NULL || bio == NULL ||
        (host != NULL && set_peer(tls->ssl, host) != 0)) {
        BIO_free(bio);
        tls_free(tls);
        return NULL;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    if (host == NULL) {
        SSL_set_accept_state(tls->ssl);
    } else {
        SSL_set_connect_state(tls->ssl);
    }
    return tls;
}

void tls_free(struct tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->ssl);
        tls_context_free(tls->context);
        free(tls);
    }
}

/* An address has no server name to be sent, and another field to be in. */
static int set_peer(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1) {
        return 0;
    }
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 &&
                   SSL_set_tlsext_host_name(ssl, host) == 1
               ? 0
               : ERR_NOMEM;
}

ptrdiff_t tls_read(struct tls *tls, struct bytes *in, uint8_t *to, size_t cap,
                   struct buf *out)
{
    size_t len = 0;
    size_t n;

    if (tls->why != NULL) {
        return ERR_IO;
    }
    ERR_clear_error();
    tls->in = *in;
    tls->out = out;
    while (len < cap && SSL_read_ex(tls->ssl, to + len, cap - len, &n) == 1) {
        len += n;
        tls->key_updates = 0;
    }
    if (len < cap) {
        remember(tls, SSL_get_error(tls->ssl, 0));
    }
    tls->out = NULL;
    *in = tls->in;
    return len > 0 ? (ptrdiff_t)len : tls->why != NULL ? ERR_IO : 0;
}

/* Why it stopped, if something is wrong. */
static void remember(struct tls *tls, int error)
{
    long verified = SSL_get_verify_result(tls->ssl);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN) {
        return;
    }
    if (tls->key_updates > KEY_UPDATES_MAX) {
        tls->why = "too many key updates";
        return;
    }
    tls->why = verified != X509_V_OK ? X509_verify_cert_error_string(verified)
                                     : last_reason();
    ERR_clear_error();
}

int tls_write(struct tls *tls, struct bytes plain, struct buf *out)
{
    size_t n;

    if (tls->why != NULL) {
        return ERR_IO;
    }
    assert(tls_is_shaken(tls));
    ERR_clear_error();
    tls->out = out;
    if (SSL_write_ex(tls->ssl, plain.p, plain.len, &n) != 1) {
        remember(tls, SSL_get_error(tls->ssl, 0));
    }
    tls->out = NULL;
    return tls->why == NULL ? 0 : ERR_IO;
}

void tls_end(struct tls *tls, struct buf *out)
{
    if (tls->why == NULL && tls_is_shaken(tls)) {
        ERR_clear_error();
        tls->out = out;
        (void)SSL_shutdown(tls->ssl);
        ERR_clear_error();
        tls->out = NULL;
    }
}

bool tls_is_shaken(const struct tls *tls)
{
    return SSL_is_init_finished(tls->ssl) != 0;
}

bool tls_has_ended(const struct tls *tls)
{
    return (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

const char *tls_why(const struct tls *tls)
{
    return tls->why == NULL ? "" : tls->why;
}
