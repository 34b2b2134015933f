/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/judge.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/cli/cli.h"

void judge_ranges_fini(struct judge_ranges *ranges)
{
    free(ranges->p);
    *ranges = (struct judge_ranges){0};
}

void judge_ranges_add(struct judge_ranges *ranges, uint64_t from, uint64_t to,
                      bool told)
{
    struct judge_range *last = ranges->len > 0 ? &ranges->p[ranges->len - 1]
                                               : NULL;

    assert(from <= to);
    if (last != NULL && last->to + 1 == from && last->told == told) {
        last->to = to;
        return;
    }
    if (ranges->len == ranges->cap) {
        size_t cap = ranges->cap == 0 ? 16 : 2 * ranges->cap;
        struct judge_range *p = realloc(ranges->p, cap * sizeof *p);
        if (p == NULL) {
            fputs("starling: out of memory\n", stderr);
            exit(CLI_INTERNAL);
        }
        ranges->p = p;
        ranges->cap = cap;
    }
    ranges->p[ranges->len++] = (struct judge_range){from, to, told};
}

void judge_fini(struct judge *judge)
{
    judge_ranges_fini(&judge->holes);
}

void judge_value(struct judge *judge, uint64_t number)
{
    if (number == judge->last) {
        judge->duplicate++;
        return;
    }
    if (number < judge->last) {
        judge->disordered++;
        return;
    }
    if (number > judge->last + 1) {
        judge_ranges_add(&judge->holes, judge->last + 1, number - 1,
                         judge->told);
    }
    judge->last = number;
    judge->delivered++;
    judge->told = false;
}

void judge_told(struct judge *judge)
{
    judge->told = true;
}

/* Numbers of the range that are not excused. Excuses are in order. */
static uint64_t not_excused(const struct judge_range *hole,
                            const struct judge_ranges *excused)
{
    uint64_t count = hole->to - hole->from + 1;

    for (size_t i = 0; i < excused->len; i++) {
        const struct judge_range *e = &excused->p[i];
        uint64_t from = e->from > hole->from ? e->from : hole->from;
        uint64_t to = e->to < hole->to ? e->to : hole->to;
        count -= from <= to ? to - from + 1 : 0;
    }
    return count;
}

bool judge_waits(const struct judge *judge, uint64_t sent,
                 const struct judge_ranges *excused)
{
    const struct judge_range end = {.from = judge->last + 1, .to = sent};

    return sent > judge->last && !judge->told && not_excused(&end, excused) > 0;
}

void judge_end(struct judge *judge, uint64_t sent,
               const struct judge_ranges *excused, uint64_t *told,
               uint64_t *untold)
{
    if (sent > judge->last) {
        judge_ranges_add(&judge->holes, judge->last + 1, sent, judge->told);
    }
    for (size_t i = 0; i < judge->holes.len; i++) {
        const struct judge_range *hole = &judge->holes.p[i];
        *(hole->told ? told : untold) += not_excused(hole, excused);
    }
}
