/* SPDX-License-Identifier: Apache-2.0
 *
 * starling check FILE: reads a configuration as a node would, opens its key
 * file and its certificate, binds nothing.
 */
#include <stdio.h>
#include <time.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/config/config.h"
#include "node/config/keyfile.h"
#include "node/conn/tls.h"

static bool certificate_is_good(const struct config *config)
{
    struct tls_context *context;
    char why[TLS_WHY_MAX];

    if (config->tls_cert[0] == '\0') {
        return true;
    }
    if (tls_serve(&context, config->tls_cert, config->tls_key, why) != 0) {
        fprintf(stderr, "%s\n", why);
        return false;
    }
    struct tls_facts facts = tls_facts(context);
    uint64_t now_s = (uint64_t)time(NULL);
    if (now_s < facts.from_s || now_s >= facts.until_s) {
        fprintf(stderr, "%s: warning: not valid today\n", config->tls_cert);
    }
    tls_context_free(context);
    return true;
}

static int run(int argc, char **argv)
{
    static struct keyfile keys; /* large */
    struct config config;
    struct args args;
    char why[CONFIG_WHY_MAX];
    int exit_code = args_read(&args, &command_check, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    config_default(&config);
    if (config_read_file(&config, args.words[0], why) != 0 ||
        config_check(&config, why) != 0) {
        fprintf(stderr, "%s\n", why);
        return CLI_CONFIG;
    }
    if (config.keys[0] != '\0' &&
        keyfile_read(config.keys, &keys, why, sizeof why) != 0) {
        fprintf(stderr, "%s\n", why);
        return CLI_CONFIG;
    }
    if (!certificate_is_good(&config)) {
        return CLI_CONFIG;
    }
    printf("%s: ok\n", args.words[0]);
    return CLI_OK;
}

const struct command command_check = {
    .name = "check",
    .run = run,
    .words = "FILE",
    .what = "check a configuration file, its keys and its certificate",
    .group = COMMAND_RUNS,
    .words_min = 1,
    .words_max = 1,
};
