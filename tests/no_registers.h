/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests that put another struct cluster in the place of the real one: there
 * are no registers.
 */
#ifndef TESTS_NO_REGISTERS_H
#define TESTS_NO_REGISTERS_H

#include "cluster/cluster.h"
#include "proto/err.h"

int cluster_set(struct cluster *cluster, const struct cluster_register *reg,
                uint64_t wall_ms)
{
    (void)cluster;
    (void)reg;
    (void)wall_ms;
    return ERR_LIMIT;
}

bool cluster_get(const struct cluster *cluster, enum cluster_register_kind kind,
                 struct bytes key, struct cluster_register *reg)
{
    (void)cluster;
    (void)kind;
    (void)key;
    (void)reg;
    return false;
}

bool cluster_register_at(const struct cluster *cluster,
                         enum cluster_register_kind kind, size_t index,
                         struct cluster_register *reg)
{
    (void)cluster;
    (void)kind;
    (void)index;
    (void)reg;
    return false;
}

uint64_t cluster_version(const struct cluster *cluster)
{
    (void)cluster;
    return 0;
}

#endif
