/* SPDX-License-Identifier: Apache-2.0
 *
 * What anybody sends us on one lane: listens, reads frames, hands them over.
 * With node/mesh/push.c the only file that knows nng.
 *
 * To the other end this is an nng pull0 socket: the same greeting and framing
 * (SP over TCP), on nng streams of our own. When a pull0 pipe of nng 1.5.2 is
 * closed while a frame is half read, nng's one reaper thread waits for ever,
 * and no pipe of the process is given back any more: a stranger could do that.
 *
 * nng's threads accept. All else is done by the loop: it watches the descriptor
 * of the stream, and reads what is there through the stream. nng itself would
 * tell of each read by two threads of its own, its poller and a task, before
 * the loop is woken; that cost more than all that is done with a batch.
 *
 * Order   Frames of one pipe stay in order.
 * Bounds  A loop that is busy does not read: what comes waits in the kernel,
 * and then with its sender. One pipe gives at most PULL_READ_LEN bytes a turn.
 * Frames as node/mesh/framing.h says; a wrong one closes its pipe. One
 * connection waits for the loop, the others in the backlog.
 *
 * Loop thread, but for on_news().
 */
#ifndef NODE_PULL_H
#define NODE_PULL_H

#include <uv.h>

#include "node/mesh/framing.h"
#include "proto/addr.h"

enum {
    PULL_READ_LEN = 256 << 10,
    PULL_STRANGER_MS = 10000,   /* between two reads, before pull_trust() */
    PULL_ACCEPT_AGAIN_MS = 100, /* after an error of accept() */
};

struct pull;

/* Why a pipe ended. */
enum pull_end {
    PULL_END_CLOSED = 0, /* by either side, as may be */
    PULL_END_GREETING,   /* it is no pusher */
    PULL_END_OVERSIZED,  /* announced a frame too long, or empty */
    PULL_END_TRUNCATED,  /* a stranger ended within a frame */
    PULL_END_SILENT,     /* a stranger said nothing for stranger_ms */
    PULL_ENDS
};

struct pull_to {
    void *data;
    /* Called by nng's threads, must not call this header back: call
     * pull_take(). */
    void (*on_news)(void *data);
    bool (*admit)(void *data, uint32_t pipe, const uint8_t ip[16]);
    /* `frame` is borrowed. It may call all that follows but pull_stop(). */
    void (*on_frame)(void *data, struct bytes frame, uint32_t pipe);
    /* An admitted one was closed; never from within a call of this header. */
    void (*left)(void *data, uint32_t pipe, enum pull_end why);
};

struct pull_options {
    uv_loop_t *loop;
    struct addr listen;
    size_t frame_max;
    uint32_t stranger_ms;
    struct pull_to to;
};

/* Listens. Errors: ERR_CONFLICT (address taken), ERR_IO, ERR_NOMEM. */
int pull_open(struct pull **pull, const struct pull_options *options);
/* In this order. Stopping ends all pipes: no callback but on_news() any more.
 * Closing blocks until nng has let go, on any one thread. */
void pull_stop(struct pull *pull);
void pull_close(struct pull *pull);
void pull_free(struct pull *pull);

/* Takes the pipe that was accepted, if one was. */
void pull_take(struct pull *pull);
/* Closes strangers that are silent. Call it a few times in stranger_ms; false:
 * there are none, until pull_take() takes one. */
bool pull_tick(struct pull *pull);

/* The pipe is a member's: it may send long frames, and be silent. */
void pull_trust(struct pull *pull, uint32_t pipe);
/* Closes the pipe. One that is gone is no error. */
void pull_cut(struct pull *pull, uint32_t pipe);

#endif
