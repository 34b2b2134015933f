/* SPDX-License-Identifier: Apache-2.0 */
#include "node/conn/secure.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "node/client/client.h"
#include "proto/err.h"

enum {
    HELLO_BYTE = 0x16, /* the type of a record of the handshake */
    PLAIN_LEN = CONNS_READ_LEN,
};

/* The TLS of one conn. */
struct secure {
    struct tls *tls;
    struct tcp *tcp;
    struct secure *next; /* of secures->first, while it waits */
    struct secure *prev;
    struct buf waiting; /* said while the handshake waits for its turn */
    struct buf unsent;  /* sealed, and not taken by the socket */
    bool queued;
    bool begun; /* some of its handshake is done */
    bool shaken;
};

/* Of all conns. */
struct secures {
    struct tls_context *context;
    struct secure *first; /* handshakes that wait for their turn */
    struct secure *last;
    uv_idle_t idle;   /* keeps the loop turning while one waits */
    uint64_t turn_ms; /* the turn that worked_ns is of */
    uint64_t worked_ns;
    struct buf sealed; /* from libssl, on its way to a socket */
    uint8_t plain[PLAIN_LEN];
};

static void work(struct secure *secure, struct bytes in);
static void wait_turn(struct secure *secure, struct bytes in);
static void leave_queue(struct secure *secure);
static void on_idle(uv_idle_t *idle);
static bool send_sealed(struct secure *secure);

/* --- all ------------------------------------------------------------------
 */

int conns_serve_tls(struct conns *conns, struct tls_context *context)
{
    struct secures *all = conns->secures;

    if (all == NULL) {
        all = calloc(1, sizeof *all);
        if (all == NULL) {
            return ERR_NOMEM;
        }
        uv_idle_init(conns->loop, &all->idle);
        all->idle.data = conns;
        conns->secures = all;
    }
    tls_context_free(all->context);
    all->context = context;
    return 0;
}

void secures_close(struct conns *conns)
{
    if (conns->secures != NULL) {
        uv_close((uv_handle_t *)&conns->secures->idle, NULL);
    }
}

void secures_free(struct conns *conns)
{
    if (conns->secures != NULL) {
        assert(conns->secures->first == NULL);
        tls_context_free(conns->secures->context);
        buf_fini(&conns->secures->sealed);
        free(conns->secures);
    }
}

/* --- one ------------------------------------------------------------------
 */

bool secure_begins(const struct tcp *tcp, struct bytes in)
{
    return tcp->conn.carrier == &carrier_sniff && tcp->rest == NULL &&
           in.p[0] == HELLO_BYTE;
}

int secure_begin(struct tcp *tcp)
{
    struct secure *secure = calloc(1, sizeof *secure);

    if (secure != NULL) {
        secure->tls = tls_new(tcp->all->secures->context, NULL);
    }
    if (secure == NULL || secure->tls == NULL) {
        free(secure);
        return ERR_NOMEM;
    }
    secure->tcp = tcp;
    tcp->secure = secure;
    tcp->conn.tls = true;
    tcp->conn.core->stats.tls_conns++;
    return 0;
}

void secure_free(struct tcp *tcp)
{
    struct secure *secure = tcp->secure;
    struct core *core = tcp->conn.core;

    if (secure == NULL) {
        return;
    }
    if (secure->queued) {
        leave_queue(secure);
    }
    core->stats.tls_conns--;
    core->stats.tls_failed += !secure->shaken;
    core->sealed_len -= secure->unsent.len;
    buf_fini(&secure->unsent);
    buf_fini(&secure->waiting);
    tls_free(secure->tls);
    free(secure);
    tcp->secure = NULL;
}

/* --- reading ---------------------------------------------------------------
 */

static bool has_worked_enough(struct secures *all, uint64_t now_ms)
{
    if (all->turn_ms != now_ms) {
        all->turn_ms = now_ms;
        all->worked_ns = 0;
    }
    return all->worked_ns >= SECURE_TURN_NS;
}

/* Its first words wait behind those of others; what it says later does not:
 * then it is soon done. */
static bool must_wait(const struct secure *secure)
{
    struct secures *all = secure->tcp->all->secures;
    uint64_t now_ms = secure->tcp->conn.core->now_ms;

    return !secure->shaken &&
           (secure->queued || has_worked_enough(all, now_ms) ||
            (all->first != NULL && !secure->begun));
}

void secure_take(struct tcp *tcp, struct bytes in)
{
    struct secure *secure = tcp->secure;

    if (tcp->conn.closing) {
        tcp_take(tcp, in); /* to be forgotten, sealed as it is */
    } else if (must_wait(secure)) {
        wait_turn(secure, in);
    } else {
        work(secure, in);
    }
    if (!tcp->conn.closing && tcp_says_too_much(tcp)) {
        conn_close(&tcp->conn);
    }
}

/* The alert is on its way, and nothing else can follow it. */
static void give_up(struct secure *secure)
{
    struct tcp *tcp = secure->tcp;
    char text[ADDR_TEXT_MAX];

    log_line(tcp->conn.core->log, LOG_DEBUG, "tls-failed", "address=%s why=%s",
             addr_text(&tcp->conn.remote, text), tls_why(secure->tls));
    conn_finish(&tcp->conn);
    tcp_shut(tcp);
}

/* Opens all of `in` and offers it. */
static void open_all(struct secure *secure, struct bytes in)
{
    struct tcp *tcp = secure->tcp;
    struct secures *all = tcp->all->secures;
    ptrdiff_t n;

    do {
        n = tls_read(secure->tls, &in, all->plain, PLAIN_LEN, &all->sealed);
        if (!secure->shaken && tls_is_shaken(secure->tls)) {
            secure->shaken = true;
            tcp->conn.core->stats.tls_handshakes++;
        }
        if (!send_sealed(secure)) {
            conn_close(&tcp->conn);
        } else if (n > 0) {
            tcp_take(tcp, bytes_of(all->plain, (size_t)n));
        }
    } while (n > 0 && !tcp->conn.closing);
    if (tcp->conn.closing) {
        return;
    }
    if (n < 0) {
        give_up(secure);
    } else if (tls_has_ended(secure->tls) && !tcp->ended) {
        tcp_on_end(tcp);
    }
}

static void work(struct secure *secure, struct bytes in)
{
    struct secures *all = secure->tcp->all->secures;

    if (secure->shaken) {
        open_all(secure, in);
        return;
    }
    uint64_t from_ns = uv_hrtime();
    secure->begun = true;
    open_all(secure, in);
    all->worked_ns += uv_hrtime() - from_ns;
}

/* --- waiting for a turn ------------------------------------------------------
 */

static void enter_queue(struct secure *secure)
{
    struct secures *all = secure->tcp->all->secures;
    struct secure *before = secure->begun ? NULL : all->last;
    struct secure *after = secure->begun ? all->first : NULL;

    secure->prev = before;
    secure->next = after;
    *(before == NULL ? &all->first : &before->next) = secure;
    *(after == NULL ? &all->last : &after->prev) = secure;
    secure->queued = true;
    uv_idle_start(&all->idle, on_idle);
}

static void leave_queue(struct secure *secure)
{
    struct secures *all = secure->tcp->all->secures;

    *(secure->prev == NULL ? &all->first : &secure->prev->next) = secure->next;
    *(secure->next == NULL ? &all->last : &secure->next->prev) = secure->prev;
    secure->queued = false;
    if (all->first == NULL) {
        uv_idle_stop(&all->idle);
    }
}

static void wait_turn(struct secure *secure, struct bytes in)
{
    buf_add_bytes(&secure->waiting, in);
    if (secure->waiting.failed) {
        conn_close(&secure->tcp->conn);
    } else if (!secure->queued) {
        enter_queue(secure);
    }
}

static void on_idle(uv_idle_t *idle)
{
    struct conns *conns = idle->data;
    struct secures *all = conns->secures;

    conns_enter(conns);
    while (all->first != NULL && !has_worked_enough(all, conns->core->now_ms)) {
        struct secure *secure = all->first;
        struct buf said = secure->waiting;
        secure->waiting = (struct buf){0};
        leave_queue(secure);
        if (!secure->tcp->conn.closing) {
            work(secure, buf_bytes(&said));
        }
        buf_fini(&said);
    }
}

/* --- writing ---------------------------------------------------------------
 */

/* How many bytes the socket took; < 0: it is broken. */
static ssize_t send_bytes(const struct tcp *tcp, struct bytes s)
{
    ssize_t n = send(tcp->fd, s.p, s.len, MSG_NOSIGNAL);

    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
}

/* Sends what libssl has just said, behind what waits. False: the socket is
 * broken, or the peer asks and asks and does not read, or too many do not. */
static bool send_sealed(struct secure *secure)
{
    struct tcp *tcp = secure->tcp;
    struct core *core = tcp->conn.core;
    struct buf *sealed = &tcp->all->secures->sealed;
    struct bytes left = buf_bytes(sealed);
    bool ok = !sealed->failed;

    if (ok && left.len > 0 && secure->unsent.len == 0) {
        ssize_t n = send_bytes(tcp, left);
        ok = n >= 0;
        left = bytes_skip(left, ok ? (size_t)n : left.len);
    }
    if (ok && left.len > 0) {
        buf_add_bytes(&secure->unsent, left);
        core->sealed_len += secure->unsent.failed ? 0 : left.len;
        tcp->full = true;
        ok = !secure->unsent.failed &&
             secure->unsent.len <= SECURE_UNSENT_MAX &&
             core->sealed_len <= core->limits.memory_len / 4 &&
             tcp_watch(tcp) == 0;
    }
    buf_reset(sealed);
    return ok;
}

/* Puts a run behind what is gathered, and makes the records that are full;
 * what is long enough is not gathered. */
static int seal_run(struct secure *secure, struct bytes run, size_t *used)
{
    struct conns *conns = secure->tcp->all;
    int rc = 0;

    static_assert((int)TLS_RECORD_LEN <= (int)TCP_GATHER_CAP, "a record fits");
    while (run.len > 0 && rc == 0) {
        size_t room = TLS_RECORD_LEN - *used;
        size_t n = run.len < room ? run.len : room;
        const uint8_t *from = run.p;
        if (n < TLS_RECORD_LEN) {
            memcpy(conns->gather + *used, run.p, n);
            from = conns->gather;
        }
        *used += n;
        if (*used == TLS_RECORD_LEN) {
            rc = tls_write(secure->tls, bytes_of(from, TLS_RECORD_LEN),
                           &conns->secures->sealed);
            *used = 0;
        }
        run = bytes_skip(run, n);
    }
    return rc;
}

/* Each record has its price, but what is sealed no bound can take back. */
static bool may_seal_much(const struct secure *secure)
{
    const struct core *core = secure->tcp->conn.core;

    return conn_is_known(&secure->tcp->conn) &&
           core->sealed_len < core->limits.memory_len / 16;
}

/* Makes records of what waits, as full as they can be. Returns how many of its
 * bytes are in them, or < 0. */
static ssize_t seal(struct secure *secure, const struct bytes *iov, size_t len)
{
    struct conns *conns = secure->tcp->all;
    size_t most = may_seal_much(secure) ? SECURE_SEND_LEN : TLS_RECORD_LEN;
    size_t total = 0;
    size_t used = 0;
    int rc = 0;

    for (size_t i = 0; i < len && total < most && rc == 0; i++) {
        struct bytes run = iov[i];
        if (run.len > most - total) {
            run.len = most - total;
        }
        rc = seal_run(secure, run, &used);
        total += run.len;
    }
    if (rc == 0 && used > 0) {
        rc = tls_write(secure->tls, bytes_of(conns->gather, used),
                       &conns->secures->sealed);
    }
    return rc == 0 ? (ssize_t)total : rc;
}

ssize_t secure_send(struct tcp *tcp, const struct bytes *iov, size_t len)
{
    struct secure *secure = tcp->secure;

    assert(secure->unsent.len == 0);
    ssize_t n = seal(secure, iov, len);
    return send_sealed(secure) ? n : ERR_IO;
}

void secure_flush(struct tcp *tcp)
{
    struct secure *secure = tcp->secure;

    if (secure->unsent.len > 0) {
        ssize_t n = send_bytes(tcp, buf_bytes(&secure->unsent));
        if (n < 0) {
            tcp_break(tcp);
            return;
        }
        buf_drop(&secure->unsent, (size_t)n);
        tcp->conn.core->sealed_len -= (uint64_t)n;
    }
    if (secure->unsent.len > 0) {
        tcp->full = true;
        return;
    }
    buf_fini(&secure->unsent);
    if (tcp->shut) {
        tcp_shut_socket(tcp);
    } else if (tcp_watch(tcp) != 0) {
        conn_close(&tcp->conn);
    }
}

bool secure_end(struct tcp *tcp)
{
    struct secure *secure = tcp->secure;

    tls_end(secure->tls, &tcp->all->secures->sealed);
    if (!send_sealed(secure)) {
        conn_close(&tcp->conn);
        return false;
    }
    return secure->unsent.len == 0;
}
