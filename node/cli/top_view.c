/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/top_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/cli/show.h"
#include "node/watch/report.h"

enum {
    HOT_MAX = 10,
    ROWS_MAX = 256, /* links, or topics before they are added up */
};

#define CELL(of, width) (sheet_cell((of), (width)).text)
#define COUNT(value)    (sheet_count((value)).text)

static void draw_sums(const struct top_view *view, struct sheet *sheet);
static void draw_doors(const struct top_view *view, struct sheet *sheet);
static void draw_latency(const struct top_view *view, struct sheet *sheet);
static void draw_nodes(const struct top_view *view, struct sheet *sheet);
static void draw_links(const struct top_view *view, struct sheet *sheet);
static void draw_topics(const struct top_view *view, struct sheet *sheet);
static void draw_slow(const struct top_view *view, struct sheet *sheet);

/* --- reports --- */

void top_view_fini(struct top_view *view)
{
    for (size_t i = 0; i < view->len; i++) {
        json_decref(view->nodes[i].report);
    }
    view->len = 0;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct top_node *one = a;
    const struct top_node *other = b;
    int order = strcmp(show_text(one->report, "region"),
                       show_text(other->report, "region"));

    if (order == 0) {
        order = strcmp(show_text(one->report, "name"),
                       show_text(other->report, "name"));
    }
    return order != 0 ? order
                      : strcmp(show_text(one->report, "id"),
                               show_text(other->report, "id"));
}

void top_view_take(struct top_view *view, json_t *report, uint64_t now_ms)
{
    const char *id = show_text(report, "id");

    view->now_ms = now_ms;
    for (size_t i = 0; i < view->len; i++) {
        if (strcmp(show_text(view->nodes[i].report, "id"), id) == 0) {
            json_decref(view->nodes[i].report);
            view->nodes[i] = (struct top_node){report, now_ms};
            return;
        }
    }
    if (id[0] == '\0' || view->len == TOP_NODES_MAX) {
        json_decref(report);
        return;
    }
    view->nodes[view->len++] = (struct top_node){report, now_ms};
    qsort(view->nodes, view->len, sizeof view->nodes[0], compare_nodes);
}

void top_view_pass(struct top_view *view, uint64_t now_ms)
{
    size_t len = 0;

    view->now_ms = now_ms;
    for (size_t i = 0; i < view->len; i++) {
        if (now_ms - view->nodes[i].heard_ms < TOP_FORGET_MS) {
            view->nodes[len++] = view->nodes[i];
        } else {
            json_decref(view->nodes[i].report);
        }
    }
    view->len = len;
}

static bool is_old(const struct top_view *view, size_t i)
{
    return view->now_ms - view->nodes[i].heard_ms >= TOP_OLD_MS;
}

/* A count of the report's last span, a second. */
static double rate(const json_t *report, const json_t *of, const char *name)
{
    long long every_ms = show_number(report, "every_ms");

    return every_ms <= 0
               ? 0
               : (double)show_number(of, name) * 1000 / (double)every_ms;
}

static double flow(const json_t *report, const char *name, const char *what)
{
    return rate(report, json_object_get(report, name), what);
}

void top_view_draw(const struct top_view *view, struct sheet *sheet)
{
    draw_sums(view, sheet);
    draw_doors(view, sheet);
    draw_latency(view, sheet);
    draw_nodes(view, sheet);
    draw_links(view, sheet);
    draw_topics(view, sheet);
    draw_slow(view, sheet);
}

/* --- all together --- */

static size_t regions_of(const struct top_view *view)
{
    size_t len = 0;

    for (size_t i = 0; i < view->len; i++) {
        len += i == 0 ||
               strcmp(show_text(view->nodes[i].report, "region"),
                      show_text(view->nodes[i - 1].report, "region")) != 0;
    }
    return len;
}

static void draw_sums(const struct top_view *view, struct sheet *sheet)
{
    double in = 0;
    double out = 0;
    double dropped = 0;
    double refused = 0;
    long long clients = 0;
    long long subs = 0;

    for (size_t i = 0; i < view->len; i++) {
        const json_t *r = view->nodes[i].report;
        if (is_old(view, i)) {
            continue;
        }
        in += flow(r, "in", "items");
        out += flow(r, "out", "items");
        dropped += flow(r, "dropped", "slow") + flow(r, "dropped", "link");
        refused += rate(r, r, "refused");
        clients += show_number(r, "clients");
        subs += show_number(r, "subscriptions");
    }
    sheet_line(sheet, view->trouble != NULL ? SHEET_BAD : SHEET_HEAD,
               "starling  %zu node%s, %zu region%s%s%s", view->len,
               view->len == 1 ? "" : "s", regions_of(view),
               regions_of(view) == 1 ? "" : "s",
               view->trouble != NULL ? "  " : "",
               view->trouble != NULL ? view->trouble : "");
    sheet_line(sheet, dropped > 0 ? SHEET_WARN : SHEET_PLAIN,
               "in %s/s  out %s/s  dropped %s/s  refused %s/s  clients %s  "
               "subscriptions %s",
               COUNT(in), COUNT(out), COUNT(dropped), COUNT(refused),
               COUNT((double)clients), COUNT((double)subs));
}

/* Behind which doors all clients are: "native 2  resp 1". */
static void draw_doors(const struct top_view *view, struct sheet *sheet)
{
    char text[256] = "";
    size_t len = 0;

    for (size_t door = 0; door < STATS_DOORS; door++) {
        long long clients = 0;
        for (size_t i = 0; i < view->len; i++) {
            const json_t *doors = json_object_get(view->nodes[i].report,
                                                  "doors");
            clients += is_old(view, i) ? 0
                                       : show_number(doors, stats_door(door));
        }
        if (clients > 0 && len < sizeof text) {
            len += (size_t)snprintf(text + len, sizeof text - len, "  %s %s",
                                    stats_door(door), COUNT((double)clients));
        }
    }
    sheet_line(sheet, SHEET_PLAIN, "doors:%s", len == 0 ? "  none" : text);
}

/* Which bucket the age that `permille` of all items do not exceed lies in. */
static unsigned bucket_at(const uint64_t counts[REPORT_BUCKETS],
                          uint64_t permille)
{
    uint64_t all = 0;
    uint64_t sum = 0;
    unsigned i = 0;

    for (unsigned b = 0; b < REPORT_BUCKETS; b++) {
        all += counts[b];
    }
    for (; i < REPORT_BUCKETS - 1; i++) {
        sum += counts[i];
        if (sum * 1000 >= all * permille) {
            break;
        }
    }
    return i;
}

static void add_counts(const struct top_view *view, const char *hop,
                       uint64_t counts[REPORT_BUCKETS])
{
    for (size_t i = 0; i < view->len; i++) {
        const json_t *latency = json_object_get(view->nodes[i].report,
                                                "latency");
        const json_t *list = json_object_get(latency, hop);
        for (size_t b = 0; b < REPORT_BUCKETS && !is_old(view, i); b++) {
            json_int_t n = json_integer_value(json_array_get(list, b));
            counts[b] += n > 0 ? (uint64_t)n : 0;
        }
    }
}

/* "local 0.05/0.20 ms": half of the items, and 99 %, were not older. */
static void add_hop(const struct top_view *view, const char *hop, char *text,
                    size_t cap)
{
    static const uint64_t none[REPORT_BUCKETS];
    uint64_t counts[REPORT_BUCKETS] = {0};
    size_t len = strlen(text);

    add_counts(view, hop, counts);
    if (memcmp(counts, none, sizeof none) == 0) {
        (void)snprintf(text + len, cap - len, "  %s -", hop);
        return;
    }
    uint64_t half_us = report_bound_us(bucket_at(counts, 500));
    uint64_t most_us = report_bound_us(bucket_at(counts, 990));
    (void)snprintf(
        text + len, cap - len, "  %s %s/%s", hop,
        half_us == UINT64_MAX ? ">5s" : sheet_ms((double)half_us).text,
        most_us == UINT64_MAX ? ">5s" : sheet_ms((double)most_us).text);
}

static void draw_latency(const struct top_view *view, struct sheet *sheet)
{
    char text[256] = "";

    add_hop(view, "local", text, sizeof text);
    add_hop(view, "region", text, sizeof text);
    add_hop(view, "far", text, sizeof text);
    sheet_line(sheet, SHEET_PLAIN, "written after ms (half/99 %%):%s", text);
}

/* --- nodes --- */

static const char *state_of(const struct top_view *view, size_t i)
{
    const json_t *r = view->nodes[i].report;

    if (is_old(view, i)) {
        return "silent";
    }
    if (show_truth(r, "draining")) {
        return "draining";
    }
    return show_truth(r, "ready") ? "ready" : "joining";
}

static enum sheet_colour colour_of(const char *state)
{
    return strcmp(state, "ready") == 0    ? SHEET_PLAIN
           : strcmp(state, "silent") == 0 ? SHEET_BAD
                                          : SHEET_WARN;
}

/* Half of what is left, or less when the whole table is smaller. */
static size_t share(const struct sheet *sheet, size_t rows)
{
    size_t most = sheet->left / 2;

    return rows + 2 <= most ? rows : most > 3 ? most - 3 : 1;
}

static void draw_more(struct sheet *sheet, size_t shown, size_t of)
{
    if (shown < of) {
        sheet_line(sheet, SHEET_DIM, "... and %zu more", of - shown);
    }
}

static void draw_nodes(const struct top_view *view, struct sheet *sheet)
{
    size_t len = share(sheet, view->len);

    sheet_line(sheet, SHEET_PLAIN, " ");
    sheet_line(sheet, SHEET_HEAD,
               "%-14s %-8s %-8s %7s %7s %7s %7s %7s %5s %6s %6s %5s", "NODE",
               "REGION", "STATE", "CLIENTS", "SUBS", "TOPICS", "IN/S", "OUT/S",
               "CPU%", "RSS", "QUEUE", "LAG");
    for (size_t i = 0; i < view->len && i < len; i++) {
        const json_t *r = view->nodes[i].report;
        const char *state = state_of(view, i);
        sheet_line(
            sheet, colour_of(state),
            "%s %s %s %7s %7s %7s %7s %7s %5.1f %6s %6s %5lld",
            CELL(show_text(r, "name"), 14), CELL(show_text(r, "region"), 8),
            CELL(state, 8), COUNT((double)show_number(r, "clients")),
            COUNT((double)show_number(r, "subscriptions")),
            COUNT((double)show_number(r, "topics")),
            COUNT(flow(r, "in", "items")), COUNT(flow(r, "out", "items")),
            (double)show_number(r, "cpu_permille") / 10,
            COUNT((double)show_number(r, "rss")),
            COUNT((double)show_number(r, "queue")),
            show_number(r, "loop_lag_ms"));
    }
    draw_more(sheet, len, view->len);
}

/* --- links --- */

struct link_row {
    const json_t *report;
    const json_t *link;
    size_t at;
};

static bool is_bad(const json_t *link)
{
    return !show_truth(link, "up") ||
           strcmp(show_text(link, "state"), "alive") != 0;
}

static bool is_filling(const json_t *link)
{
    return show_number(link, "dropped") > 0 ||
           show_number(link, "queue") * 4 > show_number(link, "queue_limit");
}

/* What needs a look first. Else the order they came in. */
static int compare_links(const void *a, const void *b)
{
    const struct link_row *one = a;
    const struct link_row *other = b;
    int order = (int)is_bad(other->link) - (int)is_bad(one->link);

    if (order == 0) {
        order = (int)is_filling(other->link) - (int)is_filling(one->link);
    }
    return order != 0 ? order : (one->at > other->at) - (one->at < other->at);
}

static size_t list_links(const struct top_view *view, struct link_row *rows)
{
    size_t len = 0;
    size_t l;
    json_t *link;

    for (size_t i = 0; i < view->len; i++) {
        const json_t *r = view->nodes[i].report;
        json_array_foreach(json_object_get(r, "links"), l, link)
        {
            if (len < ROWS_MAX && !is_old(view, i)) {
                rows[len] = (struct link_row){r, link, len};
                len++;
            }
        }
    }
    qsort(rows, len, sizeof rows[0], compare_links);
    return len;
}

static void draw_links(const struct top_view *view, struct sheet *sheet)
{
    struct link_row rows[ROWS_MAX];
    size_t all = list_links(view, rows);
    size_t len = share(sheet, all);

    if (all == 0) {
        return;
    }
    sheet_line(sheet, SHEET_PLAIN, " ");
    sheet_line(sheet, SHEET_HEAD, "%-14s %-14s %-8s %8s %8s %8s %8s %8s %9s",
               "LINK FROM", "TO", "STATE", "RTT_MS", "ITEMS/S", "BYTES/S",
               "QUEUE", "DROP/S", "CLOCK_MS");
    for (size_t i = 0; i < all && i < len; i++) {
        const json_t *r = rows[i].report;
        const json_t *l = rows[i].link;
        const char *state = show_text(l, "state");
        const char *word = !is_bad(l)                    ? "up"
                           : strcmp(state, "alive") == 0 ? "down"
                                                         : state;
        sheet_line(sheet,
                   is_bad(l)       ? SHEET_BAD
                   : is_filling(l) ? SHEET_WARN
                                   : SHEET_PLAIN,
                   "%s %s %s %8s %8s %8s %8s %8s %9.2f",
                   CELL(show_text(r, "name"), 14),
                   CELL(show_text(l, "name"), 14), CELL(word, 8),
                   sheet_ms((double)show_number(l, "rtt_us")).text,
                   COUNT(rate(r, l, "items")), COUNT(rate(r, l, "bytes")),
                   COUNT((double)show_number(l, "queue")),
                   COUNT(rate(r, l, "dropped")),
                   (double)show_number(l, "clock_us") / 1000);
    }
    draw_more(sheet, len, all);
}

/* --- topics --- */

struct topic_row {
    const char *cache;
    const char *topic;
    double in;
    double out;
    long long subs;
};

static int compare_topics(const void *a, const void *b)
{
    const struct topic_row *one = a;
    const struct topic_row *other = b;
    double by = other->in + other->out - one->in - one->out;

    return (by > 0) - (by < 0);
}

static struct topic_row *topic_of(struct topic_row *rows, size_t *len,
                                  const json_t *hot)
{
    const char *cache = show_text(hot, "cache");
    const char *topic = show_text(hot, "topic");

    for (size_t i = 0; i < *len; i++) {
        if (strcmp(rows[i].topic, topic) == 0 &&
            strcmp(rows[i].cache, cache) == 0) {
            return &rows[i];
        }
    }
    if (*len == ROWS_MAX) {
        return NULL;
    }
    rows[*len] = (struct topic_row){.cache = cache, .topic = topic};
    return &rows[(*len)++];
}

/* Those of all nodes, added up. */
static size_t list_topics(const struct top_view *view, struct topic_row *rows)
{
    size_t len = 0;
    size_t h;
    json_t *hot;

    for (size_t i = 0; i < view->len; i++) {
        const json_t *r = view->nodes[i].report;
        json_array_foreach(json_object_get(r, "hot"), h, hot)
        {
            struct topic_row *row = is_old(view, i) ? NULL
                                                    : topic_of(rows, &len, hot);
            if (row != NULL) {
                row->in += rate(r, hot, "in");
                row->out += rate(r, hot, "out");
                row->subs += show_number(hot, "subs");
            }
        }
    }
    qsort(rows, len, sizeof rows[0], compare_topics);
    return len;
}

static void draw_topics(const struct top_view *view, struct sheet *sheet)
{
    struct topic_row rows[ROWS_MAX];
    size_t all = list_topics(view, rows);
    size_t len = share(sheet, all < HOT_MAX ? all : HOT_MAX);

    if (all == 0) {
        return;
    }
    sheet_line(sheet, SHEET_PLAIN, " ");
    sheet_line(sheet, SHEET_HEAD, "%-16s %-40s %8s %8s %8s", "HOT CACHE",
               "TOPIC", "IN/S", "OUT/S", "SUBS");
    for (size_t i = 0; i < all && i < len; i++) {
        sheet_line(sheet, SHEET_PLAIN, "%s %s %8s %8s %8s",
                   CELL(rows[i].cache, 16), CELL(rows[i].topic, 40),
                   COUNT(rows[i].in), COUNT(rows[i].out),
                   COUNT((double)rows[i].subs));
    }
}

/* --- slow clients --- */

static int compare_slow(const void *a, const void *b)
{
    const json_t *const *one = a;
    const json_t *const *other = b;
    long long by = show_number(*other, "queue") - show_number(*one, "queue");

    return (by > 0) - (by < 0);
}

static size_t list_slow(const struct top_view *view, const json_t **rows)
{
    size_t len = 0;
    size_t s;
    json_t *slow;

    for (size_t i = 0; i < view->len; i++) {
        json_array_foreach(json_object_get(view->nodes[i].report, "slow"), s,
                           slow)
        {
            if (len < ROWS_MAX && !is_old(view, i)) {
                rows[len++] = slow;
            }
        }
    }
    qsort(rows, len, sizeof rows[0], compare_slow);
    return len;
}

static void draw_slow(const struct top_view *view, struct sheet *sheet)
{
    const json_t *rows[ROWS_MAX];
    size_t len = list_slow(view, rows);

    if (len == 0) {
        return;
    }
    sheet_line(sheet, SHEET_PLAIN, " ");
    sheet_line(sheet, SHEET_HEAD, "%-24s %-8s %-22s %-16s %7s %7s %8s",
               "SLOW CLIENT", "DOOR", "ADDRESS", "WHO", "QUEUE", "OF",
               "OVER_S");
    for (size_t i = 0; i < len; i++) {
        const json_t *s = rows[i];
        sheet_line(
            sheet,
            show_number(s, "queue") * 2 > show_number(s, "limit") ? SHEET_BAD
                                                                  : SHEET_WARN,
            "%s %s %s %s %7s %7s %8.1f", CELL(show_text(s, "client"), 24),
            CELL(show_text(s, "door"), 8), CELL(show_text(s, "address"), 22),
            CELL(show_text(s, "who"), 16),
            COUNT((double)show_number(s, "queue")),
            COUNT((double)show_number(s, "limit")),
            (double)show_number(s, "over_ms") / 1000);
    }
}
