/* SPDX-License-Identifier: Apache-2.0
 *
 * Made at build: prints a man page from its prose (docs/man/) and the tables of
 * the program. A line "@commands@" is where such a table goes; "@version@" may
 * be anywhere.
 *
 *   man_pages docs/man/starling.1 > starling.1
 */
#include <stdio.h>
#include <string.h>

#include "node/cli/args.h"
#include "node/cli/commands.h"
#include "node/config/limits.h"
#include "node/config/option.h"
#include "proto/bytes.h"

enum {
    LINE_LEN_MAX = 1024
};

/* --- roff --- */

/* Text within a line: no character of it is one of roff's. */
static void add_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            fputs("\\e", stdout);
        } else if (*text == '-') {
            fputs("\\-", stdout);
        } else if (*text == '\'') {
            fputs("\\(aq", stdout);
        } else {
            putchar(*text);
        }
    }
}

/* A line of text, which may begin with a dot. */
static void add_line(const char *text)
{
    if (*text == '.') {
        fputs("\\&", stdout);
    }
    add_text(text);
    putchar('\n');
}

/* One line, upper case and with a full stop. */
static void add_sentence(const char *text)
{
    if (*text >= 'a' && *text <= 'z') {
        putchar(*text - 'a' + 'A');
        text++;
    }
    add_text(text);
    fputs(strchr("?.", text[strlen(text) - 1]) != NULL ? "\n" : ".\n", stdout);
}

/* --- tables --- */

static void add_option(const struct command_option *o)
{
    fputs(".TP\n\\fB", stdout);
    add_text(o->name);
    fputs("\\fR", stdout);
    if (o->value != NULL) {
        fputs(" \\fI", stdout);
        add_text(o->choices != NULL ? o->choices : o->value);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    add_sentence(o->what);
}

/* Paragraphs as they are: columns stay columns. */
static void add_more(const char *text)
{
    fputs(".PP\n.nf\n", stdout);
    while (*text != '\0') {
        char line[LINE_LEN_MAX];
        size_t len = strcspn(text, "\n");
        (void)snprintf(line, sizeof line, "%.*s", (int)len, text);
        add_line(line);
        text += len + (text[len] == '\n');
    }
    fputs(".fi\n", stdout);
}

static void add_commands(void)
{
    const struct command *c;

    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        fputs(".SS \"starling ", stdout);
        add_text(c->name);
        if (c->words != NULL) {
            putchar(' ');
            add_text(c->words);
        }
        fputs("\"\n", stdout);
        add_sentence(c->what);
        if (c->more != NULL) {
            add_more(c->more);
        }
        if (c->takes_config) {
            fputs("Its options are in\n.BR starling\\-node (8).\n", stdout);
            continue;
        }
        for (const struct command_option *o = c->options;
             o != NULL && o->name != NULL; o++) {
            add_option(o);
        }
    }
}

static void add_where(void)
{
    for (const struct command_option *o = args_where; o->name != NULL; o++) {
        add_option(o);
    }
}

static const struct command *node_command(void)
{
    int words;

    return commands_find("node", NULL, &words);
}

static bool is_hot(const char *flag)
{
    const struct option *o;

    for (size_t i = 0; (o = option_at(i)) != NULL; i++) {
        if (strcmp(o->flag, flag) == 0) {
            return o->is_hot;
        }
    }
    return false;
}

static void add_options(void)
{
    struct command_option o;

    for (size_t i = 0; command_option_at(node_command(), i, &o); i++) {
        add_option(&o);
        if (is_hot(o.name)) {
            fputs("Hot.\n", stdout);
        }
    }
}

static void add_config(void)
{
    const struct option *o;

    for (size_t i = 0; (o = option_at(i)) != NULL; i++) {
        fputs(".TP\n\\fB", stdout);
        add_text(o->name);
        fputs("\\fR: \\fI", stdout);
        add_text(o->value);
        fputs(o->is_list ? "\\fR, a list\n" : "\\fR\n", stdout);
        add_sentence(o->what);
        fputs(o->is_hot ? "Hot.\n" : "Needs a restart.\n", stdout);
    }
}

static void add_limits(void)
{
    const struct limits_row *l;

    for (size_t i = 0; (l = limits_at(i)) != NULL; i++) {
        fputs(".TP\n\\fB", stdout);
        add_text(l->name);
        printf("\\fR: %llu %s\n", (unsigned long long)l->value, l->unit);
        add_sentence(l->what);
    }
}

/* --- the page --- */

static bool add_table(const char *line)
{
    static const struct {
        const char *line;
        void (*add)(void);
    } tables[] = {
        {"@commands@\n", add_commands}, {"@where@\n", add_where},
        {"@options@\n", add_options},   {"@config@\n", add_config},
        {"@limits@\n", add_limits},
    };

    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        if (strcmp(line, tables[i].line) == 0) {
            tables[i].add();
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    static const char version[] = "@version@";
    char line[LINE_LEN_MAX];
    FILE *prose = argc == 2 ? fopen(argv[1], "r") : NULL;

    if (prose == NULL) {
        fputs("usage: man_pages FILE\n", stderr);
        return 2;
    }
    while (fgets(line, sizeof line, prose) != NULL) {
        const char *at = strstr(line, version);
        if (at != NULL) {
            printf("%.*s%s%s", (int)(at - line), line, STARLING_VERSION,
                   at + strlen(version));
        } else if (!add_table(line)) {
            fputs(line, stdout);
        }
    }
    fclose(prose);
    return fflush(stdout) == 0 ? 0 : 1;
}
