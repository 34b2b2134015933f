/* SPDX-License-Identifier: Apache-2.0
 *
 * starling keygen FILE: fresh keys for a cluster, in a file of mode 0600.
 */
#include <stdio.h>

#include "node/cli/cli.h"
#include "node/keyfile.h"
#include "proto/err.h"

int cli_keygen(int argc, char **argv)
{
    if (argc != 1 || argv[0][0] == '-') {
        fputs("usage: starling keygen FILE\n", stderr);
        return CLI_USAGE;
    }
    int rc = keyfile_create(argv[0]);
    if (rc == ERR_CONFLICT) {
        fprintf(stderr,
                "starling keygen: %s exists; keys are never overwritten\n",
                argv[0]);
        return CLI_REFUSED;
    }
    if (rc != 0) {
        fprintf(stderr, "starling keygen: cannot write %s\n", argv[0]);
        return CLI_CANNOT_BIND;
    }
    printf("%s: keep it secret, copy it to every node of the cluster\n",
           argv[0]);
    return CLI_OK;
}
