/* SPDX-License-Identifier: Apache-2.0
 *
 * Two ends of TLS without a socket: what one says is what the other hears.
 */
#include "tests/test.h"

#include <stdio.h>
#include <sys/stat.h>

#include "node/conn/tls.h"
#include "proto/err.h"
#include "tests/certificate.h"
#include "tests/fail_malloc.h"
#include "tests/rude_tls.h"

enum {
    DAY_S = 86400
};

/* One end: what it has to say, and what it was told. */
struct end {
    struct tls *tls;
    struct buf out;
    struct buf heard;
    ptrdiff_t rc; /* of the last tls_read() */
};

static struct tls_context *serving;
static struct tls_context *trusting;
static struct end server;
static struct end client;
static char why[TLS_WHY_MAX];

static void open_ends(const struct certificate *certificate, const char *host)
{
    why[0] = '\0';
    assert_int_equal(
        tls_serve(&serving, certificate->cert, certificate->key, why), 0);
    assert_int_equal(tls_trust(&trusting, certificate->cert, why), 0);
    server = (struct end){.tls = tls_new(serving, NULL)};
    client = (struct end){.tls = tls_new(trusting, host)};
    assert_non_null(server.tls);
    assert_non_null(client.tls);
}

static void close_ends(void)
{
    struct end *const ends[] = {&server, &client};

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        tls_free(ends[i]->tls);
        buf_fini(&ends[i]->out);
        buf_fini(&ends[i]->heard);
    }
    tls_context_free(serving);
    tls_context_free(trusting);
}

/* Gives it bytes in pieces of that length. */
static void hear(struct end *end, struct bytes in, size_t piece)
{
    static uint8_t plain[40000];

    do {
        struct bytes part = bytes_of(in.p, in.len < piece ? in.len : piece);
        in = bytes_skip(in, part.len);
        do {
            end->rc = tls_read(end->tls, &part, plain, sizeof plain, &end->out);
            if (end->rc > 0) {
                buf_add(&end->heard, plain, (size_t)end->rc);
            }
        } while (end->rc > 0);
    } while (in.len > 0 && end->rc == 0);
}

/* Carries what one says to the other. */
static void carry(struct end *from, struct end *to, size_t piece)
{
    struct buf said = from->out;

    from->out = (struct buf){0};
    hear(to, buf_bytes(&said), piece);
    buf_fini(&said);
}

static void shake(size_t piece)
{
    for (int i = 0; i < 4; i++) {
        carry(&server, &client, piece);
        carry(&client, &server, piece);
    }
    carry(&server, &client, piece); /* tickets */
}

static void two_ends_shake_and_talk(void **state)
{
    static const size_t pieces[] = {SIZE_MAX, 1000, 7, 1};
    const struct certificate *certificate = certificate_make(-DAY_S, DAY_S);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        open_ends(certificate, "localhost");
        assert_false(tls_is_shaken(server.tls));
        shake(pieces[i]);
        assert_true(tls_is_shaken(server.tls));
        assert_true(tls_is_shaken(client.tls));
        assert_int_equal(tls_write(client.tls, BYTES("there"), &client.out), 0);
        assert_int_equal(tls_write(server.tls, BYTES("back"), &server.out), 0);
        carry(&client, &server, pieces[i]);
        carry(&server, &client, pieces[i]);
        assert_bytes(buf_bytes(&server.heard), "there");
        assert_bytes(buf_bytes(&client.heard), "back");
        close_ends();
    }
}

static void much_goes_in_full_records(void **state)
{
    enum {
        LEN = 1 << 20,
        RECORD_MORE = 22
    };
    uint8_t *text = malloc(LEN);
    (void)state;

    assert_non_null(text);
    for (size_t i = 0; i < LEN; i++) {
        text[i] = (uint8_t)(i * 2654435761u >> 24);
    }
    open_ends(certificate_make(-DAY_S, DAY_S), "localhost");
    shake(SIZE_MAX);
    assert_int_equal(tls_write(server.tls, bytes_of(text, LEN), &server.out),
                     0);
    assert_int_equal(server.out.len, LEN + LEN / TLS_RECORD_LEN * RECORD_MORE);
    carry(&server, &client, 65536);
    assert_int_equal(client.heard.len, LEN);
    assert_memory_equal(client.heard.p, text, LEN);
    close_ends();
    free(text);
}

static void an_end_is_said_and_heard(void **state)
{
    (void)state;

    open_ends(certificate_make(-DAY_S, DAY_S), "127.0.0.1");
    shake(SIZE_MAX);
    assert_int_equal(tls_write(client.tls, BYTES("last"), &client.out), 0);
    tls_end(client.tls, &client.out);
    carry(&client, &server, SIZE_MAX);
    assert_bytes(buf_bytes(&server.heard), "last");
    assert_true(tls_has_ended(server.tls));
    assert_int_equal(server.rc, 0);
    /* It may still be answered. */
    assert_int_equal(tls_write(server.tls, BYTES("bye"), &server.out), 0);
    carry(&server, &client, SIZE_MAX);
    assert_bytes(buf_bytes(&client.heard), "bye");
    assert_false(tls_has_ended(client.tls));
    close_ends();
}

static void garbage_is_an_error_with_last_words(void **state)
{
    static const struct bytes garbage[] = {
        BYTES("GET / HTTP/1.1\r\n\r\n"),
        BYTES("\x17\3\3\0\x20 0123456789012345678901234567890"), /* unsealed */
        BYTES("\x17\3\3\xff\xff"),     /* longer than any record */
        BYTES("\x16\3\3\0\4\0\0\0\0"), /* a hello request, in the clear */
    };
    const struct certificate *certificate = certificate_make(-DAY_S, DAY_S);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        open_ends(certificate, "localhost");
        shake(SIZE_MAX);
        hear(&server, garbage[i], SIZE_MAX);
        assert_int_equal(server.rc, ERR_IO);
        assert_true(tls_why(server.tls)[0] != '\0');
        assert_true(server.out.len > 0);
        hear(&server, BYTES("more"), SIZE_MAX);
        assert_int_equal(server.rc, ERR_IO);
        assert_int_equal(tls_write(server.tls, BYTES("x"), &server.out),
                         ERR_IO);
        carry(&server, &client, SIZE_MAX);
        assert_int_equal(client.rc, ERR_IO); /* the alert */
        close_ends();
    }
}

static void no_hello_is_an_error(void **state)
{
    static const struct bytes hellos[] = {
        BYTES("\x16\3\1\0\5\1\0\0\1\0"), /* cut in its length */
        BYTES("\x16\3\1\0\4\x2a\0\0\0"), /* no hello */
        BYTES("\x16\3\1\xff\xff\1"),     /* longer than any record */
        BYTES("\x16GET / HTTP/1.1\r\n"),
    };
    const struct certificate *certificate = certificate_make(-DAY_S, DAY_S);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(hellos); i++) {
        open_ends(certificate, "localhost");
        hear(&server, hellos[i], SIZE_MAX);
        assert_int_equal(server.rc, ERR_IO);
        close_ends();
    }
}

/* A server and somebody rude, who has sent `times` key updates. */
static void open_rude(struct rude_tls **rude, unsigned times, bool asks)
{
    struct buf said = {0};

    *rude = rude_new();
    for (int i = 0; i < 4; i++) {
        rude_hear(*rude, buf_bytes(&server.out));
        buf_reset(&server.out);
        rude_say(*rude, &said);
        hear(&server, buf_bytes(&said), SIZE_MAX);
        buf_reset(&said);
    }
    assert_true(tls_is_shaken(server.tls));
    rude_update_keys(*rude, times, asks);
    rude_write(*rude, BYTES("data"));
    rude_update_keys(*rude, times, asks);
    rude_write(*rude, BYTES("more"));
    rude_say(*rude, &said);
    hear(&server, buf_bytes(&said), SIZE_MAX);
    buf_fini(&said);
}

static void new_keys_are_taken_and_not_too_often(void **state)
{
    static const struct {
        unsigned times;
        bool asks;
        const char *heard;
    } cases[] = {
        {0, false, "datamore"}, {1, true, "datamore"}, {32, false, "datamore"},
        {32, true, "datamore"}, {33, false, ""},       {33, true, ""},
        {5000, true, ""},
    };
    const struct certificate *certificate = certificate_make(-DAY_S, DAY_S);
    struct rude_tls *rude;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        open_ends(certificate, "localhost");
        open_rude(&rude, cases[i].times, cases[i].asks);
        assert_bytes(buf_bytes(&server.heard), cases[i].heard);
        assert_int_equal(server.rc, cases[i].heard[0] != '\0' ? 0 : ERR_IO);
        assert_in_range(server.out.len, 0, 4096);
        rude_free(rude);
        close_ends();
    }
}

/* What is not written because memory is short must not be forgotten. */
static void output_that_does_not_fit_is_an_error(void **state)
{
    (void)state;

    open_ends(certificate_make(-DAY_S, DAY_S), "localhost");
    shake(SIZE_MAX);
    server.out.max = 100;
    buf_fini(&server.out);
    assert_int_equal(
        tls_write(server.tls, bytes_of(why, sizeof why), &server.out), ERR_IO);
    close_ends();
}

static void a_client_checks_whom_it_asks(void **state)
{
    const struct certificate *good = certificate_make(-DAY_S, DAY_S);
    const struct certificate *other = certificate_make(-DAY_S, DAY_S);
    const struct certificate *old = certificate_make(-DAY_S, -1);
    const struct {
        const struct certificate *shown;
        const struct certificate *trusted;
        const char *host;
        const char *why; /* part of it; NULL: fine */
    } cases[] = {
        {good, good, "localhost", NULL},
        {good, good, "127.0.0.1", NULL},
        {good, good, "example.org", "hostname mismatch"},
        {good, good, "127.0.0.2", "IP address mismatch"},
        {good, good, "localhost.example.org", "hostname mismatch"},
        {good, other, "localhost", "self-signed certificate"},
        {old, old, "localhost", "certificate has expired"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        open_ends(cases[i].shown, cases[i].host);
        tls_free(client.tls);
        tls_context_free(trusting);
        assert_int_equal(tls_trust(&trusting, cases[i].trusted->cert, why), 0);
        client.tls = tls_new(trusting, cases[i].host);
        shake(SIZE_MAX);
        assert_true(tls_is_shaken(client.tls) == (cases[i].why == NULL));
        if (cases[i].why != NULL) {
            assert_non_null(strstr(tls_why(client.tls), cases[i].why));
            assert_false(tls_is_shaken(server.tls));
            assert_int_equal(server.rc, ERR_IO);
        }
        close_ends();
    }
}

/* A reload: who is connected goes on. */
static void a_connection_outlives_its_context(void **state)
{
    (void)state;

    open_ends(certificate_make(-DAY_S, DAY_S), "localhost");
    tls_context_free(serving);
    serving = NULL;
    shake(SIZE_MAX);
    assert_int_equal(tls_write(client.tls, BYTES("still"), &client.out), 0);
    carry(&client, &server, SIZE_MAX);
    assert_bytes(buf_bytes(&server.heard), "still");
    close_ends();
}

static void a_certificate_says_its_number_and_times(void **state)
{
    struct tls_facts facts;
    (void)state;

    open_ends(certificate_make(-100, 1000), "localhost");
    facts = tls_facts(serving);
    assert_int_equal(facts.until_s - facts.from_s, 1100);
    assert_int_equal(strncmp(facts.serial, "10", 2), 0);
    assert_int_equal(strlen(facts.serial), 4);
    close_ends();
}

static void write_file(const char *path, const char *text)
{
    FILE *to = fopen(path, "w");

    assert_non_null(to);
    fputs(text, to);
    fclose(to);
}

static void wrong_files_are_refused_with_a_reason(void **state)
{
    const struct certificate *good = certificate_make(-DAY_S, DAY_S);
    const struct certificate *other = certificate_make(-DAY_S, DAY_S);
    const struct certificate *open = certificate_make(-DAY_S, DAY_S);
    const struct certificate *text = certificate_make(-DAY_S, DAY_S);
    const struct certificate *locked = certificate_make(-DAY_S, DAY_S);
    const struct {
        const char *cert;
        const char *key;
        int rc;
        const char *why;
    } cases[] = {
        {good->cert, good->key, 0, NULL},
        {"/nowhere/x.pem", good->key, ERR_IO, "No such file"},
        {good->cert, "/nowhere/x.key", ERR_IO, "No such file"},
        {"/tmp", good->key, ERR_IO, "not a file"},
        {good->cert, other->key, ERR_CONFIG, "not the key of"},
        {open->cert, open->key, ERR_DENIED, "chmod 640"},
        {text->cert, good->key, ERR_CONFIG, "no certificate in PEM"},
        {good->cert, text->cert, ERR_CONFIG, "not the key of"},
        {locked->cert, locked->key, ERR_CONFIG, "passphrase"},
    };
    (void)state;

    assert_int_equal(chmod(open->key, 0644), 0);
    assert_int_equal(chmod(good->key, 0640), 0);
    assert_int_equal(chmod(good->cert, 0444), 0);
    write_file(text->cert, "-----BEGIN CERTIFICATE-----\nhalf of it");
    certificate_lock(locked); /* nobody is there to give the phrase */
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_context *context = NULL;
        int rc = tls_serve(&context, cases[i].cert, cases[i].key, why);
        assert_int_equal(rc, cases[i].rc);
        if (rc != 0) {
            assert_non_null(strstr(why, cases[i].why));
            assert_null(context);
        }
        tls_context_free(context);
    }
}

static void memory_may_be_short(void **state)
{
    const struct certificate *certificate = certificate_make(-DAY_S, DAY_S);
    struct tls_context *none = NULL;
    (void)state;

    fail_malloc(0);
    assert_int_equal(tls_serve(&none, certificate->cert, certificate->key, why),
                     ERR_NOMEM);
    fail_malloc(0);
    assert_int_equal(tls_trust(&none, NULL, why), ERR_NOMEM);
    fail_malloc(-1);
    assert_null(none);
    open_ends(certificate, "localhost");
    fail_malloc(0);
    assert_null(tls_new(serving, NULL));
    fail_malloc(-1);
    /* Of each that is made in a handshake, one at a time. */
    for (long n = 0; n < 20 && !tls_is_shaken(server.tls); n++) {
        close_ends();
        open_ends(certificate, "localhost");
        fail_malloc(n);
        shake(SIZE_MAX);
        fail_malloc(-1);
    }
    assert_true(tls_is_shaken(server.tls));
    close_ends();
}

static void authorities_must_be_there(void **state)
{
    struct tls_context *context;
    (void)state;

    assert_int_equal(tls_trust(&context, "/nowhere/ca.pem", why), ERR_CONFIG);
    assert_non_null(strstr(why, "/nowhere/ca.pem"));
    assert_int_equal(tls_trust(&context, NULL, why), 0);
    tls_context_free(context);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, certificates_forget)
    const struct CMUnitTest tests[] = {
        TEST(two_ends_shake_and_talk),
        TEST(much_goes_in_full_records),
        TEST(an_end_is_said_and_heard),
        TEST(garbage_is_an_error_with_last_words),
        TEST(no_hello_is_an_error),
        TEST(new_keys_are_taken_and_not_too_often),
        TEST(output_that_does_not_fit_is_an_error),
        TEST(a_client_checks_whom_it_asks),
        TEST(a_connection_outlives_its_context),
        TEST(a_certificate_says_its_number_and_times),
        TEST(wrong_files_are_refused_with_a_reason),
        TEST(memory_may_be_short),
        TEST(authorities_must_be_there),
    };
    return cmocka_run_group_tests(tests, certificates_begin, certificates_end);
}
