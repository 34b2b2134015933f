/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells the service manager how the process is (systemd's protocol, without its
 * library): one datagram to the socket that NOTIFY_SOCKET names, a path or
 * "@abstract".
 *
 *   READY=1      all workers listen and take publishes: the first
 *                synchronisation is done, or timed out
 *   STATUS=      one line for people, when it changes
 *   RELOADING=1  a configuration is read anew; then READY=1 again
 *   STOPPING=1   it drains
 *   WATCHDOG=1   every loop has turned since the last time (WATCHDOG_USEC)
 *
 * Each loop beats by a timer of its own; the first worker's speaks for all. So
 * a loop that stands still for as long as the manager allows is told by
 * silence, whichever it is.
 *
 * The object is the process's, and NULL without a manager: every function takes
 * that. Any thread.
 */
#ifndef NODE_NOTIFY_H
#define NODE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct notify;

/* NULL: nobody wants to know, or cannot be told. */
struct notify *notify_open(size_t workers);
void notify_close(struct notify *notify);

/* How often each worker is to beat; 0 without a manager. */
uint64_t notify_every_ms(const struct notify *notify);

/* What the line says; summed over all workers. */
struct notify_state {
    bool ready;
    bool draining;
    uint64_t conns;
    uint64_t nodes; /* of the cluster, this one too */
};

/* `now_ms` never jumps. */
void notify_beat(struct notify *notify, size_t worker,
                 const struct notify_state *state, uint64_t now_ms);

void notify_reloading(struct notify *notify);
void notify_reloaded(struct notify *notify);
void notify_stopping(struct notify *notify);

#endif
