/* SPDX-License-Identifier: Apache-2.0
 *
 * The n-th allocation fails. For an executable linked with --wrap=malloc (see
 * CMakeLists.txt); include it in that one .c file only.
 */
#ifndef TESTS_FAIL_MALLOC_H
#define TESTS_FAIL_MALLOC_H

#include <stddef.h>

/* How many further allocations succeed before one fails; -1: all succeed. */
static long fail_malloc_after = -1;
static bool fail_malloc_always; /* whatever the number */
static bool fail_malloc_hit;    /* an allocation failed since it was set */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static void fail_malloc(long after)
{
    fail_malloc_after = after;
    fail_malloc_hit = false;
}

static bool fail_malloc_now(void)
{
    if (fail_malloc_always) {
        return true;
    }
    if (fail_malloc_after < 0) {
        return false;
    }
    if (fail_malloc_after-- > 0) {
        return false;
    }
    fail_malloc_hit = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fail_malloc_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fail_malloc_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fail_malloc_now() ? NULL : __real_realloc(p, size);
}

#endif
