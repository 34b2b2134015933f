/* SPDX-License-Identifier: Apache-2.0
 *
 * What this process costs, as every exporter of Prometheus says it: process_*.
 * The only file that asks the kernel for that.
 */
#ifndef NODE_PROCESS_H
#define NODE_PROCESS_H

#include "proto/bytes.h"

/* Processor time of all of the process, or of this thread. */
uint64_t process_cpu_us(void);
uint64_t process_thread_cpu_us(void);
/* Resident memory; 0 when the kernel does not say. */
uint64_t process_rss(void);

/* Appends the Prometheus text exposition; started_ms: wall clock. What the
 * kernel does not say is left out. */
void process_write(uint64_t started_ms, struct buf *out);

#endif
