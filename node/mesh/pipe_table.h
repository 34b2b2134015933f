/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is connected to our lanes, by address: decides whether one more may.
 *
 * Every peer needs two pipes, one a lane. An address gets PIPES_PER_IP that
 * have not shown yet that they hold a key, and as many again for each peer that
 * we dial there: several nodes may share a host, or come from behind one
 * address. Addresses where no peer is have PIPES_STRANGERS_MAX such pipes
 * together, so that strangers cannot take the places of peers. Trusted pipes
 * are bounded by PIPES_MAX alone.
 */
#ifndef NODE_PIPE_TABLE_H
#define NODE_PIPE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PIPES_PER_IP = 4,
    PIPES_STRANGERS_MAX = 256,
    PIPES_MAX = 8192,
};

struct pipe_entry {
    uint32_t pipe; /* 0 = free */
    bool trusted;  /* a frame of it opened */
    bool known;    /* a peer was dialled at its address when it came */
    uint8_t ip[16];
};

struct pipe_table {
    struct pipe_entry *entries; /* PIPES_MAX, or NULL */
    size_t len;                 /* no entry in use beyond */
    uint64_t refused;
};

/* Errors: ERR_NOMEM. */
int pipe_table_init(struct pipe_table *table);
void pipe_table_fini(struct pipe_table *table);

/* Adds the pipe, or refuses and counts it. `peers_here` are dialled at `ip`. */
bool pipe_table_admit(struct pipe_table *table, uint32_t pipe,
                      const uint8_t ip[16], size_t peers_here);
/* It counts in no bound but PIPES_MAX any more. */
void pipe_table_trust(struct pipe_table *table, uint32_t pipe);
/* One that was refused, or never seen, is no error. */
void pipe_table_remove(struct pipe_table *table, uint32_t pipe);

#endif
