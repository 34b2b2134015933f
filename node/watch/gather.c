/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/gather.h"

#include <stdlib.h>

#include "node/core.h"
#include "node/watch/denied.h"
#include "node/watch/happened.h"
#include "node/watch/roster.h"
#include "node/watch/tap.h"
#include "node/watch/topics.h"
#include "proto/err.h"

struct gather {
    struct core *core;
    uint64_t number; /* of the call */
    void *data;
    void (*on_rows)(void *data, struct gathered *all);
};

/* What one node said, and the row that is its turn. */
struct source {
    const struct call_answer *from;
    struct rows_answer answer;
    struct gathered_row head;
    bool has_head;
};

struct gathered {
    const struct call_answer *answers;
    size_t answers_len;
    struct source *sources;
    size_t len;
    struct rows_place to;   /* all are complete up to here */
    struct rows_place last; /* taken */
};

static void on_done(void *data, const struct call_answer *answers, size_t len);
static void read_all(struct gathered *all);
static void read_head(struct source *source);

void gather_serve(struct core *core)
{
    roster_serve(core);
    topics_serve(core);
    denied_serve(core);
    happened_serve(core);
    tap_serve(core);
}

int gather_start(struct gather **out, struct core *core,
                 const struct gather_ask *ask)
{
    struct buf body = {0};
    struct gather *gather;

    if (core->calls == NULL) {
        return ERR_NOT_READY;
    }
    gather = calloc(1, sizeof *gather);
    if (gather == NULL) {
        return ERR_NOMEM;
    }
    *gather = (struct gather){
        .core = core, .data = ask->data, .on_rows = ask->on_rows};
    const struct rows_question question = {
        .rows_max = ask->rows_max,
        .len_max = calls_room(core->calls),
        .after = ask->after,
        .what = ask->what,
    };
    rows_question_write(&question, &body);
    const struct call call = {
        .kind = (uint8_t)ask->kind,
        .own = true,
        .body = buf_bytes(&body),
        .wait_ms = ask->wait_ms,
        .on_done = on_done,
        .data = gather,
    };
    int rc = body.failed ? ERR_NOMEM
                         : calls_ask(core->calls, &call, &gather->number);
    buf_fini(&body);
    if (rc != 0) {
        free(gather);
        return rc;
    }
    *out = gather;
    return 0;
}

void gather_forget(struct gather *gather)
{
    calls_forget(gather->core->calls, gather->number);
    free(gather);
}

static void on_done(void *data, const struct call_answer *answers, size_t len)
{
    struct gather *gather = data;
    struct gathered all = {
        .answers = answers,
        .answers_len = len,
        .sources = calloc(len, sizeof *all.sources),
        .to = ROWS_END,
    };

    if (all.sources != NULL) { /* else nobody has answered */
        read_all(&all);
    }
    gather->on_rows(gather->data, &all);
    free(all.sources);
    free(gather);
}

static void read_all(struct gathered *all)
{
    for (size_t i = 0; i < all->answers_len; i++) {
        struct source *source = &all->sources[all->len];
        const struct call_answer *from = &all->answers[i];
        if (from->outcome != CALL_ANSWERED ||
            rows_answer_read(from->body, &source->answer) != 0) {
            continue;
        }
        source->from = from;
        read_head(source);
        if (rows_is_before(&source->answer.to, &all->to)) {
            all->to = source->answer.to;
        }
        all->len++;
    }
}

static void read_head(struct source *source)
{
    struct row row;

    source->has_head = row_read(&source->answer, &row);
    if (source->has_head) {
        source->head = (struct gathered_row){
            .place = {row.key, node_id_u64(&source->from->id), row.id},
            .node = source->from->name,
            .text = row.text,
        };
    }
}

/* --- the merge --- */

static struct source *first_of(const struct gathered *all)
{
    struct source *first = NULL;

    for (size_t i = 0; i < all->len; i++) {
        struct source *source = &all->sources[i];
        if (source->has_head &&
            (first == NULL ||
             rows_is_before(&source->head.place, &first->head.place))) {
            first = source;
        }
    }
    if (first != NULL && rows_is_before(&all->to, &first->head.place)) {
        return NULL;
    }
    return first;
}

bool gathered_peek(const struct gathered *all, struct gathered_row *row)
{
    const struct source *first = first_of(all);

    if (first != NULL) {
        *row = first->head;
    }
    return first != NULL;
}

bool gathered_next(struct gathered *all, struct gathered_row *row)
{
    struct source *first = first_of(all);

    if (first == NULL) {
        return false;
    }
    *row = first->head;
    all->last = row->place;
    read_head(first);
    return true;
}

bool gathered_rest(const struct gathered *all, struct rows_place *after)
{
    *after = first_of(all) != NULL ? all->last : all->to;
    return rows_is_before(after, &ROWS_END);
}

const struct call_answer *gathered_silent(const struct gathered *all, size_t i)
{
    for (size_t at = 0; at < all->answers_len; at++) {
        if (all->answers[at].outcome != CALL_ANSWERED && i-- == 0) {
            return &all->answers[at];
        }
    }
    return NULL;
}
