/* SPDX-License-Identifier: Apache-2.0
 *
 * starling sub CACHE TOPIC...: prints what arrives, the bytes and a line feed,
 * or with --json one object a line; or hands each item to a command (--exec) or
 * a URL (--post). A lost connection is taken up again where it was; what was
 * missed then is reported on standard error.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/jobs.h"
#include "node/cli/session.h"
#include "node/config/keyfile.h"
#include "proto/err.h"
#include "proto/json.h"

enum {
    RETRY_MS = 500,
    RETRIES_MAX = 60,
    WAIT_MS = 60000
};

static int run(int argc, char **argv);

static const struct command_option options[] = {
    ARGS_SWITCH("--json", json, "one line of JSON for each item"),
    ARGS_NUMBER("--count", "N", count, "end after N items"),
    {"--barrier", "all", "confirmed once the other regions know, too", "all",
     COMMAND_TEXT, offsetof(struct args, barrier)},
    ARGS_TEXT("--exec", "CMD", exec, "run a command for each item"),
    ARGS_TEXT("--post", "URL", post, "post each item to a URL"),
    ARGS_FILE("--secret-file", secret_file, "signs what is posted"),
    ARGS_NUMBER("--at-once", "N", at_once, "commands or posts at once (4)"),
    ARGS_NUMBER("--queue", "N", queue, "items that may wait for one (1000)"),
    ARGS_NUMBER("--timeout", "S", timeout, "seconds for one (5)"),
    {0},
};

const struct command command_sub = {
    .name = "sub",
    .run = run,
    .words = "CACHE TOPIC...",
    .what = "subscribe; print each item, run a command or call a URL",
    .options = options,
    .where = args_where,
    .group = COMMAND_USES,
    .words_min = 2,
    .words_max = ARGS_WORDS_MAX,
};

/* Where each topic stands: for the next connection. */
struct position {
    bool known;
    uint64_t page;
    uint64_t seq;
};

struct subscribing {
    const struct args *args;
    struct session session;
    struct position positions[ARGS_WORDS_MAX];
    struct jobs *jobs; /* NULL: items are printed */
    struct buf data;
    uint64_t taken;   /* items */
    size_t confirmed; /* topics of this connection */
    bool live;        /* was subscribed at least once */
};

static int send_subscribe(struct subscribing *s, size_t i)
{
    struct buf m = {0};
    const struct position *at = &s->positions[i];

    buf_add_str(&m, "{\"op\":\"subscribe\",\"id\":");
    buf_add_u64(&m, i);
    json_add_name(&m, true, "cache");
    json_add_string(&m, bytes_str(s->args->words[0]));
    json_add_name(&m, true, "topic");
    json_add_string(&m, bytes_str(s->args->words[i]));
    if (at->known) {
        json_add_name(&m, true, "page");
        buf_add_u64(&m, at->page);
        json_add_name(&m, true, "seq");
        buf_add_u64(&m, at->seq);
    }
    if (s->args->barrier != NULL) {
        buf_add_str(&m, ",\"barrier\":\"all\"");
    }
    buf_add_u8(&m, '}');
    int rc = m.failed ? ERR_NOMEM : session_send(&s->session, buf_bytes(&m));
    buf_fini(&m);
    return rc;
}

/* The word that names the message's topic, 0 when none does. */
static size_t word_of(const struct subscribing *s, const json_t *message)
{
    const char *topic = session_text(message, "topic");

    for (size_t i = 1; topic != NULL && i < s->args->words_len; i++) {
        if (strcmp(s->args->words[i], topic) == 0) {
            return i;
        }
    }
    return 0;
}

static void keep_position(struct subscribing *s, const json_t *message,
                          const char *seq_name)
{
    size_t i = word_of(s, message);

    if (i > 0) {
        s->positions[i] = (struct position){
            .known = true,
            .page = session_number(message, "page"),
            .seq = session_number(message, seq_name),
        };
    }
}

static int print_item(struct subscribing *s, json_t *message)
{
    json_t *text = json_object_get(message, "text");
    const char *data = session_text(message, "data");
    struct bytes value = {0};

    if (s->args->json) {
        json_dumpf(message, stdout, JSON_COMPACT);
    } else if (text != NULL) {
        value = bytes_of(json_string_value(text), json_string_length(text));
    } else if (data != NULL) {
        buf_reset(&s->data);
        if (json_base64_read(bytes_str(data), &s->data) != 0) {
            return ERR_SYNTAX;
        }
        value = buf_bytes(&s->data);
    }
    if (value.len > 0) {
        (void)fwrite(value.p, 1, value.len, stdout);
    }
    (void)fputc('\n', stdout);
    return ferror(stdout) ? ERR_IO : 0;
}

static int take_item(struct subscribing *s, json_t *message)
{
    s->taken++;
    if (s->jobs == NULL) {
        return print_item(s, message);
    }
    jobs_add(s->jobs, message);
    /* Also while there is always one more: those that end make room. */
    int rc = jobs_wait(s->jobs, -1, 0);
    return rc == ERR_TIMEOUT ? 0 : rc;
}

static void print_gap(struct subscribing *s, json_t *message)
{
    if (s->args->json && s->jobs == NULL) {
        json_dumpf(message, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
        return;
    }
    fprintf(stderr,
            "starling sub: gap in %s: after %" PRIu64 " comes %" PRIu64 "\n",
            session_text(message, "topic"), session_number(message, "last"),
            session_number(message, "next") + 1);
}

static void on_subscribed(struct subscribing *s, json_t *message)
{
    s->live = true;
    s->confirmed++;
    if (s->jobs != NULL && s->confirmed == s->args->words_len - 1) {
        fputs("starling sub: subscribed\n", stderr);
    } else if (s->jobs == NULL && s->args->json) {
        json_dumpf(message, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
    }
}

/* Acts on one message. 0, or why the subscription is over. */
static int take(struct subscribing *s, json_t *message)
{
    if (session_is(message, "item")) {
        keep_position(s, message, "seq");
        return take_item(s, message);
    }
    if (session_is(message, "subscribed")) {
        keep_position(s, message, "seq");
        on_subscribed(s, message);
    } else if (session_is(message, "gap")) {
        keep_position(s, message, "next");
        print_gap(s, message);
    } else if (session_is(message, "error") || session_is(message, "ended")) {
        return session_refused(&s->session, message);
    }
    return 0;
}

static bool is_done(const struct subscribing *s)
{
    return s->args->count > 0 && s->taken >= s->args->count;
}

/* NULL with 0: not whole yet. */
static json_t *next_message(struct subscribing *s, int *rc)
{
    if (s->jobs == NULL) {
        return session_next(&s->session, WAIT_MS, rc);
    }
    *rc = jobs_wait(s->jobs, s->session.link.fd, WAIT_MS);
    if (*rc != 0) {
        return NULL;
    }
    json_t *message = session_next(&s->session, 0, rc);
    *rc = *rc == ERR_TIMEOUT ? 0 : *rc;
    return message;
}

/* One connection, until it ends or the count is reached (0). */
static int follow(struct subscribing *s)
{
    int rc = session_open(&s->session, &s->args->url, s->args->token);

    if (rc != 0) {
        return rc;
    }
    s->confirmed = 0;
    for (size_t i = 1; rc == 0 && i < s->args->words_len; i++) {
        rc = send_subscribe(s, i);
    }
    while (rc == 0 && !is_done(s)) {
        /* Print at once, but not one system call a line while there is more. */
        json_t *message = session_next(&s->session, 0, &rc);
        if (message == NULL && rc == ERR_TIMEOUT) {
            (void)fflush(stdout);
            message = next_message(s, &rc);
        }
        if (message != NULL) {
            rc = take(s, message);
            json_decref(message);
        }
    }
    (void)fflush(stdout);
    session_close(&s->session);
    return rc;
}

static bool may_retry(int rc)
{
    return rc == ERR_IO || rc == ERR_TIMEOUT || rc == ERR_CLOSING;
}

static bool is_stopped(const struct subscribing *s)
{
    return s->jobs != NULL && s->jobs->stopped;
}

static void pause_ms(struct subscribing *s)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};

    if (s->jobs != NULL) {
        (void)jobs_wait(s->jobs, -1, RETRY_MS);
    } else {
        nanosleep(&pause, NULL);
    }
}

/* Until the count is reached, it is stopped (0) or there is no going on. */
static int follow_on(struct subscribing *s)
{
    int rc = follow(s);

    for (int retries = 0;
         may_retry(rc) && s->live && !is_stopped(s) && retries < RETRIES_MAX;
         retries++) {
        if (retries == 0) {
            fputs("starling sub: connection lost, coming back\n", stderr);
        }
        pause_ms(s);
        uint64_t before = s->taken;
        rc = follow(s);
        retries = s->taken > before ? -1 : retries;
    }
    return is_stopped(s) ? 0 : rc;
}

/* --- jobs --- */

static int wrong(const char *text)
{
    fprintf(stderr, "starling sub: %s\n", text);
    return CLI_USAGE;
}

static int read_jobs(const struct args *args, struct job_to *to,
                     struct jobs_bounds *bounds)
{
    *to = (struct job_to){.command = args->exec, .json = args->json};
    *bounds = (struct jobs_bounds){
        .at_once = args->at_once == 0 ? JOBS_AT_ONCE : args->at_once,
        .waiting = args->queue == 0 ? JOBS_WAITING : args->queue,
        .seconds = args->timeout == 0 ? JOBS_SECONDS : args->timeout,
    };
    if (args->exec != NULL && args->post != NULL) {
        return wrong("--exec and --post exclude each other");
    }
    if (args->post != NULL && job_to_url(to, args->post) != 0) {
        return wrong("--post needs a URL that the commands can read");
    }
    if (args->secret_file != NULL && args->post == NULL) {
        return wrong("--secret-file signs what --post sends");
    }
    if (bounds->at_once > JOBS_AT_ONCE_MAX ||
        bounds->waiting > JOBS_WAITING_MAX ||
        bounds->seconds > JOBS_SECONDS_MAX) {
        return wrong("at most --at-once 256, --queue 100000, --timeout 3600");
    }
    return CLI_OK;
}

/* Follows with jobs; the exit code. */
static int follow_jobs(struct subscribing *s)
{
    struct job_to to;
    struct jobs_bounds bounds;
    struct jobs jobs;
    struct buf secret = {0};
    char why[256];
    int exit_code = read_jobs(s->args, &to, &bounds);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (s->args->secret_file != NULL &&
        keyfile_read_text(s->args->secret_file, &secret, why, sizeof why) !=
            0) {
        fprintf(stderr, "starling sub: %s\n", why);
        buf_fini(&secret);
        return CLI_CONFIG;
    }
    to.secret = buf_bytes(&secret);
    int rc = jobs_init(&jobs, &to, &bounds);
    if (rc == 0) {
        s->jobs = &jobs;
        rc = follow_on(s);
        exit_code = jobs_end(&jobs) ? CLI_OK : CLI_REFUSED;
        s->jobs = NULL;
    }
    buf_fini(&secret);
    return rc == 0 ? exit_code
                   : args_fail_saying("sub", s->args->words[1], rc,
                                      s->session.words);
}

static int run(int argc, char **argv)
{
    struct args args;
    struct subscribing s = {.args = &args};
    int exit_code = args_read(&args, &command_sub, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    signal(SIGPIPE, SIG_DFL); /* `sub | head` ends quietly */
    if (args.exec != NULL || args.post != NULL) {
        return follow_jobs(&s);
    }
    if (args.secret_file != NULL ||
        args.at_once + args.queue + args.timeout > 0) {
        return wrong("only with --exec or --post");
    }
    int rc = follow_on(&s);
    buf_fini(&s.data);
    return rc == 0
               ? CLI_OK
               : args_fail_saying("sub", args.words[1], rc, s.session.words);
}
