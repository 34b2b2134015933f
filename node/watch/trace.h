/* SPDX-License-Identifier: Apache-2.0
 *
 * Traced items: what becomes of an item that somebody asked about (ITEM_TRACE),
 * on this node. Each place that decides something takes a note:
 *
 *   trace_begin()     it was published here, or came from a peer
 *   trace_match()     subscriptions of one door, and the bytes they share
 *   trace_drop()      subscriptions that do not get it
 *   trace_send()      put on the way to a peer, or not
 *   trace_left()      the batch it was in left
 *   trace_lost()      ... or was dropped
 *   trace_cut()       a client lost it from its queue
 *   trace_written()   end of a turn's flush: who has it now?
 *
 * and trace_tell() says all of it to whoever asks (CALL_TRACE). Whether a
 * client has the item is not asked of its queue: the bytes of a traced item are
 * a chunk of their own, and the notes hold one reference of it; as long as
 * there are others, so many queues wait with it.
 *
 * An item that is not traced costs the test of its flag. Traced ones are few:
 * TRACE_ITEMS_MAX are known, the oldest gives way, each is forgotten after
 * TRACE_KEEP_MS. Notes change nothing of what is delivered. Zero is a valid
 * empty table of which nothing can be noted. Loop thread only.
 */
#ifndef NODE_TRACE_H
#define NODE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "node/deadline.h"
#include "node/hub/chunk.h"
#include "proto/item.h"
#include "proto/peer.h"
#include "proto/traced.h"

struct core;

enum {
    TRACE_ITEMS_MAX = 128,
    TRACE_KEEP_MS = 5000,
    TRACE_CHUNKS_MAX = 16, /* whose readers are watched, each */
    TRACE_ASKS_MAX = 8,    /* under way; also so many in a second ... */
    TRACE_ASKS_RATE = 20,  /* ... begin */
};

struct trace_item {
    struct trace_item *next;
    uint64_t origin;
    uint64_t count;
    uint64_t until_ms;
    struct chunk *chunks[TRACE_CHUNKS_MAX];
    size_t chunks_len;
    uint64_t seqs[TRACED_SENT_MAX]; /* of the batches of notes.sends */
    struct traced notes;
};

struct trace_clock {
    uint64_t (*now_us)(void);  /* monotonic */
    uint64_t (*wall_us)(void); /* of the wall */
};

struct trace {
    struct core *core; /* borrowed: deadlines, chunks */
    /* Finer than that of the turn; NULL: that of the turn. */
    struct trace_clock clock;
    struct trace_item *first; /* newest first */
    size_t len;
    size_t queued;  /* sends that wait for their link */
    size_t waiting; /* items that somebody has not read yet */
    struct deadline deadline;

    /* Of trace_ask.h: */
    size_t asks_len;    /* under way */
    uint64_t asks_ms;   /* the second that asks_made counts */
    unsigned asks_made; /* in it */
};

void trace_init(struct trace *trace, struct core *core);
void trace_fini(struct trace *trace);

uint64_t trace_now_us(const struct trace *trace);
uint64_t trace_wall_us(const struct trace *trace);

/* `from`: node_id_u64() of a peer, 0 a client. An item that is known keeps its
 * notes. NULL: memory is short, and nothing is noted. */
struct trace_item *trace_begin(struct trace *trace, const struct item *item,
                               uint64_t from, enum traced_hop hop);
/* The same for what came from the peer in that slot. `late`: it is not
 * delivered, since it was told to be missing. */
void trace_arrived(struct trace *trace, const struct item *item, uint16_t slot,
                   enum peer_hop hop, bool late);
struct trace_item *trace_find(const struct trace *trace, uint64_t origin,
                              uint64_t count);

/* `chunk` holds their bytes and nothing else. */
void trace_match(struct trace *trace, struct trace_item *item, const char *door,
                 uint64_t subs, struct chunk *chunk);
/* door "": none of them. */
void trace_drop(struct trace_item *item, const char *door, uint64_t count,
                enum traced_why why);

/* It is in the batch of that number to the peer (node_id_u64()), or not at all:
 * `why` says so. Of an item that is not known nothing is noted. */
void trace_send(struct trace *trace, const struct item *item, uint64_t to,
                uint64_t seq, enum traced_why why);

/* Whether any item waits for a link: else the next two need not be called. */
static inline bool trace_has_queued(const struct trace *trace)
{
    return trace != NULL && trace->queued > 0;
}
/* All batches to the peer up to that number left, or were dropped. */
void trace_left(struct trace *trace, uint64_t to, uint64_t seq);
void trace_lost(struct trace *trace, uint64_t to, uint64_t seq,
                enum traced_why why);

/* Whether any client has yet to read one: likewise. */
static inline bool trace_has_waiting(const struct trace *trace)
{
    return trace->waiting > 0;
}
/* A client's queue gives up what it holds of the chunk. */
void trace_cut(struct trace *trace, const struct chunk *chunk, const char *door,
               enum traced_why why);
void trace_written(struct trace *trace);

/* What is known of an item: `told_ms` is when the hub last told a discontinuity
 * of its topic, 0 never. The names of doors are static. */
void trace_tell(const struct trace *trace, uint64_t origin, uint64_t count,
                uint64_t told_ms, struct traced *traced);

void trace_check(const struct trace *trace);

#endif
