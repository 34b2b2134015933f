/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks again and again whether acknowledged means subscribed: a new topic is
 * subscribed on one node, and the moment that is acknowledged it is published
 * to on another node of the region (elsewhere the acknowledgement promises it
 * only with barrier=all).
 *
 * Until something comes it is published to again, in a while each time. So the
 * first item is *lost after acknowledgement* when a later one comes without it
 * and without a discontinuity. When nothing comes at all the two nodes are cut
 * off from each other, and nothing was promised.
 */
#ifndef NODE_CLI_ASKING_H
#define NODE_CLI_ASKING_H

#include "node/cli/way.h"

struct asking {
    const struct link_url *nodes;
    const uint8_t *regions; /* of each node; NULL: all of one */
    size_t nodes_len;
    const char *token;
    const char *prefix; /* of the topics */

    uint64_t asked; /* subscribes that were acknowledged and tried */
    uint64_t lost;  /* of those */
    uint64_t cut;   /* tries in which nothing came */

    /* private: the one that is under way */
    struct way in;
    struct way out;
    char topic[64];
    uint64_t turn;
    uint64_t said;     /* items published */
    uint64_t answered; /* of those */
    uint64_t accepted; /* the first one that was; 0 = none yet */
    uint64_t came;     /* the first one that came; 0 = none yet */
    bool acknowledged;
    bool partial; /* not by all nodes of its region: promises nothing */
    bool told;    /* a discontinuity instead */
    uint64_t say_ms;
    uint64_t give_up_ms;
    uint64_t next_ms;
};

/* Does what can be done now; never waits. */
void asking_step(struct asking *asking);
void asking_fini(struct asking *asking);

#endif
