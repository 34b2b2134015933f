/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is subscribed to what in a cache: the bodies of a call
 * (node/mesh/calls.h, CALL_PUBSUB) by which a node asks the others.
 *
 *   question   msgpack array: what, cache, names...
 *   answer     CENSUS_TOPICS     the names of topics, one after another
 *              CENSUS_COUNTS     a number for each name of the question
 *              CENSUS_PATTERNS   a keyed hash of each pattern
 *
 * Answers of one question are added up by the asker: union, sum, union. Reading
 * borrows; what a peer sends wrong is ERR_SYNTAX or the end of the answer.
 */
#ifndef PROTO_CENSUS_H
#define PROTO_CENSUS_H

#include "proto/mp.h"

enum census_what {
    CENSUS_TOPICS = 1,   /* with exact subscribers; one name: a glob */
    CENSUS_COUNTS = 2,   /* exact subscribers of each name */
    CENSUS_PATTERNS = 3, /* without names */
};

struct census {
    enum census_what what;
    struct bytes cache;
    uint32_t names_len;
    struct mp names; /* of the names; census_name() takes one */
};

/* So many names follow, each by mp_put_bin(). */
void census_write(enum census_what what, struct bytes cache, uint32_t names_len,
                  struct buf *out);
/* Errors: ERR_SYNTAX: not a question, or not whole. */
int census_read(struct bytes question, struct census *census);

/* The next name of a question; false when there are no more. */
bool census_name(struct census *census, struct bytes *name);

/* The next entry of an answer; false at its end, or where it is wrong. */
bool census_next_topic(struct mp *answer, struct bytes *topic);
bool census_next_number(struct mp *answer, uint64_t *number);

#endif
