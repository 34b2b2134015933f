/* SPDX-License-Identifier: Apache-2.0
 *
 * Several nodes in one process, each with its loop on a thread of its own:
 * one process, because the threads of nng are then shared, and one client port.
 *
 *   main thread   prepares all, binds all ports or none, then is the loop of
 *                 the first worker
 *   a thread      is the loop of each further worker
 *
 * The others start, and share the client port, as soon as the first is ready:
 * they join through it. Were all to join at once, they would answer each other
 * before any seed elsewhere does, and take publishes that nobody there hears.
 *
 * No node touches the memory of another; what they say of themselves for all
 * is on the board (node/board.h).
 * libuv gives each signal to every loop, so all of them drain together.
 */
#ifndef NODE_WORKERS_H
#define NODE_WORKERS_H

#include "node/config/config.h"

/* Runs config->workers nodes (more than one) until all have stopped. Returns
 * what the process should end with: the first code that is not 0. What keeps
 * one from its start is in the log, and ends all. */
struct notify;
struct reload;
int workers_run(const struct config *config, struct reload *reload,
                struct notify *notify);

#endif
