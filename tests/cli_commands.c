/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of commands: what each row must say, and that all of it is found in
 * what is made from it.
 */
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/cli/commands.h"
#include "node/cli/completion.h"
#include "node/cli/explain.h"
#include "node/cli/help.h"
#include "proto/err.h"

/* What `print` writes; the caller's to free. */
static char *text_of(void (*print)(FILE *to))
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    print(to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static char *help_of(const struct command *command)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    help_usage(command, to);
    help_command(command, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

/* One line, lower case, no full stop. */
static void assert_is_summary(const char *what)
{
    size_t len = strlen(what);

    assert_true(len > 0 && what[len - 1] != '.');
    assert_null(strchr(what, '\n'));
}

static void every_row_says_what_it_is(void **state)
{
    (void)state;
    const struct command *c;
    struct command_option o;

    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        assert_true(strlen(c->name) < COMMAND_NAME_MAX);
        assert_is_summary(c->what);
        assert_non_null(c->run);
        assert_true(c->words != NULL || c->words_max == 0);
        assert_true(c->words_min <= c->words_max);
        for (size_t n = 0; command_option_at(c, n, &o); n++) {
            assert_memory_equal(o.name, "--", 2);
            assert_is_summary(o.what);
            assert_true(o.value != NULL || o.choices == NULL);
        }
    }
}

static void no_name_is_there_twice(void **state)
{
    (void)state;
    const struct command *c;
    struct command_option o;
    struct command_option before;

    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(c->name, commands_at(k)->name);
        }
        for (size_t n = 0; command_option_at(c, n, &o); n++) {
            for (size_t k = 0; k < n; k++) {
                assert_true(command_option_at(c, k, &before));
                assert_string_not_equal(o.name, before.name);
            }
        }
    }
}

static void groups_are_listed_together(void **state)
{
    (void)state;

    for (size_t i = 1; commands_at(i) != NULL; i++) {
        assert_true(commands_at(i)->group >= commands_at(i - 1)->group);
    }
}

static void help_says_all_of_a_row(void **state)
{
    (void)state;
    char *list = text_of(help_list);
    const struct command *c;
    struct command_option o;

    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        char *help = help_of(c);
        assert_non_null(strstr(list, c->name));
        assert_non_null(strstr(help, c->name));
        for (size_t n = 0; command_option_at(c, n, &o); n++) {
            assert_non_null(strstr(help, o.name));
        }
        for (const char *line = help; *line != '\0';) {
            size_t len = strcspn(line, "\n");
            if (len >= 80) {
                fail_msg("%s: '%.*s'", c->name, (int)len, line);
            }
            line += len + (line[len] == '\n');
        }
        free(help);
    }
    free(list);
}

static void shells_complete_every_option(void **state)
{
    (void)state;
    char *scripts[] = {text_of(completion_bash), text_of(completion_zsh),
                       text_of(completion_fish)};
    const struct command *c;
    struct command_option o;
    char wanted[128];

    for (size_t s = 0; s < ARRAY_LEN(scripts); s++) {
        for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
            for (size_t n = 0; command_option_at(c, n, &o); n++) {
                bool fish = s == 2;
                (void)snprintf(wanted, sizeof wanted,
                               fish ? "__starling_is %s' -l %s" : "%s%s",
                               fish ? c->name : "", o.name + (fish ? 2 : 0));
                assert_non_null(strstr(scripts[s], wanted));
            }
        }
        free(scripts[s]);
    }
}

static void finds_commands_of_one_word_and_of_two(void **state)
{
    (void)state;
    int words;

    assert_string_equal(commands_find("sub", "demo", &words)->name, "sub");
    assert_int_equal(words, 1);
    assert_string_equal(commands_find("token", "show", &words)->name,
                        "token show");
    assert_int_equal(words, 2);
    assert_null(commands_find("token", NULL, &words));
    assert_null(commands_find("token", "mnit", &words));
    assert_null(commands_find("toke", "mint", &words));
    assert_null(commands_find("", NULL, &words));
}

static void every_error_is_explained(void **state)
{
    (void)state;

    for (int i = 0; i < ERR_COUNT; i++) {
        const struct explanation *e = explain_at(i);
        if (e->means == NULL || e->todo == NULL) {
            fail_msg("%s is not explained", err_name(-1 - i));
        }
        assert_int_equal(e->means[strlen(e->means) - 1], '.');
        assert_int_equal(e->todo[strlen(e->todo) - 1], '.');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_says_what_it_is),
        cmocka_unit_test(no_name_is_there_twice),
        cmocka_unit_test(groups_are_listed_together),
        cmocka_unit_test(help_says_all_of_a_row),
        cmocka_unit_test(shells_complete_every_option),
        cmocka_unit_test(every_error_is_explained),
        cmocka_unit_test(finds_commands_of_one_word_and_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
