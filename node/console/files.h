/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of the console, embedded at build time by embed.cmake.
 */
#ifndef NODE_CONSOLE_FILES_H
#define NODE_CONSOLE_FILES_H

#include <stddef.h>

struct console_file {
    const char *name; /* "console.js"; NULL ends the table */
    const unsigned char *p;
    size_t len;
};

extern const struct console_file console_files[];

#endif
