/* SPDX-License-Identifier: Apache-2.0
 *
 * The service manager is a socket of this test.
 */
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/notify.h"

static int manager = -1;
static char heard[4096]; /* since the last time, a line each */

static int setup(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    socklen_t len = sizeof at;
    (void)state;

    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(manager >= 0);
    /* The system chooses an abstract name. */
    assert_int_equal(bind(manager, (struct sockaddr *)&at, sizeof(sa_family_t)),
                     0);
    assert_int_equal(getsockname(manager, (struct sockaddr *)&at, &len), 0);
    at.sun_path[0] = '@';
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(manager);
    unsetenv("NOTIFY_SOCKET");
    return 0;
}

static const char *hear(void)
{
    size_t len = 0;
    ssize_t n;

    while ((n = recv(manager, heard + len, sizeof heard - len - 2, 0)) > 0) {
        len += (size_t)n;
        heard[len++] = '\n';
    }
    heard[len] = '\0';
    return heard;
}

static const struct notify_state joining = {.nodes = 1};
static const struct notify_state ready = {
    .ready = true, .nodes = 3, .conns = 5};

static void ready_is_said_once_when_all_workers_are(void **state)
{
    (void)state;
    struct notify *notify = notify_open(2);

    assert_non_null(notify);
    assert_int_equal(notify_every_ms(notify), 1000);
    notify_beat(notify, 0, &joining, 1000);
    assert_string_equal(hear(), "STATUS=joining, 1 nodes, 0 connections\n");
    notify_beat(notify, 0, &ready, 2000);
    assert_string_equal(hear(), "STATUS=joining, 3 nodes, 5 connections\n");
    notify_beat(notify, 1, &ready, 2500);
    assert_string_equal(hear(), ""); /* the first speaks for all */
    notify_beat(notify, 0, &joining, 2600);
    assert_string_equal(hear(), ""); /* of all, not of the last one */
    notify_beat(notify, 0, &ready, 3000);
    assert_string_equal(hear(),
                        "READY=1\nSTATUS=ready, 3 nodes, 10 connections\n");
    notify_beat(notify, 0, &ready, 4000);
    assert_string_equal(hear(), ""); /* nothing has changed */
    notify_close(notify);
}

static void a_worker_that_stands_still_is_told_by_silence(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "900000", 1);
    struct notify *notify = notify_open(2);

    assert_int_equal(notify_every_ms(notify), 301);
    for (uint64_t ms = 1000; ms < 5000; ms += 300) {
        if (ms < 2000) {
            notify_beat(notify, 1, &ready, ms);
        }
        notify_beat(notify, 0, &ready, ms);
        bool fed = strstr(hear(), "WATCHDOG=1") != NULL;
        assert_true(fed == (ms <= 1900 + 900));
    }
    notify_beat(notify, 1, &ready, 5000);
    notify_beat(notify, 0, &ready, 5000);
    assert_string_equal(hear(), "WATCHDOG=1\n");
    notify_stopping(notify); /* then one may end before the other */
    assert_string_equal(hear(), "STOPPING=1\n");
    notify_beat(notify, 0, &ready, 9000);
    assert_string_equal(hear(), "WATCHDOG=1\n");
    notify_close(notify);
}

static void a_watchdog_of_another_process_is_not_ours(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "900000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    struct notify *notify = notify_open(1);

    notify_beat(notify, 0, &joining, 1000);
    assert_null(strstr(hear(), "WATCHDOG"));
    notify_close(notify);
}

static void a_reload_is_said_with_its_time(void **state)
{
    (void)state;
    struct notify *notify = notify_open(1);
    unsigned long long usec = 0;

    notify_reloading(notify); /* before it was ready: nothing to say */
    notify_reloaded(notify);
    assert_string_equal(hear(), "");
    notify_beat(notify, 0, &ready, 1000);
    (void)hear();
    notify_reloading(notify);
    assert_int_equal(
        sscanf(hear(), "RELOADING=1\nMONOTONIC_USEC=%llu\n", &usec), 1);
    assert_true(usec > 0);
    notify_reloaded(notify);
    assert_string_equal(hear(), "READY=1\n");
    notify_stopping(notify);
    notify_stopping(notify);
    notify_reloading(notify);
    notify_reloaded(notify);
    assert_string_equal(hear(), "STOPPING=1\n");
    notify_close(notify);
}

static void a_path_is_an_address_too(void **state)
{
    char folder[] = "/tmp/starling-notify-XXXXXX";
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)state;

    assert_non_null(mkdtemp(folder));
    snprintf(at.sun_path, sizeof at.sun_path, "%s/socket", folder);
    close(manager);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(manager, (struct sockaddr *)&at, sizeof at), 0);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    struct notify *notify = notify_open(1);
    notify_beat(notify, 0, &ready, 1000);
    assert_memory_equal(hear(), "READY=1\n", 8);
    notify_close(notify);
    unlink(at.sun_path);
    rmdir(folder);
}

static void without_a_manager_nothing_is_said(void **state)
{
    static const char *const names[] = {"", "/", "@", "relative", NULL};
    static char longer[200];
    (void)state;

    for (size_t i = 0; names[i] != NULL; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        assert_null(notify_open(1));
    }
    memset(longer, '/', sizeof longer - 1);
    setenv("NOTIFY_SOCKET", longer, 1);
    assert_null(notify_open(1));
    unsetenv("NOTIFY_SOCKET");
    struct notify *none = notify_open(1);
    assert_null(none);
    assert_int_equal(notify_every_ms(none), 0);
    notify_beat(none, 0, &ready, 1);
    notify_reloading(none);
    notify_reloaded(none);
    notify_stopping(none);
    notify_close(none);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(ready_is_said_once_when_all_workers_are),
        TEST(a_worker_that_stands_still_is_told_by_silence),
        TEST(a_watchdog_of_another_process_is_not_ours),
        TEST(a_reload_is_said_with_its_time),
        TEST(a_path_is_an_address_too),
        TEST(without_a_manager_nothing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
