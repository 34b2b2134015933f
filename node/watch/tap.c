/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/tap.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "node/core.h"
#include "node/mesh/calls.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/rows.h"

enum {
    ASK_FIELDS = 5,
    POINTS = 1000, /* of an item */
};

struct tap {
    uint64_t node;
    uint64_t number;
    uint64_t until_ms; /* 0: the place is free */
    struct tap_pace pace;
    uint64_t seen;   /* since the last that is kept */
    size_t kept_max; /* so much an answer may have */
    struct buf kept; /* rows */
    uint8_t cache_len;
    uint16_t prefix_len;
    uint8_t cache[CACHE_LEN_MAX];
    uint8_t prefix[TOPIC_LEN_MAX];
};

struct taps {
    struct core *core;
    struct deadline deadline; /* the end of a lease */
    struct tap taps[TAPS_MAX];
};

static bool answer(void *data, struct bytes body, struct buf *out);
static void on_due(struct deadline *deadline, uint64_t now_ms);
static void keep(const struct core *core, struct tap *tap,
                 const struct item *item);

bool tap_pace_take(struct tap_pace *pace, uint64_t now_ms)
{
    uint64_t most = pace->rate * POINTS;
    uint64_t more = (now_ms - pace->at_ms) * pace->rate;

    pace->points = more > most - pace->points ? most : pace->points + more;
    pace->at_ms = now_ms;
    if (pace->points < POINTS) {
        return false;
    }
    pace->points -= POINTS;
    return true;
}

/* --- the question --- */

void tap_ask_write(const struct tap_ask *ask, struct buf *out)
{
    mp_put_array(out, ASK_FIELDS);
    mp_put_u64(out, ask->node);
    mp_put_u64(out, ask->number);
    mp_put_u64(out, ask->rate);
    mp_put_str(out, ask->cache);
    mp_put_str(out, ask->prefix);
}

static int read_ask(struct bytes in, struct tap_ask *ask)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    ask->node = mp_take_u64(&mp);
    ask->number = mp_take_u64(&mp);
    ask->rate = mp_take_u64_max(&mp, TAP_RATE_MAX);
    ask->cache = mp_take_str(&mp, CACHE_LEN_MAX);
    ask->prefix = mp_take_str(&mp, TOPIC_LEN_MAX);
    return mp.state == 0 && fields >= ASK_FIELDS && ask->rate > 0 &&
                   topic_cache_is_valid(ask->cache)
               ? 0
               : ERR_SYNTAX;
}

/* --- leases --- */

void tap_serve(struct core *core)
{
    calls_serve(core->calls, CALL_TAP, answer, core);
}

static struct tap *find(struct taps *taps, uint64_t node, uint64_t number)
{
    for (size_t i = 0; i < TAPS_MAX; i++) {
        struct tap *tap = &taps->taps[i];
        if (tap->until_ms != 0 && tap->node == node && tap->number == number) {
            return tap;
        }
    }
    return NULL;
}

static struct tap *free_place(struct taps *taps)
{
    for (size_t i = 0; i < TAPS_MAX; i++) {
        if (taps->taps[i].until_ms == 0) {
            return &taps->taps[i];
        }
    }
    return NULL;
}

bool taps_are_full(const struct core *core)
{
    return core->taps != NULL && free_place(core->taps) == NULL;
}

static void end(struct tap *tap)
{
    buf_fini(&tap->kept);
    *tap = (struct tap){0};
}

void taps_free(struct taps *taps)
{
    if (taps == NULL) {
        return;
    }
    for (size_t i = 0; i < TAPS_MAX; i++) {
        end(&taps->taps[i]);
    }
    (void)deadline_set(&taps->core->deadlines, &taps->deadline, DEADLINE_NEVER);
    free(taps);
}

static struct taps *taps_of(struct core *core)
{
    struct taps *taps = core->taps;

    if (taps == NULL) {
        taps = calloc(1, sizeof *taps);
    }
    if (taps != NULL && core->taps == NULL) {
        taps->core = core;
        taps->deadline.on_due = on_due;
        if (deadline_set(&core->deadlines, &taps->deadline,
                         core->now_ms + TAP_LEASE_MS) != 0) {
            free(taps);
            return NULL;
        }
        core->taps = taps;
    }
    return taps;
}

/* Those whose lease is over go, and with the last of them all. */
static void on_due(struct deadline *deadline, uint64_t now_ms)
{
    struct taps *taps = (struct taps *)(void *)((char *)deadline -
                                                offsetof(struct taps,
                                                         deadline));
    uint64_t next_ms = DEADLINE_NEVER;

    for (size_t i = 0; i < TAPS_MAX; i++) {
        struct tap *tap = &taps->taps[i];
        if (tap->until_ms != 0 && tap->until_ms <= now_ms) {
            end(tap);
        }
        if (tap->until_ms != 0 && tap->until_ms < next_ms) {
            next_ms = tap->until_ms;
        }
    }
    if (next_ms == DEADLINE_NEVER ||
        deadline_set(&taps->core->deadlines, deadline, next_ms) != 0) {
        taps->core->taps = NULL;
        taps_free(taps);
    }
}

/* The tap of who asks, made if there is room. */
static struct tap *tap_of(struct core *core, const struct tap_ask *ask)
{
    struct taps *taps = taps_of(core);
    struct tap *tap = taps == NULL ? NULL : find(taps, ask->node, ask->number);

    if (taps == NULL || tap != NULL) {
        return tap;
    }
    tap = free_place(taps);
    if (tap != NULL) {
        tap->node = ask->node;
        tap->number = ask->number;
        tap->pace = (struct tap_pace){
            .rate = ask->rate,
            .points = ask->rate * POINTS,
            .at_ms = core->now_ms,
        };
        tap->cache_len = (uint8_t)ask->cache.len;
        tap->prefix_len = (uint16_t)ask->prefix.len;
        memcpy(tap->cache, ask->cache.p, ask->cache.len);
        if (ask->prefix.len > 0) {
            memcpy(tap->prefix, ask->prefix.p, ask->prefix.len);
        }
    }
    return tap;
}

static bool answer(void *data, struct bytes body, struct buf *out)
{
    struct core *core = data;
    struct rows_question question;
    struct tap_ask ask;
    struct tap *tap;

    if (rows_question_read(body, &question) != 0 ||
        read_ask(question.what, &ask) != 0) {
        return false;
    }
    tap = tap_of(core, &ask);
    if (tap == NULL) {
        return false;
    }
    tap->until_ms = core->now_ms + TAP_LEASE_MS;
    tap->kept_max = question.len_max < TAP_KEPT_LEN_MAX
                        ? (size_t)question.len_max
                        : TAP_KEPT_LEN_MAX;
    rows_answer_write(false, &ROWS_END, buf_bytes(&tap->kept), out);
    buf_fini(&tap->kept);
    return true;
}

/* --- what is published --- */

void tap_see(struct taps *taps, const struct item *item)
{
    for (size_t i = 0; i < TAPS_MAX; i++) {
        struct tap *tap = &taps->taps[i];
        if (tap->until_ms == 0 ||
            !bytes_eq(item->cache, bytes_of(tap->cache, tap->cache_len)) ||
            !bytes_starts(item->topic,
                          bytes_of(tap->prefix, tap->prefix_len))) {
            continue;
        }
        tap->seen++;
        if (tap->kept.len < tap->kept_max &&
            tap_pace_take(&tap->pace, taps->core->now_ms)) {
            keep(taps->core, tap, item);
        }
    }
}

static void add_value(const struct item *item, struct buf *out)
{
    struct bytes value = item->value;
    bool binary = (item->flags & ITEM_BINARY) != 0;

    if (value.len > TAP_VALUE_LEN_MAX) {
        value.len = TAP_VALUE_LEN_MAX;
        while (!binary && value.len > 0 &&
               (value.p[value.len] & 0xc0) == 0x80) {
            value.len--; /* no character is cut */
        }
    }
    json_add_name(out, true, binary ? "data" : "text");
    if (binary) {
        json_add_base64(out, value);
    } else {
        json_add_string(out, value);
    }
}

static void keep(const struct core *core, struct tap *tap,
                 const struct item *item)
{
    struct buf text = {0};
    size_t before = tap->kept.len;

    json_add_name(&text, false, "at");
    buf_add_u64(&text, item->at_ms);
    json_add_name(&text, true, "node");
    json_add_string(&text, bytes_str(core->name));
    json_add_name(&text, true, "cache");
    json_add_string(&text, item->cache);
    json_add_name(&text, true, "topic");
    json_add_string(&text, item->topic);
    json_add_name(&text, true, "publisher");
    json_add_string(&text, item->publisher);
    json_add_name(&text, true, "bytes");
    buf_add_u64(&text, item->value.len);
    add_value(item, &text);
    if (!text.failed && (before == 0 || before + text.len < tap->kept_max)) {
        row_write(&(struct row){item->at_ms, tap->seen, buf_bytes(&text)},
                  &tap->kept);
        if (tap->kept.failed) { /* memory is short: as if not sampled */
            tap->kept.failed = false;
            tap->kept.len = before;
        } else {
            tap->seen = 0;
        }
    }
    buf_fini(&text);
}
