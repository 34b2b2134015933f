/* SPDX-License-Identifier: Apache-2.0
 *
 * starling reload: has a node read its configuration, keys and certificate
 * again. By HTTP, which says what came of it; or by the id of its process, for
 * who has no token, where the log says it.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "node/cli/show.h"

static int by_signal(uint64_t pid)
{
    if (pid > INT32_MAX || kill((pid_t)pid, SIGHUP) != 0) {
        fprintf(stderr, "starling reload: process %llu: %s\n",
                (unsigned long long)pid,
                pid > INT32_MAX ? "no such process" : strerror(errno));
        return errno == EPERM ? CLI_NOT_PERMITTED : CLI_REFUSED;
    }
    printf("told process %llu to: its log says config-reloaded or "
           "config-kept\n",
           (unsigned long long)pid);
    return CLI_OK;
}

static void print_names(const json_t *names, const char *none)
{
    size_t i;
    json_t *name;

    json_array_foreach(names, i, name)
    {
        printf("%s%s", i == 0 ? "" : ", ", json_string_value(name));
    }
    printf("%s", json_array_size(names) == 0 ? none : "");
}

static void print(const json_t *root)
{
    const json_t *ignored = json_object_get(root, "ignored");

    printf("reloaded: ");
    print_names(json_object_get(root, "reloaded"), "nothing has changed");
    if (json_array_size(ignored) > 0) {
        printf("; ignored: ");
        print_names(ignored, "");
        printf(" (restart)");
    }
    puts("");
}

static int by_http(const struct args *args)
{
    struct buf body = {0};
    int exit_code = CLI_OK;

    int status = fetch(&args->url, "POST", "/v1/admin/reload", args->token,
                       (struct bytes){0}, &body);
    json_t *root = json_loadb((char *)body.p, body.len, 0, NULL);
    if (status == 409 && root != NULL) {
        fprintf(stderr, "kept old config: %s\n", show_text(root, "message"));
        exit_code = CLI_REFUSED;
    } else if (status != 200) {
        exit_code = args_refused(command_reload.name, args, status, root);
    } else if (args->json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
    } else {
        print(root);
    }
    json_decref(root);
    buf_fini(&body);
    return exit_code;
}

static int run(int argc, char **argv)
{
    struct args args;
    int exit_code = args_read(&args, &command_reload, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    return args.pid != 0 ? by_signal(args.pid) : by_http(&args);
}

static const struct command_option options[] = {
    ARGS_JSON,
    ARGS_NUMBER("--pid", "PID", pid,
                "a process of this machine, by SIGHUP: needs no token"),
    {0},
};

const struct command command_reload = {
    .name = "reload",
    .run = run,
    .what = "have a node read its configuration, keys and certificate again",
    .options = options,
    .where = args_where,
    .more = "All is read and checked first: if anything is wrong, the node "
            "keeps what it has\nand says so. Needs the scope admin:write.",
    .group = COMMAND_CHANGES,
};
