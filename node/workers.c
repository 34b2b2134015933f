/* SPDX-License-Identifier: Apache-2.0 */
#include "node/workers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "node/node.h"
#include "node/ports.h"
#include "node/worker.h"

enum {
    EXIT_INTERNAL = 70,
};

struct worker {
    struct node node;
    uv_loop_t loop;
    uv_thread_t thread;
    bool has_thread;
};

struct workers {
    size_t len; /* with an open loop, and prepared */
    struct worker *all;
    struct node *nodes[CONFIG_WORKERS_MAX];
};

static int prepare(struct workers *workers, const struct config *config);
static int prepare_one(struct worker *worker, const struct config *config,
                       unsigned index);
static int start(struct workers *workers);
static void hurry(struct worker *worker);
static void run(struct workers *workers);
static void run_thread(void *data);
static int finish(struct workers *workers);

int workers_run(const struct config *config)
{
    struct workers workers = {
        .all = calloc(config->workers, sizeof *workers.all)};
    int exit_code = EXIT_INTERNAL;

    if (workers.all != NULL) {
        exit_code = prepare(&workers, config);
    }
    if (exit_code == 0) {
        exit_code = start(&workers);
    }
    if (exit_code == 0) {
        run(&workers);
        exit_code = finish(&workers);
    }
    free(workers.all);
    return exit_code;
}

/* --- the start: all or none --- */

static int prepare(struct workers *workers, const struct config *config)
{
    int exit_code = 0;

    while (exit_code == 0 && workers->len < config->workers) {
        struct worker *worker = &workers->all[workers->len];
        exit_code = prepare_one(worker, config, (unsigned)workers->len);
        if (exit_code == 0) {
            workers->nodes[workers->len++] = &worker->node;
        }
    }
    if (exit_code == 0 && ports_bind(workers->nodes, workers->len) != 0) {
        exit_code = workers->nodes[0]->exit_code;
    }
    for (size_t i = 0; exit_code != 0 && i < workers->len; i++) {
        node_drop(workers->nodes[i]);
        uv_loop_close(&workers->all[i].loop);
    }
    return exit_code;
}

static int prepare_one(struct worker *worker, const struct config *config,
                       unsigned index)
{
    struct config own;

    worker_config(config, index, &own);
    if (uv_loop_init(&worker->loop) != 0) {
        return EXIT_INTERNAL;
    }
    if (node_prepare(&worker->node, &worker->loop, &own) != 0) {
        uv_loop_close(&worker->loop);
        return worker->node.exit_code;
    }
    return 0;
}

static int start(struct workers *workers)
{
    size_t started = 0;
    int rc = 0;

    while (rc == 0 && started < workers->len) {
        struct node *node = workers->nodes[started];
        if (started > 0) {
            worker_join(&node->config, &workers->nodes[0]->cluster_addr);
        }
        rc = node_start(node);
        started += rc == 0;
    }
    if (rc == 0) {
        return 0;
    }
    for (size_t i = 0; i < started; i++) {
        hurry(&workers->all[i]);
    }
    uv_loop_close(&workers->all[started].loop);
    for (size_t i = started + 1; i < workers->len; i++) {
        ports_unbind(workers->nodes[i]);
        node_drop(workers->nodes[i]);
        uv_loop_close(&workers->all[i].loop);
    }
    return workers->nodes[started]->exit_code;
}

static void hurry(struct worker *worker)
{
    node_stop(&worker->node);
    node_stop(&worker->node);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    node_fini(&worker->node);
    uv_loop_close(&worker->loop);
}

/* --- the threads --- */

/* Without a thread for one of them all are told to stop, and those without one
 * do so here, afterwards. */
static void run(struct workers *workers)
{
    for (size_t i = 1; i < workers->len; i++) {
        struct worker *worker = &workers->all[i];
        worker->has_thread = uv_thread_create(&worker->thread, run_thread,
                                              worker) == 0;
        if (!worker->has_thread) {
            worker->node.exit_code = EXIT_INTERNAL;
            raise(SIGTERM);
        }
    }
    uv_run(&workers->all[0].loop, UV_RUN_DEFAULT);
    for (size_t i = 1; i < workers->len; i++) {
        if (!workers->all[i].has_thread) {
            run_thread(&workers->all[i]);
        } else {
            uv_thread_join(&workers->all[i].thread);
        }
    }
}

static void run_thread(void *data)
{
    struct worker *worker = data;
    char name[16];

    snprintf(name, sizeof name, "worker-%u", worker->node.config.worker + 1);
    (void)prctl(PR_SET_NAME, name);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
}

static int finish(struct workers *workers)
{
    int exit_code = 0;

    for (size_t i = 0; i < workers->len; i++) {
        struct worker *worker = &workers->all[i];
        if (exit_code == 0) {
            exit_code = worker->node.exit_code;
        }
        node_fini(&worker->node);
        uv_loop_close(&worker->loop);
    }
    return exit_code;
}
