/* SPDX-License-Identifier: Apache-2.0
 *
 * One nng pull socket: what anybody sends us on one lane. With node/push.c the
 * only file that knows nng.
 *
 * Frames wait in the inbox until the loop takes them: at most PULL_INBOX_LEN
 * bytes, but an empty inbox takes any frame. When it is full nothing more is
 * read, from nobody. With several receives outstanding frames may change
 * places.
 *
 * Loop thread, but for the functions of struct pull_to.
 */
#ifndef NODE_PULL_H
#define NODE_PULL_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/addr.h"
#include "proto/bytes.h"

enum {
    PULL_RECEIVES = 2, /* outstanding */
    PULL_INBOX_MAX = 256,
    PULL_INBOX_LEN = 2 << 20,
};

struct pull;

/* Called by nng's threads. They take no lock that is held while calling a
 * function of this header. */
struct pull_to {
    void *data;
    void (*on_news)(void *data); /* the inbox is no longer empty */
    bool (*admit)(void *data, uint32_t pipe, const uint8_t ip[16]);
    void (*left)(void *data, uint32_t pipe);
};

/* Listens. A frame longer than frame_max closes its pipe. Errors: ERR_IO
 * (address taken), ERR_NOMEM. */
int pull_open(struct pull **pull, const struct addr *listen, size_t frame_max,
              const struct pull_to *to);
/* Blocks until nng has let go. Any one thread. */
void pull_close(struct pull *pull);
void pull_free(struct pull *pull); /* after pull_close() */

/* Hands over what lies in the inbox now; what comes meanwhile is news again. */
void pull_take(struct pull *pull,
               void (*on_frame)(void *data, struct bytes frame, uint32_t pipe),
               void *data);

/* Closes a pipe. */
void pull_cut(uint32_t pipe);

#endif
