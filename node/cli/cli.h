/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of the program, one file each, and what they share. A command
 * gets the arguments after its own name and returns the exit code
 * (docs/OPERATIONS.md): 0 done, 1 refused, 2 wrong usage, 65 bad data,
 * 69 cannot reach, 73 cannot bind, 77 not permitted, 78 configuration.
 */
#ifndef NODE_CLI_CLI_H
#define NODE_CLI_CLI_H

enum cli_exit {
    CLI_OK = 0,
    CLI_REFUSED = 1,
    CLI_USAGE = 2,
    CLI_BAD_DATA = 65,
    CLI_UNREACHABLE = 69,
    CLI_INTERNAL = 70,
    CLI_CANNOT_BIND = 73,
    CLI_NOT_PERMITTED = 77,
    CLI_CONFIG = 78,
};

int cli_bench(int argc, char **argv);
int cli_cache(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_cluster(int argc, char **argv);
int cli_dev(int argc, char **argv);
int cli_keygen(int argc, char **argv);
int cli_keys(int argc, char **argv);
int cli_node(int argc, char **argv);
int cli_pub(int argc, char **argv);
int cli_regions(int argc, char **argv);
int cli_sub(int argc, char **argv);
int cli_token(int argc, char **argv);
int cli_token_revoke(int argc, char **argv);
int cli_usage(int argc, char **argv);
int cli_verify(int argc, char **argv);

#endif
