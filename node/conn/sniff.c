/* SPDX-License-Identifier: Apache-2.0
 *
 * What a connection speaks, decided by its first bytes (nobody waits for a
 * greeting of ours, so this cannot dead-lock), and the carrier of byte doors.
 *
 *   0x16          TLS       refused with an alert: without a certificate it is
 *                           not spoken, with one it never comes here
 *                           (node/conn/secure.h)
 *   0x10 .. MQTT  MQTT      refused with a CONNACK: not spoken yet
 *   PRI * HTTP/2  HTTP/2
 *   METHOD /      HTTP/1
 *   else          what a byte door says is its own; or closed without a word
 *
 * A decision gives a conn nothing but a parser: identity comes later.
 */
#include "node/client/client.h"
#include "node/conn/conn.h"
#include "node/core.h"
#include "node/door/door.h"
#include "proto/err.h"
#include "proto/h2.h"

enum {
    SNIFF_LEN_MAX = 64, /* of the first bytes, enough for every decision */
    LINE_LEN_MAX = 256, /* a first line may be longer to be seen as HTTP */
    /* A command of a byte door around its largest value. */
    COMMAND_EXTRA_LEN = 64 << 10,
};

/* What the first bytes say, and the last words to who speaks what we do not. */
struct guess {
    enum door_sniff sniff;
    struct bytes refusal;
};

static enum door_sniff starts_like(struct bytes first, struct bytes whole);
static struct guess guess_refused(struct bytes first);
static enum door_sniff guess_http(struct bytes first);
static ptrdiff_t begin_http(struct conn *conn, int (*begin)(struct conn *conn));
static ptrdiff_t begin_byte(struct conn *conn, const struct door *door);
static ptrdiff_t refuse(struct conn *conn, struct bytes words);
static ptrdiff_t refuse_plain(struct conn *conn, struct bytes first);
static void on_hello_due(struct deadline *deadline, uint64_t now_ms);

/* --- the decision ----------------------------------------------------------
 */

void sniff_begin(struct conn *conn)
{
    const struct limits *limits = &conn->core->limits;

    conn_set_carrier(conn, &carrier_sniff, NULL);
    conn->in_max = (uint32_t)limits->hello_in_len;
    conn->bounds_hello_out = true;
    conn->deadline.on_due = on_hello_due;
    if (deadline_set(&conn->core->deadlines, &conn->deadline,
                     conn->opened_ms + limits->hello_ms) != 0) {
        conn_close(conn);
    }
}

static void on_hello_due(struct deadline *deadline, uint64_t now_ms)
{
    struct conn *conn = conn_of_deadline(deadline);
    (void)now_ms;

    if (conn->carrier == &carrier_byte && conn_is_known(conn)) {
        return;
    }
    conn->core->stats.hello_timeouts++;
    if (conn->client != NULL) {
        client_close(conn->client, ERR_TIMEOUT);
    } else {
        conn_close(conn);
    }
}

bool conn_is_known(const struct conn *conn)
{
    return conn->core->auth.insecure ||
           (conn->client != NULL && conn->client->logged_in);
}

static ptrdiff_t sniff_on_bytes(struct conn *conn, struct bytes in)
{
    struct bytes first = in;
    const struct door *door;

    if (in.len == 0) {
        return 0;
    }
    if (conn->core->require_tls && !conn->tls &&
        !addr_is_loopback(&conn->remote)) {
        return refuse_plain(conn, first);
    }
    if (first.len > LINE_LEN_MAX) {
        first.len = LINE_LEN_MAX;
    }
    struct guess guess = guess_refused(first);
    if (guess.sniff == SNIFF_YES) {
        return refuse(conn, guess.refusal);
    }
    enum door_sniff h2 = starts_like(first, H2_PREFACE);
    if (h2 == SNIFF_YES) {
        return begin_http(conn, h2_begin);
    }
    enum door_sniff http = guess_http(first);
    if (http == SNIFF_YES) {
        return begin_http(conn, h1_begin);
    }
    if (first.len > SNIFF_LEN_MAX) {
        first.len = SNIFF_LEN_MAX;
    }
    enum door_sniff byte = door_for_bytes(first, &door);
    if (byte == SNIFF_YES) {
        return begin_byte(conn, door);
    }
    if (guess.sniff == SNIFF_MORE || h2 == SNIFF_MORE || http == SNIFF_MORE ||
        byte == SNIFF_MORE) {
        return in.len < LINE_LEN_MAX ? 0 : ERR_SYNTAX;
    }
    conn_close(conn);
    return 0;
}

static void close_conn(struct conn *conn)
{
    if (conn->client != NULL) {
        client_free(conn->client);
        conn->client = NULL;
    }
}

const struct carrier carrier_sniff = {
    .name = "sniff",
    .on_bytes = sniff_on_bytes,
    .on_close = close_conn,
};

/* Compares `first` with the start of `whole`: SNIFF_MORE while it is shorter
 * and agrees so far. */
static enum door_sniff starts_like(struct bytes first, struct bytes whole)
{
    size_t n = first.len < whole.len ? first.len : whole.len;

    if (memcmp(first.p, whole.p, n) != 0) {
        return SNIFF_NO;
    }
    return n == whole.len ? SNIFF_YES : SNIFF_MORE;
}

/* CONNECT: 0x10, a length of one to four bytes, then the protocol's name. The
 * byte after the name is the version. */
static enum door_sniff guess_mqtt(struct bytes first, uint8_t *version)
{
    size_t at = 1;

    if (first.p[0] != 0x10) {
        return SNIFF_NO;
    }
    while (at < first.len && at < 4 && (first.p[at] & 0x80) != 0) {
        at++;
    }
    struct bytes name = bytes_skip(first, at < first.len ? at + 1 : first.len);
    if (name.len == 0) {
        return SNIFF_MORE;
    }
    enum door_sniff v3 = starts_like(name, BYTES("\0\6MQIsdp"));
    enum door_sniff v4 = starts_like(name, BYTES("\0\4MQTT"));
    if (v4 == SNIFF_YES && name.len == 6) {
        return SNIFF_MORE;
    }
    *version = v4 == SNIFF_YES ? name.p[6] : 3;
    return v3 == SNIFF_NO ? v4 : v3;
}

/* The protocols that come later: each hears in its own words that this node
 * does not speak it, so that its user sees more than a closed connection. */
static struct guess guess_refused(struct bytes first)
{
    static const struct {
        struct bytes start;
        struct bytes words;
    } all[] = {
        /* TLS: fatal alert, protocol_version */
        {BYTES("\x16\3"), BYTES("\x15\3\1\0\2\2\x46")},
        /* PROXY headers come only from configured proxies: none yet */
        {BYTES("PROXY "), BYTES("")},
        {BYTES("\r\n\r\n\0\r\nQUIT\n"), BYTES("")},
    };
    struct guess guess = {.sniff = SNIFF_NO};
    uint8_t version = 0;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        enum door_sniff sniff = starts_like(first, all[i].start);
        if (sniff == SNIFF_YES) {
            return (struct guess){SNIFF_YES, all[i].words};
        }
        guess.sniff = sniff == SNIFF_MORE ? SNIFF_MORE : guess.sniff;
    }
    enum door_sniff mqtt = guess_mqtt(first, &version);
    if (mqtt != SNIFF_NO) {
        guess.sniff = mqtt;
        /* CONNACK: server unavailable; version 5 has its own number for it */
        guess.refusal = version == 5 ? BYTES("\x20\3\0\x88\0")
                                     : BYTES("\x20\2\0\3");
    }
    return guess;
}

static enum door_sniff guess_http(struct bytes first)
{
    static const char *const methods[] = {
        "GET ",     "POST ",  "PUT ",   "HEAD ",    "DELETE ",
        "OPTIONS ", "PATCH ", "TRACE ", "CONNECT ",
    };
    enum door_sniff best = SNIFF_NO;

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        enum door_sniff sniff = starts_like(first, bytes_str(methods[i]));
        if (sniff == SNIFF_YES) {
            struct bytes target = bytes_skip(first, strlen(methods[i]));
            sniff = target.len == 0                            ? SNIFF_MORE
                    : target.p[0] == '/' || target.p[0] == '*' ? SNIFF_YES
                                                               : SNIFF_NO;
        }
        best = sniff != SNIFF_NO ? sniff : best;
    }
    if (best != SNIFF_NO) {
        return best;
    }
    /* Any other first line that says so: HTTP/1 answers what is wrong. */
    ptrdiff_t end = bytes_find(first, '\n');
    static const struct bytes mark = BYTES(" HTTP/1.");
    for (size_t i = 0; end > 0 && i + mark.len < (size_t)end; i++) {
        if (bytes_eq(bytes_of(first.p + i, mark.len), mark)) {
            return SNIFF_YES;
        }
    }
    return SNIFF_NO;
}

/* --- what follows from it ---------------------------------------------------
 */

static bool make_client(struct conn *conn)
{
    if (conn->client == NULL) {
        conn->client = client_new(conn->core, conn);
    }
    return conn->client != NULL;
}

static ptrdiff_t refuse(struct conn *conn, struct bytes words)
{
    conn->core->stats.refused++;
    if (words.len > 0 && make_client(conn)) {
        client_write(conn->client, words);
    }
    conn_finish(conn);
    return 0;
}

/* Says it in the words of whom it seems to be. */
static ptrdiff_t refuse_plain(struct conn *conn, struct bytes first)
{
    bool is_http = first.p[0] >= 'A' && first.p[0] <= 'Z';

    return refuse(conn, is_http ? BYTES("HTTP/1.1 403 Forbidden\r\n"
                                        "Content-Type: text/plain\r\n"
                                        "Content-Length: 29\r\n"
                                        "Connection: close\r\n\r\n"
                                        "this node takes https:// only")
                                : BYTES("-ERR this node takes TLS only\r\n"));
}

static ptrdiff_t begin_http(struct conn *conn, int (*begin)(struct conn *conn))
{
    if (!make_client(conn) || begin(conn) != 0) {
        conn_close(conn);
    }
    return 0;
}

static ptrdiff_t begin_byte(struct conn *conn, const struct door *door)
{
    if (!make_client(conn) || client_open(conn->client, door, NULL, 0) != 0) {
        conn_close(conn);
        return 0;
    }
    conn_set_carrier(conn, &carrier_byte, NULL);
    return 0;
}

/* --- byte doors -------------------------------------------------------------
 */

static ptrdiff_t byte_on_bytes(struct conn *conn, struct bytes in)
{
    struct client *client = conn->client;
    const struct limits *limits = &conn->core->limits;

    if (in.len == 0) {
        return 0;
    }
    conn->in_max = (uint32_t)(conn_is_known(conn)
                                  ? limits->item_len + COMMAND_EXTRA_LEN
                                  : limits->hello_in_len);
    ptrdiff_t taken = client->door->on_bytes(client, in);
    if (taken < 0) {
        client_close(client, (int)taken);
    }
    return taken;
}

/* As after the accept: limits.hello_ms to say who it is. */
static void await_hello(struct conn *conn)
{
    struct core *core = conn->core;

    if (!conn->closing &&
        deadline_set(&core->deadlines, &conn->deadline,
                     core->now_ms + core->limits.hello_ms) != 0) {
        conn_close(conn);
    }
}

const struct carrier carrier_byte = {
    .name = "byte",
    .on_bytes = byte_on_bytes,
    .on_close = close_conn,
    .on_stranger = await_hello,
    .answers_after_end = true,
};
