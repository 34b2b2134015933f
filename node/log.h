/* SPDX-License-Identifier: Apache-2.0
 *
 * One event, one line, on standard error:
 *   2026-11-22T05:24:26.123Z info node-ready node=n1 peers=2
 * or the same as one JSON object: at, level, event, node, and the values as one
 * string, text, so that nothing a stranger sent can pose as a member; or, for
 * systemd's journal, with the priority in front and without the time.
 *
 * Names are kebab-case, unique, and listed in docs/OPERATIONS.md; values are
 * key=value with units in the keys, and quoted when they need it. Payloads,
 * tokens and keys never appear. What a stranger sent goes through "%.*s"
 * arguments only: what is not printable is written as \xNN on the way out, a
 * backslash too, so that one event stays one line. Text beyond 2047 bytes is
 * cut and ends in "...".
 *
 * Nobody can fill a disk: of one event LOG_A_SECOND lines a second are written;
 * its next line, in a later second, ends in " suppressed=N".
 */
#ifndef NODE_LOG_H
#define NODE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/bytes.h"

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG
};

/* One line, as whoever keeps it is told (node/watch/events.h). */
struct log_event {
    uint64_t at_ms; /* wall clock */
    enum log_level level;
    const char *name;
    struct bytes text; /* escaped as it is written */
};

enum {
    LOG_A_SECOND = 50,
    LOG_EVENTS =
        256, /* slots for names: a power of two, twice what there are */
};

enum log_format {
    LOG_TEXT,
    LOG_JSON,
    LOG_JOURNAL, /* for systemd's: "<6>node-ready ...", which adds the time */
};

struct log {
    FILE *to; /* NULL: nothing is written (tests) */
    enum log_level level;
    enum log_format format;
    const char *node; /* added to each line when not NULL */

    /* Given every line that is info or worse, whatever `level` and `to` are.
     * NULL: nobody is. */
    void (*on_line)(void *data, const struct log_event *event);
    void *data;
    struct log_rate {
        const char *event; /* borrowed: names are constants; NULL: free */
        uint64_t second;   /* of the clock that never jumps */
        uint64_t lines;    /* in that second */
        uint64_t suppressed;
    } rates[LOG_EVENTS];
};

__attribute__((format(printf, 4, 5))) void log_line(struct log *log,
                                                    enum log_level level,
                                                    const char *event,
                                                    const char *format, ...);

/* "error", "warn", "info", "debug". */
const char *log_level_name(enum log_level level);
/* The other way; -1 when it is none of them. */
int log_level_read(const char *text);
/* "text", "json", "journal"; likewise. */
int log_format_read(const char *text);

#endif
