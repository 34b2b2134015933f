/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/usage.h"

#include "proto/err.h"
#include "proto/topic.h"

enum {
    QUESTION_FIELDS = 2,
    ANSWER_FIELDS = 4,
    ROW_FIELDS = 8,
};

static void add_count(struct usage_count *sum, const struct usage_count *one)
{
    usage_count(sum, one, 1);
}

void usage_add(struct usage *sum, const struct usage *one)
{
    add_count(&sum->in, &one->in);
    add_count(&sum->out, &one->out);
    sum->refused += one->refused;
}

/* What a newer node adds behind the fields that are known here. */
static void skip_more(struct mp *mp, uint32_t fields, uint32_t known)
{
    for (uint32_t i = known; i < fields && mp->state == 0; i++) {
        mp_skip(mp);
    }
}

/* --- the question --- */

void usage_question_write(const struct usage_question *question,
                          struct buf *out)
{
    mp_put_array(out, QUESTION_FIELDS);
    mp_put_u64(out, question->from);
    mp_put_u64(out, question->most);
}

int usage_question_read(struct bytes in, struct usage_question *question)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    question->from = mp_take_u64(&mp);
    question->most = mp_take_u64(&mp);
    skip_more(&mp, fields, QUESTION_FIELDS);
    return mp.state == 0 && fields >= QUESTION_FIELDS && mp.in.len == 0 &&
                   question->most > 0
               ? 0
               : ERR_SYNTAX;
}

/* --- the answer --- */

void usage_answer_write(const struct usage_answer *answer, struct buf *out)
{
    mp_put_array(out, ANSWER_FIELDS);
    mp_put_u64(out, answer->since_ms);
    mp_put_str(out, answer->region);
    mp_put_u64(out, answer->rows_all);
    mp_put_array(out, answer->rows_len);
}

static void put_count(const struct usage_count *count, struct buf *out)
{
    mp_put_u64(out, count->items);
    mp_put_u64(out, count->bytes);
    mp_put_u64(out, count->operations);
}

void usage_row_write(struct bytes cache, const struct usage *usage,
                     struct buf *out)
{
    mp_put_array(out, ROW_FIELDS);
    mp_put_str(out, cache);
    put_count(&usage->in, out);
    put_count(&usage->out, out);
    mp_put_u64(out, usage->refused);
}

static struct usage_count take_count(struct mp *mp)
{
    struct usage_count count;

    count.items = mp_take_u64(mp);
    count.bytes = mp_take_u64(mp);
    count.operations = mp_take_u64(mp);
    return count;
}

static void take_row(struct mp *mp, struct bytes *cache, struct usage *usage)
{
    uint32_t fields = mp_take_array(mp);

    *cache = mp_take_str(mp, CACHE_LEN_MAX);
    usage->in = take_count(mp);
    usage->out = take_count(mp);
    usage->refused = mp_take_u64(mp);
    skip_more(mp, fields, ROW_FIELDS);
    if (fields < ROW_FIELDS ||
        (cache->len > 0 && !topic_cache_is_valid(*cache))) {
        mp->state = mp->state == 0 ? ERR_SYNTAX : mp->state;
    }
}

int usage_answer_read(struct bytes in, struct usage_answer *answer)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);
    struct bytes cache;
    struct usage usage;

    answer->since_ms = mp_take_u64(&mp);
    answer->region = mp_take_str(&mp, CACHE_LEN_MAX);
    answer->rows_all = mp_take_u64(&mp);
    answer->rows_len = mp_take_array(&mp);
    answer->rows = mp;
    for (uint32_t i = 0; i < answer->rows_len && mp.state == 0; i++) {
        take_row(&mp, &cache, &usage);
    }
    skip_more(&mp, fields, ANSWER_FIELDS);
    return mp.state == 0 && fields >= ANSWER_FIELDS && mp.in.len == 0 &&
                   topic_cache_is_valid(answer->region)
               ? 0
               : ERR_SYNTAX;
}

bool usage_row_read(struct usage_answer *answer, struct bytes *cache,
                    struct usage *usage)
{
    if (answer->rows_len == 0) {
        return false;
    }
    answer->rows_len--;
    take_row(&answer->rows, cache, usage);
    return answer->rows.state == 0;
}
