/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/census.h"

#include "proto/err.h"
#include "proto/topic.h"

enum {
    FIELDS = 2, /* before the names */
    NAME_LEN_MAX = 256 << 10,
};

void census_write(enum census_what what, struct bytes cache, uint32_t names_len,
                  struct buf *out)
{
    mp_put_array(out, FIELDS + names_len);
    mp_put_u64(out, what);
    mp_put_str(out, cache);
}

/* Whether it has as many names as it must. */
static bool names_are_right(const struct census *census)
{
    switch (census->what) {
    case CENSUS_TOPICS:
        return census->names_len == 1;
    case CENSUS_COUNTS:
        return true;
    case CENSUS_PATTERNS:
        return census->names_len == 0;
    }
    return false;
}

int census_read(struct bytes question, struct census *census)
{
    struct mp mp = mp_of(question);
    uint32_t fields = mp_take_array(&mp);
    uint64_t what = mp_take_u64_max(&mp, CENSUS_PATTERNS);

    *census = (struct census){
        .what = (enum census_what)what,
        .cache = mp_take_str(&mp, CACHE_LEN_MAX),
        .names = mp,
    };
    if (mp.state != 0 || fields < FIELDS || what == 0 ||
        !topic_cache_is_valid(census->cache)) {
        return ERR_SYNTAX;
    }
    census->names = mp;
    census->names_len = fields - FIELDS;
    for (uint32_t i = 0; i < census->names_len && mp.state == 0; i++) {
        (void)mp_take_bin(&mp, NAME_LEN_MAX);
    }
    return mp.state == 0 && mp.in.len == 0 && names_are_right(census)
               ? 0
               : ERR_SYNTAX;
}

bool census_name(struct census *census, struct bytes *name)
{
    if (census->names_len == 0) {
        return false;
    }
    census->names_len--;
    *name = mp_take_bin(&census->names, NAME_LEN_MAX);
    return census->names.state == 0;
}

bool census_next_topic(struct mp *answer, struct bytes *topic)
{
    if (answer->state != 0 || answer->in.len == 0) {
        return false;
    }
    *topic = mp_take_bin(answer, TOPIC_LEN_MAX);
    return answer->state == 0;
}

bool census_next_number(struct mp *answer, uint64_t *number)
{
    if (answer->state != 0 || answer->in.len == 0) {
        return false;
    }
    *number = mp_take_u64(answer);
    return answer->state == 0;
}
