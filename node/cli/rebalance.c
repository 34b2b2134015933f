/* SPDX-License-Identifier: Apache-2.0
 *
 * starling rebalance: has a node spread the clients of its region over the
 * nodes there, and shows how far it is. Ctrl-C ends it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/show.h"

static const char path[] = "/v1/admin/rebalance";

enum {
    LOOK_MS = 500
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static bool is_running(const json_t *root)
{
    return strcmp(show_text(root, "state"), "running") == 0;
}

static void print_counts(const json_t *root, FILE *to)
{
    size_t i;
    json_t *node;

    json_array_foreach(json_object_get(root, "nodes"), i, node)
    {
        fprintf(to, "  %s %lld", show_text(node, "name"),
                show_number(node, "clients"));
    }
}

/* One line that stays where it is, for people. */
static void print_progress(const json_t *root)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\rrebalancing %s: %lld asked in %lld s ",
                show_text(root, "region"), show_number(root, "asked"),
                show_number(root, "took_ms") / 1000);
        print_counts(root, stderr);
        fputs("\033[K", stderr);
    }
}

static void print_end(const json_t *root)
{
    size_t i;
    json_t *node;

    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    printf("%-16s %8s %8s\n", "NODE", "CLIENTS", "MOVABLE");
    json_array_foreach(json_object_get(root, "nodes"), i, node)
    {
        printf("%-16s %8lld %8lld\n", show_text(node, "name"),
               show_number(node, "clients"), show_number(node, "movable"));
    }
    printf("%s: %s%s%s after %.1f s, %lld clients asked to move\n",
           show_text(root, "region"),
           strcmp(show_text(root, "state"), "done") == 0 ? "even" : "stopped",
           show_text(root, "why")[0] != '\0' ? ": " : "",
           show_text(root, "why"), (double)show_number(root, "took_ms") / 1000,
           show_number(root, "asked"));
}

/* Follows it to its end; *root is then the last document. */
static int follow(const struct args *args, json_t **root)
{
    int exit_code = CLI_OK;

    while (exit_code == CLI_OK && is_running(*root)) {
        bool stop = stopped != 0;
        if (!args->json) {
            print_progress(*root);
        }
        json_decref(*root);
        exit_code = show_fetch("rebalance", args, stop ? "DELETE" : "GET", path,
                               root);
        if (exit_code == CLI_OK && is_running(*root)) {
            (void)usleep(LOOK_MS * 1000);
        }
    }
    return exit_code;
}

static int run(int argc, char **argv)
{
    struct args args;
    json_t *root;
    int exit_code = args_read(&args, &command_rebalance, argc, argv);

    if (exit_code == CLI_OK) {
        exit_code = show_fetch("rebalance", &args, "POST", path, &root);
    }
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGTERM, on_signal);
    exit_code = follow(&args, &root);
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (args.json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
    } else {
        print_end(root);
    }
    exit_code = strcmp(show_text(root, "state"), "done") == 0 ? CLI_OK
                                                              : CLI_REFUSED;
    json_decref(root);
    return exit_code;
}

const struct command command_rebalance = {
    .name = "rebalance",
    .run = run,
    .what = "spread the clients of a region over its nodes, without a loss",
    .options = show_options,
    .where = args_where,
    .more = "The node that is asked (--region: one of that region) has nodes "
            "with too\nmany clients ask some of theirs to go on at another, a "
            "fifth of what is\ntoo many each second. Only clients that can are "
            "asked: those of\nstarling.js by WebSocket. They connect there "
            "first and leave then, so\nnothing is lost. It stops when a node "
            "drains or goes. Needs admin:write.",
    .group = COMMAND_CHANGES,
};
