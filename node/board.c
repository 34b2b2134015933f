/* SPDX-License-Identifier: Apache-2.0 */
#include "node/board.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct seat {
    void (*wake)(void *data); /* NULL: not there, or not any more */
    void *data;
    bool waits; /* for others to show */
    bool drained;
    uint64_t shown;
    struct view view;
};

struct board {
    pthread_mutex_t lock; /* all below but len */
    uint64_t asked;
    size_t len;
    struct seat seats[];
};

static void lock(struct board *board);
static void unlock(struct board *board);
static bool is_due(const struct board *board, size_t worker, uint64_t number);

struct board *board_new(size_t len)
{
    struct board *board = calloc(1, sizeof *board + len * sizeof *board->seats);

    if (board == NULL) {
        return NULL;
    }
    board->len = len;
    if (pthread_mutex_init(&board->lock, NULL) != 0) {
        free(board);
        return NULL;
    }
    return board;
}

void board_free(struct board *board)
{
    if (board != NULL) {
        pthread_mutex_destroy(&board->lock);
        free(board);
    }
}

size_t board_len(const struct board *board)
{
    return board->len;
}

static void lock(struct board *board)
{
    int rc = pthread_mutex_lock(&board->lock);
    assert(rc == 0);
}

static void unlock(struct board *board)
{
    int rc = pthread_mutex_unlock(&board->lock);
    assert(rc == 0);
}

/* --- a worker comes and goes --- */

void board_say(struct board *board, size_t worker, const struct view *view)
{
    lock(board);
    board->seats[worker].view = *view;
    unlock(board);
}

void board_join(struct board *board, size_t worker, void (*wake)(void *data),
                void *data)
{
    struct seat *seat = &board->seats[worker];

    assert(worker < board->len);
    lock(board);
    seat->wake = wake;
    seat->data = data;
    seat->shown = board->asked;
    unlock(board);
}

void board_drain(struct board *board, size_t worker)
{
    lock(board);
    board->seats[worker].drained = true;
    unlock(board);
}

bool board_is_drained(struct board *board)
{
    bool drained = true;

    if (board == NULL) {
        return true;
    }
    lock(board);
    for (size_t i = 0; i < board->len; i++) {
        const struct seat *seat = &board->seats[i];
        drained = drained && (seat->wake == NULL || seat->drained);
    }
    unlock(board);
    return drained;
}

void board_leave(struct board *board, size_t worker)
{
    struct seat *seat = &board->seats[worker];

    lock(board);
    seat->wake = NULL;
    seat->waits = false;
    unlock(board);
}

/* --- asking and showing --- */

uint64_t board_ask(struct board *board, size_t worker)
{
    lock(board);
    uint64_t number = ++board->asked;
    board->seats[worker].waits = true;
    for (size_t i = 0; i < board->len; i++) {
        if (i != worker && board->seats[i].wake != NULL) {
            board->seats[i].wake(board->seats[i].data);
        }
    }
    unlock(board);
    return number;
}

void board_rest(struct board *board, size_t worker)
{
    lock(board);
    board->seats[worker].waits = false;
    unlock(board);
}

uint64_t board_wanted(struct board *board, size_t worker)
{
    lock(board);
    uint64_t number = is_due(board, worker, board->asked) ? board->asked : 0;
    unlock(board);
    return number;
}

void board_show(struct board *board, size_t worker, uint64_t number,
                const struct view *view)
{
    lock(board);
    board->seats[worker].view = *view;
    board->seats[worker].shown = number;
    for (size_t i = 0; i < board->len; i++) {
        struct seat *seat = &board->seats[i];
        if (i != worker && seat->wake != NULL && seat->waits) {
            seat->wake(seat->data);
        }
    }
    unlock(board);
}

bool board_has_shown(struct board *board, size_t worker, uint64_t number)
{
    bool due = false;

    lock(board);
    for (size_t i = 0; i < board->len && !due; i++) {
        due = i != worker && is_due(board, i, number);
    }
    unlock(board);
    return !due;
}

void board_read(struct board *board, size_t worker, uint64_t number,
                struct view *view)
{
    const struct seat *seat = &board->seats[worker];

    lock(board);
    *view = seat->view;
    view->silent = is_due(board, worker, number);
    unlock(board);
}

/* Whether the answer of `worker` to this ask is still to come. */
static bool is_due(const struct board *board, size_t worker, uint64_t number)
{
    const struct seat *seat = &board->seats[worker];

    return seat->wake != NULL && seat->shown < number;
}
