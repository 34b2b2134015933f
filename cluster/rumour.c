/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/rumour.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

int rumours_init(struct rumours *rumours, uint16_t cap)
{
    *rumours = (struct rumours){
        .list = calloc(cap, sizeof *rumours->list),
        .cap = cap,
    };
    return rumours->list == NULL ? ERR_NOMEM : 0;
}

void rumours_fini(struct rumours *rumours)
{
    free(rumours->list);
    *rumours = (struct rumours){0};
}

static void take_out(struct rumours *rumours, size_t at)
{
    rumours->len--;
    memmove(rumours->list + at, rumours->list + at + 1,
            (rumours->len - at) * sizeof *rumours->list);
}

void rumour_add(struct rumours *rumours, uint16_t row, bool whole)
{
    for (size_t i = 0; i < rumours->len; i++) {
        if (rumours->list[i].row == row) {
            whole = whole || rumours->list[i].whole;
            take_out(rumours, i);
            break;
        }
    }
    assert(rumours->len < rumours->cap);
    memmove(rumours->list + 1, rumours->list,
            rumours->len * sizeof *rumours->list);
    rumours->list[0] = (struct rumour){.row = row, .whole = whole};
    rumours->len++;
}

void rumour_remove(struct rumours *rumours, uint16_t row)
{
    for (size_t i = 0; i < rumours->len; i++) {
        if (rumours->list[i].row == row) {
            take_out(rumours, i);
            return;
        }
    }
}

void rumours_begin(struct rumours *rumours)
{
    rumours->fill++;
    if (rumours->fill == 0) { /* 0 means never */
        rumours->fill++;
        for (size_t i = 0; i < rumours->len; i++) {
            rumours->list[i].fill = 0;
        }
    }
}

struct rumour *rumour_next(struct rumours *rumours, enum rumour_lane lane,
                           unsigned limit, bool whole)
{
    struct rumour *best = NULL;

    for (size_t i = 0; i < rumours->len; i++) {
        struct rumour *r = &rumours->list[i];
        if (r->whole == whole && r->fill != rumours->fill &&
            r->sent[lane] < limit &&
            (best == NULL || r->sent[lane] < best->sent[lane])) {
            best = r;
        }
    }
    if (best != NULL) {
        best->fill = rumours->fill;
    }
    return best;
}

void rumour_put_back(struct rumour *rumour)
{
    rumour->fill = 0;
}

void rumours_sweep(struct rumours *rumours, const unsigned limits[RUMOUR_LANES])
{
    size_t kept = 0;

    for (size_t i = 0; i < rumours->len; i++) {
        const struct rumour *r = &rumours->list[i];
        if (r->sent[RUMOUR_NEAR] < limits[RUMOUR_NEAR] ||
            r->sent[RUMOUR_FAR] < limits[RUMOUR_FAR]) {
            rumours->list[kept++] = *r;
        }
    }
    rumours->len = (uint16_t)kept;
}
