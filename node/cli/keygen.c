/* SPDX-License-Identifier: Apache-2.0
 *
 * starling keygen FILE: fresh keys for a cluster, in a file of mode 0600.
 */
#include <stdio.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/config/keyfile.h"
#include "proto/err.h"

static int run(int argc, char **argv)
{
    struct args args;
    int exit_code = args_read(&args, &command_keygen, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    int rc = keyfile_create(args.words[0]);
    if (rc == ERR_CONFLICT) {
        fprintf(stderr,
                "starling keygen: %s exists; keys are never overwritten\n",
                args.words[0]);
        return CLI_REFUSED;
    }
    if (rc != 0) {
        fprintf(stderr, "starling keygen: cannot write %s\n", args.words[0]);
        return CLI_CANNOT_BIND;
    }
    printf("%s: keep it secret, copy it to every node of the cluster\n",
           args.words[0]);
    return CLI_OK;
}

const struct command command_keygen = {
    .name = "keygen",
    .run = run,
    .words = "FILE",
    .what = "make the keys of a cluster",
    .group = COMMAND_CHANGES,
    .words_min = 1,
    .words_max = 1,
};
