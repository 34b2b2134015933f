/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a cache went through a node, and the bodies of the call
 * (node/mesh/calls.h, CALL_USAGE) by which a node asks the others.
 *
 *   in       an item that a client of this node published, and that was taken
 *   out      an item put into the output of one subscription of this node: the
 *            same item counts for each of them. What a reader was too slow for
 *            counts if it was put there before it was dropped; what came while
 *            the reader was known to be slow was not, and does not.
 *   bytes    of the value alone, whatever a door makes of it
 *   operations  1 for each KB (1024 bytes) begun of a value; an empty one is 1
 *   refused  what clients asked for beyond the cache's quota: items and
 *            subscriptions
 *
 * So an item from a peer is never `in` here: it was there. The sum of all `in`
 * of a cluster is what was published in it, of all `out` what was delivered.
 *
 *   question   msgpack array: from, most
 *   answer     msgpack array: since_ms, region, rows_all, rows: array of rows
 *   row        array: cache, in and out (3 numbers each), refused
 *
 * A node's rows have a fixed order: those from `from` on, at most `most` of
 * them, are asked for, again and again while rows_all is more. The row of what
 * is counted without a name has the empty name. What a newer node adds behind
 * is passed over. Reading borrows.
 */
#ifndef PROTO_USAGE_H
#define PROTO_USAGE_H

#include "proto/mp.h"

enum {
    USAGE_KB = 1024,
    USAGE_ROW_LEN_MAX = 132, /* encoded */
    USAGE_HEAD_LEN_MAX = 96, /* of an answer */
};

struct usage_count {
    uint64_t items;
    uint64_t bytes;
    uint64_t operations;
};

struct usage {
    struct usage_count in;
    struct usage_count out;
    uint64_t refused;
};

static inline uint64_t usage_operations(uint64_t len)
{
    return len == 0 ? 1 : (len + USAGE_KB - 1) / USAGE_KB;
}

/* Counts what `one` says `times` times. */
static inline void usage_count(struct usage_count *count,
                               const struct usage_count *one, uint64_t times)
{
    count->items += one->items * times;
    count->bytes += one->bytes * times;
    count->operations += one->operations * times;
}

void usage_add(struct usage *sum, const struct usage *one);

struct usage_question {
    uint64_t from;
    uint64_t most; /* rows, at least 1 */
};

void usage_question_write(const struct usage_question *question,
                          struct buf *out);
/* Errors: ERR_SYNTAX. */
int usage_question_read(struct bytes in, struct usage_question *question);

struct usage_answer {
    uint64_t since_ms; /* wall clock: counted since */
    struct bytes region;
    uint64_t rows_all; /* of that node */
    uint32_t rows_len; /* that follow */
    struct mp rows;    /* usage_row_read() takes one */
};

/* rows_len rows follow, each by usage_row_write(). */
void usage_answer_write(const struct usage_answer *answer, struct buf *out);
void usage_row_write(struct bytes cache, const struct usage *usage,
                     struct buf *out);

/* Errors: ERR_SYNTAX: not an answer, or not whole. */
int usage_answer_read(struct bytes in, struct usage_answer *answer);
/* The next row; false when there are no more. */
bool usage_row_read(struct usage_answer *answer, struct bytes *cache,
                    struct usage *usage);

#endif
