/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls: one thing asked of every linked peer, in all regions, over the control
 * lane (PEER_CALL, PEER_REPLY).
 *
 *   calls_ask() --PEER_CALL--> each linked peer: the kind's handler
 *               <-PEER_REPLY-- at once, from what that node knows itself, or
 *                              by calls_reply() when it has looked
 *   all have answered, or went down, or wait_ms passed: on_done(), once
 *
 * An asker that wants its own node's answer among them says so (`own`): it is
 * asked like any other, in the next turn.
 *
 * Nothing is sent twice: who does not answer is named to the asker, who decides
 * what that means. A node that does not know the kind says so, so nobody waits
 * for it; a node of before this message type says nothing and is late.
 *
 * Everything is bounded: CALLS_MAX under way, CALL_LEN_MAX bytes of bodies for
 * each. Replies to no call under way, or of whom it does not wait for, are
 * dropped. Loop thread only; neither libuv nor a clock of its own.
 */
#ifndef NODE_CALLS_H
#define NODE_CALLS_H

#include "cluster/cluster.h"
#include "proto/peer.h"

struct calls;
struct core;

enum {
    CALLS_MAX = 64,
    CALL_LEN_MAX = 1 << 20,
    CALL_KINDS_MAX = 16,
};

/* What may be asked. The numbers are on the wire: they are never reused. */
enum call_kind {
    CALL_PUBSUB = 1, /* who is subscribed there to what */
    CALL_KEYS = 2,   /* node/mesh/rotation.h */
    CALL_USAGE = 3,  /* node/client/usage.h */
    CALL_REPORT = 4, /* node/watch/watch.h */
    CALL_CLIENTS = 5,
    CALL_KICK = 6,
    CALL_DENIED = 7,
    CALL_TRACE = 8, /* node/watch/trace_ask.h */
    CALL_TAP = 9,
    CALL_MOVE = 10,
    CALL_EVENTS = 11,
    CALL_TOPICS = 12,
    CALL_CLOCK = 13, /* node/mesh/clocks.h */
};

enum call_outcome {
    CALL_LATE, /* no answer in time */
    CALL_ANSWERED,
    CALL_UNKNOWN, /* it does not know the kind */
    CALL_FAILED,  /* it cannot: memory, or more than a body holds, also here */
    CALL_DOWN,    /* its link broke meanwhile, or took nothing */
};

struct call_answer {
    struct node_id id;
    char name[NODE_NAME_LEN_MAX + 1];
    enum call_outcome outcome;
    uint64_t took_us;  /* CALL_ANSWERED: by calls_world.clock_us() */
    struct bytes body; /* CALL_ANSWERED; borrowed until on_done() returns */
};

struct call {
    uint8_t kind;      /* enum call_kind */
    bool own;          /* and this node, whose answer is the last */
    struct bytes body; /* at most PEER_BODY_LEN_MAX; copied */
    uint64_t wait_ms;
    bool is_quiet; /* who does not answer is not counted */
    /* One answer for each peer that was linked at the start, none if there was
     * nobody, and `own`. Never called from inside calls_ask(). May ask and
     * forget. */
    void (*on_done)(void *data, const struct call_answer *answers, size_t len);
    /* Each answer as it comes, also one that says it has none; NULL: nobody
     * wants to know. May ask and forget, this call, too. */
    void (*on_answer)(void *data, const struct call_answer *answer);
    void *data;
};

/* Answers a question of another node by adding to `out`, whose max is
 * PEER_BODY_LEN_MAX: what fails in it is answered as CALL_FAILED. Returns false
 * when the body makes no sense: CALL_FAILED, too. Anything may be in `body`. */
typedef bool (*call_handler)(void *data, struct bytes body, struct buf *out);

/* Who asked, for an answer that is given later. A value, to be kept as long as
 * needed: what is said to who went meanwhile is said to nobody. */
struct call_ticket {
    struct node_id from;
    uint64_t number;
    uint16_t slot;
    uint8_t kind;
};

/* Takes a question whose answer calls_reply() gives, once, now or later. */
typedef void (*call_taker)(void *data, struct bytes body,
                           const struct call_ticket *ticket);

/* What is around it; tests fake it. */
struct calls_world {
    void *data;
    /* cluster_linked() */
    const struct peer_node *(*linked)(void *data, uint16_t *slot);
    /* Puts a message on the control lane. false: it cannot be. */
    bool (*tell)(void *data, uint16_t slot, const struct peer_message *message);
    /* Monotonic. NULL: no answer took any time. */
    uint64_t (*clock_us)(void *data);
};

/* `core` is borrowed: deadlines, time, stats. Errors: NULL, memory is short. */
struct calls *calls_new(struct core *core, const struct calls_world *world);
/* What is under way is forgotten. NULL is fine. */
void calls_free(struct calls *calls);

/* Sets who answers a kind. */
void calls_serve(struct calls *calls, enum call_kind kind, call_handler handler,
                 void *data);
/* The same, for answers that take more than a turn. */
void calls_serve_later(struct calls *calls, enum call_kind kind,
                       call_taker taker, void *data);
/* NULL, or a body that failed or is too long: CALL_FAILED. */
void calls_reply(struct calls *calls, const struct call_ticket *ticket,
                 const struct buf *body);

/* Bytes that each answer may have, if all are to fit a call with `own`. */
size_t calls_room(const struct calls *calls);

/* Asks all linked peers. *number is never 0 and names the call. Errors:
 * ERR_TOO_BIG (the body), ERR_LIMIT (too many under way: ask later), ERR_NOMEM;
 * on_done is then not called. */
int calls_ask(struct calls *calls, const struct call *call, uint64_t *number);
/* The asker goes: on_done will not be called. Again: harmless. */
void calls_forget(struct calls *calls, uint64_t number);

/* Takes a PEER_CALL or PEER_REPLY of a peer. */
void calls_take(struct calls *calls, uint16_t slot,
                const struct peer_message *message);
/* The link to that peer broke: nobody waits for it any more. */
void calls_peer_down(struct calls *calls, uint16_t slot);

#endif
