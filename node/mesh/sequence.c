/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/sequence.h"

#include "proto/err.h"

int sequence_take(struct sequence *sequence, uint64_t epoch, uint64_t from,
                  uint64_t number)
{
    struct sequence before = *sequence;

    if (epoch == 0 || from == 0 || number < from) {
        return ERR_SYNTAX;
    }
    if (epoch < before.epoch || number <= before.newest) {
        return ERR_STALE;
    }
    *sequence = (struct sequence){.epoch = epoch, .newest = number};
    return before.epoch == 0 || from <= before.newest + 1 ? SEQUENCE_NEXT
                                                          : SEQUENCE_HOLE;
}
