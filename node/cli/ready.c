/* SPDX-License-Identifier: Apache-2.0
 *
 * starling ready: what a load balancer would be told, as an exit code, for
 * where nothing can ask by HTTP (the health check of a container).
 */
#include <stdio.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"

static int run_ready(int argc, char **argv)
{
    struct args args;
    struct buf body = {0};
    int exit_code = args_read(&args, &command_ready, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    int status = fetch(&args.url, "GET", "/readyz", NULL, (struct bytes){0},
                       &body);
    if (status < 0) {
        exit_code = args_fail("ready", args.url.authority, status);
    } else {
        printf("%.*s", (int)body.len, (const char *)body.p);
        exit_code = status == 200 ? CLI_OK : CLI_REFUSED;
    }
    buf_fini(&body);
    return exit_code;
}

const struct command command_ready = {
    .name = "ready",
    .run = run_ready,
    .what = "whether a node takes publishes, as an exit code",
    .where = args_where,
    .group = COMMAND_LOOKS,
};
