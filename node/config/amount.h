/* SPDX-License-Identifier: Apache-2.0
 *
 * A number as operators write it.
 */
#ifndef NODE_AMOUNT_H
#define NODE_AMOUNT_H

#include <stdint.h>

/* 64k, 2m, 1g are bytes; 500ms, 10s, 2min are times; a plain number is the
 * field's own unit. Errors: ERR_SYNTAX. */
int amount_read(const char *text, uint64_t *amount);

#endif
