/* SPDX-License-Identifier: Apache-2.0
 *
 * starling usage: what went through the caches of the whole cluster, by region.
 */
#include <stdio.h>
#include <time.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/show.h"

static void print_row(const char *cache, const char *region,
                      const json_t *usage)
{
    const json_t *in = json_object_get(usage, "in");
    const json_t *out = json_object_get(usage, "out");

    printf("%-16s %-10s %10lld %13lld %10lld %10lld %13lld %10lld %8lld\n",
           cache, region, show_number(in, "items"), show_number(in, "bytes"),
           show_number(in, "operations"), show_number(out, "items"),
           show_number(out, "bytes"), show_number(out, "operations"),
           show_number(usage, "refused"));
}

static void print_regions(const char *cache, const json_t *of)
{
    size_t i;
    json_t *region;

    json_array_foreach(json_object_get(of, "regions"), i, region)
    {
        print_row(cache, show_text(region, "region"), region);
    }
}

/* Since when each node counts, and who is missing. */
static void print_nodes(const json_t *root)
{
    size_t i;
    json_t *node;

    json_array_foreach(json_object_get(root, "nodes"), i, node)
    {
        time_t since_s = (time_t)(show_number(node, "since_ms") / 1000);
        struct tm tm;
        char text[32] = "";
        if (show_truth(node, "answered") && gmtime_r(&since_s, &tm) != NULL) {
            (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
            printf("%s in %s counts since %s\n", show_text(node, "name"),
                   show_text(node, "region"), text);
        } else {
            printf("%s in %s does not answer%s: its counts are missing\n",
                   show_text(node, "name"), show_text(node, "region"),
                   show_truth(node, "dead") ? " (dead, or cut off)" : "");
        }
    }
}

static void print_usage(const json_t *root)
{
    size_t i;
    json_t *cache;

    printf("%-16s %-10s %10s %13s %10s %10s %13s %10s %8s\n", "CACHE", "REGION",
           "IN_ITEMS", "IN_BYTES", "IN_OPS", "OUT_ITEMS", "OUT_BYTES",
           "OUT_OPS", "REFUSED");
    json_array_foreach(json_object_get(root, "caches"), i, cache)
    {
        const char *name = show_text(cache, "cache");
        print_regions(name[0] == '\0' ? "(others)" : name, cache);
    }
    print_regions("(all)", root);
    print_row("(all)", "(all)", json_object_get(root, "total"));
    print_nodes(root);
}

static int run(int argc, char **argv)
{
    return show(&command_usage, "/v1/usage", print_usage, argc, argv);
}

const struct command command_usage = {
    .name = "usage",
    .run = run,
    .what = "what went through the caches of the whole cluster",
    .options = show_options,
    .where = args_where,
    .group = COMMAND_LOOKS,
};
