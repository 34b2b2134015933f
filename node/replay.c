/* SPDX-License-Identifier: Apache-2.0 */
#include "node/replay.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

static_assert((REPLAY_SETS & (REPLAY_SETS - 1)) == 0, "found by mask");

static struct replay_sender *sender_of(struct replay *replay,
                                       const uint8_t life[REPLAY_LIFE_LEN]);

static struct replay_sender *set_of(const struct replay *replay,
                                    const uint8_t life[REPLAY_LIFE_LEN])
{
    size_t set = (size_t)(bytes_u64be(life) & (REPLAY_SETS - 1));

    return &replay->senders[set * REPLAY_WAYS];
}

int replay_init(struct replay *replay)
{
    *replay = (struct replay){0};
    replay->senders = calloc(REPLAY_SETS * REPLAY_WAYS,
                             sizeof *replay->senders);
    return replay->senders == NULL ? ERR_NOMEM : 0;
}

void replay_fini(struct replay *replay)
{
    free(replay->senders);
    *replay = (struct replay){0};
}

bool replay_accept(struct replay *replay, const uint8_t life[REPLAY_LIFE_LEN],
                   uint64_t counter)
{
    struct replay_sender *sender = sender_of(replay, life);

    sender->used = ++replay->packets;
    return seal_window_accept(&sender->window, counter);
}

bool replay_has(const struct replay *replay,
                const uint8_t life[REPLAY_LIFE_LEN], uint64_t counter)
{
    const struct replay_sender *first = set_of(replay, life);

    for (const struct replay_sender *s = first; s < first + REPLAY_WAYS; s++) {
        if (s->used != 0 && memcmp(s->life, life, REPLAY_LIFE_LEN) == 0) {
            return seal_window_has(&s->window, counter);
        }
    }
    return false;
}

/* Its entry, or a fresh one in place of the quietest of its set. */
static struct replay_sender *sender_of(struct replay *replay,
                                       const uint8_t life[REPLAY_LIFE_LEN])
{
    struct replay_sender *first = set_of(replay, life);
    struct replay_sender *quietest = first;

    for (struct replay_sender *s = first; s < first + REPLAY_WAYS; s++) {
        if (s->used != 0 && memcmp(s->life, life, REPLAY_LIFE_LEN) == 0) {
            return s;
        }
        if (s->used < quietest->used) {
            quietest = s;
        }
    }
    *quietest = (struct replay_sender){0};
    memcpy(quietest->life, life, REPLAY_LIFE_LEN);
    return quietest;
}
