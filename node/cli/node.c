/* SPDX-License-Identifier: Apache-2.0
 *
 * starling node: one node, or several in one process (--workers), in the
 * foreground, until a signal.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "node/cli/cli.h"
#include "node/cli/print_config.h"
#include "node/config/config.h"
#include "node/config/reload.h"
#include "node/node.h"
#include "node/notify.h"
#include "node/workers.h"
#include "proto/err.h"
#include "proto/topic.h"

/* A node without a name is called after its host; workers add a number. */
static void name_after_host(struct config *config)
{
    char host[sizeof config->name] = "node";

    (void)gethostname(host, sizeof host - 1);
    host[strcspn(host, ".")] = '\0';
    if (config->workers > 1) {
        host[sizeof host - sizeof ".64"] = '\0';
    }
    if (!topic_cache_is_valid(bytes_str(host))) {
        strcpy(host, "node");
    }
    strcpy(config->name, host);
}

static int run_one(const struct config *config, struct reload *reload,
                   struct notify *notify)
{
    static struct node node; /* large; a process of this command has one */
    int exit_code = CLI_OK;
    uv_loop_t loop;

    if (uv_loop_init(&loop) != 0) {
        return CLI_INTERNAL;
    }
    if (node_open(&node, &loop, config, &exit_code) == 0) {
        node_serve(&node, reload, notify);
        uv_run(&loop, UV_RUN_DEFAULT);
        exit_code = node.exit_code;
        node_fini(&node);
    }
    uv_loop_close(&loop);
    return exit_code;
}

/* Takes --print-config out of the arguments, which the configuration does not
 * know. */
static bool take_print_config(int *argc, char **argv)
{
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--print-config") != 0) {
            argv[kept++] = argv[i];
        }
    }
    bool found = kept < *argc;
    *argc = kept;
    return found;
}

static int run(int argc, char **argv)
{
    struct config config;
    char why[CONFIG_WHY_MAX];
    bool print = take_print_config(&argc, argv);

    config_default(&config);
    int rc = config_load(&config, argc, argv, why);
    if (rc != 0) {
        fprintf(stderr, "starling node: %s\n", why);
        return rc == ERR_ARGUMENT ? CLI_USAGE : CLI_CONFIG;
    }
    if (config.name[0] == '\0') {
        name_after_host(&config);
    }
    if (print) {
        name_after_host(&config);
        return print_config(argc, argv, config.name);
    }
    signal(SIGPIPE, SIG_IGN);
    struct notify *notify = notify_open(config.workers);
    struct reload *reload = reload_new(&config, argc, argv, notify);
    int exit_code = CLI_INTERNAL;
    if (reload != NULL) {
        exit_code = config.workers > 1 ? workers_run(&config, reload, notify)
                                       : run_one(&config, reload, notify);
    }
    reload_free(reload);
    notify_close(notify);
    return exit_code;
}

static const struct command_option options[] = {
    {"--config", "FILE", "a configuration file (STARLING_CONFIG)", NULL,
     COMMAND_FILE, 0},
    {"--print-config", NULL,
     "print what would hold, and where each value comes from, and end", NULL,
     COMMAND_TEXT, 0},
    {0},
};

const struct command command_node = {
    .name = "node",
    .run = run,
    .what = "run one node, or several in one process",
    .options = options,
    .takes_config = true,
    .more = "Each option is also a line of the file and a variable of the "
            "environment:\n--tls-cert, tls_cert: and STARLING_TLS_CERT are the "
            "same. The command line\nholds over the environment, and that over "
            "the file.",
    .group = COMMAND_RUNS,
};
