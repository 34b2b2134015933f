/* SPDX-License-Identifier: Apache-2.0 */
#include "node/link_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

/* A spare batch keeps its memory up to this size. */
enum {
    SPARE_CAP_MAX = 4 * PEER_BATCH_LEN
};

static struct link_batch *batch_for(struct link_queue *q, enum peer_hop hop,
                                    size_t need, uint64_t now_ms);
static struct link_batch *batch_open(struct link_queue *q, enum peer_hop hop,
                                     uint64_t now_ms);
static int batch_grew(struct link_queue *q, struct link_batch *batch,
                      size_t old_len);
static void batch_release(struct link_queue *q, struct link_batch *batch);
static void batch_free(struct link_batch *batch);
static uint64_t drop_first(struct link_queue *q);
static size_t item_len(const struct item *item);

void link_queue_init(struct link_queue *q, enum peer_lane lane,
                     const struct node_id *src, uint64_t len_max,
                     uint64_t ms_max)
{
    *q = (struct link_queue){
        .head = {.src = *src,
                 .version = PEER_VERSION,
                 .least = PEER_VERSION_MIN,
                 .lane = (uint8_t)lane},
        .len_max = len_max,
        .ms_max = ms_max,
    };
}

void link_queue_fini(struct link_queue *q)
{
    while (q->first != NULL) {
        drop_first(q);
    }
    batch_free(q->spare);
    q->spare = NULL;
}

uint64_t link_queue_start(struct link_queue *q, const struct node_id *dst,
                          uint64_t epoch)
{
    uint64_t dropped = 0;

    while (q->first != NULL) {
        dropped += drop_first(q);
    }
    q->head.dst = *dst;
    q->head.epoch = epoch;
    q->head.seq = 0;
    return dropped;
}

int link_queue_item(struct link_queue *q, enum peer_hop hop,
                    const struct item *item, uint64_t now_ms, uint64_t *dropped)
{
    size_t need = item_len(item);

    assert(q->head.lane == PEER_DATA);
    while (q->first != NULL && q->len + need > q->len_max) {
        *dropped += drop_first(q);
    }
    struct link_batch *batch = batch_for(q, hop, need, now_ms);
    if (batch == NULL) {
        return ERR_NOMEM;
    }
    size_t old_len = batch->plain.len;
    item_write(item, &batch->plain);
    int rc = batch_grew(q, batch, old_len);
    if (rc == 0) {
        batch->items++;
        q->items++;
    }
    return rc;
}

int link_queue_message(struct link_queue *q, struct bytes message,
                       uint64_t now_ms)
{
    assert(q->head.lane == PEER_CONTROL);
    if (q->first != NULL && q->len + message.len > q->len_max) {
        return ERR_LIMIT;
    }
    struct link_batch *batch = batch_for(q, PEER_HOP_LAST, message.len, now_ms);
    if (batch == NULL) {
        return ERR_NOMEM;
    }
    size_t old_len = batch->plain.len;
    buf_add_bytes(&batch->plain, message);
    return batch_grew(q, batch, old_len);
}

void link_queue_mark(struct link_queue *q, uint64_t now_ms)
{
    /* Without memory the next batch shows the hole as well. */
    batch_open(q, PEER_HOP_LAST, now_ms);
}

uint64_t link_queue_expire(struct link_queue *q, uint64_t now_ms)
{
    uint64_t dropped = 0;

    while (q->first != NULL && q->first->born_ms + q->ms_max < now_ms &&
           (q->first->items > 0 || q->first != q->last)) {
        dropped += drop_first(q);
    }
    if (dropped > 0 && q->first == NULL) {
        link_queue_mark(q, now_ms);
    }
    return dropped;
}

const struct link_batch *link_queue_first(struct link_queue *q)
{
    if (q->first != NULL && q->first == q->last) {
        q->open = false;
    }
    return q->first;
}

void link_queue_pop(struct link_queue *q)
{
    drop_first(q);
}

/* The batch that takes `need` more bytes: the open one or a new one. */
static struct link_batch *batch_for(struct link_queue *q, enum peer_hop hop,
                                    size_t need, uint64_t now_ms)
{
    if (q->open && q->head.hop == hop &&
        q->last->plain.len + need <= PEER_BATCH_LEN) {
        if (q->last->items == 0) {
            q->last->born_ms = now_ms;
        }
        return q->last;
    }
    return batch_open(q, hop, now_ms);
}

static struct link_batch *batch_open(struct link_queue *q, enum peer_hop hop,
                                     uint64_t now_ms)
{
    struct link_batch *batch = q->spare;

    q->spare = NULL;
    if (batch == NULL) {
        batch = calloc(1, sizeof *batch);
    }
    q->head.seq++;
    q->head.hop = (uint8_t)hop;
    if (batch == NULL) {
        q->open = false;
        return NULL;
    }
    batch->born_ms = now_ms;
    peer_batch_write(&q->head, &batch->plain);
    if (batch->plain.failed) {
        q->open = false;
        batch_free(batch);
        return NULL;
    }
    if (q->last != NULL) {
        q->last->next = batch;
    } else {
        q->first = batch;
    }
    q->last = batch;
    q->open = true;
    q->len += batch->plain.len;
    return batch;
}

/* Counts what was appended; takes it back if it did not fit into memory. The
 * batch is then closed: the next one has a number that shows the hole. */
static int batch_grew(struct link_queue *q, struct link_batch *batch,
                      size_t old_len)
{
    if (batch->plain.failed) {
        batch->plain.len = old_len;
        batch->plain.failed = false;
        q->head.seq++;
        q->open = false;
        return ERR_NOMEM;
    }
    q->len += batch->plain.len - old_len;
    return 0;
}

static uint64_t drop_first(struct link_queue *q)
{
    struct link_batch *batch = q->first;
    uint64_t items = batch->items;

    q->first = batch->next;
    if (q->first == NULL) {
        q->last = NULL;
        q->open = false;
    }
    q->len -= batch->plain.len;
    q->items -= items;
    batch_release(q, batch);
    return items;
}

static void batch_release(struct link_queue *q, struct link_batch *batch)
{
    if (q->spare != NULL || batch->plain.cap > SPARE_CAP_MAX) {
        batch_free(batch);
        return;
    }
    buf_reset(&batch->plain);
    *batch = (struct link_batch){.plain = batch->plain};
    q->spare = batch;
}

static void batch_free(struct link_batch *batch)
{
    if (batch != NULL) {
        buf_fini(&batch->plain);
        free(batch);
    }
}

/* At least what item_write() appends. */
static size_t item_len(const struct item *item)
{
    if (item->wire.len > 0) {
        return item->wire.len;
    }
    return item->cache.len + item->topic.len + item->value.len +
           item->publisher.len + item->attrs.len + ITEM_OVERHEAD_MAX;
}

void link_queue_check(const struct link_queue *q)
{
    const struct link_batch *last = NULL;
    uint64_t len = 0;
    uint64_t items = 0;

    for (const struct link_batch *b = q->first; b != NULL; b = b->next) {
        len += b->plain.len;
        items += b->items;
        last = b;
    }
    assert(last == q->last);
    assert(len == q->len && items == q->items);
    assert(!q->open || q->last != NULL);
    assert(q->spare == NULL || q->spare->next == NULL);
}
