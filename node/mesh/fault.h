/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with the network between this node and the *far* ones: what is
 * sent takes long, or the way is cut. Only nodes of `starling dev` have one
 * (node/dev.h); to all others it is NULL, and nothing here ever runs.
 *
 *   gossip_send() --> packets --- after delay_ms ---> the socket
 *   lanes_send() ---> a line ---- after delay_ms ---> push_send()
 *
 * Both ends do so, each with what it sends: a round trip takes twice delay_ms.
 * The order stays. What belongs to no far node passes at once.
 *
 * Cut        Packets are lost. A line gives nothing away and has no room, as a
 *            connection whose other end fell silent: what waits behind it ages
 *            in the queue of the mesh. What was under way arrives after the
 *            cut, if its pipe still stands. A pipe that comes up meanwhile is
 *            not there before the cut is healed. One thing is unlike a real
 *            cut: an end that hangs up is seen to by the other one.
 * Bounds     FAULT_PACKETS_MAX packets (beyond, they are lost), FAULT_LINE_LEN
 *            bytes and one frame more on a line (then it has no room).
 *
 * Loop thread. Times of the loop are too coarse here: nothing is early.
 */
#ifndef NODE_FAULT_H
#define NODE_FAULT_H

#include <uv.h>

#include "node/mesh/push.h"

enum {
    FAULT_FAR_MAX = 64,
    FAULT_PORTS = 9, /* of a node, from its cluster port on: of three workers */
    FAULT_DELAY_MAX_MS = 1000,
    FAULT_PACKETS_MAX = 4096,
    FAULT_LINE_LEN = 4 << 20,
};

struct fault;
struct fault_line;

struct fault_far {
    struct addr addr; /* its cluster port */
    bool cut;
};

struct fault_rules {
    uint32_t delay_ms; /* to each of the far ones */
    size_t len;
    struct fault_far far[FAULT_FAR_MAX];
};

/* With nothing wrong yet. Errors: ERR_NOMEM. */
int fault_open(struct fault **fault, uv_loop_t *loop);
/* All lines are closed before. The memory goes when the loop has run. */
void fault_close(struct fault *fault);

/* From now on, for what is under way, too. Calls on_news() of lines. */
void fault_apply(struct fault *fault, const struct fault_rules *rules);

/* Takes a packet (copied) that is to be lost, or sent later by `send`. false:
 * nothing is wrong on that way, send it. */
typedef void (*fault_send)(void *data, const struct addr *to,
                           struct bytes packet);
bool fault_packet(struct fault *fault, const struct addr *to,
                  struct bytes packet, fault_send send, void *data);

/* One lane to one peer, in front of its push. on_news(): look at
 * fault_line_pipe() and fault_line_has_room() again; never from within a call
 * about that line. */
struct fault_line_to {
    void *data;
    void (*on_news)(void *data);
};
/* Errors: ERR_NOMEM. */
int fault_line_open(struct fault_line **line, struct fault *fault,
                    struct push *push, const struct fault_line_to *to);
void fault_line_close(struct fault_line *line);

/* Whom it leads to: before push_dial(). What it held goes with the old pipe. */
void fault_line_aim(struct fault_line *line, const struct addr *to);

/* In place of those of push.h. */
uint32_t fault_line_pipe(struct fault_line *line);
bool fault_line_has_room(struct fault_line *line);
void fault_line_send(struct fault_line *line, struct push_frame *frame);
/* The push has news: room, or another pipe. */
void fault_line_go(struct fault_line *line);

#endif
