/* SPDX-License-Identifier: Apache-2.0
 *
 * starling events: what happened lately, on whatever node, and with --follow
 * what happens.
 */
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "node/cli/cli.h"
#include "node/cli/page.h"
#include "node/cli/session.h"
#include "node/cli/show.h"
#include "proto/err.h"

enum {
    ROWS = 50,
    WAIT_MS = 60000, /* the node pings more often */
    RETRY_MS = 500,
    RETRIES_MAX = 60,
};

static void print_event(const json_t *row)
{
    char at[SHOW_TIME_LEN];

    printf("%s %-5s %-10s %-20s %s\n", show_time(row, "at", at),
           show_text(row, "level"), show_text(row, "node"),
           show_text(row, "event"), show_text(row, "text"));
    if (show_number(row, "suppressed") > 0) {
        printf("%24s %lld before it were not shown\n", "",
               show_number(row, "suppressed"));
    }
}

/* Oldest first, as they happened. */
static int show_kept(const struct args *args)
{
    const struct page_ask ask = {
        .command = &command_events,
        .args = args,
        .path = "/v1/admin/events?",
        .member = "events",
        .limit = ROWS,
        .pages = true,
    };
    json_t *root;

    if (args->json) {
        return page_show(&ask, "", print_event);
    }
    int exit_code = page_fetch(&ask, &root);
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    const json_t *rows = json_object_get(root, "events");
    for (size_t i = json_array_size(rows); i > 0; i--) {
        print_event(json_array_get(rows, i - 1));
    }
    page_say_silent(&command_events, root);
    json_decref(root);
    return CLI_OK;
}

/* --- following --- */

static void show_one(const struct args *args, const char *text)
{
    json_t *event = text == NULL ? NULL : json_loads(text, 0, NULL);

    if (args->json && text != NULL) {
        puts(text);
    } else if (event != NULL) {
        print_event(event);
    }
    json_decref(event);
    (void)fflush(stdout);
}

/* One connection, until it ends. */
static int follow(const struct args *args, struct session *session, bool *live)
{
    int rc = session_open(session, &args->url, args->token);

    if (rc != 0) {
        return rc;
    }
    rc = session_send(session, BYTES("{\"op\":\"subscribe\",\"id\":1,\"cache\":"
                                     "\"_sys\",\"topic\":\"events\"}"));
    while (rc == 0) {
        json_t *message = session_next(session, WAIT_MS, &rc);
        if (message == NULL) {
            break;
        }
        if (session_is(message, "item")) {
            show_one(args, session_text(message, "text"));
        } else if (session_is(message, "subscribed")) {
            *live = true;
        } else if (session_is(message, "error") ||
                   session_is(message, "ended")) {
            rc = session_refused(session, message);
        }
        json_decref(message);
    }
    session_close(session);
    return rc;
}

static int follow_on(const struct args *args)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    struct session session = {0};
    int rc = 0;

    for (int tries = 0; tries < RETRIES_MAX; tries++) {
        bool live = false;
        rc = follow(args, &session, &live);
        if (rc != ERR_IO && rc != ERR_TIMEOUT && rc != ERR_CLOSING) {
            break;
        }
        tries = live ? 0 : tries;
        nanosleep(&pause, NULL);
    }
    return args_fail_saying(command_events.name, args->url.authority, rc,
                            session.words);
}

static int run(int argc, char **argv)
{
    struct args args;
    int exit_code = args_read(&args, &command_events, argc, argv);

    if (exit_code == CLI_OK) {
        signal(SIGPIPE, SIG_DFL); /* `events -f | head` ends quietly */
        exit_code = args.follow ? follow_on(&args) : show_kept(&args);
    }
    return exit_code;
}

static const struct command_option options[] = {
    ARGS_SWITCH("--follow", follow, "print what happens from now on"),
    ARGS_NUMBER("--limit", "N", limit, "at most so many (50)"),
    ARGS_JSON,
    {0},
};

const struct command command_events = {
    .name = "events",
    .run = run,
    .what = "what happened lately: nodes, links, refusals, operators",
    .options = options,
    .where = args_where,
    .group = COMMAND_LOOKS,
};
