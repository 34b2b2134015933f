/* SPDX-License-Identifier: Apache-2.0
 *
 * The UDP side of membership: seals and sends what the cluster wants sent,
 * opens and hands over what arrives. Packets that do not open, repeat or come
 * too fast are counted by reason (node/watch/stats.h) and dropped; nothing is
 * ever answered here.
 */
#ifndef NODE_GOSSIP_H
#define NODE_GOSSIP_H

#include <uv.h>

#include "cluster/cluster.h"
#include "node/log.h"
#include "node/mesh/fault.h"
#include "node/watch/stats.h"
#include "proto/seal.h"

struct gossip;

struct gossip_options {
    uv_loop_t *loop;
    const struct seal_ring *ring; /* borrowed; may change its keys */
    struct stats *stats;
    struct log *log;
    struct node_id self;
    uint8_t life[16]; /* random bytes of this life, for nonces */
    struct addr listen;
    bool loopback_only;  /* drop packets from other sources (no keys) */
    struct fault *fault; /* of the network; NULL: none; outlives this */

    void *data;
    void (*on_packet)(void *data, const struct addr *from, struct bytes plain,
                      bool sealed_for_me);
};

/* Errors: ERR_CONFLICT (address taken), ERR_IO, ERR_NOMEM. */
int gossip_open(struct gossip **gossip, const struct gossip_options *options);
/* Begins the end; freed when the handle is closed, after the loop ran. */
void gossip_close(struct gossip *gossip);

void gossip_send(struct gossip *gossip, const struct addr *to,
                 const struct node_id *dst, struct bytes plain);

#endif
