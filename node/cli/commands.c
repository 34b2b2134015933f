/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "node/cli/cli.h"
#include "node/cli/help.h"
#include "node/config/nearest.h"
#include "proto/bytes.h"

/* By groups, as they are listed; one a line. */
/* clang-format off */
static const struct command *const commands[] = {
    &command_dev,
    &command_node,
    &command_check,
    &command_pub,
    &command_sub,
    &command_verify,
    &command_bench,
    &command_cluster,
    &command_regions,
    &command_top,
    &command_clients,
    &command_topics,
    &command_tap,
    &command_denied,
    &command_events,
    &command_usage,
    &command_trace,
    &command_doctor,
    &command_ready,
    &command_keygen,
    &command_token_mint,
    &command_token_show,
    &command_token_revoke,
    &command_cache_list,
    &command_cache_create,
    &command_cache_delete,
    &command_kick,
    &command_keys_list,
    &command_keys_install,
    &command_keys_use,
    &command_keys_remove,
    &command_reload,
    &command_rebalance,
    &command_help,
    &command_explain,
    &command_completion,
    &command_version,
};
/* clang-format on */

const struct command *commands_at(size_t i)
{
    return i < ARRAY_LEN(commands) ? commands[i] : NULL;
}

/* How many words the name of the command has, 0: it is another. */
static int match(const struct command *command, const char *first,
                 const char *second)
{
    const char *name = command->name;
    size_t len = strcspn(name, " ");

    if (strlen(first) != len || memcmp(first, name, len) != 0) {
        return 0;
    }
    if (name[len] == '\0') {
        return 1;
    }
    return second != NULL && strcmp(second, name + len + 1) == 0 ? 2 : 0;
}

/* "token" is a family: none of it was meant by what follows. */
static bool say_family(const char *word)
{
    size_t len = strlen(word);
    bool is_family = false;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const char *name = commands[i]->name;
        if (strncmp(name, word, len) == 0 && name[len] == ' ') {
            help_usage(commands[i], stderr);
            is_family = true;
        }
    }
    return is_family;
}

static void say_unknown(const char *word)
{
    size_t limit = nearest_limit(word);
    const char *meant = NULL;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (nearest_step(word, commands[i]->name, &limit)) {
            meant = commands[i]->name;
        }
    }
    fprintf(stderr, "starling: unknown command '%s'%s%s%s\n", word,
            meant != NULL ? " (did you mean '" : "", meant != NULL ? meant : "",
            meant != NULL ? "'?)" : "");
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

const struct command *commands_find(const char *first, const char *second,
                                    int *words)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        *words = match(commands[i], first, second);
        if (*words > 0) {
            return commands[i];
        }
    }
    if (!say_family(first)) {
        say_unknown(first);
    }
    return NULL;
}

int commands_run(int argc, char **argv)
{
    int words;

    if (argc == 0) {
        help_list(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[0], "--version") == 0) {
        return command_version.run(0, argv);
    }
    if (is_help(argv[0])) {
        return command_help.run(argc - 1, argv + 1);
    }
    if (argc == 2 && is_help(argv[1])) {
        return command_help.run(1, argv); /* also of a family */
    }
    const struct command *command = commands_find(
        argv[0], argc > 1 ? argv[1] : NULL, &words);
    if (command == NULL) {
        return CLI_USAGE;
    }
    if (command_wants_help(command, argc - words, argv + words)) {
        help_command(command, stdout);
        return CLI_OK;
    }
    return command->run(argc - words, argv + words);
}
