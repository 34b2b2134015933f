/* SPDX-License-Identifier: Apache-2.0
 *
 * What the values of the checker say: "c P N T", who published it, its number
 * there, and when (in us, on the checker's clock); "w P N T" in the warm-up.
 */
#ifndef NODE_CLI_MARK_H
#define NODE_CLI_MARK_H

#include <stdbool.h>

#include "proto/bytes.h"

struct mark {
    bool counts; /* false: of the warm-up */
    uint64_t publisher;
    uint64_t number;
    uint64_t sent_us;
};

void mark_write(const struct mark *mark, struct buf *out);
/* false: it is none. */
bool mark_read(struct bytes value, struct mark *mark);

#endif
