/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/mesh/sequence.h"
#include "proto/err.h"

static void holes_are_told_and_the_old_is_refused(void **state)
{
    static const struct {
        uint64_t epoch;
        uint64_t from;
        uint64_t number;
        int want;
    } steps[] = {
        {0, 1, 1, ERR_SYNTAX},
        {4, 0, 0, ERR_SYNTAX},
        {4, 0, 5, ERR_SYNTAX},
        {4, 6, 5, ERR_SYNTAX},
        {4, 17, 17, SEQUENCE_NEXT}, /* the first may be any */
        {4, 18, 18, SEQUENCE_NEXT},
        {4, 18, 18, ERR_STALE},
        {4, 17, 17, ERR_STALE},
        {4, 20, 20, SEQUENCE_HOLE},
        {4, 19, 19, ERR_STALE},
        {4, 21, 21, SEQUENCE_NEXT},
        {3, 22, 22, ERR_STALE}, /* another pipe, numbers go on */
        {5, 22, 22, SEQUENCE_NEXT},
        {5, 23, 25, SEQUENCE_NEXT}, /* a gap */
        {5, 25, 25, ERR_STALE},
        {5, 27, 29, SEQUENCE_HOLE},
        {5, 28, 30, SEQUENCE_NEXT}, /* stands for known ones, too */
        {6, 30, 30, ERR_STALE},     /* said again */
        {6, 32, 32, SEQUENCE_HOLE},
        {5, 33, 33, ERR_STALE},
        {6, 33, UINT64_MAX, SEQUENCE_NEXT},
        {6, UINT64_MAX, UINT64_MAX, ERR_STALE},
        {7, 1, 1, ERR_STALE},
    };
    struct sequence sequence = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int got = sequence_take(&sequence, steps[i].epoch, steps[i].from,
                                steps[i].number);
        if (got != steps[i].want) {
            fail_msg("step %zu: %d", i, got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_are_told_and_the_old_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
