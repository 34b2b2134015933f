/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/sheet.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/topic.h"

/* Bytes of the printable character at the front of s, 0: there is none. No
 * topic may hold what cannot be shown on a screen. */
static size_t printable_len(struct bytes s)
{
    for (size_t len = 1; len <= 4 && len <= s.len; len++) {
        if (topic_is_valid(bytes_of(s.p, len))) {
            return len;
        }
    }
    return 0;
}

struct sheet_cell sheet_cell(const char *text, size_t width)
{
    struct sheet_cell cell = {0};
    struct bytes rest = bytes_str(text);
    size_t len = 0;

    for (size_t i = 0; i < width && len + 4 < sizeof cell.text; i++) {
        size_t n = printable_len(rest);
        if (rest.len == 0) {
            cell.text[len++] = ' ';
        } else if (n == 0) {
            cell.text[len++] = '?';
            rest = bytes_skip(rest, 1);
        } else {
            memcpy(cell.text + len, rest.p, n);
            len += n;
            rest = bytes_skip(rest, n);
        }
    }
    return cell;
}

struct sheet_cell sheet_count(double value)
{
    static const char units[] = " kMGTP";
    struct sheet_cell cell;
    size_t unit = 0;

    while (value >= 999.5 && unit + 1 < sizeof units - 1) {
        value /= 1000;
        unit++;
    }
    if (unit == 0) {
        (void)snprintf(cell.text, sizeof cell.text, "%.0f", value);
    } else {
        (void)snprintf(cell.text, sizeof cell.text, "%.*f%c",
                       value < 9.95 ? 1 : 0, value, units[unit]);
    }
    return cell;
}

struct sheet_cell sheet_ms(double us)
{
    struct sheet_cell cell;

    (void)snprintf(cell.text, sizeof cell.text, "%.*f",
                   us < 1000    ? 2
                   : us < 10000 ? 1
                                : 0,
                   us / 1000);
    return cell;
}

/* Up to the end of the last character that fits. */
static size_t clipped_len(const struct sheet *sheet, const char *text)
{
    size_t chars = 0;
    size_t i = 0;

    for (; text[i] != '\0'; i++) {
        bool begins = ((unsigned char)text[i] & 0xc0) != 0x80;
        if (begins && sheet->width > 0 && ++chars > sheet->width) {
            break;
        }
    }
    return i;
}

void sheet_line(struct sheet *sheet, enum sheet_colour colour,
                const char *format, ...)
{
    static const char *const codes[] = {
        [SHEET_HEAD] = "\x1b[1m",  [SHEET_DIM] = "\x1b[2m",
        [SHEET_WARN] = "\x1b[33m", [SHEET_BAD] = "\x1b[31m",
        [SHEET_PLAIN] = "",
    };
    char text[SHEET_LINE_MAX];
    bool coloured = sheet->colours && colour != SHEET_PLAIN;
    va_list args;

    if (sheet->left == 0) {
        return;
    }
    sheet->left--;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = clipped_len(sheet, text);
    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }
    if (coloured) {
        buf_add_str(sheet->out, codes[colour]);
    }
    buf_add(sheet->out, text, len);
    buf_add_str(sheet->out, coloured ? "\x1b[0m\n" : "\n");
}
