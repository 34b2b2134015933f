/* SPDX-License-Identifier: Apache-2.0
 *
 * What nodes say about each other over UDP: one packet, and the records in it.
 *
 *   packet = head | records
 *     head     msgpack array [version, least, type, source, incarnation, seq,
 *              ...]: these six are the same in every version, the rest by type
 *     records  msgpack arrays, one after another, to the end of the packet
 *
 *   record = [state, incarnation, id]                     what became of it
 *          | [SUSPECT, incarnation, id, by, link_lost]    who suspects it
 *          | [ALIVE, incarnation, id, ip, port, data port, name, region,
 *             endpoint, version]                          a whole member
 *
 *   newcomer                    member
 *      | JOIN (no destination) --> |    spends nothing
 *      | <-- COOKIE, or REFUSE     |    never longer than the JOIN
 *      | JOIN with the cookie ---> |    now a member
 *      | <-- WELCOME               |
 *      | PULL ------------------>  |    "what do you know that I do not?"
 *      | <-- SLICE                 |    until the last one
 *
 * A PULL carries a digest of each of 16 parts of the sender's table (by the
 * first four bits of the id), so that only what differs is sent.
 *
 * Reading borrows from the input and never allocates (proto/mp.h).
 *
 * Source: DESIGN 5, CLUSTER 6.1.
 */
#ifndef PROTO_GOSSIP_H
#define PROTO_GOSSIP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/bytes.h"
#include "proto/peer.h"

enum {
    GOSSIP_VERSION = 1,
    GOSSIP_VERSION_MIN = 1,
    GOSSIP_INCARNATION_MAX = 1 << 30, /* above it nobody could refute */
    GOSSIP_PARTS = 16,                /* of a member table, in PULL */
    GOSSIP_VERSION_LEN_MAX = 32,      /* of the program, in a whole member */
    GOSSIP_HEAD_LEN_MAX = 256,
    GOSSIP_RECORD_LEN_MAX = 512, /* any encoded record */
};

enum gossip_type {
    GOSSIP_JOIN = 1, /* node, print, cookie (0: none yet) */
    GOSSIP_COOKIE,   /* cookie */
    GOSSIP_WELCOME,  /* records: the sender, and you if it thinks you dead */
    GOSSIP_REFUSE,   /* reason */
    GOSSIP_UNKNOWN,  /* you speak as a member, but I do not know you: join */
    GOSSIP_PING,     /* digest, log; records */
    GOSSIP_PING_FOR, /* target: ping it for me, ACK or NACK with my seq */
    GOSSIP_ACK,      /* digest, log; records */
    GOSSIP_NACK,     /* target has not answered yet, but I am here */
    GOSSIP_PULL,     /* target: members after this id; parts */
    GOSSIP_SLICE,    /* target: how far this goes, all ones = end; records */
    GOSSIP_RUMOUR,   /* records */
};

enum gossip_state {
    GOSSIP_ALIVE = 0,
    GOSSIP_SUSPECT = 1,
    GOSSIP_DEAD = 2,
    GOSSIP_LEFT = 3,
};

enum gossip_reason {
    GOSSIP_OTHER_KEY = 1,     /* another hash key */
    GOSSIP_OTHER_VERSION = 2, /* no common version */
    GOSSIP_FULL = 3,          /* no room for one more member */
};

struct gossip_packet {
    uint8_t version;
    uint8_t least; /* the oldest version its sender reads */
    uint8_t type;
    struct node_id source;
    uint32_t incarnation; /* of the source */
    uint64_t seq;         /* an answer repeats that of the question */

    struct peer_node node;        /* JOIN */
    uint64_t print;               /* JOIN */
    uint64_t cookie;              /* JOIN, COOKIE */
    uint8_t reason;               /* REFUSE: enum gossip_reason */
    uint64_t digest;              /* PING, ACK: of the member table */
    uint64_t log_version;         /* PING, ACK */
    uint64_t log_digest;          /* PING, ACK */
    struct node_id target;        /* PING_FOR, PULL, SLICE */
    uint64_t parts[GOSSIP_PARTS]; /* PULL */

    struct bytes records; /* the rest: gossip_record_read() */
};

struct gossip_record {
    uint8_t state; /* enum gossip_state */
    bool whole;    /* node has all attributes; state is ALIVE */
    uint32_t incarnation;
    uint64_t by;           /* SUSPECT: node_id_u64() of who suspects */
    bool link_lost;        /* SUSPECT: it also lost its link to it */
    struct peer_node node; /* only node.id unless whole */
};

/* Appends the head; records are appended after it. */
void gossip_packet_write(const struct gossip_packet *packet, struct buf *out);
void gossip_record_write(const struct gossip_record *record, struct buf *out);

/* Reads a head and sets records to the rest. Returns 0; ERR_SYNTAX for what is
 * cut, of a wrong type or length, or an invalid node; ERR_VERSION, with the
 * first six fields set, for another version. Types of the own version that
 * are not known are ERR_SYNTAX. */
int gossip_packet_read(struct bytes in, struct gossip_packet *packet);

/* Takes one record from the front of *records. Returns 1, 0 at the end, or
 * ERR_SYNTAX. Names are checked; an address must be one that can be dialled. */
int gossip_record_read(struct bytes *records, struct gossip_record *record);

/* What a node's attributes must fulfil to be sent at all: lengths, names
 * (alphabet of cache names), a concrete address and both ports. */
bool gossip_node_is_valid(const struct peer_node *node);

#endif
