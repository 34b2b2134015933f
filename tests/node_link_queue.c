/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/mesh/link_queue.h"
#include "proto/err.h"
#include "tests/fail_malloc.h"

enum {
    LEN_MAX = 600 << 10,
    MS_MAX = 2000
};

static const struct node_id src = {.b = {1}};
static const struct node_id dst = {.b = {2}};

static void start(struct link_queue *q, enum peer_lane lane)
{
    link_queue_init(q, lane, &src, LEN_MAX, MS_MAX);
    link_queue_start(q, &dst, 0);
    q->head.epoch = 7;
}

static uint64_t topic = 1; /* hash of the items that follow */

/* Adds an item with a value of len bytes; returns what was dropped for it. */
static uint64_t add(struct link_queue *q, enum peer_hop hop, size_t len,
                    uint64_t now_ms)
{
    static uint8_t value[1 << 20];
    struct item item = {.cache = BYTES("c"),
                        .topic = BYTES("t"),
                        .value = bytes_of(value, len),
                        .flags = ITEM_BINARY,
                        .hash = topic,
                        .origin = 1,
                        .count = 1};
    uint64_t dropped = 0;

    assert_int_equal(link_queue_item(q, hop, &item, now_ms, &dropped), 0);
    link_queue_check(q);
    return dropped;
}

/* Takes the oldest batch; returns its header and counts its items. */
static struct peer_batch take(struct link_queue *q, size_t *items)
{
    const struct link_batch *batch = link_queue_first(q);
    struct peer_batch head = {0};

    assert_non_null(batch);
    struct bytes rest = buf_bytes(&batch->plain);
    ptrdiff_t n = peer_batch_read(rest, &head);
    assert_true(n > 0);
    rest = bytes_skip(rest, (size_t)n);
    for (*items = 0; rest.len > 0; ++*items) {
        struct item item;
        n = item_read(rest, &item);
        assert_true(n > 0);
        rest = bytes_skip(rest, (size_t)n);
    }
    assert_int_equal(batch->items, *items);
    link_queue_pop(q);
    link_queue_check(q);
    return head;
}

static void take_fence(struct link_queue *q, uint64_t from, uint64_t to,
                       const uint64_t *hashes, size_t len, struct bytes fences);

/* Takes the oldest batch, which must be a gap of the numbers from..to with
 * these hashes; none: all. */
static void take_gap(struct link_queue *q, uint64_t from, uint64_t to,
                     const uint64_t *hashes, size_t len)
{
    take_fence(q, from, to, hashes, len, (struct bytes){0});
}

/* The same, with these fences in it. */
static void take_fence(struct link_queue *q, uint64_t from, uint64_t to,
                       const uint64_t *hashes, size_t len, struct bytes fences)
{
    const struct link_batch *batch = link_queue_first(q);
    struct peer_batch head = {0};
    struct peer_gap gap;

    assert_non_null(batch);
    struct bytes rest = buf_bytes(&batch->plain);
    ptrdiff_t n = peer_batch_read(rest, &head);
    assert_true(n > 0);
    assert_int_equal(head.kind, PEER_LOST);
    rest = bytes_skip(rest, (size_t)n);
    assert_int_equal(peer_gap_read(rest, &gap), rest.len);
    assert_int_equal(gap.from, from);
    assert_int_equal(head.seq, to);
    assert_int_equal(head.epoch, q->head.epoch);
    assert_int_equal(gap.all, hashes == NULL);
    assert_int_equal(gap.hashes.len, 8 * len);
    assert_true(bytes_eq(gap.fences, fences));
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(bytes_u64be(gap.hashes.p + 8 * i), hashes[i]);
    }
    link_queue_pop(q);
    link_queue_check(q);
}

static const uint64_t one[] = {1};

static void items_share_a_batch_until_it_is_taken(void **state)
{
    struct link_queue q;
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    assert_null(link_queue_first(&q));
    for (int i = 0; i < 5; i++) {
        add(&q, PEER_HOP_LAST, 100, 0);
    }
    assert_false(link_queue_has_closed(&q));
    struct peer_batch head = take(&q, &items);
    assert_int_equal(items, 5);
    assert_int_equal(head.seq, 1);
    assert_int_equal(head.epoch, 7);
    assert_int_equal(head.lane, PEER_DATA);
    assert_int_equal(head.hop, PEER_HOP_LAST);
    assert_int_equal(head.version, PEER_VERSION);
    assert_int_equal(head.least, PEER_VERSION_MIN);
    assert_true(node_id_eq(&head.src, &src));
    assert_true(node_id_eq(&head.dst, &dst));
    assert_true(link_queue_is_empty(&q));
    add(&q, PEER_HOP_LAST, 100, 0);
    assert_int_equal(take(&q, &items).seq, 2);
    link_queue_fini(&q);
}

static void a_batch_that_was_looked_at_takes_no_more(void **state)
{
    struct link_queue q;
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 100, 0);
    assert_non_null(link_queue_first(&q));
    add(&q, PEER_HOP_LAST, 100, 0);
    assert_int_equal(take(&q, &items).seq, 1);
    assert_int_equal(items, 1);
    assert_int_equal(take(&q, &items).seq, 2);
    assert_int_equal(items, 1);
    link_queue_fini(&q);
}

static void batches_close_at_their_size(void **state)
{
    struct link_queue q;
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, PEER_BATCH_LEN / 2, 0);
    add(&q, PEER_HOP_LAST, PEER_BATCH_LEN / 4, 0);
    assert_false(link_queue_has_closed(&q));
    add(&q, PEER_HOP_LAST, PEER_BATCH_LEN / 2, 0);
    assert_true(link_queue_has_closed(&q));
    add(&q, PEER_HOP_LAST, 3 * PEER_BATCH_LEN, 0); /* alone in its batch */
    add(&q, PEER_HOP_LAST, 1, 0);
    assert_int_equal((take(&q, &items), items), 2);
    assert_int_equal((take(&q, &items), items), 1);
    assert_int_equal((take(&q, &items), items), 1);
    assert_int_equal(take(&q, &items).seq, 4);
    link_queue_fini(&q);
}

static void another_hop_is_another_batch(void **state)
{
    struct link_queue q;
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 10, 0);
    add(&q, PEER_HOP_INGRESS, 10, 0);
    assert_int_equal(take(&q, &items).hop, PEER_HOP_LAST);
    assert_int_equal(take(&q, &items).hop, PEER_HOP_INGRESS);
    link_queue_fini(&q);
}

static void the_oldest_make_room_and_a_gap_takes_their_place(void **state)
{
    struct link_queue q;
    uint64_t dropped = 0;
    uint64_t added = 0;
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    while (dropped == 0) {
        dropped = add(&q, PEER_HOP_LAST, 1000, 0);
        added++;
        assert_true(q.len <= LEN_MAX);
    }
    assert_in_range(added, LEN_MAX / 1100, LEN_MAX / 1000);
    assert_int_equal(q.items, added - dropped);
    take_gap(&q, 1, 1, one, 1);
    assert_int_equal(take(&q, &items).seq, 2);
    /* An empty queue takes any item: it is emptied for a huge one. */
    uint64_t left = q.items;
    uint64_t newest = q.head.seq;
    assert_int_equal(add(&q, PEER_HOP_LAST, 1 << 20, 0), left);
    assert_int_equal(q.items, 1);
    take_gap(&q, 3, newest, one, 1);
    assert_int_equal(take(&q, &items).seq, newest + 1);
    assert_int_equal(items, 1);
    link_queue_fini(&q);
}

/* Whatever is dropped behind a gap that waits is merged into it, until it
 * leaves. */
static void
a_gap_names_each_topic_once_and_stays_between_its_items(void **state)
{
    static const uint64_t want[] = {2, 5, 9};
    struct link_queue q;
    uint64_t dropped = 0;
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    for (size_t i = 0; i < 6; i++) {
        topic = want[(i + 1) % 3];
        add(&q, PEER_HOP_LAST, 40000, 100 * i); /* one a batch */
    }
    dropped = link_queue_expire(&q, MS_MAX + 400);
    assert_int_equal(dropped, 4);
    topic = 7;
    add(&q, PEER_HOP_INGRESS, 1000, 600);
    take_gap(&q, 1, 4, want, 3);
    assert_int_equal(take(&q, &items).seq, 5);
    /* Another one, for what is dropped after the first has left. */
    assert_int_equal(link_queue_expire(&q, MS_MAX + 601), 2);
    topic = 1;
    add(&q, PEER_HOP_LAST, 1000, MS_MAX + 601);
    const struct link_batch *batch = link_queue_first(&q);
    struct peer_batch head;
    assert_true(peer_batch_read(buf_bytes(&batch->plain), &head) > 0);
    assert_int_equal(head.hop, PEER_HOP_INGRESS); /* the widest of them */
    take_gap(&q, 6, 7, (const uint64_t[]){2, 7}, 2);
    assert_int_equal(take(&q, &items).seq, 8);
    link_queue_fini(&q);
}

static void too_many_topics_are_all_topics(void **state)
{
    (void)state;

    for (uint64_t more = 0; more < 2; more++) {
        struct link_queue q;
        uint64_t *hashes = calloc(PEER_GAP_HASHES_MAX + 1, sizeof *hashes);
        start(&q, PEER_DATA);
        for (uint64_t i = 0; i < 3 * (PEER_GAP_HASHES_MAX + more); i++) {
            topic = 1 + i % (PEER_GAP_HASHES_MAX + more);
            add(&q, PEER_HOP_LAST, 1, 0);
            hashes[topic - 1] = topic;
        }
        link_queue_expire(&q, MS_MAX + 1);
        take_gap(&q, 1, q.head.seq, more == 0 ? hashes : NULL,
                 more == 0 ? PEER_GAP_HASHES_MAX : 0);
        assert_true(link_queue_is_empty(&q));
        free(hashes);
        link_queue_fini(&q);
    }
    topic = 1;
}

static void marks_and_the_end_are_in_their_place(void **state)
{
    struct link_queue q;
    size_t items;
    uint8_t hashes[16] = {[7] = 4, [15] = 3};
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_lost(&q, PEER_HOP_LAST, bytes_of(hashes, 16));
    link_queue_lost(&q, PEER_HOP_LAST, bytes_of(hashes, 8)); /* merged */
    link_queue_check(&q);
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_lost(&q, PEER_HOP_LAST, bytes_of(NULL, 0));
    link_queue_lost(&q, PEER_HOP_LAST, bytes_of(hashes, 8));
    link_queue_end(&q, 0);
    link_queue_check(&q);
    add(&q, PEER_HOP_LAST, 100, 0); /* behind the end: another batch */
    assert_int_equal(take(&q, &items).seq, 1);
    take_gap(&q, 2, 2, (const uint64_t[]){3, 4}, 2);
    assert_int_equal(take(&q, &items).seq, 3);
    take_gap(&q, 4, 4, NULL, 0);
    assert_int_equal(take(&q, &items).kind, PEER_END);
    assert_int_equal(items, 0);
    struct peer_batch head = take(&q, &items);
    assert_int_equal(head.kind, PEER_ITEMS);
    assert_int_equal(head.seq, 6);
    link_queue_fini(&q);
}

static struct bytes fence(uint8_t pair[PEER_NUMBER_LEN], uint64_t count)
{
    fence_put(pair, 77, count);
    return bytes_of(pair, PEER_NUMBER_LEN);
}

/* Where it stands nothing need be missing; one that is dropped stays with what
 * is. */
static void a_fence_keeps_its_place_in_a_gap(void **state)
{
    struct link_queue q;
    uint8_t one_fence[PEER_NUMBER_LEN];
    size_t items;
    uint64_t dropped = 0;
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_fence(&q, PEER_HOP_LAST, fence(one_fence, 5));
    link_queue_fence(&q, PEER_HOP_LAST, fence(one_fence, 4)); /* merged */
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_check(&q);
    assert_int_equal(take(&q, &items).seq, 1);
    take_fence(&q, 2, 2, one, 0, fence(one_fence, 5));
    link_queue_fence(&q, PEER_HOP_LAST, fence(one_fence, 9));
    link_queue_check(&q);
    dropped = link_queue_break(&q);
    assert_int_equal(dropped, 1);
    link_queue_check(&q);
    take_fence(&q, 3, 4, one, 1, fence(one_fence, 9));
    link_queue_fini(&q);
}

/* With a fence where it was held, or with nothing there. */
static void a_held_lane_is_let_go(void **state)
{
    uint8_t one_fence[PEER_NUMBER_LEN];
    (void)state;

    for (int fenced = 0; fenced < 2; fenced++) {
        struct bytes pairs = fenced ? fence(one_fence, 5) : (struct bytes){0};
        struct link_queue q;
        size_t items;
        start(&q, PEER_DATA);
        add(&q, PEER_HOP_LAST, 100, 0);
        assert_false(link_queue_is_held(&q));
        link_queue_hold(&q, PEER_HOP_LAST);
        add(&q, PEER_HOP_LAST, 100, 0);
        link_queue_end(&q, 0);
        assert_true(link_queue_is_held(&q));
        link_queue_free(&q, pairs);
        assert_false(link_queue_is_held(&q));
        assert_int_equal(take(&q, &items).seq, 1);
        take_fence(&q, 2, 2, one, 0, pairs);
        assert_int_equal(take(&q, &items).seq, 3);
        assert_int_equal(take(&q, &items).kind, PEER_END);
        link_queue_fini(&q);
    }
}

/* The place may be in a gap by then, and a pipe that breaks lets go itself. */
static void
what_grows_too_old_in_a_held_lane_is_told_with_its_fence(void **state)
{
    struct link_queue q;
    uint8_t one_fence[PEER_NUMBER_LEN];
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_hold(&q, PEER_HOP_LAST);
    add(&q, PEER_HOP_LAST, 100, MS_MAX);
    assert_int_equal(link_queue_expire(&q, MS_MAX + 1), 1);
    link_queue_check(&q);
    link_queue_free(&q, fence(one_fence, 5));
    take_fence(&q, 1, 2, one, 1, fence(one_fence, 5));
    assert_int_equal(take(&q, &items).seq, 3);
    link_queue_hold(&q, PEER_HOP_LAST);
    link_queue_break(&q);
    assert_false(link_queue_is_held(&q));
    link_queue_free(&q, fence(one_fence, 6)); /* its next pipe is told */
    take_fence(&q, 4, 4, one, 0, (struct bytes){0});
    link_queue_fini(&q);
}

static void a_probe_has_a_batch_of_its_own(void **state)
{
    struct link_queue q;
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_probe(&q, 0);
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_check(&q);
    assert_int_equal(take(&q, &items).kind, PEER_ITEMS);
    assert_int_equal(take(&q, &items).kind, PEER_PROBE);
    assert_int_equal(items, 0);
    assert_int_equal(take(&q, &items).kind, PEER_ITEMS);
    link_queue_fini(&q);
}

static void a_dropped_mark_is_part_of_the_gap(void **state)
{
    struct link_queue q;
    uint8_t hash[8] = {[7] = 200};
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_lost(&q, PEER_HOP_LAST, bytes_of(hash, 8));
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_end(&q, 0);
    assert_int_equal(link_queue_break(&q), 2);
    take_gap(&q, 1, 4, (const uint64_t[]){1, 200}, 2);
    assert_true(link_queue_is_empty(&q));
    link_queue_fini(&q);
}

static void the_old_are_dropped_and_told(void **state)
{
    struct link_queue q;
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 100, 1000);
    link_queue_first(&q);
    add(&q, PEER_HOP_LAST, 100, 1500);
    assert_int_equal(link_queue_expire(&q, 1000 + MS_MAX), 0);
    assert_int_equal(link_queue_expire(&q, 1001 + MS_MAX), 1);
    assert_int_equal(q.items, 1);
    assert_int_equal(link_queue_expire(&q, 9000), 1);
    assert_int_equal(link_queue_expire(&q, 90000), 0);
    link_queue_check(&q);
    take_gap(&q, 1, 2, one, 1);
    link_queue_fini(&q);
}

/* What waits when the pipe breaks is told on the next one; numbers go on, so
 * that the peer sees whether anything else is missing. */
static void another_pipe_begins_with_what_the_last_one_lost(void **state)
{
    struct link_queue q;
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 100, 0);
    take(&q, &items);
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_first(&q);
    add(&q, PEER_HOP_LAST, 100, 0);
    assert_int_equal(link_queue_break(&q), 2);
    link_queue_check(&q);
    link_queue_pipe(&q, 9, 0);
    take_gap(&q, 2, 3, one, 1);
    add(&q, PEER_HOP_LAST, 100, 0);
    struct peer_batch head = take(&q, &items);
    assert_int_equal(head.epoch, 9);
    assert_int_equal(head.seq, 4);
    /* Nothing waited: an empty batch. */
    assert_int_equal(link_queue_break(&q), 0);
    link_queue_pipe(&q, 10, 0);
    head = take(&q, &items);
    assert_int_equal(head.epoch, 10);
    assert_int_equal(head.seq, 5);
    assert_int_equal(head.kind, PEER_ITEMS);
    assert_int_equal(items, 0);
    /* It waits itself as that pipe breaks: a number, and no topic. */
    link_queue_pipe(&q, 11, 0);
    assert_int_equal(link_queue_break(&q), 0);
    link_queue_pipe(&q, 12, 0);
    take_gap(&q, 6, 6, one, 0);
    link_queue_fini(&q);
}

static void another_peer_gets_nothing_of_the_last_one(void **state)
{
    struct link_queue q;
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_lost(&q, PEER_HOP_LAST, bytes_of(NULL, 0));
    link_queue_start(&q, &src, 100);
    link_queue_check(&q);
    assert_true(link_queue_is_empty(&q));
    add(&q, PEER_HOP_LAST, 100, 0);
    struct peer_batch head = take(&q, &items);
    assert_int_equal(head.seq, 101);
    assert_true(node_id_eq(&head.dst, &src));
    link_queue_fini(&q);
}

/* Each allocation fails in turn: the item is in the queue, in a gap, or a hole
 * stands for it that something follows. */
static void short_memory_loses_no_loss(void **state)
{
    bool hit = true;
    size_t gaps = 0;
    size_t holes = 0;
    (void)state;

    for (long n = 0; hit; n++) {
        static uint8_t value[30 << 10];
        struct link_queue q;
        size_t kept = 0;
        uint64_t seen = 0;
        uint64_t dropped = 0;
        bool told = false;
        start(&q, PEER_DATA);
        fail_malloc(n);
        for (uint64_t i = 0; i < 20; i++) {
            struct item item = {.cache = BYTES("c"),
                                .topic = BYTES("t"),
                                .hash = 1 + i % 3,
                                .value = bytes_of(value, sizeof value),
                                .flags = ITEM_BINARY};
            link_queue_item(&q, PEER_HOP_LAST, &item, 0, &dropped);
        }
        hit = fail_malloc_hit;
        fail_malloc(-1);
        link_queue_check(&q);
        link_queue_expire(&q, 1);
        for (const struct link_batch *batch;
             (batch = link_queue_first(&q)) != NULL; link_queue_pop(&q)) {
            struct peer_batch head;
            struct bytes rest = buf_bytes(&batch->plain);
            struct peer_gap gap = {.from = batch->seq};
            ptrdiff_t at = peer_batch_read(rest, &head);
            assert_true(at > 0);
            rest = bytes_skip(rest, (size_t)at);
            if (head.kind == PEER_LOST) {
                assert_true(peer_gap_read(rest, &gap) > 0);
                gaps++;
                told = told || gap.all || gap.hashes.len > 0;
            }
            holes += gap.from > seen + 1;
            told = told || gap.from > seen + 1;
            seen = head.seq;
            kept += batch->items;
        }
        assert_int_equal(seen, q.head.seq);
        assert_true(kept == 20 || told);
        link_queue_fini(&q);
    }
    assert_true(gaps > 0);
    assert_true(holes > 0);
}

static void control_is_bounded_but_never_dropped(void **state)
{
    static uint8_t message[200 << 10];
    struct link_queue q;
    (void)state;

    start(&q, PEER_CONTROL);
    struct bytes bytes = bytes_of(message, sizeof message);
    assert_int_equal(link_queue_message(&q, bytes, 0), 0);
    assert_int_equal(link_queue_message(&q, bytes, 0), 0);
    assert_int_equal(link_queue_message(&q, bytes, 0), ERR_LIMIT);
    link_queue_check(&q);
    assert_int_equal(link_queue_message(&q, BYTES("small"), 0), 0);
    link_queue_check(&q);
    link_queue_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_share_a_batch_until_it_is_taken),
        cmocka_unit_test(a_batch_that_was_looked_at_takes_no_more),
        cmocka_unit_test(batches_close_at_their_size),
        cmocka_unit_test(another_hop_is_another_batch),
        cmocka_unit_test(the_oldest_make_room_and_a_gap_takes_their_place),
        cmocka_unit_test(
            a_gap_names_each_topic_once_and_stays_between_its_items),
        cmocka_unit_test(too_many_topics_are_all_topics),
        cmocka_unit_test(marks_and_the_end_are_in_their_place),
        cmocka_unit_test(a_fence_keeps_its_place_in_a_gap),
        cmocka_unit_test(a_held_lane_is_let_go),
        cmocka_unit_test(
            what_grows_too_old_in_a_held_lane_is_told_with_its_fence),
        cmocka_unit_test(a_probe_has_a_batch_of_its_own),
        cmocka_unit_test(a_dropped_mark_is_part_of_the_gap),
        cmocka_unit_test(the_old_are_dropped_and_told),
        cmocka_unit_test(another_pipe_begins_with_what_the_last_one_lost),
        cmocka_unit_test(another_peer_gets_nothing_of_the_last_one),
        cmocka_unit_test(short_memory_loses_no_loss),
        cmocka_unit_test(control_is_bounded_but_never_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
