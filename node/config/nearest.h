/* SPDX-License-Identifier: Apache-2.0
 *
 * "Did you mean": the name of a list that is closest to a mistyped one.
 */
#ifndef NODE_NEAREST_H
#define NODE_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/* The candidate with the smallest edit distance to `word` (or that starts with
 * it), NULL when none is close enough to be meant. `next` gives the i-th
 * candidate, NULL past the end. */
const char *nearest(const char *word, const char *(*next)(size_t i));

/* The same one candidate at a time: whether `name` is closer to `word` than
 * *limit, which is nearest_limit() at first and is lowered then. */
size_t nearest_limit(const char *word);
bool nearest_step(const char *word, const char *name, size_t *limit);

#endif
