/* SPDX-License-Identifier: Apache-2.0
 *
 * What is still to be passed on: at most one rumour for each member, newest
 * first. A rumour names a row only; what it says is read from the member when
 * it is sent, so nothing outdated is ever spread.
 *
 * There are two classes: what *became* of members, and whole new members. Each
 * has its share of a packet, so that a death never starves behind a thousand
 * joins, nor a join behind a thousand suspicions. Within a class the seldom
 * sent goes before the often sent, the newer before the older.
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

/* Begins a packet; then rumour_next() gives each rumour of a class once, best
 * first, that was sent fewer than `limit` times in the lane. The caller that
 * could send it counts it (sent[lane]++), the one that wants it again in this
 * packet puts it back. */
void rumours_begin(struct rumours *rumours);
struct rumour *rumour_next(struct rumours *rumours, enum rumour_lane lane,
                           unsigned limit, bool whole);
void rumour_put_back(struct rumour *rumour);

/* Drops what has been sent often enough in both lanes. */
void rumours_sweep(struct rumours *rumours,
                   const unsigned limits[RUMOUR_LANES]);

#endif
