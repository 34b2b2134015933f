/* SPDX-License-Identifier: Apache-2.0
 *
 * Registers: what is written, and what must have become of it when all is calm.
 */
#include "proto/err.h"
#include "tests/sim/inside.h"

static struct bytes key_of(size_t key, char text[2])
{
    text[0] = 'k';
    text[1] = (char)('0' + key);
    return bytes_of(text, 2);
}

static bool get(struct sim *sim, size_t i, size_t key,
                struct cluster_register *reg)
{
    char text[2];

    return cluster_get(sim->nodes[i].cluster, CLUSTER_REGISTER_CACHE,
                       key_of(key, text), reg);
}

bool sim_set(struct sim *sim, size_t i, size_t key, uint8_t value)
{
    struct sim_value *kept = &sim->values[key];
    char text[2];

    SIM_CHECK(sim, key < SIM_KEYS);
    if (!sim->nodes[i].up || sim->nodes[i].paused ||
        !cluster_is_ready(sim->nodes[i].cluster)) {
        return false;
    }
    const struct cluster_register reg = {.kind = CLUSTER_REGISTER_CACHE,
                                         .key = key_of(key, text),
                                         .value = bytes_of(&value, 1)};
    int rc = cluster_set(sim->nodes[i].cluster, &reg, sim_wall_ms(sim, i));
    SIM_CHECK(sim, rc == 0);
    sim_end_turn(sim, i);
    sim_note(sim, "%zu: sets register %zu to %u", i, key, value);
    kept->last = value;
    kept->sets++;
    return true;
}

/* L3. A hash covers all of a register. */
bool values_are_same(const struct sim *sim, size_t i, size_t other)
{
    const struct registers *mine = &sim->nodes[i].cluster->registers;
    const struct registers *theirs = &sim->nodes[other].cluster->registers;

    for (size_t kind = 0; kind < REGISTERS_KINDS; kind++) {
        const struct registers_set *a = &mine->sets[kind];
        const struct registers_set *b = &theirs->sets[kind];
        if (a->len != b->len) {
            return false;
        }
        for (size_t n = 0; n < a->len; n++) {
            if (a->entries[n].record->hash != b->entries[n].record->hash) {
                return false;
            }
        }
    }
    return true;
}

/* Somebody has lived, without a break, since all were calm last. */
static bool has_witness(const struct sim *sim)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        const struct sim_node *node = &sim->nodes[i];
        if (node->up && node->life == node->calm_life) {
            return true;
        }
    }
    return false;
}

static bool was_calm(const struct sim *sim)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (!sim->nodes[i].calm) {
            return false;
        }
    }
    return sim->loss_calm;
}

/* R1: what was set once, in calm, whatever the clocks say, is what all have.
 * R2: what all had when it was calm last is not forgotten, nor is what came
 * before it back. All nodes have the same (L3), so one is looked at. */
static void judge_value(struct sim *sim, size_t i, size_t key)
{
    struct sim_value *kept = &sim->values[key];
    struct cluster_register reg = {0};
    bool has = get(sim, i, key, &reg);

    if (has_witness(sim) && reg.stamp < kept->stamp) {
        sim_broken(sim, "R2", "register %zu is forgotten", key);
    }
    if (was_calm(sim) && kept->sets == 1 &&
        !(has && reg.value.p[0] == kept->last)) {
        sim_broken(sim, "R1", "register %zu is not %u", key, kept->last);
    }
    kept->sets = 0;
    kept->stamp = reg.stamp;
}

void values_calm(struct sim *sim)
{
    size_t i = 0;

    while (!sim->nodes[i].up) {
        i++;
    }
    for (size_t key = 0; key < SIM_KEYS; key++) {
        judge_value(sim, i, key);
    }
    for (i = 0; i < sim->options.nodes; i++) {
        sim->nodes[i].calm_life = sim->nodes[i].up ? sim->nodes[i].life : 0;
    }
}
