/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/fake_world.h"

enum {
    VALUE_LEN = 16000
};

static const char *large_value(void)
{
    static char value[VALUE_LEN + 1];

    memset(value, 'x', VALUE_LEN);
    return value;
}

static size_t hard_len(const struct world *w)
{
    return (size_t)limits_out_hard(&w->core.limits);
}

/* Client 0 behind `door` on topic t, its socket stuck; client 1 publishes. */
static struct client *stuck_world(struct world *w, const struct door *door)
{
    world_init(w);
    struct client *a = world_open(w, 0, door);
    world_open(w, 1, &door_plain);
    subscribe(a, want_topic("t"));
    w->conns[0]->window = 0;
    return a;
}

static void publish_many(struct world *w, const char *topic, size_t len)
{
    for (size_t sent = 0; sent < len; sent += VALUE_LEN) {
        publish(w->conns[1]->conn.client, topic, large_value());
        fake_flush(&w->core);
        world_check(w);
    }
}

/* Lets the socket take a few bytes of an item and no more. */
static void begin_item(struct world *w)
{
    publish(w->conns[1]->conn.client, "t", "first");
    w->conns[0]->window = 3;
    fake_flush(&w->core);
    w->conns[0]->window = 0;
}

static void a_slow_reader_that_can_be_told_is_told_once(void **state)
{
    struct world w;
    char told[128];
    struct hub_position t;
    (void)state;

    struct client *a = stuck_world(&w, &door_lines);
    subscribe(a, want_topic("u"));
    subscribe(a, want_topic("quiet"));
    begin_item(&w);
    publish(w.conns[1]->conn.client, "u", "one");
    publish_many(&w, "t", hard_len(&w) + 200000);
    assert_true(a->slow);
    assert_int_equal(a->out.len, 1); /* the rest of what had begun */
    publish_many(&w, "t", 2 * VALUE_LEN);
    assert_int_equal(w.core.stats.slow_clients, 1);
    w.conns[0]->window = SIZE_MAX;
    fake_flush(&w.core);
    assert_false(a->slow);
    assert_true(hub_position(w.core.hub, BYTES("c"), BYTES("t"), &t));
    publish(w.conns[1]->conn.client, "t", "next");
    (void)snprintf(told, sizeof told,
                   "c/t 1 first\nc/u gap 0 1\nc/t gap 1 %" PRIu64
                   "\nc/t %" PRIu64 " next\n",
                   t.seq, t.seq + 1);
    expect(&w, 0, told);
    assert_int_equal(w.core.stats.dropped_slow, t.seq);
    assert_int_equal(w.core.stats.gaps, 2);
    world_fini(&w);
}

/* Its queue is then empty: it is told in the place of what was dropped. */
static void a_reader_that_had_begun_nothing_is_told_at_once(void **state)
{
    struct world w;
    (void)state;

    struct client *a = stuck_world(&w, &door_lines);
    publish_many(&w, "t", hard_len(&w));
    assert_false(a->slow);
    assert_int_equal(w.core.stats.slow_clients, 1);
    w.conns[0]->window = SIZE_MAX;
    fake_flush(&w.core);
    struct bytes out = fake_conn_out(w.conns[0]);
    assert_true(bytes_starts(out, BYTES("c/t gap 0 ")));
    world_fini(&w);
}

static void a_slow_reader_that_cannot_be_told_is_closed(void **state)
{
    struct world w;
    (void)state;

    struct client *a = stuck_world(&w, &door_plain);
    publish_many(&w, "t", hard_len(&w) + 200000);
    assert_true(a->closing);
    assert_int_equal(w.conns[0]->said_close, ERR_SLOW);
    w.conns[0]->window = SIZE_MAX;
    expect(&w, 0, "bye SLOW\n");
    assert_true(w.conns[0]->closed);
    world_fini(&w);
}

/* Between soft and hard it has out_soft_ms, also when nothing more comes. */
static void the_soft_bound_holds_for_a_while(void **state)
{
    struct world w;
    (void)state;

    struct client *a = stuck_world(&w, &door_lines);
    publish_many(&w, "t", w.core.limits.out_soft_len + 2 * VALUE_LEN);
    fake_wait(&w.core, w.core.limits.out_soft_ms - 1);
    assert_int_equal(w.core.stats.slow_clients, 0);
    fake_wait(&w.core, 1);
    assert_int_equal(w.core.stats.slow_clients, 1);
    assert_false(a->closing);
    world_fini(&w);
}

static void who_reads_in_time_is_not_slow(void **state)
{
    struct world w;
    (void)state;

    struct client *a = stuck_world(&w, &door_plain);
    for (int i = 0; i < 5; i++) {
        publish_many(&w, "t", w.core.limits.out_soft_len + 2 * VALUE_LEN);
        fake_wait(&w.core, w.core.limits.out_soft_ms - 1);
        w.conns[0]->window = SIZE_MAX;
        fake_flush(&w.core);
        w.conns[0]->window = 0;
        assert_false(a->closing);
    }
    assert_int_equal(w.core.stats.slow_clients, 0);
    world_fini(&w);
}

/* The largest item, every byte of it escaped to six. */
static size_t swollen_len;
static void render_swollen(const struct rendering *what, struct buf *out)
{
    (void)what;
    uint8_t *p = buf_reserve(out, swollen_len);
    assert_non_null(p);
    memset(p, 'y', swollen_len);
    out->len += swollen_len;
}

static void an_empty_queue_takes_any_legal_item(void **state)
{
    struct world w;
    struct door door = door_plain;
    (void)state;

    door.render = render_swollen;
    swollen_len = 6 << 20;
    struct client *a = stuck_world(&w, &door);
    publish(w.conns[1]->conn.client, "t", "x");
    fake_flush(&w.core);
    assert_false(a->closing);
    w.conns[0]->window = SIZE_MAX;
    fake_flush(&w.core);
    assert_int_equal(fake_conn_out(w.conns[0]).len, swollen_len);
    world_fini(&w);
}

/* ADVERSARIAL A5: answers are never dropped, so who does not read them goes. */
static void who_never_reads_its_answers_is_closed(void **state)
{
    struct world w;
    (void)state;

    struct client *a = stuck_world(&w, &door_lines);
    for (size_t sent = 0; sent < hard_len(&w) + 200000; sent += VALUE_LEN) {
        client_write(a, bytes_str(large_value()));
        fake_flush(&w.core);
    }
    assert_true(a->closing);
    world_fini(&w);
}

static int flushes;
static void count_flush(struct core *core)
{
    flushes++;
    fake_flush(core);
}

/* A burst of one turn reaches a healthy reader whole: it is written when the
 * soft bound is crossed, not dropped at the hard one. */
static void a_burst_within_a_turn_is_written_before_it_is_dropped(void **state)
{
    struct world w;
    (void)state;

    struct client *a = stuck_world(&w, &door_plain);
    w.conns[0]->window = SIZE_MAX;
    w.core.flush = count_flush;
    flushes = 0;
    for (size_t sent = 0; sent < 5 * hard_len(&w); sent += VALUE_LEN) {
        publish(w.conns[1]->conn.client, "t", large_value());
    }
    fake_flush(&w.core);
    assert_false(a->closing);
    assert_int_equal(w.core.stats.slow_clients, 0);
    assert_in_range(flushes, 10, 30);
    world_fini(&w);
}

/* Cut in the middle of a turn: what the turn still holds for it is missed, too,
 * and told as one. */
static void what_a_turn_still_holds_is_missed_too(void **state)
{
    struct world w;
    (void)state;

    struct client *a = stuck_world(&w, &door_lines);
    publish(w.conns[1]->conn.client, "t", "one");
    hub_settle(w.core.hub);
    clients_relieve(&w.core, UINT64_MAX);
    assert_true(a->slow);
    publish(w.conns[1]->conn.client, "t", "two");
    assert_true(client_check_slow(a, w.core.now_ms));
    publish(w.conns[1]->conn.client, "t", "three");
    w.conns[0]->window = SIZE_MAX;
    expect(&w, 0, "c/t gap 0 2\nc/t 3 three\n");
    assert_int_equal(w.core.stats.dropped_slow, 2);
    world_fini(&w);
}

/* --- the memory of a node --- */

static void memory_bounds_refuse_and_then_cut(void **state)
{
    struct core_options options = fake_core_options();
    struct world w = {0};
    char topic[8];
    (void)state;

    options.limits.memory_len = 16 << 20;
    options.limits.rings_len = 2 << 20;
    options.limits.out_hard_len = 15 << 20;
    options.limits.out_soft_len = 15 << 20;
    assert_int_equal(core_init(&w.core, &options), 0);
    core_turn(&w.core, 1000, 1795305600000);
    w.core.ready = true;
    for (size_t i = 0; i < 3; i++) {
        struct client *c = world_open(&w, i,
                                      i == 1 ? &door_plain : &door_lines);
        (void)snprintf(topic, sizeof topic, "t%zu", i);
        subscribe(c, want_topic(topic));
        w.conns[i]->window = i == 1 ? SIZE_MAX : 0;
    }
    publish_many(&w, "t2", 3 << 20);
    publish_many(&w, "t0", (10 << 20) - (256 << 10));
    assert_null(client_new(&w.core, &w.conns[0]->conn));
    publish_many(&w, "t2", 2 << 20);
    fake_wait(&w.core, 1);
    assert_int_equal(w.conns[0]->conn.client->out.len, 1); /* the largest ... */
    assert_true(w.conns[2]->conn.client->out.len > 100);   /* ... and only it */
    assert_true(core_memory(&w.core) < w.core.limits.memory_len / 2);
    struct client *again = client_new(&w.core, &w.conns[0]->conn);
    assert_non_null(again);
    client_free(again);
    world_fini(&w);
}

enum {
    CROWD = 40
};

/* A core of 16 MiB for its output, and a crowd that does not read: each on a
 * topic of its own, or all on one. Client 0 of the world publishes. */
static void stuck_crowd(struct world *w, struct fake_conn **crowd,
                        const struct door *door, bool same)
{
    struct core_options options = fake_core_options();
    char topic[8];

    *w = (struct world){0};
    options.limits.memory_len = 16 << 20;
    options.limits.rings_len = 2 << 20;
    options.limits.out_hard_len = 8 << 20;
    options.limits.out_soft_len = 8 << 20;
    assert_int_equal(core_init(&w->core, &options), 0);
    core_turn(&w->core, 1000, 1795305600000);
    w->core.ready = true;
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = fake_conn_new(&w->core);
        crowd[i]->window = 0;
        assert_int_equal(fake_conn_open(crowd[i], door, NULL), 0);
        (void)snprintf(topic, sizeof topic, "t%zu", same ? 0 : i);
        subscribe(crowd[i]->conn.client, want_topic(topic));
    }
    world_open(w, 0, &door_plain);
}

static void free_crowd(struct world *w, struct fake_conn **crowd)
{
    for (size_t i = 0; i < CROWD; i++) {
        fake_conn_free(crowd[i]);
    }
    world_fini(w);
}

/* More than fits comes in one turn, from whom it may: the bound holds in the
 * middle of it, and whoever reads is served all the while. */
static void one_turn_does_not_pass_the_memory_bound(void **state)
{
    const struct door *const doors[] = {&door_plain, &door_lines};
    struct fake_conn *crowd[CROWD];
    struct world w;
    char topic[8];
    (void)state;

    for (size_t d = 0; d < ARRAY_LEN(doors); d++) {
        stuck_crowd(&w, crowd, doors[d], false);
        struct client *reader = world_open(&w, 1, doors[d]);
        subscribe(reader, want_topic("r"));
        for (size_t i = 0; i < 60 * CROWD; i++) {
            (void)snprintf(topic, sizeof topic, "t%zu", i % CROWD);
            publish(w.conns[0]->conn.client, topic, large_value());
            if (i % CROWD == 0) {
                publish(w.conns[0]->conn.client, "r", "here");
            }
            assert_true(core_memory(&w.core) <= w.core.limits.memory_len);
        }
        fake_flush(&w.core);
        world_check(&w);
        assert_false(reader->closing);
        assert_false(reader->slow);
        free_crowd(&w, crowd);
    }
}

/* The bytes are shared and few; the queues that point to them are not. */
static void the_memory_bound_counts_the_queues_too(void **state)
{
    struct fake_conn *crowd[CROWD];
    struct world w;
    (void)state;

    stuck_crowd(&w, crowd, &door_plain, true);
    uint64_t cut = w.core.stats.slow_clients;
    for (size_t i = 0; i < 20000; i++) {
        uint64_t queues = 0;
        publish(w.conns[0]->conn.client, "t0", "x");
        fake_flush(&w.core);
        for (size_t c = 0; c < CROWD; c++) {
            queues += crowd[c]->conn.client->out.cap * sizeof(struct run);
        }
        assert_true(queues + w.core.chunks.bytes <= w.core.limits.memory_len);
    }
    assert_true(w.core.stats.slow_clients > cut);
    free_crowd(&w, crowd);
}

/* What is left of it cannot be dropped, and it is the largest all the same. */
static void who_is_cut_in_vain_is_closed(void **state)
{
    struct world w;
    (void)state;

    struct client *a = stuck_world(&w, &door_lines);
    for (int i = 0; i < 10; i++) {
        client_write(a, bytes_str(large_value()));
    }
    clients_relieve(&w.core, UINT64_MAX);
    assert_true(a->slow);
    assert_false(a->closing);
    clients_relieve(&w.core, UINT64_MAX);
    assert_true(a->closing);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_reader_that_can_be_told_is_told_once),
        cmocka_unit_test(a_reader_that_had_begun_nothing_is_told_at_once),
        cmocka_unit_test(a_slow_reader_that_cannot_be_told_is_closed),
        cmocka_unit_test(the_soft_bound_holds_for_a_while),
        cmocka_unit_test(who_reads_in_time_is_not_slow),
        cmocka_unit_test(an_empty_queue_takes_any_legal_item),
        cmocka_unit_test(who_never_reads_its_answers_is_closed),
        cmocka_unit_test(a_burst_within_a_turn_is_written_before_it_is_dropped),
        cmocka_unit_test(what_a_turn_still_holds_is_missed_too),
        cmocka_unit_test(memory_bounds_refuse_and_then_cut),
        cmocka_unit_test(one_turn_does_not_pass_the_memory_bound),
        cmocka_unit_test(the_memory_bound_counts_the_queues_too),
        cmocka_unit_test(who_is_cut_in_vain_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
