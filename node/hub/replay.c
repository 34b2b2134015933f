/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/replay.h"

#include <assert.h>
#include <stdlib.h>

enum {
    SENDERS_MIN = 16
};

static_assert((REPLAY_SETS & (REPLAY_SETS - 1)) == 0, "found by mask");
static_assert(REPLAY_SETS * REPLAY_WAYS < UINT16_MAX, "a place and one");

static struct replay_sender *sender_new(struct replay *replay, uint16_t *set,
                                        const uint8_t life[REPLAY_LIFE_LEN]);

static size_t set_of(const uint8_t life[REPLAY_LIFE_LEN])
{
    return (size_t)(bytes_u64be(life) & (REPLAY_SETS - 1));
}

/* NULL: it was never heard, or is forgotten. */
static struct replay_sender *find(const struct replay *replay,
                                  const uint8_t life[REPLAY_LIFE_LEN])
{
    const uint16_t *set = replay->places[set_of(life)];

    for (size_t way = 0; way < REPLAY_WAYS && set[way] != 0; way++) {
        struct replay_sender *sender = &replay->senders[set[way] - 1];
        if (memcmp(sender->life, life, REPLAY_LIFE_LEN) == 0) {
            return sender;
        }
    }
    return NULL;
}

void replay_fini(struct replay *replay)
{
    free(replay->senders);
    *replay = (struct replay){0};
}

bool replay_accept(struct replay *replay, const uint8_t life[REPLAY_LIFE_LEN],
                   uint64_t counter)
{
    struct replay_sender *sender = find(replay, life);

    if (sender == NULL) {
        sender = sender_new(replay, replay->places[set_of(life)], life);
    }
    if (sender == NULL) {
        return false;
    }
    sender->used = ++replay->packets;
    return seal_window_accept(&sender->window, counter);
}

bool replay_has(const struct replay *replay,
                const uint8_t life[REPLAY_LIFE_LEN], uint64_t counter)
{
    const struct replay_sender *sender = find(replay, life);

    return sender != NULL && seal_window_has(&sender->window, counter);
}

/* false: no memory. */
static bool make_room(struct replay *replay)
{
    if (replay->len < replay->cap) {
        return true;
    }
    size_t cap = replay->cap == 0 ? SENDERS_MIN : 2 * replay->cap;
    struct replay_sender *more = realloc(replay->senders, cap * sizeof *more);
    if (more == NULL) {
        return false;
    }
    replay->senders = more;
    replay->cap = cap;
    return true;
}

/* In a free way of its set, or in place of the quietest there. */
static struct replay_sender *sender_new(struct replay *replay, uint16_t *set,
                                        const uint8_t life[REPLAY_LIFE_LEN])
{
    struct replay_sender *sender = NULL;

    for (size_t way = 0; way < REPLAY_WAYS; way++) {
        if (set[way] == 0) {
            if (!make_room(replay)) {
                return NULL;
            }
            set[way] = (uint16_t)++replay->len;
            sender = &replay->senders[set[way] - 1];
            break;
        }
        struct replay_sender *other = &replay->senders[set[way] - 1];
        if (sender == NULL || other->used < sender->used) {
            sender = other;
        }
    }
    *sender = (struct replay_sender){0};
    memcpy(sender->life, life, REPLAY_LIFE_LEN);
    return sender;
}
