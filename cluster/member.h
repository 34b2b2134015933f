/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of members: who was ever heard of and is not yet forgotten.
 *
 * A member is one life of a node (128-bit id); its attributes never change. It
 * has a *row*, a small number that is stable until the member is forgotten and
 * then used again, and a place in the order of ids, in which all walks go.
 *
 * Bounds: at most `living_max` members that are alive or suspected (self not
 * counted) and `dead_max` that are dead or have left. Past the first a new
 * member is refused; past the second the one gone for longest is forgotten.
 * All memory is taken in member_table_init().
 *
 * The digests cover (id, incarnation) of the living, in 16 parts by the first
 * four bits of the id, so that two nodes find out in which part they differ.
 */
#ifndef CLUSTER_MEMBER_H
#define CLUSTER_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/timing.h"
#include "proto/addr.h"
#include "proto/bytes.h"
#include "proto/gossip.h"
#include "proto/peer.h"

enum {
    MEMBER_NONE = 0xffff,
    MEMBER_ROWS_MAX = 0xfff0,
    MEMBER_TEXT_LEN = NODE_NAME_LEN_MAX + REGION_LEN_MAX + ENDPOINT_LEN_MAX +
                      GOSSIP_VERSION_LEN_MAX,
    MEMBER_ACCUSERS_MAX = 4, /* the first and three that confirm */
};

/* What the sender's own replicated log looks like; opaque here. */
struct member_log {
    uint64_t version;
    uint64_t digest;
};

struct member {
    struct peer_node node; /* strings point into text */
    enum gossip_state state;
    uint32_t incarnation;
    uint16_t row;
    uint16_t suspect_at; /* its place in `suspects`, while it is one */
    bool far;            /* in another region than this node */
    bool duplicate;      /* another living member, or this node, has its name */
    uint32_t rtt_us;     /* smoothed; 0 = unknown */
    struct member_log log; /* as of its last ping or ack */
    uint64_t changed_ms;   /* when `state` changed */

    /* The rest is swim's own. */
    struct timing_rtt rtt;
    uint64_t link_lost_ms; /* when a pipe to it broke last */
    bool link_lost;        /* and no answer since */
    bool probe_wanted;     /* out of turn, as soon as there is room */
    uint64_t tell_ms;      /* not again before, that we hold it dead */
    uint64_t again_ms;     /* a suspect that we accuse is probed again */
    uint64_t name_told_ms; /* then we warn of its name; 0: no need, or done */
    uint8_t returns;       /* from the dead, while another was at its address */
    uint8_t accusers_len;  /* who suspects it, at this incarnation */
    uint8_t accusers_lost; /* how many of them lost their link too */
    uint64_t accusers[MEMBER_ACCUSERS_MAX];
    bool accusers_link[MEMBER_ACCUSERS_MAX];

    uint8_t text[MEMBER_TEXT_LEN];
};

/* What members are looked for by, close together: the members themselves are
 * large. */
struct member_key {
    uint64_t id;   /* its first half */
    uint64_t name; /* a print of it */
    uint64_t addr; /* likewise, of the cluster address */
    uint16_t row;
};

struct member_table {
    struct member *rows;
    struct member_key *order; /* rows in use, by id */
    uint16_t *free;           /* rows not in use */
    uint16_t *suspects;       /* rows of those, in no order */
    uint16_t living_max;
    uint16_t dead_max;
    uint16_t order_len;
    uint16_t free_len;
    uint16_t living_len;
    uint16_t near_len; /* living and not far */
    uint16_t suspects_len;
    uint64_t parts[GOSSIP_PARTS];
};

/* Errors: ERR_NOMEM. */
int member_table_init(struct member_table *table, uint16_t living_max,
                      uint16_t dead_max);
void member_table_fini(struct member_table *table);

/* Adds one that is alive and not yet known. NULL when living_max is reached. */
struct member *member_add(struct member_table *table,
                          const struct peer_node *node, uint32_t incarnation,
                          bool far, uint64_t now_ms);

/* The one place where states and incarnations change. After a death the caller
 * forgets the surplus. */
void member_move(struct member_table *table, struct member *member,
                 enum gossip_state state, uint32_t incarnation,
                 uint64_t now_ms);
/* The one gone for longest, when more than dead_max are; else NULL. */
struct member *member_surplus(const struct member_table *table);
void member_forget(struct member_table *table, struct member *member);

struct member *member_find(const struct member_table *table,
                           const struct node_id *id);
/* In the order of ids; NULL past the end. */
struct member *member_at(const struct member_table *table, size_t index);
/* The place of the first member whose id is above this one. */
size_t member_after(const struct member_table *table, const struct node_id *id);
/* A living member at this cluster address other than `except`, or NULL. */
struct member *member_by_addr(const struct member_table *table,
                              const struct addr *addr,
                              const struct node_id *except);

static inline bool member_is_living(const struct member *member)
{
    return member->state == GOSSIP_ALIVE || member->state == GOSSIP_SUSPECT;
}

/* A member that is alive and not suspected has its name. */
bool member_has_namesake(const struct member_table *table,
                         const struct member *member);
/* Sets `duplicate` of all living members of this name; true when there are
 * two or more, self (its name as given) counted. */
bool member_mark_duplicates(struct member_table *table, struct bytes name,
                            struct bytes self_name);

/* Changes a digest of parts by one (id, incarnation): there or not there. */
void member_digest_turn(uint64_t parts[GOSSIP_PARTS], const struct node_id *id,
                        uint32_t incarnation);
size_t member_part(const struct node_id *id);

/* Asserts all invariants; parts is the digest as kept, without self. */
void member_table_check(const struct member_table *table,
                        const uint64_t parts[GOSSIP_PARTS]);

#endif
