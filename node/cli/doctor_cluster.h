/* SPDX-License-Identifier: Apache-2.0
 *
 * What a cluster says of itself, judged by `starling doctor`.
 */
#ifndef NODE_CLI_DOCTOR_CLUSTER_H
#define NODE_CLI_DOCTOR_CLUSTER_H

#include <jansson.h>

#include "node/cli/checkup.h"

/* What one node answers; NULL: it did not, or may not. All are borrowed. */
struct looks {
    int ready_status;      /* of /readyz; an error if it is < 0 */
    const json_t *ready;   /* /readyz */
    const json_t *cluster; /* /v1/cluster */
    const json_t *before;  /* /v1/admin/report, and ... */
    const json_t *now;     /* ... a second later */
    int keys_status;       /* of /v1/admin/keys */
    const json_t *keys;    /* what it says */
    uint64_t forged;       /* packets just now that no key of ours opens */
};

void cluster_judge(const struct looks *looks, struct checkup *checkup);

#endif
