/* SPDX-License-Identifier: Apache-2.0
 *
 * The cluster as one deterministic machine: who is there (SWIM), who wants
 * which topic (replicated logs), where an item goes (route), when a subscribe
 * holds everywhere (barrier) and when this node may take publishes (gate).
 *
 *            news, now_ms                         effects
 *   node/ ------------------> cluster_step() ------------------> node/
 *                             cluster_next()
 *
 * No clock, socket, allocation after init beyond the bounded tables, thread or
 * randomness of its own: the same options and the same news give the same
 * effects, byte for byte. The simulator (tests/sim) runs thousands of these.
 *
 * Inside: cluster/swim (membership and failure detection), cluster/replog (this
 * node's records), cluster/interest and cluster/patterns (who wants what),
 * cluster/registers (small values that all nodes hold),
 * cluster/route (targets and ingress), cluster/barrier, cluster/gate,
 * cluster/link (hellos), cluster/loss (who is told of losses), cluster/moves
 * (from one ingress to another), cluster/sync (logs on their way), proto/gossip
 * (packets), proto/peer (control messages).
 * Callers use only this header.
 *
 * Peers have a small number, the *slot*, from CLUSTER_PEER_OPEN until
 * CLUSTER_PEER_CLOSE; slots are reused afterwards.
 *
 * Source: DESIGN 5; CLUSTER 6.
 */
#ifndef CLUSTER_CLUSTER_H
#define CLUSTER_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/bytes.h"
#include "proto/item.h"
#include "proto/peer.h"

enum {
    CLUSTER_PEERS_MAX = 1024, /* living peers; further joins are refused */
    CLUSTER_SEEDS_MAX = 16,
    CLUSTER_REGIONS_MAX = 32,
    CLUSTER_PACKET_LEN_MAX = 1200, /* plain bytes of a gossip packet */
    CLUSTER_BARRIER_MS = 250, /* then a subscribe is acknowledged `partial` */
    CLUSTER_ALONE_MS = 3000,  /* no seed answered: ready alone */
    CLUSTER_SLOT_NONE = 0xffff,
    CLUSTER_CACHES_MAX = 1024,  /* registers of that kind */
    CLUSTER_REVOKED_MAX = 8192, /* likewise */
};

struct cluster;

struct cluster_options {
    struct peer_node self; /* strings are copied */
    struct peer_host host; /* of several nodes in this process; else zero */
    uint64_t seed;         /* of the generator */
    uint64_t hash_key_print;
    uint64_t interests_max; /* records in the own log; 0 = 2 M */
    bool seeded; /* there are seeds, even if no address is known yet */
    size_t seeds_len;
    struct addr seeds[CLUSTER_SEEDS_MAX]; /* where to join */
};

/* Errors: NULL when memory is short. */
struct cluster *cluster_new(const struct cluster_options *options,
                            uint64_t now_ms);
void cluster_free(struct cluster *cluster);

/* --- news --- */

enum cluster_news_type {
    CLUSTER_TICK,    /* nothing but the time */
    CLUSTER_PACKET,  /* an opened gossip packet: from, bytes, sealed_for_me */
    CLUSTER_CONTROL, /* an opened control batch of a peer: slot, epoch, bytes */
    CLUSTER_PIPE_UP, /* both lanes of our way to a peer stand: slot, epoch */
    CLUSTER_PIPE_DOWN, /* one broke, by reset or end of stream: slot */
    CLUSTER_LOST, /* at this place in the data lane of a peer items are missing:
                   * slot; their topics in bytes (8 each), none = unknown */
    CLUSTER_FENCED,  /* at this place in the data lane of a peer stand fences
                      * (cluster/fence.h): slot, bytes */
    CLUSTER_NUMBERS, /* how far both data lanes of a peer are: slot, sent,
                      * heard, closed, ended, probed, flows. At once when one of
                      * the last four changes or a probe was sent or came, else
                      * within about 100 ms. */
    CLUSTER_LAG,     /* our loop stood still for `ms`: suspect nobody yet */
    CLUSTER_SEEDS,   /* the seeds were resolved again: seeds */
    CLUSTER_DRAIN,   /* we are about to go: nobody chooses us any more */
    CLUSTER_DRAINED, /* we publish nothing more: ends all data lanes */
    CLUSTER_LEAVE,   /* we go now: tell everyone, who then forgets us */
};

struct cluster_news {
    enum cluster_news_type type;
    struct addr from;
    struct bytes bytes;
    bool sealed_for_me; /* false: the envelope named no destination (a join) */
    uint16_t slot;
    uint64_t epoch;
    uint64_t sent;  /* newest number given to a batch of our lane */
    uint64_t heard; /* newest batch that came in its lane */
    bool closed;    /* the newest of ours is the end */
    bool ended;     /* the newest of its is the end */
    bool probed;    /* its lane brought a probe since it was last told */
    bool flows;     /* its lane has a pipe; false: nothing comes of it */
    uint32_t ms;
    const struct addr *seeds;
    size_t seeds_len;
};

/* Tells the machine one thing. now_ms never goes back. Afterwards drain
 * cluster_next() and step again at cluster_wake_ms() or sooner. */
void cluster_step(struct cluster *cluster, const struct cluster_news *news,
                  uint64_t now_ms);
uint64_t cluster_wake_ms(const struct cluster *cluster);

/* --- registers --- */

/* Small values under a name that all nodes hold, whoever wrote them; the last
 * writer wins (cluster/registers.h). */
enum cluster_register_kind {
    CLUSTER_REGISTER_CACHE = 1,   /* key: its name (node/client/caches.h) */
    CLUSTER_REGISTER_REVOKED = 2, /* key: the id of a token */
};

struct cluster_register {
    uint8_t kind;
    struct bytes key;   /* 1 .. PEER_KEY_LEN_MAX */
    struct bytes value; /* at most PEER_VALUE_LEN_MAX */
    uint64_t stamp;     /* of the writer, ms; above that of the value before */
    uint64_t until_s;   /* wall clock: some time after it, everyone forgets the
                         * register; 0 = never */
};

/* Writes a register: a CLUSTER_REGISTER effect follows here, and on all nodes
 * as they learn it. Others have it that hold the version of the log after this
 * call (cluster_version(), cluster_held()). `stamp` is not read.
 * Errors: ERR_LIMIT (as many of that kind as there may be), ERR_ARGUMENT
 * (lengths, kind, or it is over already), ERR_NOMEM. */
int cluster_set(struct cluster *cluster, const struct cluster_register *reg,
                uint64_t wall_ms);
/* false: there is none. What is found borrows until the next change. */
bool cluster_get(const struct cluster *cluster, enum cluster_register_kind kind,
                 struct bytes key, struct cluster_register *reg);
/* By index 0.. in the order of keys; false past the end. */
bool cluster_register_at(const struct cluster *cluster,
                         enum cluster_register_kind kind, size_t index,
                         struct cluster_register *reg);
/* Tells the wall clock, in each turn or so: it is only used to forget. */
void cluster_clock(struct cluster *cluster, uint64_t wall_ms);

/* --- effects --- */

enum cluster_effect_type {
    CLUSTER_SEND,       /* seal `bytes` for `dst` (zero: join), send to `to` */
    CLUSTER_TELL,       /* put `bytes` on the control lane of `slot`, whose
                         * pipe is up */
    CLUSTER_PEER_OPEN,  /* dial both lanes of `peer` and keep dialling: slot */
    CLUSTER_PEER_CLOSE, /* stop, forget its queues: slot */
    CLUSTER_EVENT,      /* something worth a log line: event, peer, text */
    CLUSTER_BARRIER,    /* versions up to `version` hold in `scope` */
    CLUSTER_READY,      /* the gate opened (or stands alone): alone */
    CLUSTER_GAP,        /* items from others may be lost: discontinuity for */
                        /* the hashes in `bytes` (8 bytes each), none = all */
    CLUSTER_MARK,       /* the same for those behind `slot`: append it to its
                         * data lane, before the next item: hop, bytes */
    CLUSTER_FENCE,      /* append fences to the data lane of slot: hop, bytes */
    CLUSTER_HOLD,       /* let nothing go of the data lane of slot: hop */
    CLUSTER_FREE,       /* let it go: with the fences in bytes, if any, where it
                         * was held: slot */
    CLUSTER_END,        /* append the end to the data lane of slot */
    CLUSTER_PROBE,      /* append a probe to it; CLUSTER_NUMBERS follow */
    CLUSTER_REDIAL,     /* cut both lanes to slot and dial them anew */
    CLUSTER_REGISTER,   /* a register became newer, here or elsewhere: reg */
};

enum cluster_event {
    CLUSTER_JOINED,
    CLUSTER_SUSPECT,
    CLUSTER_REFUTED,
    CLUSTER_DEAD,
    CLUSTER_LEFT,
    CLUSTER_LINKED, /* link up both ways, hello confirmed */
    CLUSTER_UNLINKED,
    CLUSTER_DUPLICATE,   /* the same name elsewhere: both stay; with text: the
                          * same address */
    CLUSTER_REFUSED,     /* other hash key or version: text says which; to, or
                          * peer: who */
    CLUSTER_DIVERGED,    /* equal version, unequal digest: a bug, repaired */
    CLUSTER_SEED_SILENT, /* no seed answers */
    CLUSTER_LATE,        /* alive, of this region, and cannot be linked */
};

enum cluster_scope {
    CLUSTER_SCOPE_REGION = 0,
    CLUSTER_SCOPE_ALL = 1
};

struct cluster_effect {
    enum cluster_effect_type type;
    struct addr to;
    struct node_id dst;
    struct bytes bytes; /* valid until the next cluster_next() */
    uint16_t slot;
    uint8_t hop;                  /* enum peer_hop */
    const struct peer_node *peer; /* valid until the next step */
    enum cluster_event event;
    const char *text; /* a fixed sentence or NULL */
    uint8_t speaks;   /* CLUSTER_REFUSED for another version: it speaks ... */
    uint8_t speaks_least; /* ... speaks_least to speaks; else 0 */
    enum cluster_scope scope;
    uint64_t version;
    bool partial;
    bool alone;
    const struct cluster_register *reg; /* valid until a register changes */
};

/* Takes the next effect; false when there are none. */
bool cluster_next(struct cluster *cluster, struct cluster_effect *effect);

/* What members of the seal said so far and was refused. */
struct cluster_refused {
    uint64_t malformed; /* gossip: makes no sense */
    uint64_t version;   /* gossip: another version of the protocol */
    uint64_t unknown;   /* gossip: speaks as a member and is none */
    uint64_t join;      /* gossip: another hash key, or no room */
    uint64_t control;   /* control messages that make no sense */
    uint64_t registers; /* no room for them, or others gave way */
};
void cluster_refused(const struct cluster *cluster,
                     struct cluster_refused *refused);

/* --- what this node wants --- */

/* Adds or removes a record of the own log: a topic hash, or a pattern. Counted:
 * call once when the first local subscription appears and once when the last
 * has gone. Returns the log version that contains the change (what a barrier
 * waits for), or 0 when the log is full. Deltas leave at cluster_flush(). */
uint64_t cluster_want(struct cluster *cluster, uint64_t hash, bool wanted);
uint64_t cluster_want_pattern(struct cluster *cluster,
                              const struct peer_record *record);

/* Ends a turn: all changes since the last one go out as one delta, one version
 * step for each record. Effects follow. */
void cluster_flush(struct cluster *cluster, uint64_t now_ms);

/* The version of the own log: a subscribe that finds its topic already wanted
 * still waits for the version that added it, and this is never below it. */
uint64_t cluster_version(const struct cluster *cluster);

/* The version that everyone in scope is known to hold. A CLUSTER_BARRIER effect
 * follows each rise, or, after CLUSTER_BARRIER_MS, with `partial`, and again
 * every CLUSTER_BARRIER_MS while a peer is stuck: so who waits for any version,
 * however old, is answered. It falls when a peer comes back with less, and is 0
 * before the gate opens. Without peers it equals cluster_version() at once. */
uint64_t cluster_held(const struct cluster *cluster, enum cluster_scope scope);

/* --- where an item goes --- */

struct cluster_target {
    uint16_t slot;
    uint8_t hop; /* enum peer_hop */
};

/* Targets of an item published here, whose number is above all before: each
 * interested, linked peer of the own region, of those that share a process the
 * one that receives for all of them (cluster/host.h), and for each other region
 * with interest its ingress. Interested is who wants the hash, or has a pattern
 * that matches (cluster/patterns.h); each peer is named once. Of the item only
 * hash, cache, topic and count are read. Returns how many were written (at most
 * `max`); allocation free. *partial: a peer of this region that wants it, or
 * may, has no link, or a region no ingress.
 */
size_t cluster_route(struct cluster *cluster, const struct item *item,
                     struct cluster_target *targets, size_t max, bool *partial);

/* Whether cluster_route() would name anybody, or note that somebody is missed:
 * nothing else comes of the question. */
bool cluster_is_wanted(const struct cluster *cluster, const struct item *item);

/* Whether the peer in that slot wants the item, linked or not; false for a slot
 * without a peer. Of the item only hash, cache and topic are read. */
bool cluster_wants(const struct cluster *cluster, uint16_t slot,
                   const struct item *item);

/* Whether an item that arrived from a peer is delivered and relayed. false: it
 * comes behind a fence (cluster/fence.h), and was told to be missing. */
bool cluster_take(const struct cluster *cluster, uint16_t slot,
                  const struct item *item);

/* Targets of an item that arrived with that hop: with PEER_HOP_INGRESS the
 * interested, linked peers of the own region, as above; with PEER_HOP_HOST
 * those of the own process. Never another region. */
size_t cluster_relay(struct cluster *cluster, const struct item *item,
                     enum peer_hop hop, struct cluster_target *targets,
                     size_t max);

/* --- questions --- */

enum cluster_state {
    CLUSTER_ALIVE,
    CLUSTER_SUSPECTED,
    CLUSTER_STATE_DEAD,
    CLUSTER_STATE_LEFT,
};

struct cluster_member {
    struct peer_node node; /* strings borrowed until the next step */
    enum cluster_state state;
    bool self;
    bool ready;
    bool draining;
    bool linked;    /* data flows both ways */
    bool duplicate; /* another living member has the same name */
    uint16_t slot;
    uint32_t rtt_us;    /* smoothed, in steps of 125; 0 unknown */
    uint64_t version;   /* of its log, as held here */
    uint64_t interests; /* topics it wants */
    uint64_t patterns;  /* and patterns */
};

/* Members by index 0.. in the order of ids; self included, the dead at the
 * end until forgotten. false past the end. */
bool cluster_member_at(const struct cluster *cluster, size_t index,
                       struct cluster_member *member);
size_t cluster_living(const struct cluster *cluster); /* self not */
size_t cluster_links(const struct cluster *cluster);
/* Nodes of this region that are alive and have had no link for 10 s, or are of
 * this process and thought dead: what is published there, or elsewhere, may not
 * come here, so each subscribe is partial, and a CLUSTER_GAP follows every 30
 * s.
 */
size_t cluster_late(const struct cluster *cluster);
bool cluster_is_ready(const struct cluster *cluster);
bool cluster_is_alone(const struct cluster *cluster); /* seeds given, silent */
/* The first reason why not ready: a fixed text, "" when ready. */
const char *cluster_why_not_ready(const struct cluster *cluster);
/* The slot of a peer by id, CLUSTER_SLOT_NONE if it has none: for packets. */
uint16_t cluster_slot_of(const struct cluster *cluster,
                         const struct node_id *id);
/* The slot of a linked peer whose node_id_u64() has these low bits, or
 * CLUSTER_SLOT_NONE: for the pages of a topic. */
uint16_t cluster_slot_of_low(const struct cluster *cluster, uint64_t mask,
                             uint64_t low);
/* The first linked peer at or after *slot, which becomes its slot; NULL when
 * there is none. Valid until the next step. */
const struct peer_node *cluster_linked(const struct cluster *cluster,
                                       uint16_t *slot);
/* After CLUSTER_DRAINED: whether every linked peer has all that we ever sent,
 * its end included, and those of other regions send nothing more through us:
 * who leaves now takes nothing with it. */
bool cluster_has_parted(const struct cluster *cluster);
/* Whether a peer is linked and neither drains nor joins: clients have somewhere
 * else to go. */
bool cluster_has_heir(const struct cluster *cluster);
size_t cluster_interest_bytes(const struct cluster *cluster); /* memory held */

/* Asserts all invariants; for tests, the simulator and fuzzers. */
void cluster_check(const struct cluster *cluster);

#endif
