/* SPDX-License-Identifier: Apache-2.0
 *
 * What nodes say to each other on links: batches, and the records in them.
 *
 *   link frame = sealed envelope (proto/seal.h) around one batch
 *
 *   batch = header | body
 *     header   msgpack array, fixed shape: struct peer_batch
 *     body     data lane, by kind: items (item_write), one after another; or
 *              one gap (struct peer_gap), which stands in the place of batches
 *              that were dropped; or nothing (the end, a probe)
 *              control lane: messages (struct peer_message), likewise
 *
 * All decoders borrow from the input and have three outcomes: > 0 taken, 0 more
 * needed, < 0 the peer is wrong; what they fill in is untouched unless > 0.
 * Inside an envelope nothing may be missing, so there the caller treats 0 as
 * ERR_SYNTAX. Arrays may be longer than this version knows (but for the header
 * of a batch): what a newer node added behind is skipped.
 *
 * Versions: a batch names the protocol version it is written in, and the oldest
 * its sender reads. A version outside [PEER_VERSION_MIN, PEER_VERSION] is
 * ERR_VERSION; the link is closed and the log line names both ranges. Unknown
 * message types are skipped.
 *
 * Source: DESIGN 5 (links, log), CLUSTER 6.1 (header).
 */
#ifndef PROTO_PEER_H
#define PROTO_PEER_H

#include "proto/addr.h"
#include "proto/bytes.h"
#include "proto/item.h"
#include "proto/topic.h"

enum {
    PEER_VERSION = 1,
    PEER_VERSION_MIN = 1,
    NODE_ID_LEN = 16,
    NODE_NAME_LEN_MAX = 64, /* as a cache name */
    REGION_LEN_MAX = 64,    /* as a cache name */
    ENDPOINT_LEN_MAX = 256,
    CLUSTER_NAME_LEN_MAX = 64,
    PEER_HEADER_LEN_MAX = 128,
    PEER_BATCH_LEN = 64 << 10, /* a batch is closed at this size ... */
    PEER_RECORDS_MAX = 4096,   /* ... and a delta or snapshot part at this */
    PEER_RECORDS_LEN_MAX = PEER_RECORDS_MAX * 640, /* the same, encoded */
    PEER_MEMBERS_MAX = 1024,                       /* in one member list */
    PEER_MEMBERS_LEN_MAX = PEER_MEMBERS_MAX * NODE_ID_LEN,
    PEER_GAP_HASHES_MAX = 4096, /* topics of one gap; more are "all" */
    PEER_GAP_LEN_MAX = 8 * PEER_GAP_HASHES_MAX,
    PEER_AGAIN_MS_MAX = 60000, /* between two hellos */
    PEER_WORKERS_MAX = 64,     /* nodes of one process */
    PEER_NUMBER_LEN = 16,      /* of an item: origin and count, big endian */
    PEER_FENCES_LEN_MAX = 1024 * PEER_NUMBER_LEN, /* in one gap */
    PEER_SEEN_LEN_MAX = 1024 * PEER_NUMBER_LEN,
    PEER_ANSWER_LEN = 64 << 10,    /* items of an answer; a larger one alone */
    PEER_BODY_LEN_MAX = 256 << 10, /* of a call and of a reply */
    PEER_KEY_LEN_MAX = 128,        /* of a register */
    PEER_VALUE_LEN_MAX = 128,
};

/* Stamps and times of a register are no larger: what comes from outside can be
 * added to. */
#define PEER_TIME_MAX ((uint64_t)1 << 53)

/* One life of a node: 128 random bits. A restart is another node (DESIGN 5). */
struct node_id {
    uint8_t b[NODE_ID_LEN];
};

static inline bool node_id_eq(const struct node_id *a, const struct node_id *b)
{
    return memcmp(a->b, b->b, NODE_ID_LEN) == 0;
}
bool node_id_is_zero(const struct node_id *id);
/* The first 8 bytes: `origin` of an item, and what people are shown (hex). */
static inline uint64_t node_id_u64(const struct node_id *id)
{
    return bytes_u64be(id->b);
}

enum peer_lane {
    PEER_CONTROL = 0,
    PEER_DATA = 1,
    PEER_LANES = 2
};

/* Who may still forward an item. Receivers of PEER_HOP_LAST never forward, so
 * no item can circle (CLUSTER 3, rule b). */
enum peer_hop {
    PEER_HOP_LAST = 0,    /* deliver to local subscribers only */
    PEER_HOP_INGRESS = 1, /* and to interested nodes of your own region */
    PEER_HOP_HOST = 2,    /* and to interested nodes of your own process */
};

enum peer_kind {
    PEER_ITEMS = 0, /* or control messages; may be empty */
    PEER_LOST = 1,  /* a gap; data lane only */
    PEER_END = 2,   /* nothing follows, unless something does: who goes after
                     * this has left nothing behind; data lane only */
    PEER_PROBE = 3, /* empty; to be acknowledged at once (`heard_seq`), and as
                     * soon as it can be said (`through`); data lane only */
};

struct peer_batch {
    struct node_id src;
    struct node_id dst;
    uint64_t epoch; /* life of the pipe at the sender, grows on reconnect */
    uint64_t seq;   /* 1, 2, 3 ... within (src, dst, lane), over all epochs: the
                     * data lane goes on counting where it was */
    uint8_t version;
    uint8_t least; /* the oldest version its sender reads */
    uint8_t lane;  /* enum peer_lane */
    uint8_t hop;   /* enum peer_hop; data lane only */
    uint8_t kind;  /* enum peer_kind */
};

void peer_batch_write(const struct peer_batch *batch, struct buf *out);
/* On ERR_VERSION batch->version and ->least are what the peer speaks. */
ptrdiff_t peer_batch_read(struct bytes in, struct peer_batch *batch);

/* The body of PEER_LOST: items that were in batches from .. seq of the header
 * did not come, or never got a number. */
struct peer_gap {
    uint64_t from;       /* first number it stands for, at most seq */
    bool all;            /* of any topic; else of these, or none */
    struct bytes hashes; /* 8 bytes each, at most PEER_GAP_LEN_MAX */
    struct bytes fences; /* cluster/fence.h; PEER_NUMBER_LEN each */
};

void peer_gap_write(const struct peer_gap *gap, struct buf *out);
ptrdiff_t peer_gap_read(struct bytes in, struct peer_gap *gap);

/* --- records of a node's replicated log --- */

enum peer_record_type {
    PEER_INTEREST = 1, /* hash */
    PEER_PATTERN = 2,  /* hash of (cache, dialect, pattern), with the three */
    PEER_REGISTER = 3, /* hash of all that follows it; when removed, alone */
};

struct peer_record {
    uint8_t type;    /* enum peer_record_type; unknown types are kept by hash */
    bool removed;    /* false: is now in the set; true: no longer */
    uint8_t dialect; /* enum topic_dialect; PEER_PATTERN only */
    uint64_t hash;
    struct bytes cache;   /* PEER_PATTERN only */
    struct bytes pattern; /* PEER_PATTERN only */

    /* PEER_REGISTER that is not removed (cluster/registers.h) */
    uint8_t kind;       /* never 0 */
    struct bytes key;   /* 1 .. PEER_KEY_LEN_MAX */
    struct bytes value; /* at most PEER_VALUE_LEN_MAX */
    uint64_t stamp;
    uint64_t until_s;
};

/* --- control messages --- */

enum peer_message_type {
    PEER_HELLO = 1, /* first on every new pipe, then every `again_ms` */
    PEER_DELTA = 2, /* records of versions (from, from + records_len] */
    PEER_SNAPSHOT =
        3,           /* part `part` of `parts` of the whole set at `version` */
    PEER_PULL = 4,   /* send me what follows `version` of your log */
    PEER_HAVE = 5,   /* I hold your log up to `version` (cumulative) */
    PEER_BYE = 7,    /* I am draining: take me out of every choice */
    PEER_ASK = 8,    /* what followed (page, seq) of that topic of yours? */
    PEER_ANSWER = 9, /* the next of it that I still have */
    PEER_CALL = 10,  /* tell me something at once (node/mesh/calls.h) */
    PEER_REPLY = 11, /* here it is */
};

enum peer_reply_status {
    PEER_REPLY_DONE = 0,
    PEER_REPLY_UNKNOWN = 1, /* I know no such kind */
    PEER_REPLY_FAILED = 2,  /* as any other value */
};

/* The attributes of a node; they travel in gossip (proto/gossip.h). */
struct peer_node {
    struct node_id id;
    struct addr cluster;   /* UDP gossip and TCP control lane */
    uint16_t data_port;    /* TCP data lane, same host */
    struct bytes name;     /* NODE_NAME_LEN_MAX */
    struct bytes region;   /* REGION_LEN_MAX */
    struct bytes endpoint; /* URL for clients, ENDPOINT_LEN_MAX, may be empty */
    struct bytes version;  /* of the program, e.g. "0.1.0" */
};

/* Which node of a process it is that has several, its *host*: they live and die
 * together. */
struct peer_host {
    uint64_t id;     /* of this life of the process, and of no other */
    uint8_t worker;  /* from 0 */
    uint8_t workers; /* 2 .. PEER_WORKERS_MAX; below 2: a process of its own */
};

struct peer_message {
    uint8_t type; /* enum peer_message_type */

    /* PEER_HELLO */
    uint64_t heard_epoch;    /* newest epoch of yours that reached me, 0 none */
    uint64_t heard_seq;      /* newest batch of your data lane, likewise */
    uint64_t through;        /* of these, the newest behind which nothing is on
                              * its way any more in my region, either; to who
                              * is of it: in my process */
    uint64_t hash_key_print; /* hash_key_print() of my hash key */
    bool ready;              /* my readiness gate is open */
    bool draining;
    uint64_t held;        /* as in PEER_HAVE; 0: nothing whole */
    uint32_t again_ms;    /* the next hello comes within this time */
    uint64_t hello;       /* 1, 2, 3 ... to this peer */
    uint64_t heard_hello; /* of yours, the newest that reached me */
    bool asks;            /* say hello back at once */
    bool counts;          /* my barriers wait for you */
    uint64_t counted_sum; /* sum over those of my region they wait for */
    uint32_t lacks;       /* living nodes of my region that I cannot reach */
    uint64_t known_sum;   /* with `asks`: the same over all that I know; if it
                           * is not what you count, send your list; 0: do not */

    /* PEER_HELLO also carries version and digest of my log, so that a
     * divergence is seen (equal version, unequal digest) or repaired. */

    /* PEER_HELLO, PEER_DELTA (version reached), PEER_SNAPSHOT, PEER_PULL (what
     * I have; all ones: nothing whole, begin a snapshot), PEER_HAVE */
    uint64_t version;
    uint64_t digest; /* PEER_HELLO, PEER_DELTA, PEER_SNAPSHOT */

    uint64_t from;  /* PEER_DELTA: version before the first record */
    uint32_t part;  /* PEER_SNAPSHOT: 0 .. parts - 1; PEER_PULL: how many parts
                     * of the snapshot under way are here, 0 = begin anew */
    uint32_t parts; /* PEER_SNAPSHOT: part + 1 in the last, else more */

    /* PEER_DELTA, PEER_SNAPSHOT: encoded records (peer_record_read).
     * PEER_ANSWER: items (item_read), the first has sequence `seq` + 1. */
    uint32_t records_len;
    struct bytes records;

    /* PEER_HELLO: the ids of those that `counted_sum` sums up (NODE_ID_LEN
     * each), for the gate of who asked (DESIGN 5). */
    struct bytes members;
    struct peer_host host; /* PEER_HELLO; behind all others, if at all */

    /* PEER_ASK, PEER_ANSWER, PEER_CALL, PEER_REPLY: the asker's own */
    uint64_t number;
    uint64_t seq; /* the first two: after this one; repeated in the answer */

    /* PEER_ASK */
    uint64_t page;
    bool first; /* say also what came before */
    struct bytes cache;
    struct bytes topic;

    /* PEER_ANSWER */
    bool known;        /* false: the page, or what followed, is not here */
    uint64_t newest;   /* sequence of the topic: more follows if above */
    struct bytes seen; /* to `first`: of each origin the newest item at or
                        * before `seq` (PEER_NUMBER_LEN each) */

    /* PEER_CALL, PEER_REPLY */
    uint8_t kind;   /* what the body means; repeated in the reply */
    uint8_t status; /* PEER_REPLY: enum peer_reply_status */
    struct bytes body;
};

void peer_message_write(const struct peer_message *message, struct buf *out);
/* A message of unknown type is taken whole: nothing is set but its type. */
ptrdiff_t peer_message_read(struct bytes in, struct peer_message *message);

void peer_record_write(const struct peer_record *record, struct buf *out);
ptrdiff_t peer_record_read(struct bytes in, struct peer_record *record);

#endif
