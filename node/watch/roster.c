/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/roster.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "node/client/client.h"
#include "node/conn/conn.h"
#include "node/core.h"
#include "node/door/door.h"
#include "node/mesh/calls.h"
#include "node/watch/walk.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/rows.h"

enum {
    ASK_FIELDS = 2,
    KICK_FIELDS = 3,
    NODE_HEX_LEN = 16,
};

/* What a row will say, kept while the walk goes on: the client may go. */
struct line {
    uint64_t key;
    uint64_t id; /* all bits turned: the newest is first */
    const struct door *door;
    struct identity *who; /* a reference */
    struct addr remote;
    uint64_t queue;
    uint64_t opened_ms;
    uint32_t subs;
};

struct page {
    struct walk walk;
    struct call_ticket ticket;
    struct rows_question question; /* without what */
    enum roster_sort sort;
    bool more; /* than is kept */
    size_t len;
    struct line lines[]; /* a heap: the last of them in order is the first */
};

struct kick {
    struct walk walk;
    struct call_ticket ticket;
    uint64_t id;
    bool done;
    size_t by_len;
    uint8_t by[ITEM_PUBLISHER_LEN_MAX];
};

static void take_ask(void *data, struct bytes body,
                     const struct call_ticket *ticket);
static void take_kick(void *data, struct bytes body,
                      const struct call_ticket *ticket);
static bool visit_line(struct walk *walk, struct client *client);
static void end_page(struct walk *walk, bool whole);
static bool visit_kick(struct walk *walk, struct client *client);
static void end_kick(struct walk *walk, bool whole);

void roster_serve(struct core *core)
{
    calls_serve_later(core->calls, CALL_CLIENTS, take_ask, core);
    calls_serve_later(core->calls, CALL_KICK, take_kick, core);
}

/* --- names --- */

static void add_node_hex(uint64_t node, struct buf *out)
{
    uint8_t b[8];

    for (size_t i = 0; i < sizeof b; i++) {
        b[i] = (uint8_t)(node >> (56 - 8 * i));
    }
    buf_add_hex(out, b, sizeof b);
}

void roster_client_text(const struct roster_client *client, struct buf *out)
{
    add_node_hex(client->node, out);
    buf_add_u8(out, '-');
    buf_add_u64(out, client->id);
}

/* One spelling: what it reads is what roster_client_text() writes. */
int roster_client_read(struct bytes text, struct roster_client *client)
{
    struct buf again = {0};
    uint64_t node = 0;
    int rc = ERR_NOT_FOUND;

    for (size_t i = 0; i < NODE_HEX_LEN && i < text.len; i++) {
        uint8_t c = text.p[i];
        node = node << 4 | (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (text.len > NODE_HEX_LEN + 1 &&
        bytes_u64(bytes_skip(text, NODE_HEX_LEN + 1), &client->id) == 0) {
        client->node = node;
        roster_client_text(client, &again);
        rc = again.failed                        ? ERR_NOMEM
             : bytes_eq(buf_bytes(&again), text) ? 0
                                                 : ERR_NOT_FOUND;
    }
    buf_fini(&again);
    return rc;
}

/* --- the questions --- */

void roster_ask_write(enum roster_sort sort, struct bytes node, struct buf *out)
{
    mp_put_array(out, ASK_FIELDS);
    mp_put_u64(out, sort);
    mp_put_str(out, node);
}

static int read_ask(struct bytes in, uint64_t *sort, struct bytes *node)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    *sort = mp_take_u64_max(&mp, ROSTER_SORTS - 1);
    *node = mp_take_str(&mp, ROSTER_NAME_LEN_MAX);
    return mp.state == 0 && fields >= ASK_FIELDS ? 0 : ERR_SYNTAX;
}

void roster_kick_write(const struct roster_client *client, struct bytes by,
                       struct buf *out)
{
    mp_put_array(out, KICK_FIELDS);
    mp_put_u64(out, client->node);
    mp_put_u64(out, client->id);
    mp_put_str(out, by);
}

static int read_kick(struct bytes in, struct roster_client *client,
                     struct bytes *by)
{
    struct mp mp = mp_of(in);
    uint32_t fields = mp_take_array(&mp);

    client->node = mp_take_u64(&mp);
    client->id = mp_take_u64(&mp);
    *by = mp_take_str(&mp, ITEM_PUBLISHER_LEN_MAX);
    return mp.state == 0 && fields >= KICK_FIELDS ? 0 : ERR_SYNTAX;
}

/* Its name, or its id as people see it. */
static bool is_node(const struct core *core, struct bytes name)
{
    struct buf id = {0};
    bool is = name.len == 0 || bytes_eq(name, bytes_str(core->name));

    if (!is && name.len == NODE_HEX_LEN) {
        add_node_hex(core->node_u64, &id);
        is = bytes_eq(buf_bytes(&id), name);
    }
    buf_fini(&id);
    return is;
}

static void reply(struct core *core, const struct call_ticket *ticket,
                  const struct rows_page *page)
{
    struct buf out = {.max = PEER_BODY_LEN_MAX};

    rows_page_write(page, &out);
    calls_reply(core->calls, ticket, &out);
    buf_fini(&out);
}

static void reply_nothing(struct core *core, const struct call_ticket *ticket)
{
    reply(core, ticket, &(struct rows_page){.node = core->node_u64});
}

/* --- a page --- */

static void take_ask(void *data, struct bytes body,
                     const struct call_ticket *ticket)
{
    struct core *core = data;
    struct rows_question question;
    struct bytes node;
    uint64_t sort;
    struct page *page = NULL;

    if (rows_question_read(body, &question) == 0 &&
        read_ask(question.what, &sort, &node) == 0) {
        if (!is_node(core, node)) {
            reply_nothing(core, ticket);
            return;
        }
        page = calloc(1,
                      sizeof *page + question.rows_max * sizeof(struct line));
    }
    if (page == NULL) {
        calls_reply(core->calls, ticket, NULL);
        return;
    }
    page->walk.visit = visit_line;
    page->walk.end = end_page;
    page->ticket = *ticket;
    page->question = question;
    page->question.what = (struct bytes){0};
    page->sort = (enum roster_sort)sort;
    if (walk_start(&page->walk, core) != 0) {
        free(page);
        calls_reply(core->calls, ticket, NULL);
    }
}

static bool line_is_before(const struct line *a, const struct line *b)
{
    return a->key != b->key ? a->key < b->key : a->id < b->id;
}

static uint64_t key_of(const struct client *client, enum roster_sort sort)
{
    switch (sort) {
    case ROSTER_BY_QUEUE:
        return ~client->out.pinned;
    case ROSTER_BY_SUBS:
        return ~(uint64_t)client->subs_len;
    case ROSTER_BY_ID:
    case ROSTER_SORTS:
        break;
    }
    return 0;
}

static void fill(struct line *line, const struct client *client)
{
    identity_ref(client->who);
    if (line->who != NULL) {
        identity_unref(line->who);
    }
    line->who = client->who;
    line->door = client->door;
    line->remote = client->conn->remote;
    line->queue = client->out.pinned;
    line->opened_ms = client->conn->opened_ms;
    line->subs = client->subs_len;
}

static void swap(struct line *a, struct line *b)
{
    struct line kept = *a;

    *a = *b;
    *b = kept;
}

static void sift_up(struct page *page, size_t at)
{
    struct line *lines = page->lines;

    while (at > 0 && line_is_before(&lines[(at - 1) / 2], &lines[at])) {
        swap(&lines[(at - 1) / 2], &lines[at]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct page *page, size_t len)
{
    struct line *lines = page->lines;

    for (size_t at = 0, child = 1; child < len; child = 2 * at + 1) {
        if (child + 1 < len &&
            line_is_before(&lines[child], &lines[child + 1])) {
            child++;
        }
        if (!line_is_before(&lines[at], &lines[child])) {
            return;
        }
        swap(&lines[at], &lines[child]);
        at = child;
    }
}

/* Keeps the first rows_max that come after the place that was asked for. */
static bool visit_line(struct walk *walk, struct client *client)
{
    struct page *page = (struct page *)walk;
    uint64_t node = walk->core->node_u64;
    struct line line = {.key = key_of(client, page->sort), .id = ~client->id};
    const struct rows_place place = {line.key, node, line.id};

    if (client->door == NULL || client->closing ||
        !rows_is_before(&page->question.after, &place)) {
        return true;
    }
    if (page->len < page->question.rows_max) {
        fill(&line, client);
        page->lines[page->len++] = line;
        sift_up(page, page->len - 1);
        return true;
    }
    page->more = true;
    if (line_is_before(&line, &page->lines[0])) {
        struct line *last = &page->lines[0];
        last->key = line.key;
        last->id = line.id;
        fill(last, client);
        sift_down(page, page->len);
    }
    return page->sort != ROSTER_BY_ID; /* they come in that order */
}

static void add_number(struct buf *out, const char *name, uint64_t value)
{
    json_add_name(out, true, name);
    buf_add_u64(out, value);
}

static void write_text(const struct core *core, const struct line *line,
                       struct buf *out)
{
    const struct roster_client name = {core->node_u64, ~line->id};
    char address[ADDR_TEXT_MAX];

    buf_add_str(out, "{\"client\":\"");
    roster_client_text(&name, out);
    buf_add_str(out, "\",\"node\":");
    json_add_string(out, bytes_str(core->name));
    json_add_name(out, true, "door");
    json_add_string(out, bytes_str(line->door->name));
    json_add_name(out, true, "address");
    json_add_string(out, bytes_str(addr_text(&line->remote, address)));
    json_add_name(out, true, "who");
    json_add_string(out, line->who->token.subject);
    add_number(out, "subs", line->subs);
    add_number(out, "queue", line->queue);
    add_number(out, "limit", limits_out_hard(&core->limits));
    add_number(out, "age_ms", core->now_ms - line->opened_ms);
    buf_add_u8(out, '}');
}

/* In order, as many as fit. */
static void write_lines(const struct page *page, struct rows_page *to)
{
    struct buf text = {0};

    for (size_t i = 0; i < page->len; i++) {
        const struct line *line = &page->lines[i];
        struct row row = {.key = line->key, .id = line->id};
        buf_reset(&text);
        write_text(page->walk.core, line, &text);
        row.text = buf_bytes(&text);
        if (!rows_page_add(to, &row)) {
            break;
        }
    }
    to->more = to->more || page->more;
    to->rows.failed = to->rows.failed || text.failed;
    buf_fini(&text);
}

static void end_page(struct walk *walk, bool whole)
{
    struct page *page = (struct page *)walk;
    struct rows_page rows = {.question = page->question,
                             .node = walk->core->node_u64};

    for (size_t len = page->len; len > 1; len--) {
        swap(&page->lines[0], &page->lines[len - 1]);
        sift_down(page, len - 1);
    }
    if (whole) {
        write_lines(page, &rows);
        reply(walk->core, &page->ticket, &rows);
    }
    for (size_t i = 0; i < page->len; i++) {
        identity_unref(page->lines[i].who);
    }
    rows_page_fini(&rows);
    free(page);
}

/* --- kick --- */

static void take_kick(void *data, struct bytes body,
                      const struct call_ticket *ticket)
{
    struct core *core = data;
    struct rows_question question;
    struct roster_client client;
    struct bytes by;
    struct kick *kick = NULL;

    if (rows_question_read(body, &question) == 0 &&
        read_kick(question.what, &client, &by) == 0) {
        if (client.node != core->node_u64) {
            reply_nothing(core, ticket);
            return;
        }
        kick = calloc(1, sizeof *kick);
    }
    if (kick == NULL) {
        calls_reply(core->calls, ticket, NULL);
        return;
    }
    kick->walk.visit = visit_kick;
    kick->walk.end = end_kick;
    kick->ticket = *ticket;
    kick->id = client.id;
    kick->by_len = by.len;
    memcpy(kick->by, by.len > 0 ? by.p : kick->by, by.len);
    if (walk_start(&kick->walk, core) != 0) {
        free(kick);
        calls_reply(core->calls, ticket, NULL);
    }
}

static void say_kicked(const struct kick *kick, const struct client *client)
{
    struct core *core = client->core;
    struct bytes who = client->who->token.subject;
    char address[ADDR_TEXT_MAX];

    log_line(core->log, LOG_INFO, "client-kicked",
             "client=%llu door=%s address=%s by=%.*s who=%.*s",
             (unsigned long long)client->id, client->door->name,
             addr_text(&client->conn->remote, address), (int)kick->by_len,
             (const char *)kick->by, (int)who.len, (const char *)who.p);
}

static bool visit_kick(struct walk *walk, struct client *client)
{
    struct kick *kick = (struct kick *)walk;

    if (client->id != kick->id) {
        return client->id > kick->id; /* they come in that order */
    }
    if (client->door != NULL && !client->closing) {
        kick->done = true;
        walk->core->stats.kicked++;
        say_kicked(kick, client);
        client_close(client, ERR_KICKED);
    }
    return false;
}

static void end_kick(struct walk *walk, bool whole)
{
    struct kick *kick = (struct kick *)walk;
    struct rows_page rows = {.node = walk->core->node_u64};

    if (kick->done) {
        (void)rows_page_add(&rows,
                            &(struct row){.key = 1, .text = BYTES("{}")});
    }
    if (whole) {
        reply(walk->core, &kick->ticket, &rows);
    }
    rows_page_fini(&rows);
    free(kick);
}
