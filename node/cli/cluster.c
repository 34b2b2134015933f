/* SPDX-License-Identifier: Apache-2.0
 *
 * starling cluster: the members as one node sees them. starling regions: the
 * regions, their endpoints, and how far away they are.
 */
#include <stdio.h>
#include <string.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/fetch.h"
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

static void print_cluster(const json_t *root)
{
    const json_t *links = json_object_get(root, "links");
    size_t i;
    json_t *m;

    printf("%-12s %-10s %-8s %-9s %-8s %7s %8s  %s\n", "NODE", "REGION",
           "STATE", "CONDITION", "VERSION", "TOPICS", "RTT_MS", "ENDPOINT");
    json_array_foreach(json_object_get(root, "members"), i, m)
    {
        printf(
            "%-12s %-10s %-8s %-9s %-8s %7lld %8.1f  %s%s\n",
            show_text(m, "name"), show_text(m, "region"), show_text(m, "state"),
            condition(m), show_text(m, "version"), show_number(m, "topics"),
            (double)show_number(m, "rtt_us") / 1000, show_text(m, "endpoint"),
            show_truth(m, "self") ? "  (asked)" : "");
    }
    printf("links %lld/%lld up; %lld clients and %lld subscriptions on %s%s\n",
           show_number(links, "up"), show_number(links, "of"),
           show_number(root, "clients"), show_number(root, "subscriptions"),
           show_text(root, "name"),
           show_truth(root, "insecure") ? "; insecure: no keys, loopback only"
                                        : "");
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
        printf("%-12s %6lld ", show_text(region, "name"),
               show_number(region, "nodes"));
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
        printf("%s\n",
               strcmp(show_text(region, "name"), show_text(root, "self")) == 0
                   ? "  (asked)"
                   : "");
    }
}

static int run_cluster(int argc, char **argv)
{
    return show(&command_cluster, "/v1/cluster", print_cluster, argc, argv);
}

static int run_regions(int argc, char **argv)
{
    return show(&command_regions, "/v1/regions", print_regions, argc, argv);
}

const struct command command_cluster = {
    .name = "cluster",
    .run = run_cluster,
    .what = "the nodes, as one of them sees them",
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
