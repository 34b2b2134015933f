/* SPDX-License-Identifier: Apache-2.0
 *
 * Which nodes share a process, and end with it.
 */
#include <stdlib.h>

#include "proto/hash.h"
#include "tests/sim/inside.h"

/* The next nodes of a region are one process. */
static void place(struct sim *sim, size_t first, size_t workers)
{
    size_t regions = sim->options.regions;
    size_t room = (sim->options.nodes - first + regions - 1) / regions;

    workers = workers > room ? room : workers;
    for (size_t w = 0; w < workers; w++) {
        sim->places[first + w * regions] = (struct sim_place){
            .first = (uint16_t)first,
            .worker = (uint8_t)w,
            .workers = (uint8_t)workers,
        };
    }
}

void places_init(struct sim *sim)
{
    sim->places = calloc(sim->options.nodes, sizeof *sim->places);
    for (size_t region = 0; region < sim->options.regions; region++) {
        const char *size = sim->options.hosts;
        for (size_t i = region; i < sim->options.nodes;
             i += sim->places[i].workers * sim->options.regions) {
            bool said = size != NULL && *size != '\0';
            place(sim, i, said ? (size_t)(*size++ - '0') : 1);
        }
    }
}

size_t sim_workers(const struct sim *sim, size_t i)
{
    return sim->places[i].workers;
}

size_t sim_worker(const struct sim *sim, size_t i, size_t worker)
{
    return sim->places[i].first + worker * sim->options.regions;
}

bool sim_is_sibling(const struct sim *sim, size_t a, size_t b)
{
    return sim->places[a].first == sim->places[b].first;
}

/* The others of its process are down. */
static bool is_first(const struct sim *sim, size_t i)
{
    size_t up = 0;

    for (size_t w = 0; w < sim_workers(sim, i); w++) {
        up += sim->nodes[sim_worker(sim, i, w)].up;
    }
    return up == 1; /* itself */
}

bool places_serve(const struct sim *sim, size_t i)
{
    bool serve = false;

    for (size_t w = 0; w < sim_workers(sim, i); w++) {
        size_t worker = sim_worker(sim, i, w);
        const struct sim_node *node = &sim->nodes[worker];
        serve = serve || (worker != i && node->up && !node->parted);
    }
    return serve;
}

bool places_are_up(const struct sim *sim, size_t i, size_t from)
{
    bool up = false;

    for (size_t w = from; w < sim_workers(sim, i); w++) {
        up = up || sim->nodes[sim_worker(sim, i, w)].up;
    }
    return up;
}

bool places_are_well(const struct sim *sim, size_t i)
{
    bool well = true;

    for (size_t w = 0; w < sim_workers(sim, i); w++) {
        size_t worker = sim_worker(sim, i, w);
        well = well && sim_is_up(sim, worker) && !sim_is_paused(sim, worker);
    }
    return well;
}

void places_started(struct sim *sim, size_t i)
{
    if (is_first(sim, i)) {
        sim->places[sim->places[i].first].life = hash_mix(sim->lives);
    }
}

void sim_kill(struct sim *sim, size_t i, bool reset)
{
    SIM_CHECK(sim, sim_is_up(sim, i));
    for (size_t w = 0; w < sim_workers(sim, i); w++) {
        size_t worker = sim_worker(sim, i, w);
        if (sim_is_up(sim, worker)) {
            sim_end(sim, worker, reset);
        }
    }
}

/* As a node does: says so, answers for a while, then its kernel closes. */
void sim_leave(struct sim *sim, size_t i)
{
    for (size_t w = 0; w < sim_workers(sim, i); w++) {
        sim_say(sim, sim_worker(sim, i, w), CLUSTER_LEAVE);
    }
    sim_run(sim, SWIM_LEAVE_MS);
    sim_kill(sim, i, true);
}
