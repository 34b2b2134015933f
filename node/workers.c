/* SPDX-License-Identifier: Apache-2.0 */
#include "node/workers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "node/board.h"
#include "node/node.h"
#include "node/ports.h"
#include "node/worker.h"

enum {
    EXIT_INTERNAL = 70,
};

enum state {
    PREPARED,
    RUNNING, /* the first on the main thread, the others on their own */
    DROPPED, /* could not start: its node is gone */
};

struct worker {
    struct node node;
    uv_loop_t loop;
    uv_thread_t thread;
    enum state state;
};

struct workers {
    size_t len; /* with an open loop */
    struct worker *all;
    struct node *nodes[CONFIG_WORKERS_MAX];
    struct board *board;
    struct reload *reload; /* of the process */
    struct notify *notify;
    uv_prepare_t watch; /* waits on its loop for the first to be ready */
    int exit_code;      /* the first that is not 0 */
};

static void prepare(struct workers *workers, const struct config *config);
static void prepare_one(struct workers *workers, const struct config *config,
                        unsigned index);
static void run(struct workers *workers);
static void on_turn(uv_prepare_t *watch);
static int start_other(struct workers *workers, struct worker *worker);
static void run_thread(void *data);
static void finish(struct workers *workers);
static void finish_one(struct worker *worker);

int workers_run(const struct config *config, struct reload *reload,
                struct notify *notify)
{
    struct workers workers = {
        .reload = reload,
        .notify = notify,
        .all = calloc(config->workers, sizeof *workers.all),
        .board = board_new(config->workers),
    };

    if (workers.all == NULL || workers.board == NULL) {
        workers.exit_code = EXIT_INTERNAL;
    } else {
        prepare(&workers, config);
    }
    if (workers.exit_code == 0) {
        run(&workers);
    }
    finish(&workers);
    board_free(workers.board);
    free(workers.all);
    return workers.exit_code;
}

static void prepare(struct workers *workers, const struct config *config)
{
    while (workers->exit_code == 0 && workers->len < config->workers) {
        prepare_one(workers, config, (unsigned)workers->len);
    }
    if (workers->exit_code == 0 &&
        ports_bind(workers->nodes, workers->len) != 0) {
        workers->exit_code = workers->nodes[0]->exit_code;
    }
}

static void prepare_one(struct workers *workers, const struct config *config,
                        unsigned index)
{
    struct worker *worker = &workers->all[index];
    struct node *node = &worker->node;
    struct config own;
    struct view view;

    worker_config(config, index, &own);
    if (uv_loop_init(&worker->loop) != 0) {
        workers->exit_code = EXIT_INTERNAL;
        return;
    }
    workers->nodes[workers->len++] = node;
    if (node_prepare(node, &worker->loop, &own, workers->board) != 0) {
        worker->state = DROPPED;
        workers->exit_code = node->exit_code;
        return;
    }
    node_serve(node, workers->reload, workers->notify);
    node->host = node_id_u64(&workers->nodes[0]->id);
    view_of(&node->core, &view);
    board_say(workers->board, index, &view);
}

/* The first, and when it is ready the others. */
static void run(struct workers *workers)
{
    struct worker *first = &workers->all[0];

    if (node_start(&first->node) != 0) {
        first->state = DROPPED;
        workers->exit_code = first->node.exit_code;
        return;
    }
    first->state = RUNNING;
    uv_prepare_init(&first->loop, &workers->watch);
    workers->watch.data = workers;
    uv_prepare_start(&workers->watch, on_turn);
    uv_unref((uv_handle_t *)&workers->watch);
    uv_run(&first->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&workers->watch, NULL);
    uv_run(&first->loop, UV_RUN_DEFAULT);
}

static void on_turn(uv_prepare_t *watch)
{
    struct workers *workers = watch->data;
    const struct node *first = workers->nodes[0];

    if (first->core.ready || first->stopping) {
        uv_prepare_stop(watch);
    }
    for (size_t i = 1; first->core.ready && !first->stopping &&
                       workers->exit_code == 0 && i < workers->len;
         i++) {
        workers->exit_code = start_other(workers, &workers->all[i]);
    }
    if (workers->exit_code != 0) {
        raise(SIGTERM); /* to all that run */
    }
}

static int start_other(struct workers *workers, struct worker *worker)
{
    struct node *node = &worker->node;

    worker_join(&node->config, &workers->nodes[0]->cluster_addr);
    if (node_start(node) != 0) {
        worker->state = DROPPED;
        return node->exit_code;
    }
    worker->state = RUNNING;
    if (uv_thread_create(&worker->thread, run_thread, worker) == 0) {
        return 0;
    }
    node_stop(node);
    node_stop(node);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    node_fini(node);
    worker->state = DROPPED;
    return EXIT_INTERNAL;
}

static void run_thread(void *data)
{
    struct worker *worker = data;
    char name[16];

    snprintf(name, sizeof name, "worker-%u", worker->node.config.worker + 1);
    (void)prctl(PR_SET_NAME, name);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
}

static void finish(struct workers *workers)
{
    for (size_t i = 0; i < workers->len; i++) {
        struct worker *worker = &workers->all[i];
        if (worker->state == RUNNING && i > 0) {
            uv_thread_join(&worker->thread);
        }
        if (worker->state == RUNNING && workers->exit_code == 0) {
            workers->exit_code = worker->node.exit_code;
        }
        finish_one(worker);
    }
}

static void finish_one(struct worker *worker)
{
    switch (worker->state) {
    case RUNNING:
        node_fini(&worker->node);
        break;
    case PREPARED:
        ports_unbind(&worker->node);
        node_drop(&worker->node);
        break;
    case DROPPED:
        break;
    }
    uv_loop_close(&worker->loop);
}
