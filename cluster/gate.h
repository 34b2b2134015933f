/* SPDX-License-Identifier: Apache-2.0
 *
 * The readiness gate: no publish before everyone here would hear of it.
 *
 *   joining --(every region member I know: linked, its topics held, it counts
 *             me in)--> ready
 *           --(seeds given, nobody there for CLUSTER_ALONE_MS)--> ready, alone
 *
 * Members of other regions are waited for alike, but only until GATE_FAR_MS:
 * whoever is linked before it takes its first publish misses none of them. One
 * of this region that lives and cannot be linked is waited for GATE_LATE_MS:
 * one sick node must not keep all others from coming back. Then what is
 * published here does not reach it; it and its like here tell their subscribers
 * so, and call each subscribe partial (link.c), until the link stands. Without
 * seeds and without members the gate is open at once. Members say the sum of
 * whom they count in; where it is not the sum of those known here, the ids are
 * asked for, and one that is not known yet keeps the gate shut until membership
 * has brought it, or GATE_NAME_MS have passed (it is dead). Once open it stays
 * open.
 */
#ifndef CLUSTER_GATE_H
#define CLUSTER_GATE_H

#include "cluster/cluster.h"
#include "cluster/swim.h"

enum {
    GATE_NAME_MS = 5000,
    GATE_FAR_MS = 2000,
    GATE_LATE_MS = 10000,
};

struct gate_name {
    struct node_id id;
    uint64_t until_ms;
};

struct gate {
    uint64_t began_ms;
    bool seeded; /* seeds were given */
    bool ready;
    bool alone;
    bool due; /* CLUSTER_READY to be taken */
    size_t names_len;
    struct gate_name *names; /* PEER_MEMBERS_MAX; freed when ready */
};

/* Errors: ERR_NOMEM. */
int gate_init(struct gate *gate, bool seeded, uint64_t now_ms);
void gate_fini(struct gate *gate);

/* A region member says that it counts these in (NODE_ID_LEN each). */
void gate_names(struct gate *gate, struct bytes ids, const struct node_id *self,
                uint64_t now_ms);

/* What the gate must know of one member. */
struct gate_peer {
    bool far;
    bool linked;
    bool held; /* its log, up to where it began to count us in */
    bool counts_me;
    bool agreed; /* whom it counts in is known here, or was said */
};

/* The first reason why this member keeps the gate shut, NULL if none. Far ones
 * are not asked whom they count in. */
const char *gate_why_peer(const struct gate *gate, const struct gate_peer *peer,
                          uint64_t now_ms);
extern const char GATE_NOT_AGREED[]; /* it is to be asked */
/* The same for what no single member can tell. `linked`: peers, anywhere. */
const char *gate_why(struct gate *gate, const struct swim *swim, size_t linked,
                     uint64_t now_ms);

/* Opens the gate. */
void gate_open(struct gate *gate, bool alone);
/* Nobody answers, and it has been long enough. */
bool gate_is_alone_time(const struct gate *gate, uint64_t now_ms);

#endif
