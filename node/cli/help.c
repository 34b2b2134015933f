/* SPDX-License-Identifier: Apache-2.0
 *
 * starling help [--all | COMMAND], starling version.
 */
#include "node/cli/help.h"

#include <string.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/commands.h"
#include "proto/bytes.h"

enum {
    WIDTH = 79,
    USAGE_COLUMN = 11, /* where further lines of a usage begin */
    TEXT_COLUMN = 24,  /* where what an option means begins */
    NAME_COLUMN = 20   /* the same of a command */
};

static int run_help(int argc, char **argv);
static int run_version(int argc, char **argv);

static const struct command_option help_options[] = {
    ARGS_SWITCH("--all", all, "every command with its options"),
    {0},
};

const struct command command_help = {
    .name = "help",
    .run = run_help,
    .words = "[COMMAND]",
    .what = "this list, or all about one command",
    .options = help_options,
    .group = COMMAND_HELPS,
    .words_max = 2,
};

const struct command command_version = {
    .name = "version",
    .run = run_version,
    .what = "which version this is",
    .group = COMMAND_HELPS,
};

/* --- one command --- */

static const char *value_of(const struct command_option *option)
{
    return option->choices != NULL ? option->choices : option->value;
}

void help_usage(const struct command *command, FILE *to)
{
    const struct command_option *o = command->options;
    int column = fprintf(to, "usage: starling %s%s%s", command->name,
                         command->words != NULL ? " " : "",
                         command->words != NULL ? command->words : "");

    for (; o != NULL && o->name != NULL; o++) {
        const char *value = o->value != NULL ? value_of(o) : "";
        int len = (int)(strlen(o->name) + strlen(value)) + 3 + (*value != '\0');
        if (column + len > WIDTH) {
            fprintf(to, "\n%*s", USAGE_COLUMN - 1, "");
            column = USAGE_COLUMN - 1;
        }
        column += fprintf(to, " [%s%s%s]", o->name, *value != '\0' ? " " : "",
                          value);
    }
    if (command->where != NULL || command->takes_config) {
        fputs(column + 4 > WIDTH ? "\n           ..." : " ...", to);
    }
    fputc('\n', to);
}

void help_wrapped(FILE *to, const char *text, int column)
{
    int at = column;

    while (*text != '\0') {
        int len = (int)strcspn(text, " ");
        if (at > column && at + 1 + len > WIDTH) {
            fprintf(to, "\n%*s", column, "");
            at = column;
        }
        at += fprintf(to, "%s%.*s", at > column ? " " : "", len, text);
        text += len;
        text += *text == ' ';
    }
    fputs("\n", to);
}

static void print_option(const struct command_option *o, FILE *to)
{
    int column = fprintf(to, "  %s%s%s", o->name, o->value != NULL ? " " : "",
                         o->value != NULL ? value_of(o) : "");

    fprintf(to, "%s%*s", column + 1 < TEXT_COLUMN ? "" : "\n",
            column + 1 < TEXT_COLUMN ? TEXT_COLUMN - column : TEXT_COLUMN, "");
    help_wrapped(to, o->what, TEXT_COLUMN);
}

static void print_options(const struct command *command, FILE *to)
{
    struct command_option option;

    for (size_t i = 0; command_option_at(command, i, &option); i++) {
        if (i == 0) {
            fputs("\n", to);
        }
        print_option(&option, to);
    }
}

void help_command(const struct command *command, FILE *to)
{
    fprintf(to, "starling %s%s%s\n  ", command->name,
            command->words != NULL ? " " : "",
            command->words != NULL ? command->words : "");
    help_wrapped(to, command->what, 2);
    if (command->more != NULL) {
        fprintf(to, "\n%s\n", command->more);
    }
    print_options(command, to);
}

/* --- all of them --- */

static void print_line(const struct command *command, FILE *to)
{
    fprintf(to, "  %-*s ", NAME_COLUMN - 3, command->name);
    help_wrapped(to, command->what, NAME_COLUMN);
}

void help_list(FILE *to)
{
    static const char *const headings[] = {
        [COMMAND_RUNS] = "run nodes",
        [COMMAND_USES] = "use a cluster",
        [COMMAND_LOOKS] = "look at it",
        [COMMAND_CHANGES] = "change it, its keys, tokens and caches",
        [COMMAND_HELPS] = "help",
    };
    const struct command *command;

    fputs("starling " STARLING_VERSION
          ": a clustered broker for realtime topics\n",
          to);
    for (size_t i = 0; (command = commands_at(i)) != NULL; i++) {
        if (i == 0 || commands_at(i - 1)->group != command->group) {
            fprintf(to, "\n%s\n", headings[command->group]);
        }
        print_line(command, to);
    }
    fputs("\nstarling COMMAND --help says what it takes. Commands that talk to "
          "a cluster\ndo so at --url URL, STARLING_URL or "
          "http://127.0.0.1:7400; STARLING_TOKEN is\nthe token.\n",
          to);
}

static void print_all(FILE *to)
{
    const struct command *command;

    help_list(to);
    for (size_t i = 0; (command = commands_at(i)) != NULL; i++) {
        fputs("\n", to);
        help_command(command, to);
    }
}

/* "token" is all commands of that family. */
static bool print_family(const char *word, FILE *to)
{
    size_t len = strlen(word);
    const struct command *command;
    bool found = false;

    for (size_t i = 0; (command = commands_at(i)) != NULL; i++) {
        if (strncmp(command->name, word, len) == 0 &&
            command->name[len] == ' ') {
            fputs(found ? "\n" : "", to);
            help_command(command, to);
            found = true;
        }
    }
    return found;
}

static int run_help(int argc, char **argv)
{
    const struct command *command;
    struct args args;
    int words;
    int exit_code = args_read(&args, &command_help, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (args.words_len == 0) {
        (args.all ? print_all : help_list)(stdout);
        return CLI_OK;
    }
    if (args.words_len == 1 && print_family(args.words[0], stdout)) {
        return CLI_OK;
    }
    command = commands_find(args.words[0],
                            args.words_len > 1 ? args.words[1] : NULL, &words);
    if (command != NULL) {
        help_command(command, stdout);
    }
    return command != NULL ? CLI_OK : CLI_USAGE;
}

static int run_version(int argc, char **argv)
{
    struct args args;
    int exit_code = args_read(&args, &command_version, argc, argv);

    if (exit_code == CLI_OK) {
        puts("starling " STARLING_VERSION);
    }
    return exit_code;
}
