/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/hot.h"

#include <assert.h>
#include <stdlib.h>

#include "node/watch/report.h"

struct row {
    uint64_t hash;
    uint64_t weight; /* 0: free */
    uint64_t in;
    uint64_t out;
};

struct name {
    uint16_t cache_len;
    uint16_t topic_len;
    uint8_t cache[CACHE_LEN_MAX];
    uint8_t topic[TOPIC_LEN_MAX];
};

/* Names lie apart: only newcomers write them. */
struct hot {
    struct row *latest; /* that was counted for; NULL: none yet */
    struct row rows[HOT_ROWS];
    struct name names[HOT_ROWS];
};

struct hot *hot_new(void)
{
    return calloc(1, sizeof(struct hot));
}

void hot_free(struct hot *hot)
{
    free(hot);
}

static void put_name(struct name *name, const struct item *item)
{
    assert(item->cache.len <= CACHE_LEN_MAX && item->cache.len > 0);
    assert(item->topic.len <= TOPIC_LEN_MAX && item->topic.len > 0);
    name->cache_len = (uint16_t)item->cache.len;
    name->topic_len = (uint16_t)item->topic.len;
    memcpy(name->cache, item->cache.p, item->cache.len);
    memcpy(name->topic, item->topic.p, item->topic.len);
}

/* The topic's row, or the one that it takes. Names are not compared: hashes are
 * keyed, and what two topics of one hash would share is a row of a table. */
static struct row *row_of(struct hot *hot, const struct item *item)
{
    size_t first = (size_t)(item->hash % HOT_SETS) * HOT_WAYS;
    struct row *lightest = &hot->rows[first];

    for (size_t i = first; i < first + HOT_WAYS; i++) {
        struct row *row = &hot->rows[i];
        if (row->hash == item->hash && row->weight > 0) {
            return row;
        }
        lightest = row->weight < lightest->weight ? row : lightest;
    }
    *lightest = (struct row){.hash = item->hash, .weight = lightest->weight};
    put_name(&hot->names[lightest - hot->rows], item);
    return lightest;
}

void hot_add(struct hot *hot, const struct item *item, uint64_t in,
             uint64_t out)
{
    struct row *row = hot->latest;

    if (in + out == 0) {
        return;
    }
    if (row == NULL || row->hash != item->hash) {
        row = row_of(hot, item);
        hot->latest = row;
    }
    row->weight += in + out;
    row->in += in;
    row->out += out;
}

static uint64_t seen(const struct row *row)
{
    return row->in + row->out;
}

static void show(const struct hot *hot, const struct row *row,
                 struct report_hot *out)
{
    const struct name *name = &hot->names[row - hot->rows];

    *out = (struct report_hot){
        .in = row->in,
        .out = row->out,
        .cache_len = name->cache_len,
        .topic_len = name->topic_len,
    };
    memcpy(out->cache, name->cache, name->cache_len);
    memcpy(out->topic, name->topic, name->topic_len);
}

/* The heaviest one that is not taken yet. */
static struct row *heaviest(struct hot *hot)
{
    struct row *most = &hot->rows[0];

    for (size_t i = 1; i < HOT_ROWS; i++) {
        most = seen(&hot->rows[i]) > seen(most) ? &hot->rows[i] : most;
    }
    return most;
}

size_t hot_take(struct hot *hot, struct report_hot *rows, size_t max)
{
    size_t len = 0;

    while (len < max) {
        struct row *most = heaviest(hot);
        if (seen(most) == 0) {
            break;
        }
        show(hot, most, &rows[len++]);
        *most = (struct row){0};
    }
    memset(hot->rows, 0, sizeof hot->rows);
    hot->latest = NULL;
    return len;
}
