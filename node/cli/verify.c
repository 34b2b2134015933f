/* SPDX-License-Identifier: Apache-2.0
 *
 * starling verify: checks a running cluster against its promises, as a client:
 * through every door of every endpoint, or of the nodes that are named.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/cli/args.h"
#include "node/cli/checker.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "node/cli/verify_report.h"
#include "proto/err.h"

enum {
    SECONDS = 10,
    RATE = 50,
    DEADLINE_MS = 30000
};

static int run(int argc, char **argv);

static const struct command_option verify_options[] = {
    ARGS_NUMBER("--seconds", "S", seconds, "how long it publishes (10)"),
    ARGS_NUMBER("--rate", "N", rate, "items a second of each publisher (50)"),
    ARGS_NUMBER("--topics", "N", topics, "over so many topics"),
    ARGS_JSON,
    {0},
};

const struct command command_verify = {
    .name = "verify",
    .run = run,
    .words = "[URL...]",
    .what = "check a running cluster against its promises",
    .options = verify_options,
    .where = args_where,
    .more =
        "Publishes and subscribes through every door of the nodes named, "
        "or of the\nendpoints of all regions. Exit code 1 when anything was "
        "lost untold, came twice\nor out of order.",
    .group = COMMAND_USES,
    .words_max = ARGS_WORDS_MAX,
};

/* Where to look: the nodes, and the number of each one's region. */
struct places {
    struct link_url nodes[CHECKER_NODES_MAX];
    uint8_t regions[CHECKER_NODES_MAX];
    size_t len;
};

/* Asks one node for the regions. *root is the caller's, NULL on error. */
static int ask_regions(const struct args *args, const struct link_url *url,
                       json_t **root)
{
    struct buf body = {0};
    int status = fetch(url, "GET", "/v1/regions", args->token,
                       (struct bytes){0}, &body);

    *root = status == 200 ? json_loadb((char *)body.p, body.len, 0, NULL)
                          : NULL;
    buf_fini(&body);
    if (*root != NULL) {
        return CLI_OK;
    }
    return args_fail("verify", url->authority,
                     status < 0      ? status
                     : status == 401 ? ERR_UNAUTH
                     : status == 403 ? ERR_DENIED
                                     : ERR_NOT_FOUND);
}

/* The endpoints of all regions, those of one region next to each other. */
static void take_regions(const json_t *root, struct places *places)
{
    json_t *region;
    json_t *endpoint;
    size_t i;
    size_t e;

    json_array_foreach(json_object_get(root, "regions"), i, region)
    {
        json_array_foreach(json_object_get(region, "endpoints"), e, endpoint)
        {
            const char *text = json_string_value(endpoint);
            if (text != NULL && places->len < CHECKER_NODES_MAX &&
                link_url_read(text, &places->nodes[places->len]) == 0) {
                places->regions[places->len++] = (uint8_t)i;
            }
        }
    }
}

static int find_places(const struct args *args, struct places *places)
{
    json_t *root;
    int exit_code = ask_regions(args, &args->url, &root);

    if (exit_code == CLI_OK) {
        take_regions(root, places);
        json_decref(root);
    }
    if (exit_code == CLI_OK && places->len == 0) {
        exit_code = args_fail("verify", args->url.authority, ERR_NOT_FOUND);
    }
    return exit_code;
}

/* A node that is named need not be an endpoint: a worker is none. */
static int take_named(const struct args *args, const char *text,
                      struct places *places)
{
    struct link_url *url = &places->nodes[places->len];
    json_t *root;
    json_t *region;
    size_t i;

    if (places->len == CHECKER_NODES_MAX || link_url_read(text, url) != 0) {
        fprintf(stderr, "starling verify: %s: expected the URL of a node\n",
                text);
        return CLI_USAGE;
    }
    int exit_code = ask_regions(args, url, &root);
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    json_array_foreach(json_object_get(root, "regions"), i, region)
    {
        if (json_equal(json_object_get(region, "name"),
                       json_object_get(root, "self"))) {
            places->regions[places->len] = (uint8_t)i;
        }
    }
    places->len++;
    json_decref(root);
    return CLI_OK;
}

static int take_all_named(const struct args *args, struct places *places)
{
    int exit_code = CLI_OK;

    for (size_t i = 0; exit_code == CLI_OK && i < args->words_len; i++) {
        exit_code = take_named(args, args->words[i], places);
    }
    return exit_code;
}

static int check(const struct args *args, const struct places *places)
{
    struct checker_report report;
    struct checker_options options = {
        .nodes = places->nodes,
        .regions = places->regions,
        .nodes_len = places->len,
        .topics = (size_t)args->topics,
        .token = args->token,
        .seconds = args->seconds == 0 ? SECONDS : (unsigned)args->seconds,
        .rate = args->rate == 0 ? RATE : (unsigned)args->rate,
        .deadline_ms = DEADLINE_MS,
        .on_counting = verify_report_counting};

    options.pairs = calloc(places->len * places->len, sizeof *options.pairs);
    checker_run(&options, &report);
    if (report.wrong != NULL) {
        fprintf(stderr, "starling verify: %s\n", report.wrong);
    }
    if (args->json) {
        verify_report_json(&options, &report);
    } else {
        verify_report_text(&options, &report);
    }
    free(options.pairs);
    return verify_report_is_clean(&report) ? CLI_OK : CLI_REFUSED;
}

static int run(int argc, char **argv)
{
    static struct places places;
    struct args args;
    int exit_code = args_read(&args, &command_verify, argc, argv);

    if (exit_code == CLI_OK) {
        exit_code = args.words_len > 0 ? take_all_named(&args, &places)
                                       : find_places(&args, &places);
    }
    return exit_code == CLI_OK ? check(&args, &places) : exit_code;
}
