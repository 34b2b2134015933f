/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/swim.h"

#include <assert.h>
#include <stdlib.h>

#include "cluster/swim_inner.h"
#include "proto/err.h"

enum {
    PAUSE_MS = 100, /* a step that comes this late tells of a pause of ours */
    FAREWELLS = 32, /* members told at once when we leave */
};

static void self_keep(struct swim *s, const struct peer_node *self);
static void on_packet(struct swim *s, const struct swim_news *news);
static void on_leave(struct swim *s);

/* --- life --------------------------------------------------------------------
 */

static bool take_memory(struct swim *s, const struct swim_options *options)
{
    uint16_t dead_max = options->dead_max == 0 ? SWIM_DEAD_MAX
                                               : options->dead_max;
    uint16_t rows = (uint16_t)(options->peers_max + dead_max);

    if (member_table_init(&s->table, options->peers_max, dead_max) != 0 ||
        rumours_init(&s->rumours, (uint16_t)(rows + 1)) != 0) {
        return false;
    }
    for (int lane = 0; lane < RUMOUR_LANES; lane++) {
        s->turns[lane].rows = calloc(rows, sizeof *s->turns[lane].rows);
        if (s->turns[lane].rows == NULL) {
            return false;
        }
    }
    s->arena = malloc(ARENA_LEN);
    s->outs = calloc(OUTS_MAX, sizeof *s->outs);
    s->scratch.max = PACKET_LEN_MAX;
    return s->arena != NULL && s->outs != NULL &&
           buf_reserve(&s->scratch, PACKET_LEN_MAX) != NULL;
}

struct swim *swim_new(const struct swim_options *options, uint64_t now_ms)
{
    struct swim *s = calloc(1, sizeof *s);

    assert(gossip_node_is_valid(&options->self));
    assert(options->peers_max > 0);
    assert(options->seeds_len <= SWIM_SEEDS_MAX);
    if (s == NULL || !take_memory(s, options)) {
        swim_free(s);
        return NULL;
    }
    self_keep(s, &options->self);
    s->print = options->hash_key_print;
    s->cookie_key = options->cookie_key;
    s->now_ms = now_ms;
    s->wake_ms = now_ms;
    rng_init(&s->rng, options->seed);
    member_digest_turn(s->table.parts, &s->self.id, 0);
    s->pull.differ_ms = SWIM_NEVER;
    s->contact.alone_ms = now_ms;
    swim_set_seeds(s, options->seeds, options->seeds_len);
    /* Nodes started together shall not probe together. */
    for (int lane = 0; lane < RUMOUR_LANES; lane++) {
        s->turns[lane].next_ms = now_ms + rng_below(&s->rng, TIMING_PROBE_MS);
    }
    return s;
}

static void self_keep(struct swim *s, const struct peer_node *self)
{
    struct bytes *texts[] = {&s->self.name, &s->self.region, &s->self.endpoint,
                             &s->self.version};
    size_t at = 0;

    s->self = *self;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct bytes text = *texts[i];
        if (text.len > 0) {
            memcpy(s->self_text + at, text.p, text.len);
        }
        *texts[i] = bytes_of(s->self_text + at, text.len);
        at += text.len;
    }
}

void swim_free(struct swim *s)
{
    if (s == NULL) {
        return;
    }
    member_table_fini(&s->table);
    rumours_fini(&s->rumours);
    free(s->turns[RUMOUR_NEAR].rows);
    free(s->turns[RUMOUR_FAR].rows);
    free(s->arena);
    free(s->outs);
    buf_fini(&s->scratch);
    free(s);
}

/* --- step --------------------------------------------------------------------
 */

static void on_news(struct swim *s, const struct swim_news *news)
{
    struct member *m;

    switch (news->type) {
    case SWIM_TICK:
        break;
    case SWIM_PACKET:
        on_packet(s, news);
        break;
    case SWIM_LINK_DOWN:
        m = member_find(&s->table, &news->member);
        if (m != NULL && member_is_living(m)) {
            m->link_lost = true;
            m->link_lost_ms = s->now_ms;
            swim_want_probe(s, m);
        }
        break;
    case SWIM_LAG:
        swim_on_lag(s, news->ms);
        break;
    case SWIM_SEEDS:
        swim_set_seeds(s, news->seeds, news->seeds_len);
        break;
    case SWIM_LEAVE:
        on_leave(s);
        break;
    }
}

static uint64_t next_wake(const struct swim *s)
{
    uint64_t wake = s->leaving ? s->leave_ms : s->contact.next_ms;

    wake = swim_earlier(wake, swim_probe_wake(s));
    wake = swim_earlier(wake, swim_suspects_wake(s));
    return swim_earlier(wake, swim_gossip_wake(s));
}

static bool is_silent(const struct swim *s)
{
    return s->leaving && s->now_ms >= s->leave_ms;
}

void swim_step(struct swim *s, const struct swim_news *news, uint64_t now_ms)
{
    assert(now_ms >= s->now_ms);
    assert(s->outs_at == s->outs_len);
    s->outs_at = 0;
    s->outs_len = 0;
    s->arena_len = 0;
    s->now_ms = now_ms;
    if (is_silent(s)) {
        s->wake_ms = SWIM_NEVER;
        return;
    }
    if (now_ms > s->wake_ms + PAUSE_MS) {
        swim_on_lag(s, now_ms - s->wake_ms);
    }
    on_news(s, news);
    swim_suspects_tick(s);
    swim_probe_tick(s);
    swim_gossip_tick(s);
    swim_pull_tick(s);
    if (!s->leaving) {
        swim_contact_tick(s);
    }
    s->wake_ms = next_wake(s);
}

static void on_leave(struct swim *s)
{
    struct gossip_packet p;

    if (s->leaving) {
        return;
    }
    s->leaving = true;
    s->leave_ms = s->now_ms + SWIM_LEAVE_MS;
    rumour_add(&s->rumours, ROW_SELF, false);
    p = swim_head(s, GOSSIP_RUMOUR, 0);
    for (int i = 0; i < FAREWELLS && (size_t)i < s->table.order_len; i++) {
        const struct member *m = member_at(&s->table, (size_t)i);
        if (member_is_living(m)) {
            swim_begin(s, &p);
            swim_put_rumours(s, m->far);
            swim_post_to(s, m);
        }
    }
}

/* --- packets -----------------------------------------------------------------
 */

static void hear_log(struct swim *s, struct member *m,
                     const struct gossip_packet *p)
{
    m->log.version = p->log_version;
    m->log.digest = p->log_digest;
    swim_event(s, SWIM_HEARD, m, NULL);
}

static void on_member_packet(struct swim *s, struct member *m,
                             const struct gossip_packet *p)
{
    bool refuted = swim_hear_all(s, p->records, m, false);

    switch ((enum gossip_type)p->type) {
    case GOSSIP_PING:
        hear_log(s, m, p);
        swim_on_ping(s, m, p->seq);
        swim_compare(s, m, p->digest);
        return; /* the answer refutes */
    case GOSSIP_ACK:
        hear_log(s, m, p);
        swim_on_ack(s, m, p->seq);
        swim_compare(s, m, p->digest);
        break;
    case GOSSIP_PING_FOR:
        swim_on_ping_for(s, m, p);
        break;
    case GOSSIP_NACK:
        swim_on_nack(s, p->seq);
        break;
    case GOSSIP_UNKNOWN:
        swim_on_unknown(s, m);
        break;
    case GOSSIP_PULL:
        swim_on_pull(s, m, p);
        break;
    case GOSSIP_JOIN:
    case GOSSIP_COOKIE:
    case GOSSIP_WELCOME:
    case GOSSIP_REFUSE:
    case GOSSIP_SLICE:
    case GOSSIP_RUMOUR:
        break;
    }
    if (refuted) {
        swim_tell(s, m, true);
    }
}

/* A dead one's word counts only about itself: it may be told so and refute,
 * and it may tell us that it holds us dead. */
static void on_dead_packet(struct swim *s, struct member *m,
                           const struct gossip_packet *p)
{
    struct bytes records = p->records;
    struct gossip_record r;
    uint32_t incarnation = s->incarnation;

    while (gossip_record_read(&records, &r) == 1) {
        if (node_id_eq(&r.node.id, &s->self.id)) {
            swim_hear(s, &r, m, false);
        }
    }
    if (p->type == GOSSIP_PING) {
        swim_on_ping(s, m, p->seq); /* with the news of its death */
    } else {
        swim_tell(s, m, s->incarnation != incarnation);
    }
}

static void on_packet(struct swim *s, const struct swim_news *news)
{
    struct gossip_packet p;
    int rc = gossip_packet_read(news->bytes, &p);

    if (rc != 0 && rc != ERR_VERSION) {
        s->refused.malformed++;
        return;
    }
    if (node_id_eq(&p.source, &s->self.id)) {
        return; /* we called ourselves */
    }
    if (rc == ERR_VERSION) {
        swim_on_other_version(s, news, &p);
        return;
    }
    if (p.type == GOSSIP_JOIN) {
        swim_on_join(s, news, &p);
        return;
    }
    if (!news->sealed_for_me) {
        s->refused.malformed++; /* only a join may lack a destination */
        return;
    }
    if (p.type == GOSSIP_COOKIE || p.type == GOSSIP_WELCOME ||
        p.type == GOSSIP_REFUSE) {
        swim_on_answer(s, &news->from, &p);
        return;
    }
    struct member *m = member_find(&s->table, &p.source);
    if (m == NULL) {
        s->refused.unknown++;
        if (p.type != GOSSIP_UNKNOWN) {
            swim_tell_unknown(s, &news->from, &p);
        }
        return;
    }
    swim_hear_alive(s, m, p.incarnation);
    if (m->state == GOSSIP_LEFT) {
        return;
    }
    if (m->state == GOSSIP_DEAD) {
        on_dead_packet(s, m, &p);
    } else if (p.type == GOSSIP_SLICE) {
        swim_on_slice(s, m, &p);
    } else {
        on_member_packet(s, m, &p);
    }
}

/* --- outputs and questions
 * ---------------------------------------------------- */

bool swim_next(struct swim *s, struct swim_out *out)
{
    if (s->outs_at == s->outs_len) {
        return false;
    }
    const struct out_slot *slot = &s->outs[s->outs_at++];
    *out = (struct swim_out){
        .type = slot->type,
        .to = slot->to,
        .dst = slot->dst,
        .bytes = bytes_of(s->arena + slot->at, slot->len),
        .member = slot->row == MEMBER_NONE ? NULL : &s->table.rows[slot->row],
        .text = slot->text,
        .version = slot->version,
        .least = slot->least,
    };
    return true;
}

uint64_t swim_wake_ms(const struct swim *s)
{
    return s->wake_ms;
}

const struct swim_refused *swim_refused(const struct swim *s)
{
    return &s->refused;
}

void swim_set_log(struct swim *s, uint64_t version, uint64_t digest)
{
    s->log.version = version;
    s->log.digest = digest;
}

const struct member *swim_member_at(const struct swim *s, size_t index)
{
    return member_at(&s->table, index);
}

const struct member *swim_find(const struct swim *s, const struct node_id *id)
{
    return member_find(&s->table, id);
}

size_t swim_living(const struct swim *s)
{
    return s->table.living_len;
}

bool swim_has_met(const struct swim *s)
{
    return s->met;
}

bool swim_self_is_duplicate(const struct swim *s)
{
    return s->duplicate;
}

uint32_t swim_incarnation(const struct swim *s)
{
    return s->incarnation;
}

unsigned swim_health(const struct swim *s)
{
    return s->health;
}

uint64_t swim_digest(const struct swim *s)
{
    uint64_t digest = 0;

    for (size_t i = 0; i < GOSSIP_PARTS; i++) {
        digest ^= s->table.parts[i];
    }
    return digest;
}

void swim_check(const struct swim *s)
{
    uint64_t parts[GOSSIP_PARTS];

    memcpy(parts, s->table.parts, sizeof parts);
    member_digest_turn(parts, &s->self.id, s->incarnation);
    member_table_check(&s->table, parts);
    assert(s->table.near_len == s->turns[RUMOUR_NEAR].len);
    assert(s->table.living_len - s->table.near_len == s->turns[RUMOUR_FAR].len);
    for (size_t i = 0; i < s->rumours.len; i++) {
        const struct rumour *r = &s->rumours.list[i];
        assert(r->row == ROW_SELF ||
               member_find(&s->table, &s->table.rows[r->row].node.id) ==
                   &s->table.rows[r->row]);
    }
    assert(s->health <= HEALTH_MAX);
    assert(s->incarnation <= GOSSIP_INCARNATION_MAX);
    assert(s->wake_ms > s->now_ms || s->table.suspects_len > 0);
}
