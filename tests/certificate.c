/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CERTIFICATES_MAX = 8
};

static char folder[] = "/tmp/starling-tls-XXXXXX";
static struct certificate made_all[CERTIFICATES_MAX];
static size_t made_len;

int certificates_begin(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

/* After a test. */
int certificates_forget(void **state)
{
    (void)state;
    for (size_t i = 0; i < made_len; i++) {
        unlink(made_all[i].cert);
        unlink(made_all[i].key);
    }
    made_len = 0;
    return 0;
}

int certificates_end(void **state)
{
    (void)certificates_forget(state);
    return rmdir(folder);
}

static void add_extension(X509 *x509, int what, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, x509, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, what,
                                                    value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* Valid from and until so many seconds from now. */
const struct certificate *certificate_make(long from_s, long until_s)
{
    struct certificate *made = &made_all[made_len];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();

    assert_true(made_len++ < CERTIFICATES_MAX);
    assert_true(key != NULL && x509 != NULL);
    snprintf(made->cert, sizeof made->cert, "%s/%zu.pem", folder, made_len);
    snprintf(made->key, sizeof made->key, "%s/%zu.key", folder, made_len);
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 0x1000 + (long)made_len);
    X509_gmtime_adj(X509_getm_notBefore(x509), from_s);
    X509_gmtime_adj(X509_getm_notAfter(x509), until_s);
    X509_set_pubkey(x509, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    add_extension(x509, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    add_extension(x509, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);

    umask(0077);
    FILE *to = fopen(made->cert, "w");
    assert_true(to != NULL && PEM_write_X509(to, x509) == 1);
    fclose(to);
    to = fopen(made->key, "w");
    assert_true(to != NULL &&
                PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(to);
    X509_free(x509);
    EVP_PKEY_free(key);
    return made;
}

void certificate_lock(const struct certificate *certificate)
{
    static const unsigned char phrase[] = "phrase";
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *to = fopen(certificate->key, "w");

    assert_int_equal(PEM_write_PrivateKey(to, key, EVP_aes_128_cbc(), phrase,
                                          sizeof phrase - 1, NULL, NULL),
                     1);
    fclose(to);
    EVP_PKEY_free(key);
}
