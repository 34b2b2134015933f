/* SPDX-License-Identifier: Apache-2.0
 *
 * A new configuration for a process that runs (SIGHUP, POST /v1/admin/reload).
 *
 *   read all: file, environment, flags, key file, certificate
 *     --any error--> nothing has changed: config-kept
 *   check all, make all: one struct settings a worker
 *     --> handed to every worker, which takes it in its next turn
 *
 * So a file that is wrong, half written, or cannot be opened (also for want of
 * a free descriptor) keeps what was: never less. What only a start can change
 * is named and left as it was; the table of options (node/config/option.h) says
 * which.
 *
 * The object is the process's: any worker may begin one, one is made at a time.
 */
#ifndef NODE_RELOAD_H
#define NODE_RELOAD_H

#include "node/config/option.h"
#include "node/conn/tls.h"
#include "proto/bytes.h"
#include "proto/token.h"

struct core;
struct notify;
struct reload;

enum {
    RELOAD_NAMES_MAX = OPTIONS_MAX + 1 /* and one limit */
};

/* What one worker is given. */
struct settings {
    struct config config;
    struct token_keys token_keys; /* none: the node has none */
    struct tls_context *tls;      /* for its loop alone; NULL: not spoken */
};
/* Erases what is secret. NULL is fine. */
void settings_free(struct settings *settings);

struct reload_report {
    const char *changed[RELOAD_NAMES_MAX]; /* options */
    size_t changed_len;
    const char *ignored[RELOAD_NAMES_MAX]; /* until a start */
    size_t ignored_len;
    char why[CONFIG_WHY_MAX]; /* of an error: where, and what is wrong */
};

/* `running`: what the process was started with, by these words, which are
 * borrowed; so is `notify`. NULL: memory is short. */
struct reload *reload_new(const struct config *running, int argc, char **argv,
                          struct notify *notify);
/* NULL is fine. */
void reload_free(struct reload *reload);

/* From now on the worker of this core is handed what is new. `serial` is of its
 * certificate, "" without one. */
void reload_join(struct reload *reload, struct core *core, const char *serial);
/* And is woken for it, on any thread; what waits already is for it to look
 * for. */
void reload_wake(struct reload *reload, const struct core *core,
                 void (*wake)(void *data), void *data);
void reload_leave(struct reload *reload, const struct core *core);
/* What waits for that worker, which then owns it; or NULL. */
struct settings *reload_next(struct reload *reload, const struct core *core);

/* Reads all anew on behalf of `by`, and says in the log and in the numbers of
 * this core what came of it. Errors, with report->why and nothing changed: any
 * of config_load(), keyfile_read() and tls_serve(). */
int reload_run(struct core *core, struct bytes by,
               struct reload_report *report);

#endif
