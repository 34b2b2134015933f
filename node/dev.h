/* SPDX-License-Identifier: Apache-2.0
 *
 * A node and the `starling dev` that started it, over a pair of sockets
 * (SOCK_SEQPACKET: a message is a packet) whose one end the node inherits; the
 * environment variable DEV_VARIABLE says as which descriptor, of several
 * workers one each ("5,6").
 *
 *   parent -- S{document} -----------> how things are: dev_state(),
 * node/mesh/fault
 *          <- R ---------------------- it is ready
 *          <- Q ID {"do":...} -------- a wish (POST /v1/dev)
 *          -- A ID ERR message ------> what became of it, after the S
 *
 * The first S is there before the node starts. The document is that of GET
 * /v1/dev (docs/PROTOCOLS.md). A node whose parent is gone ends at once.
 *
 * Nothing of this is in any other node: the descriptor must be such a socket,
 * made by the very process that started this one.
 */
#ifndef NODE_DEV_H
#define NODE_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include "node/log.h"
#include "proto/bytes.h"

#define DEV_VARIABLE "STARLING_DEV_FD"

enum {
    DEV_MESSAGE_MAX = 16384,
    DEV_WISH_MAX = 1024, /* bytes of a body */
    DEV_ASKS_MAX = 16,   /* under way at a time */
    DEV_ANSWER_MS = 5000,
};

struct dev;
struct fault;
struct uv_loop_s; /* doors see this header */

struct dev_options {
    struct uv_loop_s *loop;
    struct log *log;
    const char *region;  /* of this node */
    unsigned worker;     /* which of its process, from 0 */
    struct fault *fault; /* to be made as the document says */
    void *data;
    void (*on_orphaned)(void *data); /* the parent is gone */
};

/* Whether the environment names a descriptor. */
bool dev_is_wanted(void);
/* Errors: ERR_CONFIG (a descriptor that is none of starling dev; a log line
 * says so), ERR_NOMEM, ERR_IO. */
int dev_open(struct dev **dev, const struct dev_options *options);
/* The memory goes when the loop has run. NULL is none. */
void dev_close(struct dev *dev);

/* This node takes publishes now. dev may be NULL. */
void dev_ready(const struct dev *dev);

/* The document, borrowed for the turn. */
struct bytes dev_state(const struct dev *dev);

/* Asks the parent; one is under way until it is answered or forgotten. Then
 * dev_state() is as it is after that. `message` is for people. */
struct dev_ask {
    uint64_t id; /* 0: none is under way */
    void *data;
    void (*on_answer)(void *data, int err, struct bytes message);
};
/* Errors: ERR_TOO_BIG, ERR_LIMIT, ERR_IO. */
int dev_ask(struct dev *dev, struct bytes wish, struct dev_ask *ask);
/* dev may be NULL: the node has let go of it. */
void dev_forget(struct dev *dev, struct dev_ask *ask);

#endif
