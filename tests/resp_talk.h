/* SPDX-License-Identifier: Apache-2.0
 *
 * Helpers of the tests of the Redis door. Include after tests/test.h.
 */
#ifndef TESTS_RESP_TALK_H
#define TESTS_RESP_TALK_H

#include "node/door/resp.h"
#include "tests/fake_conn.h"

static inline struct fake_conn *connect_to(struct core *core)
{
    struct fake_conn *conn = fake_conn_new(core);

    assert_int_equal(fake_conn_open(conn, &door_resp, NULL), 0);
    return conn;
}

static inline void say(struct fake_conn *conn, const char *text)
{
    fake_conn_say(conn, bytes_str(text));
    fake_flush(conn->conn.core);
}

/* What the client was sent since the last time is this. */
static inline void hears(struct fake_conn *conn, const char *text)
{
    struct bytes out = fake_conn_out(conn);

    if (!bytes_eq(out, bytes_str(text))) {
        fail_msg("expected %s\ngot %.*s", text, (int)out.len,
                 (const char *)out.p);
    }
    fake_conn_reset(conn);
}

#endif
