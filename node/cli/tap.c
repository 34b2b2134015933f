/* SPDX-License-Identifier: Apache-2.0
 *
 * starling tap: what is being published in a cache, on whatever node, sampled.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "node/cli/cli.h"
#include "node/cli/link.h"
#include "node/cli/page.h"
#include "node/cli/show.h"
#include "proto/err.h"
#include "proto/topic.h"

enum {
    SILENCE_MS = 60000, /* the node beats more often */
};

struct tapping {
    struct args args;
    struct link link;
    uint64_t taken;
    int status;  /* of the head; 0: not there yet */
    bool is_end; /* the event that is being read */
};

/* A value may hold anything; what a terminal would act on is shown as \xNN. */
static void print_clean(const char *text)
{
    struct bytes rest = bytes_str(text);

    while (rest.len > 0) {
        size_t len = 1;
        while (len < 4 && len < rest.len && (rest.p[len] & 0xc0) == 0x80) {
            len++;
        }
        if (topic_is_valid(bytes_of(rest.p, len))) {
            (void)fwrite(rest.p, 1, len, stdout);
        } else {
            for (size_t i = 0; i < len; i++) {
                printf("\\x%02x", rest.p[i]);
            }
        }
        rest = bytes_skip(rest, len);
    }
}

static void print_item(const json_t *item)
{
    const json_t *text = json_object_get(item, "text");
    char at[SHOW_TIME_LEN];

    printf("%s %s %s/%s", show_time(item, "at", at), show_text(item, "node"),
           show_text(item, "cache"), show_text(item, "topic"));
    if (show_text(item, "publisher")[0] != '\0') {
        printf(" by %s", show_text(item, "publisher"));
    }
    if (show_number(item, "sampled") > 1) {
        printf(" sampled 1/%lld", show_number(item, "sampled"));
    }
    printf(" %lld bytes: ", show_number(item, "bytes"));
    print_clean(text != NULL ? show_text(item, "text")
                             : show_text(item, "data"));
    puts(text != NULL ? "" : " (base64)");
}

static int take_data(struct tapping *t, struct bytes data)
{
    json_t *event = json_loadb((const char *)data.p, data.len, 0, NULL);
    int rc = 0;

    if (t->is_end) {
        rc = err_from_code((unsigned)show_number(event, "code"));
    } else if (t->args.json) {
        (void)fwrite(data.p, 1, data.len, stdout);
        puts("");
        t->taken++;
    } else if (event != NULL) {
        print_item(event);
        t->taken++;
    }
    json_decref(event);
    return rc;
}

/* Each item is one line of data. */
static int take_line(struct tapping *t, struct bytes line)
{
    static const struct bytes data = BYTES("data: ");

    if (bytes_starts(line, data)) {
        return take_data(t, bytes_skip(line, data.len));
    }
    if (bytes_starts(line, BYTES("event: "))) {
        t->is_end = bytes_eq(line, BYTES("event: end"));
    }
    return 0;
}

static bool is_done(const struct tapping *t)
{
    return t->args.count > 0 && t->taken >= t->args.count;
}

/* The whole lines that have come. */
static int take_lines(struct tapping *t)
{
    struct bytes in = buf_bytes(&t->link.in);
    ptrdiff_t end;
    int rc = 0;

    while (rc == 0 && !is_done(t) && (end = bytes_find(in, '\n')) >= 0) {
        rc = take_line(t, bytes_of(in.p, (size_t)end));
        in = bytes_skip(in, (size_t)end + 1);
    }
    memmove(t->link.in.p, in.p, in.len);
    t->link.in.len = in.len;
    (void)fflush(stdout);
    return rc;
}

/* Cuts the head off. 0: not whole yet. */
static int take_head(struct tapping *t)
{
    struct bytes in = buf_bytes(&t->link.in);
    const uint8_t *end = in.len == 0 ? NULL
                                     : memmem(in.p, in.len, "\r\n\r\n", 4);
    uint64_t status;

    if (end == NULL) {
        return 0;
    }
    if (in.len < 12 || bytes_u64(bytes_of(in.p + 9, 3), &status) != 0) {
        return ERR_SYNTAX;
    }
    size_t len = (size_t)(end - in.p) + 4;
    memmove(t->link.in.p, in.p + len, in.len - len);
    t->link.in.len = in.len - len;
    return (int)status;
}

/* A refusal has a JSON body, and the connection ends behind it. */
static int refused(struct tapping *t)
{
    json_t *answer;
    int exit_code;

    while (link_read(&t->link, LINK_WAIT_MS) > 0) {
    }
    answer = json_loadb((const char *)t->link.in.p, t->link.in.len, 0, NULL);
    exit_code = args_refused(command_tap.name, &t->args, t->status, answer);
    json_decref(answer);
    return exit_code;
}

static int follow(struct tapping *t)
{
    int rc = 0;

    while (rc == 0 && !is_done(t)) {
        ptrdiff_t n = link_read(&t->link, SILENCE_MS);
        if (n <= 0) {
            rc = n == 0 ? ERR_IO : (int)n;
            break;
        }
        if (t->status == 0) {
            rc = take_head(t);
            t->status = rc > 0 ? rc : 0;
            rc = rc > 0 ? 0 : rc;
        }
        if (t->status != 0 && t->status != 200) {
            return refused(t);
        }
        if (t->status == 200 && rc == 0) {
            rc = take_lines(t);
        }
    }
    return rc == 0 ? CLI_OK
                   : args_fail(command_tap.name, t->args.url.authority, rc);
}

static void write_request(const struct args *args, struct buf *out)
{
    buf_add_str(out, "GET /v1/admin/tap/");
    page_encode(out, args->words[0]);
    if (args->words_len > 1) {
        buf_add_u8(out, '/');
        page_encode(out, args->words[1]);
    }
    if (args->rate > 0) {
        buf_add_str(out, "?rate=");
        buf_add_u64(out, args->rate);
    }
    buf_add_str(out, " HTTP/1.1\r\nHost: ");
    buf_add_str(out, args->url.authority);
    if (args->token != NULL) {
        buf_add_str(out, "\r\nAuthorization: ");
        buf_add_str(out, args->token);
    }
    buf_add_str(out, "\r\nConnection: close\r\n\r\n");
}

static int run(int argc, char **argv)
{
    struct tapping t = {0};
    struct buf request = {0};
    int exit_code = args_read(&t.args, &command_tap, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    signal(SIGPIPE, SIG_DFL); /* `tap | head` ends quietly */
    int rc = link_open(&t.link, &t.args.url, LINK_WAIT_MS);
    if (rc != 0) {
        return args_fail(command_tap.name, t.args.url.authority, rc);
    }
    write_request(&t.args, &request);
    rc = request.failed ? ERR_NOMEM : link_write(&t.link, buf_bytes(&request));
    exit_code = rc == 0 ? follow(&t)
                        : args_fail(command_tap.name, t.args.url.authority, rc);
    buf_fini(&request);
    link_close(&t.link);
    return exit_code;
}

static const struct command_option options[] = {
    ARGS_NUMBER("--rate", "N", rate, "items a second at most, up to 100 (50)"),
    ARGS_NUMBER("--count", "N", count, "end after so many"),
    ARGS_JSON,
    {0},
};

const struct command command_tap = {
    .name = "tap",
    .run = run,
    .words = "CACHE [PREFIX]",
    .what = "look at what is being published, sampled",
    .options = options,
    .where = args_where,
    .more = "At most --rate items a second are shown, of all nodes together. "
            "What is\nmarked `sampled 1/80` stands for 80 that were published "
            "since the last\none. Nobody who publishes waits for it, and it "
            "ends with the command.",
    .group = COMMAND_LOOKS,
    .words_min = 1,
    .words_max = 2,
};
