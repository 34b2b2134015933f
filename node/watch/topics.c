/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/topics.h"

#include "node/core.h"
#include "node/hub/lookup.h"
#include "node/mesh/calls.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/rows.h"

enum {
    ASK_FIELDS = 3,
    BUCKET_MAX = 64, /* topics of one; its hash is keyed */
};

struct search {
    struct topics_ask ask;
    struct rows_page page;
    struct hub_topic found[BUCKET_MAX]; /* in a bucket, by place */
    size_t found_len;
    size_t work;
    uint64_t to; /* complete up to here */
    bool failed;
};

static bool answer(void *data, struct bytes body, struct buf *out);
static void search_one(const struct core *core, struct search *search);
static void search_all(const struct core *core, struct search *search);

void topics_serve(struct core *core)
{
    calls_serve(core->calls, CALL_TOPICS, answer, core);
}

void topics_ask_write(const struct topics_ask *ask, struct buf *out)
{
    mp_put_array(out, ASK_FIELDS);
    mp_put_str(out, ask->cache);
    mp_put_str(out, ask->name);
    mp_put_bool(out, ask->exact);
}

static int read_ask(struct bytes in, struct topics_ask *ask)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    ask->cache = mp_take_str(&mp, CACHE_LEN_MAX);
    ask->name = mp_take_str(&mp, TOPIC_LEN_MAX);
    ask->exact = mp_take_bool(&mp);
    return mp.state == 0 && fields >= ASK_FIELDS ? 0 : ERR_SYNTAX;
}

static bool answer(void *data, struct bytes body, struct buf *out)
{
    const struct core *core = data;
    struct search search = {.page.node = core->node_u64};
    struct rows_page *page = &search.page;

    if (rows_question_read(body, &page->question) != 0 ||
        read_ask(page->question.what, &search.ask) != 0) {
        return false;
    }
    if (search.ask.exact) {
        search_one(core, &search);
    } else {
        search_all(core, &search);
    }
    const struct rows_place to = {search.to, UINT64_MAX, UINT64_MAX};
    rows_answer_write(page->more, &to, buf_bytes(&page->rows), out);
    out->failed = out->failed || page->rows.failed || search.failed;
    rows_page_fini(page);
    return true;
}

static bool add(struct search *search, const struct hub_topic *topic)
{
    struct row row = {.key = topic->place, .id = topic->subs};
    struct buf text = {0};

    json_add_name(&text, false, "cache");
    json_add_string(&text, topic->cache);
    json_add_name(&text, true, "topic");
    json_add_string(&text, topic->name);
    row.text = buf_bytes(&text);
    bool added = rows_page_add(&search->page, &row);
    if (added) {
        search->to = topic->place;
    }
    search->failed = search->failed || text.failed;
    buf_fini(&text);
    return added;
}

static void search_one(const struct core *core, struct search *search)
{
    const struct topics_ask *ask = &search->ask;
    uint64_t hash = hash_topic(&core->hash_key, ask->cache, ask->name);
    struct hub_topic topic = {
        .place = lookup_place(hash),
        .cache = ask->cache,
        .name = ask->name,
        .subs = hub_subscribers(core->hub, ask->cache, ask->name),
    };

    if (topic.subs > 0) {
        (void)add(search, &topic);
    }
}

static void consider(void *data, const struct hub_topic *topic)
{
    struct search *search = data;
    const struct topics_ask *ask = &search->ask;
    size_t at = search->found_len;

    search->work++;
    if ((ask->cache.len > 0 && !bytes_eq(topic->cache, ask->cache)) ||
        !bytes_starts(topic->name, ask->name)) {
        return;
    }
    if (at == BUCKET_MAX) {
        search->failed = true;
        return;
    }
    for (; at > 0 && search->found[at - 1].place > topic->place; at--) {
        search->found[at] = search->found[at - 1];
    }
    search->found[at] = *topic;
    search->found_len++;
}

/* Where the last page ended; false: at the end. */
static bool begin(const struct rows_place *after, uint64_t *from)
{
    *from = after->node == 0 ? 0 : after->key + 1;
    return after->node == 0 || *from != 0;
}

static void search_all(const struct core *core, struct search *search)
{
    uint64_t from;
    bool more = begin(&search->page.question.after, &from);

    while (more) {
        if (search->work >= TOPICS_WORK_MAX) {
            search->page.more = true;
            return;
        }
        search->work++;
        search->found_len = 0;
        more = hub_scan_topics(core->hub, &from, consider, search);
        for (size_t i = 0; i < search->found_len; i++) {
            if (!add(search, &search->found[i])) {
                return; /* and there is more */
            }
        }
        search->to = from - 1;
    }
}
