/* SPDX-License-Identifier: Apache-2.0
 *
 * The lanes: all push and pull sockets of a node, and the way of their news to
 * the loop. Who the other end is and what a frame says is node/mesh.
 *
 *        loop thread                  nng's threads
 *   lanes_send()  ---- push (one a slot and lane) ---> that peer
 *   on_frame()    <--- pull (one a lane) <------------ anybody
 *   on_way()      <-- list ----- pipe stands, pipe broke, room again
 *
 * Frames are written and read on the loop. nng's threads dial, accept, and
 * write what a socket did not take at once; of that they only put news down and
 * wake the loop, once for all that lies there. Pipes are admitted by address as
 * node/mesh/pipe_table.h says.
 *
 * With a fault (node/mesh/fault.h) a line stands before each push.
 *
 * States     lanes_open() -> open -> lanes_close() -> closed; the memory goes
 *            when the loop has closed the handles.
 */
#ifndef NODE_LANES_H
#define NODE_LANES_H

#include <uv.h>

#include "node/mesh/fault.h"
#include "node/mesh/pull.h"
#include "node/mesh/push.h"
#include "proto/addr.h"
#include "proto/peer.h"

enum {
    LANES_SLOTS_MAX = 1024,
    LANES_CLOSE_MS = 3000, /* then what nng still holds is left behind */
};

struct lanes;

struct lanes_options {
    uv_loop_t *loop;
    struct addr listen[PEER_LANES];
    size_t frame_max[PEER_LANES]; /* a longer one closes its pipe */
    uint32_t stranger_ms;         /* 0 = PULL_STRANGER_MS; for tests */
    struct fault *fault;          /* NULL: none; outlives the lanes */

    /* Called on the loop thread. */
    void *data;
    /* `frame` is borrowed; `pipe` names where it came from. */
    void (*on_frame)(void *data, enum peer_lane lane, struct bytes frame,
                     uint32_t pipe);
    /* The pipe has ended; all its frames were handed over. May be NULL. */
    void (*on_left)(void *data, enum peer_lane lane, uint32_t pipe);
    /* lanes_pipe() changed, or there is room again where lanes_has_room() said
     * no: look at both. */
    void (*on_way)(void *data, uint16_t slot, enum peer_lane lane);
};

/* Listens on both lanes. Errors: ERR_CONFLICT (address taken), ERR_IO,
 * ERR_NOMEM. */
int lanes_open(struct lanes **lanes, const struct lanes_options *options);

/* Closes all sockets; waits for nng's threads, at most LANES_CLOSE_MS. No
 * callback is called any more. */
void lanes_close(struct lanes *lanes);

/* As push_dial(), push_hang_up(), push_pipe(), push_has_room(), push_send(). */
int lanes_dial(struct lanes *lanes, uint16_t slot, enum peer_lane lane,
               const struct addr *to);
void lanes_hang_up(struct lanes *lanes, uint16_t slot, enum peer_lane lane);
uint32_t lanes_pipe(const struct lanes *lanes, uint16_t slot,
                    enum peer_lane lane);
bool lanes_has_room(const struct lanes *lanes, uint16_t slot,
                    enum peer_lane lane);
void lanes_send(struct lanes *lanes, uint16_t slot, enum peer_lane lane,
                struct push_frame *frame);

/* As pull_trust(), pull_cut(). */
void lanes_trust(struct lanes *lanes, enum peer_lane lane, uint32_t pipe);
void lanes_cut(struct lanes *lanes, enum peer_lane lane, uint32_t pipe);

/* Pipes so far that were not let in, and why others ended. */
struct lanes_refused {
    uint64_t crowded; /* node/mesh/pipe_table.h */
    uint64_t ends[PULL_ENDS];
};
void lanes_refused(struct lanes *lanes, struct lanes_refused *refused);

#endif
