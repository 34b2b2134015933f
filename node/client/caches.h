/* SPDX-License-Identifier: Apache-2.0
 *
 * Caches: the namespaces of topics. One that was created is a register of the
 * cluster (cluster/registers.h), so it exists on all nodes of all regions.
 *
 *   auto_create_caches   any valid name may be used; creating one gives it a
 *                        place in lists and, perhaps, a quota
 *   else                 only what was created, or is named in the
 *                        configuration of this node, may be used
 *
 * _sys is always there, and is neither created nor deleted. Until the gate is
 * open a node does not know what there is: until then anything may be
 * subscribed, and what should not have been ends then.
 *
 * A deleted cache is a register without a value for CACHES_DELETED_S: as long
 * as that a node that was cut off cannot bring it back.
 *
 * Nothing here asks who may; who changes something is named in the log.
 *
 * The value of a register is a quota as quota_write() has it.
 */
#ifndef NODE_CACHES_H
#define NODE_CACHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/client/quota.h"
#include "proto/bytes.h"

struct cluster_register;
struct core;
struct identity;

enum {
    CACHES_DELETED_S = 7 * 24 * 3600,
};

struct caches {
    bool only_known;           /* auto_create_caches is off */
    const struct bytes *fixed; /* named in the configuration; borrowed */
    size_t fixed_len;
};

/* One cache, as it is listed. */
struct caches_entry {
    struct bytes name;   /* borrowed until the next change of any */
    uint64_t changed_ms; /* wall clock of who created or changed it; 0: of the
                          * configuration */
    struct quota quota;
};

/* Whether a cache of this valid name may be used. Errors: ERR_NO_CACHE. */
int caches_use(const struct core *core, struct bytes cache);

/* Creates it, or changes the quota of the one there is; *created says which.
 * Others have it that hold caches_version() after this. Errors: ERR_NAME,
 * ERR_LIMIT (as many as there may be), ERR_STATE (it is of the configuration,
 * and so is its quota), ERR_NOMEM, ERR_NOT_READY. */
int caches_put(struct core *core, struct bytes cache, const struct quota *quota,
               const struct identity *by, bool *created);
/* Likewise, unless it is there. Errors: also ERR_CONFLICT. */
int caches_create(struct core *core, struct bytes cache,
                  const struct identity *by);
/* Deletes it: its subscriptions end on all nodes. Errors: ERR_NAME,
 * ERR_NO_CACHE, ERR_STATE, ERR_NOMEM, ERR_NOT_READY. */
int caches_delete(struct core *core, struct bytes cache,
                  const struct identity *by);
/* What client_await() waits for, so that all nodes know of a change. */
uint64_t caches_version(const struct core *core);

/* false: it was not created. */
bool caches_find(const struct core *core, struct bytes cache,
                 struct caches_entry *entry);
/* The created ones from *at = 0 on; each call moves it. false at the end. */
bool caches_next(const struct core *core, size_t *at,
                 struct caches_entry *entry);
/* Whether this identity sees it in lists: one of its grants reaches it, or it
 * may look at everything. */
bool caches_shows(const struct identity *who, struct bytes cache);

/* The configuration names these, and bounds them, from now on; borrows `names`,
 * which caches_unfix() has to be called before they change. Errors: ERR_NOMEM,
 * a quota does not hold; the log says of which cache. */
struct quotas;
int caches_fix(struct core *core, const struct bytes *names,
               const struct quotas *quotas);
void caches_unfix(struct core *core);

/* CLUSTER_REGISTER of that kind: its quota holds from now on; carries out a
 * deletion. */
void caches_changed(struct core *core, const struct cluster_register *reg);
/* The gate is open: ends what was subscribed in caches that do not exist. */
void caches_known(struct core *core);

#endif
