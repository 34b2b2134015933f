/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 when memory is short: one story, told again and again with the first,
 * second, third ... allocation failing. What was asked is answered, reset, or
 * its connection is gone, and nothing is left behind. (What fails is ours; that
 * of nghttp2 is not linked in here.)
 */
#include "tests/test.h"

#include "tests/h2_world.h"

#include "tests/fail_malloc.h"

enum {
    OUT_CAP = 1 << 20
};

/* As carry_say(), without memory of its own. */
static void offer(struct bytes in)
{
    struct conn *conn = &fake->conn;

    while (in.len > 0 && !conn->closing) {
        const struct carrier *before = conn->carrier;
        ptrdiff_t n = before->on_bytes(conn, in);
        if (n < 0) {
            conn_finish(conn);
            return;
        }
        if (n == 0 && conn->carrier == before) {
            return;
        }
        in = bytes_skip(in, (size_t)n);
    }
}

static void put_words(void)
{
    static const uint8_t body[3000];

    h2_say_ask(&words, 1, "POST", "/now", false);
    h2_say(&words, T_DATA, 0, 1, bytes_of(body, sizeof body));
    h2_say(&words, T_DATA, T_END, 1, bytes_of(body, sizeof body));
    h2_say_ask(&words, 3, "HEAD", "/now", true);
    h2_say_ask(&words, 5, "GET", "/refuse", true);
    h2_say_ask(&words, 7, "GET", "/stream", true);
}

static void go_on(void)
{
    static const struct http_header trailer = {BYTES("x"), BYTES("y")};
    static const uint8_t more[3000];

    offer(buf_bytes(&words));
    if (table_seen.later != NULL) {
        client_write(table_seen.later, bytes_of(more, sizeof more));
        client_end_with(table_seen.later, &trailer, 1);
    }
    fake_flush(&core);
    buf_reset(&words);
}

static bool is_settled(uint32_t stream)
{
    char answer[32];
    char reset[32];

    (void)snprintf(answer, sizeof answer, "HEADERS %u", stream);
    (void)snprintf(reset, sizeof reset, "RST %u ", stream);
    return heard(answer) || heard(reset);
}

static void no_allocation_that_fails_is_silent_or_deadly(void **state)
{
    bool hit = true;
    long n = 0;
    (void)state;

    for (; hit; n++) {
        put_words();
        assert_non_null(buf_reserve(&fake->out, OUT_CAP));
        fail_malloc(n);
        go_on();
        hit = fail_malloc_hit;
        fail_malloc(-1);
        flush();
        if (!fake->conn.closing) {
            wait_ms(2000); /* what lingers is ended */
            for (uint32_t stream = 1; stream <= 7; stream += 2) {
                assert_true(is_settled(stream));
            }
            assert_int_equal(core.stats.streams, 0);
        }
        stop();
        assert_int_equal(core.stats.h2_conns, 0);
        table_reset();
        start();
    }
    assert_true(n > 20 && n < 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_allocation_that_fails_is_silent_or_deadly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
