/* SPDX-License-Identifier: Apache-2.0
 *
 * The arguments of `starling bench`. Sentences go to standard error; here only
 * what becomes of them.
 */
#include "tests/test.h"

#include <stdlib.h>

#include "node/bench/options.h"
#include "node/cli/cli.h"

enum {
    WORDS_MAX = 14
};

static const struct command bench = {.name = "bench", .options = bench_rows};

/* The program never writes to argv; the options borrow from it. */
static int read_words(struct bench_options *options, const char *const *words)
{
    union {
        const char *word;
        char *arg;
    } argv[WORDS_MAX];
    char *args[WORDS_MAX];
    int argc = 0;

    while (argc < WORDS_MAX && words[argc] != NULL) {
        argv[argc].word = words[argc];
        args[argc] = argv[argc].arg;
        argc++;
    }
    return bench_options_read(options, &bench, argc, args);
}

static void one_word_is_enough(void **state)
{
    (void)state;
    const char *const words[] = {"fanout", NULL};
    struct bench_options o;

    assert_int_equal(read_words(&o, words), CLI_OK);
    assert_int_equal(o.mode, BENCH_FANOUT);
    assert_string_equal(o.door->name, "resp");
    assert_string_equal(o.at.url.authority, "127.0.0.1:7400");
    assert_true(o.at.ours);
    assert_ptr_equal(o.at.text, o.publish_at.text);
    assert_int_equal(o.pubs, 1);
    assert_int_equal(o.subs, 100);
    assert_int_equal(o.size, 64);
    assert_int_equal(o.rate, 0);
    assert_null(o.token);
}

static void takes_what_is_said(void **state)
{
    (void)state;
    const char *const words[] = {
        "cluster", "--url",  "nats://h:1", "--publish-url", "nats://[::1]:2",
        "--pubs",  "7",      "--seconds",  "0.25",          "--pid",
        "12,345",  "--json", NULL};
    struct bench_options o;

    assert_int_equal(read_words(&o, words), CLI_OK);
    assert_int_equal(o.mode, BENCH_CLUSTER);
    assert_string_equal(o.door->name, "nats");
    assert_false(o.at.ours);
    assert_string_equal(o.at.url.host, "h");
    assert_string_equal(o.publish_at.url.host, "::1");
    assert_int_equal(o.pubs, 7);
    assert_int_equal(o.run_ns, 250000000);
    assert_int_equal(o.pids_len, 2);
    assert_int_equal(o.pids[1], 345);
    assert_true(o.json);
}

static void sealed_urls_mean_tls(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool tls;
        const char *port;
        const char *door;
    } cases[] = {
        {"https://h", true, "443", "resp"},
        {"http://h", false, "80", "resp"},
        {"rediss://h:1", true, "1", "resp"},
        {"redis://h:1", false, "1", "resp"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *const words[] = {"fanout", "--url", cases[i].url, NULL};
        struct bench_options o;
        assert_int_equal(read_words(&o, words), CLI_OK);
        assert_true(o.at.url.tls == cases[i].tls);
        assert_string_equal(o.at.url.port, cases[i].port);
        assert_string_equal(o.door->name, cases[i].door);
    }
}

static void the_token_comes_from_the_environment(void **state)
{
    (void)state;
    const char *const words[] = {"fanout", NULL};
    struct bench_options o;

    assert_int_equal(setenv("STARLING_TOKEN", "secret", 1), 0);
    assert_int_equal(read_words(&o, words), CLI_OK);
    assert_string_equal(o.token, "secret");
    assert_int_equal(unsetenv("STARLING_TOKEN"), 0);
}

static void wrong_usage_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][WORDS_MAX] = {
        {NULL},
        {""},
        {"fanuot"},
        {"fanout", "--", "pairs"},
        {"fanout", "pairs"},
        {"fanout", "--subs"},
        {"fanout", "--subs", ""},
        {"fanout", "--subs", "0"},
        {"fanout", "--subs", "-1"},
        {"fanout", "--subs", "1000001"},
        {"fanout", "--subs", "18446744073709551617"},
        {"fanout", "--pubs", "2"},
        {"fanout", "--size", "15"},
        {"fanout", "--size", "16777217"},
        {"fanout", "--seconds", "0"},
        {"fanout", "--seconds", "-1"},
        {"fanout", "--seconds", "nan"},
        {"fanout", "--seconds", "inf"},
        {"fanout", "--seconds", "1s"},
        {"fanout", "--seconds", ""},
        {"fanout", "--pid", ""},
        {"fanout", "--pid", ","},
        {"fanout", "--pid", "1,,2"},
        {"fanout", "--pid", "4294967297"},
        {"fanout", "--door", "telnet"},
        {"fanout", "--url", "127.0.0.1:7400"},
        {"fanout", "--url", "natss://x"},
        {"fanout", "--url", "nats://"},
        {"fanout", "--url", "nats://x", "--door", "resp"},
        {"fanout", "--url", "redis://x", "--publish-url", "nats://x"},
        {"connections", "--size", "64"},
        {"connections", "--warmup", "1"},
        {"connections", "--publish-url", "http://x"},
        {"cluster"},
        {"cluster", "--publish-url", "http://x", "--pubs", "2", "--subs", "3"},
        {"topics", "--topics", "10", "--conns", "11"},
        {"topics", "--topics", "10", "--conns", "5", "--door", "sse"},
        {"churn", "--door", "sse"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench_options o;
        int exit_code = read_words(&o, cases[i]);
        if (exit_code != CLI_USAGE) {
            fail_msg("case %zu: %d", i, exit_code);
        }
    }
}

/* Its row says what is known here. */
static void help_names_every_mode_and_every_door(void **state)
{
    (void)state;
    const struct command_option *row = bench_rows;
    char mode[32];

    while (strcmp(row->name, "--door") != 0) {
        row++;
    }
    for (size_t i = 0; bench_door_name(i) != NULL; i++) {
        assert_non_null(strstr(row->choices, bench_door_name(i)));
    }
    for (const char *at = bench_modes; *at != '\0'; at += *at == '|') {
        size_t len = strcspn(at, "|");
        assert_true(len + 1 < sizeof mode);
        memcpy(mode, at, len);
        mode[len] = '\0';
        const char *words[] = {mode, "--publish-url", "http://h", NULL};
        struct bench_options o;
        words[1] = strcmp(mode, "cluster") == 0 ? words[1] : NULL;
        assert_int_equal(read_words(&o, words), CLI_OK);
        assert_non_null(strstr(bench_more, mode));
        at += len;
    }
    assert_int_equal(BENCH_CHURN, 7); /* the last: all eight are named */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_word_is_enough),
        cmocka_unit_test(takes_what_is_said),
        cmocka_unit_test(sealed_urls_mean_tls),
        cmocka_unit_test(the_token_comes_from_the_environment),
        cmocka_unit_test(wrong_usage_is_refused),
        cmocka_unit_test(help_names_every_mode_and_every_door),
    };
    (void)unsetenv("STARLING_URL");
    (void)unsetenv("STARLING_TOKEN");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
