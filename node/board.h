/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the workers of a process show what they say of themselves: the only
 * memory that several loops touch. Nothing of the path of an item comes here.
 *
 *   a request on worker 1: board_ask()  --wake--> all others
 *   worker 2, on its loop: board_show() --wake--> whoever waits
 *   worker 1:              board_has_shown(): board_read(), answer
 *
 * Views are asked for, not kept up to date: an answer is not older than its
 * request, a worker that nobody asks does nothing, and one whose loop is held
 * up is seen to be. Each ask has a number; whoever shows answers all asks up to
 * it.
 *
 * Every function may be called on any thread.
 */
#ifndef NODE_BOARD_H
#define NODE_BOARD_H

#include "node/watch/view.h"

struct board;

/* For `len` workers. NULL: memory is short. */
struct board *board_new(size_t len);
/* After all loops have ended. NULL is fine. */
void board_free(struct board *board);
size_t board_len(const struct board *board);

/* What `worker` says while it is not asked: before it joins, after it left. */
void board_say(struct board *board, size_t worker, const struct view *view);
/* From now on `worker` is asked: wake() is called on the thread of whoever asks
 * or shows, with the board locked, so it may do no more than wake a loop. */
void board_join(struct board *board, size_t worker, void (*wake)(void *data),
                void *data);
/* `worker` has joined, and has no clients any more. */
void board_drain(struct board *board, size_t worker);
/* Whether that is true of all that have joined. NULL is alone: true. */
bool board_is_drained(struct board *board);
/* It is not asked or woken any more. */
void board_leave(struct board *board, size_t worker);

/* Asks all others; returns the number of the ask. */
uint64_t board_ask(struct board *board, size_t worker);
/* `worker` waits for nothing any more: it is not woken when others show. */
void board_rest(struct board *board, size_t worker);

/* The last ask that `worker` has not answered, 0 when there is none. */
uint64_t board_wanted(struct board *board, size_t worker);
/* Answers all up to `number` with a view that was taken after
 * board_wanted() said so. */
void board_show(struct board *board, size_t worker, uint64_t number,
                const struct view *view);

/* Whether all but `worker` have answered this ask. */
bool board_has_shown(struct board *board, size_t worker, uint64_t number);
/* Copies what a worker showed last; `silent` if that is from before `number`.
 */
void board_read(struct board *board, size_t worker, uint64_t number,
                struct view *view);

#endif
