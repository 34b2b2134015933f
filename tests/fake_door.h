/* SPDX-License-Identifier: Apache-2.0
 *
 * Doors for tests of hub and client: one line for each item, so that a test
 * compares text.
 *
 *   item           cache/topic seq value\n      pattern: [pattern] before it
 *   discontinuity  cache/topic gap last next\n
 *   acknowledgement of a barrier: ack TAG\n, or ack TAG partial\n
 *   last words: bye NAME_OF_ERROR\n
 */
#ifndef TESTS_FAKE_DOOR_H
#define TESTS_FAKE_DOOR_H

#include "node/door/door.h"

extern const struct door door_lines;  /* byte; tells gaps, resumable */
extern const struct door door_plain;  /* byte; tells no gaps, no on_barrier */
extern const struct door door_frames; /* message; tells gaps, resumable */

/* What the doors saw, for the last client concerned. */
struct fake_door_seen {
    int ended;     /* calls of on_ended() */
    int ended_err; /* the last one's error */
    int closed;    /* calls of on_close() */
    int due;       /* calls of on_deadline() */
};
extern struct fake_door_seen fake_door_seen;

#endif
