/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/barrier.h"

#include <assert.h>

static struct barrier_turn *turn_at(struct barrier *barrier, size_t i);
static void pop_turn(struct barrier *barrier);
static void cap(struct barrier_scope *scope, uint64_t version, uint64_t now_ms);

void barrier_turn(struct barrier *barrier, uint64_t version, uint64_t now_ms)
{
    assert(version >= barrier->version);
    if (version == barrier->version) {
        return;
    }
    barrier->version = version;
    struct barrier_turn *last = barrier->len > 0
                                    ? turn_at(barrier, barrier->len - 1)
                                    : NULL;
    if (last != NULL &&
        (last->at_ms == now_ms || barrier->len == BARRIER_TURNS_MAX)) {
        last->version = version;
        return;
    }
    *turn_at(barrier, barrier->len++) = (struct barrier_turn){
        .version = version, .at_ms = now_ms};
}

void barrier_hold(struct barrier *barrier, enum cluster_scope scope,
                  uint64_t held, uint64_t now_ms)
{
    struct barrier_scope *s = &barrier->scopes[scope];

    if (held > s->held) {
        s->rise_due = true;
    } else if (held < s->held) {
        s->rise_due = false;
        s->repeat_ms = now_ms + CLUSTER_BARRIER_MS;
        s->capped = s->capped > s->held ? s->capped : s->held;
    }
    s->held = held;
    while (barrier->len > 0 &&
           turn_at(barrier, 0)->version <= barrier->scopes[0].held &&
           turn_at(barrier, 0)->version <= barrier->scopes[1].held) {
        pop_turn(barrier);
    }
}

void barrier_tick(struct barrier *barrier, uint64_t now_ms)
{
    while (barrier->len > 0 &&
           now_ms >= turn_at(barrier, 0)->at_ms + CLUSTER_BARRIER_MS) {
        uint64_t version = turn_at(barrier, 0)->version;
        for (size_t i = 0; i < BARRIER_SCOPES; i++) {
            if (barrier->scopes[i].held < version) {
                cap(&barrier->scopes[i], version, now_ms);
            }
        }
        pop_turn(barrier);
    }
    for (size_t i = 0; i < BARRIER_SCOPES; i++) {
        struct barrier_scope *s = &barrier->scopes[i];
        if (s->held < s->capped && now_ms >= s->repeat_ms) {
            cap(s, s->capped, now_ms);
        }
    }
}

uint64_t barrier_wake_ms(const struct barrier *barrier)
{
    uint64_t wake_ms = UINT64_MAX;

    if (barrier->len > 0) {
        wake_ms = barrier->turns[barrier->first].at_ms + CLUSTER_BARRIER_MS;
    }
    for (size_t i = 0; i < BARRIER_SCOPES; i++) {
        const struct barrier_scope *s = &barrier->scopes[i];
        if (s->held < s->capped && s->repeat_ms < wake_ms) {
            wake_ms = s->repeat_ms;
        }
    }
    return wake_ms;
}

bool barrier_next(struct barrier *barrier, struct cluster_effect *effect)
{
    for (size_t i = 0; i < BARRIER_SCOPES; i++) {
        struct barrier_scope *s = &barrier->scopes[i];
        if (!s->rise_due && !s->partial_due) {
            continue;
        }
        *effect = (struct cluster_effect){
            .type = CLUSTER_BARRIER,
            .scope = (enum cluster_scope)i,
            .partial = !s->rise_due,
            .version = s->rise_due ? s->held : s->capped,
        };
        if (s->rise_due) {
            s->rise_due = false;
            s->partial_due = s->partial_due && s->held < s->capped;
        } else {
            s->partial_due = false;
        }
        return true;
    }
    return false;
}

void barrier_check(const struct barrier *barrier)
{
    uint64_t version = 0;
    uint64_t at_ms = 0;

    assert(barrier->len <= BARRIER_TURNS_MAX);
    for (size_t i = 0; i < barrier->len; i++) {
        const struct barrier_turn *turn =
            &barrier->turns[(barrier->first + i) % BARRIER_TURNS_MAX];
        assert(turn->version > version);
        assert(turn->at_ms >= at_ms);
        version = turn->version;
        at_ms = turn->at_ms;
    }
    assert(version <= barrier->version);
}

static struct barrier_turn *turn_at(struct barrier *barrier, size_t i)
{
    return &barrier->turns[(barrier->first + i) % BARRIER_TURNS_MAX];
}

static void pop_turn(struct barrier *barrier)
{
    barrier->first = (barrier->first + 1) % BARRIER_TURNS_MAX;
    barrier->len--;
}

static void cap(struct barrier_scope *scope, uint64_t version, uint64_t now_ms)
{
    scope->capped = version;
    scope->repeat_ms = now_ms + CLUSTER_BARRIER_MS;
    scope->partial_due = true;
}
