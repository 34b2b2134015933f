/* SPDX-License-Identifier: Apache-2.0
 *
 * What was looked at, how it is, and what to do about it: one line a check. The
 * worst of them is the exit code that Nagios and its kind know.
 */
#ifndef NODE_CLI_CHECKUP_H
#define NODE_CLI_CHECKUP_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "proto/bytes.h"

enum check_level {
    CHECK_OK = 0, /* also the exit codes */
    CHECK_WARN = 1,
    CHECK_CRITICAL = 2,
    CHECK_UNKNOWN = 3,
};

struct check {
    enum check_level level;
    const char *name; /* static, documented in docs/OPERATIONS.md */
    struct buf text;
    const char *advice; /* static; NULL: nothing to do */
};

struct checkup {
    struct check *rows;
    size_t len;
    bool failed; /* memory was short */
};

void checkup_fini(struct checkup *checkup);

/* Control characters in what is printed become question marks. */
void checkup_add(struct checkup *checkup, enum check_level level,
                 const char *name, const char *advice, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Critical before warn before unknown. */
enum check_level checkup_worst(const struct checkup *checkup);

const char *check_level_text(enum check_level level);
void checkup_print(const struct checkup *checkup, FILE *to);
/* {"status":"warn","checks":[{"check","status","text","advice"}]}; the
 * caller's. NULL: memory is short. */
json_t *checkup_json(const struct checkup *checkup);

/* Names of those that a check is about, up to a few of them. */
struct culprits {
    struct buf text;
    size_t len;
};
void culprits_add(struct culprits *culprits, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "a, b and 3 more", borrowed until the next call. */
const char *culprits_text(struct culprits *culprits);
void culprits_fini(struct culprits *culprits);

#endif
