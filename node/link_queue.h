/* SPDX-License-Identifier: Apache-2.0
 *
 * What waits on one lane for one peer: batches, oldest first, the last one
 * open for more.
 *
 *   first -> [header | record record ...] -> ... -> last (open)
 *
 * A batch is closed at PEER_BATCH_LEN, or when it is taken; a record larger
 * than that has a batch of its own. Batches are numbered when they are opened:
 * a dropped one leaves a hole in the numbers, by which the peer learns in the
 * right place that something is missing. If dropping empties the queue, an
 * empty batch follows for the same reason.
 *
 * Bounds: len_max bytes and ms_max of age; the oldest batches are dropped. An
 * empty queue takes any record. The control lane is not dropped from: there a
 * full queue is an error and the link is cut.
 *
 * Nothing here knows sockets or a clock.
 */
#ifndef NODE_LINK_QUEUE_H
#define NODE_LINK_QUEUE_H

#include "proto/peer.h"

struct link_batch {
    struct link_batch *next;
    struct buf plain; /* header and body */
    uint64_t born_ms; /* when its first record came */
    uint32_t items;
};

struct link_queue {
    struct peer_batch head; /* of the newest batch; seq counts */
    uint64_t len_max;
    uint64_t ms_max;
    struct link_batch *first;
    struct link_batch *last;
    bool open;                /* last takes more records */
    uint64_t len;             /* bytes of all batches */
    uint64_t items;           /* in all batches */
    struct link_batch *spare; /* kept for the next one, may be NULL */
};

void link_queue_init(struct link_queue *q, enum peer_lane lane,
                     const struct node_id *src, uint64_t len_max,
                     uint64_t ms_max);
void link_queue_fini(struct link_queue *q);

/* A new life of the link: drops all (returns how many items), numbers from 1.
 */
uint64_t link_queue_start(struct link_queue *q, const struct node_id *dst,
                          uint64_t epoch);

/* Appends an item; *dropped grows by the items that made room. Errors:
 * ERR_NOMEM: the item is lost, and the numbers have a hole. */
int link_queue_item(struct link_queue *q, enum peer_hop hop,
                    const struct item *item, uint64_t now_ms,
                    uint64_t *dropped);

/* Appends a control message. Errors: ERR_NOMEM, ERR_LIMIT: cut the link. */
int link_queue_message(struct link_queue *q, struct bytes message,
                       uint64_t now_ms);

/* Appends an empty batch: says "nothing more came before this". */
void link_queue_mark(struct link_queue *q, uint64_t now_ms);

/* Drops the batches that are too old; returns how many items. */
uint64_t link_queue_expire(struct link_queue *q, uint64_t now_ms);

/* True when a batch waits that will not grow any more. */
static inline bool link_queue_has_closed(const struct link_queue *q)
{
    return q->first != NULL && (q->first != q->last || !q->open);
}
static inline bool link_queue_is_empty(const struct link_queue *q)
{
    return q->first == NULL;
}

/* The oldest batch, closed now, borrowed until link_queue_pop(); NULL: none. */
const struct link_batch *link_queue_first(struct link_queue *q);
void link_queue_pop(struct link_queue *q);

void link_queue_check(const struct link_queue *q);

#endif
