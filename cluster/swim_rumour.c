/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/swim_inner.h"

#include <assert.h>

enum {
    PULL_TRIES = 3,
    PULL_ANSWER_MS = 300,
    PULL_FAR_ANSWER_MS = 1000,
    PULL_EVERY_MS = 1000,
    PULL_QUIET_MS = 500, /* rumours in flight may still level a difference */
    PULL_LATEST_MS = 5000,
    SETTLED_BY = 4, /* members with an equal digest */
    /* The rest of a packet is for whole members, if there are any. */
    STATES_LEN_MAX = PACKET_LEN_MAX - GOSSIP_RECORD_LEN_MAX,
};

static const struct node_id id_first;
static const struct node_id id_end = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff}};

static void gossip_round(struct swim *s, enum rumour_lane lane);
static void pull_send(struct swim *s);
static bool slice_put(struct swim *s, const struct gossip_packet *p,
                      const struct member *m);

struct gossip_packet swim_head(const struct swim *s, enum gossip_type type,
                               uint64_t seq)
{
    return (struct gossip_packet){.version = GOSSIP_VERSION,
                                  .least = GOSSIP_VERSION_MIN,
                                  .type = (uint8_t)type,
                                  .source = s->self.id,
                                  .incarnation = s->incarnation,
                                  .seq = seq,
                                  .digest = swim_digest(s),
                                  .log_version = s->log.version,
                                  .log_digest = s->log.digest};
}

void swim_begin(struct swim *s, const struct gossip_packet *packet)
{
    buf_reset(&s->scratch);
    gossip_packet_write(packet, &s->scratch);
    assert(!s->scratch.failed);
}

bool swim_put(struct swim *s, const struct gossip_record *record)
{
    size_t len = s->scratch.len;

    gossip_record_write(record, &s->scratch);
    if (s->scratch.failed) {
        s->scratch.failed = false;
        s->scratch.len = len;
        return false;
    }
    return true;
}

/* What became of a member: of a suspect, who accuses it. All or nothing. */
bool swim_put_state(struct swim *s, const struct member *m)
{
    struct gossip_record r = {.state = (uint8_t)m->state,
                              .incarnation = m->incarnation,
                              .node = {.id = m->node.id}};
    size_t len = s->scratch.len;

    if (m->state != GOSSIP_SUSPECT) {
        return swim_put(s, &r);
    }
    for (size_t i = 0; i < m->accusers_len; i++) {
        r.by = m->accusers[i];
        r.link_lost = m->accusers_link[i];
        if (!swim_put(s, &r)) {
            s->scratch.len = len;
            return false;
        }
    }
    return true;
}

void swim_put_whole(struct swim *s, const struct peer_node *node,
                    uint32_t incarnation)
{
    struct gossip_record r = {.state = GOSSIP_ALIVE,
                              .whole = true,
                              .incarnation = incarnation,
                              .node = *node};
    swim_put(s, &r);
}

static bool put_member(struct swim *s, const struct member *m, bool whole)
{
    struct gossip_record r = {.state = GOSSIP_ALIVE,
                              .whole = true,
                              .incarnation = m->incarnation,
                              .node = m->node};
    size_t len = s->scratch.len;

    if (!whole || !member_is_living(m)) {
        return swim_put_state(s, m);
    }
    if (!swim_put(s, &r)) {
        return false;
    }
    if (m->state == GOSSIP_SUSPECT && !swim_put_state(s, m)) {
        s->scratch.len = len;
        return false;
    }
    return true;
}

static bool put_self(struct swim *s, bool whole)
{
    struct gossip_record r = {.state = s->leaving ? GOSSIP_LEFT : GOSSIP_ALIVE,
                              .whole = whole && !s->leaving,
                              .incarnation = s->incarnation,
                              .node = s->self};
    return swim_put(s, &r);
}

/* Whether it fits into so many bytes of the packet. */
static bool put_rumour(struct swim *s, const struct rumour *r, size_t max)
{
    size_t len = s->scratch.len;
    bool fits = r->row == ROW_SELF
                    ? put_self(s, r->whole)
                    : put_member(s, &s->table.rows[r->row], r->whole);

    if (fits && s->scratch.len > max) {
        s->scratch.len = len;
        fits = false;
    }
    return fits;
}

void swim_put_rumours(struct swim *s, bool far)
{
    enum rumour_lane lane = far ? RUMOUR_FAR : RUMOUR_NEAR;
    unsigned limit = timing_rumour_limit(swim_size(s));
    struct rumour *r;

    rumours_begin(&s->rumours);
    while ((r = rumour_next(&s->rumours, lane, limit, false)) != NULL) {
        if (!put_rumour(s, r, STATES_LEN_MAX)) {
            rumour_put_back(r); /* perhaps into what whole members leave */
            break;
        }
        r->sent[lane]++;
    }
    /* What does not fit is first in the next packet. */
    for (int whole = 1; whole >= 0; whole--) {
        while ((r = rumour_next(&s->rumours, lane, limit, whole)) != NULL &&
               put_rumour(s, r, PACKET_LEN_MAX)) {
            r->sent[lane]++;
        }
    }
}

void swim_post(struct swim *s, const struct addr *to, const struct node_id *dst)
{
    struct bytes packet = buf_bytes(&s->scratch);

    if (s->outs_len >= OUTS_MAX / 2 || s->arena_len + packet.len > ARENA_LEN) {
        return;
    }
    memcpy(s->arena + s->arena_len, packet.p, packet.len);
    s->outs[s->outs_len++] = (struct out_slot){.type = SWIM_SEND,
                                               .to = *to,
                                               .dst = *dst,
                                               .at = s->arena_len,
                                               .len = (uint32_t)packet.len,
                                               .row = MEMBER_NONE};
    s->arena_len += (uint32_t)packet.len;
}

void swim_post_to(struct swim *s, const struct member *m)
{
    swim_post(s, &m->node.cluster, &m->node.id);
}

void swim_event(struct swim *s, enum swim_out_type type, const struct member *m,
                const char *text)
{
    assert(s->outs_len < OUTS_MAX);
    s->outs[s->outs_len++] = (struct out_slot){
        .type = type, .row = m == NULL ? MEMBER_NONE : m->row, .text = text};
}

struct member *swim_any(struct swim *s, bool far, bool sound,
                        const struct member *except)
{
    uint16_t len = s->table.order_len;

    if (len == 0) {
        return NULL;
    }
    size_t start = rng_below(&s->rng, len);
    for (size_t i = 0; i < len; i++) {
        struct member *m = member_at(&s->table, (start + i) % len);
        if (member_is_living(m) && m->far == far && m != except &&
            !(sound && m->state == GOSSIP_SUSPECT)) {
            return m;
        }
    }
    return NULL;
}

void swim_gossip_tick(struct swim *s)
{
    static const uint64_t every[RUMOUR_LANES] = {TIMING_GOSSIP_MS,
                                                 TIMING_FAR_GOSSIP_MS};
    unsigned limits[RUMOUR_LANES] = {0};
    unsigned limit = timing_rumour_limit(swim_size(s));

    for (int lane = 0; lane < RUMOUR_LANES; lane++) {
        if (s->rumours.len == 0 || s->now_ms < s->gossip_ms[lane]) {
            continue;
        }
        s->gossip_ms[lane] = s->now_ms + every[lane];
        gossip_round(s, (enum rumour_lane)lane);
    }
    limits[RUMOUR_NEAR] = s->table.near_len > 0 ? limit : 0;
    limits[RUMOUR_FAR] = s->table.living_len > s->table.near_len ? limit : 0;
    rumours_sweep(&s->rumours, limits);
}

static void gossip_round(struct swim *s, enum rumour_lane lane)
{
    bool far = lane == RUMOUR_FAR;
    struct gossip_packet p = swim_head(s, GOSSIP_RUMOUR, 0);
    size_t count = far ? TIMING_GOSSIP_FAR : TIMING_GOSSIP_NEAR;
    const struct member *last = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct member *m = swim_any(s, far, false, last);
        if (m == NULL) {
            return;
        }
        swim_begin(s, &p);
        size_t head_len = s->scratch.len;
        swim_put_rumours(s, far);
        if (s->scratch.len == head_len) {
            return;
        }
        swim_post_to(s, m);
        last = m;
    }
}

uint64_t swim_gossip_wake(const struct swim *s)
{
    uint64_t wake = SWIM_NEVER;

    if (s->rumours.len > 0 && s->table.near_len > 0) {
        wake = s->gossip_ms[RUMOUR_NEAR];
    }
    if (s->rumours.len > 0 && s->table.living_len > s->table.near_len) {
        wake = swim_earlier(wake, s->gossip_ms[RUMOUR_FAR]);
    }
    return s->pull.active ? swim_earlier(wake, s->pull.end_ms) : wake;
}

/* --- repair -----------------------------------------------------------------
 */

/* One more member knows all that we know of who lives and who does not: a few
 * of those end the rumours early. Suspicions are not in the digest. */
static void rumours_settle(struct swim *s, enum rumour_lane lane)
{
    unsigned limit = timing_rumour_limit(swim_size(s));
    unsigned step = (limit + SETTLED_BY - 1) / SETTLED_BY;

    for (size_t i = 0; i < s->rumours.len; i++) {
        struct rumour *r = &s->rumours.list[i];
        bool open = r->row != ROW_SELF &&
                    s->table.rows[r->row].state == GOSSIP_SUSPECT;
        if (!open && !(r->row == ROW_SELF && s->leaving) &&
            r->sent[lane] < limit) {
            r->sent[lane] = (uint8_t)(r->sent[lane] + step);
        }
    }
}

/* A difference that rumours do not level in a while is pulled. */
void swim_compare(struct swim *s, const struct member *m, uint64_t digest)
{
    struct pull *pull = &s->pull;

    if (digest == swim_digest(s)) {
        rumours_settle(s, m->far ? RUMOUR_FAR : RUMOUR_NEAR);
        return;
    }
    if (pull->differ_ms == SWIM_NEVER) {
        pull->differ_ms = s->now_ms;
    }
    bool quiet = s->now_ms - pull->differ_ms >= PULL_QUIET_MS;
    bool overdue = s->now_ms >= pull->next_ms + PULL_LATEST_MS;
    if (!pull->active && s->now_ms >= pull->next_ms && (quiet || overdue)) {
        swim_pull_from(s, m);
    }
}

void swim_pull_from(struct swim *s, const struct member *m)
{
    if (s->pull.active) {
        return;
    }
    s->pull.active = true;
    s->pull.from = m->node.id;
    s->pull.cursor = id_first;
    s->pull.tries = 0;
    s->pull.next_ms = s->now_ms + PULL_EVERY_MS;
    s->pull.differ_ms = SWIM_NEVER;
    pull_send(s);
}

static void pull_send(struct swim *s)
{
    struct gossip_packet p = swim_head(s, GOSSIP_PULL, ++s->seq);
    const struct member *m = member_find(&s->table, &s->pull.from);

    if (m == NULL || !member_is_living(m) || s->pull.tries == PULL_TRIES) {
        s->pull.active = false;
        return;
    }
    s->pull.tries++;
    s->pull.seq = p.seq;
    s->pull.end_ms = s->now_ms + (m->far ? PULL_FAR_ANSWER_MS : PULL_ANSWER_MS);
    p.target = s->pull.cursor;
    memcpy(p.parts, s->table.parts, sizeof p.parts);
    swim_begin(s, &p);
    swim_post_to(s, m);
}

void swim_pull_tick(struct swim *s)
{
    if (s->pull.active && s->now_ms >= s->pull.end_ms) {
        pull_send(s);
    }
}

void swim_on_pull(struct swim *s, const struct member *m,
                  const struct gossip_packet *p)
{
    struct gossip_packet answer = swim_head(s, GOSSIP_SLICE, p->seq);
    size_t at = member_after(&s->table, &p->target);
    size_t len;

    answer.target = id_end;
    swim_begin(s, &answer);
    len = s->scratch.len;
    if (node_id_eq(&p->target, &id_first)) {
        swim_put_whole(s, &s->self, s->incarnation);
    }
    for (; at < s->table.order_len; at++) {
        if (!slice_put(s, p, member_at(&s->table, at))) {
            break;
        }
    }
    if (at < s->table.order_len) {
        /* The target is the last field of the head. */
        assert(at > 0);
        memcpy(s->scratch.p + len - NODE_ID_LEN,
               member_at(&s->table, at - 1)->node.id.b, NODE_ID_LEN);
    }
    swim_post_to(s, m);
}

/* False when the slice is full. */
static bool slice_put(struct swim *s, const struct gossip_packet *p,
                      const struct member *m)
{
    size_t part = member_part(&m->node.id);

    if (p->parts[part] == s->table.parts[part] ||
        node_id_eq(&m->node.id, &p->source)) {
        return true;
    }
    return put_member(s, m, true);
}

void swim_on_slice(struct swim *s, const struct member *m,
                   const struct gossip_packet *p)
{
    struct pull *pull = &s->pull;

    if (!pull->active || p->seq != pull->seq ||
        !node_id_eq(&m->node.id, &pull->from)) {
        return;
    }
    swim_hear_all(s, p->records, m, true);
    pull->tries = 0;
    if (memcmp(p->target.b, pull->cursor.b, NODE_ID_LEN) <= 0 ||
        node_id_eq(&p->target, &id_end)) {
        pull->active = false;
        return;
    }
    pull->cursor = p->target;
    pull_send(s);
}
