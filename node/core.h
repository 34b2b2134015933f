/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of a node that needs no event loop: hub, clients, identity, bounds,
 * numbers. Doors see this and nothing below it. `struct node` (node/node.h)
 * puts sockets around it; tests put fakes around it.
 */
#ifndef NODE_CORE_H
#define NODE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/cluster.h"
#include "node/client/auth.h"
#include "node/client/caches.h"
#include "node/client/cut.h"
#include "node/client/meter.h"
#include "node/client/mover.h"
#include "node/client/outq.h"
#include "node/client/revoked.h"
#include "node/config/limits.h"
#include "node/deadline.h"
#include "node/hub/hub.h"
#include "node/log.h"
#include "node/watch/events.h"
#include "node/watch/stats.h"
#include "node/watch/trace.h"
#include "proto/hash.h"

struct asking;
struct board;
struct calls;
struct client;
struct conn;
struct clocks;
struct denials;
struct corks;
struct dev;
struct keyring;
struct lens;
struct rebalance;
struct pumped;
struct watch;
struct taps;
struct walk;
struct reload;

struct core {
    struct limits limits;
    struct stats stats;
    struct log *log; /* borrowed */
    struct auth auth;
    struct hash_key hash_key;
    struct caches caches;
    struct meters meters; /* of caches */
    struct chunk_pool chunks;
    uint64_t sealed_len; /* TLS: bytes that sockets did not take yet */
    struct deadlines deadlines;
    struct trace trace; /* items that somebody follows */
    struct hub *hub;
    /* Who spreads clients: the node's, NULL until somebody asks for it; and who
     * sends those of here elsewhere. */
    struct rebalance *rebalance;
    struct mover mover;
    struct cluster *cluster; /* borrowed; NULL in tests of a lone core */
    struct keyring *keyring; /* likewise */
    struct calls *calls;     /* likewise */
    struct watch *watch;     /* likewise */
    struct clocks *clocks;   /* likewise */
    struct lens *lens;       /* likewise; only while somebody watches */
    struct board *board;     /* borrowed; NULL: alone in its process */
    struct reload *reload;   /* borrowed; NULL: its configuration stays */
    struct asking *asking;   /* door/status.c: who waits for the board */
    struct buf documents[2]; /* door/documents.c; empty: nobody asked yet */
    struct dev *dev;         /* borrowed; NULL: not of a `starling dev` */
    /* Writes what waits now, in the middle of a turn, because a client crossed
     * its soft bound and nobody is dropped unasked: conns_write(). May be NULL.
     */
    void (*flush)(struct core *core);
    bool pressed; /* a client crossed it in this turn: flush after the item */

    uint64_t now_ms;   /* monotonic; set at the start of each turn */
    uint64_t wall_ms;  /* wall clock of the same moment */
    uint64_t boot_ms;  /* now_ms at the start */
    uint64_t since_ms; /* wall_ms then */
    bool ready;        /* the gate: publishes are taken */
    bool draining;
    uint64_t retry_within_ms; /* draining: who was here comes back, spread */
    bool require_tls;         /* who speaks plainly must be on this host */

    struct events events;    /* of the log */
    struct denials *denials; /* who was refused lately; NULL: nobody */
    struct revoked revoked;  /* who has to go because its token was */
    struct client *clients;  /* all, newest first */
    struct walk *walks;      /* over all clients, under way */
    struct taps *taps;       /* what is published is watched; NULL: it is not */
    struct client *dirty;    /* to flush at the end of the turn */
    struct pumped *pumped;   /* conns of many clients: flushed after these */
    struct corks *corked;    /* of clients that wait for the barrier */
    struct cuts cuts;        /* door/grpc_pubsub.c: who comes back */
    uint64_t census_ms;      /* the second that census_work is of */
    size_t census_work;      /* node/hub/census.c */
    uint64_t clients_made;   /* gives ids */
    uint64_t items_made;     /* gives item numbers */
    struct buf scratch;      /* one acknowledgement or head at a time */
    struct node_id id;       /* of this life */
    uint64_t node_u64;       /* the same in short: origin of items of here */
    unsigned workers;        /* nodes of this process; 0 is one */
    unsigned worker;         /* which of them, from 0 */
    char name[65];           /* this node's */
    char region[65];
    char endpoint[257]; /* URL that clients use, may be empty */

    struct bytes *origins; /* allowed browser origins; "*" = any */
    size_t origins_len;
};

struct core_options {
    struct limits limits;
    struct log *log;
    const struct token_keys *token_keys; /* NULL or empty = insecure */
    struct hash_key hash_key;
    struct node_id id;
    unsigned workers;           /* nodes of this process; 0 is one */
    unsigned worker;            /* which of them, from 0 */
    struct board *board;        /* of several */
    struct hub_outside outside; /* zero = a lone node */
    bool only_known_caches;     /* auto_create_caches is off */
    struct cluster *cluster;
    const char *name;
    const char *region;
    const char *endpoint;
};

/* Errors: ERR_NOMEM, ERR_CONFIG (limits). On error the core is zeroed. */
int core_init(struct core *core, const struct core_options *options);
/* All clients must be gone. */
void core_fini(struct core *core);

/* Sets the time of a turn, and minds the memory. */
void core_turn(struct core *core, uint64_t now_ms, uint64_t wall_ms);

/* Output and the queues that point to it, in bytes; the queues twice: all of
 * them may double with the next item. What is sealed has left its queue. */
static inline uint64_t core_output(const struct core *core)
{
    return core->chunks.bytes + 2 * core->chunks.runs_len + core->sealed_len;
}

/* What limits.memory_len bounds: output and rings. */
static inline uint64_t core_memory(const struct core *core)
{
    return core_output(core) + core->stats.ring_len;
}

/* Above 90 % of memory_len what can be written is, and the largest queues are
 * cut until it is 80 %; a tenth is for output, whatever the rings have. Also
 * after each item: a turn may bring any number. */
void core_relieve(struct core *core);
static inline void core_mind_memory(struct core *core)
{
    uint64_t tenth = core->limits.memory_len / 10;

    if (core_memory(core) > 9 * tenth && core_output(core) > tenth) {
        core_relieve(core);
    }
}

#endif
