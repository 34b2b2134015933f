/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "node/config/nearest.h"
#include "node/config/option.h"
#include "proto/bytes.h"

/* --- options --- */

static size_t count_rows(const struct command_option *rows)
{
    size_t n = 0;

    while (rows != NULL && rows[n].name != NULL) {
        n++;
    }
    return n;
}

bool command_option_at(const struct command *command, size_t i,
                       struct command_option *option)
{
    size_t own = count_rows(command->options);
    size_t where = count_rows(command->where);

    if (i < own) {
        *option = command->options[i];
        return true;
    }
    if (i - own < where) {
        *option = command->where[i - own];
        return true;
    }
    const struct option *of_node = command->takes_config
                                       ? option_at(i - own - where)
                                       : NULL;
    if (of_node == NULL) {
        return false;
    }
    *option = (struct command_option){
        .name = of_node->flag,
        .value = of_node->is_flag ? NULL : of_node->value,
        .what = of_node->what,
        .choices = of_node->is_flag || strchr(of_node->value, '|') == NULL
                       ? NULL
                       : of_node->value,
        .kind = strcmp(of_node->value, "FILE") == 0 ? COMMAND_FILE
                                                    : COMMAND_TEXT};
    return true;
}

/* By the first `len` bytes of `name`. */
static bool find_option(const struct command *command, const char *name,
                        size_t len, struct command_option *option)
{
    for (size_t i = 0; command_option_at(command, i, option); i++) {
        if (strlen(option->name) == len &&
            memcmp(option->name, name, len) == 0) {
            return true;
        }
    }
    return false;
}

/* --- what is wrong --- */

static int say(const struct command_reading *r, const char *text,
               const char *what)
{
    fprintf(stderr, "starling %s: %s '%s'\n", r->command->name, text, what);
    return -1;
}

static int say_unknown(const struct command_reading *r, const char *arg)
{
    struct command_option option;
    const char *meant = NULL;
    size_t limit = nearest_limit(arg);

    for (size_t i = 0; command_option_at(r->command, i, &option); i++) {
        if (nearest_step(arg, option.name, &limit)) {
            meant = option.name;
        }
    }
    fprintf(stderr, "starling %s: unknown option '%s'%s%s%s\n",
            r->command->name, arg, meant != NULL ? " (did you mean '" : "",
            meant != NULL ? meant : "", meant != NULL ? "'?)" : "");
    return -1;
}

/* Whether `value` is one of "a|b|c". */
static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);

    for (const char *c = choices; c != NULL; c = strchr(c, '|')) {
        c += *c == '|';
        if (strcspn(c, "|") == len && memcmp(c, value, len) == 0) {
            return true;
        }
    }
    return false;
}

static int check_value(const struct command_reading *r)
{
    const struct command_option *o = &r->option;
    const char *wanted = NULL;
    uint64_t number;

    if (o->kind == COMMAND_NUMBER &&
        (bytes_u64(bytes_str(r->value), &number) != 0 || number == 0 ||
         number > UINT32_MAX)) {
        wanted = "a number from 1";
    } else if (o->choices != NULL && !is_choice(o->choices, r->value)) {
        wanted = o->choices;
    }
    if (wanted != NULL) {
        fprintf(stderr, "starling %s: %s takes %s, not '%s'\n",
                r->command->name, o->name, wanted, r->value);
    }
    return wanted == NULL ? 1 : -1;
}

/* --- reading --- */

static int read_option(struct command_reading *r, const char *arg)
{
    size_t len = strcspn(arg, "=");

    r->is_word = false;
    r->value = arg[len] == '=' ? arg + len + 1 : NULL;
    if (!find_option(r->command, arg, len, &r->option)) {
        return say_unknown(r, arg);
    }
    if (r->option.value == NULL) {
        return r->value == NULL ? 1 : say(r, "no value goes with", arg);
    }
    if (r->value == NULL && r->at == r->argc) {
        return say(r, "a value is missing after", arg);
    }
    if (r->value == NULL) {
        r->value = r->argv[r->at++];
    }
    return check_value(r);
}

int command_next(struct command_reading *r)
{
    if (r->at < r->argc && !r->only_words &&
        strcmp(r->argv[r->at], "--") == 0) {
        r->only_words = true;
        r->at++;
    }
    if (r->at == r->argc) {
        return 0;
    }
    const char *arg = r->argv[r->at++];
    if (!r->only_words && arg[0] == '-' && arg[1] != '\0') {
        return read_option(r, arg);
    }
    r->is_word = true;
    r->value = arg;
    return 1;
}

bool command_wants_help(const struct command *command, int argc, char **argv)
{
    struct command_option option;

    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
        i += find_option(command, argv[i], strlen(argv[i]), &option) &&
             option.value != NULL;
    }
    return false;
}
