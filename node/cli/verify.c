/* SPDX-License-Identifier: Apache-2.0
 *
 * starling verify: checks a running cluster against its promises, as a client:
 * through every door of every node that has an endpoint.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "node/cli/args.h"
#include "node/cli/checker.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "proto/err.h"

enum {
    SECONDS = 10,
    RATE = 50,
    DEADLINE_MS = 30000
};

/* The endpoints of all regions, those of one region next to each other. */
static int find_nodes(const struct args *args,
                      struct link_url nodes[CHECKER_NODES_MAX],
                      uint8_t regions[CHECKER_NODES_MAX], size_t *len)
{
    struct buf body = {0};
    int status = fetch(&args->url, "GET", "/v1/regions", args->token,
                       (struct bytes){0}, &body);
    json_t *root = json_loadb((char *)body.p, body.len, 0, NULL);
    json_t *region;
    json_t *endpoint;
    size_t i;
    size_t e;

    *len = 0;
    json_array_foreach(json_object_get(root, "regions"), i, region)
    {
        json_array_foreach(json_object_get(region, "endpoints"), e, endpoint)
        {
            const char *text = json_string_value(endpoint);
            if (text != NULL && *len < CHECKER_NODES_MAX &&
                link_url_read(text, &nodes[*len]) == 0) {
                regions[(*len)++] = (uint8_t)i;
            }
        }
    }
    json_decref(root);
    buf_fini(&body);
    if (status < 0) {
        return args_fail("verify", args->url.authority, status);
    }
    if (status != 200 || *len == 0) {
        return args_fail("verify", args->url.authority,
                         status == 401   ? ERR_UNAUTH
                         : status == 403 ? ERR_DENIED
                                         : ERR_NOT_FOUND);
    }
    return CLI_OK;
}

static bool is_clean(const struct checker_report *r)
{
    bool clean = r->wrong == NULL && r->duplicate == 0 && r->disordered == 0 &&
                 r->lost == 0;

    for (int i = 0; i < WAYS; i++) {
        clean = clean &&
                (r->ways[i].untold == 0 || !way_can_tell((enum way_kind)i));
    }
    return clean;
}

static void print_report(const struct checker_report *r)
{
    uint64_t delivered = 0;
    uint64_t told = 0;
    uint64_t untold = 0;

    printf("%-10s %10s %8s %8s\n", "subscriber", "delivered", "told", "untold");
    for (int i = 0; i < WAYS; i++) {
        const struct checker_way *way = &r->ways[i];
        printf("%-10s %10" PRIu64 " %8" PRIu64 " %8" PRIu64 "%s\n",
               way_name((enum way_kind)i), way->delivered, way->told,
               way->untold,
               way_can_tell((enum way_kind)i) ? "" : "   (cannot be told)");
        delivered += way->delivered;
        told += way->told;
        untold += way->untold;
    }
    printf("%" PRIu64 " reconnects, %" PRIu64 " publishes refused, %" PRIu64
           " subscribes tried\n",
           r->reconnects, r->refused, r->asked);
    printf("verify: %zu subscribers, %" PRIu64 " items, %" PRIu64
           " delivered, %" PRIu64 " told, %" PRIu64 " untold, %" PRIu64
           " duplicate, %" PRIu64 " out of order, %" PRIu64
           " lost after acknowledgement\n",
           r->subscribers, r->items, delivered, told, untold, r->duplicate,
           r->disordered, r->lost);
}

int cli_verify(int argc, char **argv)
{
    static struct link_url nodes[CHECKER_NODES_MAX];
    uint8_t regions[CHECKER_NODES_MAX];
    struct args args;
    struct checker_report report;
    struct checker_options options = {.nodes = nodes,
                                      .regions = regions,
                                      .seconds = SECONDS,
                                      .deadline_ms = DEADLINE_MS};
    int exit_code = args_read(&args, "verify", ARGS_SECONDS | ARGS_RATE, argc,
                              argv);

    if (exit_code == CLI_OK && args.words_len > 0) {
        fputs("usage: starling verify [--seconds N] [--rate N]\n", stderr);
        exit_code = CLI_USAGE;
    }
    if (exit_code == CLI_OK) {
        exit_code = find_nodes(&args, nodes, regions, &options.nodes_len);
    }
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    options.token = args.token;
    options.rate = args.rate == 0 ? RATE : (unsigned)args.rate;
    if (args.seconds > 0) {
        options.seconds = (unsigned)args.seconds;
    }
    checker_run(&options, &report);
    if (report.wrong != NULL) {
        fprintf(stderr, "starling verify: %s\n", report.wrong);
    }
    print_report(&report);
    return is_clean(&report) ? CLI_OK : CLI_REFUSED;
}
