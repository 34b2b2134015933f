/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "tests/sim/inside.h"

/* Children of a place: with four it is half as deep as with two, and they lie
 * side by side. */
enum {
    HEAP_WAYS = 4
};

static bool earlier(const struct sim_turn *a, const struct sim_turn *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

/* The place of a copy of the event. */
static uint32_t keep(struct sim *sim, const struct sim_event *event)
{
    if (sim->spare_len == 0) {
        size_t old = sim->events_cap;
        size_t cap = old == 0 ? 1024 : old * 2;
        sim->events = realloc(sim->events, cap * sizeof *sim->events);
        sim->spare = realloc(sim->spare, cap * sizeof *sim->spare);
        for (size_t i = cap; i > old; i--) {
            sim->spare[sim->spare_len++] = (uint32_t)(i - 1);
        }
        sim->events_cap = cap;
    }
    uint32_t place = sim->spare[--sim->spare_len];
    sim->events[place] = *event;
    return place;
}

void heap_push(struct sim *sim, uint64_t at_us, const struct sim_event *event)
{
    if (sim->heap_len == sim->heap_cap) {
        sim->heap_cap = sim->heap_cap == 0 ? 1024 : sim->heap_cap * 2;
        sim->heap = realloc(sim->heap, sim->heap_cap * sizeof *sim->heap);
    }
    struct sim_turn added = {
        .at_us = at_us, .number = sim->number++, .event = keep(sim, event)};
    size_t at = sim->heap_len++;
    while (at > 0 && earlier(&added, &sim->heap[(at - 1) / HEAP_WAYS])) {
        sim->heap[at] = sim->heap[(at - 1) / HEAP_WAYS];
        at = (at - 1) / HEAP_WAYS;
    }
    sim->heap[at] = added;
}

/* heap_len or more when there is none. */
static size_t earliest_child(const struct sim *sim, size_t at)
{
    size_t first = HEAP_WAYS * at + 1;
    size_t end = first + HEAP_WAYS;
    size_t best = first;

    if (end > sim->heap_len) {
        end = sim->heap_len;
    }
    for (size_t child = first + 1; child < end; child++) {
        if (earlier(&sim->heap[child], &sim->heap[best])) {
            best = child;
        }
    }
    return best;
}

bool heap_pop(struct sim *sim, struct sim_event *event)
{
    if (sim->heap_len == 0) {
        return false;
    }
    *event = sim->events[sim->heap[0].event];
    sim->spare[sim->spare_len++] = sim->heap[0].event;
    const struct sim_turn last = sim->heap[--sim->heap_len];
    size_t at = 0;
    for (size_t child; (child = earliest_child(sim, at)) < sim->heap_len;
         at = child) {
        if (!earlier(&sim->heap[child], &last)) {
            break;
        }
        sim->heap[at] = sim->heap[child];
    }
    sim->heap[at] = last;
    return true;
}

void heap_fini(struct sim *sim)
{
    struct sim_event event;

    while (heap_pop(sim, &event)) {
        free(event.bytes);
    }
    free(sim->heap);
    free(sim->events);
    free(sim->spare);
}

void list_add(struct sim_list *list, const struct sim_event *event)
{
    if (list->len == list->cap) {
        list->cap = list->cap == 0 ? 16 : list->cap * 2;
        list->events = realloc(list->events, list->cap * sizeof *list->events);
    }
    list->events[list->len++] = *event;
}

void list_fini(struct sim_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free(list->events[i].bytes);
    }
    free(list->events);
    *list = (struct sim_list){0};
}
