/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/member.h"

#include <assert.h>

void member_name(const struct cluster_member *member,
                 char name[MEMBER_NAME_MAX])
{
    struct bytes text = member->node.name;
    struct buf mark = {0};

    assert(text.len <= NODE_NAME_LEN_MAX);
    if (text.len > 0) {
        memcpy(name, text.p, text.len);
    }
    if (member->duplicate) {
        buf_add_u8(&mark, '#');
        buf_add_hex(&mark, member->node.id.b, 2);
    }
    if (!mark.failed && mark.len > 0) {
        memcpy(name + text.len, mark.p, mark.len);
    }
    name[text.len + (mark.failed ? 0 : mark.len)] = '\0';
    buf_fini(&mark);
}

static bool has_successor(const struct cluster *cluster,
                          const struct cluster_member *dead)
{
    struct cluster_member member;

    for (size_t i = 0; cluster_member_at(cluster, i, &member); i++) {
        if (member.state != CLUSTER_STATE_DEAD &&
            member.state != CLUSTER_STATE_LEFT &&
            addr_eq(&member.node.cluster, &dead->node.cluster)) {
            return true;
        }
    }
    return false;
}

bool member_may_run(const struct cluster *cluster,
                    const struct cluster_member *member)
{
    return member->state != CLUSTER_STATE_LEFT &&
           (member->state != CLUSTER_STATE_DEAD ||
            !has_successor(cluster, member));
}
