/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/aim.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/topic.h"

struct aimed {
    uint64_t hash;
    struct meter *meter;
    uint16_t cap; /* of names */
    uint16_t topic_len;
    uint8_t cache_len;
    uint8_t names[]; /* topic, cache */
};

void aim_fini(struct aim *aim)
{
    free(aim->last);
    aim->last = NULL;
}

uint64_t aim_find(const struct aim *aim, struct bytes cache, struct bytes topic,
                  struct meter **meter)
{
    const struct aimed *last = aim->last;

    if (last == NULL || last->topic_len != topic.len ||
        last->cache_len != cache.len ||
        memcmp(last->names, topic.p, topic.len) != 0 ||
        memcmp(last->names + topic.len, cache.p, cache.len) != 0) {
        return 0;
    }
    *meter = last->meter;
    return last->hash;
}

void aim_set(struct aim *aim, struct bytes cache, struct bytes topic,
             uint64_t hash, struct meter *meter)
{
    size_t len = cache.len + topic.len;

    assert(cache.len > 0 && cache.len <= CACHE_LEN_MAX);
    assert(topic.len > 0 && topic.len <= TOPIC_LEN_MAX);
    if (aim->last == NULL || aim->last->cap < len) {
        aim_fini(aim);
        aim->last = malloc(sizeof *aim->last + len);
        if (aim->last == NULL) {
            return;
        }
        aim->last->cap = (uint16_t)len;
    }
    aim->last->hash = hash;
    aim->last->meter = meter;
    aim->last->topic_len = (uint16_t)topic.len;
    aim->last->cache_len = (uint8_t)cache.len;
    memcpy(aim->last->names, topic.p, topic.len);
    memcpy(aim->last->names + topic.len, cache.p, cache.len);
}
