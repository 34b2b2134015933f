/* SPDX-License-Identifier: Apache-2.0
 *
 * A command of the program, as its row says it: what it is called, what it
 * takes and what that means. Usage, help, completion and man pages are printed
 * from the row, and arguments are read by it, so that no option is known and
 * undocumented, or documented and unknown.
 *
 * Adding a command: a file beside this one with its row and its run(), the
 * row's declaration in node/cli/cli.h, its address in node/cli/commands.c.
 */
#ifndef NODE_CLI_COMMAND_H
#define NODE_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum {
    COMMAND_NAME_MAX = 32 /* "token mint" */
};

/* Under which heading it is listed. */
enum command_group {
    COMMAND_RUNS,    /* nodes */
    COMMAND_USES,    /* as a client */
    COMMAND_LOOKS,   /* at a cluster */
    COMMAND_CHANGES, /* a cluster */
    COMMAND_HELPS,
};

enum command_kind {
    COMMAND_TEXT,
    COMMAND_NUMBER, /* 1 to UINT32_MAX */
    COMMAND_FILE,   /* the name of one */
};

struct command_option {
    const char *name;    /* "--count" */
    const char *value;   /* what its value is called; NULL: it has none */
    const char *what;    /* one line, lower case, no full stop */
    const char *choices; /* "pub|sub|both"; NULL: anything */
    enum command_kind kind;
    size_t at; /* where args_read() puts it, in a struct args */
};

struct command {
    const char *name; /* one word, or two: "token mint" */
    int (*run)(int argc, char **argv);
    const char *words; /* "CACHE TOPIC..."; NULL: it takes none */
    const char *what;  /* one line, lower case, no full stop */

    const struct command_option *options; /* up to one without a name */
    const struct command_option *where;   /* likewise: args_where, or NULL */
    const char *more;    /* paragraphs for its help; NULL: all is said */
    const char *choices; /* what the first word may be, as of an option */
    bool takes_config;   /* and all options of a node (node/config/option.h) */
    enum command_group group;
    size_t words_min; /* checked by args_read() */
    size_t words_max;
};

/* The i-th option, its own first; false past the end. */
bool command_option_at(const struct command *command, size_t i,
                       struct command_option *option);

/* Reading the arguments of a command, one after another. */
struct command_reading {
    const struct command *command;
    int argc;
    char **argv;

    int at;
    bool only_words; /* after "--" */
    struct command_option option;
    bool is_word;
    const char *value; /* of the option (NULL: it has none), or the word */
};

/* Moves on to the next option or word. 1 there is one, 0 the end, -1 it is
 * wrong, which is said on standard error: unknown, without its value, no
 * number, none of the choices. */
int command_next(struct command_reading *reading);

/* Whether --help or -h is among the options. */
bool command_wants_help(const struct command *command, int argc, char **argv);

#endif
