/* SPDX-License-Identifier: Apache-2.0
 *
 * instructions ROW: does one thing again and again, to be counted by callgrind
 * (tests/bench/instructions does that); without a row it names them.
 *
 *   requests --> socket -> [ loop: conn, door, hub, queues -> socket ] --> read
 *                            |   and, across, seal, opener, B's hub |
 *
 * Whole nodes, real libuv, real sockets (pairs instead of TCP); only clock,
 * randomness and nng's lanes stand still (still.h, wires.h). What is in
 * brackets is collected: turns_counted(), and nothing outside it. A turn
 * carries `burst` items. Turns before it fill caches and pools.
 *
 * Prints how many deliveries the counted turns made.
 */
#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "node/conn/conns.h"
#include "node/node.h"
#include "proto/ws_frame.h"
#include "tests/bench/still.h"
#include "tests/bench/wires.h"
#include "tests/loop.h"

enum {
    SUBS_MAX = 100,
    VALUE_LEN = 64,
    WARM_TURNS = 20,
    OPEN_MS = 20000, /* of the clock that stands: for opening and joining */
};

enum carrier_kind {
    RESP,
    WS,
    SSE,
    H2, /* SSE over HTTP/2 */
    GRPC
};

struct row {
    const char *name;
    enum carrier_kind door;
    unsigned subs;    /* 0: one */
    unsigned streams; /* of them on a connection; 0: one */
    unsigned burst;
    unsigned turns;  /* counted */
    bool across;     /* published on A, subscribed on B */
    bool by_door;    /* published by that door, too; else by RESP */
    bool subscribes; /* each item is a subscribe and an unsubscribe instead */
};

static const struct row rows[] = {
    {.name = "resp-1-to-1", .burst = 64, .turns = 100},
    {.name = "resp-1-to-1-alone", .burst = 1, .turns = 500},
    {.name = "resp-1-to-100", .subs = 100, .burst = 64, .turns = 30},
    {.name = "resp-1-to-100-alone", .subs = 100, .burst = 1, .turns = 100},
    {.name = "ws-1-to-1",
     .door = WS,
     .burst = 64,
     .turns = 30,
     .by_door = true},
    {.name = "ws-1-to-100", .door = WS, .subs = 100, .burst = 64, .turns = 30},
    {.name = "sse-1-to-100",
     .door = SSE,
     .subs = 100,
     .burst = 64,
     .turns = 30},
    {.name = "h2-1-to-100",
     .door = H2,
     .subs = 100,
     .streams = 25,
     .burst = 16,
     .turns = 60},
    {.name = "h2-1-to-100-alone",
     .door = H2,
     .subs = 100,
     .streams = 25,
     .burst = 1,
     .turns = 100},
    {.name = "grpc-1-to-1", .door = GRPC, .burst = 64, .turns = 100},
    {.name = "grpc-1-to-1-alone", .door = GRPC, .burst = 1, .turns = 500},
    {.name = "grpc-1-to-100",
     .door = GRPC,
     .subs = 100,
     .burst = 64,
     .turns = 30},
    {.name = "grpc-1-to-100-alone",
     .door = GRPC,
     .subs = 100,
     .burst = 1,
     .turns = 100},
    {.name = "grpc-1-to-4x25",
     .door = GRPC,
     .subs = 100,
     .streams = 25,
     .burst = 64,
     .turns = 30},
    {.name = "grpc-1-to-4x25-alone",
     .door = GRPC,
     .subs = 100,
     .streams = 25,
     .burst = 1,
     .turns = 100},
    {.name = "across-1-to-1", .burst = 64, .turns = 100, .across = true},
    {.name = "across-1-to-1-alone", .burst = 1, .turns = 300, .across = true},
    {.name = "across-1-to-100",
     .subs = 100,
     .burst = 64,
     .turns = 30,
     .across = true},
    {.name = "subscribe", .burst = 32, .turns = 100, .subscribes = true},
};

static uv_loop_t loop;
static struct node nodes[2]; /* A, and B where a row goes across */
static size_t nodes_len;
static int publisher;
static int subs[SUBS_MAX];

static unsigned subs_of(const struct row *row)
{
    return row->subs == 0 ? 1 : row->subs;
}

static unsigned streams_of(const struct row *row)
{
    return row->streams == 0 ? 1 : row->streams;
}

static unsigned conns_of(const struct row *row)
{
    return subs_of(row) / streams_of(row);
}

/* --- the loop --- */

static void run(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
    if (nodes_len > 1) {
        wires_carry();
        uv_run(&loop, UV_RUN_NOWAIT);
    }
}

static void wait_until(bool (*done)(void *data), void *data)
{
    for (int ms = 0; !done(data); ms++) {
        if (ms == OPEN_MS) {
            fputs("instructions: no answer\n", stderr);
            exit(1);
        }
        still_wait_ms(1);
        run();
    }
}

/* --- clients --- */

static void say(int fd, struct bytes text)
{
    if (send(fd, text.p, text.len, 0) != (ssize_t)text.len) {
        perror("instructions: send");
        exit(1);
    }
}

/* What arrived, if that is at most `cap` bytes. */
static size_t hear(int fd, uint8_t *to, size_t cap)
{
    ssize_t n = recv(fd, to, cap, 0);

    return n > 0 ? (size_t)n : 0;
}

struct answer {
    int fd;
    const char *text;
    size_t len;
    uint8_t got[4096];
};

static bool is_answered(void *data)
{
    struct answer *a = data;

    a->len += hear(a->fd, a->got + a->len, sizeof a->got - a->len);
    return memmem(a->got, a->len, a->text, strlen(a->text)) != NULL;
}

static void expect(int fd, const char *text)
{
    struct answer answer = {.fd = fd, .text = text};

    wait_until(is_answered, &answer);
}

static int client_new(struct node *node)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) {
        perror("instructions: socketpair");
        exit(1);
    }
    conns_accept(node->conns, ends[0], true, false);
    return ends[1];
}

/* A text frame of a client; of zeros, the mask changes nothing. */
static void add_message(struct buf *out, const char *text)
{
    uint8_t head[WS_FRAME_HEAD_MAX + 4] = {0};
    size_t len = strlen(text);
    size_t head_len = len < 126 ? 2 : 4;

    head[0] = 0x81;
    head[1] = (uint8_t)(0x80 | (len < 126 ? len : 126));
    if (len >= 126) {
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
    }
    buf_add(out, head, head_len + 4);
    buf_add_str(out, text);
}

static void say_message(int fd, const char *text)
{
    struct buf out = {.max = 4096};

    add_message(&out, text);
    say(fd, buf_bytes(&out));
    buf_fini(&out);
}

static void upgrade(int fd)
{
    say(fd, BYTES("GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n"
                  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"));
    expect(fd, "welcome");
}

static void add_h2_frame(struct buf *out, uint8_t type, uint8_t flags,
                         uint32_t stream, struct bytes payload)
{
    const uint8_t head[] = {0, 0, (uint8_t)payload.len, type, flags, 0,
                            0, 0, (uint8_t)stream};

    buf_add(out, head, sizeof head);
    buf_add_bytes(out, payload);
}

/* Windows as wide as they get, and the same request again and again: literals
 * and indexes of the static table. */
static void open_streams(int fd, const struct row *row)
{
    static const struct bytes sse = BYTES(
        "\x82\x86\x41\x09localhost\x44\x15/topics/default/bench"
        "\x53\x11text/event-stream");
    static const struct bytes grpc = BYTES(
        "\x83\x86\x41\x09localhost"
        "\x44\x25/cache_client.pubsub.Pubsub/Subscribe"
        "\x5f\x10"
        "application/grpc");
    static const struct bytes message = BYTES("\0\0\0\0\x10\x0a\x07"
                                              "default\x12\x05"
                                              "bench");
    bool is_grpc = row->door == GRPC;
    struct buf out = {.max = 8192};

    buf_add_bytes(&out, BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    add_h2_frame(&out, 4, 0, 0, BYTES("\0\4\x7f\xff\xff\xff"));
    add_h2_frame(&out, 8, 0, 0, BYTES("\x7f\xff\0\0"));
    for (unsigned i = 0; i < streams_of(row); i++) {
        add_h2_frame(&out, 1, is_grpc ? 4 : 5, 2 * i + 1, is_grpc ? grpc : sse);
        if (is_grpc) {
            add_h2_frame(&out, 0, 1, 2 * i + 1, message);
        }
    }
    say(fd, buf_bytes(&out));
    expect(fd, is_grpc ? "\x1a" : "id: "); /* a heartbeat */
    buf_fini(&out);
}

static void subscribe(int fd, const struct row *row)
{
    enum carrier_kind door = row->door;

    if (door == RESP) {
        say(fd, BYTES("SUBSCRIBE bench\r\n"));
        expect(fd, "subscribe");
    } else if (door == WS) {
        upgrade(fd);
        say_message(fd, "{\"op\":\"subscribe\",\"id\":1,"
                        "\"cache\":\"default\",\"topic\":\"bench\"}");
        expect(fd, "subscribed");
    } else if (door == H2 || door == GRPC) {
        open_streams(fd, row);
    } else {
        say(fd, BYTES("GET /topics/default/bench HTTP/1.1\r\n"
                      "Host: localhost\r\nAccept: text/event-stream\r\n\r\n"));
        expect(fd, "id: ");
    }
}

/* --- nodes --- */

static void open_node(const char *name, const struct addr *seed)
{
    struct node *node = &nodes[nodes_len++];
    struct config config;
    char join[ADDR_TEXT_MAX];
    int exit_code;

    config_default(&config);
    strcpy(config.name, name);
    config.listen = loop_free_addr();
    config.listen.port = 0;
    config.listen_named = true;
    config.cluster = loop_free_addr();
    config.cluster_named = true;
    config.log_level = LOG_ERROR;
    if (seed != NULL) {
        config.join_len = 1;
        strcpy(config.join[0], addr_text(seed, join));
    }
    if (node_open(node, &loop, &config, &exit_code) != 0) {
        exit(1);
    }
}

static bool all_are_ready(void *data)
{
    (void)data;
    for (size_t i = 0; i < nodes_len; i++) {
        if (!nodes[i].core.ready || nodes[i].core.stats.links < nodes_len - 1) {
            return false;
        }
    }
    return true;
}

static void open_world(const struct row *row)
{
    uv_loop_init(&loop);
    open_node("a", NULL);
    if (row->across) {
        open_node("b", &nodes[0].cluster_addr);
    }
    wait_until(all_are_ready, NULL);
    for (size_t i = 0; i < conns_of(row); i++) {
        subs[i] = client_new(&nodes[nodes_len - 1]);
        subscribe(subs[i], row);
    }
    publisher = client_new(&nodes[0]);
    if (row->by_door) {
        upgrade(publisher);
    } else {
        say(publisher, BYTES("PING\r\n"));
        expect(publisher, "PONG");
    }
}

/* --- turns --- */

/* One item, with "@1" in it and nowhere else. */
static void add_item(struct buf *out, const struct row *row)
{
    static const char value[VALUE_LEN + 1] =
        "@123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char text[256];

    if (row->subscribes) {
        buf_add_str(out, "*2\r\n$9\r\nSUBSCRIBE\r\n$5\r\n@1her\r\n"
                         "*2\r\n$11\r\nUNSUBSCRIBE\r\n$5\r\n@1her\r\n");
    } else if (row->by_door) {
        snprintf(text, sizeof text,
                 "{\"op\":\"publish\",\"cache\":\"default\","
                 "\"topic\":\"bench\",\"text\":\"%s\"}",
                 value);
        add_message(out, text);
    } else {
        snprintf(text, sizeof text,
                 "*3\r\n$7\r\nPUBLISH\r\n$5\r\nbench\r\n$%d\r\n%s\r\n",
                 VALUE_LEN, value);
        buf_add_str(out, text);
    }
}

static size_t count_items(int fd)
{
    static uint8_t got[256 << 10];
    size_t len = hear(fd, got, sizeof got);
    size_t items = 0;

    for (size_t i = 0; i + 1 < len; i++) {
        items += got[i] == '@' && got[i + 1] == '1';
    }
    return items;
}

/* Ends the program unless each got all of them: what was counted is what was
 * delivered. */
static void check_turn(const struct row *row)
{
    size_t answered = count_items(publisher);

    if (row->subscribes && answered != 2 * row->burst) {
        fputs("instructions: not all were answered\n", stderr);
        exit(1);
    }
    size_t each = (size_t)row->burst * streams_of(row);

    for (size_t i = 0; i < conns_of(row) && !row->subscribes; i++) {
        if (count_items(subs[i]) != each) {
            fputs("instructions: not all was delivered in its turn\n", stderr);
            exit(1);
        }
    }
}

/* Counted: callgrind collects inside of it (--toggle-collect). */
void turn_counted(void);
__attribute__((noinline)) void turn_counted(void)
{
    run();
}

static void turns(const struct row *row, struct bytes requests)
{
    for (unsigned t = 0; t < WARM_TURNS; t++) {
        say(publisher, requests);
        run();
        check_turn(row);
    }
    for (unsigned t = 0; t < row->turns; t++) {
        say(publisher, requests);
        turn_counted();
        check_turn(row);
    }
}

static int count(const struct row *row)
{
    struct buf requests = {.max = 64 << 10};

    open_world(row);
    for (unsigned i = 0; i < row->burst; i++) {
        add_item(&requests, row);
    }
    turns(row, buf_bytes(&requests));
    buf_fini(&requests);
    printf("%u\n",
           row->turns * row->burst * (row->subscribes ? 1 : subs_of(row)));
    return 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (argc < 2) {
            puts(rows[i].name);
        } else if (strcmp(argv[1], rows[i].name) == 0) {
            return count(&rows[i]);
        }
    }
    return argc < 2 ? 0 : 2;
}
