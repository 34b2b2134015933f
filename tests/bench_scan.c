/* SPDX-License-Identifier: Apache-2.0
 *
 * The scanner of deliveries, over the layout of each door: what it counts, and
 * what it leaves to the door.
 */
#include "tests/test.h"

#include <stdlib.h>

#include "node/bench/code.h"
#include "node/bench/door.h"
#include "proto/ws_frame.h"

enum {
    TOPIC_BASE = 0xfffffffe, /* numbers of topics wrap */
    VALUE_LEN = 64,
    READERS_STREAMS = 3
};

/* One subscriber of three streams, a topic each. */
struct fixture {
    const struct bench_door *door;
    struct bench_scan scan;
    uint32_t next[READERS_STREAMS];
    struct bench_reader reader;
    struct buf in;
};

static const struct bench_door *const doors[] = {
    &bench_door_resp, &bench_door_nats, &bench_door_ws, &bench_door_sse,
    &bench_door_grpc};

static struct fixture *begin(const struct bench_door *door)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->door = door;
    f->scan.topic_base = (uint32_t)TOPIC_BASE;
    door->layout(VALUE_LEN, &f->scan.layout);
    f->reader = (struct bench_reader){
        .first = 0, .streams = READERS_STREAMS, .next = f->next};
    return f;
}

static void end(struct fixture *f)
{
    bench_scan_fini(&f->scan);
    buf_fini(&f->in);
    free(f);
}

/* A delivery as the layout says, with a gap as that door has it. */
static void add(struct fixture *f, uint32_t topic, uint32_t stream,
                uint32_t sequence)
{
    const struct bench_layout *layout = &f->scan.layout;
    const struct bytes page = BYTES("\x20\x05");
    const char *gap = "1234-567\n";

    if (layout->gap == BENCH_GAP_WEBSOCKET) {
        uint8_t head[WS_FRAME_HEAD_MAX];
        gap = "whatever lies here";
        buf_add(&f->in, head,
                ws_frame_head(head, WS_BINARY,
                              1 + layout->head.len + strlen(gap) +
                                  layout->tail.len));
        buf_add_u8(&f->in, 0x88);
    }
    size_t at = f->in.len;
    buf_add_bytes(&f->in, buf_bytes(&layout->head));
    if (layout->gap == BENCH_GAP_GRPC) {
        size_t len = 3 + layout->tail.len + page.len;
        const uint8_t lens[] = {0,    0,           0, (uint8_t)(2 + len),
                                0x0a, (uint8_t)len};
        assert_true(len < 0x80);
        buf_add(&f->in, lens, sizeof lens);
        gap = "\x08\xac\x02"; /* 300 */
    }
    if (layout->topic_len > 0) {
        uint8_t *to = f->in.p + at + layout->topic_at;
        bench_code_put(to, f->scan.topic_base + topic);
        memcpy(to + layout->topic_len - BENCH_CODE_LEN, to, BENCH_CODE_LEN);
    }
    if (layout->gap != BENCH_GAP_NONE) {
        buf_add_str(&f->in, gap);
    }
    at = f->in.len + layout->mark_at;
    buf_add_bytes(&f->in, buf_bytes(&layout->tail));
    if (layout->gap == BENCH_GAP_GRPC) {
        buf_add_bytes(&f->in, page);
    }
    bench_code_put(f->in.p + at, stream);
    bench_code_put(f->in.p + at + BENCH_CODE_LEN, sequence);
}

static void add_row(struct fixture *f, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        add(f, i % READERS_STREAMS, i % READERS_STREAMS, i / READERS_STREAMS);
    }
}

/* Offers all of it; returns what was taken. */
static size_t take(struct fixture *f, bool *other)
{
    return bench_scan_take(&f->scan, &f->reader, buf_bytes(&f->in), other);
}

static void assert_counts(const struct fixture *f, uint64_t delivered,
                          uint64_t disorder, uint64_t duplicates)
{
    assert_int_equal(f->scan.delivered, delivered);
    assert_int_equal(f->scan.disorder, disorder);
    assert_int_equal(f->scan.duplicates, duplicates);
}

static void a_code_is_read_as_it_was_written(void **state)
{
    (void)state;
    const uint32_t cases[] = {0, 1, 15, 16, 0x12345678, 0x89abcdef, UINT32_MAX};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t text[BENCH_CODE_LEN];
        bench_code_put(text, cases[i]);
        for (size_t c = 0; c < sizeof text; c++) {
            assert_in_range(text[c], '@', 'O');
        }
        assert_true(bench_code_is(bench_code_get(text)));
        assert_int_equal(bench_code_number(bench_code_get(text)), cases[i]);
        text[i % sizeof text] = 'x';
        assert_false(bench_code_is(bench_code_get(text)));
    }
}

static void takes_all_in_order(void **state)
{
    (void)state;
    for (size_t d = 0; d < ARRAY_LEN(doors); d++) {
        struct fixture *f = begin(doors[d]);
        bool other;
        add_row(f, 30);
        assert_int_equal(take(f, &other), f->in.len);
        assert_false(other);
        assert_counts(f, 30, 0, 0);
        for (size_t i = 0; i < READERS_STREAMS; i++) {
            assert_int_equal(f->next[i], 10);
        }
        end(f);
    }
}

static void takes_the_same_torn_at_every_byte(void **state)
{
    (void)state;
    for (size_t d = 0; d < ARRAY_LEN(doors); d++) {
        struct fixture *f = begin(doors[d]);
        add_row(f, 6);
        for (size_t cut = 0; cut <= f->in.len; cut++) {
            bool other;
            f->scan.delivered = 0;
            memset(f->next, 0, sizeof f->next);
            size_t n = bench_scan_take(&f->scan, &f->reader,
                                       bytes_of(f->in.p, cut), &other);
            assert_false(other);
            assert_true(n <= cut && cut - n < f->in.len / 6);
            n += bench_scan_take(&f->scan, &f->reader,
                                 bytes_skip(buf_bytes(&f->in), n), &other);
            assert_int_equal(n, f->in.len);
            assert_false(other);
            assert_counts(f, 6, 0, 0);
        }
        end(f);
    }
}

/* How many bytes from `from` on could be changed by `bits` unnoticed: taken
 * all the same, as the next one of the stream. */
static size_t unseen_changes(struct fixture *f, size_t from, uint8_t bits)
{
    size_t unseen = 0;
    bool other;

    memset(f->next, 0, sizeof f->next);
    assert_int_equal(take(f, &other), f->in.len);
    uint32_t whole = f->next[1];
    for (size_t i = from; i < f->in.len; i++) {
        memset(f->next, 0, sizeof f->next);
        f->in.p[i] ^= bits;
        size_t n = take(f, &other);
        f->in.p[i] ^= bits;
        unseen += n == f->in.len && f->next[1] == whole;
    }
    return unseen;
}

/* Every byte of a delivery matters, the first or one behind its like, but for
 * what lies in a gap, the count of a WebSocket message and the page behind an
 * item of gRPC. */
static void sees_every_changed_byte(void **state)
{
    (void)state;
    static const size_t unseen[] = {[BENCH_GAP_NONE] = 0,
                                    [BENCH_GAP_LINE] = 8,
                                    [BENCH_GAP_GRPC] = 2 + 2,
                                    [BENCH_GAP_WEBSOCKET] = 18 + 1};

    for (size_t d = 0; d < ARRAY_LEN(doors); d++) {
        struct fixture *f = begin(doors[d]);
        bool is_grpc = f->scan.layout.gap == BENCH_GAP_GRPC;
        size_t wanted = unseen[f->scan.layout.gap];
        for (uint32_t i = 0; i < 3; i++) {
            size_t from = f->in.len;
            add(f, 1, 1, i);
            assert_int_equal(unseen_changes(f, from, 0x01), wanted);
            assert_int_equal(unseen_changes(f, from, 0x80),
                             wanted - (is_grpc ? 2 : 0)); /* it ends there */
        }
        end(f);
    }
}

static void leaves_what_is_no_delivery(void **state)
{
    (void)state;
    for (size_t d = 0; d < ARRAY_LEN(doors); d++) {
        struct fixture *f = begin(doors[d]);
        bool other;
        add_row(f, 3);
        size_t len = f->in.len;
        buf_add_str(&f->in, "-ERR something else\r\n");
        assert_int_equal(take(f, &other), len);
        assert_true(other);
        assert_counts(f, 3, 0, 0);
        end(f);
    }
}

static void leaves_items_that_it_is_not_owed(void **state)
{
    (void)state;
    const struct {
        uint32_t topic;
        uint32_t stream;
    } cases[] = {{0, READERS_STREAMS},
                 {READERS_STREAMS, READERS_STREAMS},
                 {0, UINT32_MAX},
                 {1, 0}};

    for (size_t d = 0; d < ARRAY_LEN(doors); d++) {
        bool by_topic = doors[d]->topic_a_conn;
        for (size_t i = 0; i < ARRAY_LEN(cases) - by_topic; i++) {
            struct fixture *f = begin(doors[d]);
            bool other;
            add(f, cases[i].topic, cases[i].stream, 0);
            assert_int_equal(take(f, &other), 0);
            assert_true(other);
            assert_counts(f, 0, 0, 0);
            end(f);
        }
    }
}

/* What is missing is what was published and did not come: counted elsewhere. */
static void tells_late_from_doubled(void **state)
{
    (void)state;
    static const uint32_t sequences[] = {0, 1, 5, 3, 3, 2, 4, 4, 6, 6, 0};
    struct fixture *f = begin(&bench_door_resp);
    bool other;

    for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
        add(f, 2, 2, sequences[i]);
    }
    assert_int_equal(take(f, &other), f->in.len);
    assert_counts(f, 11, 3, 4);
    assert_int_equal(f->next[2], 7);
    assert_int_equal(f->scan.holes_len, 0);
    end(f);
}

static void goes_on_where_numbers_wrap(void **state)
{
    (void)state;
    struct fixture *f = begin(&bench_door_resp);
    bool other;

    f->next[0] = UINT32_MAX;
    add(f, 0, 0, UINT32_MAX);
    add(f, 0, 0, 0);
    add(f, 0, 0, 2);
    add(f, 0, 0, 1);
    assert_int_equal(take(f, &other), f->in.len);
    assert_counts(f, 4, 1, 0);
    end(f);
}

static void measures_from_when_an_item_was_due(void **state)
{
    (void)state;
    struct fixture *f = begin(&bench_door_resp);
    bool other;

    /* Item 7 of three streams in turn is number 2 of stream 1. */
    f->scan.schedule = (struct bench_schedule){
        .start_ns = 1000, .first = 4, .rate = 1000000, .streams = 3};
    f->scan.now_ns = 1000 + 3 * 1000 + 70;
    f->next[1] = 2;
    add(f, 1, 1, 2);
    assert_int_equal(take(f, &other), f->in.len);
    assert_int_equal(f->scan.latency.all.count, 1);
    assert_int_equal(f->scan.latency.all.max, 70);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_is_read_as_it_was_written),
        cmocka_unit_test(takes_all_in_order),
        cmocka_unit_test(takes_the_same_torn_at_every_byte),
        cmocka_unit_test(sees_every_changed_byte),
        cmocka_unit_test(leaves_what_is_no_delivery),
        cmocka_unit_test(leaves_items_that_it_is_not_owed),
        cmocka_unit_test(tells_late_from_doubled),
        cmocka_unit_test(goes_on_where_numbers_wrap),
        cmocka_unit_test(measures_from_when_an_item_was_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
