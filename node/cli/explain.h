/* SPDX-License-Identifier: Apache-2.0
 *
 * What an error means to who meets it: beside the one table of errors
 * (proto/err.h), what it comes from and what to do about it.
 */
#ifndef NODE_CLI_EXPLAIN_H
#define NODE_CLI_EXPLAIN_H

enum explain_retry {
    EXPLAIN_NEVER,     /* the same again is refused again */
    EXPLAIN_LATER,     /* after a pause that grows, with jitter */
    EXPLAIN_ELSEWHERE, /* at once, at another node */
};

struct explanation {
    enum explain_retry retry;
    const char *means; /* NULL: the table forgot it */
    const char *todo;
};

/* By index of the table of errors. */
const struct explanation *explain_at(int index);

#endif
