/* SPDX-License-Identifier: Apache-2.0
 *
 * The caches that a configuration names, which are always there, and their
 * quotas. In the file a list of
 *
 *   caches:
 *     - plain
 *     - name: chat
 *       publish_rate: 100
 *       item_len: 4k
 *       subs: 1000
 *
 * and in flags and environment plain,chat:publish_rate=100:item_len=4k.
 */
#ifndef NODE_QUOTAS_H
#define NODE_QUOTAS_H

#include "node/client/quota.h"
#include "proto/topic.h"

enum {
    QUOTAS_MAX = 64
};

struct quotas_row {
    char name[CACHE_LEN_MAX + 1]; /* "": not said yet */
    struct quota quota;
};

struct quotas {
    size_t len;
    struct quotas_row rows[QUOTAS_MAX];
};

/* Each returns NULL, or what is wrong. quotas_set() sets a field of the last
 * row, by a name that quotas_field() lists; quotas_add() does all of it. */
const char *quotas_begin(struct quotas *quotas);
const char *quotas_set(struct quotas *quotas, const char *field,
                       const char *value);
const char *quotas_add(struct quotas *quotas, const char *text);

bool quotas_same(const struct quotas *a, const struct quotas *b);

/* The i-th field of a row, NULL past the end: for "nearest name". */
const char *quotas_field(size_t i);

#endif
