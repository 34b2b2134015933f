/* SPDX-License-Identifier: Apache-2.0
 *
 * What anybody sends us on one lane: listens, reads frames, keeps them until
 * the loop takes them. With node/push.c the only file that knows nng.
 *
 * To the other end this is an nng pull0 socket: the same greeting and framing
 * (SP over TCP), on nng streams of our own. When a pull0 pipe of nng 1.5.2 is
 * closed while a frame is half read, nng's one reaper thread waits for ever,
 * and no pipe of the process is given back any more: a stranger could do that.
 *
 * Order   Frames of one pipe stay in order.
 * Bounds  PULL_INBOX_LEN bytes wait for the loop, but an empty inbox takes any
 *         frame; then nothing more is read. A frame is at most frame_max long,
 *         PULL_STRANGER_LEN until pull_trust(); a longer one closes its pipe.
 *         Memory grows with what came, not with what was announced, beside a
 *         little that is read ahead: a short frame arrives in one read.
 *
 * Loop thread, but for the functions of struct pull_to.
 */
#ifndef NODE_PULL_H
#define NODE_PULL_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/bytes.h"

enum {
    PULL_INBOX_MAX = 256,
    PULL_INBOX_LEN = 2 << 20,
    PULL_STRANGER_LEN = 128 << 10,
    PULL_STRANGER_MS = 10000,   /* for each read, before pull_trust() */
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

/* Called by nng's threads; they must not call this header back. */
struct pull_to {
    void *data;
    void (*on_news)(void *data); /* call pull_take() */
    bool (*admit)(void *data, uint32_t pipe, const uint8_t ip[16]);
    /* An admitted one was closed; called by pull_take(), after its frames. */
    void (*left)(void *data, uint32_t pipe, enum pull_end why);
};

struct pull_options {
    struct addr listen;
    size_t frame_max;
    uint32_t stranger_ms; /* 0 = PULL_STRANGER_MS */
    struct pull_to to;
};

/* Listens. Errors: ERR_CONFLICT (address taken), ERR_IO, ERR_NOMEM. */
int pull_open(struct pull **pull, const struct pull_options *options);
/* Blocks until nng has let go. Any one thread. */
void pull_close(struct pull *pull);
void pull_free(struct pull *pull); /* after pull_close() */

/* Hands over what lies in the inbox now, frames borrowed; what comes meanwhile
 * is news again. */
void pull_take(struct pull *pull,
               void (*on_frame)(void *data, struct bytes frame, uint32_t pipe),
               void *data);

/* The pipe is a member's: it may send long frames, and be silent. */
void pull_trust(struct pull *pull, uint32_t pipe);
/* Closes the pipe. One that is gone is no error. */
void pull_cut(struct pull *pull, uint32_t pipe);

#endif
