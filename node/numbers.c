/* SPDX-License-Identifier: Apache-2.0 */
#include "node/numbers.h"

#include <stdlib.h>

#include "proto/err.h"

enum {
    CAP_MIN = 4
};

void numbers_fini(struct numbers *numbers)
{
    free(numbers->list);
    *numbers = (struct numbers){0};
}

void numbers_clear(struct numbers *numbers)
{
    numbers->len = 0;
}

static struct number *find(const struct numbers *numbers, uint64_t origin)
{
    for (size_t i = 0; i < numbers->len; i++) {
        if (numbers->list[i].origin == origin) {
            return &numbers->list[i];
        }
    }
    return NULL;
}

static int add(struct numbers *numbers, uint64_t origin, uint64_t count)
{
    if (numbers->len == NUMBERS_MAX) {
        return ERR_LIMIT;
    }
    if (numbers->len == numbers->cap) {
        size_t cap = numbers->cap == 0 ? CAP_MIN : numbers->cap * 2;
        struct number *list = realloc(numbers->list, cap * sizeof *list);
        if (list == NULL) {
            return ERR_NOMEM;
        }
        numbers->list = list;
        numbers->cap = cap;
    }
    numbers->list[numbers->len++] = (struct number){origin, count};
    return 0;
}

uint64_t numbers_of(const struct numbers *numbers, uint64_t origin)
{
    const struct number *number = find(numbers, origin);

    return number == NULL ? 0 : number->count;
}

int numbers_raise(struct numbers *numbers, uint64_t origin, uint64_t count)
{
    struct number *number = find(numbers, origin);

    if (number == NULL) {
        return add(numbers, origin, count);
    }
    if (count > number->count) {
        number->count = count;
    }
    return 0;
}

int numbers_first(struct numbers *numbers, uint64_t origin, uint64_t count)
{
    return find(numbers, origin) != NULL ? 0 : add(numbers, origin, count);
}
