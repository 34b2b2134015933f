/* SPDX-License-Identifier: Apache-2.0
 *
 * One probe
 *
 *   0      again    ask                       late     end
 *   |- PING -|- PING -|- PING_FOR x 3 and PING -|- PING -|--> suspect
 *
 * An ACK on any way ends it. Most probes that fail at first only lost a packet:
 * asking again costs two packets, asking helpers fourteen. Helpers answer NACK
 * when the target has not answered them: a missing NACK says that we are the
 * ones who hear badly, so our health gets worse, and a worse health makes all
 * of this slower.
 */
#include "cluster/swim_inner.h"

#include <assert.h>

enum {
    HELPER_TRIES = 16,
    NACK_MS = 150,
    FAR_NACK_MS = 500,
    RELAY_MS = 1000,
    SPAN_LEAST_MS = 400,  /* from its start until it has failed */
    WANTED_SPAN_MS = 300, /* of a probe out of turn */
    FAR_SPAN_LEAST_MS = 600,
    LAG_MS = 100,
    DEAF_LEAST_MS = 300,
    DEAF_MOST_MS = 2000,
};

static void relay_step(struct swim *s, struct relay *r);

/* --- turns -------------------------------------------------------------------
 */

void swim_turns_add(struct swim *s, const struct member *m)
{
    struct turns *t = &s->turns[m->far ? RUMOUR_FAR : RUMOUR_NEAR];
    /* Somewhere in the rest of this round, so that it need not wait for the
     * next one. */
    size_t at = t->at + rng_below(&s->rng, t->len - t->at + 1u);

    memmove(t->rows + at + 1, t->rows + at, (t->len - at) * sizeof *t->rows);
    t->rows[at] = m->row;
    t->len++;
}

void swim_turns_remove(struct swim *s, const struct member *m)
{
    struct turns *t = &s->turns[m->far ? RUMOUR_FAR : RUMOUR_NEAR];

    for (uint16_t i = 0; i < t->len; i++) {
        if (t->rows[i] == m->row) {
            t->len--;
            memmove(t->rows + i, t->rows + i + 1,
                    (size_t)(t->len - i) * sizeof *t->rows);
            t->at = (uint16_t)(t->at - (i < t->at));
            return;
        }
    }
}

static struct member *turns_next(struct swim *s, struct turns *t)
{
    if (t->len == 0) {
        return NULL;
    }
    if (t->at == t->len) {
        rng_shuffle(&s->rng, t->rows, t->len);
        t->at = 0;
    }
    return &s->table.rows[t->rows[t->at++]];
}

/* --- probes ------------------------------------------------------------------
 */

static void ping(struct swim *s, const struct member *m, uint64_t seq)
{
    struct gossip_packet p = swim_head(s, GOSSIP_PING, seq);

    swim_begin(s, &p);
    if (m->state == GOSSIP_SUSPECT) {
        swim_put_state(s, m); /* it shall know, and refute in its answer */
    }
    swim_put_rumours(s, m->far);
    swim_post_to(s, m);
}

static struct probe *probe_free(struct swim *s)
{
    for (size_t i = 0; i < PROBES_MAX; i++) {
        if (!s->probes[i].active) {
            s->probes_top = i < s->probes_top ? s->probes_top : i + 1;
            return &s->probes[i];
        }
    }
    return NULL;
}

void swim_want_probe(struct swim *s, struct member *m)
{
    m->probe_wanted = true;
    s->probes_wanted = true;
}

void swim_probe_forget(struct swim *s, const struct member *m)
{
    for (size_t i = 0; i < s->probes_top; i++) {
        if (s->probes[i].row == m->row) {
            s->probes[i].active = false;
        }
    }
}

static bool is_probed(const struct swim *s, const struct member *m)
{
    for (size_t i = 0; i < s->probes_top; i++) {
        if (s->probes[i].active && s->probes[i].row == m->row) {
            return true;
        }
    }
    return false;
}

/* How long in all, by how long an answer may take: a nack of a helper has to
 * come in time, and in its turn a member may be a little slower. */
static uint32_t probe_span(const struct member *m, uint32_t answer_ms,
                           bool in_turn)
{
    if (m->far) {
        return 3 * answer_ms < FAR_SPAN_LEAST_MS ? FAR_SPAN_LEAST_MS
                                                 : 3 * answer_ms;
    }
    if (!in_turn) {
        return WANTED_SPAN_MS;
    }
    uint32_t ms = SPAN_LEAST_MS + 2 * (answer_ms - TIMING_ANSWER_LEAST_MS);
    return ms < TIMING_PROBE_MS ? ms : (uint32_t)TIMING_PROBE_MS;
}

static void probe_start(struct swim *s, struct member *m, bool in_turn)
{
    struct probe *p = probe_free(s);
    uint32_t slow = s->health + 1;
    /* Of its region most is known before we asked it ourselves. */
    uint32_t answer_ms = timing_answer_ms(
        m->rtt.known || m->far ? &m->rtt : &s->near_rtt, m->far);
    uint32_t span_ms = probe_span(m, answer_ms, in_turn);
    uint32_t ask_ms = 2 * answer_ms < span_ms * 3 / 5 ? 2 * answer_ms
                                                      : span_ms * 3 / 5;

    if (p == NULL || is_probed(s, m)) {
        return; /* its turn comes again */
    }
    *p = (struct probe){.active = true,
                        .in_turn = in_turn,
                        .row = m->row,
                        .seq = ++s->seq,
                        .sent_ms = s->now_ms,
                        .again_ms = s->now_ms + ask_ms / 2 * slow,
                        .ask_ms = s->now_ms + ask_ms * slow,
                        .end_ms = s->now_ms + span_ms * slow};
    ping(s, m, p->seq);
}

/* Not before the answers that wait in our socket can have been read. */
static uint64_t probe_end(const struct swim *s, const struct probe *p)
{
    uint64_t end_ms = p->end_ms < s->deaf_until_ms ? s->deaf_until_ms
                                                   : p->end_ms;

    return end_ms < s->now_ms ? s->now_ms : end_ms;
}

static bool is_asked(const struct member *const *asked, size_t len,
                     const struct member *m)
{
    for (size_t i = 0; i < len; i++) {
        if (asked[i] == m) {
            return true;
        }
    }
    return false;
}

/* Asks others of its region or, where they are too few, of the others. */
static void probe_ask(struct swim *s, struct probe *p)
{
    const struct member *target = &s->table.rows[p->row];
    struct gossip_packet ask = swim_head(s, GOSSIP_PING_FOR, p->seq);
    const struct member *asked[HELPERS];

    p->asked = p->again = true;
    p->late_ms = s->now_ms + 1 + (probe_end(s, p) - s->now_ms) / 2;
    ask.target = target->node.id;
    for (int i = 0; i < HELPER_TRIES && p->helpers < HELPERS; i++) {
        bool far = i < HELPER_TRIES / 2 ? target->far : !target->far;
        const struct member *m = swim_any(s, far, true, target);
        if (m == NULL || is_asked(asked, p->helpers, m)) {
            continue;
        }
        asked[p->helpers++] = m;
        p->nackers = (uint8_t)(p->nackers + !far);
        swim_begin(s, &ask);
        swim_post_to(s, m);
    }
    ping(s, target, p->seq);
}

static void probe_fail(struct swim *s, struct probe *p)
{
    struct member *m = &s->table.rows[p->row];

    p->active = false;
    if (p->in_turn && !m->far) {
        swim_health_add(s, p->nackers == 0 ? 1 : p->nackers - p->nacks);
    }
    if (m->far) {
        timing_doubt(&m->rtt); /* it may have come too late */
    }
    swim_accuse(s, m);
}

static void probe_step(struct swim *s, struct probe *p)
{
    if (!member_is_living(&s->table.rows[p->row])) {
        p->active = false;
    } else if (s->now_ms >= probe_end(s, p)) {
        probe_fail(s, p);
    } else if (!p->asked && s->now_ms >= p->ask_ms) {
        probe_ask(s, p);
    } else if (!p->again && s->now_ms >= p->again_ms) {
        p->again = true;
        ping(s, &s->table.rows[p->row], p->seq);
    } else if (p->asked && !p->late && s->now_ms >= p->late_ms) {
        p->late = true;
        ping(s, &s->table.rows[p->row], p->seq);
    }
}

static void start_wanted(struct swim *s)
{
    for (size_t i = 0; s->probes_wanted && i < s->table.order_len; i++) {
        struct member *m = member_at(&s->table, i);
        if (!m->probe_wanted) {
            continue;
        }
        if (probe_free(s) == NULL) {
            return; /* when one ends */
        }
        m->probe_wanted = false;
        probe_start(s, m, false);
    }
    s->probes_wanted = false;
}

static void start_in_turn(struct swim *s, enum rumour_lane lane)
{
    struct turns *t = &s->turns[lane];
    uint32_t every = lane == RUMOUR_FAR ? TIMING_FAR_PROBE_MS : TIMING_PROBE_MS;

    if (s->now_ms < t->next_ms) {
        return;
    }
    t->next_ms = s->now_ms + every * (s->health + 1);
    struct member *m = turns_next(s, t);
    if (m != NULL) {
        probe_start(s, m, true);
    }
}

void swim_probe_tick(struct swim *s)
{
    for (size_t i = 0; i < s->probes_top; i++) {
        if (s->probes[i].active) {
            probe_step(s, &s->probes[i]);
        }
    }
    for (size_t i = 0; i < s->relays_top; i++) {
        relay_step(s, &s->relays[i]);
    }
    while (s->probes_top > 0 && !s->probes[s->probes_top - 1].active) {
        s->probes_top--;
    }
    while (s->relays_top > 0 && !s->relays[s->relays_top - 1].active) {
        s->relays_top--;
    }
    start_wanted(s);
    start_in_turn(s, RUMOUR_NEAR);
    start_in_turn(s, RUMOUR_FAR);
}

uint64_t swim_probe_wake(const struct swim *s)
{
    uint64_t wake = SWIM_NEVER;

    for (int lane = 0; lane < RUMOUR_LANES; lane++) {
        if (s->turns[lane].len > 0) {
            wake = swim_earlier(wake, s->turns[lane].next_ms);
        }
    }
    for (size_t i = 0; i < s->probes_top; i++) {
        const struct probe *p = &s->probes[i];
        if (p->active) {
            wake = swim_earlier(wake, !p->again   ? p->again_ms
                                      : !p->asked ? p->ask_ms
                                      : !p->late  ? p->late_ms
                                                  : probe_end(s, p));
        }
    }
    for (size_t i = 0; i < s->relays_top; i++) {
        const struct relay *r = &s->relays[i];
        if (r->active) {
            wake = swim_earlier(wake, r->nacked ? r->end_ms : r->nack_ms);
        }
    }
    return wake;
}

/* --- answers -----------------------------------------------------------------
 */

static void answer(struct swim *s, enum gossip_type type, uint64_t seq,
                   const struct member *to)
{
    struct gossip_packet p = swim_head(s, type, seq);

    swim_begin(s, &p);
    if (type == GOSSIP_ACK) {
        if (to->state != GOSSIP_ALIVE) {
            swim_put_state(s, to); /* it shall know, and refute */
        }
        swim_put_rumours(s, to->far);
    }
    swim_post_to(s, to);
}

void swim_on_ping(struct swim *s, const struct member *m, uint64_t seq)
{
    answer(s, GOSSIP_ACK, seq, m);
}

static void relay_ack(struct swim *s, struct relay *r)
{
    const struct member *asker = member_find(&s->table, &r->asker);

    r->active = false;
    if (asker != NULL && member_is_living(asker)) {
        answer(s, GOSSIP_ACK, r->asker_seq, asker);
    }
}

/* In its region a way does not become as long as it is awaited there. */
static void learn(struct swim *s, struct member *m, const struct probe *p)
{
    uint32_t ms = (uint32_t)(s->now_ms - p->sent_ms);

    if (p->again) {
        if (m->far) {
            timing_doubt(&m->rtt);
        }
        return;
    }
    timing_learn(&m->rtt, ms);
    m->rtt_us = timing_rtt_us(&m->rtt);
    if (!m->far) {
        timing_learn(&s->near_rtt, ms);
    }
}

void swim_on_ack(struct swim *s, struct member *m, uint64_t seq)
{
    for (size_t i = 0; i < s->relays_top; i++) {
        if (s->relays[i].active && s->relays[i].seq == seq) {
            relay_ack(s, &s->relays[i]);
            return;
        }
    }
    for (size_t i = 0; i < s->probes_top; i++) {
        struct probe *p = &s->probes[i];
        if (!p->active || p->seq != seq) {
            continue;
        }
        p->active = false;
        s->table.rows[p->row].link_lost = false;
        if (p->in_turn) {
            swim_health_add(s, -1);
        }
        if (m->row == p->row) {
            learn(s, m, p);
        }
        return;
    }
}

void swim_on_nack(struct swim *s, uint64_t seq)
{
    for (size_t i = 0; i < s->probes_top; i++) {
        struct probe *p = &s->probes[i];
        if (p->active && p->seq == seq && p->nacks < p->nackers) {
            p->nacks++;
        }
    }
}

void swim_on_ping_for(struct swim *s, const struct member *m,
                      const struct gossip_packet *p)
{
    const struct member *target = member_find(&s->table, &p->target);

    if (target == NULL || !member_is_living(target)) {
        return;
    }
    for (size_t i = 0; i < RELAYS_MAX; i++) {
        struct relay *r = &s->relays[i];
        if (r->active) {
            continue;
        }
        s->relays_top = i < s->relays_top ? s->relays_top : i + 1;
        *r = (struct relay){
            .active = true,
            .asker = m->node.id,
            .asker_seq = p->seq,
            .seq = ++s->seq,
            .nack_ms = s->now_ms + (target->far ? FAR_NACK_MS : NACK_MS),
            .end_ms = s->now_ms + RELAY_MS,
        };
        ping(s, target, r->seq);
        return;
    }
}

static void relay_step(struct swim *s, struct relay *r)
{
    const struct member *asker;

    if (!r->active) {
        return;
    }
    if (s->now_ms >= r->end_ms) {
        r->active = false;
    }
    if (!r->nacked && s->now_ms >= r->nack_ms) {
        r->nacked = true;
        asker = member_find(&s->table, &r->asker);
        if (asker != NULL && member_is_living(asker)) {
            answer(s, GOSSIP_NACK, r->asker_seq, asker);
        }
    }
}

/* --- own health --------------------------------------------------------------
 */

void swim_health_add(struct swim *s, int by)
{
    int health = (int)s->health + by;

    s->health = health < 0            ? 0
                : health > HEALTH_MAX ? HEALTH_MAX
                                      : (unsigned)health;
}

/* What waits in our socket may hold the answers: condemn nobody meanwhile. */
void swim_on_lag(struct swim *s, uint64_t ms)
{
    uint64_t deaf = ms < DEAF_LEAST_MS  ? DEAF_LEAST_MS
                    : ms > DEAF_MOST_MS ? DEAF_MOST_MS
                                        : ms;

    if (ms < LAG_MS) {
        return;
    }
    if (s->now_ms >= s->deaf_until_ms) {
        swim_health_add(s, ms < 1000 ? 1 : 2);
    }
    if (s->deaf_until_ms < s->now_ms + deaf) {
        s->deaf_until_ms = s->now_ms + deaf;
    }
}
