/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/checkup.h"

#include <stdarg.h>
#include <stdlib.h>

enum {
    TEXT_MAX = 1024,
    CULPRITS_MAX = 5,
};

static const char *const levels[] = {
    [CHECK_OK] = "ok",
    [CHECK_WARN] = "warn",
    [CHECK_CRITICAL] = "critical",
    [CHECK_UNKNOWN] = "unknown",
};

const char *check_level_text(enum check_level level)
{
    return levels[level];
}

void checkup_fini(struct checkup *checkup)
{
    for (size_t i = 0; i < checkup->len; i++) {
        buf_fini(&checkup->rows[i].text);
    }
    free(checkup->rows);
    *checkup = (struct checkup){0};
}

static void add_formatted(struct buf *out, const char *format, va_list args)
{
    char text[TEXT_MAX];
    int len = vsnprintf(text, sizeof text, format, args);

    for (int i = 0; i < len && i < TEXT_MAX - 1; i++) {
        bool control = (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
        buf_add_u8(out, control ? '?' : (uint8_t)text[i]);
    }
}

void checkup_add(struct checkup *checkup, enum check_level level,
                 const char *name, const char *advice, const char *format, ...)
{
    struct check *rows = realloc(checkup->rows,
                                 (checkup->len + 1) * sizeof *rows);
    va_list args;

    if (rows == NULL) {
        checkup->failed = true;
        return;
    }
    checkup->rows = rows;
    struct check *row = &rows[checkup->len++];
    *row = (struct check){.level = level, .name = name, .advice = advice};
    va_start(args, format);
    add_formatted(&row->text, format, args);
    va_end(args);
}

enum check_level checkup_worst(const struct checkup *checkup)
{
    static const unsigned rank[] = {
        [CHECK_OK] = 0,
        [CHECK_UNKNOWN] = 1,
        [CHECK_WARN] = 2,
        [CHECK_CRITICAL] = 3,
    };
    enum check_level worst = checkup->failed ? CHECK_UNKNOWN : CHECK_OK;

    for (size_t i = 0; i < checkup->len; i++) {
        if (rank[checkup->rows[i].level] > rank[worst]) {
            worst = checkup->rows[i].level;
        }
    }
    return worst;
}

void checkup_print(const struct checkup *checkup, FILE *to)
{
    size_t count[ARRAY_LEN(levels)] = {0};

    for (size_t i = 0; i < checkup->len; i++) {
        const struct check *row = &checkup->rows[i];
        bool advises = row->level != CHECK_OK && row->advice != NULL;
        count[row->level]++;
        fprintf(to, "%-8s  %-13s  %.*s%s%s\n", levels[row->level], row->name,
                (int)row->text.len, (const char *)row->text.p,
                advises ? ": " : "", advises ? row->advice : "");
    }
    fprintf(to, "%s: %zu ok, %zu warn, %zu critical, %zu unknown\n",
            levels[checkup_worst(checkup)], count[CHECK_OK], count[CHECK_WARN],
            count[CHECK_CRITICAL], count[CHECK_UNKNOWN]);
}

json_t *checkup_json(const struct checkup *checkup)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < checkup->len; i++) {
        const struct check *row = &checkup->rows[i];
        const char *advice = row->advice != NULL ? row->advice : "";
        json_array_append_new(
            rows, json_pack("{s:s, s:s, s:s%, s:s}", "check", row->name,
                            "status", levels[row->level], "text",
                            row->text.len > 0 ? (const char *)row->text.p : "",
                            row->text.len, "advice",
                            row->level == CHECK_OK ? "" : advice));
    }
    return json_pack("{s:s, s:o}", "status", levels[checkup_worst(checkup)],
                     "checks", rows);
}

/* --- culprits --- */

void culprits_add(struct culprits *culprits, const char *format, ...)
{
    va_list args;

    if (culprits->len++ >= CULPRITS_MAX) {
        return;
    }
    buf_add_str(&culprits->text, culprits->len > 1 ? ", " : "");
    va_start(args, format);
    add_formatted(&culprits->text, format, args);
    va_end(args);
}

const char *culprits_text(struct culprits *culprits)
{
    if (culprits->len > CULPRITS_MAX) {
        buf_add_str(&culprits->text, " and ");
        buf_add_u64(&culprits->text, culprits->len - CULPRITS_MAX);
        buf_add_str(&culprits->text, " more");
    }
    buf_add_u8(&culprits->text, '\0');
    return culprits->text.failed ? "?" : (const char *)culprits->text.p;
}

void culprits_fini(struct culprits *culprits)
{
    buf_fini(&culprits->text);
    *culprits = (struct culprits){0};
}
