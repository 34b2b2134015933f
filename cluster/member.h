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
 * member is refused; past the second the one dead for longest is forgotten.
 * All memory is taken in member_table_init().
 */
#ifndef CLUSTER_MEMBER_H
#define CLUSTER_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/bytes.h"
#include "proto/gossip.h"
#include "proto/peer.h"

enum {
    MEMBER_NONE = 0xffff,
    MEMBER_TEXT_LEN = NODE_NAME_LEN_MAX + REGION_LEN_MAX + ENDPOINT_LEN_MAX +
                      GOSSIP_VERSION_LEN_MAX,
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
    bool far;        /* in another region than this node */
    bool duplicate;  /* another living member, or this node, has its name */
    bool heard;      /* we had a packet of its own in this life of ours */
    uint32_t rtt_ms; /* smoothed; 0 = unknown or under 1 ms */
    struct member_log log; /* as of its last ping or ack */
    uint64_t changed_ms;   /* when `state` changed */

    uint8_t text[MEMBER_TEXT_LEN];
};

#endif
