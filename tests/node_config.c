/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>
#include <unistd.h>

#include "node/config/config.h"
#include "node/config/nearest.h"
#include "node/config/option.h"
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
        {"caches:\n  - name: a\n    rate: 5\n", ":3:5: unknown key 'rate'"},
        {"caches:\n  - name: a\n    publish_rat: 5\n",
         ":3:5: unknown key 'publish_rat' (did you mean 'publish_rate'?)"},
        {"caches: {a: 5}\n", ":1:10: unknown key 'a'"},
        {"caches:\n  - name: a/b\n", ":2:5: name: expected 1 to 64"},
        {"caches:\n  - name: ''\n", ":2:5: name: expected 1 to 64"},
        {"caches:\n  - {name: a, subs: 1}\n  - {subs: 2, name: a}\n",
         ":3:15: name: the same cache twice"},
        {"caches:\n  - subs: 1\n    item_len: 5\n  - name: a\n",
         ":2:5: caches: a cache without name"},
        {"caches:\n  - name: a\n  - subs: 1\n",
         ":3:5: caches: a cache without name"},
        {"caches:\n  - subs: 1\n  - plain\n",
         ":2:5: caches: a cache without name"},
        {"caches:\n  - {name: a, subs: many}\n",
         ":2:15: subs: expected a number"},
        {"caches:\n  - {name: a, publish_rate: 4k}\n",
         ":2:15: publish_rate: expected a number"},
        {"caches:\n  - {name: a, item_len: 4kb}\n",
         ":2:15: item_len: expected a number of bytes"},
        {"caches:\n  - {name: a, item_len: 4g}\n",
         ":2:15: item_len: expected a number up to 4294967295"},
        {"caches:\n  - {name: a, subs: [1]}\n", ":2:15: expected one"},
        {"caches:\n  - {name: a, name: b}\n", ":2:15: the same key twice"},
        {"caches: [a:subs=1, 'b:subs']\n", "expected NAME:bound=value"},
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

static void assert_quota(const struct config *c, size_t i, const char *name,
                         const struct quota *quota)
{
    assert_in_range(i, 0, c->quotas.len - 1);
    assert_string_equal(c->quotas.rows[i].name, name);
    assert_memory_equal(&c->quotas.rows[i].quota, quota, sizeof *quota);
}

static void caches_have_quotas(void **state)
{
    const struct quota first = {
        .publish_rate = 100, .item_len = 4096, .subs = 1000};
    const struct quota second = {.subs = 3};
    const struct quota none = {0};
    struct config c;
    (void)state;

    assert_int_equal(read_text(&c, "caches:\n"
                                   "  - name: chat\n    publish_rate: 100\n"
                                   "    item_len: 4k\n    subs: 1000\n"
                                   "  - {subs: 3, name: a.b-c_d}\n"
                                   "  - name: free\n"),
                     0);
    assert_int_equal(c.quotas.len, 3);
    assert_quota(&c, 0, "chat", &first);
    assert_quota(&c, 1, "a.b-c_d", &second);
    assert_quota(&c, 2, "free", &none);
    assert_int_equal(read_text(&c, "caches: [chat:publish_rate=100:item_len=4k"
                                   ":subs=1000, 'a:subs=3', free]\n"),
                     0);
    assert_int_equal(c.quotas.len, 3);
    assert_quota(&c, 0, "chat", &first);
    assert_quota(&c, 1, "a", &second);
    assert_quota(&c, 2, "free", &none);
}

static void flags_replace_the_quotas_of_the_file(void **state)
{
    static const char *const wrong[] = {"a b",
                                        "a:",
                                        "a:subs",
                                        "a:name=b",
                                        "a:subs=1:",
                                        "a:subs=x",
                                        ":subs=1",
                                        "a,a",
                                        "a::subs=1",
                                        "a:sub=1",
                                        "a:subs=4294967296",
                                        "a:subs=1=2",
                                        "a:item_len=1s1"};
    const char *path = file_of("caches: [{name: file, subs: 1}]\n");
    char *argv[] = {"--config", (char *)(uintptr_t)path, "--caches=a:subs=3,b",
                    "--caches", "c:item_len=1"};
    const struct quota a = {.subs = 3};
    const struct quota none = {0};
    const struct quota last = {.item_len = 1};
    struct config c;
    (void)state;

    config_default(&c);
    assert_int_equal(config_load(&c, (int)ARRAY_LEN(argv), argv, why), 0);
    unlink(path);
    assert_int_equal(c.quotas.len, 3);
    assert_quota(&c, 0, "a", &a);
    assert_quota(&c, 1, "b", &none);
    assert_quota(&c, 2, "c", &last);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        char *one[] = {"--caches", (char *)(uintptr_t)wrong[i]};
        config_default(&c);
        if (config_load(&c, 2, one, why) == 0) {
            fail_msg("taken: %s", wrong[i]);
        }
    }
}

static void only_so_many_caches_have_quotas(void **state)
{
    struct buf text = {0};
    struct config c;
    (void)state;

    buf_add_str(&text, "caches:\n");
    for (unsigned i = 0; i <= QUOTAS_MAX; i++) {
        buf_add_str(&text, "  - name: c");
        buf_add_u64(&text, i);
        buf_add_u8(&text, '\n');
    }
    buf_add_u8(&text, '\0');
    assert_int_equal(read_text(&c, (const char *)text.p), ERR_CONFIG);
    assert_non_null(strstr(why, ":66:5: caches: more than 64 caches"));
    buf_fini(&text);
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

/* A value of each option that is not its default. */
static const struct {
    const char *name;
    const char *value;
} others[] = {
    {"name", "n9"},
    {"region", "us"},
    {"listen", "127.0.0.1:9"},
    {"cluster", "127.0.0.1:9"},
    {"advertise", "h:9"},
    {"endpoint", "http://h"},
    {"cluster_name", "c"},
    {"keys", "k"},
    {"tls_cert", "c"},
    {"tls_key", "k"},
    {"require_tls", "true"},
    {"join", "h:9"},
    {"origins", "*"},
    {"log_level", "debug"},
    {"log_format", "journal"},
    {"insecure", "true"},
    {"workers", "2"},
    {"auto_create_caches", "true"},
    {"caches", "chat:subs=1"},
    {"limits", "ping_ms=1s"},
};

/* What a reload looks at: each option says when two differ in it alone. */
static void each_option_tells_whether_two_say_the_same(void **state)
{
    struct config before;
    struct config after;
    (void)state;

    assert_null(option_at(ARRAY_LEN(others)));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        const struct option *changed = option_find(others[i].name);
        assert_non_null(changed);
        config_default(&before);
        after = before;
        assert_null(option_set(&after, changed, others[i].value));
        for (size_t j = 0; j < ARRAY_LEN(others); j++) {
            assert_true(option_at(j)->same(&before, &after) ==
                        (option_at(j) != changed));
        }
    }
}

static void a_running_node_takes_what_is_hot_and_nothing_else(void **state)
{
    struct config running;
    struct config read;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        const struct option *changed = option_find(others[i].name);
        config_default(&running);
        strcpy(running.keys, "keys");
        strcpy(running.tls_cert, "cert");
        strcpy(running.tls_key, "key");
        read = running;
        assert_null(option_set(&read, changed, others[i].value));
        assert_true(config_take(&running, &read));
        assert_true(changed->same(&running, &read) == changed->is_hot);
    }
}

/* A node with keys, or TLS, is never made one without, or the other way; what
 * its links were opened with stays. */
static void a_running_node_keeps_its_keys_and_its_links(void **state)
{
    struct config with;
    struct config without;
    struct config running;
    (void)state;

    config_default(&without);
    with = without;
    strcpy(with.keys, "keys");
    strcpy(with.tls_cert, "cert");
    strcpy(with.tls_key, "key");
    running = with;
    assert_true(config_take(&running, &without));
    assert_string_equal(running.keys, "keys");
    assert_string_equal(running.tls_cert, "cert");
    running = without;
    assert_true(config_take(&running, &with));
    assert_string_equal(running.keys, "");
    assert_string_equal(running.tls_key, "");
    with.limits.item_len = 4096;
    with.limits.ping_ms = 1000;
    assert_false(config_take(&running, &with));
    assert_int_equal(running.limits.item_len, 1 << 20);
    assert_int_equal(running.limits.ping_ms, 1000);
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
        cmocka_unit_test(caches_have_quotas),
        cmocka_unit_test(flags_replace_the_quotas_of_the_file),
        cmocka_unit_test(only_so_many_caches_have_quotas),
        cmocka_unit_test(flags_win_over_environment_over_file),
        cmocka_unit_test(wrong_usage_is_told_apart_from_wrong_configuration),
        cmocka_unit_test(a_certificate_and_its_key_belong_together),
        cmocka_unit_test(each_option_tells_whether_two_say_the_same),
        cmocka_unit_test(a_running_node_takes_what_is_hot_and_nothing_else),
        cmocka_unit_test(a_running_node_keeps_its_keys_and_its_links),
        cmocka_unit_test(the_nearest_name_is_only_offered_when_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
