/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config/reload.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/config/keyfile.h"
#include "node/core.h"
#include "node/notify.h"
#include "node/worker.h"
#include "proto/err.h"

struct seat {
    bool joined;
    void (*wake)(void *data); /* NULL: its loop is not there yet */
    void *data;
    struct settings *next; /* to be taken */
};

struct reload {
    pthread_mutex_t lock; /* all below */
    struct config running;
    struct keyfile keys; /* hash_key and token_keys of now */
    char serial[TLS_SERIAL_MAX];
    int argc;
    char **argv;
    struct notify *notify;
    struct seat seats[CONFIG_WORKERS_MAX];
};

/* What is made of the files, before anybody gets it. */
struct fresh {
    struct config config;
    struct keyfile keys;
    char serial[TLS_SERIAL_MAX];
    struct settings *settings[CONFIG_WORKERS_MAX];
};

static int make(struct reload *reload, struct fresh *fresh,
                struct reload_report *report);
static int read_config(const struct reload *reload, struct fresh *fresh,
                       struct reload_report *report);
static int read_keys(const struct reload *reload, struct fresh *fresh,
                     struct reload_report *report);
static int make_settings(struct fresh *fresh, unsigned worker,
                         struct reload_report *report);
static void compare_files(const struct reload *reload,
                          const struct fresh *fresh,
                          struct reload_report *report);
static void hand_out(struct reload *reload, struct fresh *fresh);
static void drop(struct fresh *fresh);
static void say(struct core *core, struct bytes by, int err,
                const struct reload_report *report);

void settings_free(struct settings *settings)
{
    if (settings != NULL) {
        tls_context_free(settings->tls);
        explicit_bzero(settings, sizeof *settings);
        free(settings);
    }
}

struct reload *reload_new(const struct config *running, int argc, char **argv,
                          struct notify *notify)
{
    struct reload *reload = calloc(1, sizeof *reload);

    if (reload == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&reload->lock, NULL) != 0) {
        free(reload);
        return NULL;
    }
    reload->running = *running;
    reload->argc = argc;
    reload->argv = argv;
    reload->notify = notify;
    return reload;
}

void reload_free(struct reload *reload)
{
    if (reload == NULL) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(reload->seats); i++) {
        settings_free(reload->seats[i].next);
    }
    pthread_mutex_destroy(&reload->lock);
    explicit_bzero(reload, sizeof *reload);
    free(reload);
}

static void lock(struct reload *reload)
{
    int rc = pthread_mutex_lock(&reload->lock);
    assert(rc == 0);
}

static void unlock(struct reload *reload)
{
    int rc = pthread_mutex_unlock(&reload->lock);
    assert(rc == 0);
}

void reload_join(struct reload *reload, struct core *core, const char *serial)
{
    lock(reload);
    assert(core->worker < ARRAY_LEN(reload->seats));
    reload->seats[core->worker] = (struct seat){.joined = true};
    reload->keys.hash_key = core->hash_key;
    reload->keys.token_keys = core->auth.keys;
    snprintf(reload->serial, sizeof reload->serial, "%s", serial);
    core->reload = reload;
    unlock(reload);
}

void reload_wake(struct reload *reload, const struct core *core,
                 void (*wake)(void *data), void *data)
{
    lock(reload);
    reload->seats[core->worker].wake = wake;
    reload->seats[core->worker].data = data;
    unlock(reload);
}

void reload_leave(struct reload *reload, const struct core *core)
{
    struct seat *seat = &reload->seats[core->worker];

    lock(reload);
    settings_free(seat->next);
    *seat = (struct seat){0};
    unlock(reload);
}

struct settings *reload_next(struct reload *reload, const struct core *core)
{
    struct seat *seat = &reload->seats[core->worker];

    lock(reload);
    struct settings *next = seat->next;
    seat->next = NULL;
    unlock(reload);
    return next;
}

int reload_run(struct core *core, struct bytes by, struct reload_report *report)
{
    struct reload *reload = core->reload;
    struct fresh *fresh = calloc(1, sizeof *fresh);
    int err = ERR_NOMEM;

    *report = (struct reload_report){.why = "out of memory"};
    notify_reloading(reload->notify);
    if (fresh != NULL) {
        lock(reload);
        err = make(reload, fresh, report);
        if (err == 0) {
            hand_out(reload, fresh);
        }
        unlock(reload);
        drop(fresh);
    }
    notify_reloaded(reload->notify);
    say(core, by, err, report);
    return err;
}

static int make(struct reload *reload, struct fresh *fresh,
                struct reload_report *report)
{
    int err = read_config(reload, fresh, report);

    if (err == 0) {
        err = read_keys(reload, fresh, report);
    }
    for (unsigned i = 0; err == 0 && i < fresh->config.workers; i++) {
        err = make_settings(fresh, i, report);
    }
    if (err == 0) {
        compare_files(reload, fresh, report);
    }
    return err;
}

static void add(const char **names, size_t *len, const char *name)
{
    for (size_t i = 0; i < *len; i++) {
        if (strcmp(names[i], name) == 0) {
            return;
        }
    }
    assert(*len < RELOAD_NAMES_MAX);
    names[(*len)++] = name;
}

/* What is running, with what the files now say as far as a running node takes
 * it. */
static int read_config(const struct reload *reload, struct fresh *fresh,
                       struct reload_report *report)
{
    const struct option *option;
    struct config read;

    config_default(&read);
    int err = config_load(&read, reload->argc, reload->argv, report->why);
    if (err != 0) {
        return err;
    }
    if (read.name[0] == '\0') {
        strcpy(read.name, reload->running.name); /* after the host */
    }
    fresh->config = reload->running;
    bool took_limits = config_take(&fresh->config, &read);
    for (size_t i = 0; (option = option_at(i)) != NULL; i++) {
        if (!option->same(&fresh->config, &reload->running)) {
            add(report->changed, &report->changed_len, option->name);
        }
        if (!option->same(&fresh->config, &read) &&
            strcmp(option->name, "limits") != 0) {
            add(report->ignored, &report->ignored_len, option->name);
        }
    }
    if (!took_limits) {
        add(report->ignored, &report->ignored_len, "limits.item_len");
    }
    return config_check(&fresh->config, report->why);
}

/* The cluster's own keys are changed by `starling keys`, on all nodes. */
static int read_keys(const struct reload *reload, struct fresh *fresh,
                     struct reload_report *report)
{
    fresh->keys = reload->keys;
    if (fresh->config.keys[0] == '\0') {
        return 0;
    }
    int err = keyfile_read(fresh->config.keys, &fresh->keys, report->why,
                           sizeof report->why);
    if (err == 0 && memcmp(&fresh->keys.hash_key, &reload->keys.hash_key,
                           sizeof fresh->keys.hash_key) != 0) {
        snprintf(report->why, sizeof report->why,
                 "%s: another hash_key: these are the keys of another cluster",
                 fresh->config.keys);
        err = ERR_CONFIG;
    }
    return err;
}

static int make_settings(struct fresh *fresh, unsigned worker,
                         struct reload_report *report)
{
    const struct config *all = &fresh->config;
    struct settings *settings = calloc(1, sizeof *settings);

    fresh->settings[worker] = settings;
    if (settings == NULL) {
        snprintf(report->why, sizeof report->why, "out of memory");
        return ERR_NOMEM;
    }
    settings->config = *all;
    if (all->workers > 1) {
        worker_config(all, worker, &settings->config);
    }
    settings->token_keys = fresh->keys.token_keys;
    if (all->tls_cert[0] == '\0') {
        return 0;
    }
    int err = tls_serve(&settings->tls, all->tls_cert, all->tls_key,
                        report->why);
    if (err != 0) {
        return err;
    }
    struct tls_facts facts = tls_facts(settings->tls);
    if (worker > 0 && strcmp(facts.serial, fresh->serial) != 0) {
        snprintf(report->why, sizeof report->why,
                 "%s: changed while it was read", all->tls_cert);
        return ERR_CONFIG;
    }
    memcpy(fresh->serial, facts.serial, sizeof fresh->serial);
    return 0;
}

static bool same_keys(const struct token_keys *a, const struct token_keys *b)
{
    for (size_t i = 0; a->len == b->len && i < a->len; i++) {
        if (strcmp(a->keys[i].kid, b->keys[i].kid) != 0 ||
            token_key_print(&a->keys[i]) != token_key_print(&b->keys[i]) ||
            a->keys[i].can_sign != b->keys[i].can_sign) {
            return false;
        }
    }
    return a->len == b->len;
}

/* New contents under the same names. */
static void compare_files(const struct reload *reload,
                          const struct fresh *fresh,
                          struct reload_report *report)
{
    if (!same_keys(&fresh->keys.token_keys, &reload->keys.token_keys)) {
        add(report->changed, &report->changed_len, "keys");
    }
    if (strcmp(fresh->serial, reload->serial) != 0) {
        add(report->changed, &report->changed_len, "tls_cert");
    }
}

/* Who has left needs nothing more. */
static void hand_out(struct reload *reload, struct fresh *fresh)
{
    reload->running = fresh->config;
    reload->keys = fresh->keys;
    memcpy(reload->serial, fresh->serial, sizeof reload->serial);
    for (size_t i = 0; i < fresh->config.workers; i++) {
        struct seat *seat = &reload->seats[i];
        if (!seat->joined) {
            continue;
        }
        settings_free(seat->next);
        seat->next = fresh->settings[i];
        fresh->settings[i] = NULL;
        if (seat->wake != NULL) {
            seat->wake(seat->data);
        }
    }
}

static void drop(struct fresh *fresh)
{
    for (size_t i = 0; i < ARRAY_LEN(fresh->settings); i++) {
        settings_free(fresh->settings[i]);
    }
    explicit_bzero(fresh, sizeof *fresh);
    free(fresh);
}

static void add_names(struct buf *out, const char *what,
                      const char *const *names, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        buf_add_str(out, i == 0 ? what : ",");
        buf_add_str(out, names[i]);
    }
}

static void say(struct core *core, struct bytes by, int err,
                const struct reload_report *report)
{
    struct buf names = {0};

    core->stats.reload_ok = err == 0;
    core->stats.reload_s = core->wall_ms / 1000;
    if (err != 0) {
        log_line(core->log, LOG_ERROR, "config-kept", "by=%.*s why=%s",
                 (int)by.len, (const char *)by.p, report->why);
        return;
    }
    add_names(&names, " changed=", report->changed, report->changed_len);
    add_names(&names, " ignored=", report->ignored, report->ignored_len);
    log_line(core->log, LOG_INFO, "config-reloaded", "by=%.*s%.*s", (int)by.len,
             (const char *)by.p, (int)names.len, (const char *)names.p);
    buf_fini(&names);
}
