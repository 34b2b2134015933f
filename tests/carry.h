/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives a carrier over a fake conn, as node/conn/conn.c does over a socket:
 * what a carrier leaves is offered again with what follows. Include after
 * tests/fake_conn.h.
 */
#ifndef TESTS_CARRY_H
#define TESTS_CARRY_H

#include "tests/fake_conn.h"
#include "tests/table_doors.h"

static inline struct fake_conn *carry_new(struct core *core)
{
    struct fake_conn *fake = fake_conn_new(core);

    fake->conn.heard_ms = core->now_ms;
    return fake;
}

static inline void carry_free(struct fake_conn *fake)
{
    struct core *core = fake->conn.core;

    fake->conn.carrier->on_close(&fake->conn);
    (void)deadline_set(&core->deadlines, &fake->conn.deadline, DEADLINE_NEVER);
    fake_conn_free(fake);
}

/* One read of the socket, then the end of the turn. */
static inline void carry_say(struct fake_conn *fake, struct bytes bytes)
{
    struct conn *conn = &fake->conn;

    buf_add_bytes(&fake->in, bytes);
    conn->hello_in += (uint32_t)bytes.len;
    if (bytes.len > 0) {
        conn->heard_ms = conn->core->now_ms;
    }
    while (!conn->closing && !conn->paused) {
        const struct carrier *before = conn->carrier;
        /* Of its exact size: a sanitizer sees a read beyond it. */
        uint8_t *copy = malloc(fake->in.len + 1);
        assert_non_null(copy);
        if (fake->in.len > 0) {
            memcpy(copy, fake->in.p, fake->in.len);
        }
        ptrdiff_t n = before->on_bytes(conn, bytes_of(copy, fake->in.len));
        free(copy);
        if (n < 0) {
            conn_finish(conn);
            break;
        }
        buf_drop(&fake->in, (size_t)n);
        if (fake->in.len == 0 || (n == 0 && conn->carrier == before)) {
            break;
        }
    }
    fake_flush(conn->core);
}

#endif
