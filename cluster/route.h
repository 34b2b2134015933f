/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an item goes: to interested peers of the own region, once to those that
 * share a process (cluster/host.h), and once to each other region, to its
 * *ingress*.
 *
 *   (bucket of the hash, region) -> ingress
 *
 * There are 256 buckets. The ingress is the highest rendezvous weight among
 * the linked nodes of that region that are ready, not draining, and reach all
 * of it, interested or not (when there are no such, those that lack some; else
 * any that are linked), and it is sticky: items of one publisher keep one path.
 * It changes when it has no link or was given leave (cluster/moves.c), and
 * after ROUTE_IDLE_MS without an item, if what went through it is known to have
 * arrived everywhere: it is *settled*. Each origin chooses alone; that two of
 * them differ does no harm, since an ingress never forwards to another region
 * (CLUSTER 3).
 */
#ifndef CLUSTER_ROUTE_H
#define CLUSTER_ROUTE_H

#include "cluster/cluster.h"
#include "cluster/host.h"
#include "proto/peer.h"

enum {
    ROUTE_BUCKETS = 256,
    ROUTE_WORDS = CLUSTER_PEERS_MAX / 64,
    ROUTE_IDLE_MS = 2000,
    ROUTE_REGION_NONE = 0xff,
};

struct route_region {
    uint8_t name[REGION_LEN_MAX];
    size_t name_len;
    size_t members_len;
    uint64_t members[ROUTE_WORDS]; /* all open peers of it */
    uint64_t linked[ROUTE_WORDS];
    uint64_t able[ROUTE_WORDS];      /* linked, ready, not draining */
    uint64_t lacking[ROUTE_WORDS];   /* open, and cannot reach all the others */
    uint64_t leave[ROUTE_WORDS];     /* linked, and goes: nothing new there */
    uint64_t missed[ROUTE_WORDS];    /* own region: not sent what they want */
    bool missed_all;                 /* another region: likewise */
    uint16_t ingress[ROUTE_BUCKETS]; /* slot, or CLUSTER_SLOT_NONE */
    uint64_t used_ms[ROUTE_BUCKETS];
    uint64_t fence; /* our items up to this one are void there; 0 none */
};

struct route {
    struct route_region *regions[CLUSTER_REGIONS_MAX]; /* 0 is the own one */
    uint8_t region_of[CLUSTER_PEERS_MAX];              /* by slot */
    uint64_t weight_of[CLUSTER_PEERS_MAX];             /* from its id */
    uint64_t settled_ms[CLUSTER_PEERS_MAX]; /* used before: has arrived */
    uint64_t asks[ROUTE_WORDS];             /* of these we want to know that */
    bool asking;
    uint64_t fence; /* the highest of regions that are no more */

    /* Of the own region: */
    struct hosts hosts;             /* other processes of several nodes */
    uint64_t direct[ROUTE_WORDS];   /* peers of none of these */
    uint64_t siblings[ROUTE_WORDS]; /* of the own process; direct, too */
};

/* Errors: ERR_NOMEM. */
int route_init(struct route *route, struct bytes own_region);
void route_fini(struct route *route);

/* Errors: ERR_LIMIT (a region too many), ERR_NOMEM. */
int route_open(struct route *route, uint16_t slot,
               const struct peer_node *node);
void route_close(struct route *route, uint16_t slot);

/* It is of that process: `own`, as we are. Of another region that is nothing to
 * us. Errors: ERR_NOMEM. */
int route_join(struct route *route, uint16_t slot, const struct peer_host *of,
               bool own);
/* The process it shares with others that are not of ours, or NULL. */
static inline const struct host *route_host(const struct route *route,
                                            uint16_t slot)
{
    return route->hosts.of[slot];
}
static inline bool route_is_sibling(const struct route *route, uint16_t slot)
{
    return route->siblings[slot / 64] >> slot % 64 & 1;
}
/* A worker that nobody knows should have received something. */
bool route_host_missed(const struct route *route);
/* What an item there may do: enum peer_hop. */
uint8_t route_hop(const struct route *route, uint16_t slot);

/* `able`: ready, and does not drain. */
void route_mark(struct route *route, uint16_t slot, bool linked, bool able);
/* Whether it says that it cannot reach all of its region. */
void route_mark_lacking(struct route *route, uint16_t slot, bool lacking);

/* Whether both peers are of one region. */
bool route_is_same(const struct route *route, uint16_t a, uint16_t b);
/* Whether its region has another node that is a better choice, whatever the
 * bucket. */
bool route_has_better(const struct route *route, uint16_t slot);

/* All that went through it before `ms` has arrived wherever it was to. */
void route_settle(struct route *route, uint16_t slot, uint64_t ms);
/* Whether something of which that is not known went through it. */
bool route_is_unsettled(const struct route *route, uint16_t slot);
/* Takes a peer of which we want to know it: a better one is there for a bucket
 * that was idle. false: none. */
bool route_take_ask(struct route *route, uint16_t *slot);

/* The next items take another way, if there is one; or need not. */
void route_leave(struct route *route, uint16_t slot);
void route_stay(struct route *route, uint16_t slot);
bool route_leaves(const struct route *route, uint16_t slot);

/* The fence of its region; and raises it. */
uint64_t route_fence(const struct route *route, uint16_t slot);
void route_raise_fence(struct route *route, uint16_t slot, uint64_t count);

/* Something for this peer, or for its region, could not be put on the way: as
 * route_targets() and route_near() note themselves. Taken once; of another
 * region by whoever of it comes first. */
void route_miss(struct route *route, uint16_t slot);
bool route_take_missed(struct route *route, uint16_t slot);

struct route_want {
    const uint64_t *slots; /* bitmap of those that want it, NULL = nobody */
    size_t words;
    uint64_t hash;
};

/* See cluster_route() and cluster_relay(). */
size_t route_targets(struct route *route, const struct route_want *want,
                     uint64_t now_ms, struct cluster_target *targets,
                     size_t max, bool *partial);
size_t route_near(struct route *route, const struct route_want *want,
                  struct cluster_target *targets, size_t max, bool *partial);
size_t route_siblings(struct route *route, const struct route_want *want,
                      struct cluster_target *targets, size_t max);

void route_check(const struct route *route);

#endif
