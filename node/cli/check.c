/* SPDX-License-Identifier: Apache-2.0
 *
 * starling check FILE: reads a configuration as a node would, opens its key
 * file, binds nothing.
 */
#include <stdio.h>

#include "node/cli/cli.h"
#include "node/config.h"
#include "node/keyfile.h"

int cli_check(int argc, char **argv)
{
    static struct keyfile keys; /* large */
    struct config config;
    char why[CONFIG_WHY_MAX];

    if (argc != 1) {
        fputs("usage: starling check FILE\n", stderr);
        return CLI_USAGE;
    }
    config_default(&config);
    if (config_read_file(&config, argv[0], why) != 0 ||
        config_check(&config, why) != 0) {
        fprintf(stderr, "%s\n", why);
        return CLI_CONFIG;
    }
    if (config.keys[0] != '\0' &&
        keyfile_read(config.keys, &keys, why, sizeof why) != 0) {
        fprintf(stderr, "%s\n", why);
        return CLI_CONFIG;
    }
    printf("%s: ok\n", argv[0]);
    return CLI_OK;
}
