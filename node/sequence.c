/* SPDX-License-Identifier: Apache-2.0 */
#include "node/sequence.h"

#include "proto/err.h"

int sequence_take(struct sequence *sequence, uint64_t epoch, uint64_t number)
{
    struct sequence before = *sequence;

    if (epoch == 0 || number == 0) {
        return ERR_SYNTAX;
    }
    if (epoch < before.epoch ||
        (epoch == before.epoch && number <= before.newest)) {
        return ERR_STALE;
    }
    *sequence = (struct sequence){.epoch = epoch, .newest = number};
    if (before.epoch == 0 ||
        (epoch == before.epoch && number == before.newest + 1)) {
        return SEQUENCE_NEXT;
    }
    return SEQUENCE_HOLE;
}
