/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/lens.h"

#include <stdlib.h>

#include "node/watch/hot.h"

/* Items of others that went out in this turn. */
struct age {
    enum report_hop hop;
    uint64_t born_us; /* by our wall clock */
    uint64_t count;
};

struct lens {
    struct hot *hot;
    uint64_t begun_us; /* 0: between two turns */
    uint64_t local;    /* items of here in this turn */
    struct age ages[LENS_AGES_MAX];
    size_t ages_len;
    const struct lens_origin *latest; /* that was looked for */
    uint64_t counts[REPORT_HOPS][REPORT_BUCKETS];
    struct lens_origin origins[LENS_ORIGINS]; /* by id, open addressing */
    size_t origins_len;
};

struct lens *lens_new(void)
{
    struct lens *lens = calloc(1, sizeof *lens);

    if (lens == NULL) {
        return NULL;
    }
    lens->hot = hot_new();
    if (lens->hot == NULL) {
        free(lens);
        return NULL;
    }
    return lens;
}

void lens_free(struct lens *lens)
{
    if (lens != NULL) {
        hot_free(lens->hot);
        free(lens);
    }
}

/* --- origins --- */

/* Its place, or the free one where it would be: ids are random, and no id is
 * 0. */
static size_t place_of(const struct lens *lens, uint64_t id)
{
    size_t at = (size_t)(id % LENS_ORIGINS);

    while (lens->origins[at].id != 0 && lens->origins[at].id != id) {
        at = (at + 1) % LENS_ORIGINS;
    }
    return at;
}

void lens_forget_origins(struct lens *lens)
{
    memset(lens->origins, 0, sizeof lens->origins);
    lens->origins_len = 0;
    lens->latest = NULL;
}

void lens_add_origin(struct lens *lens, const struct lens_origin *origin)
{
    size_t at = place_of(lens, origin->id);

    if (origin->id == 0 || lens->origins_len >= LENS_ORIGINS / 2) {
        return;
    }
    lens->origins_len += lens->origins[at].id == 0;
    lens->origins[at] = *origin;
}

static const struct lens_origin *find(struct lens *lens, uint64_t id)
{
    if (lens->latest == NULL || lens->latest->id != id) {
        lens->latest = &lens->origins[place_of(lens, id)];
    }
    return lens->latest->id == 0 ? NULL : lens->latest;
}

/* --- a turn --- */

bool lens_is_idle(const struct lens *lens)
{
    return lens->begun_us == 0;
}

void lens_begin(struct lens *lens, uint64_t now_us)
{
    if (lens->begun_us == 0) {
        lens->begun_us = now_us;
    }
}

static void add_age(struct lens *lens, enum report_hop hop, uint64_t born_us,
                    uint64_t count)
{
    struct age *last = &lens->ages[lens->ages_len - (lens->ages_len > 0)];
    bool is_same = lens->ages_len > 0 && last->hop == hop &&
                   last->born_us == born_us;

    if (is_same || lens->ages_len == LENS_AGES_MAX) {
        last->count += count;
        return;
    }
    lens->ages[lens->ages_len++] = (struct age){hop, born_us, count};
}

/* When it was published there, by our clock: in the middle of that
 * millisecond. */
static uint64_t born_us(const struct lens_origin *origin,
                        const struct item *item)
{
    uint64_t at_us = item->at_ms * 1000 + 500;

    return at_us - (uint64_t)origin->clock_us;
}

void lens_item(struct lens *lens, const struct item *item, bool here,
               uint64_t subs)
{
    const struct lens_origin *origin;

    if (topic_cache_is_system(item->cache)) {
        return;
    }
    hot_add(lens->hot, item, here, subs);
    if (subs == 0) {
        return;
    }
    if (here) {
        lens->local += subs;
        return;
    }
    origin = find(lens, item->origin);
    if (origin != NULL) {
        add_age(lens, origin->far ? REPORT_FAR : REPORT_REGION,
                born_us(origin, item), subs);
    }
}

bool lens_has_items(const struct lens *lens)
{
    return lens->local > 0 || lens->ages_len > 0;
}

/* What seems to come from the future has just come. */
static uint64_t since(uint64_t now_us, uint64_t then_us)
{
    int64_t age_us = (int64_t)(now_us - then_us);

    return age_us > 0 ? (uint64_t)age_us : 0;
}

void lens_end(struct lens *lens, uint64_t now_us, uint64_t wall_us)
{
    uint64_t turn_us = lens->begun_us == 0 ? 0 : since(now_us, lens->begun_us);

    lens->counts[REPORT_LOCAL][report_bucket(turn_us)] += lens->local;
    for (size_t i = 0; i < lens->ages_len; i++) {
        const struct age *age = &lens->ages[i];
        unsigned bucket = report_bucket(since(wall_us, age->born_us));
        lens->counts[age->hop][bucket] += age->count;
    }
    lens->local = 0;
    lens->ages_len = 0;
    lens->begun_us = 0;
}

size_t lens_take(struct lens *lens,
                 uint64_t latency[REPORT_HOPS][REPORT_BUCKETS],
                 struct report_hot *rows, size_t max)
{
    for (size_t hop = 0; hop < REPORT_HOPS; hop++) {
        for (size_t i = 0; i < REPORT_BUCKETS; i++) {
            latency[hop][i] += lens->counts[hop][i];
        }
    }
    memset(lens->counts, 0, sizeof lens->counts);
    return hot_take(lens->hot, rows, max);
}
