/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of the program, one file each, and what they share. A command
 * (node/cli/command.h) gets the arguments after its own name and returns the
 * exit code (docs/OPERATIONS.md): 0 done, 1 refused, 2 wrong usage, 65 bad
 * data, 69 cannot reach, 73 cannot bind, 77 not permitted, 78 configuration.
 */
#ifndef NODE_CLI_CLI_H
#define NODE_CLI_CLI_H

#include "node/cli/command.h"

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

extern const struct command command_bench;
extern const struct command command_cache_create;
extern const struct command command_cache_delete;
extern const struct command command_cache_list;
extern const struct command command_check;
extern const struct command command_clients;
extern const struct command command_cluster;
extern const struct command command_completion;
extern const struct command command_denied;
extern const struct command command_dev;
extern const struct command command_doctor;
extern const struct command command_events;
extern const struct command command_explain;
extern const struct command command_help;
extern const struct command command_keygen;
extern const struct command command_kick;
extern const struct command command_keys_install;
extern const struct command command_keys_list;
extern const struct command command_keys_remove;
extern const struct command command_keys_use;
extern const struct command command_node;
extern const struct command command_pub;
extern const struct command command_ready;
extern const struct command command_reload;
extern const struct command command_regions;
extern const struct command command_sub;
extern const struct command command_tap;
extern const struct command command_token_mint;
extern const struct command command_token_revoke;
extern const struct command command_token_show;
extern const struct command command_top;
extern const struct command command_topics;
extern const struct command command_trace;
extern const struct command command_rebalance;
extern const struct command command_usage;
extern const struct command command_verify;
extern const struct command command_version;

#endif
