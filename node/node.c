/* SPDX-License-Identifier: Apache-2.0 */
#include "node/node.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "node/board.h"
#include "node/client/client.h"
#include "node/client/rebalance.h"
#include "node/client/usage.h"
#include "node/config/keyfile.h"
#include "node/config/reload.h"
#include "node/config/settings.h"
#include "node/conn/certificate.h"
#include "node/conn/conns.h"
#include "node/dev.h"
#include "node/door/door.h"
#include "node/mesh/calls.h"
#include "node/mesh/membership.h"
#include "node/mesh/question.h"
#include "node/mesh/rotation.h"
#include "node/notify.h"
#include "node/ports.h"
#include "node/watch/gather.h"
#include "node/watch/trace_ask.h"
#include "node/watch/watching.h"
#include "proto/err.h"

enum {
    EXIT_INTERNAL = 70,
    EXIT_CONFIG = 78,
    LAG_WINDOW_MS = 10000,
    LAG_TOLD_MS = 100, /* the cluster suspects nobody for our own pause */
};

static int open_core(struct node *node, const struct config *config,
                     struct board *board);
static int open_dev(struct node *node);
static void close_dev(struct node *node);
static void on_orphaned(void *data);
static uint64_t monotonic_us(void);
static uint64_t wall_us(void);
static void free_core(struct node *node);
static int read_keys(struct node *node, struct keyfile *keys);
static void derive_endpoint(struct node *node);
static void start_handles(struct node *node);
static void leave_board(struct node *node);
static void wake_loop(void *data);
static void on_wake(uv_async_t *wake);
static void on_beat(uv_timer_t *beat);
static void hear_process(struct node *node);
static void say_listening(struct node *node);
static void close_all(struct node *node);
static void on_signal(uv_signal_t *signal, int number);
static void on_reload(uv_signal_t *signal, int number);
static void on_timer(uv_timer_t *timer);
static void on_prepare(uv_prepare_t *prepare);
static void on_check(uv_check_t *check);

/* --- life -------------------------------------------------------------------
 */

int node_open(struct node *node, uv_loop_t *loop, const struct config *config,
              int *exit_code)
{
    int rc = node_prepare(node, loop, config, NULL);

    if (rc == 0) {
        rc = ports_bind(&node, 1);
        if (rc == 0) {
            rc = node_start(node);
        } else {
            node_drop(node);
        }
    }
    if (rc != 0) {
        *exit_code = node->exit_code;
    }
    return rc;
}

int node_prepare(struct node *node, uv_loop_t *loop,
                 const struct config *config, struct board *board)
{
    *node = (struct node){.loop = loop, .exit_code = EXIT_INTERNAL};
    node->config = *config;
    node->log = (struct log){.to = stderr,
                             .level = config->log_level,
                             .format = config->log_format,
                             .node = node->config.name};
    int rc = open_core(node, config, board);
    if (rc == 0) {
        rc = conns_open(&node->conns, loop, &node->core);
        if (rc != 0) {
            free_core(node);
        }
    }
    if (rc == 0) {
        rc = certificate_read(node);
        rc = rc == 0 ? open_dev(node) : rc;
        if (rc != 0) {
            node->exit_code = EXIT_CONFIG;
            node_drop(node);
        }
    }
    return rc;
}

/* A child of `starling dev`: faults are possible here. */
static int open_dev(struct node *node)
{
    struct dev_options options = {.loop = node->loop,
                                  .log = &node->log,
                                  .region = node->config.region,
                                  .worker = node->config.worker,
                                  .data = node,
                                  .on_orphaned = on_orphaned};

    if (!dev_is_wanted()) {
        return 0;
    }
    int rc = fault_open(&node->fault, node->loop);
    options.fault = node->fault;
    return rc == 0 ? dev_open(&node->core.dev, &options) : rc;
}

/* After mesh and gossip, which the fault stands in front of. */
static void close_dev(struct node *node)
{
    dev_close(node->core.dev);
    node->core.dev = NULL;
    if (node->fault != NULL) {
        fault_close(node->fault);
        node->fault = NULL;
    }
}

/* Nobody waits for it to drain. */
static void on_orphaned(void *data)
{
    node_stop(data);
    node_stop(data);
}

int node_start(struct node *node)
{
    int rc = ports_share(node);
    if (rc == 0) {
        derive_endpoint(node);
        rc = membership_start(node);
        node->exit_code = rc == ERR_CONFIG ? EXIT_CONFIG : EXIT_INTERNAL;
    }
    if (rc != 0) {
        ports_unbind(node);
        node_drop(node);
        return rc;
    }
    start_handles(node);
    if (node->core.board != NULL) {
        board_join(node->core.board, node->config.worker, wake_loop, node);
    }
    node->exit_code = 0;
    say_listening(node);
    return 0;
}

void node_drop(struct node *node)
{
    conns_close(node->conns);
    close_dev(node);
    uv_run(node->loop, UV_RUN_NOWAIT); /* lets what was bound close */
    conns_free(node->conns);
    free_core(node);
}

static int open_core(struct node *node, const struct config *config,
                     struct board *board)
{
    struct core_options options = {
        .limits = config->limits,
        .log = &node->log,
        .name = config->name,
        .region = config->region,
        .endpoint = config->endpoint,
        .workers = config->workers,
        .worker = config->worker,
        .board = board,
        .outside = membership_outside(node),
        .only_known_caches = !config_auto_creates(config),
    };
    struct keyfile keys = {0};
    int rc = read_keys(node, &keys);

    if (rc != 0) {
        node->exit_code = EXIT_CONFIG;
        return rc;
    }
    if (uv_random(NULL, NULL, &node->id, sizeof node->id, 0, NULL) != 0 ||
        uv_random(NULL, NULL, node->life, sizeof node->life, 0, NULL) != 0) {
        log_line(&node->log, LOG_ERROR, "node-no-randomness", " ");
        return ERR_IO;
    }
    options.id = node->id;
    options.hash_key = keys.hash_key;
    options.token_keys = &keys.token_keys;
    keyring_init(&node->keyring, &keys.ring,
                 bytes_str(node->config.cluster_name));
    rc = core_init(&node->core, &options);
    explicit_bzero(&keys, sizeof keys);
    if (rc == 0) {
        rc = node_fix_caches(node);
        rc = rc == 0 ? question_open(node) : rc;
        node->core.calls = node->calls;
        rc = rc == 0 ? watching_open(node) : rc;
        if (rc != 0) {
            calls_free(node->calls);
            core_fini(&node->core);
        }
    }
    if (rc != 0) {
        log_line(&node->log, LOG_ERROR, "node-cannot-start", "error=%s",
                 err_name(rc));
        return rc;
    }
    node_take_origins(node);
    node->core.keyring = &node->keyring;
    node->keyring.ring.aead = aead_new(); /* without it, slower */
    node->core.trace.clock = (struct trace_clock){monotonic_us, wall_us};
    rotation_serve(&node->core);
    usage_serve(&node->core);
    mover_serve(&node->core);
    trace_serve(&node->core);
    gather_serve(&node->core);
    node->core.require_tls = config->require_tls;
    return 0;
}

static uint64_t monotonic_us(void)
{
    return uv_hrtime() / 1000;
}

static uint64_t wall_us(void)
{
    uv_timeval64_t wall = {0};

    uv_gettimeofday(&wall);
    return (uint64_t)wall.tv_sec * 1000000 + (uint64_t)wall.tv_usec;
}

int node_fix_caches(struct node *node)
{
    const struct quotas *quotas = &node->config.quotas;

    for (size_t i = 0; i < quotas->len; i++) {
        node->caches[i] = bytes_str(quotas->rows[i].name);
    }
    return caches_fix(&node->core, node->caches, quotas);
}

void node_take_origins(struct node *node)
{
    for (size_t i = 0; i < node->config.origins_len; i++) {
        node->origins[i] = bytes_str(node->config.origins[i]);
    }
    node->core.origins = node->origins;
    node->core.origins_len = node->config.origins_len;
}

static void free_core(struct node *node)
{
    rebalance_free(node->core.rebalance);
    watching_close(node);
    calls_free(node->calls);
    core_fini(&node->core);
    cluster_free(node->cluster);
    aead_free(node->keyring.ring.aead);
    keyring_fini(&node->keyring);
}

static int read_keys(struct node *node, struct keyfile *keys)
{
    const struct config *config = &node->config;
    char why[CONFIG_WHY_MAX] = "";

    if (config->keys[0] == '\0') {
        hash_key_from_name(&keys->hash_key, bytes_str(config->cluster_name));
        return 0;
    }
    int rc = keyfile_read(config->keys, keys, why, sizeof why);
    if (rc != 0) {
        log_line(&node->log, LOG_ERROR, "keys-refused", "file=%s why=%s",
                 config->keys, why);
    }
    return rc;
}

/* What clients are told when nobody said it: the address, unless it is every
 * address of the machine. */
static void derive_endpoint(struct node *node)
{
    struct addr addr = listener_addr(node->listener);
    char text[ADDR_TEXT_MAX];

    if (node->core.endpoint[0] != '\0' || addr_is_any(&addr)) {
        return;
    }
    (void)snprintf(node->core.endpoint, sizeof node->core.endpoint, "%s://%s",
                   node->config.tls_cert[0] != '\0' ? "https" : "http",
                   addr_text(&addr, text));
}

static void start_handles(struct node *node)
{
    uv_loop_t *loop = node->loop;

    /* None of these can fail: they only fill in and link structs; a signal
     * needs the loop's pipe, which the first one made. */
    uv_timer_init(loop, &node->timer);
    drain_init(node);
    uv_prepare_init(loop, &node->prepare);
    uv_check_init(loop, &node->check);
    uv_signal_init(loop, &node->sigterm);
    uv_signal_init(loop, &node->sigint);
    uv_signal_init(loop, &node->sighup);
    uv_timer_init(loop, &node->beat);
    uv_async_init(loop, &node->wake, on_wake); /* the mesh has made a first */
    node->timer.data = node;
    node->beat.data = node;
    node->wake.data = node;
    node->prepare.data = node;
    node->check.data = node;
    node->sigterm.data = node;
    node->sigint.data = node;
    node->sighup.data = node;
    node->armed_ms = DEADLINE_NEVER;
    uv_prepare_start(&node->prepare, on_prepare);
    uv_check_start(&node->check, on_check);
    uv_signal_start(&node->sigterm, on_signal, SIGTERM);
    uv_signal_start(&node->sigint, on_signal, SIGINT);
    uv_signal_start(&node->sighup, on_reload, SIGHUP);
    node->has_handles = true;
    hear_process(node);
    conns_enter(node->conns);
    node->core.stats.reload_ok = 1;
    node->core.stats.reload_s = node->core.wall_ms / 1000;
}

static void say_listening(struct node *node)
{
    char listen[ADDR_TEXT_MAX];
    char admin[ADDR_TEXT_MAX] = "none";
    struct addr addr = listener_addr(node->listener);

    if (node->admin != NULL) {
        struct addr own = listener_addr(node->admin);
        addr_text(&own, admin);
    }
    log_line(&node->log, LOG_INFO, "node-listening",
             "listen=%s admin=%s region=%s insecure=%d version=%s pid=%ld",
             addr_text(&addr, listen), admin, node->config.region,
             node->core.auth.insecure, STARLING_VERSION, (long)getpid());
}

void node_serve(struct node *node, struct reload *reload, struct notify *notify)
{
    node->notify = notify;
    reload_join(reload, &node->core, node->certificate.serial);
    if (node->has_handles) {
        hear_process(node);
    }
}

/* With its handles, and with what it serves: whichever comes later. */
static void hear_process(struct node *node)
{
    if (node->core.reload != NULL) {
        reload_wake(node->core.reload, &node->core, wake_loop, node);
        wake_loop(node); /* something may wait */
    }
    if (node->notify != NULL) {
        uv_timer_start(&node->beat, on_beat, 0, notify_every_ms(node->notify));
    }
}

static void wake_loop(void *data)
{
    struct node *node = data;

    (void)uv_async_send(&node->wake);
}

static void on_wake(uv_async_t *wake)
{
    struct node *node = wake->data;

    if (node->closed) {
        return;
    }
    conns_enter(node->conns);
    if (node->core.board != NULL) {
        status_on_board(&node->core);
    }
    struct settings *settings = node->core.reload == NULL
                                    ? NULL
                                    : reload_next(node->core.reload,
                                                  &node->core);
    if (settings != NULL) {
        settings_take(node, settings);
    }
}

static void on_beat(uv_timer_t *beat)
{
    const struct node *node = beat->data;
    const struct notify_state state = {
        .ready = node->core.ready,
        .draining = node->core.draining,
        .conns = node->core.stats.conns,
        .nodes = node->core.stats.peers + 1,
    };

    notify_beat(node->notify, node->config.worker, &state, uv_now(node->loop));
}

static void leave_board(struct node *node)
{
    struct view view;

    view_of(&node->core, &view);
    board_leave(node->core.board, node->config.worker);
    board_say(node->core.board, node->config.worker, &view);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    node_stop(signal->data);
}

static void on_reload(uv_signal_t *signal, int number)
{
    struct node *node = signal->data;
    struct reload_report report;
    bool speaks = node->config.worker == 0; /* each loop gets the signal */

    (void)number;
    if (!node->stopping && speaks && node->core.reload != NULL) {
        conns_enter(node->conns);
        (void)reload_run(&node->core, BYTES("signal"), &report);
    }
}

void node_stop(struct node *node)
{
    if (node->stopping) {
        if (!node->closed) { /* a second wish: hurry */
            node_leave(node);
        }
        return;
    }
    node->stopping = true;
    notify_stopping(node->notify);
    drain_begin(node);
}

void node_stop_listening(struct node *node)
{
    listener_close(node->listener);
    listener_close(node->admin);
    node->listener = NULL;
    node->admin = NULL;
}

void node_leave(struct node *node)
{
    membership_leave(node);
    close_all(node);
}

static void close_all(struct node *node)
{
    uv_handle_t *const handles[] = {
        (uv_handle_t *)&node->timer,   (uv_handle_t *)&node->drain.timer,
        (uv_handle_t *)&node->prepare, (uv_handle_t *)&node->check,
        (uv_handle_t *)&node->sigterm, (uv_handle_t *)&node->sigint,
        (uv_handle_t *)&node->sighup,  (uv_handle_t *)&node->beat,
        (uv_handle_t *)&node->wake,
    };
    node->closed = true;
    node_stop_listening(node);
    conns_close(node->conns);
    if (node->core.board != NULL) {
        leave_board(node);
    }
    if (node->core.reload != NULL) {
        reload_leave(node->core.reload, &node->core);
    }
    membership_close(node);
    close_dev(node);
    for (size_t i = 0; i < ARRAY_LEN(handles); i++) {
        uv_close(handles[i], NULL);
    }
    log_line(&node->log, LOG_INFO, "node-stopped", "exit=%d", node->exit_code);
}

void node_fini(struct node *node)
{
    assert(node->closed);
    conns_free(node->conns);
    free_core(node);
    buf_fini(&node->wire);
}

/* --- the turn
 * ----------------------------------------------------------------- */

/* Until nothing moves. Each may make work for the one before it: a client that
 * goes unsubscribes, an acknowledgement may leave, the hub tells and asks. */
static void end_turn(struct node *node)
{
    do {
        conns_end_turn(node->conns);
        node->hub_ms = hub_expire(node->core.hub, node->core.now_ms);
        membership_end_turn(node);
    } while (node->core.dirty != NULL || conns_have_more(node->conns));
}

static void on_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;

    node->armed_ms = DEADLINE_NEVER;
    conns_enter(node->conns);
    deadlines_run(&node->core.deadlines, node->core.now_ms);
    membership_run(node);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct node *node = prepare->data;
    uint64_t now_ms = uv_now(node->loop);
    uint64_t at_ms;

    end_turn(node);
    at_ms = deadlines_next(&node->core.deadlines);
    if (node->hub_ms < at_ms) {
        at_ms = node->hub_ms;
    }
    if (membership_wake_ms(node) < at_ms) {
        at_ms = membership_wake_ms(node);
    }
    if (at_ms == node->armed_ms) {
        return;
    }
    node->armed_ms = at_ms;
    if (at_ms == DEADLINE_NEVER) {
        uv_timer_stop(&node->timer);
    } else {
        uv_timer_start(&node->timer, on_timer,
                       at_ms > now_ms ? at_ms - now_ms : 0, 0);
    }
}

/* How long this turn kept everyone waiting. */
static void measure_lag(struct node *node)
{
    uint64_t from_ms = uv_now(node->loop);

    uv_update_time(node->loop);
    uint64_t lag_ms = uv_now(node->loop) - from_ms;
    if (from_ms - node->lag_from_ms > LAG_WINDOW_MS) {
        node->lag_from_ms = from_ms;
        node->lag_ms = 0;
    }
    if (lag_ms > node->lag_ms) {
        node->lag_ms = lag_ms;
    }
    node->core.stats.loop_lag_ms = node->lag_ms;
    if (lag_ms > LAG_TOLD_MS && !node->closed) {
        node_tell_cluster(node, &(struct cluster_news){.type = CLUSTER_LAG,
                                                       .ms = (uint32_t)lag_ms});
    }
}

static void on_check(uv_check_t *check)
{
    struct node *node = check->data;

    membership_end_turn(node); /* first what has the longer way */
    conns_end_turn(node->conns);
    measure_lag(node);
}
