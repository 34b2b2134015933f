/* SPDX-License-Identifier: Apache-2.0
 *
 * node/mesh/lanes.h and the seal for the mesh of a simulated node: pipes as TCP
 * and nng make them, on the ways of net.c.
 *
 *   lanes_send() -> held (two frames) -> under way (`room` bytes) -> on_frame()
 *                                                |
 *                 broken: lost, or `stale`: arrives whoever lives there
 *
 * A frame is the nonce, the destination and the plain batch: who is not named
 * cannot open it, as with the real seal.
 */
#include "node/mesh/lanes.h"

#include <stdlib.h>

#include "proto/err.h"
#include "tests/sim/inside.h"

enum {
    ROOM = 256 << 10,
    LATE_US = 200 * 1000,
    LIE_MS = 2500,
    STALE_US = 5000 * 1000, /* so long it waits for a new process */
};

struct sim_frame {
    uint8_t *bytes;
    size_t len;
};

/* Our pipe to a slot on a lane. */
struct sim_stream {
    bool dialled;
    bool stands;
    uint16_t to;
    uint32_t trying; /* pipe that is being dialled */
    uint32_t pipe;   /* that stands, or did last */
    uint32_t told;   /* what the mesh knows: 0 none */
    uint32_t wait_ms;
    uint64_t stood_us;
    size_t under_way;
    struct sim_frame held[PUSH_IN_FLIGHT];
    size_t held_len;
};

struct lanes {
    struct sim *sim;
    uint16_t node;
    struct lanes_options options;
    struct sim_stream (*streams)[PEER_LANES]; /* by slot */
    size_t slots;
};

static struct sim_stream *stream_of(const struct lanes *lanes, uint16_t slot,
                                    enum peer_lane lane)
{
    return slot < lanes->slots ? &lanes->streams[slot][lane] : NULL;
}

static struct lanes *lanes_of(const struct sim *sim, size_t i)
{
    return sim->nodes[i].mesh->lanes;
}

static uint32_t pipe_new(const struct lanes *lanes, uint16_t slot,
                         enum peer_lane lane)
{
    struct sim *sim = lanes->sim;

    if (sim->pipes_len + 1 >= sim->pipes_cap) {
        sim->pipes_cap = sim->pipes_cap == 0 ? 256 : sim->pipes_cap * 2;
        sim->pipes = realloc(sim->pipes, sim->pipes_cap * sizeof *sim->pipes);
    }
    sim->pipes[++sim->pipes_len] = (struct sim_pipe){
        .node = lanes->node,
        .slot = slot,
        .lane = (uint8_t)lane,
        .life = sim->nodes[lanes->node].life,
    };
    return (uint32_t)sim->pipes_len;
}

static void tell(struct lanes *lanes, uint16_t slot, enum peer_lane lane)
{
    lanes->options.on_way(lanes->options.data, slot, lane);
}

static void drop_held(struct sim_stream *s)
{
    while (s->held_len > 0) {
        free(s->held[--s->held_len].bytes);
    }
}

static bool has_space(const struct lanes *lanes, const struct sim_stream *s,
                      size_t len)
{
    uint32_t room = lanes->sim->options.room;

    return s->under_way == 0 ||
           s->under_way + len <= (room == 0 ? (uint32_t)ROOM : room);
}

static void depart(struct lanes *lanes, struct sim_stream *s,
                   enum peer_lane lane, const struct sim_frame *frame)
{
    const struct sim_pipe *pipe = &lanes->sim->pipes[s->pipe];

    s->under_way += frame->len;
    net_carry(lanes->sim, &(struct sim_event){.type = SIM_FRAME,
                                              .node = s->to,
                                              .from = lanes->node,
                                              .slot = pipe->slot,
                                              .lane = (uint8_t)lane,
                                              .pipe = s->pipe,
                                              .life = pipe->life,
                                              .bytes = frame->bytes,
                                              .len = frame->len});
}

static void later(struct lanes *lanes, enum sim_event_type type, uint32_t pipe,
                  uint64_t us)
{
    const struct sim_pipe *p = &lanes->sim->pipes[pipe];

    heap_push(lanes->sim, lanes->sim->now_us + us,
              &(struct sim_event){.type = type,
                                  .node = p->node,
                                  .slot = p->slot,
                                  .lane = p->lane,
                                  .pipe = pipe,
                                  .life = p->life});
}

static void dial(struct lanes *lanes, uint16_t slot, enum peer_lane lane,
                 uint64_t us)
{
    struct sim_stream *s = stream_of(lanes, slot, lane);

    s->trying = pipe_new(lanes, slot, lane);
    later(lanes, SIM_DIAL, s->trying,
          us + 2 * net_us(lanes->sim, lanes->node, s->to));
}

/* The other end hears that nothing more comes. */
static void leave(struct lanes *lanes, const struct sim_stream *s,
                  enum peer_lane lane)
{
    net_carry(lanes->sim, &(struct sim_event){.type = SIM_LEFT,
                                              .node = s->to,
                                              .from = lanes->node,
                                              .lane = (uint8_t)lane,
                                              .pipe = s->pipe});
}

/* What is in it is lost, or not; the mesh hears of it `us` later. */
static void stream_break(struct lanes *lanes, uint16_t slot,
                         enum peer_lane lane, uint64_t us)
{
    struct sim *sim = lanes->sim;
    struct sim_stream *s = stream_of(lanes, slot, lane);

    if (net_happens(sim, sim->options.habits.stale)) {
        sim->pipes[s->pipe].stale = true;
        sim->pipes[s->pipe].stale_us = sim->now_us + STALE_US;
        for (size_t i = 0; i < s->held_len; i++) {
            depart(lanes, s, lane, &s->held[i]);
        }
        s->held_len = 0;
    }
    leave(lanes, s, lane);
    s->stands = false;
    s->under_way = 0;
    drop_held(s);
    if (net_happens(sim, sim->options.habits.late)) {
        us += LATE_US;
    }
    later(lanes, SIM_BROKEN, s->pipe, us);
    if (sim->now_us - s->stood_us > PUSH_STEADY_MS * 1000u) {
        s->wait_ms = PUSH_WAIT_MIN_MS;
    }
    dial(lanes, slot, lane, s->wait_ms * 1000u);
}

/* The pipe of this number, where it stands. */
static struct sim_stream *standing(const struct sim *sim, uint32_t pipe)
{
    const struct sim_pipe *p = &sim->pipes[pipe];
    const struct sim_node *node = &sim->nodes[p->node];

    if (!node->up || node->life != p->life) {
        return NULL;
    }
    struct sim_stream *s = stream_of(lanes_of(sim, p->node), p->slot,
                                     (enum peer_lane)p->lane);
    return s != NULL && s->stands && s->pipe == pipe ? s : NULL;
}

static void break_pipe(struct sim *sim, uint32_t pipe, uint64_t us)
{
    const struct sim_pipe *p = &sim->pipes[pipe];

    if (standing(sim, pipe) != NULL) {
        stream_break(lanes_of(sim, p->node), p->slot, (enum peer_lane)p->lane,
                     us);
    }
}

/* --- what the mesh calls --- */

int lanes_open(struct lanes **out, const struct lanes_options *options)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);
    const struct mesh *mesh = options->data;

    lanes->options = *options;
    lanes->sim = ((const struct sim_seat *)mesh->options.data)->sim;
    lanes->node = ((const struct sim_seat *)mesh->options.data)->node;
    *out = lanes;
    return 0;
}

void lanes_close(struct lanes *lanes)
{
    for (size_t slot = 0; slot < lanes->slots; slot++) {
        drop_held(&lanes->streams[slot][PEER_CONTROL]);
        drop_held(&lanes->streams[slot][PEER_DATA]);
    }
    free(lanes->streams);
    free(lanes);
}

static void make_room(struct lanes *lanes, uint16_t slot)
{
    size_t old = lanes->slots;

    if (slot < old) {
        return;
    }
    lanes->slots = old == 0 ? 16u + slot : 2u * slot;
    lanes->streams = realloc(lanes->streams,
                             lanes->slots * sizeof *lanes->streams);
    memset(lanes->streams + old, 0,
           (lanes->slots - old) * sizeof *lanes->streams);
}

int lanes_dial(struct lanes *lanes, uint16_t slot, enum peer_lane lane,
               const struct addr *to)
{
    lanes_hang_up(lanes, slot, lane);
    make_room(lanes, slot);
    struct sim_stream *s = &lanes->streams[slot][lane];
    s->dialled = true;
    s->to = (uint16_t)net_index(to);
    s->wait_ms = PUSH_WAIT_MIN_MS;
    dial(lanes, slot, lane, 0);
    return 0;
}

void lanes_hang_up(struct lanes *lanes, uint16_t slot, enum peer_lane lane)
{
    struct sim_stream *s = stream_of(lanes, slot, lane);

    if (s != NULL) {
        if (s->stands) {
            leave(lanes, s, lane);
        }
        drop_held(s);
        *s = (struct sim_stream){0};
    }
}

uint32_t lanes_pipe(const struct lanes *lanes, uint16_t slot,
                    enum peer_lane lane)
{
    const struct sim_stream *s = stream_of(lanes, slot, lane);

    return s == NULL ? 0 : s->told;
}

bool lanes_has_room(const struct lanes *lanes, uint16_t slot,
                    enum peer_lane lane)
{
    const struct sim_stream *s = stream_of(lanes, slot, lane);

    return s != NULL && s->told != 0 && s->held_len < PUSH_IN_FLIGHT;
}

void lanes_send(struct lanes *lanes, uint16_t slot, enum peer_lane lane,
                struct push_frame *frame)
{
    struct sim_stream *s = &lanes->streams[slot][lane];
    struct sim_frame f = {.bytes = frame->out.p, .len = frame->out.len};

    if (!s->stands) {
        free(f.bytes); /* nobody has said so yet */
    } else if (s->held_len == 0 && has_space(lanes, s, f.len)) {
        depart(lanes, s, lane, &f);
    } else {
        s->held[s->held_len++] = f;
    }
}

void lanes_trust(struct lanes *lanes, enum peer_lane lane, uint32_t pipe)
{
    (void)lanes;
    (void)lane;
    (void)pipe;
}

void lanes_cut(struct lanes *lanes, enum peer_lane lane, uint32_t pipe)
{
    const struct sim_pipe *p = &lanes->sim->pipes[pipe];

    (void)lane;
    sim_note(lanes->sim, "%u: cuts pipe %u of %u", lanes->node, pipe, p->node);
    break_pipe(lanes->sim, pipe, net_us(lanes->sim, lanes->node, p->node));
}

void lanes_refused(struct lanes *lanes, struct lanes_refused *refused)
{
    (void)lanes;
    *refused = (struct lanes_refused){0};
}

int push_frame_init(struct push_frame *frame, size_t cap)
{
    *frame = (struct push_frame){.out = {.max = cap}};
    return buf_reserve(&frame->out, cap) == NULL ? ERR_NOMEM : 0;
}

/* Linked in the place of proto/seal's (CMakeLists.txt: --wrap). */
void __wrap_seal_write(const struct seal_ring *ring, enum seal_kind kind,
                       const struct node_id *dst,
                       const uint8_t nonce[SEAL_NONCE_LEN], struct bytes plain,
                       struct buf *out);
void __wrap_seal_write(const struct seal_ring *ring, enum seal_kind kind,
                       const struct node_id *dst,
                       const uint8_t nonce[SEAL_NONCE_LEN], struct bytes plain,
                       struct buf *out)
{
    static const uint8_t head[SEAL_HEAD_LEN - SEAL_NONCE_LEN];

    (void)ring;
    (void)kind;
    buf_add(out, head, sizeof head);
    buf_add(out, nonce, SEAL_NONCE_LEN);
    buf_add(out, dst->b, NODE_ID_LEN);
    buf_add_bytes(out, plain);
}

bool lanes_opens_for(const uint8_t *dst, const struct node_id *self)
{
    return memcmp(dst, self->b, NODE_ID_LEN) == 0;
}

int __wrap_seal_read(const struct seal_ring *ring, enum seal_kind kind,
                     const struct node_id *dst, struct bytes sealed,
                     struct buf *out, uint64_t *counter);
int __wrap_seal_read(const struct seal_ring *ring, enum seal_kind kind,
                     const struct node_id *dst, struct bytes sealed,
                     struct buf *out, uint64_t *counter)
{
    (void)ring;
    (void)kind;
    buf_reset(out);
    if (!lanes_opens_for(sealed.p + SEAL_HEAD_LEN, dst)) {
        return ERR_FORGED;
    }
    *counter = bytes_u64be(sealed.p + SEAL_HEAD_LEN - 8);
    buf_add_bytes(out, bytes_skip(sealed, SEAL_HEAD_LEN + NODE_ID_LEN));
    return 0;
}

/* --- events --- */

static void on_dial(struct sim *sim, const struct sim_event *event)
{
    struct lanes *lanes = lanes_of(sim, event->node);
    enum peer_lane lane = (enum peer_lane)event->lane;
    struct sim_stream *s = stream_of(lanes, event->slot, lane);

    if (s == NULL || s->trying != event->pipe) {
        return;
    }
    const struct sim_node *to = &sim->nodes[s->to];
    if (!to->up || to->paused || !net_is_open(sim, event->node, s->to)) {
        dial(lanes, event->slot, lane, s->wait_ms * 1000u);
        s->wait_ms = s->wait_ms * 2 > PUSH_WAIT_MAX_MS
                         ? (uint32_t)PUSH_WAIT_MAX_MS
                         : s->wait_ms * 2;
        return;
    }
    net_begin(sim, event->node, s->to, lane);
    sim->pipes[event->pipe].to_life = to->life;
    s->pipe = event->pipe;
    s->told = event->pipe;
    s->trying = 0;
    s->stands = true;
    s->stood_us = sim->now_us;
    if (net_happens(sim, sim->options.habits.lie)) {
        sim->pipes[event->pipe].lies = true;
        later(lanes, SIM_BREAK, event->pipe,
              1000u * rng_below(&sim->rng, LIE_MS));
    }
    tell(lanes, event->slot, lane);
    sim_end_turn(sim, event->node);
}

static void on_broken(struct sim *sim, const struct sim_event *event)
{
    struct lanes *lanes = lanes_of(sim, event->node);
    enum peer_lane lane = (enum peer_lane)event->lane;
    struct sim_stream *s = stream_of(lanes, event->slot, lane);

    if (s != NULL && s->told == event->pipe) {
        s->told = 0; /* else a new one stands: it was heard of first */
        tell(lanes, event->slot, lane);
        sim_end_turn(sim, event->node);
    }
}

/* The receiver has taken a frame: others may follow. */
static void taken(struct sim *sim, const struct sim_event *event)
{
    struct sim_stream *s = standing(sim, event->pipe);

    if (s == NULL) {
        return;
    }
    struct lanes *lanes = lanes_of(sim, event->from);
    bool full = s->held_len == PUSH_IN_FLIGHT;
    s->under_way -= event->len;
    while (s->held_len > 0 && has_space(lanes, s, s->held[0].len)) {
        depart(lanes, s, (enum peer_lane)event->lane, &s->held[0]);
        s->held[0] = s->held[1];
        s->held_len--;
    }
    if (full && s->held_len < PUSH_IN_FLIGHT &&
        !sim->nodes[event->from].paused) {
        tell(lanes, event->slot, (enum peer_lane)event->lane);
        sim_end_turn(sim, event->from);
    }
}

static void on_left(struct sim *sim, const struct sim_event *event)
{
    const struct sim_node *node = &sim->nodes[event->node];

    if (node->up && sim->pipes[event->pipe].to_life == node->life) {
        const struct lanes *lanes = lanes_of(sim, event->node);
        lanes->options.on_left(lanes->options.data, (enum peer_lane)event->lane,
                               event->pipe);
        sim_end_turn(sim, event->node);
    }
}

static void on_frame(struct sim *sim, struct sim_event *event)
{
    const struct sim_node *node = &sim->nodes[event->node];
    const struct sim_pipe *pipe = &sim->pipes[event->pipe];
    bool stands = standing(sim, event->pipe) != NULL;

    if (!node->up && pipe->stale && sim->now_us < pipe->stale_us) {
        heap_push(sim, sim->now_us + LATE_US, event);
        event->bytes = NULL;
        return;
    }
    if (!node->up || (!stands && !pipe->stale)) {
        return; /* on a dead host it counts as under way */
    }
    if (stands && pipe->to_life != node->life && !pipe->stale) {
        break_pipe(sim, event->pipe, net_us(sim, event->node, event->from));
        return; /* its kernel knows no such connection */
    }
    if (pipe->lies) {
        taken(sim, event);
        return;
    }
    struct lanes *lanes = lanes_of(sim, event->node);
    lanes->options.on_frame(lanes->options.data, (enum peer_lane)event->lane,
                            bytes_of(event->bytes, event->len), event->pipe);
    if (!stands) {
        lanes->options.on_left(lanes->options.data, (enum peer_lane)event->lane,
                               event->pipe);
    }
    sim_end_turn(sim, event->node);
    taken(sim, event);
}

void lanes_event(struct sim *sim, struct sim_event *event)
{
    const struct sim_node *node = &sim->nodes[event->node];
    bool here = node->up && node->life == event->life;

    if (event->type == SIM_FRAME) {
        on_frame(sim, event);
    } else if (event->type == SIM_LEFT) {
        on_left(sim, event);
    } else if (here && event->type == SIM_DIAL) {
        on_dial(sim, event);
    } else if (here && event->type == SIM_BROKEN) {
        on_broken(sim, event);
    } else if (here && event->type == SIM_BREAK) {
        break_pipe(sim, event->pipe, 0);
    }
}

/* What the kernel of a node that died does, or its peers' on their own. */
void lanes_died(struct sim *sim, size_t i, bool reset)
{
    struct lanes *own = lanes_of(sim, i);

    for (size_t at = 0; reset && at < own->slots * PEER_LANES; at++) {
        enum peer_lane lane = (enum peer_lane)(at % PEER_LANES);
        const struct sim_stream *s = &own->streams[at / PEER_LANES][lane];
        if (s->stands) {
            leave(own, s, lane);
        }
    }
    for (size_t from = 0; from < sim->options.nodes; from++) {
        if (from == i || !sim->nodes[from].up) {
            continue;
        }
        struct lanes *lanes = lanes_of(sim, from);
        for (size_t at = 0; at < lanes->slots * PEER_LANES; at++) {
            enum peer_lane lane = (enum peer_lane)(at % PEER_LANES);
            struct sim_stream *s = &lanes->streams[at / PEER_LANES][lane];
            if (!s->stands || s->to != i) {
                continue;
            }
            if (reset) {
                stream_break(lanes, (uint16_t)(at / PEER_LANES), lane,
                             net_us(sim, i, from));
            } else if (net_happens(sim, sim->options.habits.stale)) {
                sim->pipes[s->pipe].stale = true;
                sim->pipes[s->pipe].stale_us = sim->now_us + STALE_US;
            }
        }
    }
}

void sim_break_lane(struct sim *sim, size_t a, size_t b, enum peer_lane lane)
{
    struct lanes *lanes = lanes_of(sim, a);

    sim_met(sim, a);
    sim_met(sim, b);
    for (size_t slot = 0; slot < lanes->slots; slot++) {
        struct sim_stream *s = &lanes->streams[slot][lane];
        if (s->stands && s->to == b) {
            stream_break(lanes, (uint16_t)slot, lane, 0);
        }
    }
    sim_run(sim, 0); /* who owns it has heard */
}

void sim_mute(struct sim *sim, size_t a, size_t b)
{
    struct lanes *lanes = lanes_of(sim, a);

    for (size_t slot = 0; slot < lanes->slots; slot++) {
        const struct sim_stream *s = &lanes->streams[slot][PEER_DATA];
        if (s->stands && s->to == b) {
            sim->pipes[s->pipe].lies = true;
        }
    }
}

void sim_break(struct sim *sim, size_t a, size_t b)
{
    sim_note(sim, "break %zu -> %zu", a, b);
    sim_break_lane(sim, a, b, PEER_CONTROL);
    sim_break_lane(sim, a, b, PEER_DATA);
}
