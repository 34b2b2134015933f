/* SPDX-License-Identifier: Apache-2.0
 *
 * Faults of the network between two ends of lanes, on a real loop: what is late
 * is never early and in order, what is cut is silent and comes after it.
 */
#include "tests/test.h"

#include "node/mesh/fault.h"
#include "node/mesh/lanes.h"
#include "tests/loop.h"

enum {
    DELAY_MS = 60,
    FRAMES = 50,
    FRAME_MAX = 1 << 20,
    SHORT_MS = 30, /* in which nothing is to happen */
};

struct end {
    struct lanes *lanes;
    struct addr at[PEER_LANES];
    uint64_t newest; /* number of the last frame */
    uint64_t frames;
    uint64_t disorder;
    uint64_t first_ns; /* when the first one came */
};

struct world {
    uv_loop_t loop;
    struct fault *fault; /* of a */
    struct fault_rules rules;
    struct end a;
    struct end b;
    size_t sent;
    uint64_t want;

    size_t packets;
    uint64_t packet_ns;
    uint8_t packet;
};

static void on_frame(void *data, enum peer_lane lane, struct bytes frame,
                     uint32_t pipe)
{
    struct end *end = data;
    uint64_t number = bytes_u64be(frame.p);

    lanes_trust(end->lanes, lane, pipe);
    if (end->frames++ == 0) {
        end->first_ns = uv_hrtime();
    }
    end->disorder += number <= end->newest;
    end->newest = number;
}

static void on_way(void *data, uint16_t slot, enum peer_lane lane)
{
    (void)data;
    (void)slot;
    (void)lane;
}

static void start(struct end *end, uv_loop_t *loop, struct fault *fault)
{
    struct lanes_options options = {
        .loop = loop,
        .frame_max = {FRAME_MAX, FRAME_MAX},
        .fault = fault,
        .data = end,
        .on_frame = on_frame,
        .on_way = on_way,
    };

    /* As nodes have them: the data lane next to the other. */
    end->at[PEER_CONTROL] = loop_free_addr();
    end->at[PEER_DATA] = loop_free_addr();
    options.listen[PEER_CONTROL] = end->at[PEER_CONTROL];
    options.listen[PEER_DATA] = end->at[PEER_DATA];
    assert_int_equal(lanes_open(&end->lanes, &options), 0);
}

static bool stands(void *data)
{
    const struct world *w = data;

    return lanes_pipe(w->a.lanes, 0, PEER_DATA) != 0;
}

static void dial(struct world *w)
{
    assert_int_equal(lanes_dial(w->a.lanes, 0, PEER_DATA, &w->b.at[PEER_DATA]),
                     0);
}

static int setup(void **state)
{
    static struct world w;

    w = (struct world){0};
    assert_int_equal(uv_loop_init(&w.loop), 0);
    assert_int_equal(fault_open(&w.fault, &w.loop), 0);
    start(&w.a, &w.loop, w.fault);
    start(&w.b, &w.loop, NULL);
    w.rules = (struct fault_rules){.len = 1,
                                   .far = {{.addr = w.b.at[PEER_DATA]}}};
    dial(&w);
    loop_until(&w.loop, stands, NULL, &w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    lanes_close(w->a.lanes);
    lanes_close(w->b.lanes);
    fault_close(w->fault);
    loop_end(&w->loop);
    return 0;
}

static void rule(struct world *w, uint32_t delay_ms, bool cut)
{
    w->rules.delay_ms = delay_ms;
    w->rules.far[0].cut = cut;
    fault_apply(w->fault, &w->rules);
}

static void say(struct world *w, size_t len)
{
    struct push_frame frame;

    assert_true(lanes_has_room(w->a.lanes, 0, PEER_DATA));
    assert_int_equal(push_frame_init(&frame, len), 0);
    memset(buf_reserve(&frame.out, len), 'x', len);
    bytes_put_u64be(frame.out.p, ++w->sent);
    frame.out.len = len;
    lanes_send(w->a.lanes, 0, PEER_DATA, &frame);
}

static bool b_has_all(void *data)
{
    const struct world *w = data;

    return w->b.frames == w->want;
}

static void until_b_has(struct world *w, uint64_t frames)
{
    w->want = frames;
    loop_until(&w->loop, b_has_all, NULL, w);
}

static bool is_past(void *data)
{
    return uv_hrtime() >= *(const uint64_t *)data;
}

static void run_for(struct world *w, uint64_t ms)
{
    uint64_t until_ns = uv_hrtime() + ms * 1000000;

    loop_until(&w->loop, is_past, NULL, &until_ns);
}

/* Nothing more comes, as far as can be seen in a moment. */
static void nothing_comes(struct world *w)
{
    uint64_t frames = w->b.frames;

    run_for(w, SHORT_MS);
    assert_int_equal(w->b.frames, frames);
}

/* --- frames --- */

static void frames_are_late_never_early_and_in_order(void **state)
{
    struct world *w = *state;

    rule(w, DELAY_MS, false);
    uint64_t from_ns = uv_hrtime();
    for (size_t i = 0; i < FRAMES; i++) {
        say(w, 8 + i * 1000);
    }
    until_b_has(w, FRAMES);
    assert_true(w->b.first_ns - from_ns >= (uint64_t)DELAY_MS * 1000000);
    assert_int_equal(w->b.disorder, 0);
}

static void a_shorter_way_does_not_overtake(void **state)
{
    struct world *w = *state;

    rule(w, DELAY_MS, false);
    say(w, 100);
    rule(w, 0, false);
    say(w, 100);
    until_b_has(w, 2);
    assert_int_equal(w->b.disorder, 0);
    say(w, 100); /* and from now on straight */
    until_b_has(w, 3);
}

static void what_is_under_way_is_bounded(void **state)
{
    struct world *w = *state;

    rule(w, FAULT_DELAY_MAX_MS, false);
    while (lanes_has_room(w->a.lanes, 0, PEER_DATA)) {
        say(w, FRAME_MAX);
    }
    assert_true(w->sent * (size_t)FRAME_MAX >= FAULT_LINE_LEN);
    assert_true((w->sent - 1) * (size_t)FRAME_MAX < FAULT_LINE_LEN);
}

static void a_cut_is_silent_and_what_was_under_way_comes_after_it(void **state)
{
    struct world *w = *state;

    rule(w, 5, false);
    say(w, 100);
    rule(w, 5, true);
    nothing_comes(w);
    assert_false(lanes_has_room(w->a.lanes, 0, PEER_DATA));
    assert_true(stands(w)); /* as a connection whose other end is silent */
    rule(w, 5, false);
    until_b_has(w, 1);
    assert_true(lanes_has_room(w->a.lanes, 0, PEER_DATA));
}

static void a_pipe_that_comes_up_in_a_cut_is_there_after_it(void **state)
{
    struct world *w = *state;

    rule(w, 0, true);
    dial(w);
    nothing_comes(w);
    assert_false(stands(w));
    rule(w, 0, false);
    loop_until(&w->loop, stands, NULL, w);
    say(w, 100);
    until_b_has(w, 1);
}

static void what_belongs_to_another_pipe_is_dropped(void **state)
{
    struct world *w = *state;

    rule(w, SHORT_MS, false);
    say(w, 100);
    dial(w);
    loop_until(&w->loop, stands, NULL, w);
    say(w, 100);
    until_b_has(w, 1);
    assert_int_equal(w->b.newest, 2);
}

static void others_are_not_concerned(void **state)
{
    struct world *w = *state;

    w->rules.far[0].addr.port = (uint16_t)(w->b.at[PEER_DATA].port + 1);
    rule(w, FAULT_DELAY_MAX_MS, true);
    say(w, 100);
    until_b_has(w, 1);
    w->rules.far[0].addr.port = (uint16_t)(w->b.at[PEER_DATA].port -
                                           FAULT_PORTS);
    rule(w, FAULT_DELAY_MAX_MS, true);
    say(w, 100);
    until_b_has(w, 2);
}

/* --- packets --- */

static void on_packet(void *data, const struct addr *to, struct bytes packet)
{
    struct world *w = data;

    assert_int_equal(to->port, w->b.at[PEER_DATA].port);
    assert_true(packet.len > 0 && packet.p[0] > w->packet);
    w->packet = packet.p[0];
    w->packet_ns = uv_hrtime();
    w->packets++;
}

static bool send_packet(struct world *w, uint8_t number)
{
    return fault_packet(w->fault, &w->b.at[PEER_DATA], bytes_of(&number, 1),
                        on_packet, w);
}

static bool has_two_packets(void *data)
{
    return ((const struct world *)data)->packets == 2;
}

static void packets_are_late_and_lost_in_a_cut(void **state)
{
    struct world *w = *state;

    assert_false(send_packet(w, 1)); /* nothing is wrong */
    rule(w, DELAY_MS, false);
    uint64_t from_ns = uv_hrtime();
    assert_true(send_packet(w, 2));
    assert_true(send_packet(w, 3));
    loop_until(&w->loop, has_two_packets, NULL, w);
    assert_true(w->packet_ns - from_ns >= (uint64_t)DELAY_MS * 1000000);

    assert_true(send_packet(w, 4)); /* under way when it is cut */
    rule(w, DELAY_MS, true);
    run_for(w, 2 * DELAY_MS);
    assert_true(send_packet(w, 5)); /* healed before it would have come */
    rule(w, DELAY_MS, false);
    run_for(w, 2 * DELAY_MS);
    assert_int_equal(w->packets, 2);
    rule(w, 0, false);
    assert_false(send_packet(w, 6));
}

static void packets_under_way_are_bounded_and_freed(void **state)
{
    struct world *w = *state;

    rule(w, FAULT_DELAY_MAX_MS, false);
    for (int i = 0; i < FAULT_PACKETS_MAX + 10; i++) {
        assert_true(send_packet(w, 1)); /* beyond the bound it is lost */
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(frames_are_late_never_early_and_in_order),
        T(a_shorter_way_does_not_overtake),
        T(what_is_under_way_is_bounded),
        T(a_cut_is_silent_and_what_was_under_way_comes_after_it),
        T(a_pipe_that_comes_up_in_a_cut_is_there_after_it),
        T(what_belongs_to_another_pipe_is_dropped),
        T(others_are_not_concerned),
        T(packets_are_late_and_lost_in_a_cut),
        T(packets_under_way_are_bounded_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
