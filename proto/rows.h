/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: lines of one table of which every node has a part; the bodies of the
 * calls by which a node asks the others for theirs (node/watch/gather.h).
 *
 *   question   msgpack array: rows_max, len_max, place, what (binary)
 *   answer     msgpack array: more, place; then rows, one after another
 *   row        msgpack array: key, id, text
 *   place      msgpack array: key, node, id
 *
 * All rows of all nodes have one order, that of their places: first by key,
 * then by node, then by id. A question asks for those after a place; an answer
 * has them in order. `more`: it does not have all, but all up to its place,
 * which no later row is before. So whoever merges the answers knows how far the
 * whole is complete, however short each had to be, and a page begins where the
 * last one ended, whatever came and went meanwhile.
 *
 * Text is what the asker shows: a JSON object, or what the kind says. Reading
 * borrows. What a newer node adds behind is passed over.
 */
#ifndef PROTO_ROWS_H
#define PROTO_ROWS_H

#include "proto/mp.h"

enum {
    ROWS_MAX = 1000,           /* of a question */
    ROWS_WHAT_LEN_MAX = 1024,  /* what the kind asks */
    ROWS_TEXT_LEN_MAX = 32768, /* of a row */
    ROWS_HEAD_LEN = 48,        /* of an answer, at most */
    ROWS_ROW_LEN = 24,         /* of a row beside its text, at most */
    ROWS_PLACE_TEXT_LEN = 48,
};

struct rows_place {
    uint64_t key;
    uint64_t node; /* the first 8 bytes of its id */
    uint64_t id;
};

/* No row has this place: nothing is after it, all is up to it. */
#define ROWS_END ((struct rows_place){UINT64_MAX, UINT64_MAX, UINT64_MAX})

bool rows_is_before(const struct rows_place *a, const struct rows_place *b);

/* A place as 48 hexadecimal digits, for people to give back, and read again.
 * Errors: ERR_ARGUMENT. */
void rows_place_text(const struct rows_place *place, struct buf *out);
int rows_place_read(struct bytes text, struct rows_place *place);

struct rows_question {
    uint64_t rows_max; /* 1 .. ROWS_MAX */
    uint64_t len_max;  /* of the answer */
    struct rows_place after;
    struct bytes what;
};

void rows_question_write(const struct rows_question *question, struct buf *out);
/* Errors: ERR_SYNTAX. */
int rows_question_read(struct bytes in, struct rows_question *question);

struct rows_answer {
    bool more;
    struct rows_place to; /* complete up to here; all: ROWS_END */
    struct mp rows;
};

struct row {
    uint64_t key;
    uint64_t id;
    struct bytes text;
};

/* Appends an answer's head before the rows that are already in `out`. */
void rows_answer_write(bool more, const struct rows_place *to,
                       struct bytes rows, struct buf *out);
void row_write(const struct row *row, struct buf *out);

/* An answer that is being made: rows in order, as many as are wanted and fit;
 * zero but for the question and the node. */
struct rows_page {
    struct rows_question question;
    uint64_t node; /* whose rows they are */
    uint64_t len;
    bool more; /* there are more than it has */
    struct rows_place last;
    struct buf rows;
};

void rows_page_fini(struct rows_page *page);
/* Whether the row, whose text does not count, is after where it begins. */
bool rows_page_wants(const struct rows_page *page, const struct row *row);
/* false: it is full, and the row the first that is not in it. One row fits
 * whatever its length. */
bool rows_page_add(struct rows_page *page, const struct row *row);
void rows_page_write(const struct rows_page *page, struct buf *out);

/* Errors: ERR_SYNTAX. */
int rows_answer_read(struct bytes in, struct rows_answer *answer);
/* The next row; false at the end, or where it makes no sense. */
bool row_read(struct rows_answer *answer, struct row *row);

#endif
