/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/checker.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/cli/session.h"
#include "proto/err.h"

enum {
    ENDS_MAX = CHECKER_NODES_MAX * CHECKER_WAYS,
    WINDOW = 16, /* unanswered items of one publisher */
    WARM_EVERY_MS = 50,
    QUIET_MS = 300, /* nothing more comes: duplicates would have */
};

static const char cache[] = "demo";

/* The ways in and out. */
enum way {
    WAY_HTTP = 0,
    WAY_WEBSOCKET = 1,
    WAY_RESP = 2
};

struct end {
    enum way way;
    bool is_open;
    bool has_head; /* HTTP: the head of the stream was taken */
    struct link link;
    struct session session; /* WAY_WEBSOCKET: used instead of link */
};

struct subscriber {
    struct end end;
    bool heard[ENDS_MAX]; /* of the warm-up */
    uint64_t last[ENDS_MAX];
    uint64_t got[ENDS_MAX];
};

struct publisher {
    struct end end;
    uint64_t sent;
    uint64_t answered;
};

struct checker {
    const struct link_url *nodes;
    char topic[32];
    uint64_t items;
    size_t ends_len; /* publishers, and as many subscribers */
    struct subscriber subscribers[ENDS_MAX];
    struct publisher publishers[ENDS_MAX];
    struct checker_report *report;
};

static void take_value(struct checker *c, struct subscriber *s,
                       struct bytes value);

/* --- opening --- */

static int end_write(struct end *end, const struct buf *out)
{
    if (out->failed) {
        return ERR_NOMEM;
    }
    return end->way == WAY_WEBSOCKET
               ? session_send(&end->session, buf_bytes(out))
               : link_write(&end->link, buf_bytes(out));
}

static int end_open(struct end *end, enum way way, const struct link_url *url)
{
    end->way = way;
    int rc = way == WAY_WEBSOCKET
                 ? session_open(&end->session, url, getenv("STARLING_TOKEN"))
                 : link_open(&end->link, url, LINK_WAIT_MS);
    end->is_open = rc == 0;
    return rc;
}

static void end_close(struct end *end)
{
    if (!end->is_open) {
        return;
    }
    if (end->way == WAY_WEBSOCKET) {
        session_close(&end->session);
    } else {
        link_close(&end->link);
    }
    end->is_open = false;
}

static int end_fd(const struct end *end)
{
    return end->way == WAY_WEBSOCKET ? end->session.link.fd : end->link.fd;
}

static void add_words(struct buf *out, const char *const *words, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        buf_add_str(out, words[i]);
    }
}

static int subscribe(const struct checker *c, struct end *end,
                     const struct link_url *url)
{
    struct buf out = {0};
    const char *const http[] = {"GET /topics/",
                                cache,
                                "/",
                                c->topic,
                                " HTTP/1.1\r\nHost: ",
                                url->authority,
                                "\r\nAccept: text/event-stream\r\n\r\n"};
    const char *const native[] = {"{\"op\":\"subscribe\",\"id\":1,\"cache\":\"",
                                  cache, "\",\"topic\":\"", c->topic, "\"}"};
    const char *const resp[] = {"AUTH ", cache, " none\r\nSUBSCRIBE ", c->topic,
                                "\r\n"};

    switch (end->way) {
    case WAY_HTTP:
        add_words(&out, http, ARRAY_LEN(http));
        break;
    case WAY_WEBSOCKET:
        add_words(&out, native, ARRAY_LEN(native));
        break;
    case WAY_RESP:
        add_words(&out, resp, ARRAY_LEN(resp));
        break;
    }
    int rc = end_write(end, &out);
    buf_fini(&out);
    return rc;
}

/* A RESP publisher says first which cache it means. */
static int greet(struct end *end)
{
    struct buf out = {0};
    const char *const resp[] = {"AUTH ", cache, " none\r\n"};

    if (end->way != WAY_RESP) {
        return 0;
    }
    add_words(&out, resp, ARRAY_LEN(resp));
    int rc = end_write(end, &out);
    buf_fini(&out);
    return rc;
}

static int open_all(struct checker *c)
{
    for (size_t i = 0; i < c->ends_len; i++) {
        const struct link_url *url = &c->nodes[i / CHECKER_WAYS];
        enum way way = (enum way)(i % CHECKER_WAYS);
        struct end *in = &c->publishers[i].end;
        struct end *out = &c->subscribers[i].end;
        int rc = end_open(out, way, url);
        if (rc == 0) {
            rc = subscribe(c, out, url);
        }
        if (rc == 0) {
            rc = end_open(in, way, url);
        }
        if (rc == 0) {
            rc = greet(in);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/* --- publishing --- */

/* The value is "w P N" or "c P N": warm-up or counted, publisher, number. */
static void add_value(struct buf *out, char kind, size_t publisher, uint64_t n)
{
    buf_add_u8(out, (uint8_t)kind);
    buf_add_u8(out, ' ');
    buf_add_u64(out, publisher);
    buf_add_u8(out, ' ');
    buf_add_u64(out, n);
}

static void add_http(struct buf *out, const struct checker *c,
                     const struct link_url *url, struct bytes value)
{
    const char *const head[] = {"POST /topics/",
                                cache,
                                "/",
                                c->topic,
                                " HTTP/1.1\r\nHost: ",
                                url->authority,
                                "\r\nContent-Length: "};
    add_words(out, head, ARRAY_LEN(head));
    buf_add_u64(out, value.len);
    buf_add_str(out, "\r\n\r\n");
    buf_add_bytes(out, value);
}

static void add_native(struct buf *out, const struct checker *c,
                       struct bytes value)
{
    const char *const head[] = {
        "{\"op\":\"publish\",\"id\":1,\"receipt\":true,\"cache\":\"", cache,
        "\",\"topic\":\"", c->topic, "\",\"text\":\""};
    add_words(out, head, ARRAY_LEN(head));
    buf_add_bytes(out, value);
    buf_add_str(out, "\"}");
}

static void add_resp(struct buf *out, const struct checker *c,
                     struct bytes value)
{
    buf_add_str(out, "*3\r\n$7\r\nPUBLISH\r\n$");
    buf_add_u64(out, strlen(c->topic));
    buf_add_str(out, "\r\n");
    buf_add_str(out, c->topic);
    buf_add_str(out, "\r\n$");
    buf_add_u64(out, value.len);
    buf_add_str(out, "\r\n");
    buf_add_bytes(out, value);
    buf_add_str(out, "\r\n");
}

static int publish(struct checker *c, size_t i, char kind, uint64_t n)
{
    struct publisher *p = &c->publishers[i];
    struct buf value = {0};
    struct buf out = {0};

    add_value(&value, kind, i, n);
    switch (p->end.way) {
    case WAY_HTTP:
        add_http(&out, c, &c->nodes[i / CHECKER_WAYS], buf_bytes(&value));
        break;
    case WAY_WEBSOCKET:
        add_native(&out, c, buf_bytes(&value));
        break;
    case WAY_RESP:
        add_resp(&out, c, buf_bytes(&value));
        break;
    }
    int rc = end_write(&p->end, &out);
    p->sent++;
    buf_fini(&value);
    buf_fini(&out);
    return rc;
}

/* --- what comes back --- */

/* Whole texts ended by `mark` at the front of the buffer, one at a time. */
static bool next_piece(struct buf *in, const char *mark, struct bytes *piece)
{
    size_t mark_len = strlen(mark);
    const uint8_t *end = in->len == 0 ? NULL
                                      : memmem(in->p, in->len, mark, mark_len);

    if (end == NULL) {
        return false;
    }
    *piece = bytes_of(in->p, (size_t)(end - in->p));
    return true;
}

static void drop_piece(struct buf *in, struct bytes piece, const char *mark)
{
    buf_drop(in, piece.len + strlen(mark));
}

static void take_events(struct checker *c, struct subscriber *s)
{
    struct buf *in = &s->end.link.in;
    struct bytes piece;

    if (!s->end.has_head && next_piece(in, "\r\n\r\n", &piece)) {
        drop_piece(in, piece, "\r\n\r\n");
        s->end.has_head = true;
    }
    while (s->end.has_head && next_piece(in, "\n\n", &piece)) {
        const uint8_t *data = memmem(piece.p, piece.len, "data: ", 6);
        if (data != NULL) {
            size_t at = (size_t)(data - piece.p) + 6;
            take_value(c, s, bytes_skip(piece, at));
        }
        drop_piece(in, piece, "\n\n");
    }
}

/* Messages are `... $7 message $N topic $N value`: what stands in the line
 * after the topic's is the length, and then the value. */
static void take_resp_messages(struct checker *c, struct subscriber *s)
{
    struct buf *in = &s->end.link.in;
    struct bytes line;

    /* Every line of the stream in turn; values of ours start with "c " or
     * "w ", which no other line does. */
    while (next_piece(in, "\r\n", &line)) {
        if (line.len > 2 && line.p[1] == ' ' &&
            (line.p[0] == 'c' || line.p[0] == 'w')) {
            take_value(c, s, line);
        }
        drop_piece(in, line, "\r\n");
    }
}

static int take_messages(struct checker *c, struct subscriber *s)
{
    json_t *message;
    int rc;

    while ((message = session_next(&s->end.session, 0, &rc)) != NULL) {
        const char *value = session_text(message, "text");
        if (session_is(message, "item") && value != NULL) {
            take_value(c, s, bytes_str(value));
        }
        json_decref(message);
    }
    return rc == ERR_TIMEOUT ? 0 : rc;
}

static int take_stream(struct checker *c, struct subscriber *s)
{
    if (s->end.way == WAY_WEBSOCKET) {
        return take_messages(c, s);
    }
    ptrdiff_t n = link_read(&s->end.link, 0);
    if (n <= 0 && n != ERR_TIMEOUT) {
        return n == 0 ? ERR_IO : (int)n;
    }
    if (s->end.way == WAY_HTTP) {
        take_events(c, s);
    } else {
        take_resp_messages(c, s);
    }
    return 0;
}

/* Judges one value at one subscriber. */
static void take_value(struct checker *c, struct subscriber *s,
                       struct bytes value)
{
    uint64_t publisher;
    uint64_t n;
    struct bytes rest = bytes_skip(value, 2);
    ptrdiff_t space = bytes_find(rest, ' ');

    if (space < 0 ||
        bytes_u64(bytes_of(rest.p, (size_t)space), &publisher) != 0 ||
        bytes_u64(bytes_skip(rest, (size_t)space + 1), &n) != 0 ||
        publisher >= c->ends_len) {
        return;
    }
    s->heard[publisher] = true;
    if (value.p[0] != 'c') {
        return;
    }
    if (n == s->last[publisher]) {
        c->report->duplicate++;
    } else if (n < s->last[publisher]) {
        c->report->disordered++;
    } else {
        s->last[publisher] = n;
        s->got[publisher]++;
    }
}

/* Counts the answers of a publisher's way in `in`. */
static void take_answers(struct checker *c, struct publisher *p)
{
    struct buf *in = &p->end.link.in;
    const char *mark = p->end.way == WAY_HTTP ? "\r\n\r\n" : "\r\n";
    struct bytes piece;

    while (next_piece(in, mark, &piece)) {
        if (p->end.way == WAY_HTTP) {
            p->answered++;
            c->report->refused += !bytes_starts(piece, BYTES("HTTP/1.1 204 "));
        } else if (piece.len > 0 && piece.p[0] != '+') { /* +OK of AUTH */
            p->answered++;
            c->report->refused += piece.p[0] != ':';
        }
        drop_piece(in, piece, mark);
    }
}

static int take_receipts(struct checker *c, struct publisher *p)
{
    json_t *message;
    int rc;

    while ((message = session_next(&p->end.session, 0, &rc)) != NULL) {
        if (session_is(message, "published")) {
            p->answered++;
        } else if (session_is(message, "error")) {
            p->answered++;
            c->report->refused++;
        }
        json_decref(message);
    }
    return rc == ERR_TIMEOUT ? 0 : rc;
}

static int take_answer_stream(struct checker *c, struct publisher *p)
{
    if (p->end.way == WAY_WEBSOCKET) {
        return take_receipts(c, p);
    }
    ptrdiff_t n = link_read(&p->end.link, 0);
    if (n <= 0 && n != ERR_TIMEOUT) {
        return n == 0 ? ERR_IO : (int)n;
    }
    take_answers(c, p);
    return 0;
}

/* Waits up to wait_ms for anything, then takes all there is. Returns how many
 * ends had something, or an error. */
static int turn(struct checker *c, unsigned wait_ms)
{
    struct pollfd fds[2 * ENDS_MAX];
    int rc = 0;
    int active = 0;

    for (size_t i = 0; i < c->ends_len; i++) {
        fds[2 * i] = (struct pollfd){end_fd(&c->subscribers[i].end), POLLIN, 0};
        fds[2 * i + 1] = (struct pollfd){end_fd(&c->publishers[i].end), POLLIN,
                                         0};
    }
    if (poll(fds, 2 * c->ends_len, (int)wait_ms) < 0) {
        return 0; /* interrupted */
    }
    for (size_t i = 0; rc == 0 && i < c->ends_len; i++) {
        if (fds[2 * i].revents != 0) {
            rc = take_stream(c, &c->subscribers[i]);
            active++;
        }
        if (rc == 0 && fds[2 * i + 1].revents != 0) {
            rc = take_answer_stream(c, &c->publishers[i]);
            active++;
        }
    }
    return rc < 0 ? rc : active;
}

/* --- the three phases --- */

static bool all_heard(const struct checker *c)
{
    for (size_t s = 0; s < c->ends_len; s++) {
        for (size_t p = 0; p < c->ends_len; p++) {
            if (!c->subscribers[s].heard[p]) {
                return false;
            }
        }
    }
    return true;
}

static int warm_up(struct checker *c, uint64_t until_ms)
{
    uint64_t next_ms = 0;
    uint64_t n = 0;
    int rc = 0;

    while (rc >= 0 && !all_heard(c)) {
        uint64_t now_ms = link_now_ms();
        if (now_ms >= until_ms) {
            return ERR_TIMEOUT;
        }
        if (now_ms >= next_ms) {
            next_ms = now_ms + WARM_EVERY_MS;
            n++;
            for (size_t i = 0; rc >= 0 && i < c->ends_len; i++) {
                rc = publish(c, i, 'w', n);
            }
        }
        if (rc >= 0) {
            rc = turn(c, WARM_EVERY_MS);
        }
    }
    /* What the gate refused while the cluster formed does not count. */
    c->report->refused = 0;
    return rc < 0 ? rc : 0;
}

static int settle_answers(struct checker *c, uint64_t until_ms)
{
    int rc = 0;
    bool waiting = true;

    while (rc >= 0 && waiting) {
        waiting = false;
        for (size_t i = 0; i < c->ends_len; i++) {
            const struct publisher *p = &c->publishers[i];
            waiting = waiting || p->answered < p->sent;
        }
        if (waiting) {
            rc = link_now_ms() < until_ms ? turn(c, WARM_EVERY_MS)
                                          : ERR_TIMEOUT;
        }
    }
    return rc < 0 ? rc : 0;
}

static int publish_counted(struct checker *c, uint64_t until_ms)
{
    uint64_t done[ENDS_MAX] = {0};
    uint64_t total = 0;
    int rc = 0;

    while (rc >= 0 && total < c->items * c->ends_len) {
        for (size_t i = 0; rc >= 0 && i < c->ends_len; i++) {
            const struct publisher *p = &c->publishers[i];
            while (rc >= 0 && done[i] < c->items &&
                   p->sent - p->answered < WINDOW) {
                rc = publish(c, i, 'c', ++done[i]);
                total++;
            }
        }
        if (rc >= 0) {
            rc = link_now_ms() < until_ms ? turn(c, WARM_EVERY_MS)
                                          : ERR_TIMEOUT;
        }
    }
    c->report->items = total;
    return rc < 0 ? rc : settle_answers(c, until_ms);
}

static uint64_t count_missing(const struct checker *c)
{
    uint64_t missing = 0;

    for (size_t s = 0; s < c->ends_len; s++) {
        for (size_t p = 0; p < c->ends_len; p++) {
            missing += c->items - c->subscribers[s].got[p];
        }
    }
    return missing;
}

/* Until nothing is missing and it is quiet, or time is up. */
static int collect(struct checker *c, uint64_t until_ms)
{
    int rc = 1;

    while (rc >= 0 && link_now_ms() < until_ms) {
        rc = turn(c, QUIET_MS);
        if (rc == 0 && count_missing(c) == 0) {
            break;
        }
    }
    c->report->missing = count_missing(c);
    return rc < 0 ? rc : 0;
}

void checker_run(const struct link_url *nodes, size_t nodes_len, uint64_t items,
                 unsigned deadline_ms, struct checker_report *report)
{
    struct checker *c = calloc(1, sizeof *c);
    uint64_t until_ms = link_now_ms() + deadline_ms;
    struct buf topic = {0};

    *report = (struct checker_report){0};
    if (c == NULL || nodes_len == 0 || nodes_len > CHECKER_NODES_MAX) {
        report->wrong = "no nodes, too many, or no memory";
        free(c);
        return;
    }
    c->nodes = nodes;
    c->items = items;
    c->ends_len = nodes_len * CHECKER_WAYS;
    c->report = report;
    report->subscribers = report->publishers = c->ends_len;
    buf_add_str(&topic, "check-");
    buf_add_u64(&topic, (uint64_t)getpid());
    memcpy(c->topic, topic.p, topic.len);
    buf_fini(&topic);
    if (open_all(c) != 0) {
        report->wrong = "a node does not answer";
    } else if (warm_up(c, until_ms) != 0) {
        report->wrong = "not everyone heard everyone in time";
    } else if (publish_counted(c, until_ms) != 0 || collect(c, until_ms) != 0) {
        report->wrong = "a connection was lost, or time was up";
    }
    for (size_t i = 0; i < c->ends_len; i++) {
        end_close(&c->publishers[i].end);
        end_close(&c->subscribers[i].end);
    }
    free(c);
}
