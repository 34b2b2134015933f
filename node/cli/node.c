/* SPDX-License-Identifier: Apache-2.0
 *
 * starling node: one node, in the foreground, until a signal.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "node/cli/cli.h"
#include "node/config.h"
#include "node/node.h"
#include "proto/err.h"
#include "proto/topic.h"

/* A node without a name is called after its host. */
static void name_after_host(struct config *config)
{
    char host[sizeof config->name] = "node";

    (void)gethostname(host, sizeof host - 1);
    host[strcspn(host, ".")] = '\0';
    if (!topic_cache_is_valid(bytes_str(host))) {
        strcpy(host, "node");
    }
    strcpy(config->name, host);
}

int cli_node(int argc, char **argv)
{
    static struct node node; /* large; a process of this command has one */
    struct config config;
    char why[CONFIG_WHY_MAX];
    int exit_code = CLI_OK;
    uv_loop_t loop;

    config_default(&config);
    int rc = config_load(&config, argc, argv, why);
    if (rc != 0) {
        fprintf(stderr, "starling node: %s\n", why);
        return rc == ERR_ARGUMENT ? CLI_USAGE : CLI_CONFIG;
    }
    if (config.name[0] == '\0') {
        name_after_host(&config);
    }
    signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&loop) != 0) {
        return CLI_INTERNAL;
    }
    rc = node_open(&node, &loop, &config, &exit_code);
    if (rc == 0) {
        uv_run(&loop, UV_RUN_DEFAULT);
        exit_code = node.exit_code;
        node_fini(&node);
    }
    uv_loop_close(&loop);
    return exit_code;
}
