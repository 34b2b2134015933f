/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/cut.h"

#include <assert.h>
#include <stdlib.h>

enum {
    SET_LEN = 8, /* marks that share a place; a power of two, as are all */
    SETS = CUTS_MAX / SET_LEN,
};

static_assert(CUTS_MAX % SET_LEN == 0 && (SETS & (SETS - 1)) == 0,
              "a set is chosen by bits of the key");

void cuts_fini(struct cuts *cuts)
{
    free(cuts->marks);
    *cuts = (struct cuts){0};
}

static struct cut *set_of(const struct cuts *cuts, uint64_t key)
{
    return cuts->marks + (key & (SETS - 1)) * SET_LEN;
}

void cuts_leave(struct cuts *cuts, uint64_t key, uint64_t page, uint64_t seq,
                uint64_t now_ms)
{
    assert(key != 0);
    if (cuts->marks == NULL) {
        cuts->marks = calloc(CUTS_MAX, sizeof *cuts->marks);
    }
    if (cuts->marks == NULL) {
        return;
    }
    struct cut *set = set_of(cuts, key);
    struct cut *to = set;
    for (struct cut *mark = set; mark < set + SET_LEN; mark++) {
        if (mark->key == key) {
            to = mark;
            break;
        }
        to = mark->at_ms < to->at_ms ? mark : to; /* of an empty one it is 0 */
    }
    *to = (struct cut){.key = key, .page = page, .seq = seq, .at_ms = now_ms};
}

bool cuts_find(const struct cuts *cuts, uint64_t key, uint64_t now_ms,
               struct cut *out)
{
    if (cuts->marks == NULL) {
        return false;
    }
    const struct cut *set = set_of(cuts, key);
    for (const struct cut *mark = set; mark < set + SET_LEN; mark++) {
        if (mark->key == key && now_ms - mark->at_ms <= CUT_FOR_MS) {
            *out = *mark;
            return true;
        }
    }
    return false;
}
