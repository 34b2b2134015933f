/* SPDX-License-Identifier: Apache-2.0
 *
 * What configuration a node would run with.
 */
#ifndef NODE_CLI_PRINT_CONFIG_H
#define NODE_CLI_PRINT_CONFIG_H

/* Prints every option and limit with its value and where that comes from, as a
 * configuration file. `host`: the name of a node without one. Returns the exit
 * code. */
int print_config(int argc, char **argv, const char *host);

#endif
