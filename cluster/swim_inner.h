/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of swim share; nobody else includes this.
 *
 *   swim.c         life, step, questions: packets go to whom they concern
 *   swim_member.c  what is heard of members: the rules of precedence
 *   swim_probe.c   who answers: probes, probes for others, own health
 *   swim_rumour.c  packets out, rumours, pulls and slices
 *   swim_join.c    strangers: join, cookie, welcome; contacting the lost
 */
#ifndef CLUSTER_SWIM_INNER_H
#define CLUSTER_SWIM_INNER_H

#include "cluster/cluster.h"
#include "cluster/member.h"
#include "cluster/rng.h"
#include "cluster/rumour.h"
#include "cluster/swim.h"
#include "cluster/timing.h"

enum {
    PACKET_LEN_MAX = CLUSTER_PACKET_LEN_MAX,
    ROW_SELF = 0xfffe, /* this node in a rumour */
    PROBES_MAX = 16,
    RELAYS_MAX = 64,
    LOST_MAX = 64,
    HELPERS = 3,
    HEALTH_MAX = 8,
    OUTS_MAX = 512,       /* packets stop at half, so that events always fit */
    ARENA_LEN = 64 << 10, /* of the packets of one step */
};

#define SWIM_NEVER UINT64_MAX

struct out_slot {
    enum swim_out_type type;
    struct addr to;
    struct node_id dst;
    uint32_t at; /* in the arena */
    uint32_t len;
    uint16_t row;
    const char *text;
    uint8_t version;
    uint8_t least;
};

/* Members in shuffled order, each probed once a round. */
struct turns {
    uint16_t *rows;
    uint16_t len;
    uint16_t at;
    uint64_t next_ms;
};

struct probe {
    bool active;
    bool in_turn; /* no: a link broke, or someone suspects it */
    bool again;   /* pinged a second time */
    bool asked;   /* the helpers */
    bool late;    /* pinged for the last time */
    uint8_t helpers;
    uint8_t nackers; /* those of them that can answer in time */
    uint8_t nacks;
    uint16_t row;
    uint64_t seq;
    uint64_t sent_ms;
    uint64_t again_ms;
    uint64_t ask_ms;
    uint64_t late_ms;
    uint64_t end_ms;
};

/* A probe for another member. */
struct relay {
    bool active;
    bool nacked;
    struct node_id asker;
    uint64_t asker_seq;
    uint64_t seq;
    uint64_t nack_ms;
    uint64_t end_ms;
};

struct pull {
    bool active;
    uint8_t tries;
    struct node_id from;
    struct node_id cursor;
    uint64_t seq;
    uint64_t end_ms;
    uint64_t next_ms;   /* not again before */
    uint64_t differ_ms; /* a digest differed since then; SWIM_NEVER: none */
};

/* Seeds and the addresses of the dead, tried one a second. */
struct contact {
    struct addr seeds[SWIM_SEEDS_MAX];
    struct addr lost[LOST_MAX]; /* of forgotten members */
    uint16_t seeds_len;
    uint16_t lost_len;
    uint16_t lost_at;
    uint32_t at;
    uint64_t next_ms;
    uint64_t alone_ms; /* since when there is no member */
    bool answered;     /* someone, since then */
    bool told_silent;
    uint64_t told_refused_ms;
};

struct swim {
    struct peer_node self; /* strings point into self_text */
    uint32_t incarnation;
    uint64_t now_ms;
    uint64_t wake_ms;
    struct rng rng;
    struct member_table table;
    struct member_log log;
    uint64_t print;
    struct hash_key cookie_key;

    struct turns turns[RUMOUR_LANES]; /* near, far */
    struct probe probes[PROBES_MAX];
    struct relay relays[RELAYS_MAX];
    size_t probes_top; /* none active from here on */
    size_t relays_top;
    bool probes_wanted; /* by some member */
    uint64_t seq;
    struct timing_rtt near_rtt; /* of all members of the region */
    unsigned health;
    uint64_t deaf_until_ms; /* we stood still: condemn nobody before */

    struct rumours rumours;
    uint64_t gossip_ms[RUMOUR_LANES]; /* next rounds */
    struct pull pull;

    struct contact contact;
    struct swim_refused refused;
    bool met;
    bool duplicate;
    bool names_wait; /* some member has a name_told_ms */
    bool leaving;
    uint64_t leave_ms; /* silent from then on */

    struct buf scratch; /* the packet being written */
    uint8_t *arena;
    uint32_t arena_len;
    struct out_slot *outs;
    uint16_t outs_len;
    uint16_t outs_at;
    uint8_t self_text[MEMBER_TEXT_LEN];
};

static inline uint32_t swim_size(const struct swim *s)
{
    return s->table.living_len + 1u;
}

static inline uint64_t swim_earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- swim_rumour.c ----------------------------------------------------------
 */

struct gossip_packet swim_head(const struct swim *s, enum gossip_type type,
                               uint64_t seq);
/* Begins a packet with this head, adds records, sends it. */
void swim_begin(struct swim *s, const struct gossip_packet *packet);
bool swim_put(struct swim *s, const struct gossip_record *record);
bool swim_put_state(struct swim *s, const struct member *m);
void swim_put_whole(struct swim *s, const struct peer_node *node,
                    uint32_t incarnation);
void swim_put_rumours(struct swim *s, bool far);
/* Past the bounds of a step the packet is lost, as on the network. */
void swim_post(struct swim *s, const struct addr *to,
               const struct node_id *dst);
void swim_post_to(struct swim *s, const struct member *m);

/* A living member chosen by chance among the near or the far, not `except`
 * and not suspected if `sound`; NULL if there is none. */
struct member *swim_any(struct swim *s, bool far, bool sound,
                        const struct member *except);
void swim_compare(struct swim *s, const struct member *m, uint64_t digest);
void swim_pull_from(struct swim *s, const struct member *m);
void swim_on_pull(struct swim *s, const struct member *m,
                  const struct gossip_packet *p);
void swim_on_slice(struct swim *s, const struct member *m,
                   const struct gossip_packet *p);
void swim_gossip_tick(struct swim *s);
void swim_pull_tick(struct swim *s);
uint64_t swim_gossip_wake(const struct swim *s);
void swim_event(struct swim *s, enum swim_out_type type, const struct member *m,
                const char *text);

/* --- swim_member.c ----------------------------------------------------------
 */

bool swim_is_far(const struct swim *s, const struct peer_node *node);
/* Adds a member nobody told us of before, with all that follows; NULL = full.
 */
struct member *swim_admit(struct swim *s, const struct peer_node *node,
                          uint32_t incarnation);
/* The incarnation that a member gives itself. */
void swim_hear_alive(struct swim *s, struct member *m, uint32_t incarnation);
/* A death out of a slice is old news: it only makes suspect. */
void swim_hear(struct swim *s, const struct gossip_record *r,
               const struct member *teller, bool slice);
/* All records of a packet up to the first wrong one. True if one of them made
 * us refute. */
bool swim_hear_all(struct swim *s, struct bytes records,
                   const struct member *teller, bool slice);
void swim_accuse(struct swim *s, struct member *m);
void swim_bury(struct swim *s, struct member *m, enum gossip_state state,
               uint32_t incarnation, const char *text);
/* Tells one that we hold dead that we do, so that it refutes, and with which
 * incarnation we live. Not too often, unless that has just changed. */
void swim_tell(struct swim *s, struct member *m, bool now);
void swim_forget(struct swim *s, struct member *m);
void swim_suspects_tick(struct swim *s);
void swim_names_tick(struct swim *s);
uint64_t swim_suspects_wake(const struct swim *s);

/* --- swim_probe.c -----------------------------------------------------------
 */

void swim_turns_add(struct swim *s, const struct member *m);
void swim_turns_remove(struct swim *s, const struct member *m);
/* Out of turn, as soon as there is room. */
void swim_want_probe(struct swim *s, struct member *m);
void swim_probe_forget(struct swim *s, const struct member *m);
void swim_on_ping(struct swim *s, const struct member *m, uint64_t seq);
void swim_on_ping_for(struct swim *s, const struct member *m,
                      const struct gossip_packet *p);
void swim_on_ack(struct swim *s, struct member *m, uint64_t seq);
void swim_on_nack(struct swim *s, uint64_t seq);
void swim_on_lag(struct swim *s, uint64_t ms);
void swim_health_add(struct swim *s, int by);
void swim_probe_tick(struct swim *s);
uint64_t swim_probe_wake(const struct swim *s);

/* --- swim_join.c ------------------------------------------------------------
 */

void swim_on_join(struct swim *s, const struct swim_news *news,
                  const struct gossip_packet *p);
void swim_on_answer(struct swim *s, const struct addr *from,
                    const struct gossip_packet *p); /* COOKIE .. REFUSE */
void swim_on_other_version(struct swim *s, const struct swim_news *news,
                           const struct gossip_packet *p);
void swim_on_unknown(struct swim *s, const struct member *m);
void swim_tell_unknown(struct swim *s, const struct addr *from,
                       const struct gossip_packet *p);
void swim_set_seeds(struct swim *s, const struct addr *seeds, size_t len);
void swim_contact_forgotten(struct swim *s, const struct member *m);
void swim_contact_tick(struct swim *s);

#endif
