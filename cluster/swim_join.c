/* SPDX-License-Identifier: Apache-2.0
 *
 * Strangers, and the way back to those we lost. A JOIN in an envelope without
 * destination may be a replay from a forged address, so its answer is computed
 * from a secret and the address, costs no memory and is no longer than the
 * question. Only who can read that answer becomes a member.
 *
 * The same way leads back to a member that is held dead: whatever life of a
 * node is at its address now will answer.
 */
#include "cluster/swim_inner.h"

#include <assert.h>

enum {
    COOKIE_MS = 10000, /* valid in this span and the next */
    CONTACT_MS = 1000,
    CONTACT_SOON_MS = 200, /* while new and without any member */
    CONTACT_SOON_FOR_MS = 3000,
    CONTACT_LOOKS_MAX = 64, /* at addresses, for one that is worth a try */
    REFUSED_EVERY_MS = 5000,
    REPLACED_MAX = 16,
    FORGETS_MAX = 16, /* in a second */
};

static const struct node_id nobody;

static uint64_t keyed(const struct swim *s, char use, const struct addr *addr,
                      const struct node_id *id, uint64_t span)
{
    uint8_t in[1 + 16 + 2 + NODE_ID_LEN + 8] = {(uint8_t)use};

    memcpy(in + 1, addr->ip, 16);
    in[17] = (uint8_t)(addr->port >> 8);
    in[18] = (uint8_t)addr->port;
    memcpy(in + 19, id->b, NODE_ID_LEN);
    bytes_put_u64be(in + 19 + NODE_ID_LEN, span);
    uint64_t cookie = hash_bytes(&s->cookie_key, bytes_of(in, sizeof in));
    return cookie == 0 ? 1 : cookie; /* 0 means none */
}

static uint64_t cookie_for(const struct swim *s, const struct addr *from,
                           const struct node_id *id)
{
    return keyed(s, 'c', from, id, s->now_ms / COOKIE_MS);
}

static bool cookie_fits(const struct swim *s, uint64_t cookie,
                        const struct addr *from, const struct node_id *id)
{
    uint64_t span = s->now_ms / COOKIE_MS;

    return cookie == keyed(s, 'c', from, id, span) ||
           (span > 0 && cookie == keyed(s, 'c', from, id, span - 1));
}

/* The seq of our own joins, by which an answer shows that it is one. */
static uint64_t question(const struct swim *s, uint64_t span)
{
    static const struct addr any;
    return keyed(s, 'q', &any, &s->self.id, span);
}

static bool is_answer(const struct swim *s, uint64_t seq)
{
    uint64_t span = s->now_ms / COOKIE_MS;

    return seq == question(s, span) ||
           (span > 0 && seq == question(s, span - 1));
}

static void join_send(struct swim *s, const struct addr *to,
                      const struct node_id *dst, uint64_t cookie)
{
    struct gossip_packet p = swim_head(s, GOSSIP_JOIN,
                                       question(s, s->now_ms / COOKIE_MS));

    p.node = s->self;
    p.print = s->print;
    p.cookie = cookie;
    swim_begin(s, &p);
    swim_post(s, to, dst);
}

/* --- a stranger asks
 * ---------------------------------------------------------- */

/* `spoken` is of another version, or NULL. */
static void refused(struct swim *s, const struct addr *who, const char *why,
                    const struct gossip_packet *spoken)
{
    if (s->now_ms < s->contact.told_refused_ms) {
        return;
    }
    s->contact.told_refused_ms = s->now_ms + REFUSED_EVERY_MS;
    swim_event(s, SWIM_REFUSED, NULL, why);
    s->outs[s->outs_len - 1].to = *who;
    if (spoken != NULL) {
        s->outs[s->outs_len - 1].version = spoken->version;
        s->outs[s->outs_len - 1].least = spoken->least;
    }
}

static const char *reason_text(uint8_t reason)
{
    switch (reason) {
    case GOSSIP_OTHER_KEY:
        return "its hash key is another: it belongs to another cluster";
    case GOSSIP_OTHER_VERSION:
        return "it speaks another version of the cluster protocol";
    case GOSSIP_FULL:
        return "the cluster has as many nodes as it can";
    default:
        return "for a reason this version does not know";
    }
}

static void answer_refuse(struct swim *s, const struct swim_news *news,
                          const struct gossip_packet *p,
                          enum gossip_reason reason)
{
    struct gossip_packet answer = swim_head(s, GOSSIP_REFUSE, p->seq);

    answer.reason = (uint8_t)reason;
    swim_begin(s, &answer);
    if (s->scratch.len <= news->bytes.len) {
        swim_post(s, &news->from, &p->source);
    }
}

static void refuse(struct swim *s, const struct swim_news *news,
                   const struct gossip_packet *p, enum gossip_reason reason)
{
    s->refused.join++;
    answer_refuse(s, news, p, reason);
    refused(s, &news->from, reason_text((uint8_t)reason), NULL);
}

static void offer_cookie(struct swim *s, const struct swim_news *news,
                         const struct gossip_packet *p)
{
    struct gossip_packet answer = swim_head(s, GOSSIP_COOKIE, p->seq);

    answer.cookie = cookie_for(s, &news->from, &p->source);
    swim_begin(s, &answer);
    if (s->scratch.len <= news->bytes.len) { /* never amplify */
        swim_post(s, &news->from, &p->source);
    }
}

/* A new life at an address ends the old ones there. */
static void replace(struct swim *s, const struct peer_node *by)
{
    struct member *old;

    for (int i = 0; i < REPLACED_MAX; i++) {
        old = member_by_addr(&s->table, &by->cluster, &by->id);
        if (old == NULL) {
            return;
        }
        swim_bury(s, old, GOSSIP_DEAD, old->incarnation,
                  "replaced by a new life at its address");
    }
}

static void welcome(struct swim *s, const struct addr *to, struct member *m,
                    uint64_t seq)
{
    struct gossip_packet answer = swim_head(s, GOSSIP_WELCOME, seq);

    swim_begin(s, &answer);
    swim_put_whole(s, &s->self, s->incarnation);
    if (m->state == GOSSIP_DEAD) {
        swim_put_state(s, m); /* it shall know, and refute */
    }
    swim_post(s, to, &m->node.id);
}

void swim_on_join(struct swim *s, const struct swim_news *news,
                  const struct gossip_packet *p)
{
    struct member *m = member_find(&s->table, &p->source);

    if (s->leaving) {
        return;
    }
    if (p->print != s->print) {
        refuse(s, news, p, GOSSIP_OTHER_KEY);
        return;
    }
    if (!news->sealed_for_me ||
        !cookie_fits(s, p->cookie, &news->from, &p->source)) {
        offer_cookie(s, news, p);
        return;
    }
    if (m == NULL) {
        replace(s, &p->node); /* makes room, in a full cluster */
        m = swim_admit(s, &p->node, p->incarnation);
        if (m == NULL) {
            refuse(s, news, p, GOSSIP_FULL);
            return;
        }
    }
    swim_hear_alive(s, m, p->incarnation);
    if (m->state != GOSSIP_LEFT) {
        welcome(s, &news->from, m, p->seq);
    }
}

void swim_on_other_version(struct swim *s, const struct swim_news *news,
                           const struct gossip_packet *p)
{
    s->refused.version++;
    if (p->type == GOSSIP_JOIN) {
        answer_refuse(s, news, p, GOSSIP_OTHER_VERSION);
    }
    refused(s, &news->from, reason_text(GOSSIP_OTHER_VERSION), p);
}

void swim_tell_unknown(struct swim *s, const struct addr *from,
                       const struct gossip_packet *p)
{
    struct gossip_packet answer = swim_head(s, GOSSIP_UNKNOWN, p->seq);

    swim_begin(s, &answer);
    swim_post(s, from, &p->source);
}

/* --- we ask
 * ------------------------------------------------------------------- */

void swim_on_answer(struct swim *s, const struct addr *from,
                    const struct gossip_packet *p)
{
    if (s->leaving || !is_answer(s, p->seq)) {
        return;
    }
    s->contact.answered = true;
    s->contact.told_silent = false;
    if (p->type == GOSSIP_COOKIE) {
        join_send(s, from, &p->source, p->cookie);
        return;
    }
    if (p->type == GOSSIP_REFUSE) {
        refused(s, from, reason_text(p->reason), NULL);
        return;
    }
    bool refuted = swim_hear_all(s, p->records, NULL, false);
    struct member *m = member_find(&s->table, &p->source);
    if (m == NULL) {
        return; /* no room */
    }
    swim_hear_alive(s, m, p->incarnation);
    swim_pull_from(s, m);
    if (refuted || m->state == GOSSIP_DEAD) {
        swim_tell(s, m, refuted);
    }
}

/* It does not know us; we know where it is. */
void swim_on_unknown(struct swim *s, const struct member *m)
{
    if (!s->leaving) {
        join_send(s, &m->node.cluster, &nobody, 0);
    }
}

/* --- those we lost
 * ------------------------------------------------------------- */

void swim_set_seeds(struct swim *s, const struct addr *seeds, size_t len)
{
    struct contact *c = &s->contact;

    c->seeds_len = (uint16_t)(len > SWIM_SEEDS_MAX ? SWIM_SEEDS_MAX : len);
    for (size_t i = 0; i < c->seeds_len; i++) {
        c->seeds[i] = seeds[i];
    }
    c->next_ms = s->now_ms;
}

void swim_contact_forgotten(struct swim *s, const struct member *m)
{
    struct contact *c = &s->contact;

    if (m->state == GOSSIP_LEFT) {
        return;
    }
    for (size_t i = 0; i < c->lost_len; i++) {
        if (addr_eq(&c->lost[i], &m->node.cluster)) {
            return;
        }
    }
    c->lost[c->lost_at] = m->node.cluster; /* over the oldest */
    c->lost_at = (uint16_t)((c->lost_at + 1) % LOST_MAX);
    c->lost_len = (uint16_t)(c->lost_len + (c->lost_len < LOST_MAX));
}

/* The i-th place to look at: seeds, forgotten addresses, dead members. */
static const struct addr *contact_at(const struct swim *s, size_t i)
{
    const struct contact *c = &s->contact;

    if (i < c->seeds_len) {
        return &c->seeds[i];
    }
    i -= c->seeds_len;
    if (i < c->lost_len) {
        return &c->lost[i];
    }
    const struct member *m = member_at(&s->table, i - c->lost_len);
    return m != NULL && m->state == GOSSIP_DEAD ? &m->node.cluster : NULL;
}

static void contact_next(struct swim *s)
{
    struct contact *c = &s->contact;
    size_t dead = s->table.order_len == s->table.living_len
                      ? 0
                      : s->table.order_len; /* those among them */
    size_t places = (size_t)c->seeds_len + c->lost_len + dead;

    for (size_t i = 0, looks = 0; i < places && looks < CONTACT_LOOKS_MAX;
         i++) {
        const struct addr *addr = contact_at(s, c->at++ % places);
        if (addr == NULL) {
            continue;
        }
        looks++;
        if (!addr_is_none(addr) && !addr_eq(addr, &s->self.cluster) &&
            member_by_addr(&s->table, addr, &nobody) == NULL) {
            join_send(s, addr, &nobody, 0);
            return;
        }
    }
}

static void forget_old(struct swim *s)
{
    size_t forgotten = 0;

    if (s->table.order_len == s->table.living_len) {
        return;
    }
    for (size_t i = 0; i < s->table.order_len && forgotten < FORGETS_MAX; i++) {
        struct member *m = member_at(&s->table, i);
        if (!member_is_living(m) &&
            s->now_ms - m->changed_ms >= SWIM_FORGET_MS) {
            swim_forget(s, m);
            forgotten++;
        }
    }
}

static void mind_being_alone(struct swim *s)
{
    struct contact *c = &s->contact;

    if (s->table.living_len > 0) {
        c->alone_ms = SWIM_NEVER;
    } else if (c->alone_ms == SWIM_NEVER) {
        c->alone_ms = s->now_ms;
        c->answered = false;
        c->told_silent = false;
    } else if (c->seeds_len > 0 && !c->answered && !c->told_silent &&
               s->now_ms - c->alone_ms >= CLUSTER_ALONE_MS) {
        c->told_silent = true;
        swim_event(s, SWIM_SEED_SILENT, NULL, NULL);
    }
}

void swim_contact_tick(struct swim *s)
{
    struct contact *c = &s->contact;

    if (s->now_ms < c->next_ms) {
        return;
    }
    mind_being_alone(s);
    swim_names_tick(s);
    forget_old(s);
    contact_next(s);
    bool soon = !s->met && s->now_ms - c->alone_ms < CONTACT_SOON_FOR_MS;
    c->next_ms = s->now_ms + (soon ? CONTACT_SOON_MS : CONTACT_MS);
}
