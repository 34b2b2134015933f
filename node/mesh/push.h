/* SPDX-License-Identifier: Apache-2.0
 *
 * Our way to one peer on one lane: dials, keeps dialling, sends frames, learns
 * at once when the way breaks. With node/mesh/pull.c the only file that knows
 * nng.
 *
 *   idle -push_dial()-> dialling -> greeting -> stands
 *             ^ ^                       |          | broke
 *             | +---- waits 100 ms .. 2 s <--------+
 *   push_hang_up(): idle again, whatever it was
 *
 * To the other end this is an nng push0 socket: the same greeting and framing
 * (SP over TCP), on an nng stream of our own. A push0 socket of nng 1.5.2 keeps
 * a closed pipe in its list when a send completes as the pipe breaks, and
 * crashes at the next send; it also hands what is queued to the next process
 * at that address. Here a frame belongs to one pipe and dies with it.
 *
 * A frame is written where it is sent, without any other thread, as long as the
 * socket takes it; the rest of it is left to nng's threads.
 *
 * Loop thread, but for on_news().
 */
#ifndef NODE_PUSH_H
#define NODE_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/bytes.h"

enum {
    PUSH_IN_FLIGHT = 2, /* frames the socket did not take at once */
    PUSH_WAIT_MIN_MS = 100,
    PUSH_WAIT_MAX_MS = 2000, /* doubles; again from the least after ... */
    PUSH_STEADY_MS = 1000,   /* ... a pipe that stood so long */
    PUSH_DIAL_MS = 5000,     /* for a connection, and for its greeting */
};

struct push;

struct push_to {
    void *data;
    /* Called by nng's threads, and within push_send(): push_pipe() changed, or
     * there is room again where push_has_room() said no. It must not call this
     * header back. */
    void (*on_news)(void *data);
};

/* Errors: ERR_NOMEM. */
int push_open(struct push **push, const struct push_to *to);
/* Blocks until nng has let go; no on_news() afterwards. Any one thread. */
void push_close(struct push *push);
void push_free(struct push *push); /* after push_close() */

/* Dials, hanging up first. What fails is tried again, for ever. */
void push_dial(struct push *push, const struct addr *to);
void push_hang_up(struct push *push);

/* Counts the pipes of this push; 0 = none stands now. */
uint32_t push_pipe(struct push *push);

/* Memory of a frame of at most `cap` bytes, to be written into frame->out. */
struct push_frame {
    struct buf out;
    uint8_t *memory;
};
/* Errors: ERR_NOMEM. */
int push_frame_init(struct push_frame *frame, size_t cap);
void push_frame_fini(struct push_frame *frame);

/* False while PUSH_IN_FLIGHT frames wait; on_news() follows. */
bool push_has_room(struct push *push);
/* Takes the frame; there must be room. Without a pipe it is lost at once. */
void push_send(struct push *push, struct push_frame *frame);

#endif
