/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of text for a terminal of some size: clipped to its width, coloured as
 * a whole, and no more of them than fit.
 */
#ifndef NODE_CLI_SHEET_H
#define NODE_CLI_SHEET_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/bytes.h"

enum {
    SHEET_CELL_MAX = 160, /* bytes of one cell, with its NUL */
    SHEET_LINE_MAX = 1024,
};

enum sheet_colour {
    SHEET_PLAIN,
    SHEET_HEAD,
    SHEET_DIM,
    SHEET_WARN,
    SHEET_BAD
};

struct sheet {
    struct buf *out;
    size_t width; /* characters; 0: any */
    size_t left;  /* lines that still fit */
    bool colours;
};

struct sheet_cell {
    char text[SHEET_CELL_MAX];
};

/* Exactly so many characters of the text, which may hold anything: padded on
 * the right, or cut. What no screen should be sent is a question mark. */
struct sheet_cell sheet_cell(const char *text, size_t width);

/* 1234 as "1.2k". */
struct sheet_cell sheet_count(double value);
/* Microseconds as milliseconds: "0.1", "85". */
struct sheet_cell sheet_ms(double us);

/* One line, as printf() would; nothing when none is left. */
__attribute__((format(printf, 3, 4))) void sheet_line(struct sheet *sheet,
                                                      enum sheet_colour colour,
                                                      const char *format, ...);

#endif
