/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/report.h"

#include <jansson.h>
#include <stdio.h>

#include "node/bench/net.h"
#include "node/bench/progress.h"
#include "node/cli/cli.h"

enum unit {
    COUNT,
    PER_S,
    BYTES_,
    NS,
    US,
    MS,
    PERCENT
};

static const struct row {
    const char *key;
    const char *text;
    size_t at;
    enum unit unit;
    bool only_if_any; /* 0 is not worth a word */
} rows[] = {
#define ROW(key, text, unit, only_if_any)                                 \
    {                                                                     \
#key, text, offsetof(struct bench_report, key), unit, only_if_any \
    }
    ROW(published, "published", COUNT, false),
    ROW(delivered, "delivered", COUNT, false),
    ROW(server_delivered, "delivered, as the server counts", COUNT, false),
    ROW(publishes_per_s, "publishes", PER_S, false),
    ROW(deliveries_per_s, "deliveries", PER_S, false),
    ROW(lost, "lost", COUNT, false),
    ROW(disorder, "out of order", COUNT, false),
    ROW(duplicates, "duplicates", COUNT, false),
    ROW(strange, "never asked for", COUNT, true),
    ROW(p50_us, "p50", US, false),
    ROW(p99_us, "p99", US, false),
    ROW(p999_us, "p99.9", US, false),
    ROW(max_us, "at most", US, false),
    ROW(connects_per_s, "connected and subscribed", PER_S, false),
    ROW(all_ms, "all acknowledged within", MS, false),
    ROW(cpu_ns_per_delivery, "server CPU a delivery", NS, false),
    ROW(cpu_percent, "server CPU, of one core", PERCENT, false),
    ROW(rss_bytes, "server memory", BYTES_, false),
    ROW(rss_bytes_each, "server memory a connection", BYTES_, false),
    ROW(generator_cpu_ns_per_delivery, "CPU of this command a delivery", NS,
        false),
#undef ROW
};

void bench_report_init(struct bench_report *report)
{
    *report = (struct bench_report){0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        *(double *)((char *)report + rows[i].at) = -1;
    }
}

void bench_report_latency(struct bench_report *report,
                          const struct bench_latency *latency)
{
    report->p50_us = (double)bench_latency_at(latency, 500) / 1000;
    report->p99_us = (double)bench_latency_at(latency, 990) / 1000;
    report->p999_us = (double)bench_latency_at(latency, 999) / 1000;
    report->max_us = (double)latency->all.max / 1000;
}

static double value_of(const struct bench_report *report, const struct row *row)
{
    return *(const double *)((const char *)report + row->at);
}

static bool is_told(const struct row *row, double value)
{
    return row->only_if_any ? value > 0 : value >= 0;
}

/* --- JSON --- */

static void print_setting(const char *key, uint32_t value)
{
    if (value > 0) {
        printf(",\"%s\":%u", key, value);
    }
}

static void print_text(const char *key, const char *text)
{
    json_t *string = json_string(text);

    printf("\"%s\":", key);
    if (string == NULL || json_dumpf(string, stdout, JSON_ENCODE_ANY) != 0) {
        (void)fputs("\"\"", stdout);
    }
    json_decref(string);
}

static void print_json(const struct bench_report *report,
                       const struct bench_options *o)
{
    (void)fputc('{', stdout);
    print_text("mode", o->mode_name);
    (void)fputc(',', stdout);
    print_text("door", o->door->name);
    (void)fputc(',', stdout);
    print_text("url", o->at.text);
    if (o->publish_at.text != o->at.text) {
        (void)fputc(',', stdout);
        print_text("publish_url", o->publish_at.text);
    }
    print_setting("pubs", o->pubs);
    print_setting("subs", o->subs);
    print_setting("topics", o->topics);
    print_setting("conns", o->conns);
    print_setting("size", o->size);
    print_setting("rate", o->rate);
    print_setting("window", o->rate > 0 ? 0 : o->window);
    printf(",\"seconds\":%g", (double)o->run_ns / 1e9);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double value = value_of(report, &rows[i]);
        if (is_told(&rows[i], value)) {
            printf(rows[i].unit == COUNT || rows[i].unit == PER_S ||
                           rows[i].unit == BYTES_
                       ? ",\"%s\":%.0f"
                       : ",\"%s\":%.3f",
                   rows[i].key, value);
        }
    }
    puts("}");
}

/* --- the table --- */

static void print_value(enum unit unit, double value)
{
    switch (unit) {
    case PER_S:
        if (value >= 1e6) {
            printf("%14.2f M/s\n", value / 1e6);
        } else {
            printf("%14.0f /s\n", value);
        }
        break;
    case BYTES_:
        if (value >= 1e6) {
            printf("%14.1f MB\n", value / 1e6);
        } else {
            printf("%14.0f bytes\n", value);
        }
        break;
    case NS:
        printf("%14.1f ns\n", value);
        break;
    case US:
        printf("%14.1f us\n", value);
        break;
    case MS:
        printf("%14.1f ms\n", value);
        break;
    case PERCENT:
        printf("%14.2f %%\n", value);
        break;
    case COUNT:
        printf("%14.0f\n", value);
        break;
    }
}

static void print_part(const char *what, uint32_t n)
{
    if (n > 0) {
        printf(", %u %s%s", n, what, n == 1 ? "" : "s");
    }
}

static void print_table(const struct bench_report *report,
                        const struct bench_options *o)
{
    printf("%s on %s (%s)", o->mode_name, o->at.text, o->door->name);
    if (o->publish_at.text != o->at.text) {
        printf(", published on %s", o->publish_at.text);
    }
    print_part("publisher", o->pubs);
    print_part("subscriber", o->subs);
    print_part("topic", o->topics);
    print_part("connection", o->conns);
    print_part("byte", o->size);
    if (o->rate > 0) {
        printf(", %u a second", o->rate);
    } else if (o->window > 0) {
        printf(", window %u", o->window);
    }
    puts("\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double value = value_of(report, &rows[i]);
        if (is_told(&rows[i], value)) {
            printf("  %-34s", rows[i].text);
            print_value(rows[i].unit, value);
        }
    }
}

int bench_report_print(const struct bench_report *report,
                       const struct bench_options *options)
{
    bench_progress_end();
    if (options->json) {
        print_json(report, options);
    } else {
        print_table(report, options);
    }
    (void)fflush(stdout);
    if (report->server_delivered >= 0 &&
        report->server_delivered != report->delivered) {
        return bench_fail(CLI_REFUSED,
                          "the server counts %.0f deliveries, here came %.0f: "
                          "other clients, or a fault",
                          report->server_delivered, report->delivered);
    }
    if (report->strange > 0) {
        return bench_fail(CLI_REFUSED,
                          "%.0f items came that were published otherwise",
                          report->strange);
    }
    return report->lost > 0 || report->disorder > 0 || report->duplicates > 0
               ? CLI_REFUSED
               : CLI_OK;
}
