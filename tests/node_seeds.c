/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that resolve to several addresses, which change: the resolver and the
 * clock are the test's own (--wrap, see CMakeLists.txt).
 */
#include "tests/test.h"

#include <netdb.h>
#include <stdio.h>

#include "node/conn/sockaddr.h"
#include "node/mesh/seeds.h"

enum {
    ANSWER_MAX = 64
};

static uv_loop_t loop;
static struct config config;
static struct seeds *seeds;
static struct log quiet;

/* What was asked and not answered yet. */
static struct {
    uv_getaddrinfo_t *request;
    uv_getaddrinfo_cb on_answer;
    char host[64];
} asked[CONFIG_SEEDS_MAX];
static size_t asked_len;
static bool broken; /* the resolver takes no question */

static uv_timer_t *timer;
static uv_timer_cb on_timer;

static struct addr told[CLUSTER_SEEDS_MAX];
static size_t told_len;
static size_t tellings;

int __wrap_uv_getaddrinfo(uv_loop_t *l, uv_getaddrinfo_t *request,
                          uv_getaddrinfo_cb on_answer, const char *host,
                          const char *port, const struct addrinfo *hints);
void __wrap_uv_freeaddrinfo(struct addrinfo *answer);
int __wrap_uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t timeout,
                          uint64_t repeat);

int __wrap_uv_getaddrinfo(uv_loop_t *l, uv_getaddrinfo_t *request,
                          uv_getaddrinfo_cb on_answer, const char *host,
                          const char *port, const struct addrinfo *hints)
{
    (void)l;
    (void)hints;
    assert_string_equal(port, "7401");
    if (broken) {
        return UV_ENOMEM;
    }
    asked[asked_len].request = request;
    asked[asked_len].on_answer = on_answer;
    (void)snprintf(asked[asked_len].host, sizeof asked[0].host, "%s", host);
    asked_len++;
    return 0;
}

void __wrap_uv_freeaddrinfo(struct addrinfo *answer)
{
    (void)answer; /* of the test's stack */
}

int __wrap_uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t timeout,
                          uint64_t repeat)
{
    assert_int_equal(timeout, 0);
    assert_int_equal(repeat, SEEDS_EVERY_MS);
    timer = t;
    on_timer = cb;
    return 0;
}

static void on_found(void *data, const struct addr *found, size_t len)
{
    (void)data;
    assert_true(len <= ARRAY_LEN(told));
    memcpy(told, found, len * sizeof *found);
    told_len = len;
    tellings++;
}

static void begin(const char *const *names, size_t len)
{
    asked_len = 0;
    told_len = 0;
    tellings = 0;
    broken = false;
    config = (struct config){.join_len = len};
    for (size_t i = 0; i < len; i++) {
        (void)snprintf(config.join[i], sizeof config.join[i], "%s:7401",
                       names[i]);
    }
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(seeds_open(&seeds, &loop, &config, &quiet, on_found, NULL),
                     0);
}

static void end(void)
{
    seeds_close(seeds);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Ten seconds pass. */
static void pass(void)
{
    on_timer(timer);
}

/* The oldest question is answered: 10.0.HIGH.x for x from `first` on. */
static void answer(const char *host, uint8_t first, size_t len)
{
    struct sockaddr_in where[ANSWER_MAX];
    struct addrinfo list[ANSWER_MAX] = {{0}};

    assert_true(asked_len > 0);
    assert_string_equal(asked[0].host, host);
    for (size_t i = 0; i < len; i++) {
        where[i] = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons(7401)};
        where[i].sin_addr.s_addr = htonl(0x0a000000 + first + (uint32_t)i);
        list[i].ai_addr = (struct sockaddr *)&where[i];
        list[i].ai_next = i + 1 < len ? &list[i + 1] : NULL;
    }
    uv_getaddrinfo_t *request = asked[0].request;
    uv_getaddrinfo_cb cb = asked[0].on_answer;
    memmove(asked, asked + 1, --asked_len * sizeof asked[0]);
    cb(request, len == 0 ? UV_EAI_NONAME : 0, len == 0 ? NULL : list);
}

/* The last bytes of the addresses told, in order. */
static void assert_told(const uint8_t *last, size_t len)
{
    assert_int_equal(told_len, len);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(told[i].ip[15], last[i]);
        assert_int_equal(told[i].port, 7401);
    }
}

static void all_addresses_of_a_name_are_told_and_change(void **state)
{
    static const char *const names[] = {"headless"};
    (void)state;

    begin(names, 1);
    pass();
    answer("headless", 1, 3);
    assert_told((uint8_t[]){1, 2, 3}, 3);
    pass();
    answer("headless", 3, 2); /* pods 1 and 2 went, 4 came */
    assert_told((uint8_t[]){3, 4}, 2);
    pass();
    answer("headless", 0, 0); /* the resolver fails: what was known stays */
    assert_told((uint8_t[]){3, 4}, 2);
    broken = true;
    pass();
    broken = false;
    pass();
    answer("headless", 9, 1);
    assert_told((uint8_t[]){9}, 1);
    assert_int_equal(tellings, 4);
    end();
}

/* A service of more nodes than fit: each is told sooner or later, or two halves
 * that saw the same few first would never meet. */
static void of_many_addresses_all_have_their_turn(void **state)
{
    static const char *const names[] = {"headless"};
    bool seen[50] = {false};
    size_t len = 0;
    (void)state;

    begin(names, 1);
    for (size_t round = 0; round < 50 / 8 + 2; round++) {
        pass();
        answer("headless", 0, 50); /* always in the same order */
        assert_in_range(told_len, 8, CLUSTER_SEEDS_MAX);
        for (size_t i = 0; i < told_len; i++) {
            len += !seen[told[i].ip[15]];
            seen[told[i].ip[15]] = true;
        }
    }
    assert_int_equal(len, 50);
    end();
}

static void each_name_has_its_first_address_in_front(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    (void)state;

    begin(names, 3);
    pass();
    answer("a", 10, 8);
    pass(); /* not all have answered: nothing is asked twice */
    assert_int_equal(asked_len, 2);
    answer("b", 20, 8);
    assert_int_equal(tellings, 0);
    answer("c", 30, 8);
    assert_told((uint8_t[]){10, 20, 30, 11, 21, 31, 12, 22, 32, 13, 23, 33, 14,
                            24, 34, 15},
                16);
    end();
}

static void an_answer_after_the_end_is_no_harm(void **state)
{
    static const char *const names[] = {"a", "b"};
    (void)state;

    begin(names, 2);
    pass();
    answer("a", 1, 1);
    seeds_close(seeds);
    uv_run(&loop, UV_RUN_DEFAULT);
    answer("b", 2, 1);
    assert_int_equal(tellings, 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_addresses_of_a_name_are_told_and_change),
        cmocka_unit_test(of_many_addresses_all_have_their_turn),
        cmocka_unit_test(each_name_has_its_first_address_in_front),
        cmocka_unit_test(an_answer_after_the_end_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
