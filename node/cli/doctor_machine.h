/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine that `starling doctor` runs on, as far as a node depends on it.
 */
#ifndef NODE_CLI_DOCTOR_MACHINE_H
#define NODE_CLI_DOCTOR_MACHINE_H

#include "node/cli/checkup.h"

#define MACHINE_UNKNOWN UINT64_MAX

/* What is not known is MACHINE_UNKNOWN. */
struct machine {
    uint64_t files;           /* that a process may open */
    bool files_of_node;       /* of a node that runs here; else of this shell */
    uint64_t backlog;         /* net.core.somaxconn */
    uint64_t listen_drops;    /* counted: connections that found it full */
    uint64_t udp_drops;       /* counted: packets that found no buffer */
    uint64_t tcp_pages;       /* memory of all sockets, ... */
    uint64_t tcp_pages_max;   /* ... and what they may have */
    uint64_t memory_kb;       /* available, ... */
    uint64_t memory_total_kb; /* ... of so much */
    uint64_t clock_synced;    /* 1 or 0 */
};

/* From the files of /proc below `root` ("/proc"), and the kernel's clock. */
void machine_read(struct machine *machine, const char *root);

/* Of two looks, a while apart. */
void machine_judge(const struct machine *before, const struct machine *now,
                   struct checkup *checkup);

#endif
