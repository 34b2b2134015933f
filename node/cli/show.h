/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands that show one JSON document of a node: as it came with --json, else
 * printed for people.
 */
#ifndef NODE_CLI_SHOW_H
#define NODE_CLI_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#include "node/cli/command.h"

/* The options of such a command. */
extern const struct command_option show_options[];

/* Fetches `path` and prints it. Returns the exit code. */
int show(const struct command *command, const char *path,
         void (*print)(const json_t *root), int argc, char **argv);

/* Asks for a JSON document; *root is the caller's, NULL for a 204 without one.
 * 0 or an exit code. */
struct args;
int show_fetch(const char *command, const struct args *args, const char *method,
               const char *path, json_t **root);

/* What is not there is "", 0 or false. */
const char *show_text(const json_t *o, const char *name);
long long show_number(const json_t *o, const char *name);
/* A time in ms as "2026-11-22T05:24:26.123Z"; returns out. */
enum {
    SHOW_TIME_LEN = 32
};
const char *show_time(const json_t *o, const char *name,
                      char out[SHOW_TIME_LEN]);
bool show_truth(const json_t *o, const char *name);

#endif
