/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub: who is subscribed here, and the fan-out to them. The hot path.
 *
 *   topic  --> fan (topic, group) --> group (who reads the same bytes)
 *                |  open chunk           |
 *                |                       +-> sub -> client's outq
 *                +-- frames of this turn
 *
 * A *variant* is what makes two subscribers' bytes differ: door, its version,
 * the framing of the carrier. A *group* is all subscribers of one topic (or of
 * one pattern) with one variant. An item is rendered once for each fan into
 * the fan's open chunk; the fan is then dirty. hub_settle(), once a turn, gives
 * each subscriber of each dirty fan one run that covers all frames of the turn:
 * one touch a client a turn, whatever the number of items.
 *
 * Whoever writes something else to a client that may have unsettled frames
 * settles first (client_write() does): what a client sees is in the order in
 * which it happened.
 *
 * Sequence: a topic numbers its items 1, 2, 3 ... within a *page*, one life of
 * the topic on this node: (seconds since 2024-01-01) << 22 | 22 bits of the
 * node id, always above the node's last page; it fits 2^53.
 *
 * Resume window: when the last subscriber of a topic that a resumable door
 * used has gone, the topic lingers (limits: linger_ms, linger_topics) and its
 * ring keeps the newest items; it stays wanted in the cluster as long. Who
 * comes back to another node has its missed items asked for there
 * (hub_recall.c).
 *
 * Loop thread only. Nothing here knows sockets; tests drive it with a fake
 * conn. Source: DESIGN 4.
 */
#ifndef NODE_HUB_H
#define NODE_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/cluster.h"
#include "node/client/outq.h"
#include "proto/hash.h"
#include "proto/item.h"
#include "proto/topic.h"
#include "proto/ws_frame.h"

struct client;
struct core;
struct door;
struct group;
struct hub;
struct pattern;
struct recall;
struct topic;

enum {
    HUB_PAGE_NODE_BITS = 22,
    HUB_PAGE_NODE_MASK = (1 << HUB_PAGE_NODE_BITS) - 1,
};

/* What a carrier wraps around each frame; wrapped once, shared by all. */
enum framing {
    FRAMING_RAW = 0,
    FRAMING_WS_TEXT = 1,
    FRAMING_WS_BINARY = 2
};

/* The head of a frame with len bytes of payload; 0 bytes for FRAMING_RAW. */
size_t hub_frame_head(uint8_t head[WS_FRAME_HEAD_MAX], uint8_t framing,
                      size_t len);

struct variant {
    const struct door *door;
    uint8_t version; /* the door's: RESP 2 or 3, JSON or msgpack ... */
    uint8_t framing; /* enum framing */
};

/* What a door renders: the item as this topic's subscribers see it. */
struct rendering {
    const struct item *item;
    uint64_t page;
    uint64_t seq;
    struct bytes pattern; /* the pattern of the group, empty for exact */
    uint8_t version;      /* of the variant */
};

/* A discontinuity: last is the last sequence that was delivered (0 unknown),
 * the next item will carry next + 1 on this page. For a pattern it concerns
 * every topic that matches: topic is then empty, page, last and next are 0. */
struct hub_gap {
    struct bytes cache;
    struct bytes topic;
    struct bytes pattern; /* empty for an exact subscription */
    uint64_t page;
    uint64_t last;
    uint64_t next;
    uint8_t version; /* of the variant */
};

/* One subscription. Owned by the hub; a door may keep the pointer until it
 * unsubscribes or its client goes. */
struct sub {
    struct client *client;
    struct group *group;
    struct sub *next; /* of the same client, newest first */
    struct sub *prev;
    uint64_t tag;          /* the door's own: a subscription id */
    uint64_t lost_from;    /* slow: first sequence not delivered; 0 none */
    struct recall *recall; /* what it missed is asked for elsewhere */
    uint32_t at;           /* place in the group */
    bool held;             /* not in the group: nothing is delivered */
    bool no_echo;          /* not the items of its own client */
};

struct hub_want {
    struct bytes cache;
    struct bytes topic;         /* or the pattern */
    enum topic_dialect dialect; /* TOPIC_EXACT or a pattern's */
    struct variant variant;
    uint64_t tag;
    bool no_echo;
    bool resume; /* the client names a position: page, seq (last it saw) */
    uint64_t page;
    uint64_t seq;
};

enum hub_outcome {
    HUB_FRESH,   /* live from here */
    HUB_RESUMED, /* hub_replay() delivers what was missed: nothing is lost */
    HUB_ASKED,   /* another node is asked: what it says, or a discontinuity,
                  * comes later, before anything else of the subscription */
    HUB_LOST,    /* hub_replay() writes a discontinuity */
};

struct hub_position {
    uint64_t page;
    uint64_t seq;     /* newest of the topic; live items follow it */
    uint64_t version; /* of the own log: what the barrier waits for */
    enum hub_outcome outcome;
    bool already; /* this client had it: *sub is the old one, untouched */
};

/* How the hub reaches the other nodes. Set once at start; tests fake it. */
struct hub_outside {
    void *data;
    /* cluster_want(), cluster_want_pattern(): the version that contains it */
    uint64_t (*want)(void *data, uint64_t hash, bool wanted);
    uint64_t (*want_pattern)(void *data, struct bytes cache,
                             struct bytes pattern, enum topic_dialect dialect,
                             bool wanted);
    /* Sends a local item on its way; returns how many peers it was put on the
     * way to. `partial`: a peer that wants it has no link. */
    unsigned (*forward)(void *data, const struct item *item, bool *partial);
    /* As ingress: to the interested peers of the own region; or to those of the
     * own process. */
    unsigned (*relay)(void *data, const struct item *item, enum peer_hop hop);
    /* cluster_held(). NULL: a lone node, every version is held. */
    uint64_t (*held)(void *data, enum cluster_scope scope);
    /* cluster_late() > 0: nothing that is held is held by all. NULL: false. */
    bool (*lacks)(void *data);
    /* Puts a question (PEER_ASK) to the node whose pages end in these bits;
     * hub_take_answer() follows, or nothing. false: no such node is linked. */
    bool (*ask)(void *data, const struct peer_message *question);
};

enum hub_source {
    HUB_FROM_CLIENT,
    HUB_FROM_PEER,    /* deliver only */
    HUB_FROM_INGRESS, /* deliver and relay */
    HUB_FROM_HOST,    /* likewise, within the own process */
};

struct hub_receipt {
    uint64_t subs;  /* subscriptions here that it was put into */
    unsigned nodes; /* peers it was put on the way to */
    bool partial;   /* a peer that wants it could not be reached */
    uint64_t count; /* the item's, of those of its origin */
};

/* Errors: ERR_NOMEM. `core` is borrowed for life: limits, stats, pool, time. */
int hub_init(struct hub **out, struct core *core,
             const struct hash_key *hash_key, uint64_t node_u64,
             const struct hub_outside *outside);
void hub_free(struct hub *hub);

/* Adds a subscription. Names are valid and authorised (client_subscribe() is
 * the only caller). A client has at most one subscription for each (cache,
 * topic, dialect, tag). Errors: ERR_LIMIT (patterns, their work, topics),
 * ERR_NOMEM. */
int hub_subscribe(struct hub *hub, struct client *client,
                  const struct hub_want *want, struct sub **sub,
                  struct hub_position *position);

/* After the door has written its acknowledgement: what a resumed subscription
 * missed, or the discontinuity. No-op for HUB_FRESH, HUB_ASKED. */
void hub_replay(struct hub *hub, struct sub *sub, const struct hub_want *want,
                const struct hub_position *position);

/* The client's subscription to that name with that tag, or NULL. Only the names
 * (cache, topic, dialect, tag) of `want` count; any lengths are accepted. */
struct sub *hub_find(const struct hub *hub, const struct client *client,
                     const struct hub_want *want);
/* Settles and removes it. */
void hub_unsubscribe(struct hub *hub, struct sub *sub);

/* The client's identity changed: which topics its patterns may see is judged
 * anew. Settles before. */
void hub_rights_changed(struct hub *hub, struct client *client);

/* The version of the own log that is held in that scope; UINT64_MAX when there
 * is nobody to hold it. */
uint64_t hub_held(const struct hub *hub, enum cluster_scope scope);
bool hub_lacks(const struct hub *hub);

/* Names of a subscription, borrowed while it lives. */
struct bytes hub_sub_cache(const struct sub *sub);
struct bytes hub_sub_topic(const struct sub *sub); /* or the pattern */
enum topic_dialect hub_sub_dialect(const struct sub *sub);

/* Delivers to local subscribers and, unless it comes from a peer, sends on.
 * Fills in a client's item: origin, count, and the hash if it is 0. Never
 * fails for all: who cannot take it is counted and told. */
void hub_publish(struct hub *hub, struct item *item, enum hub_source source,
                 struct hub_receipt *receipt);

/* Gives every subscriber of every dirty fan its run. Once a turn, and before
 * any other write to a client that has subscriptions. */
void hub_settle(struct hub *hub);
bool hub_is_dirty(const struct hub *hub);

/* A discontinuity for the topics of these hashes (8 bytes each, big endian;
 * none = all) and for all patterns. It takes a sequence number, so nobody
 * resumes across it. Told at once, or, within 100 ms of the last one, before
 * the topic's next item or by hub_expire(); never twice without an item
 * between. Doors that cannot tell count. */
void hub_gap(struct hub *hub, struct bytes hashes);

/* Puts the discontinuity of a subscription that lost items by its own slowness
 * (lost_from .. newest) into its client's queue and clears the mark. */
void hub_tell_lost(struct hub *hub, struct sub *sub);

/* Marks what a dropped run carried: called by client_drop(). */
void hub_mark_lost(struct hub *hub, struct client *client,
                   const struct run *run);

/* Position of a topic without subscribing (long-poll); false if unknown here.
 */
bool hub_position(const struct hub *hub, struct bytes cache, struct bytes topic,
                  struct hub_position *position);

/* When a discontinuity of that topic was last told here, to whom the topic or a
 * pattern that has matched it is subscribed; 0 never. For traces. */
uint64_t hub_told_ms(const struct hub *hub, uint64_t hash, struct bytes cache,
                     struct bytes topic);

/* Ends lingering topics, bounds rings. Returns when to call again. */
uint64_t hub_expire(struct hub *hub, uint64_t now_ms);

/* Another node's question, from the ring: fills in the answer (PEER_ANSWER),
 * whose slices live in `memory`. */
void hub_answer(struct hub *hub, const struct peer_message *question,
                struct peer_message *answer, struct buf *memory);
/* Another node's answer. Anything may be in it. */
void hub_take_answer(struct hub *hub, const struct peer_message *answer);
/* Forgets the items that are kept of a cache: nobody resumes across it. */
void hub_forget(struct hub *hub, struct bytes cache);
/* Whether a topic lingers whose subscribers may come back elsewhere. */
bool hub_lingers(const struct hub *hub);

/* The cache may have got a meter of its own. */
void hub_meter_anew(struct hub *hub, struct bytes cache);

/* Subscriptions here, to topics and patterns of a cache with a valid name. */
uint64_t hub_subs_in(const struct hub *hub, struct bytes cache);

/* Introspection for PUBSUB and /v1: subscribers of a topic by exact name; walks
 * the patterns of a cache, whose hashes are the same on every node; walks
 * topics with exact subscribers. */
uint64_t hub_subscribers(const struct hub *hub, struct bytes cache,
                         struct bytes name);
void hub_each_pattern(const struct hub *hub, struct bytes cache,
                      void (*each)(void *data, uint64_t hash), void *data);
void hub_each_topic(const struct hub *hub, struct bytes cache,
                    void (*each)(void *data, struct bytes topic, uint64_t subs),
                    void *data);

/* Topics of all caches with exact subscribers, some in a step (lookup_scan()):
 * by place, which is the same on all nodes. */
struct hub_topic {
    uint64_t place;
    struct bytes cache;
    struct bytes name;
    uint64_t subs;
};
bool hub_scan_topics(const struct hub *hub, uint64_t *from,
                     void (*each)(void *data, const struct hub_topic *topic),
                     void *data);

void hub_check(const struct hub *hub);

#endif
