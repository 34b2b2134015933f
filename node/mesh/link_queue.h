/* SPDX-License-Identifier: Apache-2.0
 *
 * What waits on one lane for one peer: batches, oldest first, the last one
 * open for more.
 *
 *   first -> [header | record record ...] -> ... -> last (open)
 *
 * A batch is closed at PEER_BATCH_LEN, or when it is taken; a record larger
 * than that has a batch of its own. Batches are numbered when they are opened,
 * over all pipes to the peer.
 *
 * Bounds: len_max bytes and ms_max of age. On the data lane the oldest batches
 * are dropped, and a *gap* takes their place: one batch with their numbers and
 * the topics that were in them. It is merged with what is dropped behind it,
 * never dropped itself, and leaves in its turn, so the peer learns between the
 * right items what is missing:
 *
 *   5 6 7 8   ->   [5..6 lost: topics] 7 8
 *
 * The same gap carries fences (cluster/fence.h). A lane that is *held* lets
 * nothing go; where that began, a gap stands that may yet become a fence.
 *
 * Where memory is short even for that, a number is left out: the peer sees a
 * hole and takes it for all topics. An empty queue takes any record. The
 * control lane is not dropped from: there a full queue is an error and the link
 * is cut.
 *
 * Nothing here knows sockets or a clock.
 */
#ifndef NODE_LINK_QUEUE_H
#define NODE_LINK_QUEUE_H

#include "cluster/fence.h"
#include "node/mesh/lost.h"
#include "proto/peer.h"

struct link_batch {
    struct link_batch *next;
    struct buf plain; /* header and body; of a gap when it is taken */
    size_t body_at;
    uint64_t seq;
    uint64_t from;    /* of a gap: its first number; else 0 */
    uint64_t born_ms; /* when its first record came */
    uint32_t items;
    uint8_t hop;
    struct lost lost;     /* of a gap */
    struct fences fences; /* likewise */
};

struct link_queue {
    struct peer_batch head; /* of the newest batch; seq counts */
    uint64_t len_max;
    uint64_t ms_max;
    struct link_batch *first;
    struct link_batch *last;
    bool open;                /* last takes more records */
    bool hole;                /* a number was left out, and none follows yet */
    uint64_t held;            /* nothing leaves since this number; 0: it does */
    uint64_t len;             /* bytes of all batches */
    uint64_t items;           /* in all batches */
    struct link_batch *spare; /* kept for the next one, may be NULL */
};

void link_queue_init(struct link_queue *q, enum peer_lane lane,
                     const struct node_id *src, uint64_t len_max,
                     uint64_t ms_max);
void link_queue_fini(struct link_queue *q);

/* Another peer, or the same one after it was given up: forgets all and numbers
 * from seq + 1. */
void link_queue_start(struct link_queue *q, const struct node_id *dst,
                      uint64_t seq);
/* The pipe broke: what waits is dropped, into a gap. Returns how many items. */
uint64_t link_queue_break(struct link_queue *q);
/* Another pipe stands. The first batch on it, if need be an empty one, shows
 * whether something was lost with the last one. */
void link_queue_pipe(struct link_queue *q, uint64_t epoch, uint64_t now_ms);

/* Appends an item; *dropped grows by the items that made room. Errors:
 * ERR_NOMEM: the item is lost, and a gap or a hole stands for it. */
int link_queue_item(struct link_queue *q, enum peer_hop hop,
                    const struct item *item, uint64_t now_ms,
                    uint64_t *dropped);
/* Appends a gap: items of these topics (8 bytes each; none = all) are missing
 * here. */
void link_queue_lost(struct link_queue *q, enum peer_hop hop,
                     struct bytes hashes);
/* Appends a gap in which nothing is missing, but what these fences void. */
void link_queue_fence(struct link_queue *q, enum peer_hop hop,
                      struct bytes pairs);
/* Appends an empty batch, unless one waits anyway. */
void link_queue_mark(struct link_queue *q, uint64_t now_ms);
/* Appends a probe. */
void link_queue_probe(struct link_queue *q, uint64_t now_ms);
/* Appends the end. */
void link_queue_end(struct link_queue *q, uint64_t now_ms);

/* Holds the lane, and lets it go again: with these fences, if any, where it was
 * held. A pipe that breaks meanwhile lets it go, too. */
void link_queue_hold(struct link_queue *q, enum peer_hop hop);
void link_queue_free(struct link_queue *q, struct bytes pairs);

/* Appends a control message. Errors: ERR_NOMEM, ERR_LIMIT: cut the link. */
int link_queue_message(struct link_queue *q, struct bytes message,
                       uint64_t now_ms);

/* Drops the batches that are too old; returns how many items. Call it also
 * after ERR_NOMEM, until it shows (see `hole`). */
uint64_t link_queue_expire(struct link_queue *q, uint64_t now_ms);

/* True when a batch waits that will not grow any more. */
static inline bool link_queue_has_closed(const struct link_queue *q)
{
    return q->first != NULL && (q->first != q->last || !q->open);
}
/* True when nothing is to be taken. */
static inline bool link_queue_is_held(const struct link_queue *q)
{
    return q->held != 0;
}
static inline bool link_queue_is_empty(const struct link_queue *q)
{
    return q->first == NULL;
}

/* True when nothing waits but a gap: more may be merged with it. */
static inline bool link_queue_is_gap(const struct link_queue *q)
{
    return q->first != NULL && q->first == q->last && q->first->from != 0;
}

/* The oldest batch, closed now, borrowed until link_queue_pop(); NULL: none, or
 * memory is short. */
const struct link_batch *link_queue_first(struct link_queue *q);
void link_queue_pop(struct link_queue *q);

void link_queue_check(const struct link_queue *q);

#endif
