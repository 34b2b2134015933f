/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/link_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

/* A spare batch keeps its memory up to this size. */
enum {
    SPARE_CAP_MAX = 4 * PEER_BATCH_LEN,
    BATCHES_MIN = 8, /* a small queue has smaller batches: dropped one by one */
};

static size_t batch_len_max(const struct link_queue *q);
static struct link_batch *batch_for(struct link_queue *q, enum peer_hop hop,
                                    size_t need, uint64_t now_ms);
static struct link_batch *batch_open(struct link_queue *q, enum peer_hop hop,
                                     enum peer_kind kind, uint64_t now_ms);
static struct link_batch *batch_new(struct link_queue *q, enum peer_hop hop);
static void batch_add(struct link_queue *q, struct link_batch *batch);
static int batch_grew(struct link_queue *q, struct link_batch *batch,
                      size_t old_len);
static void batch_remove_first(struct link_queue *q);
static void batch_release(struct link_queue *q, struct link_batch *batch);
static void batch_free(struct link_batch *batch);
static struct link_batch *gap_at_end(struct link_queue *q, enum peer_hop hop);
static void gap_fence(struct link_queue *q, struct link_batch *gap,
                      struct bytes pairs);
static bool drop_oldest(struct link_queue *q, uint64_t *dropped);
static bool gap_write(struct link_queue *q, struct link_batch *gap);
static size_t item_len(const struct item *item);

static bool is_gap(const struct link_batch *batch)
{
    return batch->from != 0;
}

/* What it counts for in q->len. */
static size_t weight(const struct link_batch *batch)
{
    return is_gap(batch) ? batch->lost.hashes.len + batch->fences.pairs.len
                         : batch->plain.len;
}

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
        batch_remove_first(q);
    }
    batch_free(q->spare);
    q->spare = NULL;
}

void link_queue_start(struct link_queue *q, const struct node_id *dst,
                      uint64_t seq)
{
    while (q->first != NULL) {
        batch_remove_first(q);
    }
    q->head.dst = *dst;
    q->head.seq = seq;
    q->hole = false;
    q->held = 0;
}

uint64_t link_queue_break(struct link_queue *q)
{
    uint64_t dropped = 0;

    q->held = 0;
    if (q->head.lane == PEER_CONTROL) { /* its messages are said anew */
        while (q->first != NULL) {
            batch_remove_first(q);
        }
    }
    while (drop_oldest(q, &dropped)) {
    }
    return dropped;
}

void link_queue_pipe(struct link_queue *q, uint64_t epoch, uint64_t now_ms)
{
    q->head.epoch = epoch;
    link_queue_mark(q, now_ms);
}

int link_queue_item(struct link_queue *q, enum peer_hop hop,
                    const struct item *item, uint64_t now_ms, uint64_t *dropped)
{
    size_t need = item_len(item);
    uint8_t hash[8];

    assert(q->head.lane == PEER_DATA);
    while (q->len + need > q->len_max && drop_oldest(q, dropped)) {
    }
    struct link_batch *batch = batch_for(q, hop, need, now_ms);
    if (batch != NULL) {
        size_t old_len = batch->plain.len;
        item_write(item, &batch->plain);
        if (batch_grew(q, batch, old_len) == 0) {
            batch->items++;
            q->items++;
            return 0;
        }
    }
    bytes_put_u64be(hash, item->hash);
    link_queue_lost(q, hop, bytes_of(hash, sizeof hash));
    return ERR_NOMEM;
}

void link_queue_lost(struct link_queue *q, enum peer_hop hop,
                     struct bytes hashes)
{
    struct link_batch *gap = gap_at_end(q, hop);

    if (gap != NULL) {
        q->len -= weight(gap);
        lost_add_many(&gap->lost, hashes);
        q->len += weight(gap);
    }
}

void link_queue_fence(struct link_queue *q, enum peer_hop hop,
                      struct bytes pairs)
{
    struct link_batch *gap = gap_at_end(q, hop);

    if (gap != NULL) {
        gap_fence(q, gap, pairs);
    }
}

void link_queue_hold(struct link_queue *q, enum peer_hop hop)
{
    (void)gap_at_end(q, hop);
    q->held = q->head.seq;
}

void link_queue_free(struct link_queue *q, struct bytes pairs)
{
    struct link_batch *at = q->first;

    while (q->held != 0 && at != NULL && at->seq < q->held) {
        at = at->next;
    }
    if (q->held != 0 && at != NULL && is_gap(at)) { /* with what it took in */
        gap_fence(q, at, pairs);
    }
    q->held = 0;
}

void link_queue_mark(struct link_queue *q, uint64_t now_ms)
{
    if (q->first == NULL) {
        batch_open(q, PEER_HOP_LAST, PEER_ITEMS, now_ms);
    }
}

void link_queue_probe(struct link_queue *q, uint64_t now_ms)
{
    assert(q->head.lane == PEER_DATA);
    batch_open(q, PEER_HOP_LAST, PEER_PROBE, now_ms);
    q->open = false;
}

void link_queue_end(struct link_queue *q, uint64_t now_ms)
{
    assert(q->head.lane == PEER_DATA);
    /* Without memory nobody is told that all is well: so be it. */
    batch_open(q, PEER_HOP_LAST, PEER_END, now_ms);
    q->open = false;
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

uint64_t link_queue_expire(struct link_queue *q, uint64_t now_ms)
{
    uint64_t dropped = 0;

    while (q->first != NULL) {
        const struct link_batch *oldest = is_gap(q->first) ? q->first->next
                                                           : q->first;
        if (oldest == NULL || oldest->born_ms + q->ms_max >= now_ms ||
            (oldest->items == 0 && oldest == q->last) ||
            !drop_oldest(q, &dropped)) {
            break;
        }
    }
    if (q->hole) {
        batch_open(q, PEER_HOP_LAST, PEER_ITEMS, now_ms);
    }
    return dropped;
}

const struct link_batch *link_queue_first(struct link_queue *q)
{
    assert(q->held == 0);
    if (q->first != NULL && q->first == q->last) {
        q->open = false;
    }
    if (q->first != NULL && is_gap(q->first) && !gap_write(q, q->first)) {
        return NULL;
    }
    return q->first;
}

void link_queue_pop(struct link_queue *q)
{
    batch_remove_first(q);
}

static size_t batch_len_max(const struct link_queue *q)
{
    uint64_t part = q->len_max / BATCHES_MIN;

    return part < PEER_BATCH_LEN ? (size_t)part : PEER_BATCH_LEN;
}

/* The batch that takes `need` more bytes: the open one or a new one. */
static struct link_batch *batch_for(struct link_queue *q, enum peer_hop hop,
                                    size_t need, uint64_t now_ms)
{
    if (q->open && q->head.hop == hop &&
        q->last->plain.len + need <= batch_len_max(q)) {
        if (q->last->items == 0) {
            q->last->born_ms = now_ms;
        }
        return q->last;
    }
    return batch_open(q, hop, PEER_ITEMS, now_ms);
}

static struct link_batch *batch_open(struct link_queue *q, enum peer_hop hop,
                                     enum peer_kind kind, uint64_t now_ms)
{
    struct link_batch *batch = batch_new(q, hop);

    if (batch == NULL) {
        return NULL;
    }
    q->head.kind = (uint8_t)kind;
    batch->born_ms = now_ms;
    peer_batch_write(&q->head, &batch->plain);
    if (batch->plain.failed) {
        batch_free(batch);
        q->hole = true;
        return NULL;
    }
    batch->body_at = batch->plain.len;
    batch_add(q, batch);
    q->open = true;
    return batch;
}

/* Has the next number. NULL: memory is short, and the number left out. */
static struct link_batch *batch_new(struct link_queue *q, enum peer_hop hop)
{
    struct link_batch *batch = q->spare;

    q->spare = NULL;
    if (batch == NULL) {
        batch = calloc(1, sizeof *batch);
    }
    q->head.seq++;
    q->head.hop = (uint8_t)hop;
    q->open = false;
    q->hole = batch == NULL;
    if (batch != NULL) {
        batch->seq = q->head.seq;
        batch->hop = (uint8_t)hop;
    }
    return batch;
}

static void batch_add(struct link_queue *q, struct link_batch *batch)
{
    if (q->last != NULL) {
        q->last->next = batch;
    } else {
        q->first = batch;
    }
    q->last = batch;
    q->len += weight(batch);
}

/* Counts what was appended; takes it back if it did not fit into memory. The
 * batch is then closed. */
static int batch_grew(struct link_queue *q, struct link_batch *batch,
                      size_t old_len)
{
    if (batch->plain.failed) {
        batch->plain.len = old_len;
        batch->plain.failed = false;
        q->open = false;
        return ERR_NOMEM;
    }
    q->len += batch->plain.len - old_len;
    return 0;
}

static void batch_remove_first(struct link_queue *q)
{
    struct link_batch *batch = q->first;

    q->first = batch->next;
    if (q->first == NULL) {
        q->last = NULL;
        q->open = false;
    }
    q->len -= weight(batch);
    q->items -= batch->items;
    batch_release(q, batch);
}

static void batch_release(struct link_queue *q, struct link_batch *batch)
{
    lost_fini(&batch->lost);
    fences_fini(&batch->fences);
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
        lost_fini(&batch->lost);
        fences_fini(&batch->fences);
        buf_fini(&batch->plain);
        free(batch);
    }
}

/* --- gaps --- */

/* The last batch, if it is a gap, or a new one. NULL: memory is short. */
static struct link_batch *gap_at_end(struct link_queue *q, enum peer_hop hop)
{
    struct link_batch *gap = q->last;

    assert(q->head.lane == PEER_DATA);
    if (gap == NULL || !is_gap(gap)) {
        gap = batch_new(q, hop);
        if (gap == NULL) {
            return NULL;
        }
        gap->from = gap->seq;
        batch_add(q, gap);
    }
    if (hop > gap->hop) {
        gap->hop = (uint8_t)hop;
    }
    return gap;
}

static void gap_fence(struct link_queue *q, struct link_batch *gap,
                      struct bytes pairs)
{
    q->len -= weight(gap);
    fences_raise_all(&gap->fences, pairs);
    q->len += weight(gap);
}

/* The topics of a batch, to those of a gap. */
static void note_topics(struct lost *lost, const struct link_batch *batch)
{
    struct bytes rest = bytes_skip(buf_bytes(&batch->plain), batch->body_at);

    while (rest.len > 0) {
        struct item item;
        ptrdiff_t n = item_read(rest, &item);
        if (n <= 0) { /* a relayed one whose sender is newer, or wrong */
            lost_add_many(lost, (struct bytes){0});
            return;
        }
        lost_add(lost, item.hash);
        rest = bytes_skip(rest, (size_t)n);
    }
}

static void become_gap(struct link_queue *q, struct link_batch *batch)
{
    note_topics(&batch->lost, batch);
    q->len -= weight(batch);
    q->items -= batch->items;
    batch->from = batch->seq;
    batch->items = 0;
    buf_reset(&batch->plain);
    q->len += weight(batch);
    q->open = q->open && batch != q->last;
}

/* The second batch, into the gap that is the first. */
static void absorb(struct link_queue *q)
{
    struct link_batch *gap = q->first;
    struct link_batch *batch = gap->next;

    if (!is_gap(batch)) {
        become_gap(q, batch);
    }
    q->len -= weight(gap) + weight(batch);
    if (batch->lost.all || batch->from != gap->seq + 1) { /* a hole between */
        lost_add_many(&gap->lost, (struct bytes){0});
    } else if (batch->lost.hashes.len > 0) {
        lost_add_many(&gap->lost, buf_bytes(&batch->lost.hashes));
    }
    fences_raise_all(&gap->fences, fences_bytes(&batch->fences));
    q->len += weight(gap);
    gap->seq = batch->seq;
    gap->hop = batch->hop > gap->hop ? batch->hop : gap->hop;
    gap->next = batch->next;
    if (q->last == batch) {
        q->last = gap;
    }
    batch_release(q, batch);
}

/* false: there is nothing but a gap. */
static bool drop_oldest(struct link_queue *q, uint64_t *dropped)
{
    uint64_t items = q->items;

    if (q->first == NULL || (is_gap(q->first) && q->first->next == NULL)) {
        return false;
    }
    if (is_gap(q->first)) {
        absorb(q);
    } else {
        become_gap(q, q->first);
    }
    while (q->first->next != NULL && is_gap(q->first->next)) {
        absorb(q);
    }
    *dropped += items - q->items;
    return true;
}

/* false: memory is short. */
static bool gap_write(struct link_queue *q, struct link_batch *gap)
{
    struct peer_batch head = q->head;

    head.seq = gap->seq;
    head.hop = gap->hop;
    head.kind = PEER_LOST;
    q->len -= weight(gap);
    struct peer_gap body = {.from = gap->from,
                            .hashes = lost_hashes(&gap->lost),
                            .all = gap->lost.all,
                            .fences = fences_bytes(&gap->fences)};
    q->len += weight(gap);
    buf_reset(&gap->plain);
    peer_batch_write(&head, &gap->plain);
    peer_gap_write(&body, &gap->plain);
    return !gap->plain.failed;
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
        len += weight(b);
        items += b->items;
        assert(is_gap(b) ? b->from <= b->seq && b->items == 0
                         : b->lost.hashes.len + b->fences.pairs.len == 0);
        /* Nothing between two batches that wait but what is a hole. */
        assert(last == NULL || last->seq < (is_gap(b) ? b->from : b->seq));
        last = b;
    }
    assert(last == q->last);
    assert(last == NULL || last->seq <= q->head.seq);
    assert(len == q->len && items == q->items);
    assert(!q->open || (q->last != NULL && !is_gap(q->last)));
    assert(q->spare == NULL || q->spare->next == NULL);
}
