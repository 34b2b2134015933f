/* SPDX-License-Identifier: Apache-2.0 */
#include "node/census.h"

#include "node/hub.h"
#include "proto/census.h"

enum {
    /* Bytes looked at for one answer, so that no question of a client makes all
     * nodes stand still: some hundred thousand topics. */
    WORK_MAX = 32 << 20,
    WORK_LEAST = 16, /* for a topic of the cache */
};

struct search {
    struct bytes glob;
    bool steps_back; /* matching may take both lengths multiplied */
    size_t work;
    struct buf *out;
};

static bool has_two_stars(struct bytes glob)
{
    ptrdiff_t first = bytes_find(glob, '*');

    return first >= 0 &&
           bytes_find(bytes_skip(glob, (size_t)first + 1), '*') >= 0;
}

static void add_topic(void *data, struct bytes topic, uint64_t subs)
{
    struct search *search = data;
    size_t glob_len = search->glob.len;

    (void)subs;
    search->work += WORK_LEAST + topic.len +
                    (search->steps_back ? glob_len * topic.len : glob_len);
    if (search->work > WORK_MAX) {
        search->out->failed = true;
    } else if (!search->out->failed && topic_glob_match(search->glob, topic)) {
        mp_put_bin(search->out, topic);
    }
}

static void add_hash(void *data, uint64_t hash)
{
    mp_put_u64(data, hash);
}

static void add_counts(const struct hub *hub, struct census *census,
                       struct buf *out)
{
    struct bytes name;

    while (census_name(census, &name)) {
        mp_put_u64(out, topic_is_valid(name)
                            ? hub_subscribers(hub, census->cache, name)
                            : 0);
    }
}

bool census_answer(const struct hub *hub, struct bytes question,
                   struct buf *out)
{
    struct search search = {.out = out};
    struct census census;

    if (census_read(question, &census) != 0) {
        return false;
    }
    switch (census.what) {
    case CENSUS_TOPICS:
        (void)census_name(&census, &search.glob);
        search.steps_back = has_two_stars(search.glob);
        hub_each_topic(hub, census.cache, add_topic, &search);
        break;
    case CENSUS_COUNTS:
        add_counts(hub, &census, out);
        break;
    case CENSUS_PATTERNS:
        hub_each_pattern(hub, census.cache, add_hash, out);
        break;
    }
    return true;
}
