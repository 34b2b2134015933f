/* SPDX-License-Identifier: Apache-2.0
 *
 * A bar on standard error while `starling bench` works; nothing when that is no
 * terminal.
 */
#ifndef NODE_BENCH_PROGRESS_H
#define NODE_BENCH_PROGRESS_H

/* done: 0 to 1 of `what`; per_s: deliveries a second, 0: none to be told. Draws
 * ten times a second at most. */
void bench_progress(double done, const char *what, double per_s);
void bench_progress_end(void); /* removes it; again: fine */

#endif
