/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/wires.h"

#include <assert.h>
#include <stdlib.h>

#include "node/mesh/lanes.h"

enum {
    NODES = 2,
    SLOTS = 4,
};

/* Our way to a slot, on one lane. */
struct wire {
    struct lanes *to; /* NULL: not dialled */
    uint32_t pipe;
    bool news; /* on_way() is to be called */
    struct push_frame frames[PUSH_IN_FLIGHT];
    size_t len;
};

struct lanes {
    struct lanes_options options;
    struct wire wires[SLOTS][PEER_LANES];
};

static struct lanes *all[NODES];
static uint32_t pipes;

static struct wire *wire_of(const struct lanes *lanes, uint16_t slot,
                            enum peer_lane lane)
{
    assert(slot < SLOTS);
    return (struct wire *)(uintptr_t)&lanes->wires[slot][lane];
}

int lanes_open(struct lanes **out, const struct lanes_options *options)
{
    size_t i = 0;

    while (all[i] != NULL) {
        i++;
        assert(i < NODES);
    }
    all[i] = calloc(1, sizeof *all[i]);
    assert(all[i] != NULL);
    all[i]->options = *options;
    *out = all[i];
    return 0;
}

void lanes_close(struct lanes *lanes)
{
    for (size_t i = 0; i < NODES; i++) {
        all[i] = all[i] == lanes ? NULL : all[i];
    }
    for (uint16_t slot = 0; slot < SLOTS; slot++) {
        lanes_hang_up(lanes, slot, PEER_CONTROL);
        lanes_hang_up(lanes, slot, PEER_DATA);
    }
    free(lanes);
}

int lanes_dial(struct lanes *lanes, uint16_t slot, enum peer_lane lane,
               const struct addr *to)
{
    struct wire *wire = wire_of(lanes, slot, lane);

    lanes_hang_up(lanes, slot, lane);
    for (size_t i = 0; i < NODES; i++) {
        if (all[i] != NULL && addr_eq(&all[i]->options.listen[lane], to)) {
            *wire = (struct wire){.to = all[i], .pipe = ++pipes, .news = true};
        }
    }
    return 0;
}

void lanes_hang_up(struct lanes *lanes, uint16_t slot, enum peer_lane lane)
{
    struct wire *wire = wire_of(lanes, slot, lane);

    while (wire->len > 0) {
        push_frame_fini(&wire->frames[--wire->len]);
    }
    *wire = (struct wire){0};
}

uint32_t lanes_pipe(const struct lanes *lanes, uint16_t slot,
                    enum peer_lane lane)
{
    return wire_of(lanes, slot, lane)->pipe;
}

bool lanes_has_room(const struct lanes *lanes, uint16_t slot,
                    enum peer_lane lane)
{
    struct wire *wire = wire_of(lanes, slot, lane);

    wire->news = wire->news || wire->len == PUSH_IN_FLIGHT;
    return wire->pipe != 0 && wire->len < PUSH_IN_FLIGHT;
}

void lanes_send(struct lanes *lanes, uint16_t slot, enum peer_lane lane,
                struct push_frame *frame)
{
    struct wire *wire = wire_of(lanes, slot, lane);

    assert(wire->pipe != 0 && wire->len < PUSH_IN_FLIGHT);
    wire->frames[wire->len++] = *frame;
    *frame = (struct push_frame){0};
}

void lanes_trust(struct lanes *lanes, enum peer_lane lane, uint32_t pipe)
{
    (void)lanes;
    (void)lane;
    (void)pipe;
}

void lanes_cut(struct lanes *lanes, enum peer_lane lane, uint32_t pipe)
{
    (void)lanes;
    (void)lane;
    (void)pipe;
}

void lanes_refused(struct lanes *lanes, struct lanes_refused *refused)
{
    (void)lanes;
    *refused = (struct lanes_refused){0};
}

/* True when there was something. */
static bool carry(struct lanes *from, uint16_t slot, enum peer_lane lane)
{
    struct wire *wire = wire_of(from, slot, lane);
    struct wire now = *wire;

    wire->news = false;
    wire->len = 0;
    for (size_t i = 0; i < now.len; i++) {
        now.to->options.on_frame(now.to->options.data, lane,
                                 buf_bytes(&now.frames[i].out), now.pipe);
        push_frame_fini(&now.frames[i]);
    }
    if (now.news) {
        from->options.on_way(from->options.data, slot, lane);
    }
    return now.news || now.len > 0;
}

void wires_carry(void)
{
    bool moved;

    do {
        moved = false;
        for (size_t i = 0; i < NODES; i++) {
            for (uint16_t slot = 0; slot < SLOTS && all[i] != NULL; slot++) {
                moved = carry(all[i], slot, PEER_CONTROL) || moved;
                moved = carry(all[i], slot, PEER_DATA) || moved;
            }
        }
    } while (moved);
}
