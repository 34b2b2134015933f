/* SPDX-License-Identifier: Apache-2.0
 *
 * starling pub CACHE TOPIC [VALUE|-]: publishes one value, or each line of the
 * standard input, with at most 64 of them unacknowledged.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/session.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/topic.h"

enum {
    UNACKED_MAX = 64,
    LINE_MAX = 16 << 20,
    READ_LEN = 64 << 10,
    ANSWER_WAIT_MS = 10000,
};

static int run(int argc, char **argv);

static const struct command_option options[] = {
    ARGS_NUMBER("--rate", "N", rate,
                "at most N lines a second (as fast as they are taken)"),
    {0},
};

const struct command command_pub = {
    .name = "pub",
    .run = run,
    .words = "CACHE TOPIC [VALUE|-]",
    .what = "publish a value, or each line of the standard input",
    .options = options,
    .where = args_where,
    .group = COMMAND_USES,
    .words_min = 2,
    .words_max = 3,
};

struct publishing {
    const struct args *args;
    struct session session;
    struct buf lines;   /* read from standard input, not yet published */
    size_t lines_at;    /* where the next line starts */
    size_t searched;    /* no line feed before this */
    struct buf message; /* reused */
    uint64_t sent;
    uint64_t answered;
    uint64_t start_ms;
    bool at_end; /* of the input */
};

/* Text when it is UTF-8, else data: no byte is ever changed. */
static int send_value(struct publishing *p, struct bytes value)
{
    struct buf *m = &p->message;

    buf_reset(m);
    buf_add_str(m, "{\"op\":\"publish\",\"receipt\":true,\"id\":");
    buf_add_u64(m, p->sent + 1);
    json_add_name(m, true, "cache");
    json_add_string(m, bytes_str(p->args->words[0]));
    json_add_name(m, true, "topic");
    json_add_string(m, bytes_str(p->args->words[1]));
    if (topic_text_is_valid(value)) {
        json_add_name(m, true, "text");
        json_add_string(m, value);
    } else {
        json_add_name(m, true, "data");
        json_add_base64(m, value);
    }
    buf_add_u8(m, '}');
    if (m->failed) {
        return ERR_NOMEM;
    }
    p->sent++;
    return session_send(&p->session, buf_bytes(m));
}

/* Takes one answer. 0, ERR_TIMEOUT when none came, or what was refused. */
static int take_answer(struct publishing *p, unsigned wait_ms)
{
    int rc;
    json_t *message = session_next(&p->session, wait_ms, &rc);

    if (message == NULL) {
        return rc;
    }
    if (session_is(message, "published")) {
        p->answered++;
    } else if (session_is(message, "error")) {
        rc = session_refused(&p->session, message);
    }
    json_decref(message);
    return rc;
}

/* Waits until all that was sent is answered. */
static int settle(struct publishing *p)
{
    int rc = 0;

    while (rc == 0 && p->answered < p->sent) {
        rc = take_answer(p, ANSWER_WAIT_MS);
    }
    return rc;
}

/* The next whole line that was read; the last one needs no line feed. */
static bool next_line(struct publishing *p, struct bytes *line)
{
    struct bytes rest = bytes_skip(buf_bytes(&p->lines), p->lines_at);
    ptrdiff_t end = bytes_find(bytes_skip(rest, p->searched), '\n');

    if (end >= 0) {
        size_t len = p->searched + (size_t)end;
        *line = bytes_of(rest.p, len);
        p->lines_at += len + 1;
        p->searched = 0;
        return true;
    }
    p->searched = rest.len;
    if (!p->at_end || rest.len == 0) {
        return false;
    }
    *line = rest;
    p->lines_at = p->lines.len;
    p->searched = 0;
    return true;
}

static int read_lines(struct publishing *p)
{
    buf_drop(&p->lines, p->lines_at);
    p->lines_at = 0;
    uint8_t *to = buf_reserve(&p->lines, READ_LEN);
    if (to == NULL) {
        return ERR_TOO_BIG;
    }
    ssize_t n = read(STDIN_FILENO, to, READ_LEN);
    if (n < 0) {
        return errno == EINTR ? 0 : ERR_IO;
    }
    p->lines.len += (size_t)n;
    p->at_end = n == 0;
    return 0;
}

/* How long --rate wants the next line to wait. */
static unsigned pause_ms(const struct publishing *p)
{
    if (p->args->rate == 0) {
        return 0;
    }
    uint64_t due_ms = p->start_ms + p->sent * 1000 / p->args->rate;
    uint64_t now_ms = link_now_ms();
    return due_ms > now_ms ? (unsigned)(due_ms - now_ms) : 0;
}

/* Publishes what may go now: lines that are there, up to the window. */
static int send_lines(struct publishing *p)
{
    struct bytes line;
    int rc = 0;

    while (rc == 0 && p->sent - p->answered < UNACKED_MAX && pause_ms(p) == 0 &&
           next_line(p, &line)) {
        rc = send_value(p, line);
    }
    return rc;
}

/* One round: waits for input or an answer, whichever is wanted. */
static int turn(struct publishing *p)
{
    unsigned pause = pause_ms(p);
    bool window_is_full = p->sent - p->answered >= UNACKED_MAX;
    bool wants_input = !p->at_end && !window_is_full && pause == 0;
    struct pollfd fds[] = {
        {.fd = p->session.link.fd, .events = POLLIN},
        {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN},
    };
    int n = poll(fds, 2, pause > 0 ? (int)pause : ANSWER_WAIT_MS);

    if (n < 0 && errno != EINTR) {
        return ERR_IO;
    }
    /* The end of a pause that --rate wants is no late answer. */
    if (n == 0 && pause == 0 && window_is_full) {
        return ERR_TIMEOUT;
    }
    int rc = 0;
    if (fds[0].revents != 0) {
        while (rc == 0) {
            rc = take_answer(p, 0);
        }
        rc = rc == ERR_TIMEOUT ? 0 : rc;
    }
    if (rc == 0 && fds[1].revents != 0) {
        rc = read_lines(p);
    }
    return rc == 0 ? send_lines(p) : rc;
}

static int publish_lines(struct publishing *p)
{
    int rc = 0;

    p->start_ms = link_now_ms();
    while (rc == 0 && !(p->at_end && p->lines_at == p->lines.len)) {
        rc = turn(p);
    }
    return rc;
}

static int run(int argc, char **argv)
{
    struct args args;
    struct publishing p = {.args = &args, .lines = {.max = 2 * LINE_MAX}};
    int exit_code = args_read(&args, &command_pub, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    int rc = session_open(&p.session, &args.url, args.token);
    if (rc != 0) {
        return args_fail("pub", args.url.authority, rc);
    }
    if (args.words_len == 2 || strcmp(args.words[2], "-") == 0) {
        rc = publish_lines(&p);
    } else {
        rc = send_value(&p, bytes_str(args.words[2]));
    }
    if (rc == 0) {
        rc = settle(&p);
    }
    session_close(&p.session);
    buf_fini(&p.lines);
    buf_fini(&p.message);
    return rc == 0
               ? CLI_OK
               : args_fail_saying("pub", args.words[1], rc, p.session.words);
}
