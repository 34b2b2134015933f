/* SPDX-License-Identifier: Apache-2.0 */
#include "node/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "proto/bytes.h"
#include "proto/hash.h"
#include "proto/json.h"
#include "proto/topic.h"

enum {
    TEXT_LEN_MAX = 2048, /* of one event; the rest is cut and shown as "..." */
    LINE_LEN_MAX = 16 << 10,
    STAMP_LEN = 32,
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* Of syslog: err, warning, info, debug. */
static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"};
static const char *const format_names[] = {"text", "json", "journal"};

static bool may_say(struct log *log, const char *event, uint64_t *suppressed);
static void write_line(const struct log *log, const struct log_event *event);
static void stamp(char out[STAMP_LEN], uint64_t at_ms);
static void add_clean(struct buf *out, struct bytes text);
static void add_plain(struct buf *line, const struct log *log,
                      const struct log_event *event);
static void add_json(struct buf *line, const struct log *log,
                     const struct log_event *event);

void log_line(struct log *log, enum log_level level, const char *event,
              const char *format, ...)
{
    char text[TEXT_LEN_MAX];
    struct buf clean = {.max = LINE_LEN_MAX};
    struct timespec now;
    uint64_t suppressed = 0;
    bool is_written = log->to != NULL && level <= log->level &&
                      may_say(log, event, &suppressed);
    bool is_told = log->on_line != NULL && level <= LOG_INFO;
    va_list args;

    if (!is_written && !is_told) {
        return;
    }
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len >= (int)sizeof text) {
        memcpy(text + sizeof text - 4, "...", 4);
    }
    add_clean(&clean, len < 0 ? BYTES("") : bytes_str(text));
    if (suppressed > 0) {
        buf_add_str(&clean, clean.len > 0 ? " suppressed=" : "suppressed=");
        buf_add_u64(&clean, suppressed);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    const struct log_event what = {
        .at_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
        .level = level,
        .name = event,
        .text = buf_bytes(&clean),
    };
    if (is_written && !clean.failed) {
        write_line(log, &what);
    }
    if (is_told && !clean.failed) {
        log->on_line(log->data, &what);
    }
    buf_fini(&clean);
}

static void write_line(const struct log *log, const struct log_event *event)
{
    struct buf line = {.max = LINE_LEN_MAX};

    if (log->format == LOG_JSON) {
        add_json(&line, log, event);
    } else {
        add_plain(&line, log, event);
    }
    buf_add_u8(&line, '\n');
    if (!line.failed) { /* else memory is short: no line */
        fwrite(line.p, 1, line.len, log->to);
        fflush(log->to);
    }
    buf_fini(&line);
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

/* The slot of an event, NULL: there is none for one more. */
static struct log_rate *rate_of(struct log *log, const char *event)
{
    uint64_t hash = 0;

    for (const char *c = event; *c != '\0'; c++) {
        hash = hash_mix(hash ^ (uint8_t)*c);
    }
    for (size_t i = 0; i < LOG_EVENTS; i++) {
        struct log_rate *rate = &log->rates[(hash + i) % LOG_EVENTS];
        if (rate->event == NULL || strcmp(rate->event, event) == 0) {
            rate->event = event;
            return rate;
        }
    }
    return NULL;
}

/* Whether this line is written, and how many were not before it. */
static bool may_say(struct log *log, const char *event, uint64_t *suppressed)
{
    struct log_rate *rate = rate_of(log, event);
    struct timespec now;

    if (rate == NULL) {
        return true;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (rate->second != (uint64_t)now.tv_sec) {
        rate->second = (uint64_t)now.tv_sec;
        rate->lines = 0;
    }
    if (rate->lines >= LOG_A_SECOND) {
        rate->suppressed++;
        return false;
    }
    rate->lines++;
    *suppressed = rate->suppressed;
    rate->suppressed = 0;
    return true;
}

static int read_name(const char *text, const char *const *names, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strcmp(text, names[i]) == 0) {
            return (int)i;
        }
    }
    return -1;
}

int log_level_read(const char *text)
{
    return read_name(text, level_names, ARRAY_LEN(level_names));
}

int log_format_read(const char *text)
{
    return read_name(text, format_names, ARRAY_LEN(format_names));
}

/* "2026-11-22T05:24:26.123Z" */
static void stamp(char out[STAMP_LEN], uint64_t at_ms)
{
    time_t at_s = (time_t)(at_ms / 1000);
    struct tm utc;

    gmtime_r(&at_s, &utc);
    size_t len = strftime(out, STAMP_LEN, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + len, STAMP_LEN - len, ".%03uZ", (unsigned)(at_ms % 1000));
}

/* Bytes of the printable character at the front of s, 0 when there is none:
 * whatever no topic may hold cannot be shown on a screen either. */
static size_t printable_len(struct bytes s)
{
    for (size_t len = 1; len <= 4 && len <= s.len; len++) {
        if (topic_is_valid(bytes_of(s.p, len))) {
            return len;
        }
    }
    return 0;
}

/* Appends text with everything that is not printable, and the backslash, as
 * \xNN: the same in both forms, and unambiguous. */
static void add_clean(struct buf *out, struct bytes text)
{
    while (text.len > 0) {
        size_t len = text.p[0] == '\\' ? 0 : printable_len(text);
        if (len == 0) {
            buf_add_str(out, "\\x");
            buf_add_hex(out, text.p, 1);
            len = 1;
        } else {
            buf_add(out, text.p, len);
        }
        text = bytes_skip(text, len);
    }
}

static void add_plain(struct buf *line, const struct log *log,
                      const struct log_event *event)
{
    char at[STAMP_LEN];

    if (log->format == LOG_JOURNAL) {
        buf_add_str(line, priorities[event->level]);
    } else {
        stamp(at, event->at_ms);
        buf_add_str(line, at);
        buf_add_u8(line, ' ');
        buf_add_str(line, level_names[event->level]);
        buf_add_u8(line, ' ');
    }
    buf_add_str(line, event->name);
    if (log->node != NULL) {
        buf_add_str(line, " node=");
        add_clean(line, bytes_str(log->node));
    }
    if (event->text.len > 0) {
        buf_add_u8(line, ' ');
        buf_add_bytes(line, event->text);
    }
}

static void add_member(struct buf *line, bool comma, const char *name,
                       const char *value)
{
    json_add_name(line, comma, name);
    json_add_string(line, bytes_str(value));
}

static void add_json(struct buf *line, const struct log *log,
                     const struct log_event *event)
{
    char at[STAMP_LEN];

    stamp(at, event->at_ms);
    buf_add_u8(line, '{');
    add_member(line, false, "at", at);
    add_member(line, true, "level", level_names[event->level]);
    add_member(line, true, "event", event->name);
    if (log->node != NULL) {
        add_member(line, true, "node", log->node);
    }
    json_add_name(line, true, "text");
    json_add_string(line, event->text);
    buf_add_u8(line, '}');
}
