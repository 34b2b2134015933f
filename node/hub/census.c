/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/census.h"

#include "node/core.h"
#include "proto/census.h"

enum {
    /* Bytes looked at in a second, for all who ask: some hundred thousand
     * topics. No question of clients makes all nodes stand still. */
    WORK_MAX = 16 << 20,
    WORK_MS = 1000,
    WORK_LEAST = 16, /* for a name */
    WORK_PASSED = 4, /* for a topic of any cache */
};

struct search {
    struct core *core;
    struct bytes glob;
    bool steps_back; /* matching may take both lengths multiplied */
    struct buf *out;
};

/* false: it was too much, and the answer with it. */
static bool work(struct search *search, size_t more)
{
    search->core->census_work += more;
    if (search->core->census_work > WORK_MAX) {
        search->out->failed = true;
    }
    return !search->out->failed;
}

static void add_topic(void *data, struct bytes topic, uint64_t subs)
{
    struct search *search = data;
    size_t glob_len = search->glob.len;
    size_t more = search->steps_back ? glob_len * topic.len
                                     : glob_len + topic.len;

    (void)subs;
    if (work(search, WORK_LEAST + more) &&
        topic_glob_match(search->glob, topic)) {
        mp_put_bin(search->out, topic);
    }
}

static bool has_two_stars(struct bytes glob)
{
    ptrdiff_t first = bytes_find(glob, '*');

    return first >= 0 &&
           bytes_find(bytes_skip(glob, (size_t)first + 1), '*') >= 0;
}

static void add_topics(struct search *search, struct bytes cache)
{
    search->steps_back = has_two_stars(search->glob);
    if (work(search, WORK_PASSED * (size_t)search->core->stats.topics)) {
        hub_each_topic(search->core->hub, cache, add_topic, search);
    }
}

static void add_hash(void *data, uint64_t hash)
{
    struct search *search = data;

    if (work(search, WORK_LEAST)) {
        mp_put_u64(search->out, hash);
    }
}

static void add_counts(struct search *search, struct census *census)
{
    const struct hub *hub = search->core->hub;
    struct bytes name;

    while (census_name(census, &name) && work(search, WORK_LEAST + name.len)) {
        mp_put_u64(search->out, topic_is_valid(name)
                                    ? hub_subscribers(hub, census->cache, name)
                                    : 0);
    }
}

bool census_answer(struct core *core, struct bytes question, struct buf *out)
{
    struct search search = {.core = core, .out = out};
    struct census census;

    if (census_read(question, &census) != 0) {
        return false;
    }
    if (core->now_ms - core->census_ms >= WORK_MS) {
        core->census_ms = core->now_ms;
        core->census_work = 0;
    }
    switch (census.what) {
    case CENSUS_TOPICS:
        (void)census_name(&census, &search.glob);
        add_topics(&search, census.cache);
        break;
    case CENSUS_COUNTS:
        add_counts(&search, &census);
        break;
    case CENSUS_PATTERNS:
        hub_each_pattern(core->hub, census.cache, add_hash, &search);
        break;
    }
    return true;
}
