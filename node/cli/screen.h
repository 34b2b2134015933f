/* SPDX-License-Identifier: Apache-2.0
 *
 * The terminal, as a full-screen command uses it: another screen, no echo, a
 * key at a time. Whatever ends the command gives back what was: leaving, a
 * signal, an assertion; also a stop (^Z), until it is continued.
 *
 * One a process: a terminal is one.
 */
#ifndef NODE_CLI_SCREEN_H
#define NODE_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/bytes.h"

struct screen_size {
    size_t width;
    size_t height;
};

/* Whether standard output is a terminal that takes escapes. */
bool screen_is_there(void);
/* Whether colours are wanted: it is there, and NO_COLOR is empty or not. */
bool screen_has_colours(void);
struct screen_size screen_size(void);

/* Errors: ERR_IO. */
int screen_open(void);
void screen_close(void);

/* Waits for a key, for something on `fd` (-1: none), or for wait_ms; a change
 * of size ends the wait, too. */
enum screen_news {
    SCREEN_NOTHING,
    SCREEN_KEY, /* screen_key() */
    SCREEN_FD,
    SCREEN_END, /* it is to end: a signal, or the terminal went */
};
enum screen_news screen_wait(int fd, int wait_ms);
char screen_key(void);

/* Shows the lines from the upper left corner, and nothing else. */
void screen_show(struct bytes lines);

#endif
