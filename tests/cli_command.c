/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments, read by the row of a command. Sentences go to standard error; here
 * only what becomes of them.
 */
#include "tests/test.h"

#include "node/cli/command.h"
#include "node/config/option.h"

enum {
    WORDS_MAX = 8
};

static const struct command_option own[] = {
    {"--count", "N", "how many", NULL, COMMAND_NUMBER, 0},
    {"--role", "ROLE", "which", "pub|sub|both", COMMAND_TEXT, 0},
    {"--exec", "CMD", "what", NULL, COMMAND_TEXT, 0},
    {"--json", NULL, "how", NULL, COMMAND_TEXT, 0},
    {0},
};

static const struct command_option where[] = {
    {"--url", "URL", "where", NULL, COMMAND_TEXT, 0},
    {0},
};

static const struct command command = {
    .name = "some", .options = own, .where = where};
static const struct command node = {
    .name = "node", .options = where, .takes_config = true};
static const struct command bare = {.name = "bare"};

/* The program never writes to argv. */
static int point(const char *const *words, char *argv[WORDS_MAX])
{
    union {
        const char *word;
        char *arg;
    } both;
    int argc = 0;

    while (argc < WORDS_MAX && words[argc] != NULL) {
        both.word = words[argc];
        argv[argc++] = both.arg;
    }
    return argc;
}

/* Writes "word; --option=value; --switch; " until the end, or "wrong". */
static void read_words(const char *const *words, struct buf *out)
{
    char *argv[WORDS_MAX];
    struct command_reading r = {.command = &command, .argv = argv};
    int rc;

    r.argc = point(words, argv);
    while ((rc = command_next(&r)) > 0) {
        buf_add_str(out, r.is_word ? "" : r.option.name);
        buf_add_str(out, r.is_word || r.value == NULL ? "" : "=");
        buf_add_str(out, r.value != NULL ? r.value : "");
        buf_add_str(out, "; ");
    }
    buf_add_str(out, rc < 0 ? "wrong" : "");
    buf_add_u8(out, '\0');
}

static void reads_by_the_row(void **state)
{
    (void)state;
    static const struct {
        const char *words[WORDS_MAX];
        const char *read;
    } cases[] = {
        {{NULL}, ""},
        {{"a", "-", "b"}, "a; -; b; "},
        {{"--count", "3", "a"}, "--count=3; a; "},
        {{"--count=3", "a"}, "--count=3; a; "},
        {{"--exec="}, "--exec=; "},
        {{"--exec", ""}, "--exec=; "},
        {{"--exec", "--json"}, "--exec=--json; "},
        {{"--exec", "--", "a"}, "--exec=--; a; "},
        {{"--exec=a=b"}, "--exec=a=b; "},
        {{"a", "--json", "--url", "u"}, "a; --json; --url=u; "},
        {{"--", "--json", "--", "-x"}, "--json; --; -x; "},
        {{"--role", "both"}, "--role=both; "},
        {{"--role=pub"}, "--role=pub; "},
        {{"--count", "4294967295"}, "--count=4294967295; "},
        {{"a", "--jsno", "b"}, "a; wrong"},
        {{"--coun", "3"}, "wrong"},
        {{"--counts", "3"}, "wrong"},
        {{"-j"}, "wrong"},
        {{"--=3"}, "wrong"},
        {{"--json=true"}, "wrong"},
        {{"--count"}, "wrong"},
        {{"--count", ""}, "wrong"},
        {{"--count", "0"}, "wrong"},
        {{"--count", "-1"}, "wrong"},
        {{"--count", "4294967296"}, "wrong"},
        {{"--count", "18446744073709551617"}, "wrong"},
        {{"--role", ""}, "wrong"},
        {{"--role", "pu"}, "wrong"},
        {{"--role", "pub|sub"}, "wrong"},
        {{"--name", "n"}, "wrong"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        read_words(cases[i].words, &out);
        assert_false(out.failed);
        if (strcmp((char *)out.p, cases[i].read) != 0) {
            fail_msg("case %zu: '%s'", i, (char *)out.p);
        }
        buf_fini(&out);
    }
}

static void lists_its_own_options_and_those_of_a_node(void **state)
{
    (void)state;
    struct command_option option;
    size_t n = 0;

    assert_true(command_option_at(&command, 3, &option));
    assert_string_equal(option.name, "--json");
    assert_true(command_option_at(&command, 4, &option));
    assert_string_equal(option.name, "--url");
    assert_false(command_option_at(&command, 5, &option));
    assert_false(command_option_at(&bare, 0, &option));
    while (command_option_at(&node, n + 1, &option)) {
        assert_string_equal(option.name, option_at(n)->flag);
        assert_true((option.value == NULL) == option_at(n)->is_flag);
        n++;
    }
    assert_null(option_at(n));
}

/* --tls-cert is tls_cert, and each says what it is. */
static void flags_of_a_node_are_its_options(void **state)
{
    (void)state;
    const struct option *o;

    for (size_t i = 0; (o = option_at(i)) != NULL; i++) {
        assert_int_equal(strlen(o->flag), strlen(o->name) + 2);
        assert_memory_equal(o->flag, "--", 2);
        for (size_t c = 0; o->name[c] != '\0'; c++) {
            char want = (char)(o->name[c] == '_' ? '-' : o->name[c]);
            assert_int_equal(o->flag[c + 2], want);
        }
        assert_true(o->value[0] != '\0' && o->what[0] != '\0');
    }
}

static void help_is_an_option_and_no_value(void **state)
{
    (void)state;
    static const struct {
        const char *words[WORDS_MAX];
        bool wants;
    } cases[] = {
        {{NULL}, false},           {{"--help"}, true},
        {{"a", "-h"}, true},       {{"--json", "--help"}, true},
        {{"--exec", "-h"}, false}, {{"--exec=x", "-h"}, true},
        {{"--", "--help"}, false}, {{"--odd", "--help"}, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *argv[WORDS_MAX];
        int argc = point(cases[i].words, argv);
        assert_true(command_wants_help(&command, argc, argv) == cases[i].wants);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_by_the_row),
        cmocka_unit_test(lists_its_own_options_and_those_of_a_node),
        cmocka_unit_test(flags_of_a_node_are_its_options),
        cmocka_unit_test(help_is_an_option_and_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
