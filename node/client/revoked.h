/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens that hold no more, though they have not expired.
 *
 * A revocation is a register that all nodes hold (cluster/cluster.h), under the
 * id of the token, as long as a token of that id can live. Logins ask for it
 * (auth_read()); when one arrives, whoever logged in with that token is
 * revoked: its subscriptions end in the words of its door, and nothing that it
 * asks for is allowed any more. That is one walk over all clients for all that
 * arrived, at once or 250 ms after the last one: however many are revoked, it
 * takes no more than a part of the node's time.
 *
 * Nodes keep nothing on disk: a node that starts learns the revocations from
 * the others; a cluster that was stopped as a whole has none.
 */
#ifndef NODE_REVOKED_H
#define NODE_REVOKED_H

#include <stdbool.h>
#include <stdint.h>

#include "node/deadline.h"
#include "proto/bytes.h"

struct core;

struct revoked {
    struct deadline due; /* the walk */
    uint64_t next_ms;    /* not sooner */
};

/* Logins ask for revocations from now on. */
void revoked_init(struct core *core);

/* Revokes on all nodes; until_s: when a token of that id has expired at the
 * latest, 0 for never. Errors: ERR_STATE (no keys, so no tokens), ERR_ARGUMENT
 * (the id), ERR_LIMIT (8192 at a time), ERR_NOMEM. Again: nothing changes. */
int revoked_add(struct core *core, struct bytes id, uint64_t until_s);

/* One became known (CLUSTER_REGISTER). */
void revoked_arrived(struct core *core);

#endif
