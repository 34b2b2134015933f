/* SPDX-License-Identifier: Apache-2.0
 *
 * Which news outranks which. For one member, by incarnation i (its own count
 * of lives refuted) the order is
 *
 *   alive i < suspect i < dead i < alive i + 1        and left above all
 *
 * so two nodes that heard the same, in any order, believe the same.
 */
#include "cluster/swim_inner.h"

enum {
    BUDDIES = 8,      /* of all members, look for themselves at a suspect */
    BURIALS_MAX = 64, /* in one step */
    LINK_LOST_FOR_MS = 5000,
    TELL_MS = 100,       /* between notices of its death to one member */
    AGAIN_MS = 500,      /* between probes of a suspect */
    NAME_TOLD_MS = 3000, /* who is gone is suspected by then */
    RETURNS_MAX = 1,
};

static void hear_of_self(struct swim *s, const struct gossip_record *r);
static void hear_suspect(struct swim *s, struct member *m,
                         const struct gossip_record *r);
static uint64_t condemned_ms(const struct swim *s, const struct member *m);

bool swim_is_far(const struct swim *s, const struct peer_node *node)
{
    return !bytes_eq(node->region, s->self.region);
}

static void mark_duplicates(struct swim *s, struct bytes name)
{
    bool several = member_mark_duplicates(&s->table, name, s->self.name);

    if (bytes_eq(name, s->self.name)) {
        s->duplicate = several;
    }
}

/* Now living, by joining or by coming back. */
static void enter(struct swim *s, struct member *m)
{
    s->met = true;
    swim_turns_add(s, m);
    swim_event(s, SWIM_JOINED, m, NULL);
    mark_duplicates(s, m->node.name);
    if (m->duplicate) {
        m->name_told_ms = s->now_ms + NAME_TOLD_MS;
        s->names_wait = true;
    }
    s->pull.differ_ms = SWIM_NEVER;
}

/* After a plain restart the old life has its name for a while longer: we warn
 * only of two that both live on. */
void swim_names_tick(struct swim *s)
{
    bool wait = false;

    if (!s->names_wait) {
        return;
    }
    for (size_t i = 0; i < s->table.order_len; i++) {
        struct member *m = member_at(&s->table, i);
        if (m->name_told_ms == 0) {
            continue;
        }
        if (!m->duplicate) {
            m->name_told_ms = 0;
        } else if (s->now_ms >= m->name_told_ms && m->state == GOSSIP_ALIVE &&
                   (bytes_eq(m->node.name, s->self.name) ||
                    member_has_namesake(&s->table, m))) {
            m->name_told_ms = 0;
            swim_event(s, SWIM_DUPLICATE, m, NULL);
        }
        wait = wait || m->name_told_ms != 0;
    }
    s->names_wait = wait;
}

/* Back from the dead again and again while another one lives at its address:
 * only one of the two can hear us there. */
static void mind_address(struct swim *s, struct member *m)
{
    if (m->returns > RETURNS_MAX ||
        member_by_addr(&s->table, &m->node.cluster, &m->node.id) == NULL) {
        return;
    }
    m->returns++;
    if (m->returns > RETURNS_MAX) {
        swim_event(s, SWIM_DUPLICATE, m,
                   "another living node says it is at its address");
    }
}

struct member *swim_admit(struct swim *s, const struct peer_node *node,
                          uint32_t incarnation)
{
    struct member *m = member_add(&s->table, node, incarnation,
                                  swim_is_far(s, node), s->now_ms);

    if (m == NULL) {
        return NULL;
    }
    enter(s, m);
    rumour_add(&s->rumours, m->row, true);
    return m;
}

void swim_hear_alive(struct swim *s, struct member *m, uint32_t incarnation)
{
    enum gossip_state was = m->state;

    if (was == GOSSIP_LEFT || incarnation <= m->incarnation ||
        (was == GOSSIP_DEAD && s->table.living_len == s->table.living_max)) {
        return;
    }
    member_move(&s->table, m, GOSSIP_ALIVE, incarnation, s->now_ms);
    if (was == GOSSIP_DEAD) {
        enter(s, m);
        mind_address(s, m);
    } else if (was == GOSSIP_SUSPECT) {
        swim_event(s, SWIM_REFUTED, m, NULL);
    }
    s->pull.differ_ms = SWIM_NEVER;
    rumour_add(&s->rumours, m->row, false);
}

bool swim_hear_all(struct swim *s, struct bytes records,
                   const struct member *teller, bool slice)
{
    uint32_t incarnation = s->incarnation;
    struct gossip_record r;

    while (gossip_record_read(&records, &r) == 1) {
        swim_hear(s, &r, teller, slice);
    }
    s->refused.malformed += records.len > 0;
    return s->incarnation != incarnation;
}

void swim_hear(struct swim *s, const struct gossip_record *r,
               const struct member *teller, bool slice)
{
    if (node_id_eq(&r->node.id, &s->self.id)) {
        hear_of_self(s, r);
        return;
    }
    struct member *m = member_find(&s->table, &r->node.id);
    if (m == NULL) {
        if (r->whole) {
            swim_admit(s, &r->node, r->incarnation);
        }
        return;
    }
    struct gossip_record doubt = *r;
    switch ((enum gossip_state)r->state) {
    case GOSSIP_ALIVE:
        swim_hear_alive(s, m, r->incarnation);
        break;
    case GOSSIP_SUSPECT:
        hear_suspect(s, m, r);
        break;
    case GOSSIP_DEAD:
        if (slice) {
            /* Two halves of a partition hold each other dead: believing that
             * at once would kill everyone when they meet again. */
            doubt.by = node_id_u64(&teller->node.id);
            hear_suspect(s, m, &doubt);
        } else if (r->incarnation >= m->incarnation && member_is_living(m)) {
            swim_bury(s, m, GOSSIP_DEAD, r->incarnation, NULL);
        }
        break;
    case GOSSIP_LEFT:
        if (r->incarnation >= m->incarnation && m->state != GOSSIP_LEFT) {
            swim_bury(s, m, GOSSIP_LEFT, r->incarnation, NULL);
        }
        break;
    }
}

static void hear_of_self(struct swim *s, const struct gossip_record *r)
{
    if (s->leaving || r->state == GOSSIP_ALIVE ||
        r->incarnation < s->incarnation ||
        r->incarnation >= GOSSIP_INCARNATION_MAX) {
        return;
    }
    member_digest_turn(s->table.parts, &s->self.id, s->incarnation);
    s->incarnation = r->incarnation + 1;
    member_digest_turn(s->table.parts, &s->self.id, s->incarnation);
    rumour_add(&s->rumours, ROW_SELF, false);
    swim_health_add(s, 1);
}

/* Adds an accuser; false if it is one already or there are enough. */
static bool accuser_add(struct swim *s, struct member *m, uint64_t by,
                        bool link_lost)
{
    for (size_t i = 0; i < m->accusers_len; i++) {
        if (m->accusers[i] == by) {
            return false;
        }
    }
    if (m->accusers_len > timing_confirmers(swim_size(s))) {
        return false;
    }
    m->accusers[m->accusers_len] = by;
    m->accusers_link[m->accusers_len] = link_lost;
    m->accusers_len++;
    m->accusers_lost = (uint8_t)(m->accusers_lost + link_lost);
    return true;
}

static void hear_suspect(struct swim *s, struct member *m,
                         const struct gossip_record *r)
{
    bool known = m->state == GOSSIP_SUSPECT && r->incarnation == m->incarnation;

    if (!member_is_living(m) || r->incarnation < m->incarnation) {
        return;
    }
    if (!known) {
        bool was_alive = m->state == GOSSIP_ALIVE;
        m->accusers_len = 0;
        m->accusers_lost = 0;
        m->again_ms = SWIM_NEVER;
        member_move(&s->table, m, GOSSIP_SUSPECT, r->incarnation, s->now_ms);
        m->changed_ms = s->now_ms;
        if (was_alive) {
            swim_event(s, SWIM_SUSPECT, m, NULL);
        }
        if (rng_below(&s->rng, swim_size(s)) < BUDDIES) {
            swim_want_probe(s, m);
        }
    }
    if (accuser_add(s, m, r->by, r->link_lost)) {
        rumour_add(&s->rumours, m->row, false);
    }
}

void swim_accuse(struct swim *s, struct member *m)
{
    struct gossip_record r = {
        .state = GOSSIP_SUSPECT,
        .incarnation = m->incarnation,
        .by = node_id_u64(&s->self.id),
        .link_lost = m->link_lost &&
                     s->now_ms - m->link_lost_ms < LINK_LOST_FOR_MS,
    };
    bool wanted = m->probe_wanted;

    hear_suspect(s, m, &r);
    m->probe_wanted = wanted; /* we have just looked ourselves */
    /* The rumour may be spent and the suspect not know of it, so it must hear
     * it from us before we bury it. */
    m->again_ms = s->now_ms + AGAIN_MS;
}

void swim_bury(struct swim *s, struct member *m, enum gossip_state state,
               uint32_t incarnation, const char *text)
{
    bool was_living = member_is_living(m);

    m->probe_wanted = false;
    swim_turns_remove(s, m);
    member_move(&s->table, m, state, incarnation, s->now_ms);
    rumour_add(&s->rumours, m->row, false);
    s->pull.differ_ms = SWIM_NEVER;
    if (was_living) {
        mark_duplicates(s, m->node.name);
        swim_event(s, state == GOSSIP_LEFT ? SWIM_SAID_LEFT : SWIM_DEAD, m,
                   text);
    }
    struct member *surplus = member_surplus(&s->table);
    if (surplus != NULL) {
        swim_forget(s, surplus);
    }
}

void swim_forget(struct swim *s, struct member *m)
{
    rumour_remove(&s->rumours, m->row);
    swim_probe_forget(s, m);
    swim_contact_forgotten(s, m);
    member_forget(&s->table, m);
}

void swim_tell(struct swim *s, struct member *m, bool now)
{
    struct gossip_packet p = swim_head(s, GOSSIP_RUMOUR, 0);

    if (s->now_ms < m->tell_ms && !now) {
        return;
    }
    m->tell_ms = s->now_ms + TELL_MS;
    swim_begin(s, &p);
    if (m->state != GOSSIP_ALIVE) {
        swim_put_state(s, m);
    }
    swim_post_to(s, m);
}

/* When a suspicion becomes a death. */
static uint64_t condemned_ms(const struct swim *s, const struct member *m)
{
    uint32_t n = swim_size(s);
    unsigned wanted = timing_confirmers(n);
    uint32_t ms = timing_suspicion_ms(n, m->accusers_len - 1u);

    if (m->accusers_lost > wanted) {
        ms = m->far ? TIMING_FAR_LINK_LOST_MS : TIMING_LINK_LOST_MS;
    }
    uint64_t at = m->changed_ms + ms;
    return at < s->deaf_until_ms ? s->deaf_until_ms : at;
}

void swim_suspects_tick(struct swim *s)
{
    size_t buried = 0;

    for (size_t i = s->table.suspects_len; i > 0 && buried < BURIALS_MAX; i--) {
        struct member *m = &s->table.rows[s->table.suspects[i - 1]];
        if (s->now_ms >= condemned_ms(s, m)) {
            swim_bury(s, m, GOSSIP_DEAD, m->incarnation, NULL);
            buried++;
        } else if (s->now_ms >= m->again_ms) {
            m->again_ms = SWIM_NEVER; /* until that probe has failed */
            swim_want_probe(s, m);
        }
    }
}

uint64_t swim_suspects_wake(const struct swim *s)
{
    uint64_t wake = SWIM_NEVER;

    for (size_t i = 0; i < s->table.suspects_len; i++) {
        const struct member *m = &s->table.rows[s->table.suspects[i]];
        wake = swim_earlier(wake, condemned_ms(s, m));
        wake = swim_earlier(wake, m->again_ms);
    }
    return wake;
}
