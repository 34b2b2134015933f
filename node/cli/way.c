/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/way.h"

#include <assert.h>

#include "proto/err.h"

const char way_cache[] = "demo";

const char *way_name(enum way_kind kind)
{
    static const char *const names[WAYS] = {"http", "websocket", "resp"};
    return names[kind];
}

bool way_can_tell(enum way_kind kind)
{
    return kind != WAY_RESP;
}

/* --- opening --- */

static void add_words(struct buf *out, const char *const *words, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        buf_add_str(out, words[i]);
    }
}

static struct link *link_of(struct way *way)
{
    return way->kind == WAY_WEBSOCKET ? &way->session.link : &way->link;
}

static int write_all(struct way *way, struct buf *out)
{
    int rc = ERR_NOMEM;

    if (!out->failed) {
        rc = way->kind == WAY_WEBSOCKET
                 ? session_send(&way->session, buf_bytes(out))
                 : link_write(&way->link, buf_bytes(out));
    }
    buf_fini(out);
    return rc;
}

/* RESP says first which cache is meant, and shows its token. */
static void greet(struct way *way)
{
    const char *const words[] = {"AUTH ", way_cache, " ",
                                 way->token != NULL ? way->token : "none",
                                 "\r\n"};

    add_words(&way->first, words, ARRAY_LEN(words));
}

int way_open(struct way *way, enum way_kind kind, const struct link_url *url,
             const char *token)
{
    *way = (struct way){.kind = kind, .url = url, .token = token};
    int rc = link_begin(link_of(way), url);

    if (rc == 0) {
        way->state = WAY_CONNECTING;
        way->give_up_ms = link_now_ms() + LINK_WAIT_MS;
        if (kind == WAY_RESP) {
            greet(way);
        }
    }
    return rc;
}

void way_close(struct way *way)
{
    if (way->state == WAY_CLOSED) {
        return;
    }
    if (way->kind == WAY_WEBSOCKET) {
        session_close(&way->session);
    } else {
        link_close(&way->link);
    }
    buf_fini(&way->first);
    way->state = WAY_CLOSED;
}

struct pollfd way_waits_for(const struct way *way)
{
    const struct link *link = way->kind == WAY_WEBSOCKET ? &way->session.link
                                                         : &way->link;
    bool connects = way->state == WAY_CONNECTING;

    return (struct pollfd){.fd = way->state == WAY_CLOSED ? -1 : link->fd,
                           .events = connects ? link_waits_for(link) : POLLIN};
}

bool way_is_late(const struct way *way, uint64_t now_ms)
{
    return (way->state == WAY_CONNECTING || way->state == WAY_UPGRADING) &&
           now_ms >= way->give_up_ms;
}

static int become_ready(struct way *way)
{
    way->state = WAY_READY;
    if (way->first.len == 0 && !way->first.failed) {
        return 0;
    }
    return write_all(way, &way->first);
}

/* One step towards ready, if it can be taken now. */
static int step(struct way *way)
{
    int rc = 0;

    if (way->state == WAY_CONNECTING) {
        rc = link_connected(link_of(way));
        if (rc > 0 && way->kind == WAY_WEBSOCKET) {
            way->state = WAY_UPGRADING;
            rc = session_ask(&way->session, way->url, way->token);
        } else if (rc > 0) {
            rc = become_ready(way);
        }
    } else if (way->state == WAY_UPGRADING) {
        rc = session_upgraded(&way->session);
        if (rc > 0) {
            rc = become_ready(way);
        }
    }
    return rc == 0 && way_is_late(way, link_now_ms()) ? ERR_TIMEOUT : rc;
}

/* --- asking --- */

static void add_head(struct buf *out, const struct way *way, const char *method,
                     const char *topic)
{
    const char *const words[] = {
        method, " /topics/",           way_cache,           "/",
        topic,  " HTTP/1.1\r\nHost: ", way->url->authority, "\r\n"};

    add_words(out, words, ARRAY_LEN(words));
    if (way->token != NULL) {
        const char *const token[] = {"Authorization: ", way->token, "\r\n"};
        add_words(out, token, ARRAY_LEN(token));
    }
}

static void add_command(struct buf *out, const char *op, const char *topic)
{
    const char *const words[] = {"{\"op\":\"",
                                 op,
                                 "\",\"id\":1,\"cache\":\"",
                                 way_cache,
                                 "\",\"topic\":\"",
                                 topic,
                                 "\""};

    add_words(out, words, ARRAY_LEN(words));
}

int way_subscribe(struct way *way, const char *topic)
{
    struct buf *out = &way->first;

    switch (way->kind) {
    case WAY_HTTP:
        add_head(out, way, "GET", topic);
        buf_add_str(out, "Accept: text/event-stream\r\n\r\n");
        break;
    case WAY_WEBSOCKET:
        add_command(out, "subscribe", topic);
        buf_add_u8(out, '}');
        break;
    case WAY_RESP:
    case WAYS:
        buf_add_str(out, "SUBSCRIBE ");
        buf_add_str(out, topic);
        buf_add_str(out, "\r\n");
        break;
    }
    return way->state == WAY_READY ? become_ready(way) : 0;
}

static void add_bulk(struct buf *out, struct bytes bytes)
{
    buf_add_u8(out, '$');
    buf_add_u64(out, bytes.len);
    buf_add_str(out, "\r\n");
    buf_add_bytes(out, bytes);
    buf_add_str(out, "\r\n");
}

int way_publish(struct way *way, const char *topic, struct bytes value)
{
    struct buf out = {0};

    assert(way->state == WAY_READY);
    switch (way->kind) {
    case WAY_HTTP:
        add_head(&out, way, "POST", topic);
        buf_add_str(&out, "Content-Length: ");
        buf_add_u64(&out, value.len);
        buf_add_str(&out, "\r\n\r\n");
        buf_add_bytes(&out, value);
        break;
    case WAY_WEBSOCKET:
        add_command(&out, "publish", topic);
        buf_add_str(&out, ",\"receipt\":true,\"text\":\"");
        buf_add_bytes(&out, value);
        buf_add_str(&out, "\"}");
        break;
    case WAY_RESP:
    case WAYS:
        buf_add_str(&out, "*3\r\n$7\r\nPUBLISH\r\n");
        add_bulk(&out, bytes_str(topic));
        add_bulk(&out, value);
        break;
    }
    return write_all(way, &out);
}

/* --- what comes back --- */

/* The next text at the front of the buffer that ends with `mark`. */
static bool next_piece(const struct buf *in, const char *mark,
                       struct bytes *piece)
{
    const uint8_t *end = in->len == 0
                             ? NULL
                             : memmem(in->p, in->len, mark, strlen(mark));

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

static bool contains(struct bytes piece, const char *text)
{
    return piece.len > 0 && memmem(piece.p, piece.len, text, strlen(text));
}

static void tell_gap(const struct way_reader *reader)
{
    if (reader->on_gap != NULL) {
        reader->on_gap(reader->data);
    }
}

static void tell_subscribed(const struct way_reader *reader, bool partial)
{
    if (reader->on_subscribed != NULL) {
        reader->on_subscribed(reader->data, partial);
    }
}

static void take_event(const struct way_reader *reader, struct bytes event)
{
    const uint8_t *data = event.len == 0
                              ? NULL
                              : memmem(event.p, event.len, "data: ", 6);

    if (contains(event, "event: discontinuity")) {
        tell_gap(reader);
    } else if (data != NULL && !contains(event, "event: ")) {
        reader->on_value(reader->data,
                         bytes_skip(event, (size_t)(data - event.p) + 6));
    } else if (contains(event, "id: ")) {
        tell_subscribed(reader, false); /* the first one has no data */
    }
}

static void take_events(struct way *way, const struct way_reader *reader)
{
    struct buf *in = &way->link.in;
    struct bytes piece;

    if (!way->has_head && next_piece(in, "\r\n\r\n", &piece)) {
        drop_piece(in, piece, "\r\n\r\n");
        way->has_head = true;
    }
    while (way->has_head && next_piece(in, "\n\n", &piece)) {
        take_event(reader, piece);
        drop_piece(in, piece, "\n\n");
    }
}

/* Line by line: no other line of the stream looks like a value of ours. */
static void take_lines(struct way *way, const struct way_reader *reader)
{
    struct buf *in = &way->link.in;
    struct bytes line;

    while (next_piece(in, "\r\n", &line)) {
        if (line.len > 2 && line.p[1] == ' ') {
            reader->on_value(reader->data, line);
        } else if (bytes_eq(line, BYTES("subscribe"))) {
            tell_subscribed(reader, false);
        }
        drop_piece(in, line, "\r\n");
    }
}

static int take_messages(struct way *way, const struct way_reader *reader)
{
    json_t *message;
    int rc;

    while ((message = session_next(&way->session, 0, &rc)) != NULL) {
        const char *value = session_text(message, "text");
        if (session_is(message, "item") && value != NULL) {
            reader->on_value(reader->data, bytes_str(value));
        } else if (session_is(message, "gap")) {
            tell_gap(reader);
        } else if (session_is(message, "subscribed")) {
            tell_subscribed(reader,
                            json_is_true(json_object_get(message, "partial")));
        }
        json_decref(message);
    }
    return rc == ERR_TIMEOUT ? 0 : rc;
}

/* Reads once what is there. */
static int read_link(struct way *way)
{
    ptrdiff_t n = link_read(&way->link, 0);

    if (n > 0 || n == ERR_TIMEOUT) {
        return 0;
    }
    return n == 0 ? ERR_IO : (int)n;
}

int way_take(struct way *way, const struct way_reader *reader)
{
    int rc = step(way);

    if (rc != 0 || way->state != WAY_READY) {
        return rc;
    }
    if (way->kind == WAY_WEBSOCKET) {
        return take_messages(way, reader);
    }
    rc = read_link(way);
    if (rc == 0 && way->kind == WAY_HTTP) {
        take_events(way, reader);
    } else if (rc == 0) {
        take_lines(way, reader);
    }
    return rc;
}

static int take_receipts(struct way *way,
                         void (*on_answer)(void *data, bool accepted),
                         void *data)
{
    json_t *message;
    int rc;

    while ((message = session_next(&way->session, 0, &rc)) != NULL) {
        if (session_is(message, "published") || session_is(message, "error")) {
            on_answer(data, session_is(message, "published"));
        }
        json_decref(message);
    }
    return rc == ERR_TIMEOUT ? 0 : rc;
}

int way_take_answers(struct way *way,
                     void (*on_answer)(void *data, bool accepted), void *data)
{
    const char *mark = way->kind == WAY_HTTP ? "\r\n\r\n" : "\r\n";
    struct bytes piece;
    int rc = step(way);

    if (rc != 0 || way->state != WAY_READY) {
        return rc;
    }
    if (way->kind == WAY_WEBSOCKET) {
        return take_receipts(way, on_answer, data);
    }
    rc = read_link(way);
    while (rc == 0 && next_piece(&way->link.in, mark, &piece)) {
        /* The body of a refusal has no mark: it stands before the next head. */
        if (way->kind == WAY_HTTP && contains(piece, "HTTP/1.1 ")) {
            on_answer(data, contains(piece, "HTTP/1.1 204 "));
        } else if (way->kind == WAY_RESP && piece.len > 0 &&
                   piece.p[0] != '+') { /* +OK is the answer to AUTH */
            on_answer(data, piece.p[0] == ':');
        }
        drop_piece(&way->link.in, piece, mark);
    }
    return rc;
}
