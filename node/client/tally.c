/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/tally.h"

#include "proto/bytes.h"

static const struct bytes others_name = BYTES("(others)");

/* The row of that name, made while there is room; NULL: there is none. */
static struct tally_row *row_of(struct tally *tally, struct bytes name)
{
    for (uint32_t i = 0; i < tally->len; i++) {
        struct tally_row *row = &tally->rows[i];
        if (bytes_eq(bytes_of(row->name, row->len), name)) {
            return row;
        }
    }
    if (tally->len == TALLY_CACHES_MAX) {
        return NULL;
    }
    struct tally_row *row = &tally->rows[tally->len++];
    *row = (struct tally_row){.len = (uint8_t)name.len};
    memcpy(row->name, name.p, name.len);
    return row;
}

void tally_of(const struct meters *meters, struct tally *tally)
{
    const struct meter *meter;

    tally->others = (struct usage){0};
    tally->len = 0;
    for (size_t i = 0; (meter = meters_at(meters, i)) != NULL; i++) {
        if (meter->len == 0 || tally->len == TALLY_CACHES_MAX) {
            usage_add(&tally->others, &meter->usage);
            continue;
        }
        struct tally_row *row = &tally->rows[tally->len++];
        row->usage = meter->usage;
        row->len = meter->len;
        memcpy(row->name, meter->name, meter->len);
    }
}

void tally_add(struct tally *sum, const struct tally *one)
{
    usage_add(&sum->others, &one->others);
    for (uint32_t i = 0; i < one->len; i++) {
        const struct tally_row *from = &one->rows[i];
        struct tally_row *to = row_of(sum, bytes_of(from->name, from->len));
        usage_add(to == NULL ? &sum->others : &to->usage, &from->usage);
    }
}

/* --- as text --- */

static uint64_t items(const struct usage_count *count)
{
    return count->items;
}

static uint64_t bytes(const struct usage_count *count)
{
    return count->bytes;
}

static uint64_t operations(const struct usage_count *count)
{
    return count->operations;
}

static void write_head(const char *metric, const char *help, struct buf *out)
{
    buf_add_str(out, "# HELP ");
    buf_add_str(out, metric);
    buf_add_u8(out, ' ');
    buf_add_str(out, help);
    buf_add_str(out, "\n# TYPE ");
    buf_add_str(out, metric);
    buf_add_str(out, " counter\n");
}

static void write_line(const char *metric, struct bytes cache,
                       const char *direction, uint64_t value, struct buf *out)
{
    buf_add_str(out, metric);
    buf_add_str(out, "{cache=\"");
    buf_add_bytes(out, cache);
    if (direction != NULL) {
        buf_add_str(out, "\",direction=\"");
        buf_add_str(out, direction);
    }
    buf_add_str(out, "\"} ");
    buf_add_u64(out, value);
    buf_add_u8(out, '\n');
}

/* The i-th usage with its name, the others last. */
static const struct usage *usage_at(const struct tally *tally, uint32_t i,
                                    struct bytes *name)
{
    if (i < tally->len) {
        *name = bytes_of(tally->rows[i].name, tally->rows[i].len);
        return &tally->rows[i].usage;
    }
    *name = others_name;
    return &tally->others;
}

void tally_write(const struct tally *tally, struct buf *out)
{
    static const struct {
        const char *metric;
        const char *help;
        uint64_t (*of)(const struct usage_count *count);
    } families[] = {
        {"starling_usage_items_total", "Items of a cache, in and out", items},
        {"starling_usage_bytes_total", "Bytes of their values", bytes},
        {"starling_usage_operations_total", "1 for each KB begun of a value",
         operations},
    };
    static const char *const refused = "starling_usage_refused_total";
    struct bytes name;

    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        write_head(families[f].metric, families[f].help, out);
        for (uint32_t i = 0; i <= tally->len; i++) {
            const struct usage *usage = usage_at(tally, i, &name);
            write_line(families[f].metric, name, "in",
                       families[f].of(&usage->in), out);
            write_line(families[f].metric, name, "out",
                       families[f].of(&usage->out), out);
        }
    }
    write_head(refused, "Items and subscriptions beyond a quota", out);
    for (uint32_t i = 0; i <= tally->len; i++) {
        const struct usage *usage = usage_at(tally, i, &name);
        write_line(refused, name, NULL, usage->refused, out);
    }
}
