/* SPDX-License-Identifier: Apache-2.0
 *
 * The little HTTP/1.1 that doors of `starling bench` need: the head of a
 * request and that of an answer, out of buffers.
 */
#ifndef NODE_BENCH_HTTP_H
#define NODE_BENCH_HTTP_H

#include "node/bench/door.h"

/* Request line, Host and, with a token, Authorization; neither more headers nor
 * the blank line. */
void bench_http_begin(struct buf *out, const struct bench_talk *talk,
                      const char *method, const char *path);

/* Takes the head of an answer. > 0 its length, 0 not whole yet; < 0 for a
 * status from 400 up, and ERR_SYNTAX. */
ptrdiff_t bench_http_take(struct bench_talk *talk, struct bytes in,
                          unsigned *status);

#endif
