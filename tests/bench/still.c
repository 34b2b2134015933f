/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/still.h"

#include <string.h>
#include <time.h>
#include <uv.h>

enum {
    NS_IN_S = 1000000000,
    START_S = 1795305600, /* both clocks: a date that pages can be made of */
};

static uint64_t now_ns = (uint64_t)START_S * NS_IN_S;
static uint8_t random_byte;

void still_wait_ms(uint64_t ms)
{
    now_ns += ms * 1000000;
}

/* In the place of libc's, for libuv and ours alike: the linker finds this one
 * first. */
int clock_gettime(clockid_t clock, struct timespec *t)
{
    (void)clock;
    t->tv_sec = (time_t)(now_ns / NS_IN_S);
    t->tv_nsec = (long)(now_ns % NS_IN_S);
    return 0;
}

/* Linked in the place of libuv's (CMakeLists.txt: --wrap). */
int __wrap_uv_gettimeofday(uv_timeval64_t *t);
int __wrap_uv_gettimeofday(uv_timeval64_t *t)
{
    t->tv_sec = (int64_t)(now_ns / NS_IN_S);
    t->tv_usec = (int32_t)(now_ns % NS_IN_S / 1000);
    return 0;
}

int __wrap_uv_random(uv_loop_t *loop, uv_random_t *request, void *p, size_t len,
                     unsigned flags, uv_random_cb done);
int __wrap_uv_random(uv_loop_t *loop, uv_random_t *request, void *p, size_t len,
                     unsigned flags, uv_random_cb done)
{
    (void)loop;
    (void)request;
    (void)flags;
    (void)done;
    for (size_t i = 0; i < len; i++) {
        random_byte = (uint8_t)(random_byte * 5 + 3); /* all 256, in turn */
        ((uint8_t *)p)[i] = random_byte;
    }
    return 0;
}

/* In the place of libsodium's, which asks them which code to take. */
int sodium_runtime_has_avx(void);
int sodium_runtime_has_avx2(void);
int sodium_runtime_has_ssse3(void);
int sodium_runtime_has_sse41(void);

int sodium_runtime_has_avx(void)
{
    return 0;
}

int sodium_runtime_has_avx2(void)
{
    return 0;
}

int sodium_runtime_has_ssse3(void)
{
    return 0;
}

int sodium_runtime_has_sse41(void)
{
    return 0;
}

/* libcrypto would take another code on another machine. */
struct aead *__wrap_aead_new(void);
struct aead *__wrap_aead_new(void)
{
    return NULL;
}
