/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "node/mesh/lanes.h"
#include "node/mesh/pipe_table.h"
#include "proto/err.h"
#include "tests/loop.h"

enum {
    FRAME_MAX = 1 << 20,
    FRAMES = 2000
};

struct end {
    struct lanes *lanes;
    struct addr at[PEER_LANES];
    size_t frames[PEER_LANES];
    size_t bytes;
    uint64_t sum;       /* of the first 8 bytes of the frames */
    uint32_t pipe_from; /* of the last frame */
    size_t ways;        /* times on_way() was called */
    bool cut;           /* cut the pipe of each frame */
    uint32_t stranger_ms;
};

static void on_frame(void *data, enum peer_lane lane, struct bytes frame,
                     uint32_t pipe)
{
    struct end *end = data;

    end->frames[lane]++;
    end->bytes += frame.len;
    end->sum += frame.len >= 8 ? bytes_u64be(frame.p) : 0;
    end->pipe_from = pipe;
    if (end->cut) {
        lanes_cut(end->lanes, lane, pipe);
    } else {
        lanes_trust(end->lanes, lane, pipe);
    }
}

static void on_way(void *data, uint16_t slot, enum peer_lane lane)
{
    (void)slot;
    (void)lane;
    ((struct end *)data)->ways++;
}

static void start(struct end *end, uv_loop_t *loop)
{
    struct lanes_options options = {
        .loop = loop,
        .listen = {end->at[0], end->at[1]},
        .frame_max = {FRAME_MAX, FRAME_MAX},
        .stranger_ms = end->stranger_ms,
        .data = end,
        .on_frame = on_frame,
        .on_way = on_way,
    };

    assert_int_equal(lanes_open(&end->lanes, &options), 0);
}

static void place(struct end *end)
{
    *end = (struct end){.at = {loop_free_addr(), loop_free_addr()}};
}

static void dial(struct end *from, uint16_t slot, const struct end *to)
{
    for (int lane = 0; lane < PEER_LANES; lane++) {
        assert_int_equal(
            lanes_dial(from->lanes, slot, (enum peer_lane)lane, &to->at[lane]),
            0);
    }
}

static void say(struct end *from, uint16_t slot, enum peer_lane lane,
                uint64_t number, size_t len)
{
    struct push_frame frame;
    uint8_t head[8];

    assert_int_equal(push_frame_init(&frame, len), 0);
    bytes_put_u64be(head, number);
    buf_add(&frame.out, head, sizeof head);
    memset(buf_reserve(&frame.out, len - 8), 'x', len - 8);
    frame.out.len = len;
    lanes_send(from->lanes, slot, lane, &frame);
}

struct pair {
    uv_loop_t loop;
    uv_loop_t still; /* of b, where it is to stand still */
    struct end a;
    struct end b;
    size_t sent;
    size_t want;
    uint64_t since_ns;
};

static void pair_start(struct pair *pair)
{
    *pair = (struct pair){0};
    assert_int_equal(uv_loop_init(&pair->loop), 0);
    place(&pair->a);
    place(&pair->b);
    start(&pair->a, &pair->loop);
}

static void pair_end(struct pair *pair)
{
    lanes_close(pair->a.lanes);
    if (pair->b.lanes != NULL) {
        lanes_close(pair->b.lanes);
    }
    loop_end(&pair->loop);
}

static bool a_has_both(void *data)
{
    const struct pair *pair = data;

    return lanes_pipe(pair->a.lanes, 0, PEER_CONTROL) != 0 &&
           lanes_pipe(pair->a.lanes, 0, PEER_DATA) != 0;
}

static bool a_has_none(void *data)
{
    const struct pair *pair = data;

    return lanes_pipe(pair->a.lanes, 0, PEER_CONTROL) == 0 &&
           lanes_pipe(pair->a.lanes, 0, PEER_DATA) == 0;
}

static void send_more(void *data)
{
    struct pair *pair = data;

    while (pair->sent < FRAMES && lanes_has_room(pair->a.lanes, 0, PEER_DATA)) {
        pair->sent++;
        say(&pair->a, 0, PEER_DATA, pair->sent, 8 + pair->sent % 4096);
    }
}

static bool b_has_all(void *data)
{
    const struct pair *pair = data;

    return pair->b.frames[PEER_DATA] == pair->want;
}

/* The dialer may start before the listener exists. */
static void frames_arrive_whole_on_their_lane(void **state)
{
    struct pair pair;
    (void)state;

    pair_start(&pair);
    dial(&pair.a, 0, &pair.b);
    start(&pair.b, &pair.loop);
    loop_until(&pair.loop, a_has_both, NULL, &pair);
    pair.want = FRAMES;
    send_more(&pair);
    loop_until(&pair.loop, b_has_all, send_more, &pair);
    assert_int_equal(pair.b.sum, (uint64_t)FRAMES * (FRAMES + 1) / 2);
    assert_int_equal(pair.b.frames[PEER_CONTROL], 0);
    pair_end(&pair);
}

/* To take the pipes. */
static void run_still(void *data)
{
    struct pair *pair = data;

    uv_run(&pair->still, UV_RUN_NOWAIT);
}

/* Two nodes on two loops: while b's loop stands still nothing but bounded
 * buffers fills, and nothing is lost. */
static void a_receiver_that_stands_still_stops_the_sender(void **state)
{
    enum {
        BIG = 64 << 10,
        STILL = 600
    };
    struct pair pair;
    size_t sent = 0;
    uint64_t stuck_ns;
    (void)state;

    pair_start(&pair);
    assert_int_equal(uv_loop_init(&pair.still), 0);
    start(&pair.b, &pair.still);
    dial(&pair.a, 0, &pair.b);
    loop_until(&pair.loop, a_has_both, run_still, &pair);
    stuck_ns = uv_hrtime();
    while (uv_hrtime() - stuck_ns < 300 * 1000000ull) {
        if (lanes_has_room(pair.a.lanes, 0, PEER_DATA)) {
            say(&pair.a, 0, PEER_DATA, ++sent, BIG);
            stuck_ns = uv_hrtime();
        }
        assert_true(sent < STILL);
        uv_run(&pair.loop, UV_RUN_NOWAIT);
    }
    pair.want = sent;
    loop_until(&pair.still, b_has_all, NULL, &pair);
    assert_int_equal(pair.b.sum, sent * (sent + 1) / 2);
    lanes_close(pair.b.lanes);
    loop_end(&pair.still);
    pair.b.lanes = NULL;
    pair_end(&pair);
}

static void a_pipe_that_breaks_is_told_and_comes_again(void **state)
{
    struct pair pair;
    (void)state;

    pair_start(&pair);
    start(&pair.b, &pair.loop);
    dial(&pair.a, 0, &pair.b);
    loop_until(&pair.loop, a_has_both, NULL, &pair);
    uint32_t pipe = lanes_pipe(pair.a.lanes, 0, PEER_DATA);
    size_t ways = pair.a.ways;
    lanes_close(pair.b.lanes);
    loop_until(&pair.loop, a_has_none, NULL, &pair);
    assert_true(pair.a.ways > ways);
    start(&pair.b, &pair.loop);
    loop_until(&pair.loop, a_has_both, NULL, &pair);
    assert_true(lanes_pipe(pair.a.lanes, 0, PEER_DATA) != pipe);
    pair_end(&pair);
}

static bool b_was_cut(void *data)
{
    const struct pair *pair = data;

    return pair->b.frames[PEER_CONTROL] > 0 &&
           lanes_pipe(pair->a.lanes, 0, PEER_CONTROL) != pair->want;
}

static void a_receiver_can_cut_a_pipe(void **state)
{
    struct pair pair;
    (void)state;

    pair_start(&pair);
    start(&pair.b, &pair.loop);
    pair.b.cut = true;
    dial(&pair.a, 0, &pair.b);
    loop_until(&pair.loop, a_has_both, NULL, &pair);
    pair.want = lanes_pipe(pair.a.lanes, 0, PEER_CONTROL);
    say(&pair.a, 0, PEER_CONTROL, 1, 100);
    loop_until(&pair.loop, b_was_cut, NULL, &pair);
    pair_end(&pair);
}

static bool a_lost_data(void *data)
{
    const struct pair *pair = data;

    return lanes_pipe(pair->a.lanes, 0, PEER_DATA) != pair->want;
}

static bool half_a_second_passed(void *data)
{
    const struct pair *pair = data;

    return uv_hrtime() - pair->since_ns > 500 * 1000000ull;
}

/* The first frame makes the pipe a member's, in the middle of a read that began
 * as a stranger's: the lane may then be quiet for as long as it likes. */
static void a_quiet_member_keeps_its_pipe_and_a_stranger_does_not(void **state)
{
    struct pair pair;
    (void)state;

    pair_start(&pair);
    pair.b.stranger_ms = 100;
    start(&pair.b, &pair.loop);
    dial(&pair.a, 0, &pair.b);
    loop_until(&pair.loop, a_has_both, NULL, &pair);
    uint32_t control = lanes_pipe(pair.a.lanes, 0, PEER_CONTROL);
    pair.want = lanes_pipe(pair.a.lanes, 0, PEER_DATA);
    say(&pair.a, 0, PEER_CONTROL, 1, 100);
    pair.since_ns = uv_hrtime();
    loop_until(&pair.loop, half_a_second_passed, NULL, &pair);
    assert_int_equal(pair.b.frames[PEER_CONTROL], 1);
    assert_int_equal(lanes_pipe(pair.a.lanes, 0, PEER_CONTROL), control);
    loop_until(&pair.loop, a_lost_data, NULL, &pair); /* never said a word */
    pair_end(&pair);
}

/* Again and again, since a pipe may be refused while older ones of this address
 * are still being closed. */
static void say_one(void *data)
{
    struct pair *pair = data;

    if (lanes_has_room(pair->a.lanes, 0, PEER_DATA)) {
        say(&pair->a, 0, PEER_DATA, 1, 100);
    }
}

static bool b_has_some(void *data)
{
    const struct pair *pair = data;

    return pair->b.frames[PEER_DATA] >= pair->want;
}

/* A slot gets another peer: hang up, dial elsewhere. */
static void a_slot_is_used_again_for_another_peer(void **state)
{
    struct pair pair;
    struct end c;
    (void)state;

    pair_start(&pair);
    start(&pair.b, &pair.loop);
    place(&c);
    start(&c, &pair.loop);
    for (int round = 0; round < 20; round++) {
        struct end *to = round % 2 == 0 ? &pair.b : &c;
        uint32_t before = lanes_pipe(pair.a.lanes, 0, PEER_DATA);
        dial(&pair.a, 0, to);
        assert_true(before == 0 ||
                    lanes_pipe(pair.a.lanes, 0, PEER_DATA) != before);
        loop_until(&pair.loop, a_has_both, NULL, &pair);
        pair.want = pair.b.frames[PEER_DATA] + (round % 2 == 0);
        loop_until(&pair.loop, b_has_some, say_one, &pair);
    }
    lanes_close(c.lanes);
    pair_end(&pair);
}

static bool all_settled(void *data)
{
    struct pair *pair = data;
    struct lanes_refused refused;
    size_t up = 0;

    for (uint16_t slot = 0; slot < 8; slot++) {
        up += lanes_pipe(pair->a.lanes, slot, PEER_CONTROL) != 0;
    }
    lanes_refused(pair->b.lanes, &refused);
    return up == PIPES_PER_IP && refused.crowded > 10;
}

static void an_address_cannot_take_all_pipes(void **state)
{
    struct pair pair;
    (void)state;

    pair_start(&pair);
    start(&pair.b, &pair.loop);
    for (uint16_t slot = 0; slot < 8; slot++) {
        assert_int_equal(lanes_dial(pair.a.lanes, slot, PEER_CONTROL,
                                    &pair.b.at[PEER_CONTROL]),
                         0);
    }
    loop_until(&pair.loop, all_settled, NULL, &pair);
    pair_end(&pair);
}

static void a_taken_address_is_an_error(void **state)
{
    struct pair pair;
    struct lanes *other;
    (void)state;

    pair_start(&pair);
    struct lanes_options options = {
        .loop = &pair.loop,
        .listen = {loop_free_addr(), pair.a.at[PEER_DATA]},
        .frame_max = {FRAME_MAX, FRAME_MAX},
    };
    assert_int_equal(lanes_open(&other, &options), ERR_CONFLICT);
    pair_end(&pair);
}

/* Many short frames, lengths around what is read ahead; near the end one that
 * is longer than a stranger's may be. */
static size_t make_stream(struct buf *out, size_t *bytes)
{
    size_t count = 0;

    buf_add(out, "\0SP\0\0P\0\0", 8);
    for (size_t len = 8; len < 4096; len += len % 61 + 1) {
        size_t this_len = count == 120 ? 200 << 10 : len;
        uint8_t head[16];
        bytes_put_u64be(head, this_len);
        bytes_put_u64be(head + 8, ++count);
        buf_add(out, head, sizeof head);
        memset(buf_reserve(out, this_len - 8), 0xff, this_len - 8);
        out->len += this_len - 8;
        *bytes += this_len;
    }
    assert_false(out->failed);
    assert_true(count > 122);
    return count;
}

/* Writes the first bytes singly, the rest in pieces of `step`. */
static int write_pieces(const struct end *to, struct bytes stream, size_t step)
{
    struct sockaddr_storage where;
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sockaddr_write(&to->at[PEER_DATA], &where);
    assert_int_equal(
        connect(fd, (struct sockaddr *)&where, sizeof(struct sockaddr_in)), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (size_t at = 0; at < stream.len;) {
        size_t len = at < 200 ? 1 : step;
        len = len < stream.len - at ? len : stream.len - at;
        assert_int_equal(write(fd, stream.p + at, len), len);
        at += len;
    }
    return fd;
}

static void frames_arrive_however_the_bytes_are_cut(void **state)
{
    static const size_t steps[] = {7, 100, 2040, 2048, 2056, 5000, 1 << 20};
    struct buf stream = {0};
    size_t bytes = 0;
    size_t count = make_stream(&stream, &bytes);
    struct pair pair;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        pair_start(&pair);
        start(&pair.b, &pair.loop);
        int fd = write_pieces(&pair.b, buf_bytes(&stream), steps[i]);
        pair.want = count;
        loop_until(&pair.loop, b_has_all, NULL, &pair);
        assert_int_equal(pair.b.sum, count * (count + 1) / 2);
        assert_int_equal(pair.b.bytes, bytes);
        close(fd);
        pair_end(&pair);
    }
    buf_fini(&stream);
}

/* Bytes that are no nng, a length that is absurd, and silence: the listener
 * goes on for others. */
static void garbage_on_the_port_harms_nobody(void **state)
{
    static const char *const garbage[] = {
        "",
        "GET / HTTP/1.1\r\n\r\n",
        "\0SP\0\0P\0\0",
        "\0SP\0\0P\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
    };
    static const size_t len[] = {0, 18, 8, 16};
    int fds[ARRAY_LEN(garbage) * 3];
    struct pair pair;
    (void)state;

    pair_start(&pair);
    start(&pair.b, &pair.loop);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        size_t k = i % ARRAY_LEN(garbage);
        struct sockaddr_storage where;
        sockaddr_write(&pair.b.at[PEER_DATA], &where);
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&where,
                                 sizeof(struct sockaddr_in)),
                         0);
        if (len[k] > 0) {
            assert_int_equal(write(fds[i], garbage[k], len[k]), len[k]);
        }
        if (i >= ARRAY_LEN(garbage)) {
            close(fds[i]); /* the first of each kind stays */
        }
    }
    dial(&pair.a, 0, &pair.b);
    dial(&pair.b, 0, &pair.a); /* so b knows the address: 4 more pipes */
    loop_until(&pair.loop, a_has_both, NULL, &pair);
    pair.want = FRAMES;
    loop_until(&pair.loop, b_has_all, send_more, &pair);
    assert_int_equal(pair.b.sum, (uint64_t)FRAMES * (FRAMES + 1) / 2);
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        close(fds[i]);
    }
    pair_end(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_whole_on_their_lane),
        cmocka_unit_test(frames_arrive_however_the_bytes_are_cut),
        cmocka_unit_test(a_receiver_that_stands_still_stops_the_sender),
        cmocka_unit_test(a_pipe_that_breaks_is_told_and_comes_again),
        cmocka_unit_test(a_receiver_can_cut_a_pipe),
        cmocka_unit_test(a_quiet_member_keeps_its_pipe_and_a_stranger_does_not),
        cmocka_unit_test(a_slot_is_used_again_for_another_peer),
        cmocka_unit_test(an_address_cannot_take_all_pipes),
        cmocka_unit_test(a_taken_address_is_an_error),
        cmocka_unit_test(garbage_on_the_port_harms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
