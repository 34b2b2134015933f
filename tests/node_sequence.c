/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/sequence.h"
#include "proto/err.h"

static void holes_are_told_and_the_old_is_refused(void **state)
{
    static const struct {
        uint64_t epoch;
        uint64_t number;
        int want;
    } steps[] = {
        {0, 1, ERR_SYNTAX},         {4, 0, ERR_SYNTAX},
        {4, 17, SEQUENCE_NEXT}, /* the first may be any */
        {4, 18, SEQUENCE_NEXT},     {4, 18, ERR_STALE},
        {4, 17, ERR_STALE},         {4, 20, SEQUENCE_HOLE},
        {4, 19, ERR_STALE},         {4, 21, SEQUENCE_NEXT},
        {3, 22, ERR_STALE},         {5, 1, SEQUENCE_HOLE}, /* the tail of 4 */
        {4, 22, ERR_STALE},         {5, 2, SEQUENCE_NEXT},
        {9, 3, SEQUENCE_HOLE},      {9, UINT64_MAX, SEQUENCE_HOLE},
        {9, UINT64_MAX, ERR_STALE}, {UINT64_MAX, 1, SEQUENCE_HOLE},
    };
    struct sequence sequence = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        int got = sequence_take(&sequence, steps[i].epoch, steps[i].number);
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
