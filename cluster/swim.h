/* SPDX-License-Identifier: Apache-2.0
 *
 * Membership: who is in the cluster, and who no longer answers.
 *
 *          news, now_ms                      packets, events
 *   ... ------------------> swim_step() ------------------> swim_next()
 *
 * SWIM with suspicion and refutation, indirect probes with nacks, Lifeguard's
 * local health, rumours newest first, and repair by digest. All memory is taken
 * in swim_new(); no clock, no randomness of its own: same options and same news
 * give the same packets, byte for byte.
 *
 * Life of a member as others see it
 *
 *            joined           refuted (a higher incarnation)
 *   unknown --------> ALIVE <---------------- SUSPECT, DEAD
 *                       |  \--- suspect ------^     ^
 *                       |   \-- dead (new id there, rumour, timeout)
 *                       \--- LEFT (for ever)
 *
 * DEAD and LEFT are remembered by id for SWIM_FORGET_MS; then the member is
 * unknown again. The address of a dead one, or a seed that is no living
 * member, is contacted once a second, round robin, for ever.
 *
 * A stranger (join in an envelope without destination) gets a cookie, shorter
 * than what it sent, and no memory is spent on it until the cookie is back.
 *
 * Source: DESIGN 5 (Identity, Membership), CLUSTER 1 and 6.
 */
#ifndef CLUSTER_SWIM_H
#define CLUSTER_SWIM_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/member.h"
#include "proto/addr.h"
#include "proto/bytes.h"
#include "proto/hash.h"
#include "proto/peer.h"

enum {
    SWIM_SEEDS_MAX = 16,
    SWIM_DEAD_MAX = 1024,
    SWIM_FORGET_MS = 15 * 60 * 1000,
    SWIM_LEAVE_MS = 1000, /* from SWIM_LEAVE until everyone should know */
};

struct swim;

struct swim_options {
    struct peer_node self; /* copied; a concrete cluster address, valid names */
    uint64_t seed;         /* of the generator */
    struct hash_key cookie_key; /* secret of this life */
    uint64_t hash_key_print;
    uint16_t peers_max; /* living members besides this node */
    uint16_t dead_max;  /* remembered; 0 = SWIM_DEAD_MAX */
    size_t seeds_len;
    struct addr seeds[SWIM_SEEDS_MAX];
};

/* Errors: NULL when memory is short. */
struct swim *swim_new(const struct swim_options *options, uint64_t now_ms);
void swim_free(struct swim *swim);

enum swim_news_type {
    SWIM_TICK,      /* nothing but the time */
    SWIM_PACKET,    /* an opened packet: from, bytes, sealed_for_me */
    SWIM_LINK_DOWN, /* a pipe of this member broke: probe it at once: member */
    SWIM_LAG,       /* our loop stood still for `ms`: we may be the slow one */
    SWIM_SEEDS,     /* the seeds were resolved again: seeds, seeds_len */
    SWIM_LEAVE,     /* we go: tell everyone; answers stop after SWIM_LEAVE_MS */
};

struct swim_news {
    enum swim_news_type type;
    struct addr from;
    struct bytes bytes;
    bool sealed_for_me; /* false: the envelope named no destination */
    struct node_id member;
    uint32_t ms;
    const struct addr *seeds; /* at most SWIM_SEEDS_MAX are taken */
    size_t seeds_len;
};

/* Tells the machine one thing. now_ms never goes back. The outputs of the last
 * step must have been drained (asserted). Unknown members and packets that
 * make no sense are ignored. */
void swim_step(struct swim *swim, const struct swim_news *news,
               uint64_t now_ms);

/* When to step with SWIM_TICK at the latest. A much later step is taken as a
 * pause of our own, as SWIM_LAG is. */
uint64_t swim_wake_ms(const struct swim *swim);

enum swim_out_type {
    SWIM_SEND,      /* seal `bytes` for `dst` (zero: no destination) to `to` */
    SWIM_JOINED,    /* a new member, or one that was dead and is not: member */
    SWIM_SUSPECT,   /* member */
    SWIM_REFUTED,   /* suspected, and alive after all: member */
    SWIM_DEAD,      /* member; text says "replaced ..." when by a new life */
    SWIM_SAID_LEFT, /* the member left: member */
    SWIM_DUPLICATE, /* member has the name of another, or ours, and both live
                     * on; once each. With text: the address of another */
    SWIM_REFUSED,   /* to = the other side, text = why, or the versions it
                     * speaks; at most one in 5 s */
    SWIM_SEED_SILENT, /* 3 s and no seed answered; once until one does */
    SWIM_HEARD,       /* ping or ack: member->log is what it says of its log */
};

struct swim_out {
    enum swim_out_type type;
    struct addr to;
    struct node_id dst;
    struct bytes bytes;          /* valid until the next step */
    const struct member *member; /* valid until the next step */
    const char *text;            /* a fixed sentence or NULL */
    uint8_t version;             /* SWIM_REFUSED for another version: it ... */
    uint8_t least;               /* ... speaks least to version; else 0 */
};

/* Takes the next output; false when there are none. */
bool swim_next(struct swim *swim, struct swim_out *out);

/* Packets so far that were sealed with our key and not heard. */
struct swim_refused {
    uint64_t malformed; /* makes no sense, or lacks a destination */
    uint64_t version;   /* of another version of the protocol */
    uint64_t unknown;   /* speaks as a member and is none: told to join */
    uint64_t join;      /* another hash key, or no room */
};
const struct swim_refused *swim_refused(const struct swim *swim);

/* What the next pings and acks say of our own log. */
void swim_set_log(struct swim *swim, uint64_t version, uint64_t digest);

/* --- questions ------------------------------------------------------------ */

/* Members in the order of ids, the dead among them, self not; NULL past the
 * end. All member pointers are valid until the next step. */
const struct member *swim_member_at(const struct swim *swim, size_t index);
const struct member *swim_find(const struct swim *swim,
                               const struct node_id *id);
size_t swim_living(const struct swim *swim); /* alive or suspected, not self */
bool swim_has_met(const struct swim *swim);  /* ever a member: not alone */
bool swim_self_is_duplicate(const struct swim *swim);
uint32_t swim_incarnation(const struct swim *swim);
unsigned swim_health(const struct swim *swim); /* 0 well .. 8 slow ourselves */

/* Over (id, incarnation) of all living members and self: equal on two nodes
 * when they know the same cluster. */
uint64_t swim_digest(const struct swim *swim);

/* Asserts all invariants. */
void swim_check(const struct swim *swim);

#endif
