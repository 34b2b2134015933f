/* SPDX-License-Identifier: Apache-2.0
 *
 * node/mesh/lanes.h without nng and its threads: the nodes of this process
 * reach each other by memory. A frame goes when wires_carry() is called and not
 * before, so that two nodes run the same way each time. The seal, the queues
 * and all else of the mesh are the real ones.
 */
#ifndef TESTS_BENCH_WIRES_H
#define TESTS_BENCH_WIRES_H

/* Tells of ways that stand and hands over all frames, until none is left. */
void wires_carry(void);

#endif
