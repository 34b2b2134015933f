/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node knows of its cluster, as JSON: the bodies of /v1/cluster and
 * /v1/regions. A core without a cluster knows itself only.
 *
 * Appends to a buffer; failure shows in out->failed.
 */
#ifndef NODE_DOOR_MEMBERS_H
#define NODE_DOOR_MEMBERS_H

#include "node/core.h"
#include "node/watch/view.h"
#include "proto/bytes.h"

/* {"self":ID,"name":...,"links":{"up":2,"of":2},...,"members":[...]}: the
 * members as this core knows them; what is said of itself is in views[self],
 * or, of several workers, in the sum of their views, followed by a list of
 * them. */
void members_add_cluster(struct buf *out, const struct core *core,
                         const struct view *views, size_t len);

/* {"node":NAME,"ready":true,"self":REGION,
 *  "regions":[{"name":...,"nodes":2,"endpoints":[URL]}]}: who answers, and the
 * living nodes, regions in the order of their first member's id. */
void members_add_regions(struct buf *out, const struct core *core);

#endif
