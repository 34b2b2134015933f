/* SPDX-License-Identifier: Apache-2.0
 *
 * One conn of HTTP/2 over a fake socket, and the words of its peer: put them
 * together in `words`, say() them, and look at what was heard. Include after
 * tests/test.h.
 */
#ifndef TESTS_H2_WORLD_H
#define TESTS_H2_WORLD_H

#include "tests/carry.h"
#include "tests/h2_talk.h"

#include "proto/err.h"

static struct core core;
static struct fake_conn *fake;
static struct h2_ear ear;
static struct buf words; /* to be said */

static inline void start(void)
{
    fake = carry_new(&core);
    h2_ear_init(&ear);
    sniff_begin(&fake->conn);
    h2_say_preface(&words);
}

static inline void stop(void)
{
    carry_free(fake);
    h2_ear_fini(&ear);
    buf_fini(&words);
}

static inline int setup(void **state)
{
    (void)state;
    table_reset();
    fake_core_init(&core);
    start();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    stop();
    assert_int_equal(core.stats.streams, 0);
    assert_int_equal(core.stats.h2_conns, 0);
    core_fini(&core);
    return 0;
}

/* Says what was put together, and hears what comes back. */
static inline void say(void)
{
    carry_say(fake, buf_bytes(&words));
    buf_reset(&words);
    h2_hear(&ear, fake_conn_out(fake));
}

static inline void flush(void)
{
    fake_flush(&core);
    h2_hear(&ear, fake_conn_out(fake));
}

static inline void wait_ms(uint64_t ms)
{
    fake_wait(&core, ms);
    h2_hear(&ear, fake_conn_out(fake));
}

static inline void get(uint32_t stream, const char *path)
{
    h2_say_ask(&words, stream, "GET", path, true);
}

static inline bool heard(const char *text)
{
    return h2_heard(&ear, text);
}

#define expect_log(text)                         \
    do {                                         \
        assert_bytes(buf_bytes(&ear.log), text); \
        buf_reset(&ear.log);                     \
    } while (0)

#define HELLO "SETTINGS\nSETTINGS ack\nWINDOW\n"
#define OK(stream, len, body)                            \
    "HEADERS " stream " :status=200 content-length=" len \
    " content-type=text/plain\nDATA " stream " end " body "\n"

/* The greeting is over. */
static inline void greet(void)
{
    say();
    buf_reset(&ear.log);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
