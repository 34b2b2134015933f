/* SPDX-License-Identifier: Apache-2.0
 *
 * What every cmocka test needs, in the order that cmocka wants it.
 */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/bytes.h"

/* Fails unless s is exactly the text, byte for byte. */
#define assert_bytes(s, text)                            \
    do {                                                 \
        struct bytes got_ = (s);                         \
        assert_int_equal(got_.len, strlen(text));        \
        assert_memory_equal(got_.p, text, strlen(text)); \
    } while (0)

#endif
