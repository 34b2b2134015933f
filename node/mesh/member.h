/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said about members to people who asked all nodes something.
 */
#ifndef NODE_MEMBER_H
#define NODE_MEMBER_H

#include "cluster/cluster.h"

enum {
    MEMBER_NAME_MAX = NODE_NAME_LEN_MAX + sizeof "#0000",
};

/* Its name; of two living ones with the same, with what tells them apart: the
 * first four digits of its id. */
void member_name(const struct cluster_member *member,
                 char name[MEMBER_NAME_MAX]);

/* Whether it may run, now or again as it was: it has not left, and if it is
 * believed dead, it may only be cut off. A restart at the same address ended
 * the old life for good. */
bool member_may_run(const struct cluster *cluster,
                    const struct cluster_member *member);

#endif
