/* SPDX-License-Identifier: Apache-2.0
 *
 * starling cluster: the members as one node sees them. starling regions: the
 * regions, their endpoints, and how far away they are.
 */
#include <jansson.h>
#include <stdio.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "proto/err.h"

/* Fetches a JSON document; *root is the caller's. 0 or an exit code. */
static int fetch_json(const char *command, const struct args *args,
                      const char *path, json_t **root)
{
    struct buf body = {0};
    int status = fetch(&args->url, "GET", path, args->token, (struct bytes){0},
                       &body);
    int exit_code = CLI_OK;

    *root = json_loadb((char *)body.p, body.len, 0, NULL);
    buf_fini(&body);
    if (status < 0) {
        exit_code = args_fail(command, args->url.authority, status);
    } else if (status == 401 || status == 403) {
        exit_code = args_fail(command, args->url.authority,
                              status == 401 ? ERR_UNAUTH : ERR_DENIED);
    } else if (status != 200 || *root == NULL) {
        exit_code = args_fail(command, args->url.authority, ERR_SYNTAX);
    }
    if (exit_code != CLI_OK) {
        json_decref(*root);
    }
    return exit_code;
}

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s != NULL ? s : "";
}

static long long number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static bool truth(const json_t *o, const char *name)
{
    return json_is_true(json_object_get(o, name));
}

/* What of a member matters beyond its state, in one word. */
static const char *condition(const json_t *member)
{
    if (truth(member, "draining")) {
        return "draining";
    }
    if (!truth(member, "ready")) {
        return "joining";
    }
    return truth(member, "linked") || truth(member, "self") ? "ready"
                                                            : "unlinked";
}

static void print_cluster(const json_t *root)
{
    const json_t *links = json_object_get(root, "links");
    size_t i;
    json_t *m;

    printf("%-12s %-10s %-8s %-9s %-8s %7s %8s  %s\n", "NODE", "REGION",
           "STATE", "CONDITION", "VERSION", "TOPICS", "RTT_MS", "ENDPOINT");
    json_array_foreach(json_object_get(root, "members"), i, m)
    {
        printf("%-12s %-10s %-8s %-9s %-8s %7lld %8.1f  %s%s\n",
               text(m, "name"), text(m, "region"), text(m, "state"),
               condition(m), text(m, "version"), number(m, "topics"),
               (double)number(m, "rtt_us") / 1000, text(m, "endpoint"),
               truth(m, "self") ? "  (asked)" : "");
    }
    printf("links %lld/%lld up; %lld clients and %lld subscriptions on %s%s\n",
           number(links, "up"), number(links, "of"), number(root, "clients"),
           number(root, "subscriptions"), text(root, "name"),
           truth(root, "insecure") ? "; insecure: no keys, loopback only" : "");
}

static void print_regions(const json_t *root)
{
    size_t i;
    size_t e;
    json_t *region;
    json_t *endpoint;

    printf("%-12s %6s  %s\n", "REGION", "NODES", "ENDPOINTS (ROUND TRIP)");
    json_array_foreach(json_object_get(root, "regions"), i, region)
    {
        printf("%-12s %6lld ", text(region, "name"), number(region, "nodes"));
        json_array_foreach(json_object_get(region, "endpoints"), e, endpoint)
        {
            const char *url = json_string_value(endpoint);
            uint64_t ms = fetch_round_trip_ms(url);
            printf(" %s ", url);
            if (ms == UINT64_MAX) {
                printf("(no answer)");
            } else {
                printf("(%llu ms)", (unsigned long long)ms);
            }
        }
        printf("%s\n", strcmp(text(region, "name"), text(root, "self")) == 0
                           ? "  (asked)"
                           : "");
    }
}

static int run(const char *command, const char *path,
               void (*print)(const json_t *root), int argc, char **argv)
{
    struct args args;
    json_t *root;
    int exit_code = args_read(&args, command, ARGS_JSON, argc, argv);

    if (exit_code == CLI_OK && args.words_len > 0) {
        fprintf(stderr, "usage: starling %s [--json]\n", command);
        exit_code = CLI_USAGE;
    }
    if (exit_code == CLI_OK) {
        exit_code = fetch_json(command, &args, path, &root);
    }
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (args.json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
    } else {
        print(root);
    }
    json_decref(root);
    return CLI_OK;
}

int cli_cluster(int argc, char **argv)
{
    return run("cluster", "/v1/cluster", print_cluster, argc, argv);
}

int cli_regions(int argc, char **argv)
{
    return run("regions", "/v1/regions", print_regions, argc, argv);
}
