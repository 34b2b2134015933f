/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/link_queue.h"
#include "proto/err.h"

enum {
    LEN_MAX = 300 << 10,
    MS_MAX = 2000
};

static const struct node_id src = {.b = {1}};
static const struct node_id dst = {.b = {2}};

static void start(struct link_queue *q, enum peer_lane lane)
{
    link_queue_init(q, lane, &src, LEN_MAX, MS_MAX);
    assert_int_equal(link_queue_start(q, &dst, 7), 0);
}

/* Adds an item with a value of len bytes; returns what was dropped for it. */
static uint64_t add(struct link_queue *q, enum peer_hop hop, size_t len,
                    uint64_t now_ms)
{
    static uint8_t value[1 << 20];
    struct item item = {.cache = BYTES("c"),
                        .topic = BYTES("t"),
                        .value = bytes_of(value, len),
                        .flags = ITEM_BINARY,
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

static void the_oldest_make_room_and_leave_a_hole(void **state)
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
    assert_int_equal(take(&q, &items).seq, 2); /* 1 never goes */
    /* An empty queue takes any item: it is emptied for a huge one. */
    uint64_t left = q.items;
    assert_int_equal(add(&q, PEER_HOP_LAST, 1 << 20, 0), left);
    assert_int_equal(q.items, 1);
    link_queue_fini(&q);
}

static void the_old_are_dropped_and_told(void **state)
{
    struct link_queue q;
    size_t items;
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
    struct peer_batch head = take(&q, &items); /* empty: it shows the hole */
    assert_int_equal(head.seq, 3);
    assert_int_equal(items, 0);
    link_queue_fini(&q);
}

static void a_new_life_forgets_the_old_one(void **state)
{
    struct link_queue q;
    size_t items;
    (void)state;

    start(&q, PEER_DATA);
    add(&q, PEER_HOP_LAST, 100, 0);
    link_queue_first(&q);
    add(&q, PEER_HOP_LAST, 100, 0);
    assert_int_equal(link_queue_start(&q, &src, 9), 2);
    link_queue_check(&q);
    assert_true(link_queue_is_empty(&q));
    link_queue_mark(&q, 0);
    add(&q, PEER_HOP_LAST, 100, 0);
    struct peer_batch head = take(&q, &items);
    assert_int_equal(head.epoch, 9);
    assert_int_equal(head.seq, 1);
    assert_true(node_id_eq(&head.dst, &src));
    assert_int_equal(items, 1); /* the mark was still open */
    link_queue_fini(&q);
}

static void control_is_bounded_but_never_dropped(void **state)
{
    static uint8_t message[100 << 10];
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
        cmocka_unit_test(the_oldest_make_room_and_leave_a_hole),
        cmocka_unit_test(the_old_are_dropped_and_told),
        cmocka_unit_test(a_new_life_forgets_the_old_one),
        cmocka_unit_test(control_is_bounded_but_never_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
