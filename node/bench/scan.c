/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/scan.h"

#include "node/bench/code.h"
#include "proto/ws_frame.h"

/* Where the parts of a frame are. */
struct frame {
    const uint8_t *head;
    const uint8_t *tail;
    size_t len; /* of all */
};

enum match {
    MATCH_MORE, /* not whole yet */
    MATCH_OTHER,
    MATCH_FRAME
};

void bench_scan_fini(struct bench_scan *scan)
{
    buf_fini(&scan->layout.head);
    buf_fini(&scan->layout.tail);
}

/* --- where the parts are --- */

/* Too little to be a frame: may it become one? */
static enum match match_start(struct bytes start, struct bytes in)
{
    size_t len = in.len < start.len ? in.len : start.len;

    return memcmp(in.p, start.p, len) == 0 ? MATCH_MORE : MATCH_OTHER;
}

/* What of the head does not differ between topics. */
static struct bytes constant_start(const struct bench_layout *layout)
{
    return bytes_of(layout->head.p, layout->topic_len > 0 ? layout->topic_at
                                                          : layout->head.len);
}

static enum match find_line(const struct bench_layout *layout, struct bytes in,
                            struct frame *frame)
{
    size_t most = layout->head.len + BENCH_GAP_MAX;
    enum match start = match_start(constant_start(layout), in);

    if (start == MATCH_OTHER || in.len <= layout->head.len) {
        return start;
    }
    const uint8_t *feed = memchr(in.p + layout->head.len, '\n',
                                 (in.len < most ? in.len : most) -
                                     layout->head.len);
    if (feed == NULL) {
        return in.len < most ? MATCH_MORE : MATCH_OTHER;
    }
    frame->head = in.p;
    frame->tail = feed + 1;
    frame->len = (size_t)(frame->tail - in.p) + layout->tail.len;
    return MATCH_FRAME;
}

/* Two, four or ten bytes; a server masks nothing. */
size_t bench_websocket_head(struct bytes in, uint64_t *len)
{
    size_t head_len = in.len < 2       ? 2
                      : in.p[1] == 126 ? 4
                      : in.p[1] == 127 ? WS_FRAME_HEAD_MAX
                                       : 2;

    if (in.len < head_len) {
        return 0;
    }
    *len = head_len == 2   ? in.p[1]
           : head_len == 4 ? bytes_u16be(in.p + 2)
                           : bytes_u64be(in.p + 2);
    return head_len;
}

/* Its message begins with the byte that counts what is in it. */
static enum match find_websocket(const struct bench_layout *layout,
                                 struct bytes in, struct frame *frame)
{
    size_t least = 1 + layout->head.len + layout->tail.len;
    uint64_t len;

    if (in.p[0] != (0x80 | WS_BINARY)) {
        return MATCH_OTHER;
    }
    size_t head_len = bench_websocket_head(in, &len);
    if (head_len == 0) {
        return MATCH_MORE;
    }
    if (len < least || len > least + BENCH_GAP_MAX) {
        return MATCH_OTHER;
    }
    frame->head = in.p + head_len + 1;
    frame->len = head_len + (size_t)len;
    frame->tail = in.p + frame->len - layout->tail.len;
    return MATCH_FRAME;
}

/* Reads a number after the byte `tag`. Where it ends; NULL: it is not there. */
static const uint8_t *take_number(const uint8_t *p, const uint8_t *end,
                                  uint8_t tag, uint64_t *number)
{
    unsigned shift = 0;

    *number = 0;
    if (p == end || *p++ != tag) {
        return NULL;
    }
    while (p < end && shift < 63) {
        *number |= (uint64_t)(*p & 0x7f) << shift;
        shift += 7;
        if (*p++ < 0x80) {
            return p;
        }
    }
    return NULL;
}

/* Head of 5 bytes, 0x0a and the length, 0x08 and the number, tail, more. */
static enum match find_grpc(const struct bench_layout *layout, struct bytes in,
                            struct frame *frame)
{
    enum {
        HEAD_LEN = 5
    };
    uint64_t number;

    if (in.len < HEAD_LEN) {
        return MATCH_MORE;
    }
    size_t len = (size_t)in.p[1] << 24 | (size_t)in.p[2] << 16 |
                 (size_t)in.p[3] << 8 | in.p[4];
    if (in.p[0] != 0 || len > layout->tail.len + BENCH_GAP_MAX) {
        return MATCH_OTHER;
    }
    if (in.len < HEAD_LEN + len) {
        return MATCH_MORE;
    }
    const uint8_t *end = in.p + HEAD_LEN + len;
    const uint8_t *p = take_number(in.p + HEAD_LEN, end, 0x0a, &number);
    if (p == NULL || number != (uint64_t)(end - p)) {
        return MATCH_OTHER;
    }
    p = take_number(p, end, 0x08, &number);
    if (p == NULL || (size_t)(end - p) < layout->tail.len) {
        return MATCH_OTHER;
    }
    frame->head = in.p;
    frame->tail = p;
    frame->len = HEAD_LEN + len;
    return MATCH_FRAME;
}

static inline enum match find(const struct bench_layout *layout,
                              struct bytes in, struct frame *frame)
{
    enum match match = MATCH_FRAME;

    if (layout->gap == BENCH_GAP_NONE) {
        frame->head = in.p;
        frame->tail = in.p + layout->head.len;
        frame->len = layout->head.len + layout->tail.len;
        if (in.len < frame->len) {
            return match_start(constant_start(layout), in);
        }
    } else if (layout->gap == BENCH_GAP_LINE) {
        match = find_line(layout, in, frame);
    } else if (layout->gap == BENCH_GAP_GRPC) {
        match = find_grpc(layout, in, frame);
    } else {
        match = find_websocket(layout, in, frame);
    }
    return match == MATCH_FRAME && in.len < frame->len ? MATCH_MORE : match;
}

/* Compares all but the numbers. */
static inline bool is_alike(const struct bench_layout *layout,
                            const struct frame *frame)
{
    size_t topic_end = layout->topic_at + layout->topic_len;
    size_t mark_end = layout->mark_at + BENCH_MARK_LEN;

    return memcmp(frame->head, layout->head.p, layout->topic_at) == 0 &&
           memcmp(frame->head + topic_end, layout->head.p + topic_end,
                  layout->head.len - topic_end) == 0 &&
           memcmp(frame->tail, layout->tail.p, layout->mark_at) == 0 &&
           memcmp(frame->tail + mark_end, layout->tail.p + mark_end,
                  layout->tail.len - mark_end) == 0;
}

/* --- what the numbers mean --- */

/* Whether `sequence` was missing at `next`; it is no longer. */
static bool fill_hole(struct bench_scan *scan, const uint32_t *next,
                      uint32_t sequence)
{
    for (size_t i = 0; i < scan->holes_len; i++) {
        struct bench_hole *hole = &scan->holes[i];
        if (hole->next != next ||
            sequence - hole->from >= hole->to - hole->from) {
            continue;
        }
        if (scan->holes_len < BENCH_HOLES_MAX && sequence + 1 != hole->to) {
            scan->holes[scan->holes_len++] = (struct bench_hole){
                .next = hole->next, .from = sequence + 1, .to = hole->to};
        }
        hole->to = sequence;
        if (hole->to == hole->from) {
            *hole = scan->holes[--scan->holes_len];
        }
        return true;
    }
    return false;
}

/* An item that is not the next one: something is missing before it, or it was
 * missing, or it comes again. */
static void take_unexpected(struct bench_scan *scan, uint32_t *next,
                            uint32_t sequence)
{
    if ((int32_t)(sequence - *next) > 0) {
        if (scan->holes_len < BENCH_HOLES_MAX) {
            scan->holes[scan->holes_len++] = (struct bench_hole){
                .next = next, .from = *next, .to = sequence};
        }
        *next = sequence + 1;
    } else if (fill_hole(scan, next, sequence)) {
        scan->disorder++;
    } else {
        scan->duplicates++;
    }
}

static void take_latency(struct bench_scan *scan, uint32_t stream,
                         uint32_t sequence)
{
    const struct bench_schedule *s = &scan->schedule;
    uint64_t number = (uint64_t)sequence * s->streams + stream;

    if (number < s->first) {
        return; /* of the warm-up, late */
    }
    uint64_t due_ns = s->start_ns +
                      (number - s->first) * UINT64_C(1000000000) / s->rate;
    bench_latency_add(&scan->latency,
                      scan->now_ns > due_ns ? scan->now_ns - due_ns : 0);
}

static inline bool is_topic(const struct bench_layout *layout,
                            const uint8_t *head, uint32_t topic)
{
    const uint8_t *at = head + layout->topic_at;

    if (layout->topic_len == 0) {
        return true; /* the connection has but one */
    }
    if (layout->topic_len > BENCH_CODE_LEN &&
        (at[BENCH_CODE_LEN] != ' ' ||
         memcmp(at, at + BENCH_CODE_LEN + 1, BENCH_CODE_LEN) != 0)) {
        return false;
    }
    return bench_code_get(at) == bench_code(topic);
}

static inline void take_sequence(struct bench_scan *scan, uint32_t *next,
                                 uint32_t stream, uint32_t sequence)
{
    scan->delivered++;
    if (*next == sequence) {
        (*next)++;
    } else {
        take_unexpected(scan, next, sequence);
    }
    if (scan->schedule.rate > 0) {
        take_latency(scan, stream, sequence);
    }
}

/* Where the reader counts the stream of a frame; NULL: no item that it was
 * owed. */
static uint32_t *next_of(const struct bench_scan *scan,
                         const struct bench_reader *reader,
                         const struct frame *frame, uint32_t *stream)
{
    const uint8_t *mark = frame->tail + scan->layout.mark_at;
    uint64_t code = bench_code_get(mark);

    *stream = bench_code_number(code);
    uint32_t topic = scan->topic_base + (scan->one_topic ? 0 : *stream);
    if (!bench_code_is(code) ||
        !bench_code_is(bench_code_get(mark + BENCH_CODE_LEN)) ||
        *stream - reader->first >= reader->streams ||
        !is_topic(&scan->layout, frame->head, topic)) {
        return NULL;
    }
    return &reader->next[*stream - reader->first];
}

/* The frames that differ from the first one in nothing but the sequence: most
 * often all that there are. Returns how many bytes. */
static size_t take_row(struct bench_scan *scan, const struct frame *first,
                       struct bytes in, uint32_t *next, uint32_t stream)
{
    const uint8_t *at = first->tail + scan->layout.mark_at + BENCH_CODE_LEN;
    size_t before = (size_t)(at - in.p);
    size_t after = first->len - before - BENCH_CODE_LEN;
    size_t taken = 0;

    do {
        take_sequence(scan, next, stream,
                      bench_code_number(bench_code_get(at)));
        taken += first->len;
        at += first->len;
    } while (in.len - taken >= first->len &&
             memcmp(at - before, in.p, before) == 0 &&
             memcmp(at + BENCH_CODE_LEN, in.p + before + BENCH_CODE_LEN,
                    after) == 0 &&
             bench_code_is(bench_code_get(at)));
    return taken;
}

size_t bench_scan_take(struct bench_scan *scan,
                       const struct bench_reader *reader, struct bytes in,
                       bool *other)
{
    size_t len = in.len;

    *other = false;
    while (in.len > 0) {
        struct frame frame;
        uint32_t stream;
        enum match match = find(&scan->layout, in, &frame);
        if (match == MATCH_MORE) {
            break;
        }
        uint32_t *next = match == MATCH_FRAME && is_alike(&scan->layout, &frame)
                             ? next_of(scan, reader, &frame, &stream)
                             : NULL;
        if (next == NULL) {
            *other = true;
            break;
        }
        in = bytes_skip(in, take_row(scan, &frame, in, next, stream));
    }
    return len - in.len;
}
