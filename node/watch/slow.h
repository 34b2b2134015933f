/* SPDX-License-Identifier: Apache-2.0
 *
 * For whom most waits.
 */
#ifndef NODE_SLOW_H
#define NODE_SLOW_H

#include "node/watch/report.h"

struct core;

/* The clients with most in their queues, in that order; who has nothing in it
 * is not slow. At most REPORT_SLOW_MAX, into rows. Returns how many. Walks all
 * clients, but only while something waits for any. */
size_t slow_list(const struct core *core, struct report_slow *rows);

#endif
