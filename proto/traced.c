/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/traced.h"

#include "proto/err.h"
#include "proto/mp.h"
#include "proto/topic.h"

enum {
    QUESTION_FIELDS = 5,
    ANSWER_FIELDS = 13,
    DOOR_FIELDS = 2,
    SEND_FIELDS = 4,
    DROP_FIELDS = 3,
};

static const char *const hops[TRACED_HOPS] = {
    [TRACED_LOCAL] = "local",
    [TRACED_REGION] = "region",
    [TRACED_INGRESS] = "ingress",
    [TRACED_HOST] = "host",
};

static const char *const outcomes[TRACED_OUTCOMES] = {
    [TRACED_QUEUED] = "queued",
    [TRACED_SENT] = "sent",
    [TRACED_DROPPED] = "dropped",
};

static const char *const whys[TRACED_WHYS] = {
    [TRACED_WHY_NONE] = "",
    [TRACED_WHY_NO_LINK] = "no link",
    [TRACED_WHY_LINK_DOWN] = "link down",
    [TRACED_WHY_QUEUE_FULL] = "queue full",
    [TRACED_WHY_TOO_OLD] = "too old",
    [TRACED_WHY_NO_MEMORY] = "no memory",
    [TRACED_WHY_SLOW] = "slow",
    [TRACED_WHY_CLOSED] = "closed",
    [TRACED_WHY_GAP] = "gap",
    [TRACED_WHY_LATE] = "late",
    [TRACED_WHY_LOST] = "lost on the way",
};

const char *traced_hop_text(uint8_t hop)
{
    return hop < TRACED_HOPS ? hops[hop] : "unknown";
}

const char *traced_outcome_text(uint8_t outcome)
{
    return outcome < TRACED_OUTCOMES ? outcomes[outcome] : "unknown";
}

const char *traced_why_text(uint8_t why)
{
    return why < TRACED_WHYS ? whys[why] : "unknown";
}

/* What a newer node adds behind the fields that are known here. */
static void skip_more(struct mp *mp, uint32_t fields, uint32_t known)
{
    if (fields < known && mp->state == 0) {
        mp->state = ERR_SYNTAX;
    }
    for (uint32_t i = known; i < fields && mp->state == 0; i++) {
        mp_skip(mp);
    }
}

static uint8_t take_u8(struct mp *mp)
{
    return (uint8_t)mp_take_u64_max(mp, UINT8_MAX);
}

/* So many entries follow; too many are wrong. */
static size_t take_len(struct mp *mp, size_t max)
{
    uint32_t len = mp_take_array(mp);

    if (len > max && mp->state == 0) {
        mp->state = ERR_SYNTAX;
    }
    return mp->state == 0 ? len : 0;
}

static struct bytes take_door(struct mp *mp)
{
    struct bytes name = mp_take_str(mp, TRACED_DOOR_LEN_MAX);

    if (name.len > 0 && !topic_is_valid(name) && mp->state == 0) {
        mp->state = ERR_SYNTAX;
    }
    return name;
}

/* --- the question --- */

void traced_question_write(const struct traced_question *question,
                           struct buf *out)
{
    mp_put_array(out, QUESTION_FIELDS);
    mp_put_u64(out, question->origin);
    mp_put_u64(out, question->count);
    mp_put_u64(out, question->hash);
    mp_put_str(out, question->cache);
    mp_put_str(out, question->topic);
}

int traced_question_read(struct bytes in, struct traced_question *question)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    question->origin = mp_take_u64(&mp);
    question->count = mp_take_u64(&mp);
    question->hash = mp_take_u64(&mp);
    question->cache = mp_take_str(&mp, CACHE_LEN_MAX);
    question->topic = mp_take_str(&mp, TOPIC_LEN_MAX);
    skip_more(&mp, fields, QUESTION_FIELDS);
    return mp.state == 0 && mp.in.len == 0 &&
                   topic_cache_is_valid(question->cache) &&
                   topic_is_valid(question->topic)
               ? 0
               : ERR_SYNTAX;
}

/* --- the answer --- */

static void put_doors(const struct traced *traced, struct buf *out)
{
    mp_put_array(out, (uint32_t)traced->doors_len);
    for (size_t i = 0; i < traced->doors_len; i++) {
        mp_put_array(out, DOOR_FIELDS);
        mp_put_str(out, traced->doors[i].name);
        mp_put_u64(out, traced->doors[i].subs);
    }
}

static void put_sends(const struct traced *traced, struct buf *out)
{
    mp_put_array(out, (uint32_t)traced->sends_len);
    for (size_t i = 0; i < traced->sends_len; i++) {
        const struct traced_send *send = &traced->sends[i];
        mp_put_array(out, SEND_FIELDS);
        mp_put_u64(out, send->to);
        mp_put_u64(out, send->at_us);
        mp_put_u64(out, send->outcome);
        mp_put_u64(out, send->why);
    }
}

static void put_drops(const struct traced *traced, struct buf *out)
{
    mp_put_array(out, (uint32_t)traced->drops_len);
    for (size_t i = 0; i < traced->drops_len; i++) {
        mp_put_array(out, DROP_FIELDS);
        mp_put_str(out, traced->drops[i].door);
        mp_put_u64(out, traced->drops[i].why);
        mp_put_u64(out, traced->drops[i].count);
    }
}

void traced_write(const struct traced *traced, struct buf *out)
{
    mp_put_array(out, ANSWER_FIELDS);
    mp_put_u64(out, traced->now_us);
    mp_put_u64(out, traced->wall_us);
    mp_put_bool(out, traced->seen);
    mp_put_u64(out, traced->from);
    mp_put_u64(out, traced->hop);
    mp_put_u64(out, traced->at_us);
    mp_put_u64(out, traced->written_us);
    mp_put_u64(out, traced->waiting);
    mp_put_u64(out, traced->told_us);
    put_doors(traced, out);
    put_sends(traced, out);
    mp_put_u64(out, traced->more);
    put_drops(traced, out);
}

static void take_doors(struct mp *mp, struct traced *traced)
{
    traced->doors_len = take_len(mp, TRACED_DOORS_MAX);
    for (size_t i = 0; i < traced->doors_len; i++) {
        uint32_t fields = mp_take_array(mp);
        traced->doors[i].name = take_door(mp);
        traced->doors[i].subs = mp_take_u64(mp);
        skip_more(mp, fields, DOOR_FIELDS);
    }
}

static void take_sends(struct mp *mp, struct traced *traced)
{
    traced->sends_len = take_len(mp, TRACED_SENT_MAX);
    for (size_t i = 0; i < traced->sends_len; i++) {
        struct traced_send *send = &traced->sends[i];
        uint32_t fields = mp_take_array(mp);
        send->to = mp_take_u64(mp);
        send->at_us = mp_take_u64(mp);
        send->outcome = take_u8(mp);
        send->why = take_u8(mp);
        skip_more(mp, fields, SEND_FIELDS);
    }
}

static void take_drops(struct mp *mp, struct traced *traced)
{
    traced->drops_len = take_len(mp, TRACED_DROPS_MAX);
    for (size_t i = 0; i < traced->drops_len; i++) {
        uint32_t fields = mp_take_array(mp);
        traced->drops[i].door = take_door(mp);
        traced->drops[i].why = take_u8(mp);
        traced->drops[i].count = mp_take_u64(mp);
        skip_more(mp, fields, DROP_FIELDS);
    }
}

int traced_read(struct bytes in, struct traced *traced)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    traced->now_us = mp_take_u64(&mp);
    traced->wall_us = mp_take_u64(&mp);
    traced->seen = mp_take_bool(&mp);
    traced->from = mp_take_u64(&mp);
    traced->hop = take_u8(&mp);
    traced->at_us = mp_take_u64(&mp);
    traced->written_us = mp_take_u64(&mp);
    traced->waiting = mp_take_u64(&mp);
    traced->told_us = mp_take_u64(&mp);
    take_doors(&mp, traced);
    take_sends(&mp, traced);
    traced->more = mp_take_u64(&mp);
    take_drops(&mp, traced);
    skip_more(&mp, fields, ANSWER_FIELDS);
    return mp.state == 0 && mp.in.len == 0 ? 0 : ERR_SYNTAX;
}
