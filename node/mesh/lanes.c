/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/lanes.h"

#include <assert.h>
#include <stdlib.h>

#include "node/mesh/pipe_table.h"
#include "proto/err.h"

enum {
    STRANGER_TICKS = 4 /* looks at strangers, in stranger_ms */
};

/* Our way to one slot on one lane. */
struct way {
    struct lanes *lanes;
    struct push *push;
    struct fault_line *line; /* in front of it; NULL: no fault */
    uint16_t slot;
    enum peer_lane lane;
    struct addr to;
    bool dialled;

    /* Under the mutex. */
    bool listed;
    struct way *next;
};

struct inlet {
    struct lanes *lanes;
    struct pull *pull;
    enum peer_lane lane;
};

struct lanes {
    struct lanes_options options;
    struct inlet inlets[PEER_LANES];
    struct way *ways[LANES_SLOTS_MAX][PEER_LANES];
    size_t slots_len; /* no way beyond */
    uv_async_t async;
    uv_timer_t timer; /* runs while a pipe is a stranger's */
    int handles;      /* of these, not closed yet */
    struct pipe_table pipes;
    uint64_t ends[PULL_ENDS];

    uv_cond_t closed_cond;
    uv_mutex_t mutex; /* for what follows */
    bool closing;
    bool closed; /* all sockets are */
    bool woken;
    struct way *news; /* that the loop has not looked at */
};

static int way_open(struct lanes *lanes, uint16_t slot, enum peer_lane lane);
static int inlet_open(struct lanes *lanes, enum peer_lane lane);
static void lines_close(struct lanes *lanes);
static void sockets_close(void *arg);
static void on_closed(uv_handle_t *handle);
static void on_wake(uv_async_t *async);
static void on_tick(uv_timer_t *timer);
static struct way *next_news(struct lanes *lanes);
static void on_frame(void *data, struct bytes frame, uint32_t pipe);
static void wake(struct lanes *lanes);
static void on_line_news(void *data);
static void on_way_news(void *data);
static void on_inlet_news(void *data);
static uint32_t key_of(const struct inlet *inlet, uint32_t pipe);
static bool admit(void *data, uint32_t pipe, const uint8_t ip[16]);
static void left(void *data, uint32_t pipe, enum pull_end why);

static struct way *way_at(const struct lanes *lanes, uint16_t slot,
                          enum peer_lane lane)
{
    assert(slot < LANES_SLOTS_MAX);
    return lanes->ways[slot][lane];
}

int lanes_open(struct lanes **out, const struct lanes_options *options)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);

    if (lanes == NULL) {
        return ERR_NOMEM;
    }
    lanes->options = *options;
    if (options->stranger_ms == 0) {
        lanes->options.stranger_ms = PULL_STRANGER_MS;
    }
    if (pipe_table_init(&lanes->pipes) != 0 ||
        uv_async_init(options->loop, &lanes->async, on_wake) != 0) {
        pipe_table_fini(&lanes->pipes);
        free(lanes);
        return ERR_NOMEM;
    }
    uv_timer_init(options->loop, &lanes->timer);
    lanes->async.data = lanes;
    lanes->timer.data = lanes;
    lanes->handles = 2;
    if (uv_mutex_init(&lanes->mutex) != 0 ||
        uv_cond_init(&lanes->closed_cond) != 0) {
        abort(); /* neither allocates: it cannot fail here */
    }
    int rc = inlet_open(lanes, PEER_CONTROL);
    if (rc == 0) {
        rc = inlet_open(lanes, PEER_DATA);
    }
    if (rc != 0) {
        lanes_close(lanes);
        return rc;
    }
    *out = lanes;
    return 0;
}

static void handles_close(struct lanes *lanes, uv_close_cb on_closed_each)
{
    uv_close((uv_handle_t *)&lanes->async, on_closed_each);
    uv_close((uv_handle_t *)&lanes->timer, on_closed_each);
}

void lanes_close(struct lanes *lanes)
{
    uint64_t wait_ns = (uint64_t)LANES_CLOSE_MS * 1000000;
    uv_thread_t thread;

    uv_mutex_lock(&lanes->mutex);
    lanes->closing = true;
    uv_mutex_unlock(&lanes->mutex);
    lines_close(lanes);
    for (size_t i = 0; i < PEER_LANES; i++) {
        if (lanes->inlets[i].pull != NULL) {
            pull_stop(lanes->inlets[i].pull);
        }
    }
    /* On a thread of its own: nng_close() of 1.5.2 has been seen to hang. */
    if (uv_thread_create(&thread, sockets_close, lanes) != 0) {
        sockets_close(lanes);
        handles_close(lanes, on_closed);
        return;
    }
    uv_mutex_lock(&lanes->mutex);
    while (!lanes->closed && uv_cond_timedwait(&lanes->closed_cond,
                                               &lanes->mutex, wait_ns) == 0) {
    }
    bool closed = lanes->closed;
    uv_mutex_unlock(&lanes->mutex);
    if (closed) {
        uv_thread_join(&thread);
    }
    /* What nng does not let go of is its own for ever. */
    handles_close(lanes, closed ? on_closed : NULL);
}

int lanes_dial(struct lanes *lanes, uint16_t slot, enum peer_lane lane,
               const struct addr *to)
{
    int rc = 0;

    if (way_at(lanes, slot, lane) == NULL) {
        rc = way_open(lanes, slot, lane);
    }
    if (rc != 0) {
        return rc;
    }
    struct way *way = way_at(lanes, slot, lane);
    way->to = *to;
    way->dialled = true;
    if (way->line != NULL) {
        fault_line_aim(way->line, to);
    }
    push_dial(way->push, to);
    return 0;
}

void lanes_hang_up(struct lanes *lanes, uint16_t slot, enum peer_lane lane)
{
    struct way *way = way_at(lanes, slot, lane);

    if (way == NULL) {
        return;
    }
    way->dialled = false;
    push_hang_up(way->push);
}

uint32_t lanes_pipe(const struct lanes *lanes, uint16_t slot,
                    enum peer_lane lane)
{
    struct way *way = way_at(lanes, slot, lane);

    if (way == NULL) {
        return 0;
    }
    return way->line == NULL ? push_pipe(way->push)
                             : fault_line_pipe(way->line);
}

bool lanes_has_room(const struct lanes *lanes, uint16_t slot,
                    enum peer_lane lane)
{
    struct way *way = way_at(lanes, slot, lane);

    if (way == NULL) {
        return false;
    }
    return way->line == NULL ? push_has_room(way->push)
                             : fault_line_has_room(way->line);
}

void lanes_send(struct lanes *lanes, uint16_t slot, enum peer_lane lane,
                struct push_frame *frame)
{
    struct way *way = way_at(lanes, slot, lane);

    if (way->line == NULL) {
        push_send(way->push, frame);
    } else {
        fault_line_send(way->line, frame);
    }
}

void lanes_trust(struct lanes *lanes, enum peer_lane lane, uint32_t pipe)
{
    const struct inlet *inlet = &lanes->inlets[lane];

    pipe_table_trust(&lanes->pipes, key_of(inlet, pipe));
    pull_trust(inlet->pull, pipe);
}

void lanes_cut(struct lanes *lanes, enum peer_lane lane, uint32_t pipe)
{
    pull_cut(lanes->inlets[lane].pull, pipe);
}

void lanes_refused(struct lanes *lanes, struct lanes_refused *refused)
{
    refused->crowded = lanes->pipes.refused;
    memcpy(refused->ends, lanes->ends, sizeof refused->ends);
}

static int way_open(struct lanes *lanes, uint16_t slot, enum peer_lane lane)
{
    struct way *way = calloc(1, sizeof *way);

    if (way == NULL) {
        return ERR_NOMEM;
    }
    *way = (struct way){.lanes = lanes, .slot = slot, .lane = lane};
    int rc = push_open(&way->push,
                       &(struct push_to){.data = way, .on_news = on_way_news});
    if (rc == 0 && lanes->options.fault != NULL) {
        rc = fault_line_open(
            &way->line, lanes->options.fault, way->push,
            &(struct fault_line_to){.data = way, .on_news = on_line_news});
        if (rc != 0) {
            push_close(way->push);
            push_free(way->push);
        }
    }
    if (rc != 0) {
        free(way);
        return rc;
    }
    lanes->ways[slot][lane] = way;
    if (slot >= lanes->slots_len) {
        lanes->slots_len = (size_t)slot + 1;
    }
    return 0;
}

static int inlet_open(struct lanes *lanes, enum peer_lane lane)
{
    struct inlet *inlet = &lanes->inlets[lane];
    const struct pull_options options = {
        .loop = lanes->options.loop,
        .listen = lanes->options.listen[lane],
        .frame_max = lanes->options.frame_max[lane],
        .stranger_ms = lanes->options.stranger_ms,
        .to = {.data = inlet,
               .on_news = on_inlet_news,
               .admit = admit,
               .on_frame = on_frame,
               .left = left},
    };

    inlet->lanes = lanes;
    inlet->lane = lane;
    return pull_open(&inlet->pull, &options);
}

/* The fault goes before the memory of the ways. */
static void lines_close(struct lanes *lanes)
{
    for (size_t i = 0; i < lanes->slots_len * PEER_LANES; i++) {
        struct way *way = lanes->ways[i / PEER_LANES][i % PEER_LANES];
        if (way != NULL && way->line != NULL) {
            fault_line_close(way->line);
            way->line = NULL;
        }
    }
}

static void sockets_close(void *arg)
{
    struct lanes *lanes = arg;

    for (size_t i = 0; i < PEER_LANES; i++) {
        if (lanes->inlets[i].pull != NULL) {
            pull_close(lanes->inlets[i].pull);
        }
    }
    for (size_t i = 0; i < lanes->slots_len * PEER_LANES; i++) {
        struct way *way = lanes->ways[i / PEER_LANES][i % PEER_LANES];
        if (way != NULL) {
            push_close(way->push);
        }
    }
    uv_mutex_lock(&lanes->mutex);
    lanes->closed = true;
    uv_cond_signal(&lanes->closed_cond);
    uv_mutex_unlock(&lanes->mutex);
}

static void on_closed(uv_handle_t *handle)
{
    struct lanes *lanes = handle->data;

    if (--lanes->handles > 0) {
        return;
    }
    for (size_t i = 0; i < PEER_LANES; i++) {
        if (lanes->inlets[i].pull != NULL) {
            pull_free(lanes->inlets[i].pull);
        }
    }
    for (size_t i = 0; i < lanes->slots_len * PEER_LANES; i++) {
        struct way *way = lanes->ways[i / PEER_LANES][i % PEER_LANES];
        if (way != NULL) {
            push_free(way->push);
            free(way);
        }
    }
    pipe_table_fini(&lanes->pipes);
    uv_cond_destroy(&lanes->closed_cond);
    uv_mutex_destroy(&lanes->mutex);
    free(lanes);
}

static void on_wake(uv_async_t *async)
{
    struct lanes *lanes = async->data;
    struct way *way;

    uv_mutex_lock(&lanes->mutex);
    lanes->woken = false;
    uv_mutex_unlock(&lanes->mutex);
    while ((way = next_news(lanes)) != NULL) {
        if (way->line != NULL) {
            fault_line_go(way->line);
        }
        on_line_news(way);
    }
    for (size_t i = 0; i < PEER_LANES; i++) {
        pull_take(lanes->inlets[i].pull);
    }
}

/* The loop's own news of a way. */
static void on_line_news(void *data)
{
    const struct way *way = data;
    const struct lanes_options *options = &way->lanes->options;

    options->on_way(options->data, way->slot, way->lane);
}

static void on_tick(uv_timer_t *timer)
{
    struct lanes *lanes = timer->data;
    bool strangers = false;

    for (size_t i = 0; i < PEER_LANES; i++) {
        strangers = pull_tick(lanes->inlets[i].pull) || strangers;
    }
    if (!strangers) {
        uv_timer_stop(timer);
    }
}

/* Both lanes count their pipes from 1. */
static uint32_t key_of(const struct inlet *inlet, uint32_t pipe)
{
    return pipe << 1 | (uint32_t)inlet->lane;
}

static bool admit(void *data, uint32_t pipe, const uint8_t ip[16])
{
    struct lanes *lanes = ((struct inlet *)data)->lanes;
    uint32_t every_ms = lanes->options.stranger_ms / STRANGER_TICKS;
    size_t peers = 0;

    for (size_t i = 0; i < lanes->slots_len; i++) {
        const struct way *way = lanes->ways[i][PEER_CONTROL];
        peers += way != NULL && way->dialled && memcmp(way->to.ip, ip, 16) == 0;
    }
    if (!uv_is_active((uv_handle_t *)&lanes->timer)) {
        uv_timer_start(&lanes->timer, on_tick, every_ms, every_ms);
    }
    return pipe_table_admit(&lanes->pipes, key_of(data, pipe), ip, peers);
}

static struct way *next_news(struct lanes *lanes)
{
    uv_mutex_lock(&lanes->mutex);
    struct way *way = lanes->news;
    if (way != NULL) {
        lanes->news = way->next;
        way->listed = false;
    }
    uv_mutex_unlock(&lanes->mutex);
    return way;
}

static void on_frame(void *data, struct bytes frame, uint32_t pipe)
{
    const struct inlet *inlet = data;
    const struct lanes_options *options = &inlet->lanes->options;

    options->on_frame(options->data, inlet->lane, frame, pipe);
}

static void left(void *data, uint32_t pipe, enum pull_end why)
{
    const struct inlet *inlet = data;
    struct lanes *lanes = inlet->lanes;

    pipe_table_remove(&lanes->pipes, key_of(data, pipe));
    lanes->ends[why]++;
    if (lanes->options.on_left != NULL) {
        lanes->options.on_left(lanes->options.data, inlet->lane, pipe);
    }
}

/* What follows runs on nng's threads, the last two on the loop's as well. */

/* Under the mutex. One wake-up for all that lies there. */
static void wake(struct lanes *lanes)
{
    if (!lanes->woken && !lanes->closing) {
        lanes->woken = true;
        uv_async_send(&lanes->async);
    }
}

static void on_way_news(void *data)
{
    struct way *way = data;
    struct lanes *lanes = way->lanes;

    uv_mutex_lock(&lanes->mutex);
    if (!way->listed) {
        way->listed = true;
        way->next = lanes->news;
        lanes->news = way;
    }
    wake(lanes);
    uv_mutex_unlock(&lanes->mutex);
}

static void on_inlet_news(void *data)
{
    struct lanes *lanes = ((struct inlet *)data)->lanes;

    uv_mutex_lock(&lanes->mutex);
    wake(lanes);
    uv_mutex_unlock(&lanes->mutex);
}
