/* SPDX-License-Identifier: Apache-2.0
 *
 * starling sub CACHE TOPIC...: prints what arrives, the bytes and a line feed,
 * or with --json one object a line. A lost connection is taken up again where
 * it was; what was missed then is reported on standard error.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/session.h"
#include "proto/err.h"
#include "proto/json.h"

enum {
    RETRY_MS = 500,
    RETRIES_MAX = 60,
    WAIT_MS = 60000
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
    struct buf data;
    uint64_t printed;
    bool live; /* was subscribed at least once */
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
    if (s->args->barrier_all) {
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
    (void)fwrite(value.p, 1, value.len, stdout);
    (void)fputc('\n', stdout);
    s->printed++;
    return ferror(stdout) ? ERR_IO : 0;
}

static void print_gap(struct subscribing *s, json_t *message)
{
    if (s->args->json) {
        json_dumpf(message, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
        return;
    }
    fprintf(stderr,
            "starling sub: gap in %s: after %" PRIu64 " comes %" PRIu64 "\n",
            session_text(message, "topic"), session_number(message, "last"),
            session_number(message, "next") + 1);
}

/* Acts on one message. 0, or why the subscription is over. */
static int take(struct subscribing *s, json_t *message)
{
    if (session_is(message, "item")) {
        keep_position(s, message, "seq");
        return print_item(s, message);
    }
    if (session_is(message, "subscribed")) {
        s->live = true;
        keep_position(s, message, "seq");
        if (s->args->json) {
            json_dumpf(message, stdout, JSON_COMPACT);
            (void)fputc('\n', stdout);
        }
    } else if (session_is(message, "gap")) {
        keep_position(s, message, "next");
        print_gap(s, message);
    } else if (session_is(message, "error") || session_is(message, "ended")) {
        return err_from_code((unsigned)session_number(message, "code"));
    }
    return 0;
}

static bool is_done(const struct subscribing *s)
{
    return s->args->count > 0 && s->printed >= s->args->count;
}

/* One connection, until it ends or the count is reached (0). */
static int follow(struct subscribing *s)
{
    int rc = session_open(&s->session, &s->args->url, s->args->token);

    if (rc != 0) {
        return rc;
    }
    for (size_t i = 1; rc == 0 && i < s->args->words_len; i++) {
        rc = send_subscribe(s, i);
    }
    while (rc == 0 && !is_done(s)) {
        /* Print at once, but not one system call a line while there is more. */
        json_t *message = session_next(&s->session, 0, &rc);
        if (message == NULL && rc == ERR_TIMEOUT) {
            (void)fflush(stdout);
            message = session_next(&s->session, WAIT_MS, &rc);
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

int cli_sub(int argc, char **argv)
{
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    struct args args;
    struct subscribing s = {.args = &args};
    int exit_code = args_read(
        &args, "sub", ARGS_JSON | ARGS_COUNT | ARGS_BARRIER, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (args.words_len < 2) {
        fputs("usage: starling sub CACHE TOPIC... [--json] [--count N]\n",
              stderr);
        return CLI_USAGE;
    }
    signal(SIGPIPE, SIG_DFL); /* `sub | head` ends quietly */
    int rc = follow(&s);
    for (int retries = 0; may_retry(rc) && s.live && retries < RETRIES_MAX;
         retries++) {
        if (retries == 0) {
            fputs("starling sub: connection lost, coming back\n", stderr);
        }
        nanosleep(&pause, NULL);
        uint64_t before = s.printed;
        rc = follow(&s);
        retries = s.printed > before ? -1 : retries;
    }
    buf_fini(&s.data);
    return rc == 0 ? CLI_OK : args_fail("sub", args.words[1], rc);
}
