/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>

#include "tests/sim/inside.h"

enum {
    AGE_SLACK_MS = 1500,         /* a queue looks at its oldest once a turn */
    FORGET_SLACK_MS = 60 * 1000, /* the dead are looked at now and then */
};

/* --- what failed, and what was before --- */

static struct sim_note *note_new(struct sim *sim)
{
    struct sim_note *note = &sim->notes[sim->notes_len++ % SIM_NOTES];

    note->at_us = sim->now_us;
    note->step = sim->report.events;
    note->event = NULL;
    return note;
}

static void print_text(FILE *file, const struct sim_note *note)
{
    const char *why = note->event != NULL ? note->why : NULL;

    if (note->event != NULL) {
        fprintf(file, "%u: %s %u", note->node, note->event, note->of);
    } else {
        fprintf(file, "%s", note->text);
    }
    fprintf(file, "%s%s\n", why == NULL ? "" : ", ", why == NULL ? "" : why);
}

static void trace(const struct sim *sim, const struct sim_note *note)
{
    if (sim->options.trace) {
        printf("%10.3f ms  ", (double)note->at_us / 1000);
        print_text(stdout, note);
    }
}

void sim_note(struct sim *sim, const char *format, ...)
{
    struct sim_note *note = note_new(sim);
    va_list args;

    va_start(args, format);
    vsnprintf(note->text, sizeof note->text, format, args);
    va_end(args);
    trace(sim, note);
}

void sim_note_event(struct sim *sim, size_t node, const char *event, size_t of,
                    const char *why)
{
    struct sim_note *note = note_new(sim);

    note->event = event;
    note->why = why;
    note->node = (uint16_t)node;
    note->of = (uint16_t)of;
    trace(sim, note);
}

void whole_print_notes(const struct sim *sim)
{
    uint64_t from = sim->notes_len > SIM_NOTES ? sim->notes_len - SIM_NOTES : 0;

    fprintf(stderr, "the last events:\n");
    for (uint64_t n = from; n < sim->notes_len; n++) {
        const struct sim_note *note = &sim->notes[n % SIM_NOTES];
        fprintf(stderr, "  %10.3f ms  step %8" PRIu64 "  ",
                (double)note->at_us / 1000, note->step);
        print_text(stderr, note);
    }
}

void sim_broken(const struct sim *sim, const char *name, const char *format,
                ...)
{
    char what[256];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    fprintf(stderr,
            "BROKEN %s: %s\n  seed %" PRIu64 ", %zu nodes, step %" PRIu64
            ", %" PRIu64 " ms, digest %016" PRIx64 "\n",
            name, what, sim->options.seed, sim->options.nodes,
            sim->report.events, sim_now_ms(sim), sim->report.digest);
    whole_print_notes(sim);
    if (sim->options.on_broken != NULL) {
        sim->options.on_broken(name, what);
    }
    fail_msg("%s: %s", name, what);
}

/* --- L2, L1, L3 --- */

static const char OTHER_VALUES[] = "has other registers than";

static size_t up_len(const struct sim *sim)
{
    size_t up = 0;

    for (size_t i = 0; i < sim->options.nodes; i++) {
        up += sim->nodes[i].up;
    }
    return up;
}

/* Why node i does not know `other` as living; NULL: it does. */
static const char *why_unknown(const struct sim *sim, size_t i, size_t other)
{
    const struct member *member = swim_find(sim->nodes[i].cluster->swim,
                                            &sim->nodes[other].id);

    return member == NULL                  ? "does not know"
           : member->state != GOSSIP_ALIVE ? "holds for suspect or dead"
                                           : NULL;
}

/* L2: all live nodes are alive everywhere, and nobody else. */
static const char *why_not_agreed(const struct sim *sim, size_t i, size_t up,
                                  size_t *other)
{
    const struct swim *swim = sim->nodes[i].cluster->swim;

    for (*other = 0; *other < sim->options.nodes; ++*other) {
        if (*other != i && sim->nodes[*other].up) {
            const char *why = why_unknown(sim, i, *other);
            if (why != NULL) {
                return why;
            }
        }
    }
    return swim_living(swim) == up - 1 ? NULL : "knows more than live, not";
}

/* Looked for from the node on that lacked something last time. */
static bool is_any(struct sim *sim, bool (*lacks)(struct sim *sim, size_t i))
{
    const size_t from = sim->apart;

    for (size_t n = 0; n < sim->options.nodes; n++) {
        size_t i = (from + n) % sim->options.nodes;
        if (sim->nodes[i].up && lacks(sim, i)) {
            sim->apart = i;
            return true;
        }
    }
    return false;
}

static bool is_apart(struct sim *sim, size_t i)
{
    size_t up = up_len(sim);
    size_t other;

    return swim_living(sim->nodes[i].cluster->swim) != up - 1 ||
           why_not_agreed(sim, i, up, &other) != NULL;
}

bool sim_is_agreed(struct sim *sim)
{
    return !is_any(sim, is_apart);
}

/* L1: all live nodes hold the log of each, as it is there. */
static const char *why_not_held(struct sim *sim, size_t i, size_t other)
{
    struct cluster *cluster = sim->nodes[i].cluster;
    const struct replog *log = &sim->nodes[other].cluster->log;
    uint16_t slot = sim_slot(sim, i, other);

    if (slot == CLUSTER_SLOT_NONE || !cluster->peers[slot]->linked) {
        return "is not linked with";
    }
    const struct interest_peer *held = interest_peer(&cluster->interest, slot);
    return !held->whole                    ? "has not the whole log of"
           : held->version != log->version ? "has another version of"
           : held->digest != log->digest   ? "has another digest of"
                                           : NULL;
}

static const char *why_not_whole(struct sim *sim, size_t i, size_t *other)
{
    *other = i;
    if (!cluster_is_ready(sim->nodes[i].cluster)) {
        return cluster_why_not_ready(sim->nodes[i].cluster);
    }
    if (!sim->nodes[i].cluster->host_whole) {
        return "has not seen all of its process ready:";
    }
    for (*other = 0; *other < sim->options.nodes; ++*other) {
        if (*other != i && sim->nodes[*other].up) {
            const char *why = why_not_held(sim, i, *other);
            if (why == NULL && !values_are_same(sim, i, *other)) {
                why = OTHER_VALUES;
            }
            if (why != NULL) {
                return why;
            }
        }
    }
    return NULL;
}

static bool is_not_whole(struct sim *sim, size_t i)
{
    size_t other;

    return is_apart(sim, i) || why_not_whole(sim, i, &other) != NULL;
}

bool sim_is_whole(struct sim *sim)
{
    return !is_any(sim, is_not_whole);
}

void whole_explain(struct sim *sim, sim_predicate predicate)
{
    size_t up = up_len(sim);
    size_t other;

    for (size_t i = 0; i < sim->options.nodes; i++) {
        const char *why = sim->nodes[i].up ? why_not_agreed(sim, i, up, &other)
                                           : NULL;
        if (why != NULL) {
            sim_broken(sim, "L2", "in time: node %zu %s %zu", i, why, other);
        }
    }
    for (size_t i = 0; i < sim->options.nodes; i++) {
        const char *why = sim->nodes[i].up ? why_not_whole(sim, i, &other)
                                           : NULL;
        if (why != NULL) {
            sim_broken(sim, why == OTHER_VALUES ? "L3" : "L1",
                       "in time: node %zu %s %zu", i, why, other);
        }
    }
    SIM_CHECK(sim, predicate(sim)); /* something of the test's own */
}

/* --- B1 --- */

static void check_queue(struct sim *sim, size_t i, const struct link_lane *lane)
{
    const struct link_queue *q = &lane->out;
    uint64_t most = q->len_max + PEER_BATCH_LEN + PEER_RECORDS_LEN_MAX;

    link_queue_check(q);
    if (q->len > most) {
        sim_broken(sim, "B1", "node %zu: %" PRIu64 " bytes wait for one peer",
                   i, q->len);
    }
    if (lane->lane == PEER_DATA && lane->link->up && q->first != NULL &&
        q->first->items > 0 && q->first->from == 0 &&
        q->first->born_ms + q->ms_max + AGE_SLACK_MS <
            sim->nodes[i].loop.time) {
        sim_broken(sim, "B1",
                   "node %zu: an item waits for a peer since %" PRIu64 " ms", i,
                   sim->nodes[i].loop.time - q->first->born_ms);
    }
}

static void check_members(struct sim *sim, size_t i)
{
    const struct swim *swim = sim->nodes[i].cluster->swim;
    const struct member *member;
    uint64_t now_ms = sim->nodes[i].loop.time;
    size_t dead = 0;

    for (size_t m = 0; (member = swim_member_at(swim, m)) != NULL; m++) {
        if (member_is_living(member)) {
            continue;
        }
        dead++;
        if (now_ms > member->changed_ms + SWIM_FORGET_MS + FORGET_SLACK_MS) {
            sim_broken(sim, "B1",
                       "node %zu remembers one dead since %" PRIu64 " ms", i,
                       now_ms - member->changed_ms);
        }
    }
    if (dead > SWIM_DEAD_MAX) {
        sim_broken(sim, "B1", "node %zu remembers %zu dead", i, dead);
    }
}

void whole_check(struct sim *sim, size_t i)
{
    const struct sim_node *node = &sim->nodes[i];

    cluster_check(node->cluster);
    check_members(sim, i);
    for (size_t slot = 0; slot < node->mesh->slots_len; slot++) {
        const struct peer_link *link = node->mesh->links[slot];
        if (link != NULL && link->open && !node->paused) {
            check_queue(sim, i, &link->lanes[PEER_CONTROL]);
            check_queue(sim, i, &link->lanes[PEER_DATA]);
        }
    }
}

/* --- questions --- */

struct cluster *sim_cluster(struct sim *sim, size_t i)
{
    return sim->nodes[i].cluster;
}

bool sim_is_up(const struct sim *sim, size_t i)
{
    return sim->nodes[i].up;
}

bool sim_is_paused(const struct sim *sim, size_t i)
{
    return sim->nodes[i].paused;
}

bool sim_is_near(const struct sim *sim, size_t a, size_t b)
{
    return a % sim->options.regions == b % sim->options.regions;
}

uint64_t sim_now_ms(const struct sim *sim)
{
    return sim->now_us / 1000;
}

size_t sim_events(const struct sim *sim, size_t i, enum cluster_event event)
{
    return sim->nodes[i].events[event];
}

size_t sim_gaps(const struct sim *sim, size_t i)
{
    return sim->nodes[i].gaps_len;
}

uint16_t sim_slot(struct sim *sim, size_t i, size_t of)
{
    return cluster_slot_of(sim->nodes[i].cluster, &sim->nodes[of].id);
}

uint64_t sim_heard(struct sim *sim, size_t i, size_t from)
{
    uint16_t slot = sim_slot(sim, i, from);

    return slot == CLUSTER_SLOT_NONE
               ? 0
               : sim->nodes[i].mesh->links[slot]->lanes[PEER_DATA].in.newest;
}
