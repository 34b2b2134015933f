/* SPDX-License-Identifier: Apache-2.0
 *
 * starling cluster: the members as one node sees them, with what they say of
 * themselves. starling regions: the regions, their endpoints, and how far away
 * they are.
 */
#include <stdio.h>
#include <string.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
#include "node/cli/sheet.h"
#include "node/cli/show.h"

/* What of a member matters beyond its state, in one word. */
static const char *condition(const json_t *member)
{
    if (show_truth(member, "draining")) {
        return "draining";
    }
    if (!show_truth(member, "ready")) {
        return "joining";
    }
    return show_truth(member, "linked") || show_truth(member, "self")
               ? "ready"
               : "unlinked";
}

/* What the node of that id says of itself; NULL: it is silent. */
static const json_t *report_of(const json_t *root, const char *id)
{
    size_t i;
    json_t *report;

    json_array_foreach(json_object_get(root, "reports"), i, report)
    {
        if (strcmp(show_text(report, "id"), id) == 0) {
            return report;
        }
    }
    return NULL;
}

/* "2/2": links that are up, of those to nodes that may run. */
static struct sheet_cell links_of(const json_t *report)
{
    struct sheet_cell cell;
    long long up = 0;
    size_t i;
    json_t *link;

    json_array_foreach(json_object_get(report, "links"), i, link)
    {
        up += show_truth(link, "up");
    }
    /* Those that had no room in the report are up: they come last. */
    long long len = show_number(report, "links_len");
    up += len - (long long)i;
    (void)snprintf(cell.text, sizeof cell.text, "%lld/%lld", up, len);
    return cell;
}

static void print_member(const json_t *root, const json_t *m)
{
    const json_t *report = report_of(root, show_text(m, "id"));

    printf("%-12s %-10s %-8s %-9s %-8s ", show_text(m, "name"),
           show_text(m, "region"), show_text(m, "state"), condition(m),
           show_text(m, "version"));
    if (report == NULL) {
        printf("%7s %8s %8s %7s ", "-", "-", "-", "-");
    } else {
        printf("%7s %8lld %8lld %7lld ", links_of(report).text,
               show_number(report, "clients"),
               show_number(report, "subscriptions"),
               show_number(report, "topics"));
    }
    printf("%8.1f  %s%s\n", (double)show_number(m, "rtt_us") / 1000,
           show_text(m, "endpoint"), show_truth(m, "self") ? "  (asked)" : "");
}

static void print_cluster(const json_t *root)
{
    const json_t *links = json_object_get(root, "links");
    size_t i;
    json_t *m;

    printf("%-12s %-10s %-8s %-9s %-8s %7s %8s %8s %7s %8s  %s\n", "NODE",
           "REGION", "STATE", "CONDITION", "VERSION", "LINKS", "CLIENTS",
           "SUBS", "TOPICS", "RTT_MS", "ENDPOINT");
    json_array_foreach(json_object_get(root, "members"), i, m)
    {
        print_member(root, m);
    }
    printf("links %lld/%lld up on %s%s\n", show_number(links, "up"),
           show_number(links, "of"), show_text(root, "name"),
           show_truth(root, "insecure") ? "; insecure: no keys, loopback only"
                                        : "");
}

/* What all nodes say of themselves, into the document; nothing if the one that
 * is asked is of before there were reports. */
static void add_reports(const struct args *args, json_t *root)
{
    struct buf body = {0};
    int status = fetch(&args->url, "GET", "/v1/admin/report", args->token,
                       (struct bytes){0}, &body);
    json_t *reports = status == 200
                          ? json_loadb((char *)body.p, body.len, 0, NULL)
                          : NULL;

    buf_fini(&body);
    if (reports != NULL) {
        (void)json_object_set(root, "reports",
                              json_object_get(reports, "nodes"));
        (void)json_object_set(root, "silent",
                              json_object_get(reports, "silent"));
    }
    json_decref(reports);
}

static int run_cluster(int argc, char **argv)
{
    struct args args;
    json_t *root = NULL;
    int exit_code = args_read(&args, &command_cluster, argc, argv);

    if (exit_code == CLI_OK) {
        exit_code = show_fetch("cluster", &args, "GET", "/v1/cluster", &root);
    }
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    add_reports(&args, root);
    if (args.json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
    } else {
        print_cluster(root);
    }
    json_decref(root);
    return CLI_OK;
}

/* The best of a few: what a packet takes, not what else went on. */
static void print_round_trip(const char *url)
{
    uint64_t us = fetch_round_trip_us(url);

    if (us == UINT64_MAX) {
        printf("%12s", "no answer");
    } else if (us < 1000) {
        printf("%9llu us", (unsigned long long)us);
    } else {
        printf("%9.*f ms",
               us < 10000    ? 2
               : us < 100000 ? 1
                             : 0,
               (double)us / 1000);
    }
}

static void print_regions(const json_t *root)
{
    const char *self = show_text(root, "self");
    size_t i;
    size_t e;
    json_t *region;
    json_t *endpoint;

    printf("%-12s %6s  %12s  %s\n", "REGION", "NODES", "ROUND TRIP",
           "ENDPOINT");
    json_array_foreach(json_object_get(root, "regions"), i, region)
    {
        const char *name = show_text(region, "name");
        json_array_foreach(json_object_get(region, "endpoints"), e, endpoint)
        {
            const char *url = json_string_value(endpoint);
            printf("%-12s %6lld  ", name, show_number(region, "nodes"));
            print_round_trip(url);
            printf("  %s%s\n", url,
                   strcmp(name, self) == 0 ? "  (region of the one asked)"
                                           : "");
        }
    }
}

static int run_regions(int argc, char **argv)
{
    return show(&command_regions, "/v1/regions", print_regions, argc, argv);
}

const struct command command_cluster = {
    .name = "cluster",
    .run = run_cluster,
    .what = "the nodes, their state, links and clients",
    .options = show_options,
    .where = args_where,
    .group = COMMAND_LOOKS,
};

const struct command command_regions = {
    .name = "regions",
    .run = run_regions,
    .what = "the regions, their endpoints, and how far away they are",
    .options = show_options,
    .where = args_where,
    .group = COMMAND_LOOKS,
};
