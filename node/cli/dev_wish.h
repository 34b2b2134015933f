/* SPDX-License-Identifier: Apache-2.0
 *
 * What may be wished of a `starling dev` that stays: by a line on the terminal,
 * or by POST /v1/dev.
 *
 *   k 2         {"do":"kill","node":"n2"}
 *   r 2         {"do":"restart","node":"n2"}
 *   p eu us     {"do":"partition","regions":["eu","us"]}
 *   h           {"do":"heal"}
 *   w 80        {"do":"wan","ms":80}
 *   s ? q       only on the terminal: show, help, quit
 */
#ifndef NODE_CLI_DEV_WISH_H
#define NODE_CLI_DEV_WISH_H

#include "node/cli/dev_nodes.h"

enum {
    DEV_WORDS_MAX = 256
};

enum dev_verb {
    DEV_NOTHING, /* an empty line */
    DEV_KILL,
    DEV_RESTART,
    DEV_PARTITION,
    DEV_HEAL,
    DEV_WAN,
    DEV_SHOW,
    DEV_HELP,
    DEV_QUIT,
};

struct dev_wish {
    enum dev_verb verb;
    size_t node;
    size_t regions[2]; /* the second may be regions_len: all others */
    uint32_t ms;
};

/* Both say in `words` what is wrong. Errors: ERR_SYNTAX (no JSON),
 * ERR_ARGUMENT, ERR_NOT_FOUND (no such node or region). `line` is changed. */
int dev_wish_read_line(const struct dev_nodes *nodes, char *line,
                       struct dev_wish *wish, char words[DEV_WORDS_MAX]);
int dev_wish_read_json(const struct dev_nodes *nodes, struct bytes text,
                       struct dev_wish *wish, char words[DEV_WORDS_MAX]);

/* Carries out what is done to nodes and ways, and says what happened, or why
 * not. Errors: ERR_CONFLICT, ERR_IO. */
int dev_wish_do(struct dev_nodes *nodes, const struct dev_wish *wish,
                char words[DEV_WORDS_MAX]);

#endif
