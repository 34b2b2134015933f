/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/fault.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

enum {
    NS_PER_MS = 1000000
};

struct held_packet {
    struct held_packet *next;
    uint64_t due_ns;
    struct addr to;
    fault_send send;
    void *data;
    size_t len;
    uint8_t bytes[];
};

struct held_frame {
    struct held_frame *next;
    uint64_t due_ns;
    uint32_t pipe; /* that it belongs to */
    struct push_frame frame;
};

struct fault_line {
    struct fault *fault;
    struct fault_line *next; /* of all lines */
    struct push *push;
    struct fault_line_to to;
    struct addr addr;
    bool aimed;
    bool far;
    bool cut;
    bool waits;     /* wants to hear of room */
    bool held_up;   /* its push has no room; it tells when it has */
    uint32_t stood; /* the last pipe that was seen without a cut */
    struct held_frame *first;
    struct held_frame *last;
    size_t len; /* bytes of all frames */
};

struct fault {
    uv_timer_t timer; /* the first that is due */
    struct fault_rules rules;
    struct fault_line *lines;
    struct held_packet *first;
    struct held_packet *last;
    size_t packets;
};

static const struct fault_far *far_of(const struct fault *fault,
                                      const struct addr *to);
static void on_timer(uv_timer_t *timer);
static void on_closed(uv_handle_t *handle);
static void arm(struct fault *fault);
static void send_packets(struct fault *fault);
static void judge(struct fault_line *line);
static void send_frames(struct fault_line *line);
static void drop_frames(struct fault_line *line);
static struct held_frame *take_frame(struct fault_line *line);

int fault_open(struct fault **out, uv_loop_t *loop)
{
    struct fault *fault = calloc(1, sizeof *fault);

    if (fault == NULL) {
        return ERR_NOMEM;
    }
    uv_timer_init(loop, &fault->timer);
    fault->timer.data = fault;
    *out = fault;
    return 0;
}

void fault_close(struct fault *fault)
{
    assert(fault->lines == NULL);
    uv_close((uv_handle_t *)&fault->timer, on_closed);
}

void fault_apply(struct fault *fault, const struct fault_rules *rules)
{
    assert(rules->len <= FAULT_FAR_MAX &&
           rules->delay_ms <= FAULT_DELAY_MAX_MS);
    fault->rules = *rules;
    for (struct fault_line *line = fault->lines; line != NULL;
         line = line->next) {
        bool was_cut = line->cut;
        judge(line);
        send_frames(line);
        if (was_cut && !line->cut) {
            line->waits = false;
            line->to.on_news(line->to.data);
        }
    }
    arm(fault);
}

/* NULL: none of the far ones. */
static const struct fault_far *far_of(const struct fault *fault,
                                      const struct addr *to)
{
    for (size_t i = 0; i < fault->rules.len; i++) {
        const struct fault_far *far = &fault->rules.far[i];
        if (memcmp(far->addr.ip, to->ip, sizeof to->ip) == 0 &&
            to->port >= far->addr.port &&
            to->port < far->addr.port + FAULT_PORTS) {
            return far;
        }
    }
    return NULL;
}

/* Not before what was sent before it. */
static uint64_t due_after(const struct fault *fault, uint64_t before_ns,
                          bool far)
{
    uint64_t delay_ms = far ? fault->rules.delay_ms : 0;
    uint64_t due_ns = uv_hrtime() + delay_ms * NS_PER_MS;

    return due_ns < before_ns ? before_ns : due_ns;
}

/* --- what is due --- */

static void on_timer(uv_timer_t *timer)
{
    struct fault *fault = timer->data;

    send_packets(fault);
    for (struct fault_line *line = fault->lines; line != NULL;
         line = line->next) {
        send_frames(line);
        if (line->waits && fault_line_has_room(line)) {
            line->waits = false;
            line->to.on_news(line->to.data);
        }
    }
    arm(fault);
}

static void arm(struct fault *fault)
{
    uint64_t now_ns = uv_hrtime();
    uint64_t due_ns = fault->first != NULL ? fault->first->due_ns : UINT64_MAX;

    for (struct fault_line *line = fault->lines; line != NULL;
         line = line->next) {
        if (line->first != NULL && !line->cut && !line->held_up &&
            line->first->due_ns < due_ns) {
            due_ns = line->first->due_ns;
        }
    }
    if (due_ns == UINT64_MAX) {
        uv_timer_stop(&fault->timer);
        return;
    }
    uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    uv_timer_start(&fault->timer, on_timer,
                   (wait_ns + NS_PER_MS - 1) / NS_PER_MS, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct fault *fault = handle->data;

    while (fault->first != NULL) {
        struct held_packet *next = fault->first->next;
        free(fault->first);
        fault->first = next;
    }
    free(fault);
}

/* --- packets --- */

bool fault_packet(struct fault *fault, const struct addr *to,
                  struct bytes packet, fault_send send, void *data)
{
    const struct fault_far *far = far_of(fault, to);

    if (far == NULL || (!far->cut && fault->rules.delay_ms == 0)) {
        return false;
    }
    if (far->cut || fault->packets == FAULT_PACKETS_MAX) {
        return true;
    }
    struct held_packet *held = malloc(sizeof *held + packet.len);
    if (held == NULL) {
        return true;
    }
    bool first = fault->first == NULL;
    *held = (struct held_packet){
        .due_ns = due_after(fault, first ? 0 : fault->last->due_ns, true),
        .to = *to,
        .send = send,
        .data = data,
        .len = packet.len,
    };
    memcpy(held->bytes, packet.p, packet.len);
    if (first) {
        fault->first = held;
    } else {
        fault->last->next = held;
    }
    fault->last = held;
    fault->packets++;
    arm(fault);
    return true;
}

static void send_packets(struct fault *fault)
{
    while (fault->first != NULL && fault->first->due_ns <= uv_hrtime()) {
        struct held_packet *held = fault->first;
        const struct fault_far *far = far_of(fault, &held->to);
        fault->first = held->next;
        fault->packets--;
        if (far == NULL || !far->cut) {
            held->send(held->data, &held->to, bytes_of(held->bytes, held->len));
        }
        free(held);
    }
}

/* --- lines --- */

int fault_line_open(struct fault_line **out, struct fault *fault,
                    struct push *push, const struct fault_line_to *to)
{
    struct fault_line *line = calloc(1, sizeof *line);

    if (line == NULL) {
        return ERR_NOMEM;
    }
    line->fault = fault;
    line->push = push;
    line->to = *to;
    line->next = fault->lines;
    fault->lines = line;
    *out = line;
    return 0;
}

void fault_line_close(struct fault_line *line)
{
    struct fault_line **at = &line->fault->lines;

    while (*at != line) {
        at = &(*at)->next;
    }
    *at = line->next;
    drop_frames(line);
    free(line);
}

void fault_line_aim(struct fault_line *line, const struct addr *to)
{
    drop_frames(line);
    line->held_up = false;
    line->addr = *to;
    line->aimed = true;
    judge(line);
}

/* What the rules say of the way that it goes. */
static void judge(struct fault_line *line)
{
    const struct fault_far *far = line->aimed ? far_of(line->fault, &line->addr)
                                              : NULL;

    line->far = far != NULL;
    line->cut = far != NULL && far->cut;
}

uint32_t fault_line_pipe(struct fault_line *line)
{
    uint32_t pipe = push_pipe(line->push);

    if (!line->cut) {
        line->stood = pipe;
    }
    return pipe == line->stood ? pipe : 0;
}

bool fault_line_has_room(struct fault_line *line)
{
    bool straight = line->first == NULL && !line->cut &&
                    (!line->far || line->fault->rules.delay_ms == 0);

    if (straight) {
        return push_has_room(line->push);
    }
    line->waits = line->cut || line->len >= FAULT_LINE_LEN;
    return !line->waits;
}

void fault_line_send(struct fault_line *line, struct push_frame *frame)
{
    uint32_t pipe = fault_line_pipe(line);
    struct held_frame *held = NULL;

    assert(!line->cut);
    if (line->first == NULL &&
        (!line->far || line->fault->rules.delay_ms == 0)) {
        push_send(line->push, frame);
        return;
    }
    if (pipe != 0) {
        held = malloc(sizeof *held);
    }
    if (held == NULL) { /* lost; the other end sees a hole */
        push_frame_fini(frame);
        return;
    }
    bool first = line->first == NULL;
    *held = (struct held_frame){
        .due_ns = due_after(line->fault, first ? 0 : line->last->due_ns,
                            line->far),
        .pipe = pipe,
        .frame = *frame,
    };
    *frame = (struct push_frame){0};
    line->len += held->frame.out.len;
    if (first) {
        line->first = held;
    } else {
        line->last->next = held;
    }
    line->last = held;
    arm(line->fault);
}

void fault_line_go(struct fault_line *line)
{
    send_frames(line);
    arm(line->fault);
}

static void send_frames(struct fault_line *line)
{
    uint64_t now_ns = uv_hrtime();

    line->held_up = false;
    while (line->first != NULL && !line->cut && line->first->due_ns <= now_ns) {
        if (!push_has_room(line->push)) {
            line->held_up = true;
            return;
        }
        struct held_frame *held = take_frame(line);
        if (held->pipe == push_pipe(line->push)) {
            push_send(line->push, &held->frame);
        } else {
            push_frame_fini(&held->frame);
        }
        free(held);
    }
}

static void drop_frames(struct fault_line *line)
{
    while (line->first != NULL) {
        struct held_frame *held = take_frame(line);
        push_frame_fini(&held->frame);
        free(held);
    }
}

static struct held_frame *take_frame(struct fault_line *line)
{
    struct held_frame *held = line->first;

    line->first = held->next;
    line->len -= held->frame.out.len;
    return held;
}
