/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>
#include <unistd.h>

#include "node/config.h"
#include "node/nearest.h"
#include "proto/err.h"

static char why[CONFIG_WHY_MAX];

/* Writes a file that the test removes; returns its path. */
static const char *file_of(const char *text)
{
    static char path[64];
    strcpy(path, "/tmp/starling-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static int read_text(struct config *config, const char *text)
{
    const char *path = file_of(text);
    config_default(config);
    int rc = config_read_file(config, path, why);
    unlink(path);
    return rc;
}

static void a_file_sets_what_it_names(void **state)
{
    struct config c;
    (void)state;

    assert_int_equal(read_text(&c,
                               "# comment\r\nname: n1\nregion: eu\n"
                               "listen: 127.0.0.1:9000\njoin: [a:1, 'b:2']\n"
                               "origins:\n  - https://app.example\n"
                               "limits: {item_len: 2m, linger_ms: 10s}\n"),
                     0);
    assert_string_equal(c.name, "n1");
    assert_string_equal(c.region, "eu");
    assert_int_equal(c.listen.port, 9000);
    assert_true(c.listen_named);
    assert_int_equal(c.join_len, 2);
    assert_string_equal(c.join[1], "b:2");
    assert_int_equal(c.limits.item_len, 2 << 20);
    assert_int_equal(c.limits.linger_ms, 10000);
    assert_int_equal(read_text(&c, ""), 0);
}

/* The sentence names file, line, column, and what was probably meant. */
static void a_wrong_file_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"name: n1\nregoin: eu\n", ":2:1: unknown key 'regoin' (did you mean "
                                   "'region'?)"},
        {"limits:\n  item_le: 5\n", ":2:3: unknown key 'item_le' (did you mean "
                                    "'item_len'?)"},
        {"limits: {item_len: 5}\n", "outside what this limit allows"},
        {"limits: {item_len: many}\n", "expected a number"},
        {"name: a\nname: b\n", ":2:1: the same key twice"},
        {"name: [a, b]\n", "expected one value"},
        {"name: {a: b}\n", "expected one value"},
        {"- a\n", "expected `key: value` lines"},
        {"name: 'a b'\n", "A-Za-z0-9._-"},
        {"listen: nowhere:x\n", "expected ADDRESS:PORT"},
        {"join: [a]\n", "expected HOST:PORT"},
        {"origins: [app]\n", "expected an origin"},
        {"name: \"a\n", ":"},
        {"insecure: yes\n", "expected true or false"},
        {"workers: 0\n", "expected a number from 1 to 64"},
        {"workers: 65\n", "expected a number from 1 to 64"},
        {"workers: two\n", "expected a number from 1 to 64"},
        {"zzzzzzzzz: 1\n", "unknown key 'zzzzzzzzz'"},
    };
    struct config c;
    struct config untouched;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(read_text(&c, cases[i].text), ERR_CONFIG);
        if (strstr(why, cases[i].says) == NULL) {
            fail_msg("case %zu says: %s", i, why);
        }
        config_default(&untouched);
        assert_memory_equal(&c, &untouched, sizeof c);
    }
    assert_int_equal(config_read_file(&c, "/nonexistent", why), ERR_IO);
}

static void flags_win_over_environment_over_file(void **state)
{
    const char *path = file_of(
        "name: file\nregion: file\ncluster_name: file\njoin: [f:1]\n");
    char *argv[] = {"--config",      (char *)(uintptr_t)path,
                    "--name=flag",   "--join",
                    "x:1,y:2",       "--join=z:3",
                    "--limits",      "conns=10",
                    "--listen=7500", "--log-level",
                    "debug"};
    struct config c;
    (void)state;

    setenv("STARLING_NAME", "env", 1);
    setenv("STARLING_REGION", "env", 1);
    config_default(&c);
    assert_int_equal(config_load(&c, (int)ARRAY_LEN(argv), argv, why), 0);
    unsetenv("STARLING_NAME");
    unsetenv("STARLING_REGION");
    unlink(path);
    assert_string_equal(c.name, "flag");
    assert_string_equal(c.region, "env");
    assert_string_equal(c.cluster_name, "file");
    assert_int_equal(c.join_len, 3);
    assert_string_equal(c.join[2], "z:3");
    assert_int_equal(c.limits.conns, 10);
    assert_int_equal(c.listen.port, 7500);
    assert_true(addr_is_loopback(&c.listen));
    assert_int_equal(c.log_level, LOG_DEBUG);
}

static void wrong_usage_is_told_apart_from_wrong_configuration(void **state)
{
    char *unknown[] = {"--nmae", "x"};
    char *bare[] = {"x"};
    char *missing[] = {"--name"};
    char *public[] = {"--listen", "0.0.0.0:7400"};
    char *public_cluster[] = {"--cluster", "0.0.0.0:7401"};
    char *none[] = {"--workers", "0"};
    char *long_name[] = {"--workers=2", "--name",
                         "n1234567890123456789012345678901234567890123456789"
                         "012345678901"};
    char *insecure[] = {"--listen", "0.0.0.0:7400", "--insecure"};
    struct config c;
    (void)state;

    config_default(&c);
    assert_int_equal(config_load(&c, 2, unknown, why), ERR_ARGUMENT);
    assert_non_null(strstr(why, "did you mean '--name'?"));
    assert_int_equal(config_load(&c, 1, bare, why), ERR_ARGUMENT);
    assert_int_equal(config_load(&c, 1, missing, why), ERR_ARGUMENT);
    assert_int_equal(config_load(&c, 2, public, why), ERR_CONFIG);
    assert_non_null(strstr(why, "without keys"));
    assert_int_equal(config_load(&c, 2, public_cluster, why), ERR_CONFIG);
    assert_int_equal(config_load(&c, 2, none, why), ERR_ARGUMENT);
    assert_int_equal(config_load(&c, 3, long_name, why), ERR_CONFIG);
    assert_int_equal(config_load(&c, 1, long_name, why), 0);
    assert_int_equal(c.workers, 2);
    assert_int_equal(config_load(&c, 3, insecure, why), 0);
}

static void a_certificate_and_its_key_belong_together(void **state)
{
    char *cert[] = {"--tls-cert", "c.pem"};
    char *key[] = {"--tls-key", "k.pem"};
    char *nothing[] = {"--require-tls"};
    char *all[] = {"--tls-cert", "c.pem", "--tls-key=k.pem", "--require-tls"};
    struct config c;
    (void)state;

    config_default(&c);
    assert_int_equal(config_load(&c, 2, cert, why), ERR_CONFIG);
    assert_non_null(strstr(why, "tls_cert without tls_key"));
    assert_int_equal(config_load(&c, 2, key, why), ERR_CONFIG);
    assert_non_null(strstr(why, "tls_key without tls_cert"));
    assert_int_equal(config_load(&c, 1, nothing, why), ERR_CONFIG);
    assert_int_equal(config_load(&c, 4, all, why), 0);
    assert_string_equal(c.tls_cert, "c.pem");
    assert_string_equal(c.tls_key, "k.pem");
    assert_true(c.require_tls);
}

static const char *few_names(size_t i)
{
    static const char *const names[] = {"publish", "poll", NULL};
    return names[i];
}

static void the_nearest_name_is_only_offered_when_near(void **state)
{
    (void)state;

    assert_string_equal(nearest("pubilsh", few_names), "publish");
    assert_string_equal(nearest("pub", few_names), "publish");
    assert_null(nearest("console", few_names));
    assert_null(nearest("", few_names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_sets_what_it_names),
        cmocka_unit_test(a_wrong_file_is_refused_with_its_place),
        cmocka_unit_test(flags_win_over_environment_over_file),
        cmocka_unit_test(wrong_usage_is_told_apart_from_wrong_configuration),
        cmocka_unit_test(a_certificate_and_its_key_belong_together),
        cmocka_unit_test(the_nearest_name_is_only_offered_when_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
