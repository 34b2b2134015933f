/* SPDX-License-Identifier: Apache-2.0
 *
 * What is still to be passed on: at most one rumour for each member, newest
 * first. A rumour names a row only; what it says is read from the member when
 * it is sent, so nothing outdated is ever spread.
 *
 * Within a packet what *became* of members goes before whole new members, the
 * seldom sent before the often sent, the newer before the older: a death never
 * starves behind a thousand joins.
 */
#ifndef CLUSTER_RUMOUR_H
#define CLUSTER_RUMOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rumour_lane {
    RUMOUR_NEAR = 0,
    RUMOUR_FAR = 1,
    RUMOUR_LANES = 2
};

struct rumour {
    uint16_t row;
    bool whole; /* the others may not know this member at all */
    uint8_t sent[RUMOUR_LANES];
    uint32_t fill; /* the packet it was last put in */
};

struct rumours {
    struct rumour *list; /* newest first */
    uint16_t len;
    uint16_t cap;
    uint32_t fill;
};

/* Errors: ERR_NOMEM. */
int rumours_init(struct rumours *rumours, uint16_t cap);
void rumours_fini(struct rumours *rumours);

/* Puts this row in front, to be sent from the start; what was not known whole
 * stays so. */
void rumour_add(struct rumours *rumours, uint16_t row, bool whole);
void rumour_remove(struct rumours *rumours, uint16_t row);

/* Begins a packet; then rumour_next() gives each rumour once, best first, that
 * was sent fewer than `limit` times in the lane. The caller that could send it
 * counts it (sent[lane]++). */
void rumours_begin(struct rumours *rumours);
struct rumour *rumour_next(struct rumours *rumours, enum rumour_lane lane,
                           unsigned limit);

/* Drops what has been sent often enough in both lanes. */
void rumours_sweep(struct rumours *rumours,
                   const unsigned limits[RUMOUR_LANES]);

#endif
