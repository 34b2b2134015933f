/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the hub share. Nobody else includes this.
 *
 *   hub.c          subscribe, publish, questions
 *   hub_topic.c    caches and topics: who lives, for what reason, on which page
 *   hub_group.c    groups and their members
 *   hub_fan.c      the hot path: append, settle
 *   hub_pattern.c  patterns and which topics they match
 *   hub_resume.c   rings and the resume window
 *   hub_recall.c   what was missed is asked for at another node
 *   hub_gap.c      discontinuities
 *
 * Why a topic lives: it has exact subscriptions; or a resume window (both: it
 * is `wanted` in the cluster); or pattern groups were matched against it and
 * the answer is remembered (`matched`; bounded, the oldest is forgotten). When
 * no reason is left, topic_release() frees it.
 */
#ifndef NODE_HUB_PRIVATE_H
#define NODE_HUB_PRIVATE_H

#include "node/door/door.h"
#include "node/hub/hub.h"
#include "node/hub/lookup.h"
#include "node/hub/queue.h"
#include "node/hub/ring.h"

enum {
    HUB_GAP_MS = 100,        /* between two discontinuities of a quiet topic */
    HUB_MATCHED_MAX = 16384, /* topics with remembered patterns */
    /* Steps that matching a new topic with all patterns of its cache may take:
     * 10,000 of the common kind (a*:word), 128 of the worst. */
    HUB_PATTERN_WORK_MAX = 32 << 20,
    HUB_PATTERN_FANS_MAX = 1 << 17, /* (topic, pattern group) remembered */
};

struct cache {
    uint64_t hash;
    struct meter *meter;
    uint32_t refs; /* topics and patterns */
    uint32_t subs; /* subscriptions of all of them */
    uint32_t patterns_len;
    uint64_t work;   /* what they may cost, at most HUB_PATTERN_WORK_MAX */
    uint64_t newest; /* number of the newest pattern group there ever was */
    struct group *groups; /* of patterns, newest first */
    uint8_t len;
    uint8_t name[];
};

struct topic {
    struct cache *cache;
    struct fan *fans; /* exact ones and those of matching patterns */
    uint64_t hash;
    uint64_t page;
    uint64_t seq;     /* of the newest item or discontinuity */
    uint64_t version; /* of the own log that holds it */
    struct resume *resume;
    struct queued matched;
    uint64_t matched_to; /* pattern groups up to this number are in fans */
    uint64_t gap_at_ms;  /* last discontinuity */
    uint64_t gap_seq;    /* seq it had; 0: another one would tell something */
    uint32_t gap_epoch;  /* hub->gap_epoch that it has followed */
    uint32_t subs;       /* exact subscriptions */
    bool gap_due;
    bool wanted; /* in the cluster's interest */
    uint16_t len;
    uint8_t name[];
};

struct pattern {
    struct cache *cache;
    struct group *groups;
    uint64_t hash; /* of cache, dialect and pattern */
    uint64_t version;
    uint64_t gap_at_ms;
    bool gap_due;
    enum topic_dialect dialect;
    uint16_t len;
    uint8_t text[];
};

/* The client stands beside its subscription so that settling need not look at
 * the latter. */
struct member {
    struct client *client;
    struct sub *sub;
};

/* What each item of a topic touches comes first, here and in struct group:
 * among a million topics every line is far away. */
struct fan {
    struct topic *topic;
    struct group *group;
    struct fan *next; /* of the topic */
    struct fan *dirty_next;
    struct chunk *chunk; /* open in this turn; only while dirty */
    uint32_t from;       /* where the frames that nobody has yet start in it */
    uint32_t items;      /* how many they are; 0: nothing to settle */
    uint64_t seq;        /* of the first of them */
    uint64_t skip;       /* client (id) whose no-echo subs do not get them */
    uint32_t turn_len;   /* bytes of the last turn */
    bool dirty;          /* in hub->dirty */

    /* Patterns with token keys: which members may read this topic, made for
     * `generation` of the group. */
    uint32_t generation;
    uint32_t allowed;
    bool *verdicts;

    struct fan *group_next; /* of the group of a pattern */
    struct fan *group_prev;
};

struct group {
    struct variant variant;
    struct pattern *pattern; /* of a pattern group, else NULL */
    union {                  /* group_members() */
        struct member only;  /* while cap == 1 */
        struct member *many;
    };
    uint32_t len;
    uint32_t cap;
    uint32_t no_echo_len;
    uint32_t held_len;   /* subscriptions that will be members */
    uint32_t generation; /* grows when members or their rights change */
    union {
        struct fan exact;             /* of an exact group: its one fan */
        struct {                      /* of a pattern group */
            struct fan *fans;         /* one for each topic that matches */
            struct group *next;       /* of the same pattern */
            struct group *cache_next; /* of the cache, newest first */
            struct group *cache_prev;
            uint64_t number; /* order of birth */
        };
    };
};

/* NULL: of a pattern. */
static inline struct topic *group_topic(const struct group *group)
{
    return group->pattern == NULL ? group->exact.topic : NULL;
}

static inline const struct member *group_members(const struct group *group)
{
    return group->cap == 1 ? &group->only : group->many;
}

struct resume {
    struct topic *topic;
    struct ring ring;
    uint32_t subs;         /* of resumable doors */
    uint64_t until_ms;     /* end of the window, once subs is 0 */
    struct queued waiting; /* in hub->windows, in the order of until_ms */
    struct queued kept;    /* in hub->rings while the ring holds something */
    struct queue recalls;  /* of held subscriptions */
};

struct hub {
    struct core *core;
    struct hash_key hash_key;
    uint64_t node_u64;
    struct hub_outside outside;

    struct lookup topics;   /* struct topic, by topic hash */
    struct lookup caches;   /* struct cache */
    struct lookup patterns; /* struct pattern */
    struct lookup subs;     /* struct sub, by sub_hash() */

    struct fan *dirty;
    struct fan *dirty_last;
    struct buf scratch; /* one rendered frame */
    bool settling;
    struct trace_item *tracing; /* notes of the item that is delivered now */

    struct queue matched; /* topics */
    size_t pattern_fans;
    uint64_t groups_made;

    size_t wanted_len;
    struct queue windows; /* struct resume */
    struct queue rings;   /* struct resume */
    uint64_t rings_len;   /* bytes */
    uint64_t page_floor;  /* newest page of an ended life */

    struct queue recalls;    /* struct recall */
    struct lookup asked;     /* the same, by number */
    uint64_t recalls_made;   /* gives numbers */
    uint64_t recalls_len;    /* bytes */
    uint64_t recalls_due_ms; /* when to look; UINT64_MAX none */

    uint64_t gap_all_ms;  /* last discontinuity for all topics; 0 none */
    uint64_t gaps_due_ms; /* when to look for gap_due; UINT64_MAX none */
    uint32_t gap_epoch;
};

static inline struct cache *group_cache(const struct group *group)
{
    return group->pattern == NULL ? group->exact.topic->cache
                                  : group->pattern->cache;
}

static inline struct bytes cache_name(const struct cache *cache)
{
    return bytes_of(cache->name, cache->len);
}

static inline struct bytes topic_name(const struct topic *topic)
{
    return bytes_of(topic->name, topic->len);
}

static inline struct bytes pattern_text(const struct pattern *pattern)
{
    return bytes_of(pattern->text, pattern->len);
}

/* --- hub_topic.c --- */

/* Finds or makes; the caller gets a reference. NULL when memory is short. */
struct cache *cache_get(struct hub *hub, struct bytes name);
struct cache *cache_find(const struct hub *hub, struct bytes name);
void cache_unref(struct hub *hub, struct cache *cache);

struct topic *topic_find(const struct hub *hub, uint64_t hash,
                         struct bytes cache, struct bytes name);
/* Starts a life of a topic, without a reason to live yet. Takes over the
 * caller's reference of the cache when it succeeds. */
struct topic *topic_new(struct hub *hub, struct cache *cache, uint64_t hash,
                        struct bytes name);
/* Makes it wanted. Errors: ERR_LIMIT. */
int topic_want(struct hub *hub, struct topic *topic);
/* Frees it if nothing needs it; unwants it if only patterns do. */
void topic_release(struct hub *hub, struct topic *topic);
/* hub_free() only. */
void topic_free(struct hub *hub, struct topic *topic);

/* --- hub_group.c --- */

/* Find or make. NULL when memory is short. */
struct group *group_of_topic(struct hub *hub, struct topic *topic,
                             const struct variant *variant);
struct group *group_of_pattern(struct hub *hub, struct pattern *pattern,
                               const struct variant *variant);
/* Frees it with its fans if it has no members. */
void group_release(struct hub *hub, struct group *group);

/* Errors: ERR_NOMEM. */
int group_add(struct group *group, struct sub *sub);
void group_remove(struct group *group, struct sub *sub);
/* Takes a member out for a while, and in again. Errors: as group_add(). */
void group_hold(struct sub *sub);
int group_unhold(struct sub *sub);

/* --- hub_fan.c --- */

/* Hangs a fan between topic and group: the one in an exact group, else a new
 * one. NULL when memory is short. */
struct fan *fan_new(struct hub *hub, struct topic *topic, struct group *group);
void fan_free(struct hub *hub, struct fan *fan);

/* Renders the item for the fan's group. Returns to how many subscriptions it
 * goes. Short memory: the group's discontinuity is due. */
uint64_t fan_append(struct hub *hub, struct fan *fan, const struct item *item);
void fan_settle(struct hub *hub, struct fan *fan);

/* Notes, if the item is traced, that subscriptions do not get it. */
static inline void fan_trace_drop(const struct hub *hub, const struct fan *fan,
                                  uint64_t subs, enum traced_why why)
{
    if (hub->tracing != NULL) {
        trace_drop(hub->tracing, fan->group->variant.door->name, subs, why);
    }
}

/* Frames what hub->scratch holds as the variant's carrier needs, in a new chunk
 * of its own with one reference. NULL when memory is short. */
struct chunk *fan_wrap(struct hub *hub, const struct variant *variant);

/* --- hub_pattern.c --- */

/* Finds or makes it, wanted in the cluster. Errors: ERR_NOMEM, ERR_LIMIT. */
int pattern_get(struct hub *hub, const struct hub_want *want,
                struct pattern **out);
struct pattern *pattern_find(const struct hub *hub, uint64_t hash,
                             struct bytes cache, struct bytes text,
                             enum topic_dialect dialect);
uint64_t pattern_hash(const struct hub *hub, uint64_t cache_hash,
                      struct bytes text, enum topic_dialect dialect);
/* Frees it if it has no groups. */
void pattern_release(struct hub *hub, struct pattern *pattern);

/* The topic of an item that has no entry yet, if patterns of its cache may
 * match it; NULL when nobody can want it or memory is short. */
struct topic *pattern_topic(struct hub *hub, const struct item *item);
/* Adds the fans of the pattern groups that are newer than the topic's memory.
 * Short memory: the patterns' discontinuity is due. */
void pattern_match(struct hub *hub, struct topic *topic);
/* Forgets what was matched: the fans of patterns go, the topic may too. */
void pattern_forget(struct hub *hub, struct topic *topic);

/* --- hub_resume.c --- */

/* A subscription of a resumable door comes and goes. Errors: ERR_NOMEM. */
int resume_join(struct hub *hub, struct topic *topic);
void resume_leave(struct hub *hub, struct topic *topic);
/* Keeps the item, whose sequence is topic->seq. */
void resume_keep(struct hub *hub, struct topic *topic, const struct item *item);
/* What was kept so far must not look like continuity. */
void resume_cut(struct hub *hub, struct topic *topic);
/* Ends the window: forgets. The topic may go. */
void resume_end(struct hub *hub, struct resume *resume);
enum hub_outcome resume_outcome(const struct topic *topic,
                                const struct hub_want *want);
/* The page of a life that starts now. */
uint64_t resume_page(const struct hub *hub);

/* Renders one item for this subscription alone. false: memory is short. */
bool resume_give(struct hub *hub, struct sub *sub, const struct item *item,
                 uint64_t page, uint64_t seq);

/* --- hub_recall.c --- */

/* Asks another node for what the new subscription missed and holds it until
 * then. false: there is nobody to ask. */
bool recall_begin(struct hub *hub, struct sub *sub,
                  const struct hub_want *want);
/* The subscription goes. */
void recall_drop(struct hub *hub, struct recall *recall);
/* Ends in a discontinuity. */
void recall_lost(struct hub *hub, struct recall *recall);
/* Keeps an own item for all that wait. */
void recall_keep(struct hub *hub, struct topic *topic, const struct item *item);
/* Own items were lost: ends all of the topic. */
void recall_cut(struct hub *hub, struct topic *topic);
/* Asks again, gives up. Returns when to call again. */
uint64_t recall_expire(struct hub *hub, uint64_t now_ms);

/* --- hub_gap.c --- */

/* Before anything else happens on the topic: tells what is due. */
void gap_catch_up(struct hub *hub, struct topic *topic);
/* Something was lost for all members of the group. */
void gap_lost(struct hub *hub, struct group *group);
/* Before the pattern delivers: tells all its members. */
void gap_tell_pattern(struct hub *hub, struct pattern *pattern);
/* Marks one subscription of a slow client. */
void gap_mark(struct sub *sub, uint64_t seq);
/* Tells one subscription. */
void gap_tell_sub(struct hub *hub, struct sub *sub, uint64_t last,
                  uint64_t next);
/* Tells the discontinuities that are due. */
void gap_expire(struct hub *hub, uint64_t now_ms);

/* --- hub.c --- */

/* Key of hub->subs: client and name. */
uint64_t sub_hash(uint64_t client_id, uint64_t name_hash);
/* The next subscription of the client in that group from *at; start with
 * *at = SIZE_MAX. NULL at the end. */
struct sub *sub_in_group(const struct hub *hub, uint64_t client_id,
                         const struct group *group, size_t *at);

static inline bool topic_has_news(const struct hub *hub,
                                  const struct topic *topic)
{
    return topic->gap_due || topic->gap_epoch != hub->gap_epoch;
}

#endif
