/* SPDX-License-Identifier: Apache-2.0
 *
 * starling top: what all nodes do, live, from what they say of themselves in
 * the cache _sys; with --once as one table, or with --json one document.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "node/cli/args.h"
#include "node/cli/cli.h"
#include "node/cli/screen.h"
#include "node/cli/session.h"
#include "node/cli/show.h"
#include "node/cli/top_view.h"
#include "proto/err.h"

enum {
    WAIT_MS = 1000,  /* between two drawings when nothing comes */
    RETRY_MS = 1000, /* to connect again */
    DRAW_MS = 100,   /* of many nodes one always has news */
    LOOK_MS = 1200,  /* who is asked looks at items from then on */
};

static int run(int argc, char **argv);

static const struct command_option options[] = {
    ARGS_SWITCH("--once", once, "print one table and end"),
    ARGS_SWITCH("--json", json, "print JSON, as the nodes say it; with --once"),
    {0},
};

const struct command command_top = {
    .name = "top",
    .run = run,
    .what = "what all nodes do, live: rates, links, topics, slow clients",
    .options = options,
    .where = args_where,
    .more = "Needs the scope admin:read. Ends with q. Colours only on a "
            "terminal, and not\nwith NO_COLOR.\n\n"
            "IN is what clients publish to a node, OUT what it gives to those "
            "who subscribe\nthere, each a second. \"Written after\" is how "
            "old items were when they were\nwritten to subscribers: of the "
            "same node, of its region, of another region.",
    .group = COMMAND_LOOKS,
};

static void draw(const struct top_view *view, struct buf *out,
                 struct screen_size size)
{
    struct sheet sheet = {.out = out,
                          .width = size.width,
                          .left = size.height,
                          .colours = screen_has_colours()};

    buf_reset(out);
    top_view_draw(view, &sheet);
}

/* --- once --- */

static void look_for_a_while(void)
{
    const struct timespec pause = {.tv_sec = LOOK_MS / 1000,
                                   .tv_nsec = LOOK_MS % 1000 * 1000000L};

    nanosleep(&pause, NULL);
}

static void print_table(const json_t *root)
{
    const struct screen_size any = {0, SIZE_MAX};
    struct top_view view = {0};
    struct buf out = {0};
    size_t i;
    json_t *report;
    json_t *name;

    json_array_foreach(json_object_get(root, "nodes"), i, report)
    {
        top_view_take(&view, json_incref(report), link_now_ms());
    }
    draw(&view, &out, any);
    (void)fwrite(out.p, 1, out.len, stdout);
    json_array_foreach(json_object_get(root, "silent"), i, name)
    {
        printf("%s does not answer\n", json_string_value(name));
    }
    buf_fini(&out);
    top_view_fini(&view);
}

/* Asked twice: from the first time on, nodes look at what there is to see. */
static int once(const struct args *args)
{
    static const char *const path = "/v1/admin/report";
    json_t *root = NULL;
    int exit_code = show_fetch("top", args, "GET", path, &root);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    json_decref(root);
    look_for_a_while();
    exit_code = show_fetch("top", args, "GET", path, &root);
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (args->json) {
        json_dumpf(root, stdout, JSON_COMPACT);
        puts("");
    } else {
        print_table(root);
    }
    json_decref(root);
    return CLI_OK;
}

/* --- live --- */

struct live {
    const struct args *args;
    struct session session;
    bool is_connected;
    uint64_t retry_ms;
    uint64_t drawn_ms;
    struct top_view view;
    struct buf out;
};

static int connect_to(struct live *live)
{
    static const char subscribe[] =
        "{\"op\":\"subscribe\",\"id\":1,\"cache\":\"_sys\","
        "\"topic\":\"stats\"}";
    int rc = session_open(&live->session, &live->args->url, live->args->token);

    if (rc == 0) {
        rc = session_send(&live->session, bytes_str(subscribe));
        live->is_connected = rc == 0;
        if (rc != 0) {
            session_close(&live->session);
        }
    }
    live->retry_ms = link_now_ms() + RETRY_MS;
    live->view.trouble = rc == 0 ? NULL : "connection lost, coming back";
    return rc;
}

static void take_item(struct live *live, const json_t *message)
{
    const char *text = session_text(message, "text");
    json_t *report = text == NULL ? NULL : json_loads(text, 0, NULL);

    if (report != NULL) {
        top_view_take(&live->view, report, link_now_ms());
    }
}

/* All that is there. Errors: the connection is over. */
static int take_all(struct live *live)
{
    int rc = 0;

    while (rc == 0) {
        json_t *message = session_next(&live->session, 0, &rc);
        if (message == NULL) {
            break;
        }
        if (session_is(message, "item")) {
            take_item(live, message);
        } else if (session_is(message, "error") ||
                   session_is(message, "ended")) {
            rc = session_refused(&live->session, message);
        }
        json_decref(message);
    }
    return rc == ERR_TIMEOUT ? 0 : rc;
}

static bool is_final(int rc)
{
    return rc == ERR_DENIED || rc == ERR_UNAUTH || rc == ERR_EXPIRED ||
           rc == ERR_REVOKED;
}

/* 0, or why there is no going on. */
static int hear(struct live *live)
{
    int rc = live->is_connected ? take_all(live) : 0;

    if (rc != 0) {
        session_close(&live->session);
        live->is_connected = false;
        live->view.trouble = "connection lost, coming back";
    }
    if (rc == 0 && !live->is_connected && link_now_ms() >= live->retry_ms) {
        rc = connect_to(live);
    }
    return is_final(rc) ? rc : 0;
}

static void redraw(struct live *live)
{
    struct screen_size size = screen_size();

    /* What is cleared behind a line that fills the width is its last letter. */
    size.width -= size.width > 1;
    live->drawn_ms = link_now_ms();
    top_view_pass(&live->view, live->drawn_ms);
    draw(&live->view, &live->out, size);
    /* The last line has no end: the screen would move up. */
    if (live->out.len > 0) {
        live->out.len--;
    }
    screen_show(buf_bytes(&live->out));
}

static int follow(struct live *live)
{
    enum screen_news news = SCREEN_NOTHING;
    int rc = 0;

    for (;;) {
        if (news != SCREEN_FD || link_now_ms() - live->drawn_ms >= DRAW_MS) {
            redraw(live);
        }
        news = screen_wait(live->is_connected ? live->session.link.fd : -1,
                           WAIT_MS);
        if (news == SCREEN_END ||
            (news == SCREEN_KEY && (screen_key() == 'q'))) {
            return 0;
        }
        rc = hear(live);
        if (rc != 0) {
            return rc;
        }
    }
}

static int follow_live(const struct args *args)
{
    struct live live = {.args = args};
    int rc = connect_to(&live);

    if (rc == 0) {
        rc = screen_open();
    }
    if (rc == 0) {
        rc = follow(&live);
        screen_close();
    }
    if (live.is_connected) {
        session_close(&live.session);
    }
    buf_fini(&live.out);
    top_view_fini(&live.view);
    return rc == 0 ? CLI_OK
                   : args_fail_saying("top", args->url_text, rc,
                                      live.session.words);
}

static int run(int argc, char **argv)
{
    struct args args;
    int exit_code = args_read(&args, &command_top, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    if (args.json && !args.once) {
        fputs("starling top: --json prints once: give it --once\n", stderr);
        return CLI_USAGE;
    }
    return args.once || !screen_is_there() ? once(&args) : follow_live(&args);
}
