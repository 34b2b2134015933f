/* SPDX-License-Identifier: Apache-2.0
 *
 * THE table of commands.
 */
#ifndef NODE_CLI_COMMANDS_H
#define NODE_CLI_COMMANDS_H

#include "node/cli/command.h"

/* The i-th in the order of the list; NULL past the end. */
const struct command *commands_at(size_t i);

/* The command called `first`, or "first second" (NULL: there is no second);
 * *words is how many it took. NULL: none, which is said on standard error. */
const struct command *commands_find(const char *first, const char *second,
                                    int *words);

/* Runs what argv, without the name of the program, asks for. Returns the exit
 * code. */
int commands_run(int argc, char **argv);

#endif
