/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/verify_report.h"

#include <inttypes.h>
#include <stdio.h>

bool verify_report_is_clean(const struct checker_report *report)
{
    bool clean = report->wrong == NULL && report->duplicate == 0 &&
                 report->disordered == 0 && report->strange == 0 &&
                 report->lost == 0;

    for (int i = 0; i < WAYS; i++) {
        clean = clean && (report->ways[i].untold == 0 ||
                          !way_can_tell((enum way_kind)i));
    }
    return clean;
}

void verify_report_counting(const struct checker_options *options)
{
    printf("verify: everyone hears everyone; counting for %u s\n",
           options->seconds);
    (void)fflush(stdout);
}

static struct checker_way sum_of_ways(const struct checker_report *report)
{
    struct checker_way sum = {0};

    for (int i = 0; i < WAYS; i++) {
        sum.delivered += report->ways[i].delivered;
        sum.told += report->ways[i].told;
        sum.untold += report->ways[i].untold;
    }
    return sum;
}

/* The ages of all pairs together. */
static struct ages all_ages(const struct checker_options *options)
{
    size_t pairs = options->nodes_len * options->nodes_len;
    struct ages all = {0};

    for (size_t i = 0; options->pairs != NULL && i < pairs; i++) {
        ages_sum(&all, &options->pairs[i].ages);
    }
    return all;
}

static double ms(uint64_t us)
{
    return (double)us / 1000;
}

void verify_report_text(const struct checker_options *options,
                        const struct checker_report *report)
{
    const struct checker_report *r = report;
    struct checker_way sum = sum_of_ways(r);
    struct ages ages = all_ages(options);

    printf("%-10s %10s %8s %8s\n", "subscriber", "delivered", "told", "untold");
    for (int i = 0; i < WAYS; i++) {
        const struct checker_way *way = &r->ways[i];
        printf("%-10s %10" PRIu64 " %8" PRIu64 " %8" PRIu64 "%s\n",
               way_name((enum way_kind)i), way->delivered, way->told,
               way->untold,
               way_can_tell((enum way_kind)i) ? "" : "   (cannot be told)");
    }
    printf("from publish to delivery: p50 %.1f ms, p99 %.1f ms, at most %.1f "
           "ms\n",
           ms(ages_at(&ages, 500)), ms(ages_at(&ages, 990)), ms(ages.all.max));
    printf("%" PRIu64 " reconnects, %" PRIu64 " publishes refused, %" PRIu64
           " subscribes tried\n",
           r->reconnects, r->refused, r->asked);
    if (r->strange > 0) {
        printf("%" PRIu64 " items that this subscription never asked for\n",
               r->strange);
    }
    printf("verify: %zu subscribers, %" PRIu64 " items, %" PRIu64
           " delivered, %" PRIu64 " told, %" PRIu64 " untold, %" PRIu64
           " duplicate, %" PRIu64 " out of order, %" PRIu64
           " lost after acknowledgement\n",
           r->subscribers, r->items, sum.delivered, sum.told, sum.untold,
           r->duplicate, r->disordered, r->lost);
}

static void print_pair(const struct checker_options *options, size_t at)
{
    const struct checker_pair *pair = &options->pairs[at];

    printf("%s{\"from\":\"%s\",\"to\":\"%s\",\"delivered\":%" PRIu64
           ",\"missing\":%" PRIu64 ",\"untold\":%" PRIu64
           ",\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"max_ms\":%.1f",
           at == 0 ? "" : ",",
           options->nodes[at / options->nodes_len].authority,
           options->nodes[at % options->nodes_len].authority, pair->delivered,
           pair->missing, pair->untold, ms(ages_at(&pair->ages, 500)),
           ms(ages_at(&pair->ages, 990)), ms(pair->ages.all.max));
    printf(",\"silent_from_ms\":%" PRIu64 ",\"silent_to_ms\":%" PRIu64
           ",\"last_ms\":%" PRIu64 "}",
           pair->silent_from_ms, pair->silent_to_ms, pair->last_ms);
}

void verify_report_json(const struct checker_options *options,
                        const struct checker_report *report)
{
    const struct checker_report *r = report;

    printf("{\"clean\":%s,\"subscribers\":%zu,\"publishers\":%zu,\"items\":"
           "%" PRIu64,
           verify_report_is_clean(r) ? "true" : "false", r->subscribers,
           r->publishers, r->items);
    printf(",\"duplicate\":%" PRIu64 ",\"out_of_order\":%" PRIu64
           ",\"strange\":%" PRIu64 ",\"refused\":%" PRIu64
           ",\"reconnects\":%" PRIu64,
           r->duplicate, r->disordered, r->strange, r->refused, r->reconnects);
    printf(",\"subscribes\":%" PRIu64 ",\"lost_after_ack\":%" PRIu64
           ",\"subscribes_cut_off\":%" PRIu64 ",\"ways\":[",
           r->asked, r->lost, r->cut);
    for (int i = 0; i < WAYS; i++) {
        const struct checker_way *way = &r->ways[i];
        printf("%s{\"way\":\"%s\",\"can_tell\":%s,\"delivered\":%" PRIu64
               ",\"told\":%" PRIu64 ",\"untold\":%" PRIu64 "}",
               i == 0 ? "" : ",", way_name((enum way_kind)i),
               way_can_tell((enum way_kind)i) ? "true" : "false",
               way->delivered, way->told, way->untold);
    }
    printf("],\"pairs\":[");
    for (size_t i = 0;
         options->pairs != NULL && i < options->nodes_len * options->nodes_len;
         i++) {
        print_pair(options, i);
    }
    printf("]}\n");
}
