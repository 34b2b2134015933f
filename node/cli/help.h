/* SPDX-License-Identifier: Apache-2.0
 *
 * Help, from the rows of the commands.
 */
#ifndef NODE_CLI_HELP_H
#define NODE_CLI_HELP_H

#include <stdio.h>

#include "node/cli/command.h"

/* "usage: starling NAME WORDS [--option VALUE] ...", within 80 columns. */
void help_usage(const struct command *command, FILE *to);
/* All about one command. */
void help_command(const struct command *command, FILE *to);
/* Words of `text` from `column` on, where further lines begin, too. */
void help_wrapped(FILE *to, const char *text, int column);
/* All commands in a line each, under their headings. */
void help_list(FILE *to);

#endif
