/* SPDX-License-Identifier: Apache-2.0
 *
 * starling completion bash|zsh|fish.
 */
#include "node/cli/completion.h"

#include <string.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/commands.h"

static int run(int argc, char **argv);

const struct command command_completion = {
    .name = "completion",
    .run = run,
    .words = "bash|zsh|fish",
    .what = "what that shell needs to complete these commands",
    .more = "bash  source <(starling completion bash)\n"
            "zsh   source <(starling completion zsh)\n"
            "fish  starling completion fish | source\n"
            "\n"
            "Packages install all three.",
    .choices = "bash|zsh|fish",
    .group = COMMAND_HELPS,
    .words_min = 1,
    .words_max = 1,
};

/* --- what the shells have in common --- */

/* 'text', with what ends it escaped. */
static void add_quoted(FILE *to, const char *text, const char *escaped)
{
    fputc('\'', to);
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs(escaped, to);
        } else {
            fputc(*text, to);
        }
    }
    fputc('\'', to);
}

/* Between words: in bash and fish all of them are one text, in zsh each is. */
static const char as_one[] = " ";
static const char as_many[] = "' '";

/* "a|b" as words. */
static void add_choices(FILE *to, const char *choices, const char *between)
{
    fputc('\'', to);
    while (*choices != '\0') {
        int len = (int)strcspn(choices, "|");
        fprintf(to, "%.*s", len, choices);
        choices += len;
        if (*choices == '|') {
            fputs(between, to);
            choices++;
        }
    }
    fputc('\'', to);
}

static size_t first_len(const struct command *command)
{
    return strcspn(command->name, " ");
}

static bool same_family(const struct command *a, const struct command *b)
{
    size_t len = first_len(a);

    return len == first_len(b) && memcmp(a->name, b->name, len) == 0;
}

static bool is_family(const struct command *command)
{
    return command->name[first_len(command)] == ' ';
}

/* The i-th, unless one of its family came before. */
static bool is_new(size_t i)
{
    for (size_t before = 0; before < i; before++) {
        if (same_family(commands_at(i), commands_at(before))) {
            return false;
        }
    }
    return true;
}

static const char *second_word(const struct command *command)
{
    return command->name + first_len(command) + 1;
}

static bool takes_files(const struct command *command)
{
    return command->words != NULL && strstr(command->words, "FILE") != NULL;
}

static bool takes_commands(const struct command *command)
{
    return command->words != NULL && strstr(command->words, "COMMAND") != NULL;
}

/* 'dev node token ...' */
static void add_first_words(FILE *to, const char *between)
{
    const struct command *c;
    const char *before = "";

    fputc('\'', to);
    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        if (is_new(i)) {
            fprintf(to, "%s%.*s", before, (int)first_len(c), c->name);
            before = between;
        }
    }
    fputc('\'', to);
}

/* --- what bash and zsh have in common --- */

/* Whether the value of the option is of that kind. */
static bool value_is(const struct command_option *o, bool files, bool choices)
{
    return o->value != NULL && (o->kind == COMMAND_FILE) == files &&
           (o->choices != NULL) == choices;
}

/* "'sub --count'|'sub --exec') what" for all options whose value is any text,
 * or a file. */
static void add_values(FILE *to, bool files, const char *what)
{
    const struct command *c;
    struct command_option o;
    const char *between = "    ";

    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        for (size_t n = 0; command_option_at(c, n, &o); n++) {
            if (value_is(&o, files, false)) {
                fprintf(to, "%s'%s %s'", between, c->name, o.name);
                between = " | \\\n        ";
            }
        }
    }
    fprintf(to, ") %s ;;\n", what);
}

/* The same for those with choices, which `begin` ... `end` offers. */
static void add_chosen(FILE *to, const char *begin, const char *between,
                       const char *end)
{
    const struct command *c;
    struct command_option o;

    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        for (size_t n = 0; command_option_at(c, n, &o); n++) {
            if (value_is(&o, false, true)) {
                fprintf(to, "    '%s %s') %s", c->name, o.name, begin);
                add_choices(to, o.choices, between);
                fprintf(to, "%s ;;\n", end);
            }
        }
    }
}

/* --- bash --- */

static void add_bash_families(FILE *to)
{
    const struct command *c;

    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        if (!is_new(i) || !is_family(c)) {
            continue;
        }
        fprintf(to,
                "    %.*s)\n"
                "        if ((COMP_CWORD == 2)); then\n"
                "            words='",
                (int)first_len(c), c->name);
        for (size_t n = i; commands_at(n) != NULL; n++) {
            if (same_family(c, commands_at(n))) {
                fprintf(to, "%s%s", n > i ? " " : "",
                        second_word(commands_at(n)));
            }
        }
        fputs("'\n"
              "        else\n"
              "            command+=\" ${COMP_WORDS[2]}\"\n"
              "        fi ;;\n",
              to);
    }
}

static void add_bash_command(FILE *to, const struct command *c)
{
    struct command_option o;

    fprintf(to, "        '%s') options='", c->name);
    for (size_t i = 0; command_option_at(c, i, &o); i++) {
        fprintf(to, "%s ", o.name);
    }
    fputs("--help'", to);
    if (c->choices != NULL) {
        fputs(" words=", to);
        add_choices(to, c->choices, as_one);
    } else if (takes_commands(c)) {
        fputs(" words=", to);
        add_first_words(to, as_one);
    }
    fprintf(to, "%s ;;\n", takes_files(c) ? " files=1" : "");
}

void completion_bash(FILE *to)
{
    const struct command *c;

    fputs("# bash completion of starling, made by: starling completion bash\n"
          "_starling() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]}\n"
          "    local prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command=${COMP_WORDS[1]} options= words= files=\n"
          "    if [[ $cur == '=' ]]; then\n"
          "        cur=\n"
          "    elif [[ $prev == '=' ]]; then\n"
          "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    fi\n"
          "    COMPREPLY=()\n"
          "    if ((COMP_CWORD == 1)); then\n"
          "        words=",
          to);
    add_first_words(to, as_one);
    fputs("\n        command=\n    fi\n    case $command in\n", to);
    add_bash_families(to);
    fputs("    esac\n    case \"$command $prev\" in\n", to);
    add_chosen(to, "words=", as_one, "");
    add_values(to, true, "files=1");
    add_values(to, false, "return");
    fputs("    *)\n        case $command in\n", to);
    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        add_bash_command(to, c);
    }
    fputs("        esac ;;\n"
          "    esac\n"
          "    if [[ $cur == -* ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- "
          "\"$cur\")\n"
          "    elif [[ $files ]]; then\n"
          "        compopt -o filenames 2> /dev/null\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
          "    else\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
          "\"$cur\")\n"
          "    fi\n"
          "}\n"
          "complete -F _starling starling\n",
          to);
}

/* --- zsh --- */

/* 'name:what' */
static void add_zsh_item(FILE *to, const char *name, size_t len,
                         const char *what)
{
    fprintf(to, "            '%.*s:", (int)len, name);
    for (; *what != '\0'; what++) {
        if (*what == '\'') {
            fputs("'\\''", to);
        } else {
            fputc(*what, to);
        }
    }
    fputs("'\n", to);
}

static void add_zsh_families(FILE *to)
{
    const struct command *c;

    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        if (!is_new(i) || !is_family(c)) {
            continue;
        }
        fprintf(to,
                "    (%.*s)\n"
                "        list=(\n",
                (int)first_len(c), c->name);
        for (size_t n = i; commands_at(n) != NULL; n++) {
            if (same_family(c, commands_at(n))) {
                const char *second = second_word(commands_at(n));
                add_zsh_item(to, second, strlen(second), commands_at(n)->what);
            }
        }
        fputs("        )\n"
              "        if (( CURRENT == 3 )); then\n"
              "            _describe command list\n"
              "            return\n"
              "        fi\n"
              "        command+=\" $words[3]\" ;;\n",
              to);
    }
}

static void add_zsh_command(FILE *to, const struct command *c)
{
    struct command_option o;

    fprintf(to, "    ('%s')\n        list=(\n", c->name);
    for (size_t i = 0; command_option_at(c, i, &o); i++) {
        add_zsh_item(to, o.name, strlen(o.name), o.what);
    }
    add_zsh_item(to, "--help", strlen("--help"), "what it takes");
    fputs("        )\n", to);
    if (c->choices != NULL || takes_commands(c)) {
        fputs("        others=(", to);
        if (c->choices != NULL) {
            add_choices(to, c->choices, as_many);
        } else {
            add_first_words(to, as_many);
        }
        fputs(")\n", to);
    }
    fprintf(to, "        files=%d ;;\n", takes_files(c));
}

void completion_zsh(FILE *to)
{
    const struct command *c;

    fputs("#compdef starling\n"
          "# zsh completion of starling, made by: starling completion zsh\n"
          "_starling() {\n"
          "    local command=$words[2] files=0\n"
          "    local -a list others\n"
          "    list=(\n",
          to);
    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        if (is_new(i)) {
            add_zsh_item(to, c->name, first_len(c),
                         is_family(c) ? "a family of commands" : c->what);
        }
    }
    fputs("    )\n"
          "    if (( CURRENT == 2 )); then\n"
          "        _describe command list\n"
          "        return\n"
          "    fi\n"
          "    case $command in\n",
          to);
    add_zsh_families(to);
    fputs("    esac\n    case \"$command $words[CURRENT-1]\" in\n", to);
    add_chosen(to, "compadd -- ", as_many, "; return");
    add_values(to, true, "_files; return");
    add_values(to, false, "_message value; return");
    fputs("    esac\n    case $command in\n", to);
    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        add_zsh_command(to, c);
    }
    fputs("    esac\n"
          "    if [[ $PREFIX == -* ]]; then\n"
          "        _describe -o option list\n"
          "    elif (( files )); then\n"
          "        _files\n"
          "    else\n"
          "        compadd -- $others\n"
          "    fi\n"
          "}\n"
          "if [[ $funcstack[1] == _starling ]]; then\n"
          "    _starling \"$@\"\n"
          "else\n"
          "    compdef _starling starling\n"
          "fi\n",
          to);
}

/* --- fish --- */

static const char fish_escape[] = "\\'";

static void add_fish_what(FILE *to, const char *what)
{
    fputs(" -d ", to);
    add_quoted(to, what, fish_escape);
    fputc('\n', to);
}

static void add_fish_option(FILE *to, const struct command *c,
                            const struct command_option *o)
{
    fprintf(to, "complete -c starling -n '__starling_is %s' -l %s", c->name,
            o->name + 2);
    if (o->choices != NULL) {
        fputs(" -x -a ", to);
        add_choices(to, o->choices, as_one);
    } else if (o->kind == COMMAND_FILE) {
        fputs(" -r -F", to);
    } else if (o->value != NULL) {
        fputs(" -x", to);
    }
    add_fish_what(to, o->what);
}

static void add_fish_words(FILE *to, const struct command *c)
{
    if (takes_files(c)) {
        fprintf(to, "complete -c starling -n '__starling_is %s' -F\n", c->name);
    }
    if (c->choices != NULL || takes_commands(c)) {
        fprintf(to, "complete -c starling -n '__starling_is %s' -a ", c->name);
        if (c->choices != NULL) {
            add_choices(to, c->choices, as_one);
        } else {
            add_first_words(to, as_one);
        }
        fputc('\n', to);
    }
}

static void add_fish_command(FILE *to, size_t i)
{
    const struct command *c = commands_at(i);

    if (is_new(i)) {
        fprintf(to, "complete -c starling -n '__starling_at 1' -a %.*s",
                (int)first_len(c), c->name);
        add_fish_what(to, is_family(c) ? "a family of commands" : c->what);
    }
    if (is_family(c)) {
        fprintf(to,
                "complete -c starling -n '__starling_at 2; and __starling_is "
                "%.*s' -a %s",
                (int)first_len(c), c->name, second_word(c));
        add_fish_what(to, c->what);
    }
}

void completion_fish(FILE *to)
{
    const struct command *c;
    struct command_option o;

    fputs("# fish completion of starling, made by: starling completion fish\n"
          "function __starling_at\n"
          "    test (count (commandline -opc)) -eq $argv[1]\n"
          "end\n"
          "function __starling_is\n"
          "    set -l words (commandline -opc)\n"
          "    for i in (seq (count $argv))\n"
          "        set -l at (math $i + 1)\n"
          "        test \"$words[$at]\" = $argv[$i]; or return 1\n"
          "    end\n"
          "end\n"
          "complete -c starling -f\n",
          to);
    for (size_t i = 0; (c = commands_at(i)) != NULL; i++) {
        add_fish_command(to, i);
        add_fish_words(to, c);
        for (size_t n = 0; command_option_at(c, n, &o); n++) {
            add_fish_option(to, c, &o);
        }
    }
}

static int run(int argc, char **argv)
{
    struct args args;
    int exit_code = args_read(&args, &command_completion, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (strcmp(args.words[0], "bash") == 0) {
        completion_bash(stdout);
    } else if (strcmp(args.words[0], "zsh") == 0) {
        completion_zsh(stdout);
    } else if (strcmp(args.words[0], "fish") == 0) {
        completion_fish(stdout);
    } else {
        return args_usage(&command_completion);
    }
    return CLI_OK;
}
