/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/nearest.h"

#include <string.h>

enum {
    WORD_MAX = 48
};

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein distance by one row. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[WORD_MAX + 1];

    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            row[j] = min3(above + 1, row[j - 1] + 1, change);
            diagonal = above;
        }
    }
    return row[b_len];
}

size_t nearest_limit(const char *word)
{
    return strlen(word) / 2 + 2;
}

bool nearest_step(const char *word, const char *name, size_t *limit)
{
    size_t word_len = strlen(word);
    size_t name_len = strlen(name);

    if (word_len == 0 || word_len > WORD_MAX || name_len > WORD_MAX) {
        return false;
    }
    size_t d = distance(word, word_len, name, name_len);
    if (strncmp(name, word, word_len) == 0) {
        d = 1; /* the beginning of a name is what people type */
    }
    if (d >= *limit) {
        return false;
    }
    *limit = d;
    return true;
}

const char *nearest(const char *word, const char *(*next)(size_t i))
{
    size_t limit = nearest_limit(word);
    const char *best = NULL;

    for (size_t i = 0; next(i) != NULL; i++) {
        if (nearest_step(word, next(i), &limit)) {
            best = next(i);
        }
    }
    return best;
}
